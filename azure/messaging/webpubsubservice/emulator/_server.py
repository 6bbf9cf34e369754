"""All the I/O of one emulator: listening, HTTP requests, WebSocket upgrades, timers, and carrying out a hub's effects.

One event loop owns everything in here; nothing is locked. Decisions belong to the hub, the routes and the protocols.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from typing import Any, NamedTuple

from aiohttp import web

from . import _events as on
from ._admission import Admission, Guest, Refusal, Visitor
from ._clock import Clock
from ._faults import Faults, RestFault, SocketFault
from ._frames import BadFrame, Disconnected, Message, SendToGroup
from ._http_edge import EdgeServer, read_body, to_response, truncated
from ._hub import Hub
from ._links import NORMAL_CODES, Link
from ._record import Record, RecordedFrame, RecordedSend
from ._requests import RestRequest, RestResponse
from ._routes import Origin, Routes
from ._tokens import Tokens
from ._websocket import WebSocketError, WebSocketMessage

LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator")

BACKLOG = 4096


_GOING_AWAY = Disconnected("The emulator is shutting down.")


class Limits(NamedTuple):
    """Bounds on what peers can make the emulator do."""

    #: Largest message of a client, in bytes.
    max_message: int = 1024 * 1024
    #: Bytes that may wait for a client who does not read them.
    max_unread: int = 16 * 1024 * 1024
    #: Sockets open at once.
    max_sockets: int = 20_000
    #: Seconds between two pings to a client.
    keep_alive: float = 20.0
    #: Seconds a peer has for the head or the body of a request.
    request: float = 30.0


class Server:
    """The sockets of one emulator and the hubs behind them."""

    def __init__(
        self,
        clock: Clock,
        record: Record,
        tokens: Tokens,
        admission: Admission,
        *,
        limits: Limits,
        recovery_seconds: float,
        close_on_failed_event: bool,
    ) -> None:
        self._clock = clock
        self._record = record
        self._admission = admission
        self._limits = limits
        self._hub_options = {"recovery_seconds": recovery_seconds, "close_on_failed_event": close_on_failed_event}
        self._routes = Routes(tokens, self.find_hub)
        self.faults: Faults = Faults()
        self._hubs: dict[str, Hub] = {}
        self._links: dict[str, Link] = {}
        # Sockets that have lost their connection but are still closing.
        self._closing: set[Link] = set()
        self._written_since_sweep = 0
        self._timer: asyncio.TimerHandle | None = None
        self._keep_alive: asyncio.Task[None] | None = None
        self._listeners: list[asyncio.Server] = []
        self._edge: EdgeServer | None = None
        self._hosts: set[str] = set()
        self._effects: dict[type[Any], Callable[[Hub, Any], None]] = {
            on.Reply: self._do_reply,
            on.Deliver: self._do_deliver,
            on.DeliverInSequence: self._do_deliver_in_sequence,
            on.Close: self._do_close,
            on.RaiseEvent: self._do_raise_event,
            on.Ended: self._do_ended,
            on.Refused: self._do_refused,
            on.Recovered: _nothing,
            on.RecoveryRefused: _nothing,
        }

    # Life

    async def start(self, sockets: Sequence[socket.socket], hosts: Iterable[str]) -> None:
        """Accept connections on bound sockets.

        :param sockets: Bound sockets; the server closes them when it stops.
        :param hosts: Names (with port) the service goes by.
        """
        self._hosts = {host.lower() for host in hosts}
        self._edge = EdgeServer(self._handle, max_sockets=self._limits.max_sockets, head_seconds=self._limits.request)
        loop = asyncio.get_running_loop()
        for each in sockets:
            self._listeners.append(await loop.create_server(self._edge, sock=each, backlog=BACKLOG))
        self._keep_alive = loop.create_task(self._keep_links_alive())

    async def stop(self) -> None:
        """Stop listening, tell every client that the service goes away (1001), and close what is left."""
        for listener in self._listeners:
            listener.close()
        if self._keep_alive is not None:
            self._keep_alive.cancel()
        if self._timer is not None:
            self._timer.cancel()
        links = [*self._links.values(), *self._closing]
        for hub in self._hubs.values():
            for connection_id, connection in hub.connections.items():
                link = self._links.get(connection_id)
                if link is not None and connection.protocol is not None:
                    link.write(link.protocol.encode(_GOING_AWAY))
        for link in links:
            link.close(1001, "The emulator is shutting down.")
        if links:
            await asyncio.wait([link.gone for link in links], timeout=1.0)
        self._hubs.clear()
        for link in links:
            link.abort()
        if self._edge is not None:
            await self._edge.shutdown(0.5)
        self._links.clear()
        self._closing.clear()

    def reset(self) -> None:
        """Cut every client off and forget every hub, fault and record."""
        links = [*self._links.values(), *self._closing]
        self._hubs.clear()
        self._links.clear()
        self._closing.clear()
        for link in links:
            link.abort()
        self.faults.clear()
        self._record.clear()
        self._clock.reset()

    # Hubs

    def find_hub(self, name: str) -> Hub:
        """Return the hub of a name in lower case; one that nobody is in is made for the occasion."""
        return self._hubs.get(name) or Hub(name, **self._hub_options)  # type: ignore[arg-type]

    def feed(self, hub: Hub, event: on.Input) -> None:
        """Give a hub an input and do what follows."""
        self.carry_out(hub, hub.handle(event, self._clock.now()))

    def carry_out(self, hub: Hub, effects: Iterable[on.Effect]) -> None:
        """Do what a hub wants done."""
        for effect in effects:
            self._effects[type(effect)](hub, effect)
        if not hub.connections:
            self._hubs.pop(hub.name, None)
        self._schedule()

    def tick(self) -> None:
        """Let everything happen that is due."""
        now = self._clock.now()
        for hub in tuple(self._hubs.values()):
            due = hub.next_due()
            if due is not None and due <= now:
                self.carry_out(hub, hub.handle(on.Tick(), now))
        self._schedule()

    def _schedule(self) -> None:
        due = min((at for hub in self._hubs.values() if (at := hub.next_due()) is not None), default=None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            delay = max(0.0, due - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self.tick)

    # Effects

    def _do_reply(self, hub: Hub, effect: on.Reply) -> None:
        self._note(hub, (effect.connection_id,), effect.frame)
        link = self._links.get(effect.connection_id)
        if link is not None:
            frame = link.protocol.encode(effect.frame)
            link.write(frame)
            self._count(len(frame or b""))

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
            if not link.is_closing:
                link.transport.write(frame)
        self._count(max(map(len, frames.values()), default=0))

    def _do_deliver_in_sequence(self, hub: Hub, effect: on.DeliverInSequence) -> None:
        self._note(hub, [connection_id for connection_id, _ in effect.to], effect.message)
        writers: dict[str | None, Callable[[int], bytes]] = {}
        largest = 0
        for connection_id, sequence_id in effect.to:
            link = self._links.get(connection_id)
            if link is None:
                continue
            name = link.protocol.name
            if name not in writers:
                writers[name] = link.protocol.numbered(effect.message)
            frame = writers[name](sequence_id)
            link.write(frame)
            largest = max(largest, len(frame))
        self._count(largest)

    def _do_close(self, hub: Hub, effect: on.Close) -> None:
        link = self._links.pop(effect.connection_id, None)
        if link is not None:
            self._closing.add(link)
            link.close(effect.code, effect.reason)

    def _do_raise_event(self, hub: Hub, effect: on.RaiseEvent) -> None:
        LOGGER.warning(
            "hub %s, connection %s: no event handler takes the event %r%s",
            hub.name,
            effect.connection_id,
            effect.event,
            "" if hub.connections[effect.connection_id].protocol else ", so the client is disconnected",
        )
        self.feed(hub, on.Handled(effect.connection_id, effect.ack_id, failed=True))

    def _do_ended(self, hub: Hub, effect: on.Ended) -> None:
        LOGGER.info("hub %s, connection %s: ended. %s", hub.name, effect.connection_id, effect.reason)

    def _do_refused(self, hub: Hub, effect: on.Refused) -> None:
        LOGGER.info("hub %s, connection %s: refused: %s", hub.name, effect.connection_id, effect.why)

    def _note(self, hub: Hub, to: Sequence[str], frame: Any) -> None:
        size = len(frame.payload.data) if isinstance(frame, Message) else 0
        self._record.add_frame(RecordedFrame(hub.name, "sent", to, frame), size)

    def _count(self, size: int) -> None:
        """Look for clients that do not read, each time as much was written as could put one over its bound."""
        self._written_since_sweep += size
        if self._written_since_sweep * 4 < self._limits.max_unread:
            return
        self._written_since_sweep = 0
        for link in tuple(self._links.values()):
            unread = link.transport.get_write_buffer_size()
            if unread > self._limits.max_unread:
                LOGGER.info("connection %s: closed, it leaves %d bytes unread", link.connection_id, unread)
                link.abort()

    async def _keep_links_alive(self) -> None:
        while True:
            await asyncio.sleep(self._limits.keep_alive)
            for link in tuple(self._links.values()):
                if not link.check_alive():
                    LOGGER.info("connection %s: closed, it has not answered a ping", link.connection_id)
                    link.abort()

    # Clients

    def _on_message(self, link: Link, message: WebSocketMessage) -> None:
        hub = self._hub_of(link)
        if hub is None:
            return
        try:
            frame = link.protocol.decode(message.opcode, message.data)
        except BadFrame as error:
            self.feed(hub, on.Misbehaved(link.connection_id, str(error), error.code))
            return
        if frame is not None:
            size = len(message.data)
            self._record.add_frame(RecordedFrame(hub.name, "received", (link.connection_id,), frame), size)
            if isinstance(frame, SendToGroup):
                self._record.add_send(_send_of_client(hub, link, frame))
            self.feed(hub, on.Received(link.connection_id, frame))

    def _on_error(self, link: Link, error: WebSocketError) -> None:
        hub = self._hub_of(link)
        if hub is not None:
            self.feed(hub, on.Misbehaved(link.connection_id, str(error), error.code))
        else:
            link.close(error.code)

    def _on_end(self, link: Link, code: int | None) -> None:
        self._closing.discard(link)
        hub = self._hub_of(link)
        if hub is not None:
            del self._links[link.connection_id]
            self.feed(hub, on.Lost(link.connection_id, final=code in NORMAL_CODES))

    def _hub_of(self, link: Link) -> Hub | None:
        """Return the hub in which the link carries a connection; None once another or no link carries it."""
        return self._hubs.get(link.hub) if self._links.get(link.connection_id) is link else None

    async def _handle_client(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        try:
            visitor = Visitor.of(request.method, request.raw_path, request.headers.items())
            guest = self._admission.judge(visitor, self._origin(request).hosts, self._clock.now())
        except Refusal as refusal:
            LOGGER.info("client at %s: refused with %d: %s", path, refusal.status, refusal)
            answer = RestResponse(
                refusal.status, refusal.body.encode(), "text/plain; charset=utf-8" if refusal.body else None
            )
            return to_response(answer, self._date(), is_head=False)
        connection_id = guest.recovers.connection_id if guest.recovers else secrets.token_urlsafe(24)[:31]
        response = _switching_protocols(guest)
        await response.prepare(request)
        link = Link(
            _transport(request),
            guest.protocol,
            guest.hub,
            connection_id,
            self._on_message,
            self._on_error,
            self._on_end,
            max_size=self._limits.max_message,
        )
        if guest.recovers is None:
            self._open(guest, link)
        else:
            self._recover(guest.recovers, link)
        request.protocol.keep_alive(False)
        request.protocol.set_parser(link)  # type: ignore[arg-type]  # it has the two methods that are called
        await link.gone
        return response

    def _open(self, guest: Guest, link: Link) -> None:
        hub = self._hubs.setdefault(guest.hub, self.find_hub(guest.hub))
        self._links[link.connection_id] = link
        token = secrets.token_urlsafe(32) if guest.protocol.reliable else None
        event = on.Open(link.connection_id, guest.protocol.name, guest.user_id, guest.groups, guest.roles, token)
        self.feed(hub, event)
        LOGGER.info(
            "hub %s, connection %s: opened as %s, user %r, groups %s, roles %s",
            hub.name,
            link.connection_id,
            guest.protocol.name or "simple client",
            guest.user_id,
            list(guest.groups),
            list(guest.roles),
        )
        fault = self.faults.take_socket(hub.name, guest.user_id, link.connection_id)
        if fault is not None:
            _inflict(fault, link)

    def _recover(self, event: on.Recover, link: Link) -> None:
        hub = self.find_hub(link.hub)
        effects = hub.handle(event, self._clock.now())
        if any(isinstance(effect, on.Recovered) for effect in effects):
            old = self._links.get(event.connection_id)
            self._links[event.connection_id] = link
            if old is not None:
                old.abort()
        else:
            link.close(1008, "The connection could not be recovered.")
        self.carry_out(hub, effects)

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

    # HTTP

    def _origin(self, request: web.BaseRequest) -> Origin:
        host = request.headers.get("Host", "").lower()
        return Origin(host, [host, *self._hosts] if host not in self._hosts else [host, *(self._hosts - {host})])

    def _date(self) -> str:
        return formatdate(self._clock.now(), usegmt=True)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._edge is not None:
            self._edge.spoke(request.protocol)
        if request.raw_path.lower().startswith("/client"):
            return await self._handle_client(request)
        return await self._handle_rest(request)

    async def _handle_rest(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        path = target.partition("?")[0]
        fault = self.faults.take_rest(request.method, path)
        if fault is not None and fault.delay is not None:
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.drop:
            return _hang_up(request, b"")
        if fault is not None and fault.status is not None:
            headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            answer = RestResponse(fault.status, headers=headers)
        else:
            answer = await self._answer(request, target)
        if fault is not None and fault.drop_after:
            return _hang_up(request, b"")
        if fault is not None and fault.truncate:
            return _hang_up(request, truncated(answer, self._date()))
        return to_response(answer, self._date(), is_head=request.method == "HEAD")

    async def _answer(self, request: web.BaseRequest, target: str) -> RestResponse:
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        try:
            body = await read_body(request, self._limits.request)
        except (asyncio.TimeoutError, web.RequestPayloadError, ConnectionError):
            body = None
        outcome = self._routes.handle(
            RestRequest(request.method, target, headers, body), self._origin(request), self._clock.now()
        )
        if outcome.why:
            LOGGER.info(
                "%s %s: refused with %d: %s",
                request.method,
                target.partition("?")[0],
                outcome.response.status,
                outcome.why,
            )
        if outcome.event is not None:
            hub = self.find_hub(outcome.hub)
            if isinstance(outcome.event, on.Publish):
                self._record.add_send(_send_of_rest(outcome.hub, outcome.event))
            self.carry_out(hub, outcome.effects)
        return outcome.response


def _nothing(hub: Hub, effect: on.Effect) -> None:
    """Whoever fed the hub has done it already."""


def _switching_protocols(guest: Guest) -> web.StreamResponse:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": guest.accept}
    if guest.echo is not None:
        headers["Sec-WebSocket-Protocol"] = guest.echo
    return web.StreamResponse(status=101, headers=headers)


def _transport(request: web.BaseRequest) -> asyncio.Transport:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone during the handshake")
    return transport


def _hang_up(request: web.BaseRequest, last_words: bytes) -> web.StreamResponse:
    """Close the connection of a request; what is returned can no longer be sent."""
    transport = _transport(request)
    if last_words:
        transport.write(last_words)
        transport.close()
    else:
        transport.abort()
    return web.Response(status=500)


def _inflict(fault: SocketFault, link: Link) -> None:
    if fault.drop:
        link.abort()
    else:
        link.stop_reading()


def _send_of_client(hub: Hub, link: Link, frame: SendToGroup) -> RecordedSend:
    return RecordedSend(
        hub.name,
        frame.payload.data,
        frame.payload.type,
        group=frame.group,
        ttl_seconds=frame.ttl_seconds or 0,
        metadata=frame.metadata,
        sender=link.connection_id,
    )


def _send_of_rest(hub: str, event: on.Publish) -> RecordedSend:
    return RecordedSend(
        hub,
        event.payload.data,
        event.payload.type,
        event.audience.group,
        event.audience.user_id,
        event.audience.connection_id,
        event.audience.excluded,
        event.ttl_seconds,
        event.metadata,
    )
