"""The async HTTP transport: azure-core's requests in, azure-core's responses and errors out, aiohttp between.

azure-core's own AioHttpTransport, once its session's environment is settled, costs about the same. This one exists
because a publisher has to know whether a failed request was sent, and that one reports a lost answer as a request
that was not. Import this module when a transport is made, not before: it needs aiohttp, which is optional.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from .._connection_options import (
    INVALID_URL,
    NOT_FOR_THE_WIRE,
    Certificate,
    ConnectionOptions,
    Verify,
    describe,
    refuse_keywords,
    refuse_pickling,
)
from .._wire import wire_form

try:
    import aiohttp
    from multidict import CIMultiDict
    from yarl import URL
except ImportError as error:
    raise ImportError(
        'The async client needs aiohttp, which is not installed: pip install "azure-messaging-webpubsubservice[aio]"'
    ) from error

# Which needs aiohttp, and so comes after the clear words about its absence.
from ._response import AiohttpResponse, failure_of

if TYPE_CHECKING:
    from .._environment import Environment

_MAX_ROUTES = 64
_MAX_TIMEOUTS = 256
_SHORTEST = 0.001  # 0 would mean no limit to aiohttp
_KEEPALIVE_SECONDS = 60.0
_IDLE_SECONDS = 0.05
# Up to here the operating system and asyncio buffer what is written, so that writing cannot block.
_LARGE_BODY = 1 << 15
# aiohttp's own limit, above which it warns that bytes block the event loop.
_MAX_BYTES = 1 << 20


class _Route:
    """How to reach one origin: its TLS context and its proxy."""

    __slots__ = ("proxy", "ssl", "where")

    def __init__(
        self,
        options: ConnectionOptions,
        url: URL,
        *,
        proxies: Mapping[str, str] | None,
        verify: Verify | None,
        cert: Certificate | None,
    ) -> None:
        scheme, host, port = url.scheme, url.raw_host or "", url.port or 0
        proxy = options.proxy_for(scheme, host, port, proxies)
        if proxy is not None and not proxy.lower().startswith(("http://", "https://")):
            raise ValueError("The async client's proxies must start with http or https: aiohttp knows no others")
        self.where: str = describe(scheme, host, port, proxy)
        self.proxy: URL | None = None if proxy is None else URL(proxy)
        secure = scheme == "https" or (self.proxy is not None and self.proxy.scheme == "https")
        self.ssl: Any = options.tls_context(verify, cert) if secure else True


class AiohttpTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Sends requests with aiohttp, from as many tasks of one event loop as like to.

    May be made outside of an event loop; the first request ties it to the loop that is running then. The environment
    counts as it is when the transport is made: proxy variables set later do not matter. There is no limit to the
    connections: there are as many as there are requests under way.

    :keyword float connection_timeout: Seconds to wait for a connection.
    :keyword float read_timeout: Seconds to wait for the next bytes of an answer.
    :keyword connection_verify: True to check the server's certificate, False not to, or the path of the CA file or
        directory to check it with.
    :paramtype connection_verify: bool or str
    :keyword connection_cert: Path of the client's certificate with its key, or the paths of both.
    :paramtype connection_cert: str or tuple[str, str] or None
    :keyword proxies: URL of an http or https proxy by ``https``, ``http``, ``all`` or ``https://host``.
    :paramtype proxies: Mapping[str, str] or None
    :keyword bool use_env_settings: False to leave proxy and CA variables out of it.
    :keyword environment: The environment, read before; left out, it is read now.
    :paramtype environment: Environment or None
    :keyword int connection_data_block_size: Most bytes in a piece of a streamed answer.
    :raises ValueError: if a timeout is not a number above 0.
    """

    takes_deadline = True
    """Whether ``send`` takes the keyword ``deadline``: the retry policy asks."""

    def __init__(
        self,
        *,
        connection_timeout: float = 5.0,
        read_timeout: float = 10.0,
        connection_verify: Verify = True,
        connection_cert: Certificate | None = None,
        proxies: Mapping[str, str] | None = None,
        use_env_settings: bool = True,
        environment: Environment | None = None,
        connection_data_block_size: int = 4096,
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
        self._routes: dict[Any, _Route] = {}
        self._timeouts: dict[tuple[float, float], aiohttp.ClientTimeout] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None
        self._keeper: AsyncGenerator[None, None] | None = None
        self._closed = False
        self._last_use = 0.0

    async def open(self) -> None:
        """Do nothing: connections open with the requests that need them.

        :raises ValueError: if the transport was closed.
        """
        if self._closed:
            raise ValueError("This client was closed: make a new one, or send inside of its 'async with' block")

    async def close(self) -> None:
        """Close every connection.

        :raises RuntimeError: if the transport was used in another event loop.
        """
        self._closed = True
        if self._session is not None and self._keeper is not None:
            self._check_loop()
            self._session = None
            await self._keeper.aclose()
            # Connections that were closed just before end in the loop's next steps.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

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

        An option left out, or None, is the transport's own.

        :param request: The request, with an absolute URL.
        :type request: ~azure.core.rest.HttpRequest
        :keyword bool stream: True to leave the body on the wire until it is read from the response.
        :keyword proxies: As in the constructor; they win over the transport's.
        :paramtype proxies: Mapping[str, str] or None
        :keyword float connection_timeout: As in the constructor.
        :keyword float read_timeout: As in the constructor.
        :keyword connection_verify: As in the constructor.
        :paramtype connection_verify: bool or str or None
        :keyword connection_cert: As in the constructor.
        :paramtype connection_cert: str or tuple[str, str] or None
        :keyword float deadline: When to give up waiting for the answer, however it comes, as ``time.monotonic()``
            counts.
        :return: The answer.
        :rtype: ~azure.core.rest.AsyncHttpResponse
        :raises ~azure.core.exceptions.ServiceRequestError: if no byte of the request was sent; its subclass
            ServiceRequestTimeoutError if that is for want of time.
        :raises ~azure.core.exceptions.ServiceResponseError: if the request may have been sent and no answer came; its
            subclass ServiceResponseTimeoutError if that is for want of time.
        :raises ~azure.core.exceptions.IncompleteReadError: if the answer broke off.
        :raises RuntimeError: if the transport was used in another event loop.
        :raises ValueError: if the transport was closed, or the request cannot be written as HTTP.
        """
        if kwargs:
            refuse_keywords("send", kwargs)
        options = self._options
        connect = options.connection_timeout if connection_timeout is None else connection_timeout
        read = options.read_timeout if read_timeout is None else read_timeout
        url, route = self._route(request.url, proxies, connection_verify, connection_cert)
        body, headers, _ = wire_form(request)
        session = await self._ready_session()
        started = monotonic()
        raw: aiohttp.ClientResponse | None = None
        caught: Exception | None = None
        try:
            call = session.request(
                request.method,
                url,
                data=body if body is None else _payload(body),
                headers=_headers(headers),
                allow_redirects=False,
                proxy=route.proxy,
                ssl=route.ssl,
                timeout=self._timeout(connect, read, None if deadline is None else deadline - started),
            )
            if deadline is not None or body is None or (isinstance(body, bytes) and len(body) <= _LARGE_BODY):
                raw = await call
            else:
                # aiohttp's own limits do not cover a peer that stops reading.
                raw = await asyncio.wait_for(call, connect + 2 * read)
            content = None if stream else await raw.read()
            return AiohttpResponse(
                request, raw, content=content, where=route.where, read_timeout=read, block_size=self._block_size
            )
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            caught = error
        try:
            # Outside of the handler, so that what aiohttp says is seen only where it shows no URL and no header.
            waited = min(read, monotonic() - started)
            raise failure_of(caught, route.where, connect, waited, answered=raw is not None)
        finally:
            del caught  # it refers to this frame, and this frame to it

    async def _ready_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._session
        if session is None:
            await self.open()
            self._loop = loop
            self._session = session = self._new_session()
            self._keeper = _keep(session)
            await anext(self._keeper)
            return session
        if self._loop is not loop:
            self._check_loop()
        now = loop.time()
        if now - self._last_use > _IDLE_SECONDS:
            # The loop may not have run since, as in a notebook: let it see which connections were closed meanwhile.
            await asyncio.sleep(0)  # reads the end of a connection
            await asyncio.sleep(0)  # and takes it out of the pool
        self._last_use = now
        return session

    def _new_session(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )
        if hasattr(session, "_retry_connection"):
            # There is no public way to have a request sent once and not again where aiohttp sees fit.
            session._retry_connection = False  # noqa: SLF001
        return session

    def _check_loop(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(
                "This client was first used in another event loop, and its connections belong to that one: "
                "make a client for each event loop (with asyncio.run, inside of the function that it runs)"
            )

    def _timeout(self, connect: float, read: float, total: float | None) -> aiohttp.ClientTimeout:
        if total is not None:
            return aiohttp.ClientTimeout(total=max(total, _SHORTEST), connect=connect, sock_read=read)
        timeout = self._timeouts.get((connect, read))
        if timeout is None:
            if len(self._timeouts) >= _MAX_TIMEOUTS:
                self._timeouts.clear()
            timeout = self._timeouts[connect, read] = aiohttp.ClientTimeout(connect=connect, sock_read=read)
        return timeout

    def _route(
        self, text: str, proxies: Mapping[str, str] | None, verify: Verify | None, cert: Certificate | None
    ) -> tuple[URL, _Route]:
        slash = text.find("/", len("https://"))
        if slash < 0 or "?" in text[:slash] or NOT_FOR_THE_WIRE.search(text):
            url = URL(text).with_fragment(None)
            origin = f"{url.scheme}://{url.raw_authority}"
        else:
            url = URL(text, encoded=True)
            origin = text[:slash]
        key: Any = origin
        if proxies or not self._options.same_tls(verify, cert):
            key = (origin, tuple(sorted(proxies.items())) if proxies else None, verify, cert)
        route = self._routes.get(key)
        if route is None:
            if url.scheme not in ("http", "https") or not url.raw_host or "@" in url.raw_authority:
                raise ValueError(INVALID_URL)
            route = _Route(self._options, url, proxies=proxies, verify=verify, cert=cert)
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            self._routes[key] = route
        return url, route


async def _keep(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Close a session when the generator is closed, which the event loop does at its end, or when nobody holds it.

    So who forgets to close the client, or lets ``asyncio.run`` end before, leaves no open session behind.
    """
    try:
        yield
    finally:
        await session.close()


def _headers(headers: list[tuple[str, str]]) -> CIMultiDict[str]:
    # aiohttp wants to be the one who says "chunked", and does for every body whose length it does not know.
    return CIMultiDict([item for item in headers if item[0].lower() != "transfer-encoding"])


def _payload(body: Any) -> Any:
    """Return a body in a form that aiohttp writes as it is, neither warning about it nor closing it."""
    if isinstance(body, bytes):
        return body if len(body) <= _MAX_BYTES else io.BytesIO(body)
    return body if hasattr(body, "__aiter__") else _stream_upload(body)


async def _stream_upload(body: Any) -> AsyncIterator[bytes]:
    """Read a stream, in a thread because it may be a file, or an iterable."""
    if hasattr(body, "read"):
        loop = asyncio.get_running_loop()
        while piece := await loop.run_in_executor(None, body.read, _LARGE_BODY):
            yield piece
        return
    for piece in body:
        yield piece.encode() if isinstance(piece, str) else piece
