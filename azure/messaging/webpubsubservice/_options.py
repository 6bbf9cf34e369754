"""The keywords that a client, its calls and the request builders take, each written down once.

A ``TypedDict`` tells checkers and editors; its names are also what is checked at run time, so that a misspelt
keyword is a ``TypeError`` here and not a surprise in the transport.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from ._names import text
from ._request import QueryValue

if TYPE_CHECKING:
    import logging

# Names of the Azure guideline, and what azure-core calls the same.
_ALIASES = {"client_request_id": "request_id", "response_hook": "raw_response_hook"}


class PipelineOptions(TypedDict, total=False):
    """What azure-core's policies and the transport take, for a whole client and for one call."""

    timeout: float | None
    """Seconds over all attempts and the waits between them. Default 30."""
    connection_timeout: float | None
    """Seconds to connect. Default 5."""
    read_timeout: float | None
    """Seconds to wait for the next bytes of an answer. Default 10."""
    retry_sends: bool
    """Repeat sends (POST) that may have reached the service: delivers at least once, perhaps twice. Default False."""
    retry_total: int
    """Attempts after the first one, whatever the reason. Default 10; 0 turns retries off."""
    retry_connect: int
    """Attempts after failures to connect. Default 3."""
    retry_read: int
    """Attempts after lost answers. Default 3."""
    retry_status: int
    """Attempts after answers that ask for one, such as 429 and 503. Default 3."""
    retry_backoff_factor: float
    """Seconds that waits grow from. Default 0.8."""
    retry_backoff_max: float
    """Seconds that a wait grows to. Default 120."""
    retry_on_methods: Any
    """The HTTP methods to repeat in place of azure-core's own."""
    connection_verify: bool | str | None
    """Whether to check the server's certificate, or the path of a CA bundle to check it with."""
    connection_cert: str | tuple[str, str] | None
    """Path of a client certificate with its key, or the paths of both."""
    proxies: Mapping[str, str] | None
    """Proxy URLs by scheme, in place of those that the environment names."""
    user_agent: str
    """Text to put before the User-Agent."""
    user_agent_overwrite: bool
    """Send ``user_agent`` alone."""
    request_id: str | None
    """Value of ``x-ms-client-request-id`` in place of a random one."""
    client_request_id: str | None
    """The guideline's name of ``request_id``."""
    logging_enable: bool
    """Log requests and answers at DEBUG, with credentials left out."""
    logger: logging.Logger
    """Where azure-core's INFO records of requests go."""
    http_logging_level: int
    """The level of those records. Default INFO."""
    raw_request_hook: Callable[[Any], None]
    """Called with each PipelineRequest before it is sent."""
    raw_response_hook: Callable[[Any], None]
    """Called with each PipelineResponse."""
    response_hook: Callable[[Any], None]
    """The guideline's name of ``raw_response_hook``."""
    permit_redirects: bool
    """Whether to follow redirects, which is done within the endpoint's own origin only. Default True."""
    redirect_max: int
    """How many redirects to follow. Default 30."""
    redirect_remove_headers: Any
    """Headers to leave out after a redirect."""
    enforce_https: bool
    """With Entra ID: whether to refuse plain http. Default True, but for loopback hosts."""
    tracing_options: Mapping[str, Any]
    """azure-core's options for distributed tracing, such as ``{"enabled": True}``."""
    tracing_attributes: Mapping[str, Any]
    """Attributes for the span."""
    network_span_namer: Callable[[Any], str]
    """Names the span of the HTTP request."""
    max_message_size: int | None
    """Bytes above which a body is refused before it is sent; None never refuses. Default 1048576, as the service."""


class CallOptions(PipelineOptions, total=False):
    """What every operation takes besides its own keywords."""

    hub: str | None
    """Name of the hub, in place of the client's."""
    api_version: str | None
    """The service's api-version, in place of the client's; ``None`` leaves it out."""
    params: Mapping[str, QueryValue] | None
    """More query parameters. Values that are percent-encoded already stay as they are."""
    headers: Mapping[str, str] | None
    """More request headers."""
    cls: Callable[[Any, Any, Any], Any]
    """Called with the PipelineResponse, the result and ``{}``; its result is returned instead."""
    error_map: Mapping[int, Callable[..., Any]]
    """What to raise for a status: ``error_map[status](response=response)``."""
    merge_span: bool
    """Do not open a span of its own for the operation."""
    parent_span: Any
    """The span that the operation's span belongs to."""


class SendRequestOptions(PipelineOptions, total=False):
    """What ``send_request`` takes besides the request."""

    headers: Mapping[str, str]
    """Headers to put in place of the request's."""


class RequestOptions(TypedDict, total=False):
    """Options that every request builder takes."""

    api_version: str | None
    """The service's api-version; ``None`` leaves it out of the query. Default ``"2024-12-01"``."""
    params: Mapping[str, QueryValue] | None
    """More query parameters. Values that are percent-encoded already stay as they are."""
    headers: Mapping[str, str] | None
    """More request headers."""
    template_url: str | None
    """Another URL template, with the same placeholders, such as ``/v2/hubs/{hub}/:send``."""


