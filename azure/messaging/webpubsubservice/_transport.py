"""The sync HTTP transport: azure-core's requests in, azure-core's responses and errors out, urllib3's pools between.

Nothing in this file reads the environment, retries, follows a redirect or keeps a cookie.
"""

from __future__ import annotations

import os
import queue
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from threading import TIMEOUT_MAX, Lock
from time import monotonic
from typing import Any, NoReturn

import urllib3
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse

# Private, but it is what azure-core's own transports build their responses on, and all that azure-core's policies and
# errors expect of one (text, json, encoding, the names of the older response class) is in it.
from azure.core.rest._http_response_impl import HttpResponseImpl
from urllib3.connection import HTTPException
from urllib3.exceptions import DecodeError, EmptyPoolError, HTTPError

from ._bodies import wire_form
from ._connection_options import (
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
from ._connections import CALL, POOLS, Call, through_socks

_PIECE = 1 << 20
_BROKEN = (HTTPError, HTTPException, OSError, ValueError, ArithmeticError, MemoryError)
"""What comes of answers that are none, or not complete."""


class _Body:
    """The body of an answer, on the wire."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, where: str, call: Call, abandoned: deque[Any]) -> None:
        self._raw = raw
        self._where = where
        self._call = call
        self._abandoned = abandoned

    def pieces(self, size: int | None, *, decompress: bool) -> Iterator[bytes]:
        """Read it in pieces of a size, or, for None, as a whole that is limited."""
        encoding = self._raw.headers.get("content-encoding") if decompress else None
        read = 0
        try:
            for piece in self._raw.stream(size or _PIECE, decode_content=encoding is not None):
                read += len(piece)
                if size is None or encoding is not None:
                    check_size(read, encoding)
                yield piece
        except _BROKEN as error:
            cause = _cause(error)
            if encoding is not None and isinstance(error, (DecodeError, OverflowError)):
                raise not_decodable(self._where, encoding, cause) from error
            late = self._call.seconds if isinstance(cause, TimeoutError) else None
            raise not_complete(self._where, cause, late) from error
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection unless the body was read to its end, and free its place in the pool."""
        self._raw.close()
        self._raw.release_conn()

    def __del__(self) -> None:
        # Nobody closed it. The pool's lock may be held by whom the garbage collection interrupts: no waiting here.
        if getattr(self._raw, "connection", None) is not None:
            self._raw.close()
            self._abandoned.append(self._raw)


class Urllib3Response(HttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.HttpResponse` describes it."""

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


def _stream(*, response: Any, decompress: bool = True, **_: Any) -> Iterator[bytes]:
    """Stream a response: azure-core's response class calls it, with these keywords."""
    return response._internal_response.pieces(response._block_size, decompress=decompress)  # type: ignore[no-any-return]  # noqa: SLF001 - azure-core's


def _read(*, response: Any, decompress: bool = True, **_: Any) -> Iterator[bytes]:
    """Read a response at once, likewise."""
    return response._internal_response.pieces(None, decompress=decompress)  # type: ignore[no-any-return]  # noqa: SLF001 - azure-core's


class Urllib3Transport(HttpTransport[HttpRequest, HttpResponse]):
    """Sends requests over urllib3's connections, from as many threads as like to.

    Its keywords are those of ``ConnectionOptions``. The environment counts as it was when the client was made. The
    system's search for a host's addresses is the one wait that no limit ends.
    """

    takes_deadline = True
    """Whether ``send`` takes the keyword ``deadline``: the retry policy asks."""

    def __init__(self, **options: Any) -> None:
        self._options = ConnectionOptions(**options)
        self._is_closed = False
        self._lock = Lock()
        self._pools: dict[Any, tuple[Route, urllib3.HTTPConnectionPool]] = {}
        self._abandoned: deque[urllib3.BaseHTTPResponse] = deque()
        _TRANSPORTS.add(self)

    def open(self) -> None:
        """Do nothing: connections open with the requests that need them.

        :raises ValueError: if the transport was closed.
        """
        if self._is_closed:
            raise ValueError("This transport was closed: make another client, or use 'with' around all that it sends")

    def close(self) -> None:
        """Close every connection; a request under way ends first."""
        with self._lock:
            self._is_closed = True
            self._close_pools()

    def _close_pools(self) -> None:
        for _, pool in self._pools.values():
            pool.close()
        self._pools = {}

    def __enter__(self) -> Urllib3Transport:
        self.open()
        return self

    def __exit__(self, *exc_details: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a transport cannot be copied or pickled: make a client in the process that uses it")

    def send(
        self,
        request: HttpRequest,
        *,
        stream: bool = False,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        deadline: float | None = None,
        **kwargs: Any,
    ) -> HttpResponse:
        """Send a request and return its answer, whatever its status.

        An option that is None is the transport's own; ``proxies``, ``connection_verify`` and ``connection_cert`` may be
        given, too. ``deadline`` ends every wait, as ``time.monotonic()`` counts;
        with ``stream``, every wait for the answer's head.

        :raises ~azure.core.exceptions.ServiceRequestError: if no byte of the request was sent.
        :raises ~azure.core.exceptions.ClientAuthenticationError: if a proxy wants another user name or password.
        :raises ~azure.core.exceptions.ServiceResponseError: if the request may have been sent and no answer came.
        :raises ~azure.core.exceptions.IncompleteReadError: if the answer broke off.
        :raises ~azure.core.exceptions.DecodeError: if the answer is not what its Content-Encoding says, or too much.
        :raises ValueError: if the transport was closed, or the request cannot be written as HTTP.
        """
        options = self._options
        origin, target = split_url(request.url)
        route, pool = self._pool(origin, **of_connections(kwargs))
        body, headers = wire_form(request)
        if route.forwards:
            headers.update(route.proxy.headers)  # type: ignore[union-attr]
            target = route.origin + target
        if "Host" not in request.headers:  # http.client's has too many brackets in a tunnel to an address of IPv6
            headers["Host"] = route.origin.partition("://")[2]
        if "User-Agent" not in request.headers:
            headers["User-Agent"] = urllib3.util.SKIP_HEADER
        call = Call(
            target,
            body or b"",
            connection_timeout=connection_timeout or options.connection_timeout,
            read_timeout=read_timeout or options.read_timeout,
            deadline=inf if deadline is None else deadline,
        )
        CALL.set(call)
        with suppress(IndexError):  # there are none, or another thread was faster
            while self._abandoned:
                self._abandoned.pop().release_conn()
        try:
            raw = pool.urlopen(
                request.method,
                f"{route.origin}/" if route.forwards else "/",  # where a proxy forwards, urllib3 has to know for whom
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                pool_timeout=min(max(call.deadline - monotonic(), 0.0), TIMEOUT_MAX),  # type: ignore[arg-type]
                preload_content=False,
                decode_content=False,
            )
        except _BROKEN as error:
            cause = _cause(error)
            late = call.seconds if isinstance(cause, (TimeoutError, EmptyPoolError)) else None
            raise (not_answered if call.is_sent else not_sent)(route.where, cause, late) from error
        if stream:
            call.deadline = inf
        response = Urllib3Response(
            request=request,
            internal_response=_Body(raw, route.where, call, self._abandoned),
            status_code=raw.status,
            reason=raw.reason,
            content_type=raw.headers.get("content-type"),
            headers=raw.headers,
            block_size=options.block_size,
            stream_download_generator=_stream if stream else _read,
        )
        if not stream:
            response.read()
        return response

    def _pool(
        self, origin: str, proxies: Any = None, connection_verify: Any = None, connection_cert: Any = None
    ) -> tuple[Route, urllib3.HTTPConnectionPool]:
        """Return the connections to an origin for these settings; None stands for the transport's own."""
        key = (origin, tuple(sorted(proxies.items())) if proxies else None, connection_verify, connection_cert)
        found = self._pools.get(key)
        if found is None:
            route = self._options.route(origin, proxies, connection_verify, connection_cert)
            made = (route, _pool_of(route, self._options))
            with self._lock:
                self.open()
                if len(self._pools) >= MAX_ROUTES:
                    self._close_pools()
                found = self._pools.setdefault(key, made)
        return found


def _pool_of(route: Route, options: ConnectionOptions) -> urllib3.HTTPConnectionPool:
    settings: dict[str, Any] = {"maxsize": options.max_connections, "block": True, "socket_options": socket_options()}
    if route.tls or route.proxy_tls:  # where a proxy forwards, the pool is the proxy's
        settings["ssl_context"] = route.tls or route.proxy_tls
    if route.proxy is None:
        manager = urllib3.PoolManager(**settings)
        manager.pool_classes_by_scheme = POOLS
    elif route.proxy.scheme.startswith("socks"):
        manager = through_socks(route.proxy.whole_url, **settings)
    else:
        manager = urllib3.ProxyManager(
            route.proxy.url, proxy_headers=route.proxy.headers, proxy_ssl_context=route.proxy_tls, **settings
        )
        manager.pool_classes_by_scheme = POOLS
    return manager.connection_from_host(
        f"[{route.host}]" if ":" in route.host else route.host, route.port, route.scheme
    )


def _cause(error: BaseException) -> BaseException:
    """Return the error within urllib3's."""
    while isinstance(error, HTTPError):
        inner = next((each for each in error.args if isinstance(each, BaseException)), error.__cause__)
        if inner is None:
            break
        error = inner
    return error


# A forked child must not write to its parent's connections: it closes its copies (which tells the other end nothing)
# and opens its own. Done at the fork, where there is one thread, and at no cost to each request.
_TRANSPORTS: weakref.WeakSet[Urllib3Transport] = weakref.WeakSet()


def _forget_connections() -> None:
    for transport in list(_TRANSPORTS):
        transport._lock = Lock()  # noqa: SLF001 - of this module
        pools, transport._pools = transport._pools, {}  # noqa: SLF001
        for waiting in [pool.pool for _, pool in pools.values() if pool.pool is not None]:
            for connection in waiting.queue:
                if connection is not None and connection.sock is not None:
                    connection.sock.close()
            # Another thread may have held its locks: made anew, and empty, so that the pool's end does not wait.
            queue.LifoQueue.__init__(waiting)


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_connections)
