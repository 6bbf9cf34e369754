"""The sync HTTP transport: azure-core's requests in, azure-core's responses and errors out, urllib3's pools between.

Nothing in this file reads the environment, retries, follows a redirect or keeps a cookie.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import urllib3
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse

# Private, but it is what azure-core's own transports build their responses on, and all that azure-core's policies and
# errors expect of one (text, json, encoding, the names of the older response class) is in it.
from azure.core.rest._http_response_impl import HttpResponseImpl
from urllib3.exceptions import DecodeError, EmptyPoolError, HTTPError

from ._bodies import MAX_ANSWER, Decoder, wire_form
from ._connection_options import (
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
    socket_options,
)
from ._connections import CALL, Call, Pool, TlsPool
from ._origins import describe, origin_of, proxy_of, split_url

if TYPE_CHECKING:
    from ._environment import Environment

_PIECE = 1 << 20
_MAX_ROUTES = 64


class _Route(NamedTuple):
    """The way to an origin."""

    pool: urllib3.HTTPConnectionPool
    where: str
    url: str
    """For the pool, which has to know where a proxy is asked to forward; nothing of it goes on the wire."""
    prefix: str
    """What stands before the target, where a proxy forwards."""
    headers: dict[str, str]
    """What the proxy wants to see, where it forwards."""
    host: str
    """The header of that name; http.client's has too many brackets in a tunnel to an address of IPv6."""


class _Body:
    """The body of an answer, on the wire."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, where: str, call: Call, abandoned: deque[Any]) -> None:
        self._raw = raw
        self._where = where
        self._call = call
        self._abandoned = abandoned

    def read(self) -> bytes:
        """Read all of it, within bounds."""
        encoding = self._raw.headers.get("content-encoding")
        with self._closing():
            data = self._read()
        return self._decode(Decoder(encoding), data, last=True) if encoding and data else data

    def _read(self) -> bytes:
        raw = self._raw
        if raw.length_remaining is not None and raw.length_remaining <= _PIECE:
            return raw.read(decode_content=False)
        # In pieces: what the head promises may be more than there is memory.
        pieces = []
        size = 0
        while piece := raw.read(_PIECE, decode_content=False):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ANSWER:
                raise OSError(f"it is larger than {MAX_ANSWER >> 20} MiB: read it with stream=True")
        return b"".join(pieces)

    def pieces(self, size: int, *, decompress: bool) -> Iterator[bytes]:
        """Read it in pieces of a size."""
        encoding = self._raw.headers.get("content-encoding") if decompress else None
        decoder = Decoder(encoding) if encoding else None
        with self._closing():
            for piece in self._raw.stream(size, decode_content=False):
                decoded = piece if decoder is None else self._decode(decoder, piece)
                for start in range(0, len(decoded), size):
                    yield decoded[start : start + size]
            if decoder is not None:
                self._decode(decoder, b"", last=True)

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        except DecodeError as error:  # urllib3's, of more encodings than it knows what to do with
            raise not_decodable(self._where, self._raw.headers.get("content-encoding"), error) from error
        except (HTTPError, HTTPException, OSError, ValueError, ArithmeticError, MemoryError) as error:
            cause = _cause(error)
            late = self._call.seconds if isinstance(cause, TimeoutError) else None
            raise not_complete(self._where, cause, late) from error
        finally:
            self.close()

    def _decode(self, decoder: Decoder, data: bytes, *, last: bool = False) -> bytes:
        try:
            return decoder.decode(data, last=last)
        except ValueError as error:
            raise not_decodable(self._where, decoder.encoding, error) from error

    def close(self) -> None:
        """Close the connection unless the body was read to its end, and free its place in the pool."""
        self._raw.close()
        self._raw.release_conn()

    def __del__(self) -> None:
        # Nobody closed it. The pool's lock may be held by whom the garbage collection interrupts: no waiting here.
        if self._raw.connection is not None:
            self._raw.close()
            self._abandoned.append(self._raw)


class Urllib3Response(HttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.HttpResponse` describes it."""

    def take(self, content: bytes) -> None:
        """Take all of the body, as azure-core's ``read`` does."""
        self._content = content
        self._is_closed = self._is_stream_consumed = True

    def _body(self) -> bytes:
        # What azure-core's older response class calls body().
        return self.content

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_internal_response": None}


