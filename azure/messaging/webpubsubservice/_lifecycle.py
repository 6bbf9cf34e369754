"""A client's life, the same for both: its settings, the pipeline that its first request makes, copies, the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, overload

from . import _types as types
from ._body import UNSET
from ._configuration import AccessKey, Configuration
from ._endpoint import parse_connection_string
from ._types import Unpack
from ._version import VERSION

EntraCredential = TypeVar("EntraCredential")
"""What an identity of Entra ID is for one of the clients."""


class Lifecycle(Generic[EntraCredential]):
    """What both clients are, beside what they do. Nothing is connected, nor azure-core loaded, before a request."""

    endpoint: str = ""
    """The service's endpoint, without a slash at its end."""
    hub: str | None = None
    """Name of the hub that operations are about, or None."""
    _instrumentation_config: Mapping[str, str] = {  # what azure-core's spans say of the library that makes them
        "library_name": "azure-messaging-webpubsubservice",
        "library_version": VERSION,
    }
    _asynchronous = False
    _pipeline: Any = None
    _transport: Any = None
    _is_closed = False

    def __class_getitem__(cls, _: object) -> Any:
        return cls  # Generic's compiles the name that stands in the brackets: a tenth of a cold start

    @overload
    def __init__(
        self,
        endpoint: str,
        credential: types.AzureKeyCredential | EntraCredential,
        *,
        hub: str | None = None,
        **options: Unpack[types.ClientOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        endpoint: str,
        hub: str,
        credential: types.AzureKeyCredential | EntraCredential,
        **options: Unpack[types.ClientOptions],
    ) -> None: ...
    def __init__(  # type: ignore[misc]  # the forms have names of their own
        self,
        endpoint: str,
        credential_or_hub: Any = UNSET,
        credential_after_hub: Any = UNSET,
        *,
        hub: str | None = None,
        credential: Any = UNSET,
        **options: Any,
    ) -> None:
        given = (credential_or_hub, credential_after_hub)
        self._config = Configuration(endpoint, given, hub, credential, options, asynchronous=self._asynchronous)
        self.endpoint = self._config.endpoint.base
        self.hub = self._config.hub

    @classmethod
    def from_connection_string(
        cls, connection_string: str, hub: str | None = None, **options: Unpack[types.ClientOptions]
    ) -> types.Self:
        """Make a client from a connection string: ``Endpoint=https://...;AccessKey=...;Version=1.0;``.

        Example::

            from azure.messaging.webpubsubservice import WebPubSubServiceClient  # or webpubsubservice.aio

            text = "Endpoint=http://localhost:8080;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"
            client = WebPubSubServiceClient.from_connection_string(text, hub="chat")
            assert client.endpoint == "http://localhost:8080"

        :param str connection_string: As the Azure portal or the emulator shows it. A ``Port`` in it is heeded.
        :param str hub: Name of the hub that operations are about.
        :raises ValueError: if the string is broken or lacks a field; no error shows the key.
        :raises TypeError: if a keyword is not known.
        """
        parsed = parse_connection_string(connection_string)
        given: dict[str, Any] = {"endpoint": parsed.endpoint, "credential": AccessKey(parsed.access_key), **options}
        if parsed.port is not None:
            given.setdefault("port", parsed.port)
        return cls(hub=hub, **given)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} endpoint:{self.endpoint!r}>"

    def __getstate__(self) -> dict[str, Any]:
        # A copy is made from the settings: connections belong to one client.
        return {**vars(self), "_pipeline": None, "_transport": None, "_is_closed": False}

    def __deepcopy__(self, memo: object) -> types.Self:
        copied = type(self).__new__(type(self))
        vars(copied).update(self.__getstate__())  # a credential is shared: it may be rotated, and hold locks
        return copied

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("this client is closed and sends nothing any more: make a new one, or close it later")

    def _open(self) -> Any:
        """Return the pipeline, which is made, with its transport, for the first request."""
        self._check_open()
        if self._pipeline is None:
            with types.LOADING:
                self._pipeline = self._pipeline or self._make_pipeline()
        return self._pipeline

    def _make_pipeline(self) -> Any:
        from ._policies import policies

        self._transport = self._config.options.get("transport")
        if self._transport is None and self._asynchronous:
            from .aio._transport import AiohttpTransport

            self._transport = AiohttpTransport(**self._config.transport_options())
        elif self._transport is None:
            from ._transport import Urllib3Transport

            self._transport = Urllib3Transport(**self._config.transport_options())
        made: Any = types.AsyncPipeline if self._asynchronous else types.Pipeline
        return made(self._transport, policies(self._config))
