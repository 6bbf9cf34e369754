"""One hub: who is connected, in which groups, with which rights, and what follows from each thing that happens.

``handle`` takes an input and the time and returns effects; nothing in here waits, reads a clock, draws a random number
or touches a socket, and one thread owns it. The rules are in docs/service-facts.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import _events as on
from ._connections import Connection, Session
from ._frames import (
    Ack,
    CancelInvocation,
    Connected,
    Disconnected,
    EndStream,
    Event,
    GroupState,
    Invoke,
    JoinGroup,
    LeaveGroup,
    Message,
    OpenStream,
    Ping,
    Pong,
    SendToGroup,
    SequenceAck,
    SetGroupState,
    Stream,
    StreamData,
    SubscribeGroupState,
)
from ._members import Members
from ._mqtt_switches import MqttSwitches

if TYPE_CHECKING:
    from .mqtt._rules import MqttRules
    from .previews._rules import PreviewRules

MQTT = "mqtt"
RECOVERY_SECONDS = 30.0
_PREVIEWS = (
    Invoke,
    CancelInvocation,
    OpenStream,
    StreamData,
    EndStream,
    Stream,
    SetGroupState,
    SubscribeGroupState,
    GroupState,
)


class Hub:
    """The connections of one hub.

    :param str name: Name of the hub, in lower case.
    :keyword float recovery_seconds: How long a lost reliable connection can be recovered.
    :keyword bool close_on_failed_event: Whether a subprotocol client is closed when its event could not be handled.
    :keyword mqtt: Choices for MQTT clients.
    :ivar float now: The time of the input at hand.
    """

    def __init__(
        self,
        name: str,
        *,
        recovery_seconds: float = RECOVERY_SECONDS,
        close_on_failed_event: bool = False,
        mqtt: MqttSwitches = MqttSwitches(),  # noqa: B008 - a tuple
    ) -> None:
        self.name: str = name
        self.members: Members = Members()
        self.connections: dict[str, Connection] = self.members.connections
        self.groups: dict[str, dict[str, Connection]] = self.members.groups
        self.users: dict[str, dict[str, Connection]] = self.members.users
        self.recovery_seconds: float = recovery_seconds
        self.now: float = 0.0
        #: Bytes of messages of which some were kept until they are confirmed, since this was last set to 0.
        self.newly_kept: int = 0
        self.mqtt: MqttSwitches = mqtt
        # Made when the first MQTT client comes.
        self._mqtt: MqttRules | None = None
        # Made when a client first uses one.
        self._previews: PreviewRules | None = None
        self._close_on_failed_event = close_on_failed_event
        self._lost: dict[str, Connection] = {}
        self._rules: dict[type[Any], Callable[[Any], Iterator[on.Effect]]] = {
            on.Open: self._open,
            on.OpenMqtt: lambda event: self._mqtt_rules().open(event),
            on.Received: self._received,
            on.Misbehaved: self._misbehaved,
            on.Lost: self._lost_socket,
            on.Recover: self._recover,
            on.Handled: self._handled,
            on.Publish: self._publish,
            on.Disconnect: self._disconnect,
            on.AddToGroups: self._add_to_groups,
            on.RemoveFromGroups: self._remove_from_groups,
            on.Allow: self._allow,
            on.GiveUp: self._give_up,
            on.Tick: self._tick,
        }
        self._frame_rules: dict[type[Any], Callable[[Connection, Any], Iterator[on.Effect]]] = {
            JoinGroup: self._membership,
            LeaveGroup: self._membership,
            SendToGroup: self._send_to_group,
            Event: self._event,
            Ping: self._ping,
            SequenceAck: self._sequence_ack,
            **dict.fromkeys(_PREVIEWS, self._preview),
        }

    def handle(self, event: on.Input, now: float) -> list[on.Effect]:
        """Take what happened at ``now`` and return what is to be done, in order."""
        self.now = now
        return list(self._rules[type(event)](event))

    def next_due(self) -> float | None:
        """Return when the next :class:`Tick` is needed, or None."""
        due = self._mqtt.next_due if self._mqtt is not None else None
        if self._previews is not None and self._previews.next_due is not None:
            due = self._previews.next_due if due is None else min(due, self._previews.next_due)
        # Every connection gets the same window, so the one lost first is due first.
        for connection in self._lost.values():
            expires = connection.session.expires if connection.session else None
            return expires if due is None or expires is None else min(due, expires)
        return due

    def _mqtt_rules(self) -> MqttRules:
        if self._mqtt is None:
            from .mqtt._rules import MqttRules

            self._mqtt = MqttRules(self, self.mqtt)
        return self._mqtt

    # Connecting and leaving

    def _open(self, event: on.Open) -> Iterator[on.Effect]:
        session = Session(event.reconnection_token) if event.reconnection_token else None
        connection = Connection(
            event.connection_id, event.user_id, event.subprotocol, event.roles, session, known_as=event.known_as
        )
        self.members.enter(connection)
        for group in event.groups:
            yield from self.join(connection, group)
        if event.subprotocol is not None:
            yield self._welcome(connection)

    @staticmethod
    def _welcome(connection: Connection) -> on.Reply:
        token = connection.session.reconnection_token if connection.session else None
        return on.Reply(connection.connection_id, Connected(connection.connection_id, connection.user_id, token))

    def _misbehaved(self, event: on.Misbehaved) -> Iterator[on.Effect]:
        connection = self.connections.get(event.connection_id)
        if connection is None:
            return
        if connection.protocol == MQTT:
            yield from self._mqtt_rules().misbehaved(connection, event.message, event.code)
        else:
            yield on.Refused(event.connection_id, event.message)
            yield from self._dismiss(connection, event.message, event.code)

    def _lost_socket(self, event: on.Lost) -> Iterator[on.Effect]:
        connection = self.connections.get(event.connection_id)
        if connection is None:
            return
        if connection.protocol == MQTT:
            yield from self._mqtt_rules().lost(connection, event.reason)
        elif event.final or connection.session is None:
            yield from self.forget(connection, event.reason)
        else:
            connection.session.expires = self.now + self.recovery_seconds
            connection.session.cause = event.reason
            self._lost[event.connection_id] = connection

    def _recover(self, event: on.Recover) -> Iterator[on.Effect]:
        connection = self.connections.get(event.connection_id)
        session = connection.session if connection else None
        if connection is None or session is None:
            yield on.Refused(event.connection_id, "recovery refused: there is no such connection (any more)")
        elif not hmac.compare_digest(session.reconnection_token.encode(), event.reconnection_token.encode()):
            yield on.Refused(event.connection_id, "recovery refused: the reconnection token is another connection's")
        else:
            session.expires = None
            self._lost.pop(event.connection_id, None)
            yield on.Recovered(event.connection_id)
            yield self._welcome(connection)
            for message in session.unconfirmed(self.now):
                yield on.Reply(event.connection_id, message)
            return
        yield on.RecoveryRefused(event.connection_id)

    def _dismiss(
        self, connection: Connection, message: str, code: int = 1000, *, cause: str = ""
    ) -> Iterator[on.Effect]:
        """Close a connection from the service's side, where it cannot be recovered.

        The client is told the message; its end has the cause, by default the same.
        """
        if connection.protocol == MQTT:
            yield from self._mqtt_rules().dismiss(connection, message, cause or message)
            return
        if connection.protocol is not None:
            yield on.Reply(connection.connection_id, Disconnected(message))
        yield on.Close(connection.connection_id, code)
        yield from self.forget(connection, cause or message)

    def forget(self, connection: Connection, reason: str) -> Iterator[on.Effect]:
        """Let a connection be over for good."""
        self.members.strike(connection)
        self._lost.pop(connection.connection_id, None)
        for group in sorted(connection.groups):
            yield from self.leave(connection, group)
        if self._previews is not None:
            yield from self._previews.forget(connection)
        yield on.Ended(connection.connection_id, reason)

    def _tick(self, _event: on.Tick) -> Iterator[on.Effect]:
        for connection in tuple(self._lost.values()):
            expires = connection.session.expires if connection.session else None
            if expires is None or expires > self.now:
                break
            cause = connection.session.cause if connection.session else ""
            yield from self.forget(connection, f"{cause or 'lost'}, and not recovered in time")
        if self._mqtt is not None:
            yield from self._mqtt.tick()
        if self._previews is not None:
            yield from self._previews.tick()

    def join(self, connection: Connection, group: str) -> Iterator[on.Effect]:
        """Put a connection into a group, unless it is there."""
        if self.members.join(connection, group):
            yield on.GroupChanged(connection.connection_id, group, joined=True)

    def leave(self, connection: Connection, group: str) -> Iterator[on.Effect]:
        """Take a connection out of a group, if it is there."""
        if self.members.leave(connection, group):
            if self._mqtt is not None:
                self._mqtt.left(connection, group)
            if self._previews is not None:
                yield from self._previews.left(connection, group)
            yield on.GroupChanged(connection.connection_id, group, joined=False)

    # Frames of clients

    def _received(self, event: on.Received) -> Iterator[on.Effect]:
        connection = self.connections.get(event.connection_id)
        if connection is None:
            return
        frame = event.frame
        if connection.protocol == MQTT:
            yield from self._mqtt_rules().received(connection, frame)  # type: ignore[arg-type]  # they send packets
            return
        ack_id = getattr(frame, "ack_id", None)
        if ack_id is not None and connection.has_done(ack_id):
            text = f"Message with ack-id: {ack_id} has been processed"
            yield on.Reply(event.connection_id, Ack(ack_id, "Duplicate", text))
            return
        yield from self._frame_rules[type(frame)](connection, frame)

    def _membership(self, connection: Connection, frame: JoinGroup | LeaveGroup) -> Iterator[on.Effect]:
        joins = isinstance(frame, JoinGroup)
        if not connection.permissions.allows("joinLeaveGroup", frame.group):
            yield from self._forbid(connection, f"{'join' if joins else 'leave'} group", frame.group, frame.ack_id)
            return
        yield from (self.join if joins else self.leave)(connection, frame.group)
        yield from self.succeed(connection, frame.ack_id)

    def _send_to_group(self, connection: Connection, frame: SendToGroup) -> Iterator[on.Effect]:
        if not connection.permissions.allows("sendToGroup", frame.group):
            yield from self._forbid(connection, "send to group", frame.group, frame.ack_id)
            return
        message = Message(frame.payload, frame.group, connection.user_id, frame.metadata)
        excluded = frozenset([connection.connection_id]) if frame.no_echo else frozenset()
        receivers = self.members.select(on.Audience(group=frame.group, excluded=excluded))
        yield from self.deliver(message, receivers, self._expiry(frame.ttl_seconds))
        yield from self.succeed(connection, frame.ack_id)

    def _event(self, connection: Connection, frame: Event) -> Iterator[on.Effect]:
        if frame.ack_id is not None:
            if frame.ack_id in connection.awaited:
                # Sent again before the handler has answered: the first one's ack will do for both.
                return
            connection.awaited.add(frame.ack_id)
        yield on.RaiseEvent(connection.connection_id, frame.event, frame.payload, frame.ack_id, frame.metadata)

    def _handled(self, event: on.Handled) -> Iterator[on.Effect]:
        connection = self.connections.get(event.connection_id)
        if connection is None:
            return
        if connection.protocol == MQTT:
            yield from self._mqtt_rules().handled(connection, event)
            return
        if event.invocation_id is not None:
            yield from self._preview_rules().handled(connection, event)
            return
        if event.ack_id is not None:
            connection.awaited.discard(event.ack_id)
        if event.failed:
            yield from self._event_failed(connection, event.ack_id)
            return
        if event.reply is not None:
            yield from self.deliver(Message(event.reply, metadata=event.metadata), [connection], None)
        yield from self.succeed(connection, event.ack_id)

    def _event_failed(self, connection: Connection, ack_id: int | None) -> Iterator[on.Effect]:
        """Close a simple client with 1000 and no reason; others learn it from their ack."""
        if ack_id is not None:
            yield on.Reply(connection.connection_id, Ack(ack_id, "InternalServerError", "Internal server error"))
        if connection.protocol is None:
            yield from self._dismiss(connection, "", cause="the event could not be handled")
        elif self._close_on_failed_event:
            yield from self._dismiss(connection, "The event could not be handled.", 1011)

    def _ping(self, connection: Connection, _frame: Ping) -> Iterator[on.Effect]:
        yield on.Reply(connection.connection_id, Pong())

    def _sequence_ack(self, connection: Connection, frame: SequenceAck) -> Iterator[on.Effect]:
        if connection.session is not None:
            connection.session.confirm(frame.sequence_id)
        yield from ()

    def _preview(self, connection: Connection, frame: Any) -> Iterator[on.Effect]:
        yield from self._preview_rules().received(connection, frame)

    def _preview_rules(self) -> PreviewRules:
        if self._previews is None:
            from .previews._rules import PreviewRules

            self._previews = PreviewRules(self)
        return self._previews

    @staticmethod
    def succeed(connection: Connection, ack_id: int | None) -> Iterator[on.Effect]:
        """Tell a client that what it asked for is done, if it wants to know."""
        if ack_id is not None:
            connection.remember_done(ack_id)
            yield on.Reply(connection.connection_id, Ack(ack_id))

    def _forbid(self, connection: Connection, deed: str, group: str, ack_id: int | None) -> Iterator[on.Effect]:
        role = "webpubsub.sendToGroup" if deed.startswith("send") else "webpubsub.joinLeaveGroup"
        yield on.Refused(
            connection.connection_id, f"{deed} {group!r}: it needs the role {role!r} or '{role}.{group}', or a grant"
        )
        if ack_id is not None:
            text = f"The client does not have permission to {deed} '{group}'."
            yield on.Reply(connection.connection_id, Ack(ack_id, "Forbidden", text))
        elif connection.protocol is None:
            yield on.Close(connection.connection_id, 1008, "The connection is not authorized for raw sendToGroup mode.")
            yield from self.forget(connection, "The connection is not authorized for raw sendToGroup mode.")

    # REST calls

    def _publish(self, event: on.Publish) -> Iterator[on.Effect]:
        message = Message(event.payload, event.audience.group, None, event.metadata)
        yield from self.deliver(message, self.members.select(event.audience), self._expiry(event.ttl_seconds))

    def _disconnect(self, event: on.Disconnect) -> Iterator[on.Effect]:
        for connection in self.members.select(event.audience):
            yield from self._dismiss(connection, event.reason, cause=event.reason or "closed by a REST call")

    def _add_to_groups(self, event: on.AddToGroups) -> Iterator[on.Effect]:
        for connection in self.members.select(event.audience):
            for group in event.groups:
                yield from self.join(connection, group)

    def _remove_from_groups(self, event: on.RemoveFromGroups) -> Iterator[on.Effect]:
        for connection in self.members.select(event.audience):
            for group in sorted(connection.groups) if event.groups is None else event.groups:
                yield from self.leave(connection, group)

    def _allow(self, event: on.Allow) -> Iterator[on.Effect]:
        connection = self.connections.get(event.connection_id)
        if connection is not None:
            (connection.permissions.grant if event.allowed else connection.permissions.revoke)(
                event.permission, event.group
            )
        yield from ()

    # Delivery

    def _expiry(self, ttl_seconds: int | None) -> float | None:
        return self.now + ttl_seconds if ttl_seconds else None

    def deliver(self, message: Message, receivers: list[Connection], expires: float | None) -> Iterator[on.Effect]:
        """Bring a message to connections of any protocol.

        :param message: The message.
        :param receivers: Who gets it.
        :param expires: When it is of no use any more, or None for never.
        """
        whole = len(receivers)
        if self._mqtt is not None:
            yield from self._mqtt.deliver(message, receivers, expires)
            receivers = [each for each in receivers if each.protocol != MQTT]
        plain = [each.connection_id for each in receivers if each.session is None]
        if plain:
            yield on.Deliver(message, plain)
        if len(plain) < whole:
            self.newly_kept += len(message.payload.data)
        numbered: list[tuple[str, int]] = []
        overfull: list[Connection] = []
        for connection in receivers:
            session = connection.session
            if session is None:
                continue
            sequence_id = session.add(message, expires)
            if session.is_overfull:
                overfull.append(connection)
            elif session.expires is None:
                numbered.append((connection.connection_id, sequence_id))
        if numbered:
            yield on.DeliverInSequence(message, numbered)
        for connection in overfull:
            yield from self._close_overfull(connection, "1,000 messages or 16 MB are waiting to be confirmed: closed")

    def _close_overfull(self, connection: Connection, why: str) -> Iterator[on.Effect]:
        if connection.connection_id not in self.connections:
            return
        yield on.Refused(connection.connection_id, why)
        yield on.Close(connection.connection_id, 1008, "The reliable message buffer is full.")
        yield from self.forget(connection, "The reliable message buffer is full.")

    def kept(self) -> dict[str, list[tuple[object, int]]]:
        """Return what is kept for each connection until it is confirmed: messages, and their bytes."""
        found = {each.connection_id: each.session.kept() for each in self.connections.values() if each.session}
        return found | (self._mqtt.kept() if self._mqtt is not None else {})

    def _give_up(self, event: on.GiveUp) -> Iterator[on.Effect]:
        connection = self.connections.get(event.connection_id)
        why = "the most of what clients do not confirm is kept for it, and more in sum than max_unread_total_bytes"
        if connection is None:
            return
        if connection.protocol == MQTT:
            yield from self._mqtt_rules().give_up(connection, why)
        else:
            yield from self._close_overfull(connection, why)
