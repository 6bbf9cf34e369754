"""The azure-core policies of ours, and the chain that both clients use.

From the outside in: headers, request id and user agent; the reverse proxy; retries; redirects; credentials, so that
each attempt is signed for its own URL; then those that look on (hooks, logging, tracing), which a request passes only
when there is something to see.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import ip_address
from time import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from azure.core.pipeline import PipelineContext, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    BearerTokenCredentialPolicy,
    CustomHookPolicy,
    DistributedTracingPolicy,
    HeadersPolicy,
    HttpLoggingPolicy,
    HTTPPolicy,
    RequestIdPolicy,
    SensitiveHeaderCleanupPolicy,
    UserAgentPolicy,
)
from azure.core.rest import HttpRequest
from azure.core.settings import settings

from ._configuration import Configuration
from ._endpoint import Endpoint
from ._logging import RedactedLoggingPolicy
from ._outgoing import DEFAULT_MAX_MESSAGE_SIZE, outgoing
from ._tokens import rest_token
from ._version import VERSION

DEFAULT_SCOPE = "https://webpubsub.azure.com/.default"
_MONIKER = f"messaging-webpubsubservice/{VERSION}"
_HTTP_LOGGER = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
_SIGNED = "webpubsub_signed"
_LOOKED_ON = "webpubsub_looked_on"
_TRACED = "webpubsub_traced"

_REQUEST_ID = "x-ms-client-request-id"
# Options of a client that azure-core's own policies for the introduction of a request have to see to.
_INTRODUCING = (
    "request_id",
    "auto_request_id",
    "request_id_header_name",
    "user_agent_overwrite",
    "request_id_policy",
    "headers_policy",
    "user_agent_policy",
)

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
    "blocked_redirect_headers",
)

# Options of a call that none of them takes.
_FOR_THE_TRANSPORT = frozenset(
    {"stream", "connection_timeout", "read_timeout", "deadline", "connection_verify", "connection_cert", "proxies"}
)


class HandOnPolicy(HTTPPolicy[Any, Any]):
    """Changes a request and hands it on.

    Serves both colours, for it returns what the next policy returns, a response or an awaitable of one. azure-core
    would wrap a SansIOHTTPPolicy for the async client in three coroutines for each request.
    """

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Change the request; leaves it as it is."""

    def send(self, request: PipelineRequest[Any]) -> Any:
        """Send the request on."""
        self.on_request(request)
        return self.next.send(request)


class AccessKeyPolicy(HandOnPolicy):
    """Signs each attempt with the access key, for the service alone: no other host ever sees a token.

    Belongs inside the retry and redirect policies.

    :param config: Its credential is asked for the key each time, so that a rotated key takes effect at once.
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
            request.context[_SIGNED] = True
        elif request.context.get(_SIGNED):
            # A redirect led away from the service: the token of the attempt before must not go with it.
            http_request.headers.pop("Authorization", None)

    def __repr__(self) -> str:
        return f"<AccessKeyPolicy endpoint:{self._config.endpoint.base!r}>"


class ReverseProxyPolicy(HandOnPolicy):
    """Sends requests for the endpoint to a reverse proxy: scheme, host, port and path prefix change, the rest stays.

    Belongs outside the retry policy.
    """

    def __init__(self, endpoint: Endpoint, proxy: Endpoint) -> None:
        self._endpoint = endpoint
        self._proxy = proxy

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Rewrite the request's URL."""
        rest = self._endpoint.below(request.http_request.url)
        if rest is not None:
            request.http_request.url = self._proxy.base + rest


