"""Messages that MQTT clients publish: whether they are taken, and what they set in motion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import _events as on
from .._connections import Connection
from .._frames import Message
from .._mqtt_switches import MqttSwitches
from . import _codes as codes
from ._admission import RECEIVE_MAXIMUM
from ._contents import payload_of
from ._packets import MQTT_5, Publish
from ._session import MqttSession
from ._topics import event_of, is_public

if TYPE_CHECKING:
    from .._hub import Hub


class Publishing:
    """What a hub does with the messages of its MQTT clients.

    :param hub: The hub.
    :param switches: What is not settled.
    """

    def __init__(self, hub: Hub, switches: MqttSwitches) -> None:
        self._hub = hub
        self._switches = switches

    @staticmethod
    def fault(session: MqttSession, packet: Publish) -> tuple[str, int] | None:
        """Return what is so wrong with a message that its client is cut off, and the code for it."""
        if packet.retain:
            return "Retained messages are not supported.", codes.NO_RETAIN
        if packet.properties.topic_alias is not None:
            return "Topic aliases are not supported.", codes.BAD_TOPIC_ALIAS
        if packet.properties.subscription_identifier:
            return "A client publishes no subscription identifier.", codes.PROTOCOL_ERROR
        if packet.qos == 2 and session.version == MQTT_5 and len(session.received) >= RECEIVE_MAXIMUM:  # noqa: PLR2004
            return "More messages are under way than the Receive Maximum allows.", codes.RECEIVE_MAXIMUM
        return None

    def verdict(self, connection: Connection, packet: Publish) -> tuple[int, str]:
        """Return 0 for a message that is taken, or the code and the reason for which it is not."""
        if event_of(packet.topic) is None and not is_public(packet.topic):
            return codes.BAD_TOPIC, f"publish to {packet.topic!r}: clients cannot publish there"
        if self.forbids(connection, packet.topic):
            return codes.NOT_AUTHORIZED, lacks_role(packet.topic)
        return codes.SUCCESS, ""

    def forbids(self, connection: Connection, topic: str) -> bool:
        if event_of(topic) is not None and not self._switches.events_need_role:
            return False
        return not connection.permissions.allows("sendToGroup", topic)

    def accept(self, connection: Connection, session: MqttSession, packet: Publish) -> Iterator[on.Effect]:
        """Deliver a message to its group, or raise the event that it stands for."""
        client_id, payload = connection.connection_id, payload_of(packet)
        event = event_of(packet.topic)
        if event is not None:
            yield on.RaiseEvent(client_id, event, payload, packet=packet)
            return
        message = Message(payload, packet.topic, connection.user_id, packet=packet)
        options = session.options.get(packet.topic)
        excluded = frozenset([client_id]) if options is not None and options.no_local else frozenset()
        receivers = self._hub.members.select(on.Audience(group=packet.topic, excluded=excluded))
        life = packet.properties.message_expiry_interval
        yield on.Published(client_id, message, life or 0)
        yield from self._hub.deliver(message, receivers, None if life is None else self._hub.now + life)


def lacks_role(topic: str, permission: str = "sendToGroup") -> str:
    """Return the line for the log that says which role is missing."""
    deed = "publish to" if permission == "sendToGroup" else "subscribe to"
    role = f"webpubsub.{permission}"
    return f"{deed} {topic!r}: it needs the role {role!r} or '{role}.{topic}', or a grant"
