"""What a client is made of, and what one call of it is about: resolved and checked without loading azure-core."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from time import time
from typing import Any, TypeVar

from . import _types as types
from ._body import UNSET, encode_message
from ._endpoint import Endpoint
from ._names import segment, text, whole_number
from ._request import DEFAULT_API_VERSION, MOST_MINUTES, content_type_of
from ._tokens import client_access

T = TypeVar("T")

_FORMS = (
    "WebPubSubServiceClient(endpoint, credential, hub=...) and WebPubSubServiceClient(endpoint, hub, credential), where"
    " a str is the hub, and the credential is an AzureKeyCredential or a TokenCredential"
    " (for a connection string there is WebPubSubServiceClient.from_connection_string)"
)
_TRANSPORT_OPTIONS = frozenset(
    ("connection_timeout", "read_timeout", "connection_verify", "connection_cert", "proxies", "max_connections")
) | {"use_env_settings"}
_OF_SPANS = ("tracing_options", "tracing_attributes")
_METADATA = "X-WebPubSub-Metadata-"
_METADATA_LINE = r"[A-Za-z0-9._-]+:(?! )[ -~]*(?<! )"
_VARIABLES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("REQUEST_METHOD", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


class Environment(dict[str, str]):
    """The variables that connections heed, as they were. Its repr shows names only: a proxy's may hold a password."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__({name: environ[name] for name in _VARIABLES if name in environ})

    def __repr__(self) -> str:
        return f"<Environment {', '.join(sorted(self))}>"


class AccessKey:
    """The key of a connection string: what AzureKeyCredential is, without loading azure-core. Its repr shows no key."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        return "<AccessKey>"


class Configuration:
    """Endpoint, hub, credential, options and environment of one client."""

    def __init__(
        self,
        endpoint: str,
        given: tuple[Any, Any],
        hub: Any,
        credential: Any,
        options: dict[str, Any],
        *,
        asynchronous: bool,
    ) -> None:
        hub, self.credential = _resolve(given, hub, credential)
        _check_credential(self.credential, asynchronous=asynchronous)
        self.asynchronous = asynchronous
        if options:
            from ._options import client_options  # its many names take time to load

            options = client_options(options)
        self.endpoint = Endpoint(endpoint, port=options.pop("port", None))
        proxy = options.pop("reverse_proxy_endpoint", None)
        self.reverse_proxy = None if proxy is None else Endpoint(proxy, parameter="reverse_proxy_endpoint")
        if hub is not None:
            segment("hub", hub)
        self.hub: str | None = text(hub)
        self.api_version: str = text(options.pop("api_version", None)) or DEFAULT_API_VERSION
        self.user: str | None = text(options.pop("user", None))
        self.options = options
        # Read here, once: what the environment says later does not count.
        self.environment = Environment(os.environ if options.get("use_env_settings", True) else {})

    def transport_options(self) -> dict[str, Any]:
        """Return the keywords of the transport among the client's options."""
        options = {name: value for name, value in self.options.items() if name in _TRANSPORT_OPTIONS}
        return {**options, "environment": self.environment}

    def access_key(self) -> str | None:
        """Return the access key as it is now, or None with Entra ID."""
        key = getattr(self.credential, "key", None)
        return None if key is None else str(key)


class Call:
    """What one call is about: the hub, the options of the request, and those that are left for the pipeline."""

    __slots__ = ("_config", "_method", "_span", "cls", "error_map", "hub", "options", "request")

    def __init__(
        self, config: Configuration, method: Callable[..., Any], options: Any, *, needs_hub: bool = True
    ) -> None:
        hub: Any = options.pop("hub", None)
        hub = config.hub if hub is None else hub
        if needs_hub and hub is None:
            raise ValueError("no hub: give hub=... to this call, or to the client when it is made")
        self.hub: str = text(hub)
        self.request: dict[str, Any] = {"api_version": options.pop("api_version", config.api_version)}
        self.request |= {name: options.pop(name) for name in ("headers", "params") if name in options}
        self.cls: Callable[[Any, Any, Any], Any] | None = options.pop("cls", None)
        self.error_map: Mapping[int, Callable[..., Any]] | None = options.pop("error_map", None)
        self._span = {name: options.pop(name) for name in ("merge_span", "parent_span") if name in options}
        self._config = config
        self._method = method
        self.options: dict[str, Any] = pipeline_options(config, options, method)

    def message(
        self, message: Any, content_type: str | None, metadata: Mapping[str, str] | None, ttl: int | None
    ) -> dict[str, Any]:
        """Return the builder's keywords for a message."""
        headers = self.request.get("headers")
        body, content_type = encode_message(message, content_type or content_type_of(headers))
        request = {"content": body, "content_type": content_type, "message_ttl_seconds": ttl, **self.request}
        if metadata:
            request["headers"] = {**(headers or {}), **_metadata_headers(metadata)}
        return request

    def with_target(self, permission: str, target_name: str | None) -> dict[str, Any]:
        """Return the builder's keywords for a permission, some of which need the name of a group."""
        given = target_name or "targetName" in (self.request.get("params") or {})
        if not given and text(permission) in {"sendToGroup", "joinLeaveGroup"}:
            raise ValueError(f"target_name is missing: say which group the permission {permission!r} is for")
        return {"target_name": target_name, **self.request}

    def sign(
        self, protocol: str, minutes_to_expire: int, headers: Mapping[str, Any] | None, **asked: Any
    ) -> types.ClientAccessToken | None:
        """Sign a client access token, without a request; with Entra ID, return None, for the service makes it."""
        seconds = 60 * whole_number(minutes_to_expire, "minutes_to_expire", 1, MOST_MINUTES)
        key = self._config.access_key()
        if key is None and headers:
            raise ValueError("jwt_headers needs an access key: with Entra ID the service makes the token, without them")
        if key is None:
            return None
        pipeline_options(self._config, self.options, self._method, sent=False)
        return client_access(
            self._config.endpoint, self.hub, key, protocol, now=time(), seconds=seconds, headers=headers, **asked
        )

    def traced(self, client: object, answer: Callable[..., T]) -> Callable[..., T]:
        """Return ``answer``, which makes the request: in a span of azure-core's, where tracing is on."""
        if not wants_span(self.options):
            return partial(answer, client)
        from azure.core.tracing.decorator import distributed_trace
        from azure.core.tracing.decorator_async import distributed_trace_async

        trace: Any = distributed_trace_async if self._config.asynchronous else distributed_trace
        traced = trace(name_of_span=f"{type(client).__name__}.{self._method.__name__}")(answer)
        shared = {name: self.options[name] for name in _OF_SPANS if name in self.options}
        return partial(traced, client, **self._span, **shared)


