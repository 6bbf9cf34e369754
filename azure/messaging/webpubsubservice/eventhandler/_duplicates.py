"""What was answered lately, so that an event the service repeats gets the same answer without running twice.

The answer is kept, not just the id: a repeated ``connect`` that was rejected must be rejected again. An event whose
function failed (500) is forgotten, because running it again is what the service repeats it for.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass

from ._replies import EventHandlerResponse

MAX_EVENTS = 10_000
MAX_BYTES = 16 * 1024 * 1024
FAILED = 500
# The service is known to give up an event after as many seconds.
WAIT_SECONDS = 100.0
# What one event costs besides the texts of its answer: its key, its place in the table, the objects of the answer; and
# as long as its function runs, a future with its lock.
_ENTRY_SIZE = 500
_FUTURE_SIZE = 2000

Key = tuple[str | None, ...]


@dataclass(slots=True)
class _Entry:
    expires: float
    answer: Future[EventHandlerResponse] | EventHandlerResponse
    size: int


class RecentAnswers:
    """Answers by key, for some seconds, never more than `MAX_EVENTS` of them or `MAX_BYTES` of memory. Thread-safe."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0

    def claim(self, key: Key) -> tuple[Future[EventHandlerResponse], bool]:
        """Return the answer to an event, perhaps still to come, and whether the caller has to find it."""
        digest = _digest(key)
        with self._lock:
            now = self._clock()
            self._drop_old(now)
            entry = self._entries.get(digest)
            if entry is None:
                answer: Future[EventHandlerResponse] = Future()
                entry = _Entry(now + self._seconds, answer, _ENTRY_SIZE + _FUTURE_SIZE)
                self._entries[digest] = entry
                self._bytes += entry.size
                self._drop_old(now)
                return answer, True
        if isinstance(entry.answer, Future):
            return entry.answer, False
        answer = Future()
        answer.set_result(entry.answer)
        return answer, False

    def settle(self, key: Key, answer: Future[EventHandlerResponse], response: EventHandlerResponse) -> None:
        """Give the answer to everyone who waits for it, and keep it unless it is a failure."""
        digest = _digest(key)
        with self._lock:
            entry = self._entries.get(digest)
            if entry is not None and entry.answer is answer:
                self._bytes -= entry.size
                if response.status >= FAILED:
                    del self._entries[digest]
                else:
                    entry.answer = response
                    entry.size = _ENTRY_SIZE + _size_of(response)
                    self._bytes += entry.size
                    self._drop_old(self._clock())
        answer.set_result(response)

    def wait(self, answer: Future[EventHandlerResponse]) -> EventHandlerResponse | None:
        """Return an answer that someone else is finding, or None if it takes longer than `WAIT_SECONDS`."""
        done, _ = futures.wait([answer], timeout=WAIT_SECONDS)
        return answer.result() if done else None

    async def wait_async(self, answer: Future[EventHandlerResponse]) -> EventHandlerResponse | None:
        """Do what `wait` does, in an event loop."""
        # Shielded: whoever gives up waiting must not take the answer away from the others.
        done, _ = await asyncio.wait([asyncio.shield(asyncio.wrap_future(answer))], timeout=WAIT_SECONDS)
        return answer.result() if done else None

    def __len__(self) -> int:
        return len(self._entries)

    def _drop_old(self, now: float) -> None:
        # Entries are in the order of their expiry, as all of them live equally long.
        while self._entries:
            digest, entry = next(iter(self._entries.items()))
            if entry.expires > now and len(self._entries) <= MAX_EVENTS and self._bytes <= MAX_BYTES:
                return
            del self._entries[digest]
            self._bytes -= entry.size


def _digest(key: Key) -> bytes:
    # Ids come from outside and may be long; a hash of them is as good and always as short.
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).digest()


def _size_of(response: EventHandlerResponse) -> int:
    texts = sum(sys.getsizeof(name) + sys.getsizeof(value) for name, value in response.headers.items())
    return sys.getsizeof(response.headers) + texts + sys.getsizeof(response.body)
