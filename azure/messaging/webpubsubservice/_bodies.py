"""A request's body as bytes, and the headers that frame it, the same for every transport."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

# What says where a request ends, and what becomes of the connection, is ours: one request would become two.
_OURS = {"content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer"}
_OURS |= {"upgrade", "expect"}
_is_name = lru_cache(256)(re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch)  # few come, again and again
_VALUES = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def wire_form(request: Any) -> tuple[bytes | None, dict[str, str]]:
    """Return a request's body and headers as they go on the wire; framing headers of the caller's are left out."""
    body = request.content
    if body is not None and not isinstance(body, bytes):
        if isinstance(body, Mapping) or getattr(request, "_files", None):
            raise TypeError("the service takes no forms and no files: send what they hold as content")
        body = as_bytes(body)
    headers = {
        name: str.__str__(value) if isinstance(value, str) else str(value)  # of an enumeration, its value
        for name in request.headers  # azure-core's items() take twice as long
        if (value := request.headers[name]) is not None and name.lower() not in _OURS
    }
    if not (all(map(_is_name, [request.method, *headers])) and _VALUES.fullmatch("".join(headers.values()))):
        # The values are not shown: one of them may be a token.
        raise ValueError(
            f"The method or a header of the request is not valid HTTP: {request.method!r}, {sorted(headers)}"
        )
    if body is not None or request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(body or b""))
    return body, headers


def as_bytes(data: Any, most: int | None = None) -> bytes:
    """Return what a body holds: text, bytes, a stream from where it stands, which is wound back, or an iterable.

    No more than a little above ``most`` is read, for a body may have no end.
    """
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if hasattr(data, "read"):
        position = data.tell() if hasattr(data, "seek") and getattr(data, "seekable", bool)() else None
        read = data.read() if most is None else data.read(most + 1)
        if position is not None:
            data.seek(position)
        if hasattr(read, "__await__"):
            getattr(read, "close", bool)()
            raise TypeError("the body is an asynchronous stream: read it first, and send what it held")
        return as_bytes(read)
    if isinstance(data, Iterable):
        whole = bytearray()
        for piece in data:
            whole += as_bytes(piece, most)
            if most is not None and len(whole) > most:
                break
        return bytes(whole)
    if hasattr(data, "__aiter__"):
        raise TypeError("An async iterable cannot be the body of a request to the sync client")
    raise TypeError(f"a body is bytes, str, or a stream or an iterable of these, not {type(data).__name__}")
