"""The azure-core policies of ours, and the list of all that a request passes, for both clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import cached_property
from math import inf
from os import urandom
from time import monotonic, time
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from azure.core.exceptions import ServiceRequestTimeoutError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline import policies as core

from ._configuration import Configuration
from ._endpoint import Endpoint, is_loopback
from ._errors import ENTRA, KEY, SIGNED_WITH
from ._logging import RedactedLoggingPolicy
from ._names import text
from ._retry import AsyncSendAwareRetryPolicy, SendAwareRetryPolicy, within
from ._tokens import rest_token
from ._version import VERSION

T = TypeVar("T")

"a".encode("idna")  # sockets load this encoding with the first name, under a lock that a fork would find taken

_SCOPE = "https://webpubsub.azure.com/.default"
_MONIKER = f"messaging-webpubsubservice/{VERSION}"
_HTTP_LOGGER = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
_LOOKED_ON = "webpubsub_looked_on"

# Options of a client that make one of the policies that look on do something for every request.
_LOOKING_ON = (
    *("raw_request_hook", "raw_response_hook", "custom_hook_policy", "redirect_policy"),
    *("logging_enable", "logging_policy", "logger", "http_logging_level", "http_logging_policy"),
)
# Options of a call that none of them takes.
_FOR_THE_TRANSPORT = frozenset(
    {"stream", "connection_timeout", "read_timeout", "deadline", "connection_verify", "connection_cert", "proxies"}
)


def policies(config: Configuration) -> list[Any]:
    """Return what a request passes, from the outside in; azure-core leaves out what is None."""
    given, asynchronous = config.options, config.asynchronous
    last: list[Any] = []
    if given.get("transport") is not None:
        from ._callers_transport import AsyncCallersTransportPolicy, CallersTransportPolicy  # for such a one alone

        last = [(AsyncCallersTransportPolicy if asynchronous else CallersTransportPolicy)(given)]
    if given.get("policies") is not None:
        return [*given["policies"], *last]
    options = {**given, "sdk_moniker": given.get("sdk_moniker") or _MONIKER}
    headers = {name: text(value) for name, value in (given.get("headers") or {}).items()}
    retry: Callable[..., Any] = AsyncSendAwareRetryPolicy if asynchronous else SendAwareRetryPolicy
    redirect: Callable[..., Any] = AsyncSameOriginRedirectPolicy if asynchronous else SameOriginRedirectPolicy
    entra: Callable[..., Any] = AsyncEntraPolicy if asynchronous else EntraPolicy
    end = EndPolicy()
    ours = {
        "request_id_policy": ForRequestsPolicy(RandomRequestIdPolicy(**options)),
        "headers_policy": ForRequestsPolicy(core.HeadersPolicy(headers)),
        "user_agent_policy": ForRequestsPolicy(AsciiUserAgentPolicy(**options)),
        "proxy_policy": config.reverse_proxy and ReverseProxyPolicy(config.endpoint, config.reverse_proxy),
        "per_call_policies": None,
        # From here on once for each attempt, which is signed for its own URL.
        "retry_policy": retry(**options),
        "redirect_policy": redirect(config, **options),
        "per_retry_policies": None,
        "authentication_policy": entra(config) if config.access_key() is None else AccessKeyPolicy(config),
        # What looks on, and mostly has nothing to see.
        "step over": StepOverPolicy(end, always=any(given.get(name) for name in _LOOKING_ON)),
        "custom_hook_policy": core.CustomHookPolicy(**options),
        "logging_policy": RedactedLoggingPolicy(logging_enable=bool(given.get("logging_enable"))),
        "tracing": core.DistributedTracingPolicy(**options),
        "cleanup": core.SensitiveHeaderCleanupPolicy(**options) if given.get("redirect_policy") else None,
        "http_logging_policy": core.HttpLoggingPolicy(**options),
        "end": end,
    }
    chain: list[Any] = []
    for name, default in ours.items():
        policy: Any = default if given.get(name) is None else given[name]
        chain += policy if isinstance(policy, list | tuple) else [policy]
    return chain + last


class HandOnPolicy(core.HTTPPolicy[Any, Any]):
    """Changes a request and hands it on.

    Serves both clients, for it returns what the next policy returns, a response or an awaitable of one. azure-core
    would wrap a SansIOHTTPPolicy for the asynchronous client in three coroutines for each request.
    """

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Change the request; leaves it as it is."""

    def send(self, request: PipelineRequest[Any]) -> Any:
        """Send the request on."""
        self.on_request(request)
        return self.next.send(request)


