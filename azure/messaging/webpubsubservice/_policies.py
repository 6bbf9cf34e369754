"""The azure-core policies of ours, and the list of all that a request passes, for both clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from math import inf
from time import monotonic, time
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from azure.core.exceptions import ServiceRequestTimeoutError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncRedirectPolicy,
    BearerTokenCredentialPolicy,
    CustomHookPolicy,
    DistributedTracingPolicy,
    HeadersPolicy,
    HttpLoggingPolicy,
    HTTPPolicy,
    RedirectPolicy,
    RequestIdPolicy,
    SensitiveHeaderCleanupPolicy,
    UserAgentPolicy,
)

from ._configuration import Configuration
from ._endpoint import is_loopback
from ._errors import ENTRA, KEY, SIGNED_WITH
from ._logging import RedactedLoggingPolicy
from ._names import text
from ._retry import AsyncSendAwareRetryPolicy, SendAwareRetryPolicy
from ._tokens import rest_token
from ._version import VERSION

T = TypeVar("T")

"a".encode("idna")  # sockets load this encoding with the first name, under a lock that a fork would find taken

DEFAULT_SCOPE = "https://webpubsub.azure.com/.default"
_MONIKER = f"messaging-webpubsubservice/{VERSION}"
_HTTP_LOGGER = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
_LOOKED_ON = "webpubsub_looked_on"

# Options of a client that make one of the policies that look on do something for every request.
_LOOKING_ON = (
    "logging_enable",
    "raw_request_hook",
    "raw_response_hook",
    "custom_hook_policy",
    "logging_policy",
    "logger",
    "http_logging_level",
    "http_logging_policy",
    "redirect_policy",
)

# Options of a call that none of them takes.
_FOR_THE_TRANSPORT = frozenset(
    {"stream", "connection_timeout", "read_timeout", "deadline", "connection_verify", "connection_cert", "proxies"}
)


def policies(config: Configuration, *, asynchronous: bool) -> list[Any]:
    """Return what a request passes, from the outside in."""
    retry: Callable[..., Any] = AsyncSendAwareRetryPolicy if asynchronous else SendAwareRetryPolicy
    redirect: Callable[..., Any] = AsyncSameOriginRedirectPolicy if asynchronous else SameOriginRedirectPolicy
    credentials: Callable[..., Any] = AsyncEntraPolicy if asynchronous else EntraPolicy
    options = dict(config.options)
    last: list[Any] = []
    if options.get("transport") is not None:
        from ._callers_transport import AsyncCallersTransportPolicy, CallersTransportPolicy  # for such a one alone

        last = [(AsyncCallersTransportPolicy if asynchronous else CallersTransportPolicy)(options)]
    if options.get("policies") is not None:
        return [*options["policies"], *last]
    options["sdk_moniker"] = options.get("sdk_moniker") or _MONIKER
    headers = options.pop("headers", None)
    scopes = options.pop("credential_scopes", None) or [DEFAULT_SCOPE]
    enabled = bool(options.get("logging_enable", False))

    def policy(name: str, default: Callable[[], Any]) -> Any:
        chosen = options.get(name)
        return default() if chosen is None else chosen

    introduction: list[Any] = [
        policy("request_id_policy", lambda: RequestIdPolicy(**options)),
        policy("headers_policy", lambda: HeadersPolicy({name: text(value) for name, value in (headers or {}).items()})),
        policy("user_agent_policy", lambda: AsciiUserAgentPolicy(**options)),
    ]
    if not any(options.get(name) for name in ("request_id_policy", "headers_policy", "user_agent_policy")):
        introduction = [IntroductionPolicy(*introduction)]
    end = EndPolicy()
    ours = [
        *introduction,
        policy("proxy_policy", lambda: None if config.reverse_proxy is None else ReverseProxyPolicy(config)),
        *_several(options.get("per_call_policies")),
        # From here on once for each attempt, which is signed for its own URL.
        policy("retry_policy", lambda: retry(**options)),
        policy("redirect_policy", lambda: redirect(config, **options)),
        *_several(options.get("per_retry_policies")),
        policy(
            "authentication_policy",
            lambda: AccessKeyPolicy(config) if config.access_key() is not None else credentials(config, scopes),
        ),
        # What looks on, and mostly has nothing to see.
        StepOverPolicy(end, always=any(options.get(name) for name in _LOOKING_ON)),
        policy("custom_hook_policy", lambda: CustomHookPolicy(**options)),
        policy("logging_policy", lambda: RedactedLoggingPolicy(logging_enable=enabled)),
        DistributedTracingPolicy(**options),
        SensitiveHeaderCleanupPolicy(**options) if options.get("redirect_policy") else None,
        policy("http_logging_policy", lambda: HttpLoggingPolicy(**options)),
        end,
    ]
    return [each for each in ours if each is not None] + last


def _several(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


class HandOnPolicy(HTTPPolicy[Any, Any]):
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


class IntroductionPolicy(HandOnPolicy):
    """azure-core's policies that introduce a request, in one step: three wrapped ones were a tenth of an async send."""

    def __init__(self, *policies: Any) -> None:
        self._policies = policies

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Add the headers."""
        for policy in self._policies:
            policy.on_request(request)


class AsciiUserAgentPolicy(UserAgentPolicy):
    """azure-core's, but what is not ASCII, as a system's name may be, is a question mark."""

    @property
    def user_agent(self) -> str:
        """The current User-Agent."""
        return super().user_agent.encode("ascii", "replace").decode("ascii")


class AccessKeyPolicy(HandOnPolicy):
    """Signs each attempt with the access key, for the service alone: no other host ever sees a token.

    Belongs inside the retry and redirect policies.
    """

    def __init__(self, config: Configuration) -> None:
        self._config = config

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Put a token for the request's URL into its headers."""
        request.context.options.pop("enforce_https", None)  # it is about Entra ID
        http_request = request.http_request
        url = signed_url(self._config, http_request.url)
        if url is not None:
            token = rest_token(url, self._config.access_key() or "", user=self._config.user, now=time())
            http_request.headers["Authorization"] = f"Bearer {token}"
            request.context[SIGNED_WITH] = KEY
        elif SIGNED_WITH in request.context:
            http_request.headers.pop(
                "Authorization", None
            )  # a redirect policy of the caller's led away from the service

    def __repr__(self) -> str:
        return f"<AccessKeyPolicy endpoint:{self._config.endpoint.base!r}>"


