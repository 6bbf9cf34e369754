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
    "CancelInvocation",
    "ClientFrame",
    "Connected",
    "DataType",
    "Disconnected",
    "EndStream",
    "Event",
    "GroupState",
    "Invoke",
    "InvokeResponse",
    "JoinGroup",
    "LeaveGroup",
    "Message",
    "OpenStream",
    "Payload",
    "Ping",
    "Pong",
    "SendToGroup",
    "SequenceAck",
    "ServerFrame",
    "SetGroupState",
    "Stream",
    "StreamAck",
    "StreamClosed",
    "StreamData",
    "StreamNack",
    "StreamPart",
    "SubscribeGroupState",
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
    """Call the event handler and want its answer (preview). ``event`` is None where there is no such thing to call."""

    invocation_id: str
    event: str | None = None
    payload: Payload | None = None


@dataclass(frozen=True, slots=True)
class CancelInvocation:
    """Want the answer to an :class:`Invoke` no more."""

    invocation_id: str


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Begin a stream to ``group`` (preview). It ends by itself when nothing came for ``idle_seconds``."""

    stream_id: str
    group: str
    no_echo: bool = False
    idle_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class StreamData:
    """Send one part of a stream; without a payload, keep the stream alive."""

    stream_id: str
    sequence_id: int | None = None
    payload: Payload | None = None


@dataclass(frozen=True, slots=True)
class EndStream:
    """End a stream; with an error, its message and the client's own code."""

    stream_id: str
    error: tuple[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """Open, feed or end a stream by a protocol for which the emulator has none: refused politely."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class SetGroupState:
    """Set the connection's own state in ``group`` (preview); None clears it."""

    group: str
    state: Mapping[str, str] | None
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class SubscribeGroupState:
    """Watch the states in ``group`` (preview), or watch them no more."""

    group: str
    subscribes: bool
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class GroupState:
    """Set or watch the state of a group by a protocol for which the emulator has none: refused politely."""

    ack_id: int | None = None


#: What clients may send to the previews of the service.
PreviewFrame: TypeAlias = "StreamFrame | Invoke | CancelInvocation | SetGroupState | SubscribeGroupState | GroupState"
StreamFrame: TypeAlias = "OpenStream | StreamData | EndStream | Stream"

#: What a client may send: a frame, or a packet of MQTT.
ClientFrame: TypeAlias = "PreviewFrame | JoinGroup | LeaveGroup | SendToGroup | Event | Ping | SequenceAck | Packet"


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
class StreamPart:
    """Which part of a stream a message is. ``error`` is name, message and the client's own code, if there is one."""

    stream_id: str
    sequence_id: int
    ends: bool = False
    error: tuple[str, str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a client: from a group when ``group`` is set, else from the server.

    ``from_user_id`` means something for group messages only. ``sequence_id`` only on reliable protocols, from 1.
    ``packet`` is what an MQTT client published, with what only MQTT clients get to see. ``preview`` makes it a part of
    a stream, or a report of the states in a group, whose items are the payload.
    """

    payload: Payload
    group: str | None = None
    from_user_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    sequence_id: int | None = None
    packet: Publish | None = None
    preview: StreamPart | Literal["groupStateSnapshot", "groupStateUpdate"] | None = None


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
    """The answer to :class:`Invoke`; success when ``error_name`` is None, with what the handler said, if anything."""

    invocation_id: str
    error_name: str | None = None
    error_message: str = ""
    payload: Payload | None = None


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """A stream is over; as it should be when ``error_name`` is None."""

    stream_id: str
    error_name: str | None = None
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class StreamAck:
    """All parts of a stream before ``expected`` were published."""

    stream_id: str
    expected: int


@dataclass(frozen=True, slots=True)
class StreamNack:
    """A part of a stream was not taken; the next has to be ``expected``."""

    stream_id: str
    expected: int
    name: str
    message: str


#: What the service may send.
ServerFrame: TypeAlias = (
    "Connected | Disconnected | Message | Ack | Pong | InvokeResponse | StreamAck | StreamNack | StreamClosed | Packet"
)