class IntroductionPolicy(HandOnPolicy):
    """Does what azure-core's three policies for request id, headers and User-Agent do, in one step.

    They are asked themselves where a call has options, which may be for them.
    """

    def __init__(self, request_id: RequestIdPolicy, headers: HeadersPolicy, user_agent: UserAgentPolicy) -> None:
        self._policies = (request_id, headers, user_agent)
        self._headers = headers.headers
        # What AZURE_HTTP_USER_AGENT says is read here, once, as all of the environment is.
        self._user_agent = user_agent.user_agent

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Add the headers."""
        if request.context.options:
            for policy in self._policies:
                policy.on_request(request)
            return
        headers = request.http_request.headers
        if _REQUEST_ID not in headers:
            headers[_REQUEST_ID] = str(uuid4())
        if self._headers:
            headers.update(self._headers)
        if "User-Agent" not in headers:
            headers["User-Agent"] = self._user_agent


def prepare_for_entra(config: Configuration, request: PipelineRequest[Any]) -> bool:
    """Say whether an Entra token may go with the request, and let it go to this machine without TLS."""
    url = request.http_request.url
    if signed_url(config, url) is None:
        if request.context.get(_SIGNED):
            request.http_request.headers.pop("Authorization", None)
        request.context.options.pop("enforce_https", None)
        return False
    if "enforce_https" not in request.context.options and is_loopback((config.reverse_proxy or config.endpoint).host):
        request.context["enforce_https"] = False
    request.context[_SIGNED] = True
    return True


class EntraPolicy(BearerTokenCredentialPolicy[Any, Any]):
    """azure-core's bearer policy, for the service alone: no other host ever sees a token."""

    def __init__(self, config: Configuration, scopes: list[str]) -> None:
        super().__init__(config.credential, *scopes)
        self._config = config

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Authorize the request if it is for the service, and send it on."""
        return super().send(request) if prepare_for_entra(self._config, request) else self.next.send(request)


class AsyncEntraPolicy(AsyncBearerTokenCredentialPolicy[Any, Any]):
    """azure-core's bearer policy, for the service alone: no other host ever sees a token."""

    def __init__(self, config: Configuration, scopes: list[str]) -> None:
        super().__init__(config.credential, *scopes)
        self._config = config

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Authorize the request if it is for the service, and send it on."""
        if prepare_for_entra(self._config, request):
            return await super().send(request)
        return await self.next.send(request)


def followable(redirect: type[Any]) -> Callable[..., Any]:
    """Return azure-core's redirect policy of either colour, which an answer cannot lead to something that is no URL.

    Such an answer is the result, as it is.
    """

    def get_redirect_location(self: Any, response: PipelineResponse[Any, Any]) -> Any:
        location = redirect.get_redirect_location(self, response)
        return location if location and _is_location(str(location)) else None

    return type(redirect.__name__, (redirect,), {"get_redirect_location": get_redirect_location})


def _is_location(text: str) -> bool:
    try:
        parts = urlsplit(text)
        hash(parts.port)  # reading it checks it
    except ValueError:
        return False
    if not parts.scheme and not parts.netloc:
        return True  # a path
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


class SpareOptionsPolicy(HandOnPolicy):
    """Drops options that azure-core's policies leave behind when they have nothing to do. The last of the chain."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Keep them from the transport."""
        for name in ("network_span_namer", "tracing_attributes", "user_agent_overwrite"):
            request.context.options.pop(name, None)


def signed_url(config: Configuration, url: str) -> str | None:
    """Return the URL that a token has to name, before any reverse proxy; None if ``url`` is not the service's."""
    if config.endpoint.covers(url):
        return url
    if config.reverse_proxy is not None:
        rest = config.reverse_proxy.below(url)
        if rest is not None:
            return config.endpoint.base + rest
    return None


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, as the emulator's is."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class LookOnPolicy(HandOnPolicy):
    """Lets a request pass the policies that come after it, or hands it straight to the transport.

    :param always: Whether an option of the client makes one of them do something for every request.
    """

    def __init__(self, *, always: bool) -> None:
        self._always = always
        self.transport: Any = None
        """What sends a request; set when the chain is made."""

    def send(self, request: PipelineRequest[Any]) -> Any:
        """Send the request on."""
        context = request.context
        # Policies take their options out, so what was decided first holds also after a redirect.
        looked_on = context.get(_LOOKED_ON)
        if context.get("insecure_domain_change"):
            looked_on = True  # a redirect led to another domain: SensitiveHeaderCleanupPolicy has to see to it
        if looked_on is None:
            looked_on = context[_LOOKED_ON] = bool(
                self._always
                or context.get(_TRACED)
                or not _FOR_THE_TRANSPORT.issuperset(context.options)
                or _HTTP_LOGGER.isEnabledFor(logging.INFO)
            )
        return (self.next if looked_on else self.transport).send(request)