def too_slow(config: Configuration, started: float) -> ServiceRequestTimeoutError:
    """Return the error of a credential that has taken all of the time of a call."""
    return ServiceRequestTimeoutError(
        f"{type(config.credential).__name__} took {monotonic() - started:.1f} s to get a token from Entra ID, and the"
        f" time of this call was over (timeout); the request was not sent"
    )


class _ForTheService:
    """Lets a bearer policy of azure-core's see the requests for the service alone: no other host ever gets a token."""

    next: Any

    def __init__(self, config: Configuration, scopes: list[str]) -> None:
        super().__init__(config.credential, *scopes)  # type: ignore[call-arg]
        self._config = config

    def send(self, request: PipelineRequest[Any]) -> Any:
        """Authorize the request if it is for the service, and send it on; to this machine also without TLS."""
        config, context = self._config, request.context
        if signed_url(config, request.http_request.url) is None:
            if SIGNED_WITH in context:
                request.http_request.headers.pop("Authorization", None)
            context.options.pop("enforce_https", None)
            return self.next.send(request)
        if "enforce_https" not in context.options and is_loopback((config.reverse_proxy or config.endpoint).host):
            context["enforce_https"] = False
        context[SIGNED_WITH] = ENTRA
        return super().send(request)  # type: ignore[misc]


class EntraPolicy(_ForTheService, BearerTokenCredentialPolicy[Any, Any]):
    """azure-core's bearer policy, for the service alone."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Put the credential's token into the request."""
        started = monotonic()
        super().on_request(request)
        if started < request.context.options.get("deadline", inf) <= monotonic():
            raise too_slow(self._config, started)

    def on_challenge(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> bool:
        """Say whether the challenge of an answer was met; one that cannot be read leaves the answer the result."""
        try:
            return super().on_challenge(request, response)
        except ValueError:
            return False


class AsyncEntraPolicy(_ForTheService, AsyncBearerTokenCredentialPolicy[Any, Any]):
    """azure-core's bearer policy, for the service alone."""

    async def on_request(self, request: PipelineRequest[Any]) -> None:
        """Put the credential's token into the request, which may take no longer than the call."""
        await self._in_time(super().on_request(request), request)

    async def _in_time(self, getting: Coroutine[Any, Any, T], request: PipelineRequest[Any]) -> T:
        started = monotonic()
        deadline = request.context.options.get("deadline", inf)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return await getting  # a transport of the caller's own may run on trio
        try:
            return await asyncio.wait_for(getting, None if deadline == inf else max(deadline - started, 0))
        except asyncio.TimeoutError as error:
            if monotonic() < deadline:
                raise  # the credential's own
            raise too_slow(self._config, started) from error

    async def on_challenge(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> bool:
        """Say whether the challenge of an answer was met; one that cannot be read leaves the answer the result."""
        try:
            return await self._in_time(super().on_challenge(request, response), request)
        except ValueError:
            return False


def signed_url(config: Configuration, url: str) -> str | None:
    """Return the URL that a token has to name, before any reverse proxy; None if ``url`` is not the service's."""
    if config.endpoint.covers(url):
        return url
    if config.reverse_proxy is not None:
        rest = config.reverse_proxy.below(url)
        if rest is not None:
            return config.endpoint.base + rest
    return None


class ReverseProxyPolicy(HandOnPolicy):
    """Sends requests for the endpoint to a reverse proxy: scheme, host, port and path prefix change, the rest stays.

    Belongs outside the retry policy.
    """

    def __init__(self, config: Configuration) -> None:
        self._endpoint = config.endpoint
        self._proxy: Any = config.reverse_proxy

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


class SameOriginRedirectPolicy(_SameOrigin, RedirectPolicy[Any, Any]):
    """azure-core's redirect policy, within the service's own origin."""


class AsyncSameOriginRedirectPolicy(_SameOrigin, AsyncRedirectPolicy[Any, Any]):
    """azure-core's redirect policy, within the service's own origin."""


class StepOverPolicy(HandOnPolicy):
    """Steps over the policies between it and ``end`` where they have nothing to do: they cost a fifth of a send."""

    def __init__(self, end: HandOnPolicy, *, always: bool) -> None:
        self._end = end
        self._always = always

    def send(self, request: PipelineRequest[Any]) -> Any:
        """Send the request on, or over."""
        context = request.context
        # Policies take their options out, so what was decided first holds also after a redirect.
        looked_on = context.get(_LOOKED_ON)
        if looked_on is None:
            looked_on = context[_LOOKED_ON] = bool(
                self._always
                or not _FOR_THE_TRANSPORT.issuperset(context.options)
                or _HTTP_LOGGER.isEnabledFor(logging.INFO)
            )
        return (self.next if looked_on else self._end).send(request)


class EndPolicy(HandOnPolicy):
    """Drops options that azure-core's policies leave behind when they have nothing to do: no transport knows them."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Keep them from the transport."""
        for name in ("network_span_namer", "tracing_attributes", "user_agent_overwrite"):
            request.context.options.pop(name, None)
