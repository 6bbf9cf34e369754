"""``json.webpubsub.azure.v1`` and ``json.reliable.webpubsub.azure.v1``: bytes of one message <-> frame values.

Field names, their order and the rules for bad frames are the service's (service facts, JSON frames); the order is what
Microsoft's own tests compare. Rule: pure functions; what a frame means is the hub's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..hub._frames import (
    Ack,
    BadFrame,
    ClientFrame,
    Connected,
    Disconnected,
    Event,
    JoinGroup,
    LeaveGroup,
    Message,
    Ping,
    Pong,
    SendToGroup,
    SequenceAck,
    ServerFrame,
)
from ..hub._json_text import parse_object
from ..hub._metadata import MetadataError
from ..hub._names import is_event
from ._json_fields import (
    MAX_UINT64,
    Members,
    ack_id_of,
    data_text,
    dump,
    fail,
    flag_of,
    group_of,
    metadata_of,
    number_of,
    payload_of,
    text_of,
)

INVALID = "The client message is not a valid JSON protocol message."

_MAX_TTL = 300


def parse_frame(data: bytes) -> ClientFrame | None:
    """Return the frame that one message holds, or None for one that asks for nothing.

    :param bytes data: UTF-8 JSON text.
    :raises BadFrame: if it is no frame of the protocol.
    """
    try:
        members = parse_object(data.decode("utf-8"))
        kind = text_of(members, "type").lower()
        parse = _PARSERS.get(kind) or _preview_parser(kind)
        return parse(members)
    except (ValueError, KeyError, MetadataError) as error:
        raise BadFrame(INVALID) from error


def _parse_join(members: Members) -> ClientFrame:
    return JoinGroup(group_of(members), ack_id_of(members))


def _parse_leave(members: Members) -> ClientFrame:
    return LeaveGroup(group_of(members), ack_id_of(members))


def _parse_send(members: Members) -> ClientFrame:
    group = group_of(members)
    stream = members.get("stream")
    if stream is not None and stream.value is not None:
        return _preview_parser("stream")(members)
    return SendToGroup(
        group,
        payload_of(members),
        ack_id_of(members),
        flag_of(members, "noEcho"),
        number_of(members, "ttlSeconds", _MAX_TTL),
        metadata_of(members),
    )


def _parse_event(members: Members) -> ClientFrame:
    event = text_of(members, "event")
    if not is_event(event):
        fail("event")
    return Event(event, payload_of(members), ack_id_of(members), metadata_of(members))


def _parse_sequence_ack(members: Members) -> ClientFrame:
    sequence_id = number_of(members, "sequenceId", MAX_UINT64)
    if sequence_id is None:
        fail("sequenceId")
    return SequenceAck(sequence_id)


_PARSERS: dict[str, Callable[[Members], ClientFrame | None]] = {
    "joingroup": _parse_join,
    "leavegroup": _parse_leave,
    "sendtogroup": _parse_send,
    "event": _parse_event,
    "ping": lambda _: Ping(),
    "sequenceack": _parse_sequence_ack,
}


def _preview_parser(kind: str) -> Callable[[Members], ClientFrame]:
    """Return what reads a frame of a preview.

    :raises KeyError: if there is no such frame.
    """
    from ._json_previews import PARSERS

    return PARSERS[kind]


def format_frame(frame: ServerFrame) -> bytes:
    """Return the compact JSON text of a frame."""
    if isinstance(frame, Message):
        return b"".join(message_parts(frame)(frame.sequence_id))
    form = _FORMATS.get(type(frame))
    if form is None:
        from ._json_previews import format_preview

        return format_preview(frame)
    return dump(form(frame))


def message_parts(message: Message) -> Callable[[int | None], tuple[bytes, bytes]]:
    """Return a function that gives a message under a sequence id: what every number shares, then what is its own."""
    if message.preview is not None:
        from ._json_previews import message_text

        text = message_text(message, message.preview)
        return lambda sequence_id: (text, _end(sequence_id))
    head: dict[str, Any] = {"type": "message", "from": "server" if message.group is None else "group"}
    if message.group is not None:
        head |= {"group": message.group, "fromUserId": message.from_user_id}
    head["dataType"] = message.payload.type
    text = dump(head)[:-1] + b',"data":' + data_text(message.payload)
    if message.metadata:
        text += b',"metadata":' + dump(dict(message.metadata))
    return lambda sequence_id: (text, _end(sequence_id))


def _end(sequence_id: int | None) -> bytes:
    return b"}" if sequence_id is None else b',"sequenceId":%d}' % sequence_id


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


_FORMATS: dict[type[Any], Callable[[Any], dict[str, Any]]] = {
    Connected: _connected,
    Disconnected: lambda frame: {"type": "system", "event": "disconnected", "message": frame.message},
    Ack: _ack,
    Pong: lambda _: {"type": "pong"},
}