class Chain:
    """The policies of one client, and how a request gets through them.

    :param config: What the client is made of.
    :param transport: What sends the requests.
    :param last: The policies between ours and a transport of the caller's own; empty for a transport of ours.
    :param pipeline: azure-core's pipeline class, of the client's colour.
    :param retry: The retry policy's class, likewise.
    :param redirect: The redirect policy's class, likewise.
    :param credentials: The class of the policy for a TokenCredential, likewise.
    """

    def __init__(
        self,
        config: Configuration,
        transport: Any,
        last: list[Any],
        pipeline: Callable[[Any, list[Any]], Any],
        *,
        retry: Callable[..., Any],
        redirect: type[Any],
        credentials: Callable[[Configuration, list[str]], Any],
    ) -> None:
        options = dict(config.options)
        self._config = config
        self._transport = transport
        self._max_message_size = options.pop("max_message_size", DEFAULT_MAX_MESSAGE_SIZE)
        policies = options.pop("policies", None)
        if policies is None:
            # azure-core links the policies of a pipeline to each other, and the last one to what runs the transport.
            look_on = LookOnPolicy(always=any(options.get(name) for name in _LOOKING_ON))
            short_cut = HandOnPolicy()
            pipeline(transport, [short_cut, *last])
            look_on.transport = short_cut.next
            policies = _policies(config, options, look_on, retry=retry, redirect=redirect, credentials=credentials)
            policies += last
        first = HandOnPolicy()
        self.pipeline = pipeline(transport, [first, *policies])
        # A pipeline's own run() would look for multipart batches first, which this service does not know.
        self._first: Any = first.next

    def send(self, request: HttpRequest, options: dict[str, Any], *, own: bool, traced: bool | None = None) -> Any:
        """Send a request through the policies, and return the PipelineResponse or an awaitable of it.

        :param own: Whether the request was made for this call, so that it need not be copied.
        :param traced: Whether tracing wants to hear of it; None if nobody has asked yet.
        :raises TypeError: if the request is none.
        :raises ValueError: if the body is larger than the service takes.
        """
        limit = options.pop("max_message_size", self._max_message_size)
        sent = outgoing(request, self._config.endpoint, limit, own=own)
        context = PipelineContext(self._transport, **options)
        context[_TRACED] = settings.tracing_enabled() if traced is None else traced
        return self._first.send(PipelineRequest(sent, context))

    @staticmethod
    def span_options(options: dict[str, Any]) -> dict[str, Any] | None:
        """Return what azure-core's tracing decorators take of a call's options; None if no span is wanted."""
        asked: dict[str, Any] = {name: options.pop(name) for name in ("merge_span", "parent_span") if name in options}
        tracing = options.get("tracing_options") or {}
        if not tracing.get("enabled", settings.tracing_enabled()):
            return None
        shared: dict[str, Any] = {
            name: options[name] for name in ("tracing_options", "tracing_attributes") if name in options
        }
        return {**asked, **shared}


def _policies(
    config: Configuration,
    options: dict[str, Any],
    look_on: LookOnPolicy,
    *,
    retry: Callable[..., Any],
    redirect: type[Any],
    credentials: Callable[[Configuration, list[str]], Any],
) -> list[Any]:
    """Return the policies of a client, in their order."""
    options["sdk_moniker"] = options.get("sdk_moniker") or _MONIKER
    headers = options.pop("headers", None)
    scopes = options.pop("credential_scopes", None) or [DEFAULT_SCOPE]
    enabled = bool(options.get("logging_enable", False))

    def policy(name: str, default: Callable[[], Any]) -> Any:
        chosen = options.get(name)
        return default() if chosen is None else chosen

    introduction: list[Any] = [
        policy("request_id_policy", lambda: RequestIdPolicy(**options)),
        policy("headers_policy", lambda: HeadersPolicy(dict(headers or {}))),
        policy("user_agent_policy", lambda: UserAgentPolicy(**options)),
    ]
    if not any(name in options for name in _INTRODUCING):
        introduction = [IntroductionPolicy(*introduction)]
    policies = [
        *introduction,
        policy("proxy_policy", lambda: _reverse_proxy(config)),
        *_several(options.get("per_call_policies")),
        policy("retry_policy", lambda: retry(**options)),
        policy("redirect_policy", lambda: followable(redirect)(**options)),
        *_several(options.get("per_retry_policies")),
        policy(
            "authentication_policy",
            lambda: AccessKeyPolicy(config) if config.access_key() is not None else credentials(config, scopes),
        ),
        look_on,
        policy("custom_hook_policy", lambda: CustomHookPolicy(**options)),
        policy("logging_policy", lambda: RedactedLoggingPolicy(logging_enable=enabled)),
        DistributedTracingPolicy(**options),
        SensitiveHeaderCleanupPolicy(**options),
        policy("http_logging_policy", lambda: HttpLoggingPolicy(**options)),
        SpareOptionsPolicy(),
    ]
    return [each for each in policies if each is not None]


def _reverse_proxy(config: Configuration) -> ReverseProxyPolicy | None:
    return None if config.reverse_proxy is None else ReverseProxyPolicy(config.endpoint, config.reverse_proxy)


def _several(policies: Any) -> list[Any]:
    if policies is None:
        return []
    return list(policies) if isinstance(policies, list | tuple) else [policies]
