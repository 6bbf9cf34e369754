"""Frames of the service's previews in the JSON subprotocols: invocations, streams, the state of groups.

Field names are those of the official JavaScript client (service facts, Previews). Loaded with the first such frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..hub._frames import (
    CancelInvocation,
    ClientFrame,
    EndStream,
    Invoke,
    InvokeResponse,
    Message,
    OpenStream,
    ServerFrame,
    SetGroupState,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamNack,
    StreamPart,
    SubscribeGroupState,
)
from ..hub._json_text import Member
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
    number_of,
    payload_of,
    text_of,
)

_IDLE_MILLISECONDS = 300_000
_MAX_MILLISECONDS = 2**31 - 1


def _parse_invoke(members: Members) -> ClientFrame:
    invocation_id = text_of(members, "invocationId")
    if _is_there(members, "target") and text_of(members, "target") != "event":
        return Invoke(invocation_id)
    event = text_of(members, "event")
    if not is_event(event):
        fail("event")
    return Invoke(invocation_id, event, payload_of(members) if _is_there(members, "data") else None)


def _parse_open_stream(members: Members) -> ClientFrame:
    stream = _object(members, "stream")
    if any(_is_there(members, name) for name in ("data", "dataType", "ackId")):
        fail("stream")
    idle = number_of(stream, "idleTimeoutMs", _MAX_MILLISECONDS)
    if idle == 0:
        fail("idleTimeoutMs")
    seconds = (idle or _IDLE_MILLISECONDS) / 1000
    return OpenStream(text_of(stream, "streamId"), group_of(members), flag_of(members, "noEcho"), seconds)


def _parse_stream_data(members: Members) -> ClientFrame:
    stream_id, number = text_of(members, "streamId"), number_of(members, "streamSequenceId", MAX_UINT64)
    if number is None:
        return StreamData(stream_id)
    if number == 0:
        fail("streamSequenceId")
    return StreamData(stream_id, number, payload_of(members))


def _parse_end_stream(members: Members) -> ClientFrame:
    stream_id = text_of(members, "streamId")
    if not _is_there(members, "error"):
        return EndStream(stream_id)
    error = _object(members, "error")
    message = text_of(error, "message") if _is_there(error, "message") else ""
    return EndStream(
        stream_id, (message, text_of(error, "userErrorCode") if _is_there(error, "userErrorCode") else None)
    )


def _parse_set_group_state(members: Members) -> ClientFrame:
    state: Mapping[str, str] | None = None
    if _is_there(members, "state"):
        state = {name: text_of({name: value}, name) for name, value in _object(members, "state").items()}
    return SetGroupState(group_of(members), state, ack_id_of(members))


#: What reads a frame, by its type in lower case; ``stream`` is a ``sendToGroup`` that opens one.
PARSERS: dict[str, Callable[[Members], ClientFrame]] = {
    "invoke": _parse_invoke,
    "cancelinvocation": lambda members: CancelInvocation(text_of(members, "invocationId")),
    "stream": _parse_open_stream,
    "streamdata": _parse_stream_data,
    "streamend": _parse_end_stream,
    "setgroupstate": _parse_set_group_state,
    "subscribegroupstate": lambda members: SubscribeGroupState(group_of(members), True, ack_id_of(members)),
    "unsubscribegroupstate": lambda members: SubscribeGroupState(group_of(members), False, ack_id_of(members)),
}


def _is_there(members: Members, name: str) -> bool:
    member = members.get(name)
    return member is not None and member.value is not None


def _object(members: Members, name: str) -> Members:
    value = members[name].value
    if not isinstance(value, dict):
        fail(name)
    return {key: Member(each, "") for key, each in value.items()}


def format_preview(frame: ServerFrame) -> bytes:
    """Return the JSON text of a frame of a preview that is no message."""
    if isinstance(frame, InvokeResponse):
        return _invoke_response(frame)
    if isinstance(frame, StreamAck):
        return dump({"type": "streamAck", "streamId": frame.stream_id, "expectedSequenceId": frame.expected})
    if isinstance(frame, StreamNack):
        value = {"type": "streamNack", "streamId": frame.stream_id, "expectedSequenceId": frame.expected}
        return dump({**value, "name": frame.name, "message": frame.message})
    if isinstance(frame, StreamClosed):
        return dump({"type": "streamClosed", "streamId": frame.stream_id, **_error(frame)})
    raise TypeError(f"a {type(frame).__name__} is no frame of JSON clients")


def _invoke_response(frame: InvokeResponse) -> bytes:
    head = {"type": "invokeResponse", "invocationId": frame.invocation_id, "success": frame.error_name is None}
    if frame.payload is None:
        return dump({**head, **_error(frame)})
    return dump({**head, "dataType": frame.payload.type})[:-1] + b',"data":' + data_text(frame.payload) + b"}"


def _error(frame: InvokeResponse | StreamClosed) -> dict[str, Any]:
    if frame.error_name is None:
        return {}
    return {"error": {"name": frame.error_name, "message": frame.error_message}}


def message_text(message: Message, preview: StreamPart | Literal["groupStateSnapshot", "groupStateUpdate"]) -> bytes:
    """Return the JSON text of a message of a preview, but for its sequence id and its last brace."""
    if not isinstance(preview, StreamPart):
        return dump({"type": preview, "group": message.group})[:-1] + b',"items":' + data_text(message.payload)
    head = {"type": "message", "from": "group", "group": message.group, "fromUserId": message.from_user_id}
    text = dump({**head, "dataType": message.payload.type})[:-1] + b',"data":' + data_text(message.payload)
    return text + b',"stream":' + dump(_stream(preview))


def _stream(part: StreamPart) -> dict[str, Any]:
    value: dict[str, Any] = {"streamId": part.stream_id, "streamSequenceId": part.sequence_id}
    if part.ends:
        value["endOfStream"] = True
    if part.error is not None:
        name, message, code = part.error
        value["error"] = {"name": name, "message": message}
        if code is not None:
            value["error"]["userErrorCode"] = code
    return value
