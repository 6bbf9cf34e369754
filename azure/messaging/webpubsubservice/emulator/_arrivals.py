"""What has arrived at a test client: read as what a test expects, and told when something else came, or nothing.

Plain values and errors; waiting for messages is the business of ``_client``.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from ._record import RecordedSend

_SHOWN = 5
_MAX_WORDS = 200
#: Code of a connection that was lost without a close frame.
LOST = 1006


class ClientRefusedError(ConnectionError):
    """The service did not let a client in.

    :ivar int status: HTTP status of the answer, such as 401.
    """

    def __init__(self, status: int, words: str = "") -> None:
        said = f" ({words})" if words else ""
        super().__init__(f"the service refused the client with {status}{said}: the emulator's log says why, at INFO")
        self.status: int = status


class ClientClosedError(ConnectionError):
    """The connection of a client is closed: nothing more arrives at it, and nothing more can be sent.

    :ivar int code: Close code; 1006 if the connection was lost without one.
    :ivar str reason: Reason of the side that closed it.
    """

    def __init__(self, code: int, reason: str, story: str = "") -> None:
        how = "was lost" if code == LOST else f'was closed: {code} "{reason}"'
        super().__init__(f"the connection {how}. {story}")
        self.code: int = code
        self.reason: str = reason


class Arrivals:
    """The messages of one client: how many, and the latest."""

    def __init__(self) -> None:
        self._count = 0
        self._latest: deque[str | bytes] = deque(maxlen=_SHOWN)

    def note(self, message: str | bytes) -> str | bytes:
        """Note a message and return it."""
        self._count += 1
        self._latest.append(message)
        return message

    def story(self, sends: Sequence[RecordedSend]) -> str:
        """Return what has arrived, and what was sent in the client's hub, as far as it is recorded."""
        arrived = _list(self._count, [_short(each) for each in self._latest])
        sent = _list(len(sends), [_tell(each) for each in sends[-_SHOWN:]])
        return f"Arrived before: {arrived}. Sent in its hub: {sent}."


def as_json(message: str | bytes) -> Any:
    """Return the value of a message that has to be JSON."""
    try:
        return json.loads(as_text(message))
    except json.JSONDecodeError:
        raise ValueError(f"expected JSON, but this arrived: {_short(message)}") from None


def as_text(message: str | bytes) -> str:
    """Return a message that has to be text."""
    if not isinstance(message, str):
        raise ValueError(f"expected text, but binary arrived: {_short(message)}")  # noqa: TRY004 - nobody passed it
    return message


def as_bytes(message: str | bytes) -> bytes:
    """Return a message that has to be binary."""
    if isinstance(message, str):
        raise ValueError(f"expected binary, but text arrived: {_short(message)}")  # noqa: TRY004 - nobody passed it
    return message


def dump_json(value: Any) -> str:
    """Return a value as JSON text."""
    return json.dumps(value, ensure_ascii=False)


def check_type(message: Any, kind: type[str] | type[bytes]) -> Any:
    """Return a message of the kind that is to be sent."""
    if not isinstance(message, kind):
        raise TypeError(f"the message must be {kind.__name__}, not {type(message).__name__}")
    return message


def _short(message: str | bytes) -> str:
    text = repr(message)
    return text if len(text) <= _MAX_WORDS else f"{text[:_MAX_WORDS]}... ({len(message):,} in all)"


def _tell(send: RecordedSend) -> str:
    to = next(
        (
            f"to {kind} {name!r}"
            for kind, name in (("group", send.group), ("user", send.user_id), ("connection", send.connection_id))
            if name is not None
        ),
        "to all",
    )
    return f"{to} {_short(send.text if send.data_type in ('text', 'json') else send.data)}"


def _list(count: int, shown: Sequence[str]) -> str:
    if not count:
        return "nothing"
    more = f"{count} messages, the last: " if count > len(shown) else ""
    return more + ", ".join(shown)
