"""What aiohttp gives back, as azure-core's response and errors.

As :mod:`._transport`, this needs aiohttp and is imported with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import cache
from typing import TYPE_CHECKING, Any

import aiohttp

# Private, but what azure-core's own transports build on: see the sync transport.
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl

from .._connection_options import not_answered, not_complete, not_decodable, not_sent
from .._wire import BLANK_RESPONSE, Decoder, response_headers

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest


class AiohttpResponse(AsyncHttpResponseImpl):
    """An answer, as :class:`~azure.core.rest.AsyncHttpResponse` describes it."""

    def __init__(
        self,
        request: HttpRequest,
        raw: aiohttp.ClientResponse,
        *,
        content: bytes | None,
        where: str,
        read_timeout: float,
        block_size: int,
    ) -> None:
        headers = response_headers(raw.headers.items())
        # As in the sync transport: azure-core's constructor runs once, and its result is copied.
        attributes = vars(self)
        attributes.update(_blank_attributes())
        attributes.update(
            _request=request,
            _internal_response=raw,
            _status_code=raw.status,
            _reason=raw.reason,
            _content_type=headers.get("content-type"),
            _headers=headers,
            _block_size=block_size,
            _where=where,
            _read_timeout=read_timeout,
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
        raw: aiohttp.ClientResponse = self._internal_response
        where = self._where
        encoding = self.headers.get("content-encoding")
        decoder = Decoder(encoding) if decompress and encoding else None
        try:
            async for piece in raw.content.iter_chunked(self._block_size):
                data = decoder.decode(piece) if decoder else piece
                if data:
                    yield data
            if decoder:
                decoder.finish()
        except ValueError as error:
            raise not_decodable(where, encoding, error) from error
        except asyncio.TimeoutError as error:
            raise not_complete(where, "", error, self._read_timeout) from error
        except (aiohttp.ClientError, OSError) as error:
            raise not_complete(where, error, error) from error


@cache
def _blank_attributes() -> dict[str, Any]:
    return dict(vars(AsyncHttpResponseImpl(**BLANK_RESPONSE, stream_download_generator=_stream_download)))


def _stream_download(*, response: AiohttpResponse, decompress: bool = True, **_: Any) -> AsyncIterator[bytes]:
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


def failure_of(error: Exception, where: str, connect: float, read: float, *, answered: bool) -> Exception:
    """Return azure-core's error, or a ValueError, for one of aiohttp's.

    Not to be called where aiohttp's error is being handled: what it says may show the URL and the headers of the
    request, and an error made there would show it too. It becomes the cause where it shows neither.

    :param Exception error: What sending raised.
    :param str where: The name of the connection, for the text.
    :param float connect: Limit for connecting, in seconds.
    :param float read: Seconds that were waited for an answer, if that is what failed.
    :keyword bool answered: Whether the head of an answer had come.
    :return: The error to raise.
    :rtype: Exception
    """
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return not_sent(where, "", None, connect)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return not_sent(where, f"the proxy says {error.status} {error.message}", None)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _caused_by(error, not_sent(where, error, error))
    if isinstance(error, UnicodeError):
        return not_sent(where, "the name of the host is not valid", None)
    if isinstance(error, ValueError):  # aiohttp's InvalidURL is one, too
        return ValueError(f"The method, URL or a header of the request is not valid HTTP ({type(error).__name__})")
    return _failure_after_sending(error, where, read if isinstance(error, asyncio.TimeoutError) else None, answered)


def _failure_after_sending(error: Exception, where: str, seconds: float | None, answered: bool) -> Exception:
    if isinstance(error, aiohttp.ClientResponseError):
        return not_answered(where, f"it is not HTTP ({error.message.partition(chr(10))[0]})", None)
    if answered:
        return _caused_by(error, not_complete(where, error, error, seconds))
    return _caused_by(error, not_answered(where, error, error, seconds))


def _caused_by(cause: Exception, failure: Exception) -> Exception:
    failure.__cause__ = cause
    return failure
