"""Client library for Azure Web PubSub: send messages, manage who receives them, mint client URLs."""

from typing import TYPE_CHECKING

from . import _version
from ._client import WebPubSubServiceClient
from ._tokens import build_authentication_token

if TYPE_CHECKING:
    from ._enums import WebPubSubClientType, WebPubSubPermission
    from ._models import ClientAccessToken, GeneratedToken, GroupMember
    from ._options import CallOptions, ClientOptions, PipelineOptions, SendRequestOptions

__version__: str = _version.VERSION
__all__ = [
    "CallOptions",
    "ClientAccessToken",
    "ClientOptions",
    "GeneratedToken",
    "GroupMember",
    "PipelineOptions",
    "SendRequestOptions",
    "WebPubSubClientType",
    "WebPubSubPermission",
    "WebPubSubServiceClient",
    "__version__",
    "build_authentication_token",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    # Classes that take time to load, and that most programs need for type checking alone.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = "_options" if name.endswith("Options") else "_enums" if name.startswith("WebPubSub") else "_models"
    return getattr(import_module(f"{__name__}.{home}"), name)
