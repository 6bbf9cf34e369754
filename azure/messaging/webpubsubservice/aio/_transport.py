"""The async HTTP transport: azure-core's requests in, its responses and errors out, one aiohttp session between."""

from __future__ import annotations

import asyncio
import io
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from functools import lru_cache
from math import inf
from time import monotonic
from typing import Any

from azure.core.exceptions import ServiceRequestTimeoutError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl

from .._bodies import as_bytes
from .._connection_options import KEEPALIVE_SECONDS, Route
from .._either_transport import NOT_COMPLETE, Call, EitherResponse, EitherTransport

try:
    from aiohttp import ClientHttpProxyError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
    from aiohttp.http_exceptions import ContentEncodingError
    from multidict import CIMultiDict
    from yarl import URL

    from ._connections import CALL, WHOLE_BODY, Connector, until, within
except ImportError as missing:
    raise ImportError(
        "The asynchronous client needs aiohttp, which is not installed:"
        ' pip install "azure-messaging-webpubsubservice[aio]"'
    ) from missing


class AiohttpResponse(EitherResponse, AsyncHttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.AsyncHttpResponse` describes it, whose body aiohttp reads and decodes."""

    @staticmethod
    async def _pieces(response: AiohttpResponse, **_: Any) -> AsyncIterator[bytes]:
        try:
            while piece := await response._next():
                yield piece
        finally:
            await response.close()

    async def read(self) -> bytes:
        """Read the body into memory: as azure-core does it, without its two asynchronous generators."""
        if self._content is None:
            self._stream_download_check()  # type: ignore[no-untyped-call]
            pieces = []
            while not self._raw.content.at_eof():  # as it is at once where there is no body
                pieces.append(await self._next())
            self._content = b"".join(pieces)
        await self.close()
        return self._content

    async def _next(self) -> bytes:
        encoding, content = self._raw.headers.get("content-encoding"), self._raw.content
        try:
            piece = await (content.read(self._block_size) if self._stream else content.readany())
            return self._checked(piece, encoding)
        except BaseException as error:
            self._raw.close()
            if not isinstance(error, Exception):
                raise
            caught = error
        # Not in the handler: aiohttp's errors hold the request, with its token, and would be the context of this.
        cause = _cause(caught)
        raise self._failure(cause, encoding, is_undecodable=_is_undecodable(caught)) from cause

    async def close(self) -> None:
        """Close the connection unless the answer was read to its end, and the request written to its."""
        self._is_closed = True
        self._raw.close()


def _is_undecodable(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, (ContentEncodingError, OverflowError)):
        error = error.__cause__
    return error is not None


class AiohttpTransport(EitherTransport, AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Sends requests over one aiohttp session, from as many tasks of one event loop as like to.

    May be made outside of an event loop; the first request ties it to the loop that is running then.
    """

    _loop: asyncio.AbstractEventLoop | None = None
    _session: Any = None
    _keeper: AsyncGenerator[None, None] | None = None

    async def open(self) -> None:
        """Do nothing, if the transport was not closed: connections open with the requests that need them."""
        self._check_open()

    async def close(self) -> None:
        """Close every connection; a request under way fails. Raises RuntimeError in another event loop."""
        keeper, loop = self._keeper, self._loop
        if keeper is not None and loop is not None and not loop.is_closed():
            self._check_loop()
        self._is_closed, self._keeper = True, None
        if keeper is not None:
            await keeper.aclose()

    async def __aenter__(self) -> AiohttpTransport:
        await self.open()
        return self

    async def __aexit__(self, *exc_details: object) -> None:
        await self.close()

    async def send(self, request: HttpRequest, *, stream: bool = False, **options: Any) -> AsyncHttpResponse:
        """Send a request and return its answer: see :class:`EitherTransport`."""
        self._check_open()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            await self._start(loop)
        if hasattr(request.content, "__aiter__"):
            request = await _with_body_read(request, options.get("deadline"))
        call = self._call(request, **options)
        CALL.set(call)
        if call.deadline == inf:  # aiohttp sets no limit to a peer that does not read
            call.deadline = call.started + call.connection_timeout + call.read_timeout
        if call.started >= call.deadline:
            raise call.failure(TimeoutError("the time is over"))
        body = call.body or b""
        call.with_head = body if len(body) <= WHOLE_BODY else b""
        raw: ClientResponse | None = None
        try:
            async with until(loop.time() + call.deadline - call.started):
                raw = await self._session.request(
                    request.method,
                    URL(call.target if call.route.forwards else call.route.origin + call.target, encoded=True),
                    headers=call.headers,
                    # Those that aiohttp would add; to name one that is there has it copy them all.
                    skip_auto_headers={"Accept", "User-Agent", "Content-Type"}.difference(call.headers) or None,
                    data=None if call.with_head == body else io.BytesIO(body),
                    allow_redirects=False,
                    timeout=_limits(call.connection_timeout, call.read_timeout),
                    **call.route.connections,
                )
                response = self._response(call, raw, stream=stream)
                if not stream:
                    await response.read()
                return response
        except BaseException as error:
            if raw is not None:
                raw.close()
            caught = self._failure(error)
            if caught is None or (raw is not None and not isinstance(caught, asyncio.TimeoutError)):
                raise
        cause = _cause(caught)
        raise call.failure(cause, NOT_COMPLETE if raw is not None else None) from cause

    def _failure(self, caught: BaseException) -> Exception | None:
        """Return what failed; None for an error that is to be raised as it is."""
        if isinstance(caught, asyncio.CancelledError) and self._is_closed:
            # A session that is closed cancels who waits for one of its connections, and whom nobody else cancelled.
            cancelled = getattr(asyncio.current_task(), "cancelling", int)()
            return None if cancelled else ConnectionAbortedError("the client was closed")
        return caught if isinstance(caught, Exception) else None

    def _response(self, call: Call, raw: ClientResponse, *, stream: bool) -> AiohttpResponse:
        headers = CIMultiDict(raw.headers)
        twice = len(headers) > len({*map(str.lower, headers)})
        for name in [*headers] if twice else ():
            headers[name] = ", ".join(headers.getall(name))
        response = AiohttpResponse(call, raw, headers, block_size=self._options.block_size, stream=stream)
        if stream:
            call.deadline = inf
            # Who drops a response without closing it leaves the connection to be closed, without a word.
            weakref.finalize(response, _close_from_anywhere, asyncio.get_running_loop(), raw).atexit = False
        return response

    def _connections(self, route: Route) -> dict[str, Any]:
        settings: dict[str, Any] = {"ssl": route.tls or route.proxy_tls or True}
        proxy = route.proxy
        if proxy is not None:
            settings["proxy"] = URL(f"{proxy.scheme}://{proxy.host_and_port}")
            settings["proxy_headers"] = (route.tls and proxy.proxy_headers) or None
        return settings

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            self._check_loop()
        self._loop = loop
        session = ClientSession(
            connector=Connector(limit=self._options.max_connections, keepalive_timeout=KEEPALIVE_SECONDS),
            cookie_jar=DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
        )
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


async def _with_body_read(request: HttpRequest, deadline: float | None) -> HttpRequest:
    """Return a request whose body was an asynchronous iterable."""
    content: Any = request.content
    try:
        async with within(None if deadline is None else deadline - monotonic()):
            body = b"".join([as_bytes(piece) async for piece in content])
    except asyncio.TimeoutError as error:
        raise ServiceRequestTimeoutError("The body of the request was not complete in time", error=error) from error
    return HttpRequest(request.method, request.url, headers=dict(request.headers), content=body)


def _cause(error: BaseException) -> BaseException:
    """Return the error within aiohttp's, which may show the URL and the request, with its token."""
    if isinstance(error, asyncio.TimeoutError):
        return TimeoutError("the time is over")
    if isinstance(error, ClientHttpProxyError):
        return ConnectionError(f"Tunnel connection failed: {error.status} {error.message}")
    while error.__cause__ is not None:
        error = error.__cause__
    if type(error).__module__.startswith("aiohttp"):
        return ConnectionError(type(error).__name__)
    return error
