"""A frame of a client as the JSON subprotocol writes it, for the snippet: what ``protocols/_json`` reads."""

from __future__ import annotations

import base64
import json
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
        return None
    if frame.ack_id is not None:
        value["ackId"] = frame.ack_id
    if isinstance(frame, frames.SendToGroup):
        value |= {"noEcho": True} if frame.no_echo else {}
        value |= {"ttlSeconds": frame.ttl_seconds} if frame.ttl_seconds is not None else {}
    if isinstance(frame, frames.SendToGroup | frames.Event):
        value |= {"dataType": frame.payload.type, "data": _data(frame.payload)}
        value |= {"metadata": dict(frame.metadata)} if frame.metadata else {}
    return value


def _data(payload: frames.Payload) -> Any:
    if payload.type == "json":
        return json.loads(payload.data)
    if payload.type == "text":
        return payload.data.decode("utf-8", "replace")
    return base64.b64encode(payload.data).decode("ascii")
