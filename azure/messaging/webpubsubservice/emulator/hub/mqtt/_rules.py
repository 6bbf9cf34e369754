"""What follows from what an MQTT client does, and how a message reaches it: the MQTT part of a hub.

A session is a connection of the hub, with or without a socket. Packets come in, effects go out, as in the hub itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import _events as on
from .._connections import Connection
from .._frames import Message
from .._mqtt_switches import MqttSwitches
from . import _codes as codes
from ._contents import sendable
from ._delivery import answer_packet, batches, offer
from ._packet_rules import PacketRules
from ._packets import MQTT_5, NONE, ConnAck, Disconnect, Packet, Properties, Publish
from ._publishing import Publishing, lacks_role
from ._session import Ending, MqttSession

if TYPE_CHECKING:
    from .._hub import Hub

NAME = "mqtt"

_NORMAL_CLOSURE = 1000
_EXPIRED = "the session was not taken up again in time"
_TOO_FAR_BEHIND = "1,000 messages or 16 MB are waiting to be acknowledged."
_TAKEN_OVER = "Another connection has taken over the session."


class MqttRules:
    """The MQTT clients of one hub.

    :param hub: The hub.
    :param switches: What is not settled.
    """

    def __init__(self, hub: Hub, switches: MqttSwitches) -> None:
        self._hub = hub
        self._switches = switches
        self._sessions: dict[str, MqttSession] = {}
        self._dues: dict[str, float] = {}
        self._next_due: float | None = None
        self._publishing = Publishing(hub, switches)
        self._packets = PacketRules(hub, self._publishing, self)

    # Coming and going

    def open(self, event: on.OpenMqtt) -> Iterator[on.Effect]:
        """Let a client begin a session or take up the one it has."""
        packet = event.admitted.packet
        connection = self._hub.connections.get(packet.client_id)
        session = self._sessions.get(packet.client_id)
        if connection is not None:
            refusal = _refusal(connection, session, event)
            if refusal is not None:
                yield refusal
                return
        if connection is not None and session is not None:
            yield from self._take_over(connection, session, event)
        resumed = self._sessions.get(packet.client_id)
        if resumed is not None and connection is not None:
            yield from self._resume(connection, resumed, event)
        else:
            yield from self._begin(event)

    def _take_over(self, connection: Connection, session: MqttSession, event: on.OpenMqtt) -> Iterator[on.Effect]:
        clean = event.admitted.packet.clean_start
        if session.is_online:
            yield from self._say_goodbye(connection, session, codes.TAKEN_OVER, _TAKEN_OVER)
            session.lose(_ending(session, codes.TAKEN_OVER, _TAKEN_OVER), self._hub.now)
            if clean or session.will_due == self._hub.now:
                yield from self._publish_will(connection, session)
        if clean or session.due == self._hub.now:
            yield from self._end(connection, session)

    def _begin(self, event: on.OpenMqtt) -> Iterator[on.Effect]:
        client_id = event.admitted.packet.client_id
        session = MqttSession(event.session_id, event.admitted, event.fits)
        self._sessions[client_id] = session
        connection = Connection(client_id, event.user_id, NAME, event.roles, known_as=event.known_as)
        yield on.Attached(client_id, session.session_id, is_new=True)
        self._hub.members.enter(connection)
        for group in event.groups:
            yield from self._hub.join(connection, group)
        yield on.Reply(client_id, ConnAck(False, 0, _granted(event)))

    def _resume(self, connection: Connection, session: MqttSession, event: on.OpenMqtt) -> Iterator[on.Effect]:
        client_id = connection.connection_id
        session.begin(event.admitted, event.fits)
        self._set_due(client_id, None)
        yield on.Attached(client_id, session.session_id, is_new=False)
        yield on.Reply(client_id, ConnAck(True, 0, _granted(event)))
        for packet in session.outbox.again(self._hub.now):
            yield on.Reply(client_id, packet)
        for waiting in session.outbox.ready(self._hub.now):
            yield on.Reply(client_id, waiting)

    def received(self, connection: Connection, packet: Packet) -> Iterator[on.Effect]:
        """Take a packet of a client that is in."""
        session = self._sessions[connection.connection_id]
        if session.is_online:
            yield from self._packets.take(connection, session, packet)

    def lost(self, connection: Connection, reason: str) -> Iterator[on.Effect]:
        """Learn that the socket of a client is gone."""
        session = self._sessions[connection.connection_id]
        if session.is_online:
            yield from self.go_offline(connection, session, Ending(reason, by_client=True))

    def misbehaved(self, connection: Connection, message: str, code: int) -> Iterator[on.Effect]:
        """Tell a client what it did wrong and close its socket; its session stays as long as for a lost one."""
        session = self._sessions[connection.connection_id]
        yield on.Refused(connection.connection_id, message)
        yield from self._say_goodbye(connection, session, code, message)
        yield from self.go_offline(connection, session, _ending(session, code, message))

    def dismiss(self, connection: Connection, message: str, cause: str) -> Iterator[on.Effect]:
        """End a session and close its socket, as REST asks for; the client is told the message."""
        session = self._sessions[connection.connection_id]
        yield from self._throw_out(connection, session, codes.ADMINISTRATIVE, message, cause)

    def _throw_out(
        self, connection: Connection, session: MqttSession, code: int, why: str, cause: str = ""
    ) -> Iterator[on.Effect]:
        if session.is_online:
            yield from self._say_goodbye(connection, session, code, why)
            session.lose(_ending(session, code, cause or why), self._hub.now)
        else:
            session.ending = _ending(session, None, cause or why)
        yield from self._end(connection, session)

    def tick(self) -> Iterator[on.Effect]:
        """Let wills be published and sessions end whose time has come."""
        for client_id, due in tuple(self._dues.items()):
            session = self._sessions.get(client_id)
            # A will may have ended another session meanwhile.
            if due <= self._hub.now and session is not None:
                yield from self._let_happen(self._hub.connections[client_id], session)

    @property
    def next_due(self) -> float | None:
        """When the next :meth:`tick` is needed, or None."""
        return self._next_due

    def left(self, connection: Connection, group: str) -> None:
        """Learn that a connection has left a group, however it did."""
        session = self._sessions.get(connection.connection_id)
        if session is not None:
            session.options.pop(group, None)

    def go_offline(self, connection: Connection, session: MqttSession, ending: Ending) -> Iterator[on.Effect]:
        """Let a session be without a socket, or end if that was all it was for."""
        session.lose(ending, self._hub.now)
        yield from self._let_happen(connection, session)

    def _let_happen(self, connection: Connection, session: MqttSession) -> Iterator[on.Effect]:
        now = self._hub.now
        if session.session_ends is not None and session.session_ends <= now:
            if session.expiry:
                ending = session.ending
                # Of a client that was lost, how it was is worth as much.
                reason = f"{ending.reason}; {_EXPIRED}" if ending.code is None else ending.reason or _EXPIRED
                session.ending = replace(ending, reason=reason)
            yield from self._end(connection, session)
            return
        if session.will_due is not None and session.will_due <= now:
            yield from self._publish_will(connection, session)
        self._set_due(connection.connection_id, session.due)

    def _end(self, connection: Connection, session: MqttSession) -> Iterator[on.Effect]:
        if session.will is not None:
            yield from self._publish_will(connection, session)
        # The will may have been the message too many for this very session.
        if self._sessions.get(connection.connection_id) is not session:
            return
        self._set_due(connection.connection_id, None)
        del self._sessions[connection.connection_id]
        for effect in self._hub.forget(connection, session.ending.reason):
            yield replace(effect, ending=session.ending) if isinstance(effect, on.Ended) else effect

    def _say_goodbye(self, connection: Connection, session: MqttSession, code: int, why: str) -> Iterator[on.Effect]:
        if session.version == MQTT_5:
            properties = Properties(reason_string=sendable(why)) if why else NONE
            yield on.Reply(connection.connection_id, Disconnect(code, properties))
        yield on.Close(connection.connection_id, _NORMAL_CLOSURE)

    def _set_due(self, client_id: str, due: float | None) -> None:
        before = self._dues.pop(client_id, None)
        if due is not None:
            self._dues[client_id] = due
        if due is not None and (self._next_due is None or due < self._next_due):
            self._next_due = due
        elif before is not None and before == self._next_due:
            self._next_due = min(self._dues.values(), default=None)

    def _publish_will(self, connection: Connection, session: MqttSession) -> Iterator[on.Effect]:
        will, session.will, session.will_due = session.will, None, None
        if will is None:
            return
        packet = Publish(
            will.topic, will.payload, will.qos, properties=replace(will.properties, will_delay_interval=None)
        )
        if self._publishing.forbids(connection, will.topic):
            yield on.Refused(connection.connection_id, f"the will: {lacks_role(will.topic)}")
        else:
            yield from self._publishing.accept(connection, session, packet)

    # Messages to clients

    def deliver(self, message: Message, receivers: list[Connection], expires: float | None) -> Iterator[on.Effect]:
        """Send a message to those of the receivers that speak MQTT."""
        found = [(each, self._sessions[each.connection_id]) for each in receivers if each.protocol == NAME]
        overfull: list[tuple[Connection, MqttSession]] = []
        for packet, members in batches(message, found, expires, self._hub.now, self._switches):
            to: list[tuple[str, int]] = []
            for connection, session in members:
                packet_id = offer(session, packet, expires)
                if session.outbox.is_overfull:
                    overfull.append((connection, session))
                elif packet_id is not None:
                    to.append((connection.connection_id, packet_id))
            if to:
                yield on.DeliverInSequence(packet, to)
        for connection, session in overfull:
            if self._sessions.get(connection.connection_id) is session:
                yield from self.give_up(connection, _TOO_FAR_BEHIND)

    def give_up(self, connection: Connection, why: str) -> Iterator[on.Effect]:
        """End the session of a client that acknowledges too little."""
        yield on.Refused(connection.connection_id, why)
        yield from self._throw_out(connection, self._sessions[connection.connection_id], codes.QUOTA, why)

    def kept(self) -> dict[str, list[tuple[object, int]]]:
        """Return what is kept for each client until it is acknowledged: messages, and their bytes."""
        return {client_id: session.outbox.kept() for client_id, session in self._sessions.items()}

    def handled(self, connection: Connection, event: on.Handled) -> Iterator[on.Effect]:
        """Bring a client what the event handler answered to its event."""
        session = self._sessions[connection.connection_id]
        if event.packet is None or event.answer is None:
            return
        packet = answer_packet(session, event.packet, event.answer)
        self._hub.newly_kept += len(packet.payload)
        packet_id = offer(session, packet, None)
        if session.outbox.is_overfull:
            yield from self.give_up(connection, _TOO_FAR_BEHIND)
        elif packet_id is not None:
            yield on.DeliverInSequence(packet, [(connection.connection_id, packet_id)])


def _refusal(connection: Connection, session: MqttSession | None, event: on.OpenMqtt) -> on.NotAttached | None:
    """Return why a client may not have the id it wants, None if it may."""
    client_id = connection.connection_id
    if session is None:
        return on.NotAttached(client_id, codes.BAD_CLIENT_ID, "the client id is that of a connection without MQTT")
    if not event.admitted.packet.clean_start and connection.user_id != event.user_id:
        return on.NotAttached(client_id, codes.NOT_AUTHORIZED, "the session is another user's")
    return None


def _ending(session: MqttSession, code: int | None, reason: str) -> Ending:
    """Return how the service ends a connection; only MQTT 5.0 has a packet for it."""
    return Ending(reason, False, code if session.version == MQTT_5 else None)


def _granted(event: on.OpenMqtt) -> Properties:
    return replace(event.admitted.granted, user_property=event.user_properties)