def _stream(*, response: Urllib3Response, decompress: bool = True, **_: Any) -> Iterator[bytes]:
    """Stream a response: azure-core's response class calls it, with these keywords."""
    body: _Body = response._internal_response  # noqa: SLF001 - azure-core's
    return body.pieces(response._block_size, decompress=decompress)  # noqa: SLF001 - azure-core's


class Urllib3Transport(HttpTransport[HttpRequest, HttpResponse]):
    """Sends requests over urllib3's connections, from as many threads as like to.

    :keyword connection_data_block_size: Bytes in a piece of a streamed answer.
    :keyword max_connections: Most connections to an origin at a time; more threads wait for one another.
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
        self._lock = threading.Lock()
        self._routes: dict[Any, _Route] = {}
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
            self._close_routes()

    def _close_routes(self) -> None:
        for route in self._routes.values():
            route.pool.close()
        self._routes = {}

    def __enter__(self) -> Urllib3Transport:
        self.open()
        return self

    def __exit__(self, *exc_details: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        refuse_pickling(self)

    def send(
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
    ) -> HttpResponse:
        """Send a request and return its answer, whatever its status.

        An option left out, or None, is the transport's own. ``deadline`` is when to give up waiting for the answer,
        however it comes, as ``time.monotonic()`` counts; with ``stream``, for its head.

        :raises ServiceRequestError: if no byte of the request was sent.
        :raises ClientAuthenticationError: if a proxy wants another user name or password.
        :raises ServiceResponseError: if the request may have been sent and no answer came.
        :raises IncompleteReadError: if the answer broke off.
        :raises DecodeError: if the answer is not what its Content-Encoding says, or decodes to too much.
        :raises ValueError: if the transport was closed, or the request cannot be written as HTTP.
        """
        if kwargs:
            refuse_keywords(kwargs)
        options = self._options
        origin, target = split_url(request.url)
        route = self._route(origin, proxies, connection_verify, connection_cert)
        content, headers, names = wire_form(request)
        if "user-agent" not in names:
            headers["User-Agent"] = urllib3.util.SKIP_HEADER
        if "host" not in names:
            headers["Host"] = route.host
        headers.update(route.headers)
        call = Call(
            route.prefix + target,
            content or b"",
            connection_timeout=connection_timeout or options.connection_timeout,
            read_timeout=read_timeout or options.read_timeout,
            deadline=inf if deadline is None else deadline,
        )
        CALL.set(call)
        with suppress(IndexError):  # there are none, or another thread was faster
            while self._abandoned:
                self._abandoned.pop().release_conn()
        try:
            raw = route.pool.urlopen(
                request.method,
                route.url,
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                pool_timeout=call.pool_timeout,
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, HTTPException, OSError, ValueError, ArithmeticError, MemoryError) as error:
            raise _failure(route.where, error, call) from error
        if stream:
            call.deadline = inf
        body = _Body(raw, route.where, call, self._abandoned)
        response = Urllib3Response(
            request=request,
            internal_response=body,
            status_code=raw.status,
            reason=raw.reason,
            content_type=raw.headers.get("content-type"),
            headers=raw.headers,
            block_size=self._block_size,
            stream_download_generator=_stream,
        )
        if not stream:
            response.take(body.read())
        return response

    def _route(
        self,
        url: str,
        proxies: Mapping[str, str] | None,
        verify: Verify | None,
        cert: Certificate | None,
    ) -> _Route:
        """Return the way to an origin for these settings; None stands for the transport's own."""
        key: Any = url
        if proxies or verify is not None or cert is not None:
            key = (url, tuple(sorted(proxies.items())) if proxies else None, verify, cert)
        route = self._routes.get(key)
        if route is None:
            made = self._make_route(url, proxies, verify, cert)
            with self._lock:
                self.open()
                if len(self._routes) >= _MAX_ROUTES:
                    self._close_routes()
                route = self._routes.setdefault(key, made)
        return route

    def _make_route(
        self, url: str, proxies: Mapping[str, str] | None, verify: Verify | None, cert: Certificate | None
    ) -> _Route:
        origin = origin_of(url)
        proxy = self._options.proxy_for(origin.scheme, origin.host, origin.port, proxies)
        where = describe(origin, proxy)
        settings: dict[str, Any] = {
            "maxsize": self._max_connections,
            "block": True,
            # Also behind a proxy, where urllib3 would let the body wait for the head's acknowledgement.
            "socket_options": socket_options(),
        }
        if origin.scheme == "https" or (proxy or "").lower().startswith("https:"):
            settings["ssl_context"] = self._options.tls_context(verify, cert)
        manager = urllib3.PoolManager(**settings)
        manager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}
        forwards = False
        headers: dict[str, str] = {}
        if proxy is not None:
            scheme, proxy_url, headers = proxy_of(proxy, where)
            if scheme.startswith("socks"):
                manager = _socks_manager(proxy, settings)
            else:
                context = self._options.tls_context(verify) if scheme == "https" else None
                manager = urllib3.ProxyManager(proxy_url, proxy_headers=headers, proxy_ssl_context=context, **settings)
                manager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}
                forwards = origin.scheme == "http"
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        pool = manager.connection_from_host(host, origin.port, origin.scheme)
        name = origin.url.partition("://")[2]
        if forwards:
            return _Route(pool, where, origin.url + "/", origin.url, headers, name)
        return _Route(pool, where, "/", "", {}, name)


