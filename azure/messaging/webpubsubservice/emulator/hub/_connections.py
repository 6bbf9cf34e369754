"""One connection as the hub keeps it: identity, groups, permissions, acknowledged ids, messages not yet confirmed.

Rule: a connection knows nothing of the other connections, of sockets or of the clock; the hub decides, this remembers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ._frames import Message
from ._permissions import Permissions

ACK_MEMORY = 1000
BUFFERED_MESSAGES = 1000
BUFFERED_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Buffered:
    """A message that a reliable client has not confirmed yet; ``expires`` is a time, or None for never."""

    sequence_id: int
    message: Message
    expires: float | None


class Connection:
    """State of one connection."""

    __slots__ = (
        "_acknowledged",
        "_acknowledged_order",
        "awaited",
        "connection_id",
        "groups",
        "known_as",
        "permissions",
        "protocol",
        "session",
        "user_id",
    )

    def __init__(
        self,
        connection_id: str,
        user_id: str | None = None,
        protocol: str | None = None,
        roles: Iterable[str] = (),
        session: Session | None = None,
        *,
        known_as: str = "",
    ) -> None:
        self.connection_id: str = connection_id
        self.user_id: str | None = user_id
        self.protocol: str | None = protocol
        self.known_as: str = known_as
        self.permissions: Permissions = Permissions(roles)
        self.groups: set[str] = set()
        self.session: Session | None = session
        #: Ids of events whose handler has not answered yet.
        self.awaited: set[int] = set()
        # Most connections never acknowledge anything: the memory is made with the first id.
        self._acknowledged: set[int] | None = None
        self._acknowledged_order: deque[int] | None = None

    def has_done(self, ack_id: int) -> bool:
        """Return True if the operation with this id has succeeded before (among the last 1,000)."""
        return self._acknowledged is not None and ack_id in self._acknowledged

    def remember_done(self, ack_id: int) -> None:
        """Remember that the operation with this id has succeeded."""
        if self._acknowledged is None or self._acknowledged_order is None:
            self._acknowledged, self._acknowledged_order = set(), deque()
        if ack_id in self._acknowledged:
            return
        self._acknowledged.add(ack_id)
        self._acknowledged_order.append(ack_id)
        if len(self._acknowledged_order) > ACK_MEMORY:
            self._acknowledged.discard(self._acknowledged_order.popleft())


class Session:
    """Numbered messages, kept until the client confirms them (service facts, Reliable clients)."""

    __slots__ = ("_buffer", "_buffered_bytes", "_next", "cause", "expires", "reconnection_token")

    def __init__(self, reconnection_token: str) -> None:
        self.reconnection_token: str = reconnection_token
        #: When a lost connection can no longer be recovered; None while its socket is there.
        self.expires: float | None = None
        #: How it was lost the last time.
        self.cause: str = ""
        self._buffer: deque[_Buffered] = deque()
        self._buffered_bytes = 0
        self._next = 1

    @property
    def is_overfull(self) -> bool:
        """Whether the client is too far behind to go on: over 1,000 messages or 16 MB."""
        return len(self._buffer) > BUFFERED_MESSAGES or self._buffered_bytes > BUFFERED_BYTES

    @property
    def waiting(self) -> int:
        """Number of messages that the client has not confirmed."""
        return len(self._buffer)

    def add(self, message: Message, expires: float | None) -> int:
        """Keep a message and return the sequence id it goes under."""
        sequence_id = self._next
        self._next += 1
        self._buffer.append(_Buffered(sequence_id, message, expires))
        self._buffered_bytes += len(message.payload.data)
        return sequence_id

    def confirm(self, sequence_id: int) -> None:
        """Forget every message up to and with ``sequence_id``; an id not yet given out means all of them."""
        while self._buffer and self._buffer[0].sequence_id <= sequence_id:
            self._buffered_bytes -= len(self._buffer.popleft().message.payload.data)

    def kept(self) -> list[tuple[object, int]]:
        """Return every message that is kept, and its bytes."""
        return [(each.message, len(each.message.payload.data)) for each in self._buffer]

    def unconfirmed(self, now: float) -> Sequence[Message]:
        """Return what has to be sent again, in order, without what has expired."""
        return [
            replace(kept.message, sequence_id=kept.sequence_id)
            for kept in self._buffer
            if kept.expires is None or kept.expires > now
        ]
