"""Messages of the service as MQTT messages: topic, QoS, properties, and whom each form of them goes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from .. import _events as on
from .._connections import Connection
from .._frames import Message
from .._mqtt_switches import MqttSwitches
from ._contents import contents_of
from ._packets import MQTT_5, Properties, Publish
from ._session import MqttSession, Options
from ._topics import SERVER_MESSAGES, answer_topic, event_of

_SUCCESS = 2
_STATUS = "azure-status-code"

Member: TypeAlias = tuple[Connection, MqttSession]


def batches(
    message: Message,
    members: Sequence[Member],
    expires: float | None,
    now: float,
    switches: MqttSwitches,
) -> list[tuple[Publish, list[Member]]]:
    """Return the forms in which a message goes to its receivers, each with those who get it: mostly there is one."""
    published = 1 if message.packet is None else message.packet.qos
    topic = SERVER_MESSAGES if message.group is None else message.group
    if "\0" in topic:
        return []  # the name of a group can have it, a topic cannot
    default = Options(switches.default_qos if message.group is not None else 1)
    forms: dict[tuple[int, int | None], list[Member]] = {}
    for member in members:
        options = member[1].options.get(topic, default)
        forms.setdefault((min(published, options.qos), options.identifier), []).append(member)
    if not forms:
        return []
    properties = _properties(message, expires, now, switches)
    return [
        (Publish(topic, message.payload.data, qos, properties=_marked(properties, identifier)), found)
        for (qos, identifier), found in forms.items()
    ]


def _properties(message: Message, expires: float | None, now: float, switches: MqttSwitches) -> Properties:
    if message.packet is not None:
        properties = message.packet.properties
    else:
        pairs = tuple(message.metadata.items()) if switches.metadata_as_user_properties else ()
        properties = contents_of(message.payload, user_properties=pairs)
    left = None if expires is None else max(0, round(expires - now))
    if left == properties.message_expiry_interval:
        return properties
    return replace(properties, message_expiry_interval=left)


def _marked(properties: Properties, identifier: int | None) -> Properties:
    return properties if identifier is None else replace(properties, subscription_identifier=(identifier,))


def offer(session: MqttSession, packet: Publish, expires: float | None) -> int | None:
    """Give a session a message; return the packet identifier for what is to be sent now, 0 at QoS 0, else None.

    A message that is larger than the client takes counts as delivered, as the standard has it.
    """
    if session.fits is not None and not session.fits(packet):
        return None
    if packet.qos:
        return session.outbox.offer(packet, expires, is_online=session.is_online)
    return 0 if session.is_online else None


def answer_packet(session: MqttSession, request: Publish, answer: on.MqttAnswer) -> Publish:
    """Return the message that tells a client what became of its event."""
    failed = answer.status // 100 != _SUCCESS
    topic = answer_topic(event_of(request.topic) or "", failed=failed)
    options = session.options.get(topic)
    qos = request.qos if options is None else min(request.qos, options.qos)
    if session.version != MQTT_5:
        return Publish(topic, answer.body, qos)
    properties = Properties(
        content_type=answer.content_type,
        correlation_data=request.properties.correlation_data,
        user_property=(*answer.user_properties, (_STATUS, str(answer.status))),
        subscription_identifier=() if options is None or options.identifier is None else (options.identifier,),
    )
    return Publish(topic, answer.body, qos, properties=properties)
