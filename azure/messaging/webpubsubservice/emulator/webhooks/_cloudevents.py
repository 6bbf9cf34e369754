"""What the service says to an event handler: CloudEvents as HTTP requests (service facts, Events and headers).

Values in, values out; who is called and how is in ``_upstream``, what is made of the answer in ``_answers``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..hub._frames import DataType, Payload
from ..hub._metadata import HEADER_PREFIX

if TYPE_CHECKING:
    from ..hub.mqtt._packets import Connect, Publish
    from ..hub.mqtt._session import Ending

__all__ = [
    "ConnectEvent",
    "ConnectedEvent",
    "ConnectionContext",
    "DisconnectedEvent",
    "GroupEvent",
    "UpstreamEvent",
    "UserEvent",
    "event_headers",
    "sign",
]


_Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What every event says of its connection.

    ``event_id`` counts its events: ``connect`` is 0. ``origin`` is the host name by which the client knows the service.
    An MQTT connection has a ``physical_id``, that of its socket, and once it is in, a ``session_id``.
    """

    hub: str
    connection_id: str
    user_id: str | None = None
    subprotocol: str | None = None
    state: str = ""
    event_id: int = 0
    origin: str = ""
    physical_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectEvent:
    """A client asks to be let in. Its token and its ``Authorization`` header are not passed on."""

    context: ConnectionContext
    claims: _Values = field(default_factory=dict)
    query: _Values = field(default_factory=dict)
    headers: _Values = field(default_factory=dict)
    subprotocols: Sequence[str] = ()
    packet: Connect | None = None

    name: str = field(default="connect", init=False)
    is_user: bool = field(default=False, init=False)
    content_type: str = field(default="application/json; charset=utf-8", init=False)
    metadata: Mapping[str, str] = field(default_factory=dict, init=False)

    def body(self) -> bytes:
        """Return the body of the request."""
        fields: dict[str, Any] = {}
        if self.packet is not None:
            from ._mqtt import connect_fields

            fields["mqtt"] = connect_fields(self.packet)
        return _dump(
            {
                **fields,
                "claims": _lists(self.claims),
                "query": _lists(self.query, without="access_token"),
                "headers": _lists(self.headers, without="authorization"),
                "subprotocols": list(self.subprotocols),
                "clientCertificates": [],
            }
        )


@dataclass(frozen=True, slots=True)
class ConnectedEvent:
    """A client was let in."""

    context: ConnectionContext

    name: str = field(default="connected", init=False)
    is_user: bool = field(default=False, init=False)
    content_type: str = field(default="application/json; charset=utf-8", init=False)
    metadata: Mapping[str, str] = field(default_factory=dict, init=False)

    def body(self) -> bytes:
        """Return the body of the request."""
        return b"{}"


@dataclass(frozen=True, slots=True)
class DisconnectedEvent:
    """A connection has ended for good."""

    context: ConnectionContext
    reason: str | None = None
    ending: Ending | None = None

    name: str = field(default="disconnected", init=False)
    is_user: bool = field(default=False, init=False)
    content_type: str = field(default="application/json; charset=utf-8", init=False)
    metadata: Mapping[str, str] = field(default_factory=dict, init=False)

    def body(self) -> bytes:
        """Return the body of the request."""
        fields: dict[str, Any] = {"reason": self.reason}
        if self.ending is not None:
            from ._mqtt import disconnected_fields

            fields["mqtt"] = disconnected_fields(self.ending)
        return _dump(fields)


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """A connection has joined a group (``joined``), or left it (``left``)."""

    context: ConnectionContext
    name: str
    group: str

    is_user: bool = field(default=False, init=False)
    content_type: str = field(default="application/json; charset=utf-8", init=False)
    metadata: Mapping[str, str] = field(default_factory=dict, init=False)

    def body(self) -> bytes:
        """Return the body of the request."""
        return _dump({"group": self.group})


_CONTENT_TYPES: dict[DataType, str] = {
    "text": "text/plain; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "binary": "application/octet-stream",
    "protobuf": "application/x-protobuf",
}


@dataclass(frozen=True, slots=True)
class UserEvent:
    """A client sent an event."""

    context: ConnectionContext
    name: str
    payload: Payload
    metadata: Mapping[str, str] = field(default_factory=dict)
    packet: Publish | None = None

    is_user: bool = field(default=True, init=False)

    @property
    def content_type(self) -> str:
        """Content type of the request."""
        if self.packet is not None:
            from ._mqtt import content_type_of

            return content_type_of(self.packet)
        return _CONTENT_TYPES[self.payload.type]

    def body(self) -> bytes:
        """Return the body of the request."""
        return self.payload.data if self.packet is None else self.packet.payload


UpstreamEvent = ConnectEvent | ConnectedEvent | DisconnectedEvent | GroupEvent | UserEvent


def event_headers(event: UpstreamEvent, *, keys: Sequence[str], now: float) -> dict[str, str]:
    """Return the headers of the request for an event.

    :keyword keys: Access keys, the primary one first.
    :keyword float now: Seconds since 1970.
    """
    context = event.context
    socket = "" if context.physical_id is None else f"/{context.physical_id}"
    headers = {
        "WebHook-Request-Origin": context.origin,
        "Content-Type": event.content_type,
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": f"azure.webpubsub.{_category(event)}.{event.name}",
        "ce-source": f"/hubs/{context.hub}/client/{context.connection_id}{socket}",
        "ce-id": str(context.event_id),
        "ce-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "ce-signature": sign(context.connection_id, keys),
        "ce-connectionId": context.connection_id,
        "ce-hub": context.hub,
        "ce-eventName": event.name,
    }
    for name, value in (
        ("ce-userId", context.user_id),
        ("ce-subprotocol", context.subprotocol),
        ("ce-connectionState", context.state),
        ("ce-physicalConnectionId", context.physical_id),
        ("ce-sessionId", context.session_id),
    ):
        if value:
            headers[name] = _header_text(value)
    for key, value in event.metadata.items():
        headers[f"{HEADER_PREFIX}{key}"] = value
    if isinstance(event, UserEvent) and event.packet is not None:
        from ._mqtt import property_headers

        headers |= {name: _header_text(value) for name, value in property_headers(event.packet).items()}
    return headers


def _category(event: UpstreamEvent) -> str:
    return "user" if event.is_user else "gp" if isinstance(event, GroupEvent) else "sys"


def sign(connection_id: str, keys: Sequence[str]) -> str:
    """Return the ``ce-signature`` of a connection: one signature for each key, in their order."""
    message = connection_id.encode("utf-8")
    return ",".join("sha256=" + hmac.new(key.encode("utf-8"), message, hashlib.sha256).hexdigest() for key in keys)


def _header_text(value: str) -> str:
    """Return text that cannot end a header: control characters are percent-encoded."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"%{ord(match[0]):02X}", value)


def _lists(values: _Values, *, without: str = "") -> dict[str, list[str]]:
    return {name: list(value) for name, value in values.items() if name.lower() != without}


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
