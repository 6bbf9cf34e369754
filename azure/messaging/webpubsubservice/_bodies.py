"""Bodies, the same for both transports: a request's as bytes with the headers that frame it, an answer's decoded.

Pure, but for reading the text streams and files of a form. The client's own operations send bytes, which pass through.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest

MAX_ANSWER = 64 << 20
"""Most bytes of an answer that is read into memory: a larger one is to be streamed."""
MAX_DECODED = 16 << 20
"""Most bytes that an encoded answer may decode to: the service's are small, and 661 bytes can become 600 MB."""
_MAX_MEMBERS = 100
_MAX_LAYERS = 3
_METHODS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
# What says where a request ends, and what becomes of the connection, is ours: one request would become two.
_OURS = frozenset(
    [
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    ]
)
_TOKENS = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+\n)+")
_BREAKS = re.compile(r"[\r\n\0]")


def check_head(method: str, headers: Mapping[str, str]) -> None:
    """Refuse a method or a header that is not valid HTTP.

    :param str method: The method.
    :param headers: The headers.
    :type headers: Mapping[str, str]
    :raises ValueError: if one is not; the values are not shown, for one of them may be a token.
    """
    tokens = "\n".join([method, *headers, ""])
    values = "".join(headers.values())
    if tokens.count("\n") == len(headers) + 1 and _TOKENS.fullmatch(tokens) and not _BREAKS.search(values):
        with suppress(UnicodeEncodeError):
            values.encode("latin-1")
            return
    raise ValueError(f"The method or a header of the request is not valid HTTP: {method!r}, {sorted(headers)}")


def headers_for_the_wire(request: HttpRequest) -> dict[str, str]:
    """Return the headers of a request as they may be sent: how its body is framed is ours to say, not the caller's.

    The host is left to who knows the connection.

    :param request: The request.
    :type request: ~azure.core.rest.HttpRequest
    :raises ValueError: if the method or a header is not valid HTTP.
    """
    body = request.content
    headers = {
        name: value if isinstance(value, str) else str(value)
        for name, value in request.headers.items()
        if value is not None and name.lower() not in _OURS
    }
    check_head(request.method, headers)
    if isinstance(body, bytes) or (body is None and request.method in _METHODS_WITH_BODY):
        headers["Content-Length"] = str(len(body or b""))
    return headers


def wire_form(request: HttpRequest) -> tuple[bytes | None, dict[str, str], set[str]]:
    """Return a request's body and headers as they go on the wire, and the headers' names in lower case.

    :param request: The request. An asynchronous body was read before.
    :type request: ~azure.core.rest.HttpRequest
    :return: Body (None for none), headers, names.
    :rtype: tuple[bytes or None, dict[str, str], set[str]]
    :raises TypeError: if the body is of no type that can be sent.
    :raises ValueError: if the method or a header is not valid HTTP.
    """
    body = request.content
    headers = headers_for_the_wire(request)
    names = {name.lower() for name in headers}
    if body is not None and not isinstance(body, bytes):
        body, content_type = _encode(request)
        if body is not None:
            headers["Content-Length"] = str(len(body))
        if content_type is not None and "content-type" not in names:
            headers["Content-Type"] = content_type
            names.add("content-type")
    return body, headers, names


def _encode(request: HttpRequest) -> tuple[bytes | None, str | None]:
    """Return a body that is not bytes as bytes, and the content type of a form."""
    # azure-core keeps form fields and files apart, and shows them under these two names of its older request class.
    data: Any = getattr(request, "data", None)
    files: Any = getattr(request, "files", None)
    if files:
        return _multipart(data, files)
    if data is None:
        return None, None
    if isinstance(data, Mapping):
        return urlencode(data, doseq=True).encode("ascii"), "application/x-www-form-urlencoded"
    return as_bytes(data), None


def as_bytes(data: Any) -> bytes:
    """Return what a body holds: text, a stream, or an iterable of pieces.

    :param data: The body.
    :type data: Any
    :raises TypeError: if it is none of these.
    """
    if hasattr(data, "read"):
        data = data.read()
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, Iterable):
        return b"".join([as_bytes(piece) for piece in data])
    if hasattr(data, "__aiter__"):
        raise TypeError("An async iterable cannot be the body of a request to the sync client")
    raise TypeError(
        f"The body of a request is bytes, text, or a stream or an iterable of these, not {type(data).__name__}"
    )


def _multipart(data: Mapping[str, Any] | None, files: Any) -> tuple[bytes, str]:
    from urllib3.filepost import encode_multipart_formdata

    fields: list[tuple[str, Any]] = []
    for name, value in (data or {}).items():
        values = value if isinstance(value, (list, tuple)) else [value]
        fields.extend((name, item if isinstance(item, (str, bytes)) else str(item)) for item in values)
    items: Iterable[tuple[str, Any]] = files.items() if isinstance(files, Mapping) else files
    for name, value in items:
        # azure-core has normalised every file to (file name or None, content[, content type]).
        filename, content, *content_type = value
        if hasattr(content, "read"):
            content = content.read()
        fields.append((name, (filename, content, *content_type) if filename or content_type else content))
    return encode_multipart_formdata(fields)


class Decoder:
    """Undoes the gzip and deflate of a body, piece by piece; what it does not know it leaves as it is.

    urllib3 and aiohttp decode too, but neither bounds what comes of it.

    :param str encoding: The Content-Encoding.
    """

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        known = {"gzip": 31, "x-gzip": 31, "deflate": zlib.MAX_WBITS}
        bits = [known.get(name.strip().lower()) for name in encoding.split(",")]
        # Applied in the order of the header, so undone in the other.
        self._layers: list[_Inflater] = [_Inflater(number) for number in reversed(bits) if number is not None]

    def decode(self, data: bytes, *, last: bool = False) -> bytes:
        """Return what a piece decodes to, perhaps nothing yet.

        :param bytes data: The piece.
        :keyword bool last: Whether there is no other, so that nothing may be missing.
        :raises ValueError: if the data is not what the encoding says, or decodes to too much.
        """
        if len(self._layers) > _MAX_LAYERS:
            raise ValueError("it is encoded too many times")
        for layer in self._layers:
            data = layer.decode(data)
            if last:
                layer.check_end()
        return data


class _Inflater:
    __slots__ = ("_bits", "_inner", "_left", "_members")

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._inner = zlib.decompressobj(bits)
        self._left = MAX_DECODED
        self._members = 0  # begun

    def decode(self, data: bytes) -> bytes:
        out = []
        try:
            while data:
                if self._inner.eof:  # gzip may come in several members, one after the other
                    self._inner = zlib.decompressobj(self._bits)
                    self._members += 1
                piece = self._decompress(data)
                out.append(piece)
                self._members = self._members or 1
                self._left -= len(piece)
                if self._left < 0 or self._members > _MAX_MEMBERS:
                    raise ValueError(f"it decodes to more than {MAX_DECODED >> 20} MiB, or from too many parts")
                data = self._inner.unused_data
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return b"".join(out)

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._inner.decompress(data, self._left + 1)
        except zlib.error:
            if self._members or self._bits != zlib.MAX_WBITS:
                raise
        # Some servers send deflate without the zlib header that the specification asks for.
        self._bits = -zlib.MAX_WBITS
        self._inner = zlib.decompressobj(self._bits)
        return self._inner.decompress(data, self._left + 1)

    def check_end(self) -> None:
        if self._members and not self._inner.eof:
            raise ValueError("the data ended early")
