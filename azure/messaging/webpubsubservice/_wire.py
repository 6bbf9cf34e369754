"""Requests and answers as they are on the wire: bodies, headers, decompression, for both transports.

Pure, but for reading the text streams and files of a form. The client's own operations send bytes, which pass through.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest

_ACCEPT_ENCODING = "gzip, deflate"
_METHODS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
BLANK_RESPONSE: dict[str, Any] = dict.fromkeys(
    ("request", "internal_response", "status_code", "reason", "content_type", "headers")
)
"""The arguments of azure-core's response classes, to be filled in later."""
_FRAMING = frozenset(("content-length", "transfer-encoding"))


def _encode_body(request: HttpRequest) -> tuple[Any, dict[str, str]]:
    """Return the body of a request and the headers that describe it and that the request itself leaves out.

    Text becomes UTF-8, form data and files are encoded; streams and iterables stay what they are, with
    ``Transfer-Encoding: chunked`` where their length cannot be known.

    :param request: The request.
    :type request: ~azure.core.rest.HttpRequest
    :return: The body (None for none) and headers to add to the request's.
    :rtype: tuple[Any, dict[str, str]]
    """
    # azure-core keeps form fields and files apart, and shows them under these two names of its older request class.
    data = getattr(request, "data", None)
    files = getattr(request, "files", None)
    if files:
        return _multipart(data, files)
    if data is None:
        return None, {}
    if isinstance(data, Mapping):
        encoded = urlencode(data, doseq=True).encode("ascii")
        return encoded, {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(encoded))}
    if isinstance(data, io.TextIOBase):
        data = data.read()
    if isinstance(data, str):
        data = data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        # azure-core counts characters, which is too few for text outside ASCII.
        data = bytes(data)
        return data, {"Content-Length": str(len(data))}
    if "content-length" in request.headers:
        return data, {}
    length = _remaining(data)
    return data, {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}


def _remaining(stream: Any) -> int | None:
    """Return how many bytes a stream has from where it stands, None if it does not tell."""
    try:
        position = stream.tell()
        end = stream.seek(0, os.SEEK_END)
        stream.seek(position)
    except (AttributeError, OSError, ValueError):
        return None
    return int(end) - int(position)


def _multipart(data: Mapping[str, Any] | None, files: Any) -> tuple[bytes, dict[str, str]]:
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
    body, described = encode_multipart_formdata(fields)
    return body, {"Content-Type": described, "Content-Length": str(len(body))}


def wire_form(request: HttpRequest) -> tuple[Any, list[tuple[str, str]], set[str]]:
    """Return a request's body and headers, complete and as they go on the wire, and the headers' names in lower case.

    The host is left to who knows the connection.

    :param request: The request.
    :type request: ~azure.core.rest.HttpRequest
    :return: Body (None for none), headers, names.
    :rtype: tuple[Any, list[tuple[str, str]], set[str]]
    """
    body = request.content
    headers = [(name, value) for name, value in request.headers.items() if value is not None]
    names = {name.lower() for name, _ in headers}
    if body is not None and not isinstance(body, bytes):
        body, described = _encode_body(request)
        length = described.pop("Content-Length", None)
        if length is not None:
            headers = [item for item in headers if item[0].lower() != "content-length"]
            headers.append(("Content-Length", length))
        headers += [(name, value) for name, value in described.items() if name.lower() not in names]
        names.update(name.lower() for name in described)
    elif not names & _FRAMING and (body is not None or request.method in _METHODS_WITH_BODY):
        headers.append(("Content-Length", str(len(body or b""))))
    if "accept-encoding" not in names:
        headers.append(("Accept-Encoding", _ACCEPT_ENCODING))
    return body, headers, names


class Headers(MutableMapping[str, str]):
    """The headers of an answer, found in any letter case; the values of a name that comes twice are one list.

    :param fields: Names and values as they came.
    :type fields: list[tuple[str, str]]
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        found = {field[0].lower(): field for field in fields}
        if len(found) != len(fields):
            found = {}
            for name, value in fields:
                key = name.lower()
                found[key] = (found[key][0], f"{found[key][1]}, {value}") if key in found else (name, value)
        self._fields = found

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()][1]

    def __setitem__(self, name: str, value: str) -> None:
        self._fields[name.lower()] = (name, value)

    def __delitem__(self, name: str) -> None:
        del self._fields[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._fields.values()])

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return {key: field[1] for key, field in self._fields.items()} == {
            str(name).lower(): value for name, value in other.items()
        }

    __hash__ = None  # type: ignore[assignment]  # as any mapping that can be changed

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header's value, or the default."""
        field = self._fields.get(name.lower())
        return default if field is None else field[1]

    def copy(self) -> Headers:
        """Return the same headers, to be changed apart from these."""
        return Headers(list(self._fields.values()))

    def __repr__(self) -> str:
        return repr(dict(self))


class Decoder:
    """Undoes the gzip and deflate of a body, piece by piece; what it does not know it leaves as it is.

    :param str encoding: The Content-Encoding.
    """

    def __init__(self, encoding: str) -> None:
        known = {"gzip": 31, "x-gzip": 31, "deflate": zlib.MAX_WBITS}
        bits = [known.get(name.strip().lower()) for name in encoding.split(",")]
        # Applied in the order of the header, so undone in the other.
        self._layers: list[_Inflater] = [_Inflater(number) for number in reversed(bits) if number is not None]

    def decode(self, data: bytes) -> bytes:
        """Return what a piece decodes to, perhaps nothing yet.

        :raises ValueError: if the data is not what the encoding says.
        """
        for layer in self._layers:
            data = layer.decode(data)
        return data

    def finish(self) -> None:
        """Check that nothing is missing, after the last piece.

        :raises ValueError: if the data ended early.
        """
        for layer in self._layers:
            layer.check_end()


class _Inflater:
    __slots__ = ("_bits", "_inner", "_started")

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._inner = zlib.decompressobj(bits)
        self._started = False

    def decode(self, data: bytes) -> bytes:
        out = []
        try:
            while data:
                if self._inner.eof:  # gzip may come in several members, one after the other
                    self._inner = zlib.decompressobj(self._bits)
                out.append(self._decompress(data))
                self._started = True
                data = self._inner.unused_data
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return b"".join(out)

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._inner.decompress(data)
        except zlib.error:
            if self._started or self._bits != zlib.MAX_WBITS:
                raise
        # Some servers send deflate without the zlib header that the specification asks for.
        self._bits = -zlib.MAX_WBITS
        self._inner = zlib.decompressobj(self._bits)
        return self._inner.decompress(data)

    def check_end(self) -> None:
        if self._started and not self._inner.eof:
            raise ValueError("the data ended early")