def _socks_manager(proxy: str, settings: dict[str, Any]) -> urllib3.PoolManager:
    if importlib.util.find_spec("socks") is None:
        raise ImportError('A SOCKS proxy needs PySocks, which is not installed: pip install "PySocks"')
    from ._socks import SocksManager

    return SocksManager(proxy, **settings)


def _cause(error: BaseException) -> BaseException:
    """Return the error within urllib3's."""
    while isinstance(error, HTTPError):
        inner = next((each for each in error.args if isinstance(each, BaseException)), error.__cause__)
        if inner is None:
            break
        error = inner
    return error


def _failure(where: str, error: Exception, call: Call) -> Exception:
    """Return what it means that urllib3 gives no answer."""
    cause = _cause(error)
    late = call.seconds if isinstance(cause, (TimeoutError, EmptyPoolError)) else None
    if call.is_sent:
        return not_answered(where, cause, late)
    if "407" in str(cause) and "Tunnel" in str(cause):
        return not_let_through(where, cause)
    return not_sent(where, cause, late)


# A forked child must not write to its parent's connections: it closes its copies (which tells the other end nothing)
# and opens its own. Done at the fork, where there is one thread, and at no cost to each request.
_TRANSPORTS: weakref.WeakSet[Urllib3Transport] = weakref.WeakSet()


def _forget_connections() -> None:
    for transport in list(_TRANSPORTS):
        transport._lock = threading.Lock()  # noqa: SLF001 - of this module
        routes, transport._routes = transport._routes, {}  # noqa: SLF001
        for route in routes.values():
            waiting: Any = route.pool.pool
            if waiting is not None:
                for connection in waiting.queue:
                    if connection is not None and connection.sock is not None:
                        connection.sock.close()
                # Another thread may have held its locks: made anew, and empty, so that the pool's end does not wait.
                queue.LifoQueue.__init__(waiting)


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_connections)