class ForRequestsPolicy(HandOnPolicy):
    """One of azure-core's policies that change requests and see no answer."""

    def __init__(self, policy: core.SansIOHTTPPolicy[Any, Any]) -> None:
        self.on_request = policy.on_request  # type: ignore[assignment,method-assign]


class RandomRequestIdPolicy(core.RequestIdPolicy):
    """azure-core's, with a random id: its own tells the machine's address, and asks the system, which takes long."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._name = options.get("request_id_header_name", "x-ms-client-request-id")
        self._is_chosen = "request_id" in options or not options.get("auto_request_id", True)

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Add the header."""
        if self._is_chosen or "request_id" in request.context.options:
            super().on_request(request)
        elif self._name not in request.http_request.headers:
            it = urandom(16).hex()  # in the form of uuid4(), which takes a fiftieth of a send
            request.http_request.headers[self._name] = f"{it[:8]}-{it[8:12]}-4{it[13:16]}-a{it[17:20]}-{it[20:]}"


class AsciiUserAgentPolicy(core.UserAgentPolicy):
    """azure-core's, but what is not ASCII, as a system's name may be, is a question mark."""

    @cached_property
    def user_agent(self) -> str:
        """The User-Agent; the environment's part of it as it was at the first request."""
        return super().user_agent.encode("ascii", "replace").decode("ascii")


def signed_url(config: Configuration, url: str) -> str | None:
    """Return the URL that a token has to name, before any reverse proxy; None if ``url`` is not the service's."""
    if config.endpoint.below(url) is not None:
        return url
    rest = None if config.reverse_proxy is None else config.reverse_proxy.below(url)
    return None if rest is None else config.endpoint.base + rest


def url_to_sign(config: Configuration, request: PipelineRequest[Any], by: str) -> str | None:
    """Return the URL that a token has to name; None if the request is for another host: no such one sees a token.

    The policies of both kinds of credentials belong inside the retry and redirect policies.
    """
    url = signed_url(config, request.http_request.url)
    if url is not None:
        request.context[SIGNED_WITH] = by
    elif SIGNED_WITH in request.context:
        request.http_request.headers.pop("Authorization", None)  # the caller's redirect policy led away
    return url


class AccessKeyPolicy(HandOnPolicy):
    """Signs each attempt with the access key, for the service alone."""

    def __init__(self, config: Configuration) -> None:
        self._config = config

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Put a token for the request's URL into its headers."""
        request.context.options.pop("enforce_https", None)  # it is about Entra ID
        url = url_to_sign(self._config, request, KEY)
        if url is not None:
            token = rest_token(url, self._config.access_key() or "", user=self._config.user, now=int(time()))
            request.http_request.headers["Authorization"] = f"Bearer {token}"

    def __repr__(self) -> str:
        return f"<AccessKeyPolicy endpoint:{self._config.endpoint.base!r}>"


class _ForTheService:
    """Lets a bearer policy of azure-core's see the requests for the service alone."""

    next: Any

    def __init__(self, config: Configuration) -> None:
        scopes = config.options.get("credential_scopes") or [_SCOPE]
        super().__init__(config.credential, *scopes)  # type: ignore[call-arg]
        self._config = config

    def send(self, request: PipelineRequest[Any]) -> Any:
        """Authorize the request if it is for the service, and send it on; to this machine also without TLS."""
        config, context = self._config, request.context
        if url_to_sign(config, request, ENTRA) is None:
            context.options.pop("enforce_https", None)
            return self.next.send(request)
        if "enforce_https" not in context.options and is_loopback((config.reverse_proxy or config.endpoint).host):
            context["enforce_https"] = False
        return super().send(request)  # type: ignore[misc]

    def _too_slow(self, started: float) -> ServiceRequestTimeoutError:
        return ServiceRequestTimeoutError(
            f"{type(self._config.credential).__name__} took {monotonic() - started:.1f} s to get a token from Entra ID,"
            f" and the time of this call was over (timeout); the request was not sent"
        )


