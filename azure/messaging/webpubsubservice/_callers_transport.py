"""What lies between the policies and a transport of the caller's own, so that this library's promises hold with it too.

Written for azure-core's ``RequestsTransport`` and ``AioHttpTransport``; what is said here of any transport is right for
every other. A client without ``transport=`` does not load this file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from azure.core.exceptions import (
    DecodeError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy, HTTPPolicy

from ._http1 import request_head
from ._logging import redact
from ._retry import nothing_was_sent

# Options of a client that a transport made elsewhere does not know of, but takes with each request.
_OF_THE_CLIENT = ("connection_verify", "connection_cert", "proxies")


class CallersTransportPolicy(HTTPPolicy[Any, Any]):
    """Hands requests to a transport of the caller's own. The last policy.

    :param options: The client's options.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = _of_the_client(options)

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request on.

        :raises TypeError: if its body is asynchronous.
        :raises ValueError: if a header is not valid HTTP.
        """
        if hasattr(request.http_request.content, "__aiter__"):
            raise TypeError("An async iterable cannot be the body of a request to the sync client")
        _prepare(request, self._options)
        if _sends_as("RequestsTransport", request.context.transport):
            # Else requests puts what .netrc says of the host in place of our Authorization.
            request.context.options.setdefault("auth", _as_it_is)
        with _errors_as_promised():
            return self.next.send(request)


class AsyncCallersTransportPolicy(AsyncHTTPPolicy[Any, Any]):
    """Hands requests to a transport of the caller's own. The last policy.

    :param options: The client's options.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = _of_the_client(options)

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request on.

        :raises ValueError: if a header is not valid HTTP.
        """
        _prepare(request, self._options)
        with _errors_as_promised():
            if not _sends_as("AioHttpTransport", request.context.transport):
                return await self.next.send(request)
            with _fit_for_aiohttp(request):
                return await self.next.send(request)


def _of_the_client(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in _OF_THE_CLIENT if options.get(name) is not None}


def _prepare(request: PipelineRequest[Any], of_the_client: dict[str, Any]) -> None:
    """Put the client's options to those of the call, and refuse a header that requests would take for a lost answer."""
    sent = request.http_request
    request_head(sent.method, "/", [(name, str(value)) for name, value in sent.headers.items() if value is not None])
    for name, value in of_the_client.items():
        request.context.options.setdefault(name, value)


@contextmanager
def _errors_as_promised() -> Iterator[None]:
    """Let errors be of the class that our own transports would raise, and show no token.

    azure-core's say ServiceRequestError also where they cannot know that nothing was sent: for every error of
    aiohttp's, and for a TLS connection that breaks under requests. Of a body that cannot be decoded one lets zlib's
    error through, and the other makes a lost answer.
    """
    try:
        yield
    except ServiceResponseError as error:
        _hide_tokens(error)
        if type(error.inner_exception).__name__ == "ContentDecodingError":  # of requests
            raise DecodeError(error.message, error=error.inner_exception) from error
        raise
    except ServiceRequestError as error:
        if nothing_was_sent(error):
            raise
        late = isinstance(error, ServiceRequestTimeoutError)
        kind = ServiceResponseTimeoutError if late else ServiceResponseError
        _hide_tokens(error)
        raise kind(error.message, error=error.inner_exception) from error
    except zlib.error as error:
        raise DecodeError(f"The answer is not what its Content-Encoding says: {error}", error=error) from error


def _hide_tokens(error: BaseException | None) -> None:
    """Take tokens out of what an error and its causes show: aiohttp's hold the request, and what came for an answer."""
    known: list[BaseException] = []
    while error is not None and error not in known:
        known.append(error)
        info = getattr(error, "request_info", None)
        hidden = info
        if info is not None and "Authorization" in info.headers:
            headers = info.headers.copy()
            headers["Authorization"] = "REDACTED"
            hidden = info._replace(headers=headers)
            vars(error)["request_info"] = hidden
        error.args = tuple(
            hidden if each is info else redact(each) if isinstance(each, str) else each for each in error.args
        )
        shown = {name: value for name, value in vars(error).items() if isinstance(value, str)}
        vars(error).update({name: redact(value) for name, value in shown.items()})
        error = error.__cause__ or error.__context__ or getattr(error, "inner_exception", None)


def _as_it_is(request: Any) -> Any:
    return request


def _sends_as(name: str, transport: object) -> bool:
    """Say whether it is this transport of azure-core's that sends; by name, for its library may not be there."""
    send: Any = getattr(type(transport), "send", None)
    return getattr(send, "__qualname__", "") == f"{name}.send" and send.__module__.startswith("azure.core.")


@contextmanager
def _fit_for_aiohttp(request: PipelineRequest[Any]) -> Iterator[None]:
    """Keep aiohttp from writing a URL anew, with fewer escapes than it had: the token in the request is for this one.

    The request itself has its URL back when it was sent.
    """
    make_url: Any = import_module("yarl").URL  # aiohttp brings it
    sent, options = request.http_request, request.context.options
    if isinstance(options.get("connection_cert"), str):
        options["connection_cert"] = (options["connection_cert"],)  # azure-core takes each letter for a path
    url = sent.url
    if str(make_url(url)) == url:
        yield
        return
    proxies = options.pop("proxies", None)
    if proxies and not options.get("proxy"):
        # As azure-core chooses one, which it does by a method of str.
        options["proxy"] = next((proxies[each] for each in sorted(proxies, reverse=True) if url.startswith(each)), None)
    sent.url = make_url(url, encoded=True)
    try:
        yield
    finally:
        sent.url = url
