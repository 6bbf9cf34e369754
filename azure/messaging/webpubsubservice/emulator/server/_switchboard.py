"""The hubs of one emulator and the sockets of their clients: inputs go in, effects are carried out.

The only place where a hub's effects become bytes on a socket. One event loop owns it; nothing is locked. How a client
comes in is the server's business, what follows from a frame the hub's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from .._clock import Clock
from .._faults import Faults, RestFault, SocketFault
from .._record import RecordedConnection, RecordedFrame, RecordedRefusal, Recorder
from ..hub import _events as on
from ..hub._connections import Connection
from ..hub._frames import Ack, BadFrame, ClientFrame, Disconnected, SendToGroup, ServerFrame
from ..hub._hub import Hub
from ..protocols._handshake import Guest
from ..protocols._subprotocols import Numbered
from ..protocols._websocket import WebSocketError, WebSocketMessage
from ..webhooks._cloudevents import ConnectionContext
from ..webhooks._event_desk import QUEUE_LIMIT, EventDesk
from ._backlogs import CHUNK, Unread, overload
from ._links import NORMAL_CODES, Link
from ._log_lines import end_of_client, one_line
from ._sends import send_of_client, send_of_mqtt
from ._timetable import Timetable

LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator")

_GOING_AWAY = Disconnected("The emulator is shutting down.")


class Limits(NamedTuple):
    """Bounds on what peers can make the emulator do."""

    #: Largest message of a client, in bytes.
    max_message: int = 1024 * 1024
    #: Bytes that may wait for a client who does not read them.
    max_unread: int = 16 * 1024 * 1024
    #: Bytes that may wait for all clients together.
    max_unread_total: int = 256 * 1024 * 1024
    #: Sockets open at once.
    max_sockets: int = 20_000
    #: Seconds between two pings to a client.
    keep_alive: float = 20.0
    #: Seconds a peer has for the head or the body of a request.
    request: float = 30.0


class Switchboard:
    """The hubs and the sockets of one emulator.

    :param clock: The emulator's time.
    :param record: Where frames and sends are noted.
    :param make_hub: Makes the hub of a name.
    :param limits: Bounds.
    """

    def __init__(self, clock: Clock, record: Recorder, make_hub: Callable[[str], Hub], limits: Limits) -> None:
        self.limits: Limits = limits
        self.faults: Faults = Faults()
        self.desk: EventDesk = EventDesk(self._take_handled, self._resume)
        self._clock = clock
        self._record = record
        self._make_hub = make_hub
        self._hubs: dict[str, Hub] = {}
        self._links: dict[str, Link] = {}
        # Links that carry no connection yet (MQTT) or any more, until their socket is gone.
        self._closing: set[Link] = set()
        self._unread: Unread[Link] = Unread(limits.max_unread, limits.max_unread_total, Link.abort)
        # Bytes kept for reliable clients since they were last counted.
        self._newly_kept = 0
        self._timetable = Timetable(clock, self.tick)
        self._effects: dict[type[Any], Callable[[Hub, Any], None]] = {
            on.Reply: self._do_reply,
            on.Deliver: self._do_deliver,
            on.DeliverInSequence: self._do_deliver_in_sequence,
            on.Close: self._do_close,
            on.RaiseEvent: self._do_raise_event,
            on.GroupChanged: self._do_group_changed,
            on.Ended: self._do_ended,
            on.Refused: self._do_refused,
            on.Published: self._do_published,
            on.Recovered: _nothing,
            on.RecoveryRefused: _nothing,
            on.Attached: _nothing,
            on.NotAttached: _nothing,
        }

    # Life

    async def close(self) -> None:
        """Tell every client that the service goes away (1001), and cut off who has not left a second later.

        Event handlers are not told: they may well be going away too.
        """
        self._timetable.cancel()
        links = [*self._links.values(), *self._closing]
        self._hubs.clear()
        for link in links:
            link.write(link.protocol.encode(_GOING_AWAY))
            link.close(1001, "The emulator is shutting down.")
        if links:
            await asyncio.wait([link.gone for link in links], timeout=1.0)
        for link in links:
            link.abort()
        self._links.clear()
        self._closing.clear()
        await self.desk.stop()

    def reset(self) -> None:
        """Cut every client off and forget every hub and fault."""
        links = [*self._links.values(), *self._closing]
        self._hubs.clear()
        self._links.clear()
        self._closing.clear()
        for link in links:
            link.abort()
        self.desk.reset()
        self.faults.clear()

    async def keep_links_alive(self) -> None:
        """Ping every client from time to time, and cut off who has not been heard of since the last ping."""
        while True:
            await asyncio.sleep(self.limits.keep_alive)
            for link in tuple(self._links.values()):
                if not link.check_alive():
                    link.abort("answered no ping")

    # Hubs

    def find_hub(self, name: str) -> Hub:
        """Return the hub of a name in lower case; one that nobody is in is made for the occasion."""
        return self._hubs.get(name) or self._make_hub(name)

    def enter_hub(self, name: str) -> Hub:
        """Return the hub of a name in lower case, which somebody is about to come into."""
        return self._hubs.setdefault(name, self.find_hub(name))

    def handle(self, hub: Hub, event: on.Input) -> list[on.Effect]:
        """Give a hub an input and return what has to be done."""
        return hub.handle(event, self._clock.now())

    def feed(self, hub: Hub, event: on.Input) -> None:
        """Give a hub an input and do what follows."""
        self.carry_out(hub, self.handle(hub, event))

    def carry_out(self, hub: Hub, effects: Iterable[on.Effect]) -> None:
        """Do what a hub wants done."""
        for effect in effects:
            self._effects[type(effect)](hub, effect)
        self._unread.check_sum()
        self._newly_kept += hub.newly_kept
        hub.newly_kept = 0
        # To count is work, which is worth it each time that as much has come as could make a difference.
        if self._newly_kept * 4 > self.limits.max_unread_total:
            self._newly_kept = 0
            self._check_kept()
        if not hub.connections and self._hubs.get(hub.name) is hub:
            del self._hubs[hub.name]
        self._timetable.put(hub.name, hub.next_due())

    def _check_kept(self) -> None:
        """See that not too much is kept for reliable clients until they confirm it."""
        kept = {
            (hub.name, connection_id): pairs
            for hub in self._hubs.values()
            for connection_id, pairs in hub.kept().items()
        }
        for name, connection_id in overload(kept, self.limits.max_unread_total):
            self.feed(self.find_hub(name), on.GiveUp(connection_id))

    def tick(self) -> None:
        """Let everything happen that is due."""
        for name in self._timetable.take_due():
            self.feed(self.find_hub(name), on.Tick())

    # Effects

    def _do_reply(self, hub: Hub, effect: on.Reply) -> None:
        self._note(hub, (effect.connection_id,), effect.frame)
        link = self._links.get(effect.connection_id)
        if link is not None:
            link.write(link.protocol.encode(effect.frame))

    def _do_deliver(self, hub: Hub, effect: on.Deliver) -> None:
        self._note(hub, effect.to, effect.message)
        frames: dict[str | None, bytes] = {}
        links = self._links
        for connection_id in effect.to:
            link = links.get(connection_id)
            if link is None:
                continue
            name = link.protocol.name
            frame = frames.get(name)
            if frame is None:
                frame = frames[name] = link.protocol.encode(effect.message) or b""
            if link.is_ready and len(frame) <= CHUNK:  # what write() does, without the call
                link.transport.write(frame)
            else:
                link.write(frame)

    def _do_deliver_in_sequence(self, hub: Hub, effect: on.DeliverInSequence) -> None:
        sequence_ids = [number for _, number in effect.to]
        self._note(hub, [connection_id for connection_id, _ in effect.to], effect.message, sequence_ids)
        messages: dict[str | None, Numbered] = {}
        for connection_id, sequence_id in effect.to:
            link = self._links.get(connection_id)
            if link is None:
                continue
            name = link.protocol.name
            if name not in messages:
                messages[name] = link.protocol.numbered(effect.message)
            link.write_numbered(messages[name], sequence_id)

    def _do_close(self, _hub: Hub, effect: on.Close) -> None:
        link = self._links.pop(effect.connection_id, None)
        if link is not None:
            self._closing.add(link)
            link.close(effect.code, effect.reason)

    def _do_raise_event(self, hub: Hub, effect: on.RaiseEvent) -> None:
        self._pause(effect.connection_id, self.desk.raise_event(hub.name, effect))

    def _do_group_changed(self, hub: Hub, effect: on.GroupChanged) -> None:
        self._pause(effect.connection_id, self.desk.group_changed(hub.name, effect))

    def _pause(self, connection_id: str, waiting: int) -> None:
        """Read no more from a client for whose events there is no more room."""
        link = self._links.get(connection_id)
        if link is not None and waiting >= QUEUE_LIMIT:
            link.pause()

    def _resume(self, connection_id: str) -> None:
        """Read on from a client, if there is room for its events."""
        link = self._links.get(connection_id)
        if link is not None and self.desk.waiting(connection_id) < QUEUE_LIMIT:
            link.resume()

    def _take_handled(self, hub: str, event: on.Handled) -> None:
        """Take what the event handler has answered."""
        self._resume(event.connection_id)
        self.feed(self.find_hub(hub), event)

    def _do_ended(self, hub: Hub, effect: on.Ended) -> None:
        LOGGER.info("hub %s, connection %s: ended: %s", hub.name, effect.connection_id, one_line(effect.reason))
        self._record.add_connection(RecordedConnection(hub.name, effect.connection_id, "ended", reason=effect.reason))
        self.desk.ended(effect)

    def _do_published(self, hub: Hub, effect: on.Published) -> None:
        self._record.add_send(send_of_mqtt(hub.name, effect))

    def _do_refused(self, hub: Hub, effect: on.Refused) -> None:
        LOGGER.info("hub %s, connection %s: refused: %s", hub.name, effect.connection_id, effect.why)
        self._record.add_refusal(RecordedRefusal(hub.name, effect.connection_id, effect.why))

    def _note(self, hub: Hub, to: Sequence[str], frame: Any, sequence_ids: Sequence[int] = ()) -> None:
        payload = getattr(frame, "payload", None) or b""
        size = len(payload if isinstance(payload, bytes) else payload.data)
        self._record.add_frame(RecordedFrame(hub.name, "sent", to, frame, sequence_ids), size)

    # Clients

    def open(self, guest: Guest, link: Link, reconnection_token: str) -> None:
        """Let a client into its hub; the token is for a reliable one."""
        hub = self.enter_hub(link.hub)
        self._links[link.connection_id] = link
        protocol, token = guest.protocol, reconnection_token if guest.protocol.reliable else None
        # First, so that its handler hears of the groups that it joins by its token.
        self.desk.opened(link.connection_id, guest)
        self.note_opened(link, guest)
        self.feed(
            hub,
            on.Open(link.connection_id, protocol.name, guest.user_id, guest.groups, guest.roles, token, guest.known_as),
        )
        LOGGER.info(
            "hub %s, connection %s: opened as %s, user %r, groups %s, roles %s",
            hub.name,
            link.connection_id,
            protocol.name or "simple client",
            guest.user_id,
            list(guest.groups),
            list(guest.roles),
        )
        self._meet_faults(link, guest.user_id)

    def note_opened(self, link: Link, guest: Guest) -> None:
        """Record that a client is in."""
        entry = RecordedConnection(
            link.hub,
            link.connection_id,
            "opened",
            guest.user_id,
            link.protocol.name,
            tuple(guest.groups),
            tuple(guest.roles),
        )
        self._record.add_connection(entry)

    def note_refusal(self, hub: str, why: str) -> None:
        """Record that a client was not let in, after its socket was."""
        self._record.add_refusal(RecordedRefusal(hub, None, why))

    def wait_for(self, link: Link) -> None:
        """Keep a link that carries no connection yet."""
        self._closing.add(link)

    def attach(self, link: Link, user_id: str | None) -> None:
        """Let a link carry the connection whose id it has."""
        self._closing.discard(link)
        self._links[link.connection_id] = link
        self._meet_faults(link, user_id)

    def _meet_faults(self, link: Link, user_id: str | None) -> None:
        fault = self.faults.take_socket(link.hub, user_id, link.connection_id)
        if fault is not None:
            _inflict(fault, link)

    def recover(self, event: on.Recover, link: Link) -> None:
        """Put a link in the place of one that was lost, or close it with 1008."""
        hub = self.find_hub(link.hub)
        effects = hub.handle(event, self._clock.now())
        if any(isinstance(effect, on.Recovered) for effect in effects):
            old = self._links.get(event.connection_id)
            self._links[event.connection_id] = link
            if old is not None:
                old.abort()
            LOGGER.info("hub %s, connection %s: recovered", hub.name, event.connection_id)
            self._record.add_connection(RecordedConnection(hub.name, event.connection_id, "recovered"))
        else:
            self._closing.add(link)
            link.close(1008, "The connection could not be recovered.")
        self.carry_out(hub, effects)

    def on_message(self, link: Link, message: WebSocketMessage) -> None:
        """Take a message of a client."""
        hub = self._hub_of(link)
        if hub is None:
            return
        try:
            frame = link.protocol.decode(message.opcode, message.data)
        except BadFrame as error:
            self.feed(hub, on.Misbehaved(link.connection_id, str(error), error.code))
            return
        if frame is None:
            return
        self.note(hub.name, "received", link.connection_id, frame, len(message.data))
        effects = hub.handle(on.Received(link.connection_id, frame), self._clock.now())
        if isinstance(frame, SendToGroup) and not any(map(_is_refusal, effects)):
            self._record.add_send(send_of_client(hub.name, link.connection_id, frame))
        self.carry_out(hub, effects)

    def take_packet(self, link: Link, packet: ClientFrame, size: int) -> None:
        """Take a packet of an MQTT client that is in."""
        hub = self._hub_of(link)
        if hub is not None:
            self.note(hub.name, "received", link.connection_id, packet, size)
            self.feed(hub, on.Received(link.connection_id, packet))

    def misbehave(self, link: Link, message: str, code: int) -> None:
        """Tell a client what it did wrong, and close it."""
        hub = self._hub_of(link)
        if hub is not None:
            self.feed(hub, on.Misbehaved(link.connection_id, message, code))

    def note(
        self,
        hub: str,
        direction: Literal["received", "sent"],
        connection_id: str,
        frame: ClientFrame | ServerFrame,
        size: int = 0,
    ) -> None:
        """Record one frame."""
        self._record.add_frame(RecordedFrame(hub, direction, (connection_id,), frame), size)

    def on_error(self, link: Link, error: WebSocketError) -> None:
        """Learn that a client has broken the WebSocket protocol."""
        hub = self._hub_of(link)
        if hub is not None:
            self.feed(hub, on.Misbehaved(link.connection_id, str(error), error.code))
        else:
            link.close(error.code)

    def on_room(self, link: Link) -> None:
        """Nothing of the client was kept back."""

    def on_pong(self) -> None:
        """See to the bound: a client may send pings and read no answer."""
        self._unread.check_sum()

    def on_unread(self, link: Link, size: int) -> None:
        """Count what waits for a client."""
        self._unread.count(link, size)

    def on_end(self, link: Link, code: int | None, reason: str) -> None:
        """Learn that the socket of a client is gone."""
        self._closing.discard(link)
        hub = self._hub_of(link)
        if hub is not None:
            del self._links[link.connection_id]
            cause = link.cause or end_of_client(code, reason)
            self.feed(hub, on.Lost(link.connection_id, final=code in NORMAL_CODES, reason=cause))
            if link.connection_id in hub.connections:
                words = one_line(cause)
                LOGGER.info("hub %s, connection %s: %s; it can be recovered", hub.name, link.connection_id, words)
                self._record.add_connection(RecordedConnection(hub.name, link.connection_id, "lost", reason=cause))

    def _hub_of(self, link: Link) -> Hub | None:
        """Return the hub in which the link carries a connection; None once another or no link carries it."""
        return self._hubs.get(link.hub) if self._links.get(link.connection_id) is link else None

    def contexts(self) -> list[ConnectionContext]:
        """Return what events say of the connections that are there."""
        return [
            ConnectionContext(hub.name, each.connection_id, each.user_id, each.protocol, origin=each.known_as)
            for hub in self._hubs.values()
            for each in hub.connections.values()
        ]

    @property
    def hubs(self) -> Collection[Hub]:
        """The hubs that somebody is in."""
        return self._hubs.values()

    def link_of(self, connection_id: str) -> Link | None:
        """Return the link that carries a connection, None while none does."""
        return self._links.get(connection_id)

    def identify(self, address: Sequence[Any]) -> Connection | None:
        """Return the connection of the client with this address; None if it is not there (any more)."""
        for link in self._links.values():
            peer = link.transport.get_extra_info("peername")
            if peer is not None and _plain(peer) == _plain(address) and not link.is_closing:
                hub = self._hubs.get(link.hub)
                return hub.connections.get(link.connection_id) if hub else None
        return None

    def inject(self, fault: RestFault | SocketFault) -> None:
        """Arm a fault; one for sockets strikes those that are open at once."""
        self.faults.add(fault)
        if isinstance(fault, SocketFault):
            for hub in tuple(self._hubs.values()):
                for connection in tuple(hub.connections.values()):
                    link = self._links.get(connection.connection_id)
                    if link is None:
                        continue
                    met = self.faults.take_socket(hub.name, connection.user_id, connection.connection_id)
                    if met is not None:
                        _inflict(met, link)


def _plain(address: Sequence[Any]) -> tuple[str, int]:
    """Return host and port; a socket for both families has IPv4 addresses in the form of IPv6."""
    return address[0].removeprefix("::ffff:"), address[1]


def _nothing(hub: Hub, effect: on.Effect) -> None:
    """Whoever fed the hub has done it already."""


def _is_refusal(effect: on.Effect) -> bool:
    if isinstance(effect, on.Reply) and isinstance(effect.frame, Ack):
        return effect.frame.error_name is not None
    return isinstance(effect, on.Refused)


def _inflict(fault: SocketFault, link: Link) -> None:
    if fault.drop:
        link.abort("cut by a fault that was injected")
    else:
        link.stop_reading()
