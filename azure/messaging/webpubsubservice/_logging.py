"""DEBUG records of requests and answers, as azure-core writes them, but without credentials."""

from __future__ import annotations

import logging
import re
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy

# azure-core's own logger: what users have configured for the other Azure libraries holds here too.
_LOGGER = logging.getLogger("azure.core.pipeline.policies._universal")
_REDACTED = "REDACTED"
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "x-ms-authorization-auxiliary", "cookie", "set-cookie"}
)
_ACCESS_TOKEN = re.compile(r"(access_token=)[^&\s\"']+", re.IGNORECASE)
_TOKEN = re.compile(r"(\"(?:access_?)?token\"\s*:\s*\")[^\"]+", re.IGNORECASE)
_ACCESS_KEY = re.compile(r"(accesskey=)[^;\s\"']+", re.IGNORECASE)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


def redact(text: str) -> str:
    """Return text without tokens: those of URLs and of JSON, everything that looks like a JWT, and access keys."""
    for secret in (_ACCESS_TOKEN, _TOKEN, _ACCESS_KEY):
        text = secret.sub(rf"\g<1>{_REDACTED}", text)
    return _JWT.sub(_REDACTED, text)


class RedactedLoggingPolicy(SansIOHTTPPolicy[Any, Any]):
    """Logs requests and answers at DEBUG when ``logging_enable`` is set for the client or the call.

    Belongs at the end of the chain, where a request is as it will be sent.
    """

    def __init__(self, *, logging_enable: bool = False) -> None:
        self._enabled = logging_enable

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Log the request."""
        # The option is taken out, for the transport must not see it; a redirect within the attempt finds it here.
        enabled = request.context.options.pop("logging_enable", request.context.get("logging_enable", self._enabled))
        request.context["logging_enable"] = enabled
        if enabled and _LOGGER.isEnabledFor(logging.DEBUG):
            http_request = request.http_request
            _LOGGER.debug(
                "Request URL: %r\nRequest method: %r\nRequest headers:%s\nRequest body:\n%s",
                redact(http_request.url),
                http_request.method,
                _headers(http_request.headers),
                _body(http_request.content),
            )

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Log the answer."""
        if request.context.get("logging_enable") and _LOGGER.isEnabledFor(logging.DEBUG):
            http_response = response.http_response
            streamed = request.context.options.get("stream", False)
            _LOGGER.debug(
                "Response status: %s\nResponse headers:%s\nResponse content:\n%s",
                http_response.status_code,
                _headers(http_response.headers),
                "Body is streamable." if streamed else _body(http_response.content),
            )


def _headers(headers: Any) -> str:
    return "".join(
        f"\n    {name!r}: {_REDACTED if name.lower() in _SECRET_HEADERS else redact(str(value))!r}"
        for name, value in headers.items()
    )


def _body(content: Any) -> str:
    if not content:
        return "This message has no body"
    if isinstance(content, (bytes, bytearray)):
        try:
            content = content.decode()
        except UnicodeDecodeError:
            return f"{len(content)} bytes of binary data"
    return redact(content) if isinstance(content, str) else f"A body of type {type(content).__name__}"
