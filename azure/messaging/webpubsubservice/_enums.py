"""The service's enumerations. They can be extended: wherever one of them is taken, plain text is as good."""

from __future__ import annotations

from enum import Enum

from azure.core import CaseInsensitiveEnumMeta


class WebPubSubPermission(str, Enum, metaclass=CaseInsensitiveEnumMeta):
    """What a connection may be allowed to do."""

    SEND_TO_GROUP = "sendToGroup"
    """Send messages to a group."""
    JOIN_LEAVE_GROUP = "joinLeaveGroup"
    """Join and leave a group."""


class WebPubSubClientType(str, Enum, metaclass=CaseInsensitiveEnumMeta):
    """What a client speaks, and with that the path that it connects to."""

    DEFAULT = "Default"
    """WebSocket, with or without a PubSub subprotocol: ``/client``."""
    MQTT = "MQTT"
    """MQTT over WebSocket: ``/clients/mqtt``."""
