"""The sync HTTP transport: azure-core's requests in, azure-core's responses and errors out, urllib3's pools between."""

from __future__ import annotations

import os
import queue
import weakref
from collections.abc import Iterator
from math import inf
from threading import TIMEOUT_MAX
from time import monotonic
from typing import Any

import urllib3
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.core.rest._http_response_impl import HttpResponseImpl
from urllib3.connection import HTTPException
from urllib3.exceptions import DecodeError, EmptyPoolError, HTTPError

from ._connection_options import SOCKET_OPTIONS, Route
from ._connections import CALL, POOLS
from ._either_transport import EitherResponse, EitherTransport

_PIECE = 1 << 20
_BROKEN = (HTTPError, HTTPException, OSError, ValueError, ArithmeticError, MemoryError)
"""What comes of answers that are none, or not complete."""
_NO_RETRIES = urllib3.Retry(False, redirect=False)  # urllib3 would make one for each call


class Urllib3Response(EitherResponse, HttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.HttpResponse` describes it, whose body urllib3 reads."""

    @staticmethod
    def _pieces(response: Urllib3Response, *, decompress: bool = True, **_: Any) -> Iterator[bytes]:
        raw = response._raw
        encoding = raw.headers.get("content-encoding") if decompress else None
        try:
            for piece in raw.stream(response._block_size if response._stream else _PIECE, encoding is not None):
                yield response._checked(piece, encoding)
        except _BROKEN as error:
            is_undecodable = isinstance(error, (DecodeError, OverflowError))
            raise response._failure(_cause(error), encoding, is_undecodable=is_undecodable) from error
        finally:
            response.close()

    def close(self) -> None:
        """Close the connection unless the body was read to its end, and free its place in the pool."""
        if not self._is_closed:
            self._is_closed = True
            self._raw.close()
            self._raw.release_conn()

    def __del__(self) -> None:
        # The pool's lock may be held by whom the garbage collection interrupts: no waiting here.
        if getattr(self._raw, "connection", None) is not None:
            self._raw.close()
            self._call.route.connections.abandoned.append(self._raw)


class Urllib3Transport(EitherTransport, HttpTransport[HttpRequest, HttpResponse]):
    """Sends requests over urllib3's connections, from as many threads as like to.

    The system's search for a host's addresses is the one wait that no limit ends.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _TRANSPORTS.add(self)

    def open(self) -> None:
        """Do nothing, if the transport was not closed: connections open with the requests that need them."""
        self._check_open()

    def close(self) -> None:
        """Close every connection; a request under way ends first."""
        self._is_closed = True
        self._forget_routes()

    def __enter__(self) -> Urllib3Transport:
        self.open()
        return self

    def __exit__(self, *exc_details: object) -> None:
        self.close()

    def send(self, request: HttpRequest, *, stream: bool = False, **options: Any) -> HttpResponse:
        """Send a request and return its answer: see :class:`EitherTransport`."""
        call = self._call(request, **options)
        route, headers = call.route, call.headers
        if "Host" not in request.headers:  # http.client's has too many brackets in a tunnel to an address of IPv6
            headers["Host"] = route.origin.partition("://")[2]
        if "User-Agent" not in request.headers:
            headers["User-Agent"] = urllib3.util.SKIP_HEADER
        CALL.set(call)
        try:
            raw = route.connections.urlopen(
                request.method,
                f"{route.origin}/" if route.forwards else "/",  # where a proxy forwards, urllib3 has to know for whom
                headers=headers,
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                pool_timeout=min(max(call.deadline - monotonic(), 0.0), TIMEOUT_MAX),
                preload_content=False,
                decode_content=False,
            )
        except _BROKEN as error:
            raise call.failure(_cause(error)) from error
        if stream:
            call.deadline = inf
        response = Urllib3Response(call, raw, raw.headers, block_size=self._options.block_size, stream=stream)
        if not stream:
            response.read()
        return response

    def _connections(self, route: Route) -> urllib3.HTTPConnectionPool:
        settings: dict[str, Any] = {"maxsize": self._options.max_connections, "block": True}
        settings["socket_options"] = SOCKET_OPTIONS
        if route.tls or route.proxy_tls:  # where a proxy forwards, the pool is the proxy's
            settings["ssl_context"] = route.tls or route.proxy_tls
        if route.proxy is None:
            manager = urllib3.PoolManager(**settings)
        else:
            settings |= {"proxy_headers": route.proxy.proxy_headers, "proxy_ssl_context": route.proxy_tls}
            manager = urllib3.ProxyManager(f"{route.proxy.scheme}://{route.proxy.host_and_port}", **settings)
        manager.pool_classes_by_scheme = POOLS
        host = f"[{route.url.host}]" if ":" in route.url.host else route.url.host
        pool: urllib3.HTTPConnectionPool = manager.connection_from_host(host, route.url.port, route.url.scheme)
        return pool

    def _forget_routes(self) -> None:
        forgotten, self._routes = self._routes, {}
        for route in forgotten.values():
            route.connections.close()


def _cause(error: BaseException) -> BaseException:
    """Return the error within urllib3's."""
    while isinstance(error, HTTPError):
        if isinstance(error, EmptyPoolError):
            return TimeoutError("no connection was free")
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
        routes, transport._routes = transport._routes, {}  # noqa: SLF001 - of this module
        for waiting in [route.connections.pool for route in routes.values()]:
            for sock in [connection.sock for connection in waiting.queue if connection is not None]:
                if sock is not None:
                    sock.close()
            # Another thread may have held its locks: made anew, and empty, so that the pool's end does not wait.
            queue.LifoQueue.__init__(waiting)


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_connections)
