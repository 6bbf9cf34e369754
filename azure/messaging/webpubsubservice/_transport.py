"""The sync HTTP transport: azure-core's requests in, azure-core's responses and errors out, urllib3 between.

Nothing in this file reads the environment, retries, follows a redirect or keeps a cookie.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping
from functools import cache
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any, NoReturn

import urllib3
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse

# Private, but it is what azure-core's own transports build their responses on, and all that azure-core's policies and
# errors expect of one (text, json, encoding, the names of the older response class) is in it.
from azure.core.rest._http_response_impl import HttpResponseImpl
from urllib3.connection import HTTPConnection
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from ._connection_options import (
    Certificate,
    ConnectionOptions,
    Verify,
    not_complete,
    not_decodable,
    not_sent,
    refuse_keywords,
    refuse_pickling,
)
from ._exchange import Answer
from ._http1 import request_head
from ._limits import Limits
from ._route_table import RouteTable
from ._routes import Route, make_route
from ._wire import BLANK_RESPONSE, wire_form

if TYPE_CHECKING:
    from ._environment import Environment

_PIECE = 1 << 16
_LARGE_BODY = 1 << 20


class _Download:
    """The body of an answer, still on the wire."""

    __slots__ = ("_connection", "_limits", "_raw", "_route", "_wrapped")

    def __init__(self, route: Route, connection: HTTPConnection, raw: Answer, method: str, limits: Limits) -> None:
        self._route = route
        self._connection = connection
        self._raw = raw
        self._limits = limits
        headers: Any = raw.headers
        # urllib3's response decodes, and notices a body that is too short.
        self._wrapped = urllib3.HTTPResponse(
            raw,
            headers,
            raw.status,
            preload_content=False,
            decode_content=False,
            original_response=raw,
            request_method=method,
        )

    def chunks(self, size: int, *, decode: bool) -> Iterator[bytes]:
        """Read the body piece by piece."""
        where = self._route.where
        try:
            yield from self._wrapped.stream(size, decode_content=decode)
        except DecodeError as error:
            raise not_decodable(where, self._wrapped.headers.get("Content-Encoding"), error) from error
        except (ReadTimeoutError, TimeoutError) as error:
            raise not_complete(where, "", error, self._limits.seconds) from error
        except (HTTPError, HTTPException, OSError) as error:
            raise not_complete(where, error, error) from error

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if self._raw.isclosed():
            _release(self._route, self._connection, self._raw)
        else:
            self._connection.close()
            self._raw.close()


def _release(route: Route, connection: HTTPConnection, raw: Answer) -> None:
    if raw.will_close:
        connection.close()
    else:
        route.give_back(connection)


class Urllib3Response(HttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.HttpResponse` describes it."""

    def __init__(
        self, request: HttpRequest, raw: Answer, *, content: bytes | None, download: _Download | None, block_size: int
    ) -> None:
        headers: Any = raw.headers
        # azure-core's constructor sets each attribute through two layers of __setattr__, which would be a tenth of
        # what the transport costs: its work is done once, and copied.
        attributes = vars(self)
        attributes.update(_blank_attributes())
        attributes.update(
            _request=request,
            _internal_response=download,
            _status_code=raw.status,
            _reason=raw.reason,
            _content_type=headers.get("content-type"),
            _headers=headers,
            _block_size=block_size,
        )
        if content is not None:
            attributes.update(_content=content, _is_closed=True, _is_stream_consumed=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_internal_response": None}

    def _pieces(self, *, decompress: bool) -> Iterator[bytes]:
        download: _Download = self._internal_response
        return download.chunks(self._block_size, decode=decompress)


@cache
def _blank_attributes() -> dict[str, Any]:
    """Return what azure-core's constructor gives a response, whatever its version adds."""
    return dict(vars(HttpResponseImpl(**BLANK_RESPONSE, stream_download_generator=_stream_download)))


def _stream_download(*, response: Urllib3Response, decompress: bool = True, **_: Any) -> Iterator[bytes]:
    """Stream a response: azure-core's response class calls it, with these keywords."""
    return response._pieces(decompress=decompress)  # noqa: SLF001  # of this module


class Urllib3Transport(HttpTransport[HttpRequest, HttpResponse]):
    """Sends requests over urllib3's connections, from as many threads as like to.

    The environment counts as it is when the transport is made: proxy variables set later do not matter.

    :keyword float connection_timeout: Seconds to wait for a connection.
    :keyword float read_timeout: Seconds to wait for the next bytes of an answer.
    :keyword connection_verify: True to check the server's certificate, False not to, or the path of the CA file or
        directory to check it with.
    :paramtype connection_verify: bool or str
    :keyword connection_cert: Path of the client's certificate with its key, or the paths of both.
    :paramtype connection_cert: str or tuple[str, str] or None
    :keyword proxies: Proxy URL by ``https``, ``http``, ``all`` or ``https://host``: http, https, socks4, socks4a,
        socks5 or socks5h (socks needs PySocks).
    :paramtype proxies: Mapping[str, str] or None
    :keyword bool use_env_settings: False to leave proxy and CA variables out of it.
    :keyword environment: The environment, read before; left out, it is read now.
    :paramtype environment: Environment or None
    :keyword int connection_data_block_size: Bytes in a piece of a streamed answer.
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
        self._table = RouteTable(self._options, make_route, "with")
        _TRANSPORTS.add(self)
        # Also who forgets to close the client leaves no open socket behind, not even at the interpreter's exit.
        weakref.finalize(self, self._table.forget)

    def open(self) -> None:
        """Do nothing: connections open with the requests that need them.

        :raises ValueError: if the transport was closed.
        """
        self._table.check_open()

    def close(self) -> None:
        """Close every connection; a request under way ends first."""
        self._table.close()

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
        :rtype: ~azure.core.rest.HttpResponse
        :raises ~azure.core.exceptions.ServiceRequestError: if no byte of the request was sent; its subclass
            ServiceRequestTimeoutError if that is for want of time.
        :raises ~azure.core.exceptions.ServiceResponseError: if the request may have been sent and no answer came; its
            subclass ServiceResponseTimeoutError if that is for want of time.
        :raises ~azure.core.exceptions.IncompleteReadError: if the answer broke off.
        :raises ValueError: if the transport was closed, or the request cannot be written as HTTP.
        """
        if kwargs:
            refuse_keywords("send", kwargs)
        options = self._options
        method = request.method
        route, target = self._table.find(request.url, proxies, connection_verify, connection_cert)
        body, headers, names = wire_form(request)
        if body is not None and hasattr(body, "__aiter__"):
            raise TypeError("An async iterable cannot be the body of a request to the sync client")
        own = route.headers if "host" not in names else route.headers[1:]
        head = request_head(method, route.forward + target, own + headers)
        limits = Limits(options.read_timeout if read_timeout is None else read_timeout, deadline)
        seconds = options.connection_timeout if connection_timeout is None else connection_timeout
        connection = route.take(limits.shorten(seconds))
        if limits.is_over:
            route.give_back(connection)
            raise not_sent(route.where, "", None, limits.seconds)
        raw: Answer | None = None
        content: bytes | None = None
        download: _Download | None = None
        try:
            raw = route.exchange(connection, method, head, body, chunked="transfer-encoding" in names, limits=limits)
            if stream or "content-encoding" in raw.headers:
                download = _Download(route, connection, raw, method, limits)
                if not stream:
                    content = b"".join(download.chunks(_PIECE, decode=True))
            else:
                content = _read(route, raw, limits)
        except BaseException:
            connection.close()
            if raw is not None:
                raw.close()
            raise
        if not stream:
            _release(route, connection, raw)
        return Urllib3Response(request, raw, content=content, download=download, block_size=self._block_size)


def _read(route: Route, raw: Answer, limits: Limits) -> bytes:
    """Read a whole body that is not encoded."""
    try:
        if raw.length is None or raw.length <= _LARGE_BODY:
            return raw.read()
        # In pieces: what the head promises may be more than there is memory.
        pieces = []
        while piece := raw.read(_LARGE_BODY):
            pieces.append(piece)
        if raw.length:
            raise IncompleteRead(b"", raw.length)
        return b"".join(pieces)
    except TimeoutError as error:
        raise not_complete(route.where, "", error, limits.seconds) from error
    except (OSError, HTTPException, ValueError) as error:  # http.client's for the size of a chunk below 0
        missing = error.expected if isinstance(error, IncompleteRead) else None
        reason = error if missing is None else f"{missing} bytes are missing"
        raise not_complete(route.where, reason, error) from error


# A forked child must not write to its parent's connections: it closes its copies (which tells the other end nothing)
# and opens its own. Done at the fork, where there is one thread, and at no cost to each request.
_TRANSPORTS: weakref.WeakSet[Urllib3Transport] = weakref.WeakSet()


def _forget_connections() -> None:
    for transport in _TRANSPORTS:
        transport._table.forget()  # noqa: SLF001  # of this module


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_connections)
