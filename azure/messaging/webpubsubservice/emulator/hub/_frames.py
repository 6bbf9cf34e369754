"""What a client and the service say to each other, as plain values that belong to no subprotocol (but for MQTT's).

Each protocol module turns bytes into a client frame and a server frame into bytes; the hub core sees only these values.
Rule: no bytes of a wire format, no state and no behaviour in here. The facts: service facts, JSON frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from .mqtt._packets import Packet, Publish

__all__ = [
    "Ack",
    "BadFrame",
    "ClientFrame",
    "Connected",
    "DataType",
    "Disconnected",
    "Event",
    "GroupState",
    "Invoke",
    "InvokeResponse",
    "JoinGroup",
    "LeaveGroup",
    "Message",
    "Payload",
    "Ping",
    "Pong",
    "SendToGroup",
    "SequenceAck",
    "ServerFrame",
    "Stream",
    "StreamClosed",
]

DataType: TypeAlias = Literal["text", "json", "binary", "protobuf"]


class BadFrame(Exception):  # noqa: N818  (it is a verdict on a peer's input, as h11's RemoteProtocolError is)
    """What arrived is no frame of the protocol; the connection is closed with ``code`` (service facts, JSON frames).

    :param str message: Why, in words that are safe to send to the client.
    :param int code: WebSocket close code: 1003 wrong kind of frame, 1007 not understood, 1009 too large.
    """

    def __init__(self, message: str, code: int = 1007) -> None:
        super().__init__(message)
        self.code: int = code


@dataclass(frozen=True, slots=True)
class Payload:
    """The data of one message.

    ``data`` is always bytes: UTF-8 for ``text``, UTF-8 JSON text for ``json`` (valid, numbers as they were written),
    the bytes themselves for ``binary``, a serialised ``google.protobuf.Any`` for ``protobuf``.
    """

    type: DataType
    data: bytes


# What clients send


@dataclass(frozen=True, slots=True)
class JoinGroup:
    """Join ``group``."""

    group: str
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    """Leave ``group``."""

    group: str
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class SendToGroup:
    """Publish ``payload`` to the members of ``group``; ``no_echo`` leaves the sending connection out."""

    group: str
    payload: Payload
    ack_id: int | None = None
    no_echo: bool = False
    ttl_seconds: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """Raise the user event ``event`` at the hub's event handler."""

    event: str
    payload: Payload
    ack_id: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a :class:`Pong`."""


@dataclass(frozen=True, slots=True)
class SequenceAck:
    """Everything up to and with ``sequence_id`` has arrived (reliable protocols)."""

    sequence_id: int


@dataclass(frozen=True, slots=True)
class Invoke:
    """Call the event handler and want its answer (preview feature; the emulator refuses it politely)."""

    invocation_id: str


@dataclass(frozen=True, slots=True)
class Stream:
    """Open, feed or end a stream (preview feature; refused likewise)."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """Set or watch the state of a group (preview feature; refused likewise)."""

    ack_id: int | None = None


#: What a client may send: a frame, or a packet of MQTT.
ClientFrame: TypeAlias = (
    "JoinGroup | LeaveGroup | SendToGroup | Event | Ping | SequenceAck | Invoke | Stream | GroupState | Packet"
)


# What the service sends


@dataclass(frozen=True, slots=True)
class Connected:
    """The first frame of a connection, and of a recovered one. ``reconnection_token`` only on reliable protocols."""

    connection_id: str
    user_id: str | None
    reconnection_token: str | None = None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The last frame before the service closes the connection; ``message`` is the reason."""

    message: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a client: from a group when ``group`` is set, else from the server.

    ``from_user_id`` means something for group messages only. ``sequence_id`` only on reliable protocols, from 1.
    ``packet`` is what an MQTT client published, with what only MQTT clients get to see.
    """

    payload: Payload
    group: str | None = None
    from_user_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    sequence_id: int | None = None
    packet: Publish | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """The outcome of the frame that carried ``ack_id``; success when ``error_name`` is None."""

    ack_id: int
    error_name: str | None = None
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to :class:`Ping`."""


@dataclass(frozen=True, slots=True)
class InvokeResponse:
    """The answer to :class:`Invoke`: always a failure, since the emulator has no invocations."""

    invocation_id: str
    error_name: str
    error_message: str


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """The answer to :class:`Stream`: always a failure, since the emulator has no streams."""

    stream_id: str
    error_name: str
    error_message: str


#: What the service may send.
ServerFrame: TypeAlias = "Connected | Disconnected | Message | Ack | Pong | InvokeResponse | StreamClosed | Packet"