class ClientOptions(PipelineOptions, total=False):
    """What the constructors of both clients take."""

    api_version: str
    """The service's api-version. Default ``"2024-12-01"``."""
    reverse_proxy_endpoint: str | None
    """URL of a reverse proxy (API Management, Application Gateway) that REST requests go through."""
    port: int | str | None
    """Port of the endpoint, in place of the one in its URL."""
    user: str | None
    """User name that REST tokens carry."""
    application_id: str
    """The application's name, before all else in the User-Agent; at most 24 characters, as Azure's guideline has it."""
    max_connections: int
    """Most connections that the client keeps open; further requests wait for one within ``timeout``. Default 100."""
    credential_scopes: list[str] | str
    """Scopes to ask Entra ID for. Default ``https://webpubsub.azure.com/.default``."""
    headers: Mapping[str, str]
    """Headers of every request."""
    transport: Any
    """An azure-core transport to send through, such as ``RequestsTransport()``. Closed with the client.

    It reads the environment itself, has its own ``use_env_settings``, and is given the keywords of a call that nothing
    else takes."""
    policies: Any
    """The whole list of policies, in place of ours: nothing is signed unless one of them does."""
    per_call_policies: Any
    """A policy, or several, to run once for each call."""
    per_retry_policies: Any
    """A policy, or several, to run for each attempt."""
    authentication_policy: Any
    """A policy in place of the one of that name."""
    custom_hook_policy: Any
    """A policy in place of the one of that name."""
    headers_policy: Any
    """A policy in place of the one of that name."""
    http_logging_policy: Any
    """A policy in place of the one of that name."""
    logging_policy: Any
    """A policy in place of the one of that name."""
    proxy_policy: Any
    """A policy in place of the reverse proxy's."""
    redirect_policy: Any
    """A policy in place of the one of that name."""
    request_id_policy: Any
    """A policy in place of the one of that name."""
    retry_policy: Any
    """A policy in place of the one of that name."""
    user_agent_policy: Any
    """A policy in place of the one of that name."""
    base_user_agent: str
    """The whole User-Agent but for ``user_agent``."""
    sdk_moniker: str
    """The name and version in the User-Agent."""
    user_agent_use_env: bool
    """Whether ``AZURE_HTTP_USER_AGENT`` is added to the User-Agent. Default True."""
    auto_request_id: bool
    """Whether to send a random ``x-ms-client-request-id``. Default True."""
    request_id_header_name: str
    """Another name for that header."""
    retry_mode: Any
    """``exponential`` (the default) or ``fixed`` waits."""
    retry_on_status_codes: list[int]
    """More statuses to repeat PUT, DELETE, HEAD and GET for."""
    use_env_settings: bool
    """Whether proxy and CA variables of the environment count; they are read once, here. Default True."""
    additional_allowed_query_params: list[str]
    """Query parameters that azure-core's INFO records may show."""
    blocked_redirect_headers: list[str]
    """Headers to leave out after a redirect to another host."""
    disable_redirect_cleanup: bool
    """Keep those headers."""
    instrumentation_config: Mapping[str, Any]
    """What spans say of the library that makes them."""
    tracing_enabled: bool
    """Accepted for code written for 1.0.0b1, where it had no effect; use ``tracing_options``."""


# Each class has the names of those it extends.
_CLIENT = frozenset(ClientOptions.__annotations__)
_CALL = frozenset(PipelineOptions.__annotations__) | {"headers"}
_NUMBERS = {
    name
    for name, hint in ClientOptions.__annotations__.items()
    if hint.__forward_arg__ in {"int", "float", "int | None", "float | None"}
}
_TIMEOUTS = frozenset({"timeout", "connection_timeout", "read_timeout"})
_LONGEST = 7 * 86400.0  # what azure-core takes for "no limit"; a socket's limit cannot be infinite
_MOST_OF_APPLICATION_ID = 24
_TELLING = 4  # letters that tell what a longer name is


def client_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a client under the names of its parts; refuse those and values that no part takes."""
    _refuse_unknown(options, _CLIENT, "WebPubSubServiceClient()")
    checked = _checked(options)
    if isinstance(checked.get("credential_scopes"), str):
        checked["credential_scopes"] = [checked["credential_scopes"]]
    application = checked.pop("application_id", None)
    if application:
        if len(application) > _MOST_OF_APPLICATION_ID:
            raise ValueError(f"application_id has {len(application)} characters, of at most {_MOST_OF_APPLICATION_ID}")
        checked["user_agent"] = " ".join(filter(None, (application, checked.get("user_agent"))))
    return checked


def call_options(options: Mapping[str, Any], method: Callable[..., Any], *, may_have_others: bool) -> dict[str, Any]:
    """Return the keywords of a call under the names of the pipeline's parts, and refuse those that no part takes."""
    if not may_have_others and not options.keys() <= _CALL:
        from inspect import signature

        own = frozenset(signature(method).parameters) - {"options"}
        others = {"hub", "api_version", "params", "cls", "error_map"}
        _refuse_unknown(options, _CALL | own | others, f"{method.__name__}()")
    return _checked(options)


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    checked = {_ALIASES.get(name, name): text(value) for name, value in options.items()}
    for name in _NUMBERS & checked.keys():
        value = checked[name]
        if isinstance(value, str | bytes | bool):
            raise TypeError(
                f"{name} must be a number, not {type(value).__name__}: convert it, as in {name}=float(text)"
            )
        if name in _TIMEOUTS and value is not None:
            if not value > 0:
                raise ValueError(f"{name} must be a number of seconds above 0, not {value!r}")
            checked[name] = min(value, _LONGEST)
    return checked


def _refuse_unknown(options: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    if options.keys() <= known:
        return
    from difflib import get_close_matches

    joined = {each.replace("_", ""): each for each in sorted(known)}  # 'userid' is 'user_id' without its line
    hints = []
    for name in sorted(options.keys() - known):
        longer = sorted(each for each in known if each.startswith(name) and len(name) >= _TELLING)
        alike = [joined[each] for each in get_close_matches(name.replace("_", ""), joined, 1)]
        hints.append(f"{name!r}" + "".join(f" (did you mean {meant!r}?)" for meant in (longer or alike)[:1]))
    raise TypeError(f"{where} takes no keyword {', '.join(hints)}")
