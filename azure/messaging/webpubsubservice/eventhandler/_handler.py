"""The event handler: the order of the checks on a request, and how the function behind it is run.

``_receive`` decides all that needs no waiting; ``handle`` and ``handle_async`` differ only in how they run and wait. No
sockets here: ``_asgi`` and ``_wsgi`` bring bytes in and out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._endpoint import parse_connection_string
from ._answers import refusal, text_response, unhandled
from ._asgi import AsgiApp
from ._bodies import InvalidEventError, read_length
from ._cloudevents import read_event
from ._events import EventRequest
from ._headers import Headers, HeadersArgument
from ._protection import (
    allowed_origins,
    check_endpoints,
    check_keys,
    endpoint_hosts,
    has_valid_signature,
    is_same_hub,
)
from ._replies import EventHandlerResponse
from ._routing import EventRouter
from ._running import FAILED, Call, begin, finish, finish_here, new_call
from ._wsgi import WsgiApp

if TYPE_CHECKING:
    from ._duplicates import RecentAnswers

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.eventhandler")
# The service takes no larger message from a client.
_MAX_BODY_SIZE = 1024 * 1024


class WebPubSubEventHandler(EventRouter):
    """Receive the webhooks of Azure Web PubSub: check them, parse them, and run the functions you register.

    Events are taken only with a signature of one of the access keys. The signature covers the connection id and nothing
    else: whoever has seen one request can send others for that connection, with another body, user id or event name.
    So let the service call an ``https`` URL, and let nobody else see its requests.

    :param str hub: Name of the hub to serve, in any letter case; others are refused. None serves every hub.
    :keyword allowed_endpoints: Services that may use this URL: host names or endpoint URLs; ``*`` stands for all.
        Without them and without a connection string, the abuse protection handshake is refused to everyone.
    :paramtype allowed_endpoints: str or list[str]
    :keyword access_key: Access key that signs the events, or several while keys are rotated.
    :paramtype access_key: str or list[str]
    :keyword connection_string: Connection string, or several: gives its endpoint and its access key.
    :paramtype connection_string: str or list[str]
    :keyword bool verify_signatures: False takes events from anyone who can reach the URL, and says so in the log. A key
        is not needed then.
    :keyword int max_body_size: Largest body accepted, in bytes; a larger one gets 413. Not given: 1 MiB, the largest
        message that the service takes from a client.
    :keyword float duplicate_window: Seconds during which an event the service repeats (same hub, connection id and
        event id) gets the first answer again, without running the function. 0 runs it each time. At most 10,000 events
        are kept, in at most 16 MiB.
    :ivar asgi_app: The handler as an ASGI application. Runs on asyncio.
    :ivar wsgi_app: The handler as a WSGI application. ``async def`` functions run in one event loop, in a thread of its
        own. A WSGI server joins headers that are repeated, so a user id, a hub or an event name with a comma in it may
        have been two; wsgiref, uWSGI, cheroot and the WSGI of granian and hypercorn take ``ce_userId`` for
        ``ce-userId``; granian's empties a header that is not ASCII.
    :raises TypeError: if a value has another type
    :raises ValueError: if there is no access key, or an endpoint, a key or a connection string is empty or malformed

    Example::

        from azure.messaging.webpubsubservice.eventhandler import UserEventRequest, WebPubSubEventHandler

        handler = WebPubSubEventHandler("chat", connection_string=connection_string)

        @handler.on_event("message")
        async def message(request: UserEventRequest) -> str:
            return f"you said {request.data}"
    """

    def __init__(
        self,
        hub: str | None = None,
        *,
        allowed_endpoints: str | Iterable[str] | None = None,
        access_key: str | Iterable[str] | None = None,
        connection_string: str | Iterable[str] | None = None,
        verify_signatures: bool = True,
        max_body_size: int = _MAX_BODY_SIZE,
        duplicate_window: float = 0,
    ) -> None:
        super().__init__()
        if hub is not None and not isinstance(hub, str):
            raise TypeError(f"hub must be a str, not {type(hub).__name__}")
        if hub is not None and not hub:
            raise ValueError("hub must not be empty; leave it out to serve every hub")
        strings = (connection_string,) if isinstance(connection_string, str) else tuple(connection_string or ())
        services = [parse_connection_string(text) for text in strings]
        keys = () if access_key is None else check_keys(access_key)
        keys += check_keys(service.access_key for service in services) if services else ()
        self.hub: str | None = hub
        self.max_body_size: int = max_body_size
        self._origins = check_endpoints(allowed_endpoints or ()) | endpoint_hosts(services)
        self._keys = _keys_that_verify(keys, verify_signatures)
        self._answers = _recent_answers(duplicate_window)
        self.asgi_app: AsgiApp = AsgiApp(self.handle_async, max_body_size)
        self.wsgi_app: WsgiApp = WsgiApp(self._handle, max_body_size)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} hub:{self.hub!r}>"

    def handle(self, method: str, headers: HeadersArgument, body: bytes = b"") -> EventHandlerResponse:
        """Answer one request of the service, and wait for the function.

        An ``async def`` function runs in an event loop that all calls share, in a thread of its own.

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
        return self._answer(call)

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
            return await self._answers.wait_async(first) or FAILED
        response = FAILED
        try:
            response = await _run_async(call)
        finally:
            self._answers.settle(key, first, response)
        return response

    def _handle(self, method: str, headers: HeadersArgument, body: bytes) -> EventHandlerResponse:
        call = self._receive(method, headers, body)
        return call if isinstance(call, EventHandlerResponse) else self._answer(call)

    def _answer(self, call: Call) -> EventHandlerResponse:
        if self._answers is None or (key := call.key) is None:
            return _run(call)
        first, is_mine = self._answers.claim(key)
        if not is_mine:
            return self._answers.wait(first) or FAILED
        response = FAILED
        try:
            response = _run(call)
        finally:
            self._answers.settle(key, first, response)
        return response

    def _receive(self, method: str, headers: HeadersArgument, body: bytes) -> EventHandlerResponse | Call:
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
            self._authenticate(known, body)
            event = read_event(known, bytes(body))
        except InvalidEventError as error:
            _LOGGER.warning("Refused a request with %d: %s.", error.status, error.reason)
            return refusal(error)
        return self._called_by(event, known)

    def _allow(self, headers: Headers) -> EventHandlerResponse:
        asked = headers.listed("webhook-request-origin")
        if not asked:
            raise InvalidEventError("the header webhook-request-origin is missing")
        allowed = allowed_origins(asked, self._origins)
        if not allowed:
            raise InvalidEventError("this origin is not one of the handler's allowed_endpoints", 403)
        return EventHandlerResponse(200, {"WebHook-Allowed-Origin": ", ".join(allowed)})

    def _authenticate(self, headers: Headers, body: bytes) -> None:
        if len(body) > self.max_body_size:
            raise InvalidEventError(f"the body is larger than {self.max_body_size:,} bytes", 413)
        length = headers.one("content-length")
        if length and (read_length(length) or 0) > len(body):
            raise InvalidEventError("the body is shorter than content-length")
        # Django and Flask do not read a chunked body under each WSGI server; the service sends none that is empty.
        if not body and not length and headers.all("transfer-encoding"):
            raise InvalidEventError("the chunked body is empty, or was not read: send content-length", 411)
        connection_id = headers.required("ce-connectionid")
        # Before anything is parsed: who cannot sign learns nothing and costs next to nothing.
        if self._keys and not has_valid_signature(self._keys, connection_id, headers.listed("ce-signature")):
            raise InvalidEventError("ce-signature is missing, or not made with an access key of this handler", 401)
        hub = headers.required("ce-hub")
        if self.hub is not None and not is_same_hub(hub, self.hub):
            raise InvalidEventError("this handler serves another hub")

    def _called_by(self, event: EventRequest | None, headers: Headers) -> EventHandlerResponse | Call:
        if event is None:
            _LOGGER.warning("Left out an event of type %r, which this version does not know.", headers.one("ce-type"))
            return EventHandlerResponse(204)
        function = self._find(event)
        return unhandled(event) if function is None else new_call(event, function)


