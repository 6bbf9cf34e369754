"""A frame of a client as the JSON subprotocol writes it, for the snippet: what ``protocols/_json`` reads."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from ..hub import _frames as frames

_TYPES = {frames.JoinGroup: "joinGroup", frames.LeaveGroup: "leaveGroup", frames.SendToGroup: "sendToGroup"}


def client_frame(frame: object) -> dict[str, Any] | None:
    """Return the JSON value of a frame, None if it is not known what the client wrote."""
    if isinstance(frame, frames.Ping):
        return {"type": "ping"}
    if isinstance(frame, frames.SequenceAck):
        return {"type": "sequenceAck", "sequenceId": frame.sequence_id}
    if isinstance(frame, frames.JoinGroup | frames.LeaveGroup | frames.SendToGroup):
        value: dict[str, Any] = {"type": _TYPES[type(frame)], "group": frame.group}
    elif isinstance(frame, frames.Event):
        value = {"type": "event", "event": frame.event}
    else:
        write = _PREVIEWS.get(type(frame))
        return None if write is None else write(frame)
    if frame.ack_id is not None:
        value["ackId"] = frame.ack_id
    if isinstance(frame, frames.SendToGroup):
        value |= {"noEcho": True} if frame.no_echo else {}
        value |= {"ttlSeconds": frame.ttl_seconds} if frame.ttl_seconds is not None else {}
    if isinstance(frame, frames.SendToGroup | frames.Event):
        value |= {"dataType": frame.payload.type, "data": _data(frame.payload)}
        value |= {"metadata": dict(frame.metadata)} if frame.metadata else {}
    return value


def _invoke(frame: frames.Invoke) -> dict[str, Any] | None:
    if frame.event is None:
        return None
    value = {"type": "invoke", "invocationId": frame.invocation_id, "target": "event", "event": frame.event}
    return {**value, **_payload(frame.payload)}


def _open_stream(frame: frames.OpenStream) -> dict[str, Any]:
    stream = {"streamId": frame.stream_id, "idleTimeoutMs": round(frame.idle_seconds * 1000)}
    return {"type": "sendToGroup", "group": frame.group, "noEcho": frame.no_echo, "stream": stream}


def _stream_data(frame: frames.StreamData) -> dict[str, Any]:
    number = {} if frame.sequence_id is None else {"streamSequenceId": frame.sequence_id}
    return {"type": "streamData", "streamId": frame.stream_id, **number, **_payload(frame.payload)}


def _end_stream(frame: frames.EndStream) -> dict[str, Any]:
    error = {} if frame.error is None else {"error": {"message": frame.error[0], "userErrorCode": frame.error[1]}}
    return {"type": "streamEnd", "streamId": frame.stream_id, **error}


def _set_group_state(frame: frames.SetGroupState) -> dict[str, Any]:
    state = {} if frame.state is None else {"state": dict(frame.state)}
    return {"type": "setGroupState", "group": frame.group, "ackId": frame.ack_id, **state}


def _subscribe_group_state(frame: frames.SubscribeGroupState) -> dict[str, Any]:
    kind = "subscribeGroupState" if frame.subscribes else "unsubscribeGroupState"
    return {"type": kind, "group": frame.group, "ackId": frame.ack_id}


_PREVIEWS: dict[type[Any], Callable[[Any], dict[str, Any] | None]] = {
    frames.Invoke: _invoke,
    frames.CancelInvocation: lambda frame: {"type": "cancelInvocation", "invocationId": frame.invocation_id},
    frames.OpenStream: _open_stream,
    frames.StreamData: _stream_data,
    frames.EndStream: _end_stream,
    frames.SetGroupState: _set_group_state,
    frames.SubscribeGroupState: _subscribe_group_state,
}


def _payload(payload: frames.Payload | None) -> dict[str, Any]:
    return {} if payload is None else {"dataType": payload.type, "data": _data(payload)}


def _data(payload: frames.Payload) -> Any:
    if payload.type == "json":
        return json.loads(payload.data)
    if payload.type == "text":
        return payload.data.decode("utf-8", "replace")
    return base64.b64encode(payload.data).decode("ascii")