class EntraPolicy(_ForTheService, core.BearerTokenCredentialPolicy[Any, Any]):
    """azure-core's bearer policy, for the service alone."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Put the credential's token into the request."""
        started = monotonic()
        super().on_request(request)
        if started < request.context.options.get("deadline", inf) <= monotonic():
            raise self._too_slow(started)

    def on_challenge(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> bool:
        """Say whether the challenge of an answer was met; one that cannot be read leaves the answer the result."""
        try:
            return super().on_challenge(request, response)
        except ValueError:
            return False


class AsyncEntraPolicy(_ForTheService, core.AsyncBearerTokenCredentialPolicy[Any, Any]):
    """azure-core's bearer policy, for the service alone."""

    async def on_request(self, request: PipelineRequest[Any]) -> None:
        """Put the credential's token into the request, which may take no longer than the call."""
        await self._in_time(super().on_request(request), request)

    async def _in_time(self, getting: Coroutine[Any, Any, T], request: PipelineRequest[Any]) -> T:
        started = monotonic()
        deadline = request.context.options.get("deadline", inf)
        try:
            return await within(None if deadline == inf else max(deadline - started, 0), getting)
        except asyncio.TimeoutError as error:
            if monotonic() < deadline:
                raise  # the credential's own
            raise self._too_slow(started) from error

    async def on_challenge(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> bool:
        """Say whether the challenge of an answer was met; one that cannot be read leaves the answer the result."""
        try:
            return await self._in_time(super().on_challenge(request, response), request)
        except ValueError:
            return False


class ReverseProxyPolicy(HandOnPolicy):
    """Sends requests for the endpoint to a reverse proxy: scheme, host, port and path prefix change, the rest stays."""

    def __init__(self, endpoint: Endpoint, proxy: Endpoint) -> None:
        self._endpoint, self._proxy = endpoint, proxy

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Rewrite the request's URL."""
        rest = self._endpoint.below(request.http_request.url)
        if rest is not None:
            request.http_request.url = self._proxy.base + rest


class _SameOrigin:
    """Where a redirect may lead: the origin that the request was for, if that is the service's or its proxy's.

    Anywhere else would see the message, cookies and headers of the caller's; such an answer is the result as it is.
    """

    def __init__(self, config: Configuration, **options: Any) -> None:
        super().__init__(**options)
        self._config = config

    def get_redirect_location(self, response: PipelineResponse[Any, Any]) -> Any:
        """Return where to go on, None or False for nowhere."""
        location = super().get_redirect_location(response)  # type: ignore[misc]
        if not location:
            return location
        url = response.http_request.url
        try:
            target = urljoin(url, str(location))
            same = urlsplit(target)[:2] == urlsplit(url)[:2] and str(location).isprintable()
        except ValueError:
            return None  # it is no URL
        return target if same and signed_url(self._config, target) is not None else None


class SameOriginRedirectPolicy(_SameOrigin, core.RedirectPolicy[Any, Any]):
    """azure-core's redirect policy, within the service's own origin."""


class AsyncSameOriginRedirectPolicy(_SameOrigin, core.AsyncRedirectPolicy[Any, Any]):
    """azure-core's redirect policy, within the service's own origin."""


class StepOverPolicy(HandOnPolicy):
    """Steps over the policies between it and ``end`` where they have nothing to do: they cost a fifth of a send."""

    def __init__(self, end: HandOnPolicy, *, always: bool) -> None:
        self._end = end
        self._always = always

    def send(self, request: PipelineRequest[Any]) -> Any:
        """Send the request on, or over."""
        context = request.context
        looked_on = self._always or _LOOKED_ON in context or _HTTP_LOGGER.isEnabledFor(logging.INFO)
        if not looked_on and _FOR_THE_TRANSPORT.issuperset(context.options):
            return self._end.next.send(request)
        context[_LOOKED_ON] = True  # policies take their options out, and are meant to see what comes after a redirect
        return self.next.send(request)


class EndPolicy(HandOnPolicy):
    """Drops options that azure-core's policies leave behind when they have nothing to do: no transport knows them."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Keep them from the transport."""
        for name in ("network_span_namer", "tracing_attributes", "user_agent_overwrite"):
            request.context.options.pop(name, None)
