"""Client library for Azure Web PubSub: send messages, manage who receives them, mint client URLs."""

from . import _version
from ._client import WebPubSubServiceClient
from ._models import GroupMember
from ._options import CallOptions, ClientOptions, PipelineOptions, SendRequestOptions
from ._tokens import ClientAccessToken, GeneratedToken, build_authentication_token

__version__: str = _version.VERSION
__all__ = [
    "CallOptions",
    "ClientAccessToken",
    "ClientOptions",
    "GeneratedToken",
    "GroupMember",
    "PipelineOptions",
    "SendRequestOptions",
    "WebPubSubServiceClient",
    "__version__",
    "build_authentication_token",
]
