"""The caller's request as the pipeline gets it: a copy with an absolute URL, its own headers, and a body of bytes."""

from __future__ import annotations

import copy
from typing import Any

from azure.core.rest import HttpRequest
from azure.core.utils import case_insensitive_dict

from ._endpoint import Endpoint

DEFAULT_MAX_MESSAGE_SIZE = 1024 * 1024


def outgoing(request: HttpRequest, endpoint: Endpoint, max_message_size: int | None) -> HttpRequest:
    """Return the copy of a request that may be changed on its way; the caller's own stays as it is.

    A text body is encoded and a stream is read into memory, from where it stands, so that the body has a length in
    bytes, for the service takes no chunked bodies, and can be sent again. A stream that can be is wound back.

    :raises TypeError: if it is no request.
    :raises ValueError: if the body is larger than ``max_message_size``.
    """
    if not hasattr(request, "url") or not hasattr(request, "headers"):
        raise TypeError(
            f"request must be an azure.core.rest.HttpRequest, such as a build_..._request function returns,"
            f" not {type(request).__name__}"
        )
    sent = copy.copy(request)
    sent.headers = case_insensitive_dict(request.headers)
    sent.url = endpoint.join(request.url)
    body = request.content
    if isinstance(body, str):
        body = body.encode()
        _set_body(sent, body)
    elif hasattr(body, "read"):
        body = _read(body)
        if body is not None:
            _set_body(sent, body)
    if max_message_size is not None and isinstance(body, bytes) and len(body) > max_message_size:
        raise ValueError(
            f"the body has {len(body)} bytes, more than the {max_message_size} that the service takes in one message:"
            f" split it, or send a link to it (max_message_size=None lets the service decide)"
        )
    return sent


def _set_body(request: HttpRequest, body: bytes) -> None:
    request._data = body  # noqa: SLF001 - azure-core has no public way to set a body
    request.headers["Content-Length"] = str(len(body))
    request.headers.pop("Transfer-Encoding", None)


def _read(stream: Any) -> bytes | None:
    position = stream.tell() if hasattr(stream, "seek") and getattr(stream, "seekable", bool)() else None
    data = stream.read()
    if position is not None:
        stream.seek(position)
    if isinstance(data, str):
        return data.encode()
    return data if isinstance(data, bytes) else None
