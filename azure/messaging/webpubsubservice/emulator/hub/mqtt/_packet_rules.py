"""What follows from each packet of an MQTT client that is in: acknowledgements, subscriptions, pings, its goodbye."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .. import _events as on
from .._connections import Connection
from . import _codes as codes
from ._packets import (
    Auth,
    Disconnect,
    Packet,
    PingReq,
    PingResp,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
)
from ._publishing import Publishing, lacks_role
from ._session import Ending, MqttSession, Options
from ._topics import filter_fault, is_from_service

if TYPE_CHECKING:
    from .._hub import Hub
    from ._rules import MqttRules

_NORMAL_CLOSURE = 1000


class PacketRules:
    """One rule for each packet.

    :param hub: The hub.
    :param publishing: What becomes of messages.
    :param lives: What becomes of sessions.
    """

    def __init__(self, hub: Hub, publishing: Publishing, lives: MqttRules) -> None:
        self._hub = hub
        self._publishing = publishing
        self._lives = lives
        self._rules: dict[type[Any], Callable[[Connection, MqttSession, Any], Iterator[on.Effect]]] = {
            Publish: self._publish,
            PubAck: self._puback,
            PubRec: self._pubrec,
            PubRel: self._pubrel,
            PubComp: self._pubcomp,
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
            PingReq: self._ping,
            Disconnect: self._disconnect,
            Auth: self._auth,
        }

    def take(self, connection: Connection, session: MqttSession, packet: Packet) -> Iterator[on.Effect]:
        """Do what a packet of a client asks for."""
        return self._rules[type(packet)](connection, session, packet)

    def _publish(self, connection: Connection, session: MqttSession, packet: Publish) -> Iterator[on.Effect]:
        client_id = connection.connection_id
        if packet.qos == 2 and packet.packet_id in session.received:  # noqa: PLR2004
            yield on.Reply(client_id, PubRec(packet.packet_id))
            return
        fault = self._publishing.fault(session, packet)
        if fault is not None:
            yield from self._lives.misbehaved(connection, *fault)
            return
        code, why = self._publishing.verdict(connection, packet)
        if code and not packet.qos:
            yield from self._lives.misbehaved(connection, why, code)
            return
        if packet.qos == 1:
            yield on.Reply(client_id, PubAck(packet.packet_id, code))
        elif packet.qos:
            if not code:
                session.received.add(packet.packet_id)
            yield on.Reply(client_id, PubRec(packet.packet_id, code))
        if code:
            yield on.Refused(client_id, why)
        else:
            yield from self._publishing.accept(connection, session, packet)

    def _puback(self, connection: Connection, session: MqttSession, packet: PubAck) -> Iterator[on.Effect]:
        if session.outbox.qos_of(packet.packet_id) == 1:
            session.outbox.acknowledge(packet.packet_id)
            yield from self._send_ready(connection, session)

    def _pubrec(self, connection: Connection, session: MqttSession, packet: PubRec) -> Iterator[on.Effect]:
        if packet.code >= codes.FAILURE:
            if session.outbox.qos_of(packet.packet_id) == 2:  # noqa: PLR2004
                session.outbox.acknowledge(packet.packet_id)
                yield from self._send_ready(connection, session)
            return
        code = codes.SUCCESS if session.outbox.release(packet.packet_id) else codes.UNKNOWN_PACKET_ID
        yield on.Reply(connection.connection_id, PubRel(packet.packet_id, code))

    def _pubrel(self, connection: Connection, session: MqttSession, packet: PubRel) -> Iterator[on.Effect]:
        code = codes.SUCCESS if packet.packet_id in session.received else codes.UNKNOWN_PACKET_ID
        session.received.discard(packet.packet_id)
        yield on.Reply(connection.connection_id, PubComp(packet.packet_id, code))

    def _pubcomp(self, connection: Connection, session: MqttSession, packet: PubComp) -> Iterator[on.Effect]:
        if session.outbox.qos_of(packet.packet_id) is None and session.outbox.acknowledge(packet.packet_id):
            yield from self._send_ready(connection, session)

    def _send_ready(self, connection: Connection, session: MqttSession) -> Iterator[on.Effect]:
        for packet in session.outbox.ready(self._hub.now):
            yield on.Reply(connection.connection_id, packet)

    def _subscribe(self, connection: Connection, session: MqttSession, packet: Subscribe) -> Iterator[on.Effect]:
        identifier = next(iter(packet.properties.subscription_identifier), None)
        granted: list[int] = []
        for each in packet.subscriptions:
            code = filter_fault(each.topic)
            if code is None and not is_from_service(each.topic):
                if connection.permissions.allows("joinLeaveGroup", each.topic):
                    yield from self._hub.join(connection, each.topic)
                else:
                    code = codes.NOT_AUTHORIZED
                    yield on.Refused(connection.connection_id, lacks_role(each.topic, "joinLeaveGroup"))
            if code is None:
                session.options[each.topic] = Options(each.qos, each.no_local, identifier)
            granted.append(each.qos if code is None else code)
        yield on.Reply(connection.connection_id, SubAck(packet.packet_id, tuple(granted)))

    def _unsubscribe(self, connection: Connection, session: MqttSession, packet: Unsubscribe) -> Iterator[on.Effect]:
        found: list[int] = []
        for topic in packet.topics:
            if topic in connection.groups and not connection.permissions.allows("joinLeaveGroup", topic):
                found.append(codes.NOT_AUTHORIZED)
                yield on.Refused(connection.connection_id, lacks_role(topic, "joinLeaveGroup"))
                continue
            was_there = topic in connection.groups or topic in session.options
            yield from self._hub.leave(connection, topic)
            session.options.pop(topic, None)
            found.append(codes.SUCCESS if was_there else codes.NO_SUBSCRIPTION)
        yield on.Reply(connection.connection_id, UnsubAck(packet.packet_id, tuple(found)))

    def _ping(self, connection: Connection, _session: MqttSession, _packet: PingReq) -> Iterator[on.Effect]:
        yield on.Reply(connection.connection_id, PingResp())

    def _disconnect(self, connection: Connection, session: MqttSession, packet: Disconnect) -> Iterator[on.Effect]:
        asked = packet.properties.session_expiry_interval
        if asked is not None:
            if asked and not session.asked_expiry:
                text = "A session that was to end with its connection cannot be kept any more."
                yield from self._lives.misbehaved(connection, text, codes.PROTOCOL_ERROR)
                return
            session.expiry = min(float(asked), self._hub.recovery_seconds)
        if packet.code == codes.SUCCESS:
            session.will = None
        yield on.Close(connection.connection_id, _NORMAL_CLOSURE)
        reason = packet.properties.reason_string or ""
        ending = Ending(reason, True, packet.code, packet.properties.user_property)
        yield from self._lives.go_offline(connection, session, ending)

    def _auth(self, connection: Connection, _session: MqttSession, _packet: Auth) -> Iterator[on.Effect]:
        yield from self._lives.misbehaved(connection, "Enhanced authentication is not supported.", codes.PROTOCOL_ERROR)
