"""Azure Web PubSub on one machine: the service as an object in this process, or as a command.

Public names only; each is loaded when it is first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._arrivals import ClientClosedError, ClientRefusedError
    from ._client import WebSocketClient
    from ._client_async import AsyncWebSocketClient
    from ._clock import Clock
    from ._connector import Connector
    from ._emulator import WebPubSubEmulator
    from ._faults import RestFault, SocketFault
    from ._record import (
        Record,
        RecordedCall,
        RecordedConnection,
        RecordedFrame,
        RecordedRefusal,
        RecordedSend,
        RecordedWebhook,
    )
    from .webhooks._event_handlers import EventHandler

__all__ = [
    "AsyncWebSocketClient",
    "ClientClosedError",
    "ClientRefusedError",
    "Clock",
    "Connector",
    "EventHandler",
    "Record",
    "RecordedCall",
    "RecordedConnection",
    "RecordedFrame",
    "RecordedRefusal",
    "RecordedSend",
    "RecordedWebhook",
    "RestFault",
    "SocketFault",
    "WebPubSubEmulator",
    "WebSocketClient",
]

_MODULES = {
    "AsyncWebSocketClient": "_client_async",
    "ClientClosedError": "_arrivals",
    "ClientRefusedError": "_arrivals",
    "Clock": "_clock",
    "Connector": "_connector",
    "EventHandler": "webhooks._event_handlers",
    "Record": "_record",
    "RecordedCall": "_record",
    "RecordedConnection": "_record",
    "RecordedFrame": "_record",
    "RecordedRefusal": "_record",
    "RecordedSend": "_record",
    "RecordedWebhook": "_record",
    "RestFault": "_faults",
    "SocketFault": "_faults",
    "WebPubSubEmulator": "_emulator",
    "WebSocketClient": "_client",
}
_EXTRA = frozenset({"aiohttp", "jwt", "google", "websockets"})


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise ModuleNotFoundError(
            f'the emulator needs the package {error.name!r}: pip install "azure-messaging-webpubsubservice[emulator]"',
            name=error.name,
        ) from None


def __dir__() -> list[str]:
    return __all__
