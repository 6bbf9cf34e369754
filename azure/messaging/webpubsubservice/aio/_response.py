"""Answers as azure-core's responses, and their bodies while they are still on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any

# Private, but what azure-core's own transports build on: see the sync transport.
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl

from .._connection_options import not_complete, not_decodable
from .._http1 import Head
from .._limits import Limits
from .._wire import BLANK_RESPONSE, Decoder
from ._bodies import body_of

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest

    from ._connection import Connection
    from ._routes import Route


class Download:
    """The body of an answer, still on the wire.

    Who drops a response without closing it leaves the connection to be closed with this object, without a word.

    :param route: The way that the answer came.
    :type route: Route
    :param connection: The connection.
    :type connection: Connection
    :param head: The head of the answer.
    :type head: Head
    :param limits: How long each wait may take.
    :type limits: Limits
    """

    __slots__ = ("_body", "_connection", "_head", "_is_done", "_limits", "_route")

    def __init__(self, route: Route, connection: Connection, head: Head, limits: Limits) -> None:
        self._is_done = False
        self._route = route
        self._connection = connection
        self._head = head
        self._limits = limits
        self._body = body_of(head)

    async def receive(self) -> bytes:
        """Return what has come of the body, and wait for it where nothing has; nothing means that it is over.

        :raises ~azure.core.exceptions.IncompleteReadError: if it breaks off.
        :raises ~azure.core.exceptions.ServiceResponseTimeoutError: if it does not go on.
        """
        body, where = self._body, self._route.where
        try:
            while not body.is_over:
                data = await self._connection.receive(self._limits)
                if not data:
                    body.end()
                    break
                piece = body.feed(data)
                if body.surplus:
                    self._connection.put_back(body.surplus)
                if piece:
                    return piece
        except TimeoutError as error:
            raise not_complete(where, "", error, self._limits.seconds) from error
        except (OSError, HTTPException) as error:
            reason = f"{error.expected} bytes are missing" if isinstance(error, IncompleteRead) else error
            raise not_complete(where, reason, error) from error
        return b""

    async def read_all(self) -> bytes:
        """Return all of the body, and be done with the connection, however it ends."""
        pieces = []
        try:
            while piece := await self.receive():
                pieces.append(piece)
        finally:
            self.close()
        return b"".join(pieces)

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if not self._is_done:
            self._is_done = True
            self._route.release(self._connection, keep_alive=self._body.is_over and self._head.keep_alive)

    def __del__(self) -> None:
        if not self._is_done:
            self._connection.abort_from_anywhere()


class AsyncioResponse(AsyncHttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.AsyncHttpResponse` describes it."""

    def __init__(
        self,
        request: HttpRequest,
        head: Head,
        *,
        content: bytes | None,
        download: Download | None,
        where: str,
        block_size: int,
    ) -> None:
        headers = head.headers
        # As in the sync transport: azure-core's constructor runs once, and its result is copied.
        attributes = vars(self)
        attributes.update(_blank_attributes())
        attributes.update(
            _request=request,
            _internal_response=download,
            _status_code=head.status,
            _reason=head.reason,
            _content_type=headers.get("content-type"),
            _headers=headers,
            _block_size=block_size,
            _where=where,
        )
        if content is not None:
            encoding = headers.get("content-encoding")
            decoded = _decode(content, encoding, where) if encoding and content else content
            attributes.update(_content=decoded, _is_closed=True, _is_stream_consumed=True)

    async def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if not self._is_closed:
            self._is_closed = True
            self._internal_response.close()

    def _body(self) -> bytes:
        # What azure-core's older response class calls body().
        return self.content

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_internal_response": None}

    async def _pieces(self, *, decompress: bool) -> AsyncIterator[bytes]:
        download: Download = self._internal_response
        size = self._block_size
        encoding = self.headers.get("content-encoding")
        decoder = Decoder(encoding) if decompress and encoding else None
        try:
            while data := await download.receive():
                for start in range(0, len(data), size):
                    piece = data[start : start + size]
                    if decoder is None:
                        yield piece
                        continue
                    decoded = decoder.decode(piece)
                    for position in range(0, len(decoded), size):
                        yield decoded[position : position + size]
            if decoder is not None:
                decoder.finish()
        except ValueError as error:
            raise not_decodable(self._where, encoding, error) from error


@cache
def _blank_attributes() -> dict[str, Any]:
    return dict(vars(AsyncHttpResponseImpl(**BLANK_RESPONSE, stream_download_generator=_stream_download)))


def _stream_download(*, response: AsyncioResponse, decompress: bool = True, **_: Any) -> AsyncIterator[bytes]:
    """Stream a response: azure-core's response class calls it, with these keywords."""
    return response._pieces(decompress=decompress)  # noqa: SLF001  # of this module


def _decode(content: bytes, encoding: str, where: str) -> bytes:
    decoder = Decoder(encoding)
    try:
        decoded = decoder.decode(content)
        decoder.finish()
    except ValueError as error:
        raise not_decodable(where, encoding, error) from error
    return decoded
