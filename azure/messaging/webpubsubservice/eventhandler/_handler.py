"""The event handler: the order of the checks on a request, and how the function behind it is run.

``_receive`` decides all that needs no waiting; ``handle`` and ``handle_async`` differ only in how they run and wait. No
sockets here: ``_asgi`` and ``_wsgi`` bring bytes in and out.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ._answers import answer, refusal, text_response, unhandled
from ._asgi import AsgiApp
from ._bodies import InvalidEventError
from ._cloudevents import read_event
from ._events import ConnectRequest, EventRequest
from ._headers import Headers, HeadersArgument
from ._protection import allowed_origins, check_endpoints, check_keys, has_valid_signature, parse_connection_string
from ._replies import ConnectResponse, EventHandlerResponse
from ._routing import EventRouter, Function, function_name
from ._wsgi import WsgiApp

if TYPE_CHECKING:
    from ._duplicates import RecentAnswers

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.eventhandler")
_MAX_BODY_SIZE = 16 * 1024 * 1024


class _Call(NamedTuple):
    """A function that is to be run, and the event it gets."""

    event: EventRequest
    function: Function
    is_async: bool

    @property
    def key(self) -> tuple[str | None, ...] | None:
        """What makes two deliveries the same event, or None if nothing does."""
        context = self.event.context
        if context.event_id is None:
            return None
        physical = context.mqtt.physical_connection_id if context.mqtt else None
        return context.hub.lower(), context.connection_id, physical, context.event_id


class WebPubSubEventHandler(EventRouter):
    """Receive the webhooks of Azure Web PubSub: check them, parse them, and run the functions you register.

    Without an access key, events are accepted from anyone who can reach the URL.

    :param str hub: Name of the hub to serve, in any letter case; others are refused. None serves every hub.
    :keyword allowed_endpoints: Services that may use this URL: host names or endpoint URLs; ``*`` stands for all.
        Without them and without a connection string, the abuse protection handshake is refused to everyone.
    :paramtype allowed_endpoints: str or list[str]
    :keyword access_key: Access key that signs the events, or several while keys are rotated.
    :paramtype access_key: str or list[str]
    :keyword connection_string: Connection string, or several: gives its endpoint and its access key.
    :paramtype connection_string: str or list[str]
    :keyword int max_body_size: Largest body accepted, in bytes; a larger one gets 413.
    :keyword float duplicate_window: Seconds during which an event the service repeats (same hub, connection id and
        event id) gets the first answer again, without running the function. 0 runs it each time. At most 10,000 events
        and 16 MiB of answers are kept.
    :ivar asgi_app: The handler as an ASGI application.
    :ivar wsgi_app: The handler as a WSGI application.
    :raises ValueError: if an endpoint, an access key or a connection string is empty or malformed
    """

    def __init__(
        self,
        hub: str | None = None,
        *,
        allowed_endpoints: str | Iterable[str] | None = None,
        access_key: str | Iterable[str] | None = None,
        connection_string: str | Iterable[str] | None = None,
        max_body_size: int = _MAX_BODY_SIZE,
        duplicate_window: float = 0,
    ) -> None:
        super().__init__()
        if hub is not None and not hub:
            raise ValueError("hub must not be empty; leave it out to serve every hub")
        strings = (connection_string,) if isinstance(connection_string, str) else connection_string or ()
        parsed = [parse_connection_string(text) for text in strings]
        own_keys = [key for _, key in parsed if key is not None]
        self.hub: str | None = hub
        self.max_body_size: int = max_body_size
        self._origins = check_endpoints(allowed_endpoints or ()) | {host for host, _ in parsed}
        self._keys = check_keys(() if access_key is None else access_key) + check_keys(own_keys)
        self._answers = _recent_answers(duplicate_window)
        self.asgi_app: AsgiApp = AsgiApp(self.handle_async, max_body_size)
        self.wsgi_app: WsgiApp = WsgiApp(self.handle, max_body_size)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} hub:{self.hub!r}>"

    def handle(self, method: str, headers: HeadersArgument, body: bytes = b"") -> EventHandlerResponse:
        """Answer one request of the service, and wait for the function.

        An ``async def`` function runs to its end in an event loop of its own.

        :param str method: HTTP method.
        :param headers: Headers, a mapping or pairs, of str or bytes, in any letter case.
        :param bytes body: Body.
        :raises RuntimeError: if the function is ``async def`` and an event loop is running in this thread
        """
        call = self._receive(method, headers, body)
        if isinstance(call, EventHandlerResponse):
            return call
        if call.is_async and _loop_is_running():
            raise RuntimeError(
                f"the function for {call.event.event_name!r} is 'async def' and an event loop is running in this "
                "thread; use 'await handler.handle_async(...)'"
            )
        if self._answers is None or (key := call.key) is None:
            return _run(call)
        first, is_mine = self._answers.claim(key)
        if not is_mine:
            return self._answers.wait(first) or _FAILED
        response = _FAILED
        try:
            response = _run(call)
        finally:
            self._answers.settle(key, first, response)
        return response

    async def handle_async(self, method: str, headers: HeadersArgument, body: bytes = b"") -> EventHandlerResponse:
        """Answer one request of the service; a plain function runs in a thread and does not hold up the event loop.

        :param str method: HTTP method.
        :param headers: Headers, a mapping or pairs, of str or bytes, in any letter case.
        :param bytes body: Body.
        """
        call = self._receive(method, headers, body)
        if isinstance(call, EventHandlerResponse):
            return call
        if self._answers is None or (key := call.key) is None:
            return await _run_async(call)
        first, is_mine = self._answers.claim(key)
        if not is_mine:
            return await self._answers.wait_async(first) or _FAILED
        response = _FAILED
        try:
            response = await _run_async(call)
        finally:
            self._answers.settle(key, first, response)
        return response

    def _receive(self, method: str, headers: HeadersArgument, body: bytes) -> EventHandlerResponse | _Call:
        """Check and parse a request; return what to run, or the response if there is nothing to run."""
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError(f"body must be bytes, not {type(body).__name__}")
        try:
            known = Headers(headers)
            verb = method.upper()
            if verb in ("OPTIONS", "GET"):
                return self._allow(known)
            if verb != "POST":
                return text_response(405, "events come by POST", Allow="OPTIONS, GET, POST")
            event = self._authenticate(known, bytes(body))
        except InvalidEventError as error:
            _LOGGER.warning("Refused a request with %d: %s.", error.status, error.reason)
            return refusal(error)
        function = self._find(event)
        return unhandled(event) if function is None else _Call(event, function, _is_async(function))

    def _allow(self, headers: Headers) -> EventHandlerResponse:
        asked = headers.listed("webhook-request-origin")
        if not asked:
            raise InvalidEventError("the header webhook-request-origin is missing")
        allowed = allowed_origins(asked, self._origins)
        if not allowed:
            raise InvalidEventError("this origin is not one of the handler's allowed_endpoints", 403)
        return EventHandlerResponse(200, {"WebHook-Allowed-Origin": ", ".join(allowed)})

    def _authenticate(self, headers: Headers, body: bytes) -> EventRequest:
        if len(body) > self.max_body_size:
            raise InvalidEventError(f"the body is larger than {self.max_body_size:,} bytes", 413)
        length = headers.one("content-length")
        if length and length.isascii() and length.isdecimal() and int(length[:20]) > len(body):
            raise InvalidEventError("the body is shorter than content-length")
        connection_id = headers.required("ce-connectionid")
        # Before anything is parsed: who cannot sign learns nothing and costs next to nothing.
        if self._keys and not has_valid_signature(self._keys, connection_id, headers.listed("ce-signature")):
            raise InvalidEventError("ce-signature is missing, or not made with an access key of this handler", 401)
        event = read_event(headers, body)
        if self.hub is not None and event.hub.lower() != self.hub.lower():
            raise InvalidEventError("this handler serves another hub")
        return event


_FAILED = EventHandlerResponse(500)


def _recent_answers(seconds: float) -> RecentAnswers | None:
    if seconds <= 0:
        return None
    from ._duplicates import RecentAnswers

    return RecentAnswers(seconds)


def _run(call: _Call) -> EventHandlerResponse:
    try:
        reply = call.function(call.event)
        if inspect.isawaitable(reply):
            import asyncio

            reply = asyncio.run(_wait(reply))
        return _respond(call.event, reply)
    except Exception:
        _log_failure(call)
        return _FAILED


async def _run_async(call: _Call) -> EventHandlerResponse:
    try:
        if call.is_async:
            reply = await call.function(call.event)
        else:
            import asyncio

            reply = await asyncio.to_thread(call.function, call.event)
            if inspect.isawaitable(reply):
                reply = await reply
        return _respond(call.event, reply)
    except Exception:
        _log_failure(call)
        return _FAILED


def _respond(event: EventRequest, reply: object) -> EventHandlerResponse:
    response = answer(event, reply)
    if isinstance(event, ConnectRequest) and isinstance(reply, ConnectResponse):
        chosen = reply.subprotocol
        if chosen is not None and chosen not in event.subprotocols:
            _LOGGER.warning("on_connect chose the subprotocol %r, which the client did not offer.", chosen)
    return response


def _log_failure(call: _Call) -> None:
    _LOGGER.exception("%s failed on the event %r.", function_name(call.function), call.event.event_name)


def _is_async(function: Function) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _loop_is_running() -> bool:
    # No loop runs before asyncio is loaded, and loading it would cost more than everything else here.
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _wait(reply: Awaitable[Any]) -> Any:
    return await reply
