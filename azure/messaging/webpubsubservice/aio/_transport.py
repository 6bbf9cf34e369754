"""The async HTTP transport: azure-core's requests in, azure-core's responses and errors out, a session of aiohttp.

Nothing in this file reads the environment, retries, follows a redirect or keeps a cookie.
"""

from __future__ import annotations

import asyncio
import io
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

# Private, but it is what azure-core's own transports build their responses on, and all that azure-core's policies and
# errors expect of one (text, json, encoding, the names of the older response class) is in it.
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl

from .._bodies import MAX_ANSWER, Decoder, as_bytes, wire_form
from .._connection_options import (
    KEEPALIVE_SECONDS,
    Certificate,
    ConnectionOptions,
    Verify,
    not_answered,
    not_complete,
    not_decodable,
    not_let_through,
    not_sent,
    refuse_keywords,
    refuse_pickling,
)
from .._origins import describe, origin_of, proxy_of, split_url
from ._connections import CALL, WRITE_BUFFER, Call, Connector, limited

# After it, which says what is to be done where aiohttp is missing.
from aiohttp import ClientHttpProxyError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar  # isort: skip
from multidict import CIMultiDict  # isort: skip
from yarl import URL  # isort: skip

if TYPE_CHECKING:
    from .._environment import Environment

_MAX_ROUTES = 64
_WHOLE_BODY = 1 << 20
_OPTIONAL_HEADERS = {"accept": "Accept", "user-agent": "User-Agent", "content-type": "Content-Type"}
"""What aiohttp adds where a request has none."""
_IDENTITY = "identity"
_PROXY_REFUSES = 407


class _Route(NamedTuple):
    """The way to an origin."""

    url: str
    where: str
    settings: dict[str, Any]
    """aiohttp's keywords."""
    headers: dict[str, str]
    """What the proxy wants to see, where it forwards."""


class _Body:
    """The body of an answer, on the wire."""

    def __init__(self, raw: ClientResponse, where: str, call: Call) -> None:
        self._raw = raw
        self._where = where
        self._call = call

    async def read(self) -> bytes:
        """Read all of it, within bounds; aiohttp's errors come through."""
        raw = self._raw
        pieces = []
        size = 0
        while piece := await raw.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ANSWER:
                raise OSError(f"it is larger than {MAX_ANSWER >> 20} MiB: read it with stream=True")
        raw.close()
        data = b"".join(pieces)
        encoding = raw.headers.get("content-encoding")
        return self._decode(Decoder(encoding), data, last=True) if encoding and data else data

    async def pieces(self, size: int, *, decompress: bool) -> AsyncIterator[bytes]:
        """Read it in pieces of limited length, as they come."""
        content = self._raw.content
        encoding = self._raw.headers.get("content-encoding") if decompress else None
        decoder = Decoder(encoding) if encoding else None
        failure: Exception | None = None
        try:
            while piece := await content.read(size):
                decoded = piece if decoder is None else self._decode(decoder, piece)
                for start in range(0, len(decoded), size):
                    yield decoded[start : start + size]
            if decoder is not None:
                self._decode(decoder, b"", last=True)
        except AzureError:
            raise
        except Exception as error:
            failure = error
        finally:
            await self.close()
        if failure is not None:  # not in the handler, as in send
            cause = _cause(failure)
            late = isinstance(failure, asyncio.TimeoutError)
            raise not_complete(self._where, cause, self._call.limits.sock_read if late else None) from cause

    def _decode(self, decoder: Decoder, data: bytes, *, last: bool = False) -> bytes:
        try:
            return decoder.decode(data, last=last)
        except ValueError as error:
            raise not_decodable(self._where, decoder.encoding, error) from error

    async def close(self) -> None:
        """Close the connection unless the answer was read to its end, and the request written to its."""
        self._raw.close()


