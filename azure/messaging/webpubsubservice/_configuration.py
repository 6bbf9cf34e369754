"""What a client is made of, resolved from the arguments of its constructor without loading azure-core."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ._endpoint import Endpoint, parse_connection_string
from ._environment import Environment
from ._names import check_hub
from ._request import DEFAULT_API_VERSION
from ._typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AzureKeyCredential

_FORMS = (
    "WebPubSubServiceClient(endpoint, credential, hub=...) and WebPubSubServiceClient(endpoint, hub, credential), where"
    " a str is the hub, and the credential is an AzureKeyCredential or a TokenCredential"
    " (for a connection string there is WebPubSubServiceClient.from_connection_string)"
)
_ABSENT: Any = object()


class AccessKey:
    """The key of a connection string: what AzureKeyCredential is, without loading azure-core. Its repr shows no key."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        return "<AccessKey>"


class Configuration:
    """Endpoint, hub, credential, options and environment of one client."""

    def __init__(self, endpoint: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        hub, credential = _resolve(arguments, options.pop("hub", _ABSENT), options.pop("credential", _ABSENT))
        if options:
            from ._options import check_client_options  # its many names take time to load

            check_client_options(options)
        self.endpoint = Endpoint(endpoint, port=options.pop("port", None))
        proxy = options.pop("reverse_proxy_endpoint", None)
        self.reverse_proxy = None if proxy is None else Endpoint(proxy, parameter="reverse_proxy_endpoint")
        self.hub: str | None = None if hub is None else check_hub(hub)
        self.credential: Any = credential
        self.api_version: str = options.pop("api_version", None) or DEFAULT_API_VERSION
        self.user: str | None = options.pop("user", None)
        self.options = options
        self.is_closed = False
        # Read here, once: what the environment says later does not count.
        self.environment = Environment.read(os.environ if options.get("use_env_settings", True) else {})

    @classmethod
    def from_connection_string(
        cls, connection_string: str, hub: str | None, options: Mapping[str, Any]
    ) -> Configuration:
        """Return the configuration that a connection string and options describe; options win."""
        parsed = parse_connection_string(connection_string)
        given = {"credential": AccessKey(parsed.access_key), **options, "hub": hub}
        if parsed.port is not None:
            given.setdefault("port", parsed.port)
        return cls(given.pop("endpoint", parsed.endpoint), (), given)

    def check_open(self) -> None:
        """Refuse to send once the client is closed.

        :raises RuntimeError: if it is.
        """
        if self.is_closed:
            raise RuntimeError("this client is closed and sends nothing any more: make a new one, or close it later")

    def transport_options(self) -> dict[str, Any]:
        """Return the keywords of the transport among the client's options."""
        names = (
            "connection_timeout",
            "read_timeout",
            "connection_verify",
            "connection_cert",
            "proxies",
            "use_env_settings",
        )
        return {**{name: self.options[name] for name in names if name in self.options}, "environment": self.environment}

    def access_key(self) -> str | None:
        """Return the access key as it is now, or None with Entra ID."""
        key = getattr(self.credential, "key", None)
        return None if key is None else str(key)

    def hub_for(self, hub: str | None) -> str:
        """Return the hub of one call: the one it names, else the client's.

        :raises ValueError: if there is neither.
        """
        if hub is not None:
            return hub
        if self.hub is None:
            raise ValueError("no hub: give hub=... to this call, or to the client when it is made")
        return self.hub

    def sending(
        self, request: Any, http_request: Any, given: Mapping[str, Any], *, stream: bool
    ) -> tuple[Any, dict[str, Any]]:
        """Return the request and the pipeline's options of a ``send_request``.

        :raises TypeError: if there is no request or there are two, or a keyword is not known.
        """
        if (request is None) == (http_request is None):
            raise TypeError("send_request() takes one request: send_request(request)")
        options = dict(given)
        self.check_call(options)
        if stream:
            options["stream"] = True
        return (http_request if request is None else request), options

    def check_call(self, options: Mapping[str, Any], *, sent: bool = True) -> None:
        """Refuse unknown keywords of a call, unless policies or a transport of the caller's own may take them.

        :param sent: Whether the call makes a request, so that those have a part in it.
        :raises TypeError: if there is one.
        """
        own = self.options.get("transport") is None and self.options.get("policies") is None
        if options and (own or not sent):
            from ._options import check_call_options

            check_call_options(options)


def _resolve(arguments: tuple[Any, ...], hub: Any, credential: Any) -> tuple[str | None, AzureKeyCredential | Any]:
    """Tell hub and credential apart by their types."""
    for argument in arguments:
        if isinstance(argument, str) and hub is _ABSENT:
            hub = argument
        elif _is_credential(argument) and credential is _ABSENT:
            credential = argument
        elif argument is None:
            raise ValueError(f"hub and credential must not be None; the forms are {_FORMS}")
        else:
            # The argument itself is not shown: it may be a key.
            raise TypeError(f"an argument of type {type(argument).__name__} fits no form; the forms are {_FORMS}")
    if credential is None:
        raise ValueError("credential must not be None: give an AzureKeyCredential or a TokenCredential")
    if not _is_credential(credential):
        kind = "nothing" if credential is _ABSENT else type(credential).__name__
        raise TypeError(
            f"credential must be an AzureKeyCredential or a TokenCredential, not {kind}; the forms are {_FORMS}"
        )
    if getattr(credential, "key", None) == "":
        raise ValueError("credential holds an empty key: give the access key that the Azure portal shows")
    if hub is not _ABSENT and not isinstance(hub, str | None):
        raise TypeError(f"hub must be a str, not {type(hub).__name__}; the forms are {_FORMS}")
    return (None if hub is _ABSENT else hub), credential


def _is_credential(value: Any) -> bool:
    return hasattr(value, "key") or hasattr(value, "get_token") or hasattr(value, "get_token_info")
