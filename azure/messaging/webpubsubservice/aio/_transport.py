"""The async HTTP transport: azure-core's requests in, its responses and errors out, one aiohttp session between.

Nothing in this file reads the environment, retries, follows a redirect or keeps a cookie.
"""

from __future__ import annotations

import asyncio
import io
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from contextvars import ContextVar
from functools import lru_cache, partial
from time import monotonic
from typing import Any, NoReturn

from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

# Private, but it is what azure-core's own transports build their responses on, and all that azure-core's policies and
# errors expect of one (text, json, encoding, the names of the older response class) is in it.
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl

from .._bodies import as_bytes, wire_form
from .._connection_options import (
    KEEPALIVE_SECONDS,
    MAX_ROUTES,
    ConnectionOptions,
    Route,
    check_size,
    known_charset,
    not_answered,
    not_complete,
    not_decodable,
    not_sent,
    of_connections,
    socket_options,
    split_url,
)

try:
    from aiohttp import (
        ClientHttpProxyError,
        ClientResponse,
        ClientSession,
        ClientTimeout,
        DummyCookieJar,
        TCPConnector,
    )
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.http_exceptions import ContentEncodingError
    from multidict import CIMultiDict
    from yarl import URL
except ImportError as missing:
    raise ImportError(
        "The asynchronous client needs aiohttp, which is not installed:"
        ' pip install "azure-messaging-webpubsubservice[aio]"'
    ) from missing

if sys.version_info >= (3, 11):
    from asyncio import timeout, timeout_at
else:
    from async_timeout import timeout, timeout_at  # aiohttp brings it

# Larger bodies aiohttp wants to have as streams, which it writes piece by piece; and over TLS, where asyncio hides how
# much of a body still waits to be sent, it would take the time of sending for the service's.
_WHOLE_BODY = 1 << 20
_WHOLE_TLS_BODY = 1 << 16
_IDLE_SECONDS = 1.0
_OPTIONAL_HEADERS = ("Accept", "User-Agent", "Content-Type")
"""What aiohttp adds where a request has none."""


class _Call:
    """What is to be known of a call when aiohttp gives no answer."""

    def __init__(self, limits: ClientTimeout) -> None:
        self.limits = limits
        self.started = monotonic()
        self.is_sent = False
        """Whether some of the request may have reached the service."""

    def check(self, deadline: float, where: str) -> None:
        """Let nothing be sent after the deadline."""
        if self.started >= deadline:
            raise not_sent(where, None, 0.0)

    def seconds(self, deadline: float) -> float | None:
        """Return the limit that ran out, for an error."""
        if monotonic() >= deadline:
            return max(deadline - self.started, 0.0)
        return self.limits.sock_read if self.is_sent else self.limits.sock_connect


_CALL: ContextVar[_Call] = ContextVar("call")
"""The call that this task is making."""


class _Protocol(ResponseHandler):
    """aiohttp's end of a connection; it leaves who reads a body waiting when what comes is no HTTP any more."""

    def set_exception(self, exc: Any, *cause: Any) -> None:
        """Give an error to who waits for an answer, and to who reads its body."""
        payload = self._payload
        super().set_exception(exc, *cause)
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(exc)

    def close(self) -> None:
        """Close the connection at once: TLS waits for the other end's goodbye, perhaps longer than the loop runs."""
        transport = self.transport
        super().close()
        if transport is not None:
            transport.abort()


