"""When each hub is due next, and one timer of the event loop for the first of them.

Time is the emulator's clock, which a test may move on: then :meth:`Timetable.take_due` tells who is due already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .._clock import Clock


class Timetable:
    """Names, each with the time at which it is due.

    :param clock: The emulator's time.
    :param wake: Called when the first of them is due.
    """

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._dues: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, name: str, due: float | None) -> None:
        """Note when a name is due; None if it is not."""
        if due == self._dues.get(name):
            return
        if due is None:
            del self._dues[name]
        else:
            self._dues[name] = due
        self.cancel()
        if self._dues:
            delay = max(0.0, min(self._dues.values()) - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def take_due(self) -> list[str]:
        """Return the names that are due, and forget that they are."""
        now = self._clock.now()
        due = [name for name, at in self._dues.items() if at <= now]
        for name in due:
            self.put(name, None)
        return due

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