class AiohttpResponse(AsyncHttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.AsyncHttpResponse` describes it."""

    def take(self, content: bytes) -> None:
        """Take all of the body, as azure-core's ``read`` does."""
        self._content = content
        self._is_closed = self._is_stream_consumed = True

    def _body(self) -> bytes:
        # What azure-core's older response class calls body().
        return self.content

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_internal_response": None}


def _stream(*, response: AiohttpResponse, decompress: bool = True, **_: Any) -> AsyncIterator[bytes]:
    """Stream a response: azure-core's response class calls it, with these keywords."""
    body: _Body = response._internal_response  # noqa: SLF001 - azure-core's
    return body.pieces(response._block_size, decompress=decompress)  # noqa: SLF001 - azure-core's


class AiohttpTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Sends requests over aiohttp's connections, for the tasks of one event loop.

    :keyword connection_data_block_size: Bytes in a piece of a streamed answer.
    :keyword max_connections: Most connections at a time; more tasks wait for one another.
    The other keywords are those of :class:`ConnectionOptions`.
    """

    takes_deadline = True
    """Whether ``send`` takes the keyword ``deadline``: the retry policy asks."""

    def __init__(
        self,
        *,
        connection_timeout: float | None = 5.0,
        read_timeout: float | None = 10.0,
        connection_verify: Verify | None = True,
        connection_cert: Certificate | None = None,
        proxies: Mapping[str, str] | None = None,
        use_env_settings: bool = True,
        environment: Environment | None = None,
        connection_data_block_size: int = 4096,
        max_connections: int = 100,
    ) -> None:
        self._options = ConnectionOptions(
            connection_timeout=connection_timeout,
            read_timeout=read_timeout,
            connection_verify=connection_verify,
            connection_cert=connection_cert,
            proxies=proxies,
            use_env_settings=use_env_settings,
            environment=environment,
        )
        self._block_size = connection_data_block_size
        self._max_connections = max_connections
        self._is_closed = False
        self._routes: dict[Any, _Route] = {}
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
            raise ValueError(
                "This transport was closed: make another client, or use 'async with' around all that it sends"
            )

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
        refuse_pickling(self)

    async def send(
        self,
        request: HttpRequest,
        *,
        stream: bool = False,
        proxies: Mapping[str, str] | None = None,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        connection_verify: Verify | None = None,
        connection_cert: Certificate | None = None,
        deadline: float | None = None,
        **kwargs: Any,
    ) -> AsyncHttpResponse:
        """Send a request and return its answer, whatever its status.

        An option left out, or None, is the transport's own. ``deadline`` is when to give up waiting for the answer,
        however it comes, as ``time.monotonic()`` counts; with ``stream``, for its head.

        :raises ServiceRequestError: if no byte of the request was sent, also if the way leads through a SOCKS proxy.
        :raises ClientAuthenticationError: if a proxy wants another user name or password.
        :raises ServiceResponseError: if the request may have been sent and no answer came.
        :raises IncompleteReadError: if the answer broke off.
        :raises DecodeError: if the answer is not what its Content-Encoding says, or decodes to too much.
        :raises RuntimeError: if the transport was used in another event loop.
        :raises ValueError: if the transport was closed, or the request cannot be written as HTTP.
        """
        if kwargs:
            refuse_keywords(kwargs)
        self._check_open()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            await self._start(loop)
        options = self._options
        origin, target = split_url(request.url)
        route = self._route(origin, proxies, connection_verify, connection_cert)
        if hasattr(request.content, "__aiter__"):
            request = await _with_body_read(request, route.where, deadline)
        keywords = _keywords(request, route)
        limits = _limits(connection_timeout or options.connection_timeout, read_timeout or options.read_timeout)
        call = Call(limits, deadline)
        if call.deadline <= call.started:
            raise not_sent(route.where, None, 0.0)
        CALL.set(call)
        raw: ClientResponse | None = None
        failure: Exception | None = None
        try:
            async with limited(call.deadline - call.started):
                raw = await self._session.request(
                    request.method, URL(route.url + target, encoded=True), timeout=limits, **keywords
                )
                body = _Body(raw, route.where, call)
                response = self._response(request, raw, body, stream=stream)
                if not stream:
                    response.take(await body.read())
        except BaseException as caught:
            if raw is not None:
                raw.close()
            failure = self._failure(caught)
            if failure is None:
                raise
        if failure is not None:
            # Not in the handler: aiohttp's errors hold the request, with its token, and would be the context of this.
            error = _azure_error(route.where, failure, call, raw)
            raise error from error.inner_exception
        return response

    def _failure(self, caught: BaseException) -> Exception | None:
        """Return what failed; None for an error that is to be raised as it is."""
        if isinstance(caught, asyncio.CancelledError) and self._is_closed:
            # A session that is closed cancels who waits for one of its connections, and whom nobody else cancelled.
            cancelled = getattr(asyncio.current_task(), "cancelling", int)()
            return None if cancelled else ConnectionAbortedError("the client was closed")
        return caught if isinstance(caught, Exception) and not isinstance(caught, AzureError) else None

    def _response(self, request: HttpRequest, raw: ClientResponse, body: _Body, *, stream: bool) -> AiohttpResponse:
        headers = _headers(raw)
        response = AiohttpResponse(
            request=request,
            internal_response=body,
            status_code=raw.status,
            reason=raw.reason,
            content_type=headers.get("content-type"),
            headers=headers,
            block_size=self._block_size,
            stream_download_generator=_stream,
        )
        if stream:
            # Who drops a response without closing it leaves the connection to be closed, without a word.
            weakref.finalize(response, _close_from_anywhere, self._loop, raw).atexit = False
        return response

    def _route(
        self, url: str, proxies: Mapping[str, str] | None, verify: Verify | None, cert: Certificate | None
    ) -> _Route:
        """Return the way to an origin for these settings; None stands for the transport's own."""
        key: Any = url
        if proxies or verify is not None or cert is not None:
            key = (url, tuple(sorted(proxies.items())) if proxies else None, verify, cert)
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes = {}
            route = self._routes[key] = self._make_route(url, proxies, verify, cert)
        return route

    def _make_route(
        self, url: str, proxies: Mapping[str, str] | None, verify: Verify | None, cert: Certificate | None
    ) -> _Route:
        origin = origin_of(url)
        proxy = self._options.proxy_for(origin.scheme, origin.host, origin.port, proxies)
        where = describe(origin, proxy)
        settings: dict[str, Any] = {}
        headers: dict[str, str] = {}
        if proxy is not None:
            scheme, proxy_url, proxy_headers = proxy_of(proxy, where)
            if scheme.startswith("socks"):
                raise not_sent(
                    where,
                    ValueError("the asynchronous client knows no SOCKS proxies: use the client without asyncio"),
                )
            settings["proxy"] = URL(proxy_url)
            if origin.scheme == "https":
                settings["proxy_headers"] = proxy_headers or None
            else:
                headers = proxy_headers
            if scheme == "https":
                settings["ssl"] = self._options.tls_context(verify)
        if origin.scheme == "https":
            settings["ssl"] = self._options.tls_context(verify, cert)
        return _Route(origin.url, where, settings, headers)

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            self._check_loop()
        self._loop = loop
        connector = Connector(limit=self._max_connections, keepalive_timeout=KEEPALIVE_SECONDS)
        session = ClientSession(
            connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False, trust_env=False
        )
        # As aiohttp's test client does: whether to ask again when an answer is lost is the retry policy's to decide.
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


def _headers(raw: ClientResponse) -> CIMultiDict[str]:
    """Return the headers of an answer: the values of a name that comes twice are one list."""
    headers = CIMultiDict(raw.headers)
    if len(headers) != len({name.lower() for name in headers}):
        for name in set(headers):
            headers[name] = ", ".join(headers.getall(name))
    if not "".join(headers.values()).isascii():
        for name, value in list(headers.items()):
            data = value.encode("utf-8", "surrogateescape")
            with suppress(UnicodeDecodeError):
                data.decode("utf-8")
                continue
            headers[name] = data.decode("latin-1")  # bytes that are no UTF-8, of which aiohttp makes no valid text
    return headers


def _keywords(request: HttpRequest, route: _Route) -> dict[str, Any]:
    """Return what aiohttp is told of a request."""
    body, headers, names = wire_form(request)
    if "accept-encoding" not in names:
        headers["Accept-Encoding"] = _IDENTITY
    if route.headers:
        headers.update(route.headers)
    # As a stream, aiohttp writes a body piece by piece: it wants that of large ones, and asyncio's TLS takes all that
    # it is given at once, and shows nothing of what waits, so that the wait for the answer would begin too early.
    whole = WRITE_BUFFER if "ssl" in route.settings else _WHOLE_BODY
    return {
        "headers": headers,
        "data": body if body is None or len(body) <= whole else io.BytesIO(body),
        "skip_auto_headers": [header for name, header in _OPTIONAL_HEADERS.items() if name not in names] or None,
        "allow_redirects": False,
        **route.settings,
    }


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


def _close_from_anywhere(loop: asyncio.AbstractEventLoop | None, raw: ClientResponse) -> None:
    if loop is not None and not raw.closed and not loop.is_closed():
        loop.call_soon_threadsafe(raw.close)


@lru_cache(64)
def _limits(connection_timeout: float, read_timeout: float) -> ClientTimeout:
    return ClientTimeout(sock_connect=connection_timeout, sock_read=read_timeout)


async def _with_body_read(request: HttpRequest, where: str, deadline: float | None) -> HttpRequest:
    """Return a request whose body was an asynchronous iterable."""
    seconds = None if deadline is None else deadline - monotonic()
    try:
        async with limited(seconds):
            pieces = [as_bytes(piece) async for piece in request.content]
    except asyncio.TimeoutError as error:
        raise not_sent(where, error, seconds) from error
    return HttpRequest(request.method, request.url, headers=dict(request.headers), content=b"".join(pieces))


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


def _azure_error(where: str, error: Exception, call: Call, raw: ClientResponse | None) -> AzureError:
    """Return what it means that aiohttp gives no answer."""
    cause = _cause(error)
    late = call.seconds() if isinstance(error, asyncio.TimeoutError) else None
    if raw is not None:
        return not_complete(where, cause, late)
    if call.is_sent:
        return not_answered(where, cause, late)
    if isinstance(error, ClientHttpProxyError) and error.status == _PROXY_REFUSES:
        return not_let_through(where, cause)
    return not_sent(where, cause, late)