def _keys_that_verify(keys: tuple[bytes, ...], verify_signatures: bool) -> tuple[bytes, ...]:
    if not isinstance(verify_signatures, bool):  # a setting that is missing must not switch it off
        raise TypeError(f"verify_signatures must be True or False, not {verify_signatures!r}")
    if not verify_signatures:
        _LOGGER.warning(
            "verify_signatures=False: events are taken without a signature, from anyone who can reach the handler."
        )
        return ()
    if not keys:
        raise ValueError(
            "an event handler needs the access key that signs its events: give connection_string=... or "
            "access_key=..., or say verify_signatures=False to take events from anyone who can reach it"
        )
    return keys


def _recent_answers(seconds: float) -> RecentAnswers | None:
    if seconds <= 0:
        return None
    from ._duplicates import RecentAnswers

    return RecentAnswers(seconds)


def _run(call: Call) -> EventHandlerResponse:
    begun = begin(call)
    return begun if isinstance(begun, EventHandlerResponse) else finish_here(call, begun)


async def _run_async(call: Call) -> EventHandlerResponse:
    if call.is_async:
        begun = begin(call)
    else:
        import asyncio

        begun = await asyncio.to_thread(begin, call)
    return begun if isinstance(begun, EventHandlerResponse) else await finish(call, begun)


def _loop_is_running() -> bool:
    # No loop runs before asyncio is loaded, and loading it would cost more than everything else here.
    if "asyncio" not in sys.modules:
        return False
    from ._event_loop import is_running_elsewhere

    return is_running_elsewhere()
