"""Body and headers of an azure-core request as they go on the wire, for both transports.

Pure, but for reading the text streams and files of a form. The client's own operations send bytes, which pass through.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ._connection_options import ACCEPT_ENCODING

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest

_METHODS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
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
        return data, {"Content-Length": str(len(data) if not isinstance(data, memoryview) else data.nbytes)}
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


def wire_form(request: HttpRequest) -> tuple[Any, list[tuple[str, str]]]:
    """Return a request's body and headers, both complete and as they go on the wire."""
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
    elif not names & _FRAMING and (body is not None or request.method in _METHODS_WITH_BODY):
        headers.append(("Content-Length", str(len(body or b""))))
    if "accept-encoding" not in names:
        headers.append(("Accept-Encoding", ACCEPT_ENCODING))
    return body, headers
