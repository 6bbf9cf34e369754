"""``json.webpubsub.azure.v1`` and ``json.reliable.webpubsub.azure.v1``: bytes of one message <-> frame values.

Field names, their order and the rules for bad frames are the service's (service facts, JSON frames); the order is what
Microsoft's own tests compare. Rule: pure functions; what a frame means is the hub's business.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ..hub._frames import (
    Ack,
    BadFrame,
    ClientFrame,
    Connected,
    DataType,
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
from ..hub._json_text import Member, compact, parse_object
from ..hub._metadata import MetadataError, check_metadata
from ..hub._names import is_event, is_group

INVALID = "The client message is not a valid JSON protocol message."

_MAX_TTL = 300
_MAX_UINT64 = 2**64 - 1

_Members = Mapping[str, Member]


def parse_frame(data: bytes) -> ClientFrame | None:
    """Return the frame that one message holds, or None for one that asks for nothing.

    :param bytes data: UTF-8 JSON text.
    :raises BadFrame: if it is no frame of the protocol.
    """
    try:
        members = parse_object(data.decode("utf-8"))
        parse = _PARSERS[_text(members, "type").lower()]
        return parse(members)
    except (ValueError, KeyError, MetadataError) as error:
        raise BadFrame(INVALID) from error


def _fail(name: str) -> NoReturn:
    raise ValueError(f"the field {name!r} is missing or malformed")


def _text(members: _Members, name: str) -> str:
    value = members[name].value
    if not isinstance(value, str):
        _fail(name)
    value.encode("utf-8")  # a lone surrogate is no text
    return value


def _number(members: _Members, name: str, most: int) -> int | None:
    member = members.get(name)
    if member is None or member.value is None:
        return None
    if type(member.value) is not int or not 0 <= member.value <= most:
        _fail(name)
    return member.value


def _flag(members: _Members, name: str) -> bool:
    member = members.get(name)
    if member is None or member.value is None:
        return False
    if not isinstance(member.value, bool):
        _fail(name)
    return member.value


def _group(members: _Members) -> str:
    group = _text(members, "group")
    if not is_group(group):
        _fail("group")
    return group


def _ack_id(members: _Members) -> int | None:
    return _number(members, "ackId", _MAX_UINT64)


def _metadata(members: _Members) -> Mapping[str, str]:
    member = members.get("metadata")
    if member is None or member.value is None:
        return {}
    if not isinstance(member.value, dict) or not all(isinstance(value, str) for value in member.value.values()):
        _fail("metadata")
    return check_metadata(member.value)


def _payload(members: _Members) -> Payload:
    kind = _text(members, "dataType") if "dataType" in members else "json"
    member = members.get("data")
    if member is None and members.get("metadata") is not None:
        return Payload("text", b"")
    if member is None or member.value is None:
        _fail("data")
    if kind == "json":
        return Payload("json", compact(member.text).encode("utf-8"))
    if not isinstance(member.value, str):
        _fail("data")
    if kind == "text":
        return Payload("text", member.value.encode("utf-8"))
    if kind not in ("binary", "protobuf"):
        _fail("dataType")
    try:
        return Payload("binary" if kind == "binary" else "protobuf", base64.b64decode(member.value, validate=True))
    except binascii.Error:
        _fail("data")


def _parse_join(members: _Members) -> ClientFrame:
    return JoinGroup(_group(members), _ack_id(members))


def _parse_leave(members: _Members) -> ClientFrame:
    return LeaveGroup(_group(members), _ack_id(members))


def _parse_send(members: _Members) -> ClientFrame:
    group = _group(members)
    stream = members.get("stream")
    if stream is not None and isinstance(stream.value, dict) and isinstance(stream.value.get("streamId"), str):
        return Stream(stream.value["streamId"])
    return SendToGroup(
        group,
        _payload(members),
        _ack_id(members),
        _flag(members, "noEcho"),
        _number(members, "ttlSeconds", _MAX_TTL),
        _metadata(members),
    )


def _parse_event(members: _Members) -> ClientFrame:
    event = _text(members, "event")
    if not is_event(event):
        _fail("event")
    return Event(event, _payload(members), _ack_id(members), _metadata(members))


def _parse_sequence_ack(members: _Members) -> ClientFrame:
    sequence_id = _number(members, "sequenceId", _MAX_UINT64)
    if sequence_id is None:
        _fail("sequenceId")
    return SequenceAck(sequence_id)


_PARSERS: dict[str, Callable[[_Members], ClientFrame | None]] = {
    "joingroup": _parse_join,
    "leavegroup": _parse_leave,
    "sendtogroup": _parse_send,
    "event": _parse_event,
    "ping": lambda _: Ping(),
    "sequenceack": _parse_sequence_ack,
    # Preview features that the emulator does not have: refused by their own kind of answer, not by a closed connection.
    "invoke": lambda members: Invoke(_text(members, "invocationId")),
    "cancelinvocation": lambda _: None,
    "streamdata": lambda members: Stream(_text(members, "streamId")),
    "streamend": lambda members: Stream(_text(members, "streamId")),
    "setgroupstate": lambda members: GroupState(_ack_id(members)),
    "subscribegroupstate": lambda members: GroupState(_ack_id(members)),
    "unsubscribegroupstate": lambda members: GroupState(_ack_id(members)),
}


def format_frame(frame: ServerFrame) -> bytes:
    """Return the compact JSON text of a frame."""
    if isinstance(frame, Message):
        return b"".join(message_parts(frame)(frame.sequence_id))
    return _dump(_FORMATS[type(frame)](frame))


def message_parts(message: Message) -> Callable[[int | None], tuple[bytes, bytes]]:
    """Return a function that gives a message under a sequence id: what every number shares, then what is its own."""
    head: dict[str, Any] = {"type": "message", "from": "server" if message.group is None else "group"}
    if message.group is not None:
        head |= {"group": message.group, "fromUserId": message.from_user_id}
    head["dataType"] = message.payload.type
    text = _dump(head)[:-1] + b',"data":' + _data(message.payload)
    if message.metadata:
        text += b',"metadata":' + _dump(dict(message.metadata))
    return lambda sequence_id: (text, b"}" if sequence_id is None else b',"sequenceId":%d}' % sequence_id)


def _data(payload: Payload) -> bytes:
    kind: DataType = payload.type
    if kind == "json":
        return compact(payload.data.decode("utf-8")).encode("utf-8")
    if kind == "text":
        return _dump(payload.data.decode("utf-8", "replace"))
    return b'"' + base64.b64encode(payload.data) + b'"'


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _connected(frame: Connected) -> dict[str, Any]:
    value = {"type": "system", "event": "connected", "userId": frame.user_id, "connectionId": frame.connection_id}
    if frame.reconnection_token is not None:
        value["reconnectionToken"] = frame.reconnection_token
    return value


def _ack(frame: Ack) -> dict[str, Any]:
    if frame.error_name is None:
        return {"type": "ack", "ackId": frame.ack_id, "success": True}
    error = {"name": frame.error_name, "message": frame.error_message}
    return {"type": "ack", "ackId": frame.ack_id, "success": False, "error": error}


def _invoke_response(frame: InvokeResponse) -> dict[str, Any]:
    error = {"name": frame.error_name, "message": frame.error_message}
    return {"type": "invokeResponse", "invocationId": frame.invocation_id, "success": False, "error": error}


def _stream_closed(frame: StreamClosed) -> dict[str, Any]:
    error = {"name": frame.error_name, "message": frame.error_message}
    return {"type": "streamClosed", "streamId": frame.stream_id, "error": error}


_FORMATS: dict[type[Any], Callable[[Any], dict[str, Any]]] = {
    Connected: _connected,
    Disconnected: lambda frame: {"type": "system", "event": "disconnected", "message": frame.message},
    Ack: _ack,
    Pong: lambda _: {"type": "pong"},
    InvokeResponse: _invoke_response,
    StreamClosed: _stream_closed,
}
