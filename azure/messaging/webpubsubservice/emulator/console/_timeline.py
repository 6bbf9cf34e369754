"""One time line of all that is recorded: numbered, with the time, bounded, and looked through by a filter.

Adding is all that happens while nobody looks. One thread owns it. Rule: no I/O, and no JSON, which is for ``_entries``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._record import (
    Recorded,
    RecordedCall,
    RecordedConnection,
    RecordedFrame,
    RecordedSend,
    RecordedWebhook,
)

MAX_ENTRIES = 5000
MAX_BYTES = 32 * 1024 * 1024
MAX_CONNECTIONS = 20_000
KINDS = ("rest", "in", "out", "webhook", "refusal", "connection")


class Entry(NamedTuple):
    """One thing that happened. ``number`` counts from 1."""

    number: int
    time: float
    what: Recorded
    size: int

    @property
    def kind(self) -> str:
        """One of :data:`KINDS`."""
        if isinstance(self.what, RecordedFrame):
            return "in" if self.what.direction == "received" else "out"
        if isinstance(self.what, RecordedCall):
            return "rest"
        if isinstance(self.what, RecordedWebhook):
            return "webhook"
        return "connection" if isinstance(self.what, RecordedConnection) else "refusal"

    @property
    def connection_ids(self) -> Sequence[str]:
        """Ids of the connections it is about."""
        if isinstance(self.what, RecordedFrame):
            return self.what.connection_ids
        found = getattr(self.what, "connection_id", None)
        return () if found is None else (found,)


class Opening(NamedTuple):
    """When a connection was opened, and as what."""

    time: float
    what: RecordedConnection


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to show: those that fit all that is given.

    ``user`` and ``text`` are in any case; ``text`` is looked for in all that an entry says.
    """

    hub: str = ""
    connection: str = ""
    user: str = ""
    kinds: frozenset[str] = frozenset(KINDS)
    text: str = ""


class Timeline:
    """What has happened, oldest first.

    :param now: The emulator's clock.
    :param text_of: Gives all that an entry says, for the filter.
    """

    def __init__(self, now: Callable[[], float], text_of: Callable[[Entry], str]) -> None:
        self._now = now
        self._text_of = text_of
        self._entries: deque[Entry] = deque()
        self._size = 0
        #: Number of the latest entry.
        self.latest: int = 0
        #: The connections there were, by id; the latest ones.
        self.openings: dict[str, Opening] = {}
        #: Called after each new entry.
        self.on_change: Callable[[], None] | None = None

    def add(self, what: Recorded, size: int) -> None:
        """Add an entry that holds about ``size`` bytes. What was sent is there already, as a call or a frame."""
        if isinstance(what, RecordedSend):
            return
        self.latest += 1
        now = self._now()
        self._entries.append(Entry(self.latest, now, what, size))
        self._size += size
        while self._size > MAX_BYTES or len(self._entries) > MAX_ENTRIES:
            self._size -= self._entries.popleft().size
        if isinstance(what, RecordedConnection) and what.event == "opened":
            self.openings[what.connection_id] = Opening(now, what)
            if len(self.openings) > MAX_CONNECTIONS:
                del self.openings[next(iter(self.openings))]
        if self.on_change is not None:
            self.on_change()

    def clear(self) -> None:
        """Forget everything but the numbers that were given out."""
        self._entries.clear()
        self.openings.clear()
        self._size = 0
        if self.on_change is not None:
            self.on_change()

    def find(self, number: int) -> Entry | None:
        """Return the entry of a number, None if it is not there (any more)."""
        first = self._entries[0].number if self._entries else 1
        at = number - first
        return self._entries[at] if 0 <= at < len(self._entries) else None

    def select(self, chosen: Filter, after: int = 0) -> list[Entry]:
        """Return the entries that fit a filter, of those after a number."""
        first = self._entries[0].number if self._entries else 1
        found = (self._entries[at] for at in range(max(0, after + 1 - first), len(self._entries)))
        return [each for each in found if self._fits(each, chosen)]

    def users_of(self, entry: Entry) -> list[str]:
        """Return the users of the connections of an entry, each once."""
        found = (self.openings.get(each) for each in entry.connection_ids)
        return list(dict.fromkeys(each.what.user_id for each in found if each and each.what.user_id is not None))

    def _fits(self, entry: Entry, chosen: Filter) -> bool:
        return (
            entry.kind in chosen.kinds
            and (not chosen.hub or getattr(entry.what, "hub", "") == chosen.hub.lower())
            and (not chosen.connection or any(chosen.connection in each for each in entry.connection_ids))
            and (not chosen.user or any(chosen.user.lower() in each.lower() for each in self.users_of(entry)))
            and (not chosen.text or chosen.text.lower() in self._text_of(entry).lower())
        )