def wants_span(options: dict[str, Any]) -> bool:
    """Say whether a call is traced, and note it in its options: policies that have nothing to do are stepped over."""
    if not (options.get("tracing_options") or {}).get("enabled", types.settings.tracing_enabled()):
        return False
    options.setdefault("tracing_options", {})
    return True


def pipeline_options(
    config: Configuration, options: Any, method: Callable[..., Any], *, sent: bool = True
) -> dict[str, Any]:
    """Return the keywords of a call that are the pipeline's, under the names that azure-core has for them."""
    if not options:
        return {}
    from ._options import call_options

    callers = any(config.options.get(name) is not None for name in ("transport", "policies"))
    return call_options(options, method, may_have_others=callers and sent)


def _metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that carry a message's metadata."""
    headers = {}
    for name, value in ((text(name), text(value)) for name, value in metadata.items()):
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError("metadata must be a mapping of str to str")
        if not re.fullmatch(_METADATA_LINE, f"{name}:{value}"):
            raise ValueError(
                f"metadata has {name!r}, whose name or value no header can carry: use letters, digits, '-', '_' and '.'"
                f" for a name, and for a value printable ASCII characters, without spaces around them"
            )
        headers[_METADATA + name.lower()] = value
    return headers


def _resolve(arguments: tuple[Any, Any], hub: Any, credential: Any) -> tuple[str | None, Any]:
    """Tell hub and credential apart by their types."""
    if any(each is None for each in (*arguments, credential)):
        raise ValueError(f"hub and credential must not be None; the forms are {_FORMS}")
    for argument in arguments:
        if isinstance(argument, str) and hub is None:
            hub = argument
        elif _is_credential(argument) and credential is UNSET:
            credential = argument
        elif argument is not UNSET:
            # The argument itself is not shown: it may be a key.
            raise TypeError(f"an argument of type {type(argument).__name__} fits no form; the forms are {_FORMS}")
    if not _is_credential(credential):
        kind = "nothing" if credential is UNSET else type(credential).__name__
        raise TypeError(
            f"credential must be an AzureKeyCredential or a TokenCredential, not {kind}; the forms are {_FORMS}"
        )
    if not isinstance(hub, str | None):
        raise TypeError(f"hub must be a str, not {type(hub).__name__}; the forms are {_FORMS}")
    return hub, credential


def _is_credential(value: Any) -> bool:
    return any(hasattr(value, name) for name in ("key", "get_token", "get_token_info"))


def _check_credential(credential: Any, *, asynchronous: bool) -> None:
    """Refuse a key that cannot sign, without showing it, and a credential of the other client's kind."""
    key = getattr(credential, "key", None)
    if isinstance(key, str):
        if not key:
            raise ValueError("credential holds an empty key: give the access key that the Azure portal shows")
        if not key.isascii() and any("\ud800" <= character <= "\udfff" for character in key):
            raise ValueError("credential holds a key that UTF-8 cannot carry: copy it again from the Azure portal")
        return
    from inspect import iscoroutinefunction

    get_token = getattr(credential, "get_token", None) or getattr(credential, "get_token_info", None)
    if get_token is None or iscoroutinefunction(get_token) == asynchronous:
        return
    if asynchronous and hasattr(credential, "__aexit__"):
        return  # a plain function that returns what can be awaited
    fitting, other = (".aio", "") if asynchronous else ("", ".aio")
    raise TypeError(
        f"{type(credential).__name__} is a credential for the {'' if asynchronous else 'a'}synchronous client: take the"
        f" one of the same name from azure.identity{fitting}, or the client from {__package__}{other}"
    )
