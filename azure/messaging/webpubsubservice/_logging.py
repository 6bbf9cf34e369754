"""DEBUG records of requests and answers, as azure-core writes them, but without credentials."""

from __future__ import annotations

import re
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import NetworkTraceLoggingPolicy
from azure.core.utils import CaseInsensitiveDict

_REDACTED = "REDACTED"
_SECRET_HEADERS = {"authorization", "proxy-authorization", "x-ms-authorization-auxiliary", "cookie", "set-cookie"}
_SECRETS = (
    re.compile(r"(access_token=)[^&\s\"']+", re.IGNORECASE),
    re.compile(r"(\"(?:access_?)?token\"\s*:\s*\")[^\"]+", re.IGNORECASE),
    re.compile(r"(accesskey=)[^;\s\"']+", re.IGNORECASE),
    re.compile(r"()eyJ[\w-]+\.[\w-]+\.[\w-]*"),  # a JWT
)


def redact(text: str) -> str:
    """Return text without tokens: those of URLs and of JSON, everything that looks like a JWT, and access keys."""
    for secret in _SECRETS:
        text = secret.sub(rf"\g<1>{_REDACTED}", text)
    return text


class RedactedLoggingPolicy(NetworkTraceLoggingPolicy):
    """Logs requests and answers at DEBUG when ``logging_enable`` is set for the client or the call.

    Belongs at the end of the chain, where a request is as it will be sent.
    """

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Log the request."""
        context = request.context
        # azure-core takes the option out of those for the transport; a redirect within the attempt finds it here.
        context.options.setdefault("logging_enable", context.get("logging_enable", self.enable_http_logger))
        shown: Any = _Redacted(request.http_request)
        super().on_request(PipelineRequest(shown, context))

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Log the answer."""
        shown: Any = _Redacted(response.http_response)
        super().on_response(request, PipelineResponse(response.http_request, shown, response.context))


class _Redacted:
    """A request or an answer as it may be shown."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._shown, name)
        return redact(value) if isinstance(value, str) else value

    @property
    def headers(self) -> CaseInsensitiveDict:
        return CaseInsensitiveDict(
            (name, _REDACTED if name.lower() in _SECRET_HEADERS else redact(str(value)))
            for name, value in self._shown.headers.items()
        )

    @property
    def body(self) -> str:
        content = self._shown.content
        if isinstance(content, bytes | bytearray):
            try:
                content = content.decode()
            except UnicodeDecodeError:
                return f"{len(content)} bytes of binary data"
        return redact(content) if isinstance(content, str) else content and f"A body of type {type(content).__name__}"

    def text(self) -> str:
        return self.body
