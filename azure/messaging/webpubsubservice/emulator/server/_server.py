"""The network side of one emulator: listening, HTTP requests, WebSocket upgrades.

All sockets are accepted in here; decisions belong to the routes, the admission and the hubs. One event loop owns it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from email.utils import formatdate

from aiohttp import web

from .._clock import Clock
from .._record import RecordedCall, RecordedRefusal, Recorder
from ..hub import _events as on
from ..protocols._handshake import Guest, Refusal, Visitor
from ..rest._origin import Origin
from ..rest._requests import RestRequest, RestResponse
from ..rest._routes import Outcome, Routes
from ._admission import Admission
from ._guard import Guard
from ._http_edge import EdgeServer, expects_the_unknown, finish, is_waiting, read_body, to_response, truncated
from ._links import Link
from ._log_lines import rest_effect, rest_path
from ._naming import Arrival, Names
from ._sends import send_of_rest
from ._switchboard import LOGGER, Switchboard

Page = Callable[[web.BaseRequest, Arrival], Awaitable[web.StreamResponse]]

_BACKLOG = 4096
_HUB = re.compile(r"/hubs/([^/]+)", re.IGNORECASE)
_SHUTDOWN_SECONDS = 0.5


class Server:
    """The sockets of one emulator.

    :param clock: The emulator's time.
    :param record: Where sends are noted.
    :param routes: REST.
    :param admission: Judge of clients.
    :param switchboard: Hubs and links.
    :keyword guard: Judge of where requests come from; None lets in whoever has a token.
    """

    def __init__(
        self,
        clock: Clock,
        record: Recorder,
        routes: Routes,
        admission: Admission,
        switchboard: Switchboard,
        *,
        guard: Guard | None,
    ) -> None:
        self._clock = clock
        self._record = record
        self._routes = routes
        self._admission = admission
        self._switchboard = switchboard
        self._guard = guard
        self._keep_alive: asyncio.Task[None] | None = None
        self._listeners: list[asyncio.Server] = []
        self._edge: EdgeServer | None = None
        self._names = Names(())
        #: What answers instead of us under the first segment of a path, whoever asks.
        self.mounted: dict[str, Page] = {}

    async def start(self, sockets: Sequence[socket.socket], names: Names) -> None:
        """Accept connections on bound sockets.

        :param sockets: Bound sockets; the server closes them when it stops.
        :param names: The names it goes by.
        """
        self._names = names
        limits = self._switchboard.limits
        self._edge = EdgeServer(self._handle, max_sockets=limits.max_sockets, head_seconds=limits.request)
        loop = asyncio.get_running_loop()
        for each in sockets:
            self._listeners.append(await loop.create_server(self._edge, sock=each, backlog=_BACKLOG))
        self._keep_alive = loop.create_task(self._switchboard.keep_links_alive())

    async def stop(self) -> None:
        """Stop listening, let the clients go, and close what is left."""
        await self._stop_listening()
        if self._keep_alive is not None:
            self._keep_alive.cancel()
        await self._switchboard.close()
        if self._edge is not None:
            # Who has sent no request has nothing to wait for.
            self._edge.pre_shutdown()
            await self._edge.shutdown(_SHUTDOWN_SECONDS)

    async def _stop_listening(self) -> None:
        loop = asyncio.get_running_loop()
        for each in [each for listener in self._listeners for each in listener.sockets]:
            with contextlib.suppress(NotImplementedError):  # Windows accepts in another way
                loop.remove_reader(each.fileno())
        # What has been accepted becomes a connection within three rounds of the loop; a listener that is closed before
        # has no place for it.
        for _ in range(3):
            await asyncio.sleep(0)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def file_numbers(self) -> list[int]:
        """Return the numbers of all sockets: those that listen, and those of peers."""
        listening = [each.fileno() for listener in self._listeners for each in listener.sockets]
        return listening + (self._edge.file_numbers() if self._edge is not None else [])

    # Clients

    async def _handle_client(self, request: web.BaseRequest, arrival: Arrival) -> web.StreamResponse:
        path = arrival.target.partition("?")[0]
        connection_id = secrets.token_urlsafe(24)[:31]
        try:
            visitor = Visitor.of(request.method, arrival.target, request.headers.items())
            guest = self._admission.judge(visitor, arrival.origin, self._clock.now())
            if guest.recovers is None and not guest.is_mqtt:
                guest = await self._ask_handler(connection_id, guest, visitor)
        except Refusal as refusal:
            LOGGER.info("client at %s: refused with %d: %s", path, refusal.status, refusal)
            self._record.add_refusal(RecordedRefusal(_hub_in(path), None, str(refusal), refusal.status, path))
            content_type = "text/plain; charset=utf-8" if refusal.body else None
            answer = RestResponse(refusal.status, refusal.body.encode(), content_type)
            return to_response(answer, self._date(), is_head=False)
        if guest.is_mqtt:
            return await self._serve_mqtt(request, connection_id, guest, visitor)
        return await self._serve_client(request, connection_id, guest)

    async def _ask_handler(self, connection_id: str, guest: Guest, visitor: Visitor) -> Guest:
        outcome = await self._switchboard.desk.connect(connection_id, guest, visitor)
        if not outcome.is_accepted:
            raise Refusal(outcome.status, outcome.why)
        return self._admission.adopt(guest, outcome)

    async def _serve_client(self, request: web.BaseRequest, connection_id: str, guest: Guest) -> web.StreamResponse:
        response = _switching_protocols(guest)
        try:
            await response.prepare(request)
            transport = _transport(request)
        except ConnectionError:
            self._switchboard.desk.forget(connection_id)
            raise
        link = Link(
            transport,
            guest.protocol,
            guest.hub,
            guest.recovers.connection_id if guest.recovers else connection_id,
            self._switchboard,
            max_size=self._switchboard.limits.max_message,
        )
        link.take_over(request.protocol)
        if guest.recovers is None:
            self._switchboard.open(guest, link, secrets.token_urlsafe(32))
        else:
            self._switchboard.recover(guest.recovers, link)
        await link.serve()
        return response

    async def _serve_mqtt(
        self, request: web.BaseRequest, physical_id: str, guest: Guest, visitor: Visitor
    ) -> web.StreamResponse:
        from ._mqtt_client import MAX_MESSAGE, MqttClient

        response = _switching_protocols(guest)
        await response.prepare(request)
        client = MqttClient(self._switchboard, guest, visitor, physical_id, self._admission.adopt)
        link = Link(
            _transport(request),
            guest.protocol,
            guest.hub,
            physical_id,
            client,
            max_size=MAX_MESSAGE,
            unmasked_control=True,
        )
        link.take_over(request.protocol)
        client.begin(link)
        await link.serve()
        return response

    # HTTP

    def _date(self) -> str:
        return formatdate(self._clock.now(), usegmt=True)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._edge is not None:
            self._edge.spoke(request.protocol)
        arrival = self._names.arrival(request.raw_path, request.headers, request.remote)
        page = self.mounted.get(_first_segment(arrival.target)) if self.mounted else None
        if page is not None:
            return finish(request, await page(request, arrival))
        refusal = self._refusal(request, arrival)
        if refusal is not None:
            response = to_response(refusal, self._date(), is_head=request.method == "HEAD")
        elif arrival.target.lower().startswith("/client"):
            response = await self._handle_client(request, arrival)
        else:
            response = await self._handle_rest(request, arrival)
        return finish(request, response)

    def _refusal(self, request: web.BaseRequest, arrival: Arrival) -> RestResponse | None:
        """Return the answer to a request that is not even looked at."""
        if self._guard is not None:
            why = self._guard.refusal(arrival.host, request.headers.get("Origin"), arrival.origin.host)
            if why is not None:
                path = arrival.target.partition("?")[0]
                LOGGER.warning("%s %s: refused with 403: %s", request.method, path, why)
                self._record.add_refusal(RecordedRefusal(_hub_in(path), None, why, 403, path))
                return RestResponse(403, f"{why}\n".encode(), "text/plain; charset=utf-8")
        return RestResponse(417) if expects_the_unknown(request) else None

    async def _handle_rest(self, request: web.BaseRequest, arrival: Arrival) -> web.StreamResponse:
        path = arrival.target.partition("?")[0]
        fault = self._switchboard.faults.take_rest(request.method, path)
        if fault is not None:
            LOGGER.info("%s %s meets a fault that was injected: %r", request.method, rest_path(path), fault)
        if fault is not None and fault.delay is not None:
            await asyncio.sleep(fault.delay)
        if fault is not None and (fault.drop or fault.status is not None):
            why = "a fault that was injected"
            self._record.add_call(
                RecordedCall(_hub_in(path), request.method, arrival.target, status=fault.status, why=why)
            )
        if fault is not None and fault.drop:
            return _hang_up(request, b"")
        if fault is not None and fault.status is not None:
            headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            answer = RestResponse(fault.status, headers=headers)
        else:
            answer = await self._answer(request, arrival)
        if fault is not None and fault.drop_after:
            return _hang_up(request, b"")
        if fault is not None and fault.truncate:
            return _hang_up(request, truncated(answer, self._date()))
        return to_response(answer, self._date(), is_head=request.method == "HEAD")

    async def _answer(self, request: web.BaseRequest, arrival: Arrival) -> RestResponse:
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        head = RestRequest(request.method, arrival.target, headers, None)
        if is_waiting(request):
            judged = self._routes.judge(head, arrival.origin, self._clock.now())
            if isinstance(judged, Outcome):
                return self._settle(head, judged)
        body = await read_body(request, self._switchboard.limits.request)
        return self.call(replace(head, body=body), arrival.origin)

    def call(self, request: RestRequest, origin: Origin) -> RestResponse:
        """Answer a REST request, and do what it asks for.

        :param request: The request.
        :param origin: Where it came in.
        """
        return self._settle(request, self._routes.handle(request, origin, self._clock.now()))

    def _settle(self, request: RestRequest, outcome: Outcome) -> RestResponse:
        if LOGGER.isEnabledFor(logging.INFO):
            _log(request.method, rest_path(request.raw_path), outcome)
        if outcome.hub or outcome.why:
            self._record.add_call(_call_of(request, outcome))
        if outcome.event is not None:
            hub = self._switchboard.find_hub(outcome.hub)
            if isinstance(outcome.event, on.Publish):
                self._record.add_send(send_of_rest(outcome.hub, outcome.event))
            self._switchboard.carry_out(hub, outcome.effects)
        return outcome.response


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


def _log(method: str, path: str, outcome: Outcome) -> None:
    status = outcome.response.status
    if outcome.why:
        LOGGER.info("%s %s refused with %d: %s", method, path, status, outcome.why)
    elif not outcome.hub:
        # Answers about the emulator itself: health checks come every few seconds.
        LOGGER.debug("%s %s %d", method, path, status)
    else:
        LOGGER.info("%s %s %d%s", method, path, status, rest_effect(outcome.event, outcome.effects))


def _call_of(request: RestRequest, outcome: Outcome) -> RecordedCall:
    body, event = request.body or b"", outcome.event
    if isinstance(event, on.Publish) and event.payload.data == body:
        body = event.payload.data  # held once, however often it is recorded
    return RecordedCall(
        outcome.hub or _hub_in(request.raw_path),
        request.method,
        request.target,
        request.header("content-type"),
        body,
        outcome.response.status,
        outcome.why,
        event.metadata if isinstance(event, on.Publish) else {},
    )


def _hub_in(path: str) -> str:
    """Return the hub that a path names, empty if it names none."""
    match = _HUB.search(path)
    return match[1].lower() if match else ""


def _first_segment(target: str) -> str:
    return target[1:].partition("?")[0].partition("/")[0]
