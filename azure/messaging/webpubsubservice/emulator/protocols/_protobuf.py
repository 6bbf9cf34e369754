"""``protobuf.webpubsub.azure.v1`` and ``protobuf.reliable.webpubsub.azure.v1``: bytes of one message <-> frame values.

Both modules of it are imported only once a protobuf client connects: that is the only use the package has for the
protobuf runtime. Rule: pure functions; what a frame means is the hub's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from ..hub._frames import (
    Ack,
    BadFrame,
    ClientFrame,
    Connected,
    Disconnected,
    Event,
    GroupState,
    Invoke,
    InvokeResponse,
    JoinGroup,
    LeaveGroup,
    Message,
    Payload,
    Ping,
    Pong,
    SendToGroup,
    SequenceAck,
    ServerFrame,
    Stream,
    StreamClosed,
)
from ..hub._json_text import check_json
from ..hub._metadata import check_metadata
from ..hub._names import is_event, is_group
from ._protobuf_schema import CLASSES

INVALID = "The client message is not a valid protobuf protocol message."

_MAX_TTL = 300
_SEVEN_BITS = 0x7F

_Upstream = CLASSES["UpstreamMessage"]
_Downstream = CLASSES["DownstreamMessage"]
_Data = CLASSES["DataMessage"]


def parse_frame(data: bytes) -> ClientFrame | None:
    """Return the frame that one message holds, or None for one that asks for nothing.

    :param bytes data: A serialised UpstreamMessage; fields that are not known are passed over.
    :raises BadFrame: if it is no frame of the protocol.
    """
    try:
        message = _Upstream.FromString(data)
        kind = message.WhichOneof("message")
        return _PARSERS[kind](getattr(message, kind))
    except (DecodeError, ValueError, KeyError, RecursionError) as error:
        raise BadFrame(INVALID) from error


def _ack_id(message: Any) -> int | None:
    return int(message.ack_id) if message.HasField("ack_id") else None


def _group(message: Any) -> str:
    group = str(message.group)
    if not is_group(group):
        raise ValueError("the group name is empty or too long")
    return group


def _payload(message: Any, metadata: Mapping[str, str]) -> Payload:
    kind = message.data.WhichOneof("message")
    if kind == "text_data":
        return Payload("text", message.data.text_data.encode("utf-8"))
    if kind == "binary_data":
        return Payload("binary", message.data.binary_data)
    if kind == "json_data":
        return Payload("json", check_json(message.data.json_data.encode("utf-8")))
    if kind == "protobuf_data":
        AnyMessage.FromString(message.data.protobuf_data)
        return Payload("protobuf", message.data.protobuf_data)
    if metadata:
        return Payload("text", b"")
    raise ValueError("the message has no data")


def _parse_send(message: Any) -> ClientFrame:
    group = _group(message)
    if message.HasField("stream"):
        return Stream(message.stream.stream_id)
    metadata = check_metadata(dict(message.metadata))
    ttl = int(message.ttl_seconds) if message.HasField("ttl_seconds") else None
    if ttl is not None and ttl > _MAX_TTL:
        raise ValueError("ttl_seconds is out of range")
    return SendToGroup(group, _payload(message, metadata), _ack_id(message), message.no_echo, ttl, metadata)


def _parse_event(message: Any) -> ClientFrame:
    if not is_event(message.event):
        raise ValueError("the event name is not valid")
    if message.HasField("stream"):
        return Stream(message.stream.stream_id)
    metadata = check_metadata(dict(message.metadata))
    return Event(message.event, _payload(message, metadata), _ack_id(message), metadata)


_PARSERS: dict[str, Callable[[Any], ClientFrame | None]] = {
    "send_to_group": _parse_send,
    "event": _parse_event,
    "join_group": lambda message: JoinGroup(_group(message), _ack_id(message)),
    "leave_group": lambda message: LeaveGroup(_group(message), _ack_id(message)),
    "sequence_ack": lambda message: SequenceAck(message.sequence_id),
    "ping": lambda _: Ping(),
    "invoke": lambda message: Invoke(message.invocation_id),
    "cancel_invocation": lambda _: None,
    "stream_data": lambda message: Stream(message.stream_id),
    "stream_end": lambda message: Stream(message.stream_id),
    "set_group_state": lambda message: GroupState(_ack_id(message)),
    "subscribe_group_state": lambda message: GroupState(_ack_id(message)),
    "unsubscribe_group_state": lambda message: GroupState(_ack_id(message)),
}


def format_frame(frame: ServerFrame, *, json_as_text: bool = False) -> bytes:
    """Return the serialised DownstreamMessage of a frame.

    :keyword bool json_as_text: Put JSON in ``text_data``, as older documents have it, not in ``json_data``.
    """
    if isinstance(frame, Message):
        return b"".join(message_parts(frame, json_as_text=json_as_text)(frame.sequence_id))
    name, fields = _FORMATS[type(frame)](frame)
    return bytes(_Downstream(**{name: fields}).SerializeToString())


def message_parts(
    message: Message, *, json_as_text: bool = False
) -> Callable[[int | None], tuple[bytes, bytes, bytes, bytes]]:
    """Return a function that gives a message under a sequence id, in parts; those around the number are written once.

    :keyword bool json_as_text: Put JSON in ``text_data``, as older documents have it, not in ``json_data``.
    """
    fields: dict[str, Any] = {
        "from": "server" if message.group is None else "group",
        "data": _data(message.payload, json_as_text=json_as_text),
    }
    if message.group is not None:
        fields["group"] = message.group
    head = _Data(**fields).SerializeToString()
    tail = _Data(metadata=dict(message.metadata)).SerializeToString()
    shared = len(head) + len(tail)

    def parts(sequence_id: int | None) -> tuple[bytes, bytes, bytes, bytes]:
        number = b"" if sequence_id is None else b"\x20" + _varint(sequence_id)
        return b"\x12" + _varint(shared + len(number)), head, number, tail  # field 2 of a DownstreamMessage

    return parts


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > _SEVEN_BITS:
        digits.append(value & _SEVEN_BITS | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _data(payload: Payload, *, json_as_text: bool) -> dict[str, Any]:
    if payload.type in ("binary", "protobuf"):
        # JSON clients and event handlers may call any bytes an Any; a client could not even parse the frame then.
        is_any = payload.type == "protobuf" and _is_any(payload.data)
        return {"protobuf_data" if is_any else "binary_data": payload.data}
    field = "json_data" if payload.type == "json" and not json_as_text else "text_data"
    return {field: payload.data.decode("utf-8", "replace")}


def _is_any(data: bytes) -> bool:
    try:
        AnyMessage.FromString(data)
    except (DecodeError, ValueError, RecursionError):
        return False
    return True


def _error(frame: InvokeResponse | StreamClosed | Ack) -> dict[str, str | None]:
    return {"name": frame.error_name, "message": frame.error_message}


def _connected(frame: Connected) -> tuple[str, dict[str, Any]]:
    fields = {"connection_id": frame.connection_id, "user_id": frame.user_id or ""}
    if frame.reconnection_token is not None:
        fields["reconnection_token"] = frame.reconnection_token
    return "system", {"connected": fields}


def _ack(frame: Ack) -> tuple[str, dict[str, Any]]:
    if frame.error_name is None:
        return "ack", {"ack_id": frame.ack_id, "success": True}
    return "ack", {"ack_id": frame.ack_id, "success": False, "error": _error(frame)}


_FORMATS: dict[type[Any], Callable[[Any], tuple[str, dict[str, Any]]]] = {
    Connected: _connected,
    Disconnected: lambda frame: ("system", {"disconnected": {"reason": frame.message}}),
    Ack: _ack,
    Pong: lambda _: ("pong", {}),
    InvokeResponse: lambda frame: ("invoke_response", {"invocation_id": frame.invocation_id, "error": _error(frame)}),
    StreamClosed: lambda frame: ("stream_closed", {"stream_id": frame.stream_id, "error": _error(frame)}),
}