class _Connector(TCPConnector):
    """aiohttp's connections, with a limit over all that connecting takes, and none used again that is not as it was."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._factory: Any = partial(_Protocol, loop=asyncio.get_running_loop())
        self._used = 0.0

    async def connect(self, req: Any, traces: Any, timeout: ClientTimeout) -> Any:
        """Return a connection, after which the request may be sent."""
        now = monotonic()
        if now > self._used + _IDLE_SECONDS:
            # The loop may not have run since: let it see what happened to its sockets, with TLS in a few steps.
            for _ in range(5):
                await asyncio.sleep(0)
        self._used = now
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is not None and not connection.protocol.should_close:
                _CALL.get().is_sent = True
                return connection
            connection.close()  # something came that nobody asked for: it would be taken for the answer

    async def _create_connection(self, req: Any, traces: Any, timeout: ClientTimeout) -> Any:
        async with _timeout(timeout.sock_connect):
            protocol = await super()._create_connection(req, traces, timeout)
        if protocol.transport is not None:
            protocol.transport.set_write_buffer_limits(_WHOLE_TLS_BODY)
        connected: Any = protocol.transport.get_extra_info("socket") if protocol.transport else None
        for option in socket_options() if connected is not None else ():
            connected.setsockopt(*option)
        return protocol


_timeout = timeout


class _Body:
    """The body of an answer, on the wire."""

    def __init__(self, raw: ClientResponse, where: str, call: _Call) -> None:
        self._raw = raw
        self._where = where
        self._call = call

    async def pieces(self, size: int | None) -> AsyncIterator[bytes]:
        """Read it in pieces of a size, or, for None, as a whole that is limited; aiohttp decodes it."""
        encoding = self._raw.headers.get("content-encoding")
        content = self._raw.content
        failure: Exception | None = None
        read = 0
        try:
            while piece := await (content.readany() if size is None else content.read(size)):
                read += len(piece)
                if size is None or encoding is not None:
                    check_size(read, encoding)
                yield piece
        except Exception as error:
            failure = error
        finally:
            await self.close()
        if failure is not None:  # not in the handler, as in send
            cause = _cause(failure)
            if encoding is not None and _is_undecodable(failure):
                raise not_decodable(self._where, encoding, cause) from cause
            late = self._call.limits.sock_read if isinstance(failure, asyncio.TimeoutError) else None
            raise not_complete(self._where, cause, late) from cause

    async def close(self) -> None:
        """Close the connection unless the answer was read to its end, and the request written to its."""
        self._raw.close()


def _is_undecodable(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, (ContentEncodingError, OverflowError)):
            return True
        error = error.__cause__
    return False


class AiohttpResponse(AsyncHttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.AsyncHttpResponse` describes it."""

    @property
    def encoding(self) -> str | None:
        """The charset of the answer's text: the caller's choice, else the answer's, of few that are known."""
        if "_encoding" not in vars(self):
            self._encoding = known_charset(super().encoding)
        return self._encoding

    @encoding.setter
    def encoding(self, value: str | None) -> None:
        self._encoding = value
        self._text = None

    def _body(self) -> bytes:
        return self.content  # what azure-core's older response class calls body()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_internal_response": None}


def _stream(*, response: Any, **_: Any) -> AsyncIterator[bytes]:
    """Stream a response: azure-core's response class calls it, with keywords."""
    return response._internal_response.pieces(response._block_size)  # type: ignore[no-any-return]  # noqa: SLF001 - azure-core's


def _read(*, response: Any, **_: Any) -> AsyncIterator[bytes]:
    """Read a response at once, likewise."""
    return response._internal_response.pieces(None)  # type: ignore[no-any-return]  # noqa: SLF001 - azure-core's


class AiohttpTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Sends requests over one aiohttp session, from as many tasks of one event loop as like to.

    May be made outside of an event loop; the first request ties it to the loop that is running then. Its keywords are
    those of ``ConnectionOptions``. The environment counts as it was when the client was made.
    """

    takes_deadline = True
    """Whether ``send`` takes the keyword ``deadline``: the retry policy asks."""

    def __init__(self, **options: Any) -> None:
        self._options = ConnectionOptions(**options)
        self._is_closed = False
        self._routes: dict[Any, tuple[Route, dict[str, Any]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: Any = None
        self._keeper: AsyncGenerator[None, None] | None = None

    async def open(self) -> None:
        """Do nothing: connections open with the requests that need them.

        :raises ValueError: if the transport was closed.
        """
        self._check_open()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError("This transport was closed: make another client, or use 'async with' around all it sends")

    async def close(self) -> None:
        """Close every connection; a request under way fails.

        :raises RuntimeError: if connections are open in another event loop.
        """
        loop, keeper = self._loop, self._keeper
        if loop is not None and not loop.is_closed() and keeper is not None:
            self._check_loop()
        self._is_closed = True
        self._keeper = None
        if keeper is not None:
            await keeper.aclose()

    async def __aenter__(self) -> AiohttpTransport:
        await self.open()
        return self

    async def __aexit__(self, *exc_details: object) -> None:
        await self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a transport cannot be copied or pickled: make a client in the process that uses it")

    async def send(
        self,
        request: HttpRequest,
        *,
        stream: bool = False,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        deadline: float | None = None,
        **kwargs: Any,
    ) -> AsyncHttpResponse:
        """Send a request and return its answer, whatever its status.

        An option that is None is the transport's own; ``proxies``, ``connection_verify`` and ``connection_cert`` may be
        given, too. ``deadline`` ends every wait, as ``time.monotonic()`` counts;
        with ``stream``, every wait for the answer's head.

        :raises ~azure.core.exceptions.ServiceRequestError: if no byte of the request was sent.
        :raises ~azure.core.exceptions.ClientAuthenticationError: if a proxy wants another user name or password.
        :raises ~azure.core.exceptions.ServiceResponseError: if the request may have been sent and no answer came.
        :raises ~azure.core.exceptions.IncompleteReadError: if the answer broke off.
        :raises ~azure.core.exceptions.DecodeError: if the answer is not what its Content-Encoding says, or too much.
        :raises RuntimeError: if the transport was used in another event loop.
        :raises ValueError: if the transport was closed, or the request cannot be written as HTTP.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            await self._start(loop)
        options = self._options
        origin, target = split_url(request.url)
        route, settings = self._route(origin, **of_connections(kwargs))
        if hasattr(request.content, "__aiter__"):
            request = await _with_body_read(request, route.where, deadline)
        body, headers = wire_form(request)
        whole = _WHOLE_TLS_BODY if route.tls or route.proxy_tls else _WHOLE_BODY
        if route.forwards:
            headers.update(route.proxy.headers)  # type: ignore[union-attr]
        limits = _limits(connection_timeout or options.connection_timeout, read_timeout or options.read_timeout)
        call = _Call(limits)
        _CALL.set(call)
        if deadline is None:  # aiohttp sets no limit to a peer that does not read
            deadline = call.started + limits.sock_connect + limits.sock_read  # type: ignore[operator]
        call.check(deadline, route.where)
        raw: ClientResponse | None = None
        failure: Exception | None = None
        try:
            async with timeout_at(loop.time() + deadline - call.started):
                raw = await self._session.request(
                    request.method,
                    URL(route.origin + target, encoded=True),
                    headers=headers,
                    data=io.BytesIO(body) if body and len(body) > whole else body,
                    skip_auto_headers=[name for name in _OPTIONAL_HEADERS if name not in request.headers],
                    allow_redirects=False,
                    timeout=limits,
                    **settings,
                )
                response = self._response(request, raw, route.where, call, stream=stream)
                if not stream:
                    await response.read()
        except BaseException as error:
            if raw is not None:
                raw.close()
            failure = self._failure(error)
            if failure is None or (raw is not None and not isinstance(failure, asyncio.TimeoutError)):
                raise
        if failure is not None:
            # Not in the handler: aiohttp's errors hold the request, with its token, and would be the context of this.
            late = call.seconds(deadline) if isinstance(failure, asyncio.TimeoutError) else None
            kind = not_complete if raw is not None else not_answered if call.is_sent else not_sent
            cause = _cause(failure)
            raise kind(route.where, cause, late) from cause
        return response

    def _failure(self, caught: BaseException) -> Exception | None:
        """Return what failed; None for an error that is to be raised as it is."""
        if isinstance(caught, asyncio.CancelledError) and self._is_closed:
            # A session that is closed cancels who waits for one of its connections, and whom nobody else cancelled.
            cancelled = getattr(asyncio.current_task(), "cancelling", int)()
            return None if cancelled else ConnectionAbortedError("the client was closed")
        return caught if isinstance(caught, Exception) else None

    def _response(
        self, request: HttpRequest, raw: ClientResponse, where: str, call: _Call, *, stream: bool
    ) -> AiohttpResponse:
        headers = CIMultiDict(raw.headers)
        for name in {name for name in headers if len(headers.getall(name)) > 1}:
            headers[name] = ", ".join(headers.getall(name))
        response = AiohttpResponse(
            request=request,
            internal_response=_Body(raw, where, call),
            status_code=raw.status,
            reason=raw.reason,
            content_type=headers.get("content-type"),
            headers=headers,
            block_size=self._options.block_size,
            stream_download_generator=_stream if stream else _read,
        )
        if stream:
            # Who drops a response without closing it leaves the connection to be closed, without a word.
            weakref.finalize(response, _close_from_anywhere, asyncio.get_running_loop(), raw).atexit = False
        return response

    def _route(
        self, origin: str, proxies: Any = None, connection_verify: Any = None, connection_cert: Any = None
    ) -> tuple[Route, dict[str, Any]]:
        """Return the way to an origin, and what aiohttp is told of it; None stands for the transport's own setting."""
        key = (origin, tuple(sorted(proxies.items())) if proxies else None, connection_verify, connection_cert)
        found = self._routes.get(key)
        if found is None:
            route = self._options.route(origin, proxies, connection_verify, connection_cert)
            settings: dict[str, Any] = {"ssl": route.tls or route.proxy_tls or True}
            if route.proxy is not None:
                if route.proxy.scheme.startswith("socks"):
                    reason = ValueError(
                        "the asynchronous client knows no SOCKS proxies: use the client without asyncio"
                    )
                    raise not_sent(route.where, reason)
                settings["proxy"] = URL(route.proxy.url)
                settings["proxy_headers"] = (route.tls and route.proxy.headers) or None
            if len(self._routes) >= MAX_ROUTES:
                self._routes = {}
            found = self._routes[key] = (route, settings)
        return found

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            self._check_loop()
        self._loop = loop
        connector = _Connector(limit=self._options.max_connections, keepalive_timeout=KEEPALIVE_SECONDS)
        session = ClientSession(connector=connector, cookie_jar=DummyCookieJar(), trust_env=False)
        session.headers["Accept-Encoding"] = "identity"
        # As aiohttp's own test client does: a lost answer is not asked for again here, but by the retry policy.
        session._retry_connection = False  # noqa: SLF001
        self._session = session
        self._keeper = _keep(session)
        await anext(self._keeper)
        # Holds the session until then, so that the garbage collection does not find both, and the session open.
        weakref.finalize(self, _end, loop, session).atexit = False

    def _check_loop(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(
                "This client was first used in another event loop, and its connections belong to that one: "
                "make a client for each event loop (with asyncio.run, inside of the function that it runs)"
            )


async def _keep(session: ClientSession) -> AsyncGenerator[None, None]:
    """Close the session when the generator is closed, which the event loop does at its end, or when nobody holds it.

    So who forgets to close the client, or lets ``asyncio.run`` end before, leaves no open connection behind.
    """
    try:
        yield
    finally:
        await session.close()


def _end(loop: asyncio.AbstractEventLoop, session: ClientSession) -> None:
    if loop.is_closed() and not session.closed:
        session.detach()  # nothing can be closed any more: at least nothing is said


def _close_from_anywhere(loop: asyncio.AbstractEventLoop, raw: ClientResponse) -> None:
    if not raw.closed and not loop.is_closed():
        loop.call_soon_threadsafe(raw.close)


@lru_cache(64)
def _limits(connection_timeout: float, read_timeout: float) -> ClientTimeout:
    return ClientTimeout(sock_connect=connection_timeout, sock_read=read_timeout)


async def _with_body_read(request: HttpRequest, where: str, deadline: float | None) -> HttpRequest:
    """Return a request whose body was an asynchronous iterable."""
    content: Any = request.content
    seconds = None if deadline is None else deadline - monotonic()
    try:
        async with timeout(seconds):
            body = b"".join([as_bytes(piece) async for piece in content])
    except asyncio.TimeoutError as error:
        raise not_sent(where, error, seconds) from error
    return HttpRequest(request.method, request.url, headers=dict(request.headers), content=body)


def _cause(error: BaseException) -> BaseException:
    """Return the error within aiohttp's, which may show the URL and the request, with its token."""
    if isinstance(error, asyncio.TimeoutError):
        return asyncio.TimeoutError("the time is over")
    if isinstance(error, ClientHttpProxyError):
        return ConnectionError(f"the proxy answered {error.status} {error.message}")
    while error.__cause__ is not None:
        error = error.__cause__
    if type(error).__module__.startswith("aiohttp"):
        return ConnectionError(type(error).__name__)
    return error
