"""What waits for clients that read more slowly than they are written to: in order, not copied, and bounded.

A frame that many clients wait for is one object in all their backlogs. Frames of a reliable protocol are different for
each client; there a message and a number wait, and the bytes are made when they are written. Rule: no I/O.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from ..protocols._subprotocols import Numbered

#: Bytes given to a transport at a time: what it cannot send of them, some copy for each client.
CHUNK = 64 * 1024

# What a frame in a backlog costs beside its bytes, at most.
_ENTRY = 100

_Piece: TypeAlias = bytes | memoryview


class _NumberedFrame(NamedTuple):
    message: Numbered
    sequence_id: int


class Backlog:
    """The frames that wait for one client."""

    __slots__ = ("_frames", "_pieces", "size")

    def __init__(self) -> None:
        #: What it counts for, in bytes.
        self.size: int = 0
        self._frames: deque[bytes | _NumberedFrame] = deque()
        # What is left of the frame that is being written, its end first.
        self._pieces: list[_Piece] = []

    def __bool__(self) -> bool:
        return bool(self._pieces or self._frames)

    def add(self, frame: bytes) -> None:
        """Add a frame, which may be the same object in other backlogs."""
        self._frames.append(frame)
        self.size += len(frame) + _ENTRY

    def add_numbered(self, message: Numbered, sequence_id: int) -> None:
        """Add the frame of a message under a sequence id."""
        self._frames.append(_NumberedFrame(message, sequence_id))
        self.size += message.size + _ENTRY

    def take(self) -> _Piece:
        """Take out what is to be written next, :data:`CHUNK` bytes at most: many small frames or a part of a large one.

        Nothing waits if it is empty.
        """
        taken: list[_Piece] = []
        room = CHUNK
        while room and (self._pieces or self._open_next()):
            piece = self._pieces.pop()
            if len(piece) > room:
                view = memoryview(piece)
                self._pieces.append(view[room:])
                piece = view[:room]
            taken.append(piece)
            room -= len(piece)
        self.size -= CHUNK - room
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _open_next(self) -> bool:
        """Begin with the next frame; return False if there is none."""
        if not self._frames:
            return False
        frame = self._frames.popleft()
        if isinstance(frame, _NumberedFrame):
            self._pieces = [*reversed(frame.message.parts(frame.sequence_id))]
            self.size += sum(map(len, self._pieces)) - frame.message.size - _ENTRY
        else:
            self._pieces = [frame]
            self.size -= _ENTRY
        return True

    def clear(self) -> None:
        """Throw away what waits."""
        self._frames.clear()
        self._pieces.clear()
        self.size = 0


_Client = TypeVar("_Client", bound=Hashable)


class Unread(Generic[_Client]):
    """How much waits for the clients of one emulator: bounded for each, and for all of them.

    :param int most: Bytes that may wait for one client.
    :param int most_in_sum: Bytes that may wait for all clients; a frame counts for each of them.
    :param cut_off: Called with a client that has to go and why; it counts nothing more when this returns.
    """

    def __init__(self, most: int, most_in_sum: int, cut_off: Callable[[_Client, str], None]) -> None:
        self._most = most
        self._most_in_sum = most_in_sum
        self._cut_off = cut_off
        self._sizes: dict[_Client, int] = {}
        self._sum = 0

    def count(self, client: _Client, size: int) -> None:
        """Take note of how many bytes wait for a client; too many for one, and it has to go."""
        self._sum += size - self._sizes.get(client, 0)
        if size:
            self._sizes[client] = size
        else:
            self._sizes.pop(client, None)
        if size > self._most:
            self._cut_off(client, f"it left {size:,} bytes unread, more than max_unread_bytes ({self._most:,})")

    def check_sum(self) -> None:
        """See that not too much waits for all clients together; those with the most have to go first."""
        if self._sum <= self._most_in_sum:
            return
        for client in sorted(self._sizes, key=self._sizes.__getitem__, reverse=True):
            self._cut_off(
                client,
                f"it left {self._sizes[client]:,} bytes unread, the most of all clients, whose unread bytes are more"
                f" than max_unread_total_bytes ({self._most_in_sum:,})",
            )
            if self._sum <= self._most_in_sum:
                break


def overload(kept: Mapping[_Client, Sequence[tuple[object, int]]], most: int) -> list[_Client]:
    """Return the clients that have to go so that no more than so many bytes are kept, the worst first.

    :param kept: Messages that are kept for each client, and their bytes; one that is kept for many counts once.
    :param int most: Bytes that may be kept.
    """
    holders = Counter(id(message) for pairs in kept.values() for message, _ in pairs)
    total = sum({id(message): size for pairs in kept.values() for message, size in pairs}.values())
    going: list[_Client] = []
    for client in sorted(kept, key=lambda each: sum(size for _, size in kept[each]), reverse=True):
        if total <= most:
            break
        going.append(client)
        for message, size in kept[client]:
            holders[id(message)] -= 1
            total -= 0 if holders[id(message)] else size
    return going
