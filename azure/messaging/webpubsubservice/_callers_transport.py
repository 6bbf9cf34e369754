"""What lies between the policies and a transport of the caller's own: what protects secrets and delivery, no more.

Written for azure-core's transports on requests and aiohttp; what is said here of any transport is right for every
other. A client without ``transport=`` does not load this file.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

from azure.core import exceptions as core
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy, HTTPPolicy
from azure.core.pipeline.transport import AsyncHttpTransport, RequestsTransport

from ._bodies import wire_form
from ._either_transport import proxy_refusal
from ._logging import redact
from ._retry import within

# Options of a client that a transport made elsewhere does not know of, but takes with each request.
_OF_THE_CLIENT = ("connection_timeout", "read_timeout", "connection_verify", "connection_cert", "proxies")
# What each attempt may take where neither the client nor the transport says it.
_LIMITS = {"connection_timeout": ("timeout", 5.0), "read_timeout": ("read_timeout", 10.0)}
# What requests, urllib3 and ssl raise before a request is sent, and only then.
_BEFORE_SENDING = frozenset(
    ("ConnectTimeout", "ConnectTimeoutError", "NewConnectionError", "ProxyError", "SSLCertVerificationError")
)
# The transport's own limits end an attempt at the deadline, and tell whether anything was sent.
_GRACE = 0.1
_SHORTEST = 0.001  # 0 would mean something else to a socket


class CallersTransportPolicy(HTTPPolicy[Any, Any]):
    """Hands requests to a transport of the caller's own. The last policy."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request on."""
        if hasattr(request.http_request.content, "__aiter__"):
            raise TypeError("An async iterable cannot be the body of a request to the sync client")
        _prepare(request, self._options)
        with _errors_as_promised():
            return self.next.send(request)


class AsyncCallersTransportPolicy(AsyncHTTPPolicy[Any, Any]):
    """Hands requests to a transport of the caller's own. The last policy."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request on, and give up at the deadline."""
        left = _prepare(request, self._options)
        with _errors_as_promised():
            try:
                return await within(None if left is None else left + _GRACE, self.next.send(request))
            except asyncio.TimeoutError as error:
                late = "The answer was not complete at the timeout"
                raise core.ServiceResponseTimeoutError(late, error=error) from error


def _prepare(request: PipelineRequest[Any], of_the_client: Mapping[str, Any]) -> float | None:
    """Complete a request and its options; return the seconds until its deadline, None if there is none."""
    sent, context = request.http_request, request.context
    options, transport = context.options, context.transport
    if sent.content is None or isinstance(sent.content, bytes):  # else it is a form, which the transport encodes
        _, headers = wire_form(sent)  # refuses what requests would take for a lost answer
        sent.headers.clear()
        sent.headers.update(headers)
    for name in _OF_THE_CLIENT:
        if options.get(name) is None and of_the_client.get(name) is not None:
            options[name] = of_the_client[name]
    if isinstance(transport, RequestsTransport) and not getattr(transport.session, "auth", None):
        # Else requests puts what .netrc says of the host in place of our Authorization.
        options.setdefault("auth", lambda prepared: prepared)
    deadline = options.pop("deadline", None)
    if deadline is None:
        return None
    left = max(deadline - monotonic(), _SHORTEST)
    own = getattr(transport, "connection_config", None)  # what azure-core's transports keep theirs in
    for name, (own_name, usual) in _LIMITS.items():
        limit = options.get(name) or getattr(own, own_name, None)
        limit = limit if isinstance(limit, (int, float)) else usual
        if own is not None or name in options or limit > left:
            options[name] = min(limit, left)
    if isinstance(transport, RequestsTransport) and isinstance(transport, AsyncHttpTransport):
        options["connection_timeout"] = options.pop("read_timeout")  # these know one limit for both
    return float(left)


@contextmanager
def _errors_as_promised() -> Iterator[None]:
    """Let errors be of the class that our own transports would raise, and show no token.

    azure-core's say ServiceRequestError also where they cannot know that nothing was sent: for every error of
    aiohttp's, and for a TLS connection that breaks under requests. Of a body that cannot be decoded one lets zlib's
    error through, and the other makes a lost answer.
    """
    refusal = None
    try:
        yield
    except (core.ServiceRequestError, core.ServiceResponseError) as error:
        _hide_tokens(error)
        refusal = proxy_refusal("the service", error.message)
        if refusal is None:
            if type(error.inner_exception).__name__ == "ContentDecodingError":  # of requests
                raise core.DecodeError(error.message, error=error.inner_exception) from error
            if isinstance(error, core.ServiceResponseError) or _nothing_was_sent(error):
                raise
            late = isinstance(error, core.ServiceRequestTimeoutError)
            kind = core.ServiceResponseTimeoutError if late else core.ServiceResponseError
            raise kind(error.message, error=error.inner_exception) from error
    except zlib.error as error:
        raise core.DecodeError(f"The answer is not what its Content-Encoding says: {error}", error=error) from error
    if refusal is not None:
        raise refusal from None  # the context, which "with" sets here too, is aiohttp's error and shows the password


def _nothing_was_sent(error: core.ServiceRequestError) -> bool:
    """Say whether no byte of the request can have reached the service: the classes of the causes tell.

    By name, for the libraries may not be there.
    """
    cause: Any = error.inner_exception or error.__cause__
    names: set[str] = set()
    while isinstance(cause, BaseException):
        names |= {kind.__name__ for kind in type(cause).__mro__}
        inner = next((each for each in cause.args if isinstance(each, BaseException)), None)
        cause = getattr(cause, "reason", inner)
    if "RequestException" in names:  # of requests
        return not names.isdisjoint(_BEFORE_SENDING)
    return "ClientError" not in names or not names.isdisjoint({"ClientConnectorError", "ConnectionTimeoutError"})


def _hide_tokens(error: BaseException | None) -> None:
    """Take tokens out of what an error and its causes show: aiohttp's hold the request, and what came for an answer."""
    known: list[BaseException] = []
    while error is not None and error not in known:
        known.append(error)
        error.args = tuple(map(_hidden, error.args))
        vars(error).update({name: _hidden(value) for name, value in vars(error).items()})
        error = error.__cause__ or error.__context__ or getattr(error, "inner_exception", None)


def _hidden(value: Any) -> Any:
    if type(value).__name__ == "RequestInfo":
        return value._replace(headers={})
    return redact(value) if isinstance(value, str) else value
