"""The caller's request as the pipeline gets it: a copy with an absolute URL, its own headers, and a body of bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _types as types
from ._configuration import Configuration

DEFAULT_MAX_MESSAGE_SIZE = 1024 * 1024


def outgoing(request: Any, config: Configuration, options: dict[str, Any], *, own: bool) -> types.HttpRequest:
    """Return the copy of a request that may be changed on its way; the caller's own stays as it is.

    Its body becomes bytes, which have a length and can be sent again: the service takes no chunked bodies.
    Asynchronous iterables and forms are left to the transport. A request that was made for this call alone (``own``)
    need not be copied; ``max_message_size`` is taken out of the options.
    """
    if not own and not all(hasattr(request, name) for name in ("url", "headers", "content")):
        raise TypeError(
            f"request must be an azure.core.rest.HttpRequest, such as a build_..._request function returns,"
            f" not {type(request).__name__}"
        )
    limit = options.pop("max_message_size", config.options.get("max_message_size", DEFAULT_MAX_MESSAGE_SIZE))
    sent: types.HttpRequest = request
    if own:  # it has no parts, but azure-core asks by older names, which are slow to find: a twentieth of a send
        vars(sent).update(url=config.endpoint.join(sent.url), multipart_mixed_info=None, prepare_multipart_body=int)
    else:
        from copy import copy

        sent = copy(request)
        sent.url, sent.headers = config.endpoint.join(sent.url), request.headers.copy()
    body = request.content
    if body is None or (isinstance(body, bytes) and (limit is None or len(body) <= limit)):
        return sent
    if getattr(request, "_files", None) or isinstance(body, Mapping) or hasattr(body, "__aiter__"):
        return sent
    if config.endpoint.below(sent.url) is None:
        limit = None  # another server has limits of its own
    if not isinstance(body, bytes):
        from ._bodies import as_bytes

        body = as_bytes(body, limit)
        sent._data = body  # noqa: SLF001 - azure-core has no public way to set a body
        sent.headers["Content-Length"] = str(len(body))
    if limit is not None and len(body) > limit:
        raise ValueError(
            f"the body has {len(body)} bytes or more, above the {limit} that the service takes in one message:"
            f" split it, or send a link to it (max_message_size=None lets the service decide)"
        )
    return sent
