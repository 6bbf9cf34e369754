"""What the log says of calls and of ends, as plain text; when it is said is the business of who has done it."""

from __future__ import annotations

from collections.abc import Sequence

from ..hub import _events as on
from ..protocols._websocket import NO_STATUS

#: Cause of an end without a close frame.
LOST = "lost"


def rest_path(path: str) -> str:
    """Return the path of a REST call as short as it can be."""
    return path.removeprefix("/api/")


def rest_effect(event: on.Input | None, effects: Sequence[on.Effect]) -> str:
    """Return whom a REST call has reached, with a comma before it; empty where the call is about nobody."""
    if isinstance(event, on.Publish):
        count = sum(len(each.to) for each in effects if isinstance(each, on.Deliver | on.DeliverInSequence))
        return f", to {_connections(count)}"
    if isinstance(event, on.Disconnect):
        return f", {_connections(sum(isinstance(each, on.Ended) for each in effects))} closed"
    return ""


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count:,} connections"


def end_of_client(code: int | None, reason: str) -> str:
    """Return the cause of an end that came from the client's side; ``code`` is None if there was no close frame."""
    if code is None:
        return LOST
    words = "closed by the client"
    if code != NO_STATUS:
        words += f": {code}"
    return f'{words} "{reason}"' if reason else words


def one_line(text: str) -> str:
    """Return text of a peer's as it may stand in a log: what would break the line is written as an escape."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
