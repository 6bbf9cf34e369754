"""What a frame of the reliable JSON subprotocol says, and what recovers a connection whose WebSocket was lost.

Nothing here waits or writes; ``_following`` does.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ._output import one_line, one_line_of_json

SUBPROTOCOL = "json.reliable.webpubsub.azure.v1"


class Message(NamedTuple):
    """What somebody has sent."""

    line: str
    """What it says, on one line."""
    raw: str
    """The whole frame, on one line."""
    sequence_id: int | None
    """Its number, by which it is confirmed."""


class Connected(NamedTuple):
    """The service's welcome."""

    connection_id: str
    user_id: str | None
    reconnection_token: str | None


class Disconnected(NamedTuple):
    """The service's farewell."""

    reason: str


def read(frame: str | bytes) -> Message | Connected | Disconnected | None:
    """Return what a frame says; None if it is of another kind.

    :raises ValueError: if it is no frame of the subprotocol.
    """
    try:
        found = json.loads(frame)
    except (ValueError, RecursionError):
        found = None
    if isinstance(frame, bytes) or not isinstance(found, dict):
        raise ValueError("a frame that is no JSON object")  # noqa: TRY004 - its value is wrong, not its type
    if found.get("type") == "message":
        number = found.get("sequenceId")
        return Message(_line(found), one_line_of_json(frame), number if isinstance(number, int) else None)
    if found.get("type") != "system":
        return None
    if found.get("event") == "connected":
        user, token = found.get("userId"), found.get("reconnectionToken")
        return Connected(str(found.get("connectionId")), user and str(user), token and str(token))
    if found.get("event") == "disconnected":
        return Disconnected(one_line(str(found.get("message") or "it gave no reason")))
    return None


def _line(frame: dict[str, Any]) -> str:
    data = frame.get("data")
    if frame.get("dataType") != "json" and isinstance(data, str):  # text; or binary, which is base64 here
        return one_line(data)
    return one_line_of_json(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def confirmation(sequence_id: int) -> str:
    """Return the frame that confirms a message and all before it."""
    return json.dumps({"type": "sequenceAck", "sequenceId": sequence_id})


class Session:
    """A connection over all its WebSockets: what recovers it, and which messages it has had."""

    def __init__(self) -> None:
        self._base_url = ""
        self._last = 0
        self.recovery_url: str | None = None
        """Where it is recovered; None if there is nothing to recover."""

    def start(self, base_url: str) -> None:
        """Begin a connection: an earlier one is given up."""
        self._base_url = base_url
        self._last = 0
        self.recovery_url = None

    def welcome(self, frame: Connected) -> None:
        """Take the service's welcome, which comes again when the connection is recovered."""
        if frame.reconnection_token:
            names = {"awps_connection_id": frame.connection_id, "awps_reconnection_token": frame.reconnection_token}
            self.recovery_url = f"{self._base_url}?{urlencode(names)}"

    def is_news(self, message: Message) -> bool:
        """Say whether a message comes for the first time, and note that it came."""
        if message.sequence_id is None:
            return True
        if message.sequence_id <= self._last:
            return False
        self._last = message.sequence_id
        return True
