"""The caller's request as the pipeline gets it: a copy with an absolute URL, its own headers, and a body of bytes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from . import _types as types
from ._configuration import Configuration

DEFAULT_MAX_MESSAGE_SIZE = 1024 * 1024


def outgoing(request: Any, config: Configuration, options: dict[str, Any], *, own: bool) -> types.HttpRequest:
    """Return the copy of a request that may be changed on its way; the caller's own stays as it is.

    A text body is encoded, and a stream or an iterable is read into memory, from where it stands, so that the body
    has a length in bytes, for the service takes no chunked bodies, and can be sent again. A stream that can be is
    wound back. Asynchronous iterables and forms stay for the transport.

    :raises TypeError: if it is no request, or its body is of no type that can be sent.
    :raises ValueError: if it is for the service and its body is larger than ``max_message_size``.
    """
    if not (hasattr(request, "url") and hasattr(request, "headers") and hasattr(request, "content")):
        raise TypeError(
            f"request must be an azure.core.rest.HttpRequest, such as a build_..._request function returns,"
            f" not {type(request).__name__}"
        )
    limit = options.pop("max_message_size", config.options.get("max_message_size", DEFAULT_MAX_MESSAGE_SIZE))
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        raise TypeError(f"max_message_size must be a number of bytes or None, not {type(limit).__name__}")
    sent: types.HttpRequest = request
    if not own:
        sent = copy.copy(request)
        sent.headers = request.headers.copy()
    sent.url = config.endpoint.join(request.url)
    body = request.content
    if body is None or getattr(request, "_files", None):
        return sent
    if (
        limit is not None
        and not (isinstance(body, bytes) and len(body) <= limit)
        and not config.endpoint.covers(sent.url)
    ):
        limit = None  # another server has limits of its own
    if not isinstance(body, bytes):
        read = _in_memory(body, limit)
        if read is None:
            return sent
        body = read
        sent._data = body  # noqa: SLF001 - azure-core has no public way to set a body
        sent.headers["Content-Length"] = str(len(body))
    _check_size(len(body), limit)
    return sent


def _check_size(size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise ValueError(
            f"the body has {size} bytes or more, above the {limit} that the service takes in one message:"
            f" split it, or send a link to it (max_message_size=None lets the service decide)"
        )


def _in_memory(body: Any, limit: int | None) -> bytes | None:
    """Return a body as bytes, or None if that is up to the transport; reads no more than shows that it is too large."""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    if hasattr(body, "read"):
        return _read(body, limit)
    if isinstance(body, Mapping) or hasattr(body, "__aiter__") or not isinstance(body, Iterable):
        return None
    pieces: list[bytes] = []
    size = 0
    for piece in body:
        data = _as_bytes(piece, "a piece of the body")
        size += len(data)
        _check_size(size, limit)
        pieces.append(data)
    return b"".join(pieces)


def _read(stream: Any, limit: int | None) -> bytes:
    from inspect import isawaitable

    position = stream.tell() if hasattr(stream, "seek") and getattr(stream, "seekable", bool)() else None
    data = stream.read() if limit is None else stream.read(limit + 1)
    if isawaitable(data):
        if hasattr(data, "close"):
            data.close()
        raise TypeError("the body is an asynchronous stream: read it first, and send what it held")
    if position is not None:
        stream.seek(position)
    return _as_bytes(data, "what the stream of the body held")


def _as_bytes(data: Any, what: str) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"{what} must be bytes or str, not {type(data).__name__}")
