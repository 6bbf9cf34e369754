"""The emulator's time: the machine's, plus what a test has added to it.

Token lifetimes, message lifetimes and recovery windows follow it. Keep-alive pings and network time limits do not:
they speak of real sockets.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# The first second of the year 9999: later dates cannot be written in a header or a token's lifetime.
_LAST = 253_370_764_800.0


class Clock:
    """A clock that can be moved forward.

    :param on_advance: Called after the clock was moved; returns when everything that became due has happened.
    """

    __slots__ = ("_offset", "_on_advance")

    def __init__(self, on_advance: Callable[[], None]) -> None:
        self._offset = 0.0
        self._on_advance = on_advance

    def now(self) -> float:
        """Return the emulator's time, in seconds since 1970."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward. What becomes due (a token, a message, a recovery window) has ended when this returns.

        A token lives five minutes longer than it says: the service allows clocks to differ by that much.

        :param float seconds: How far; never negative, and not beyond the year 9999.
        :raises ValueError: if ``seconds`` is negative or no finite number, or leads too far.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"'seconds' must be a finite number (got {seconds})")
        if seconds < 0:
            raise ValueError(f"'seconds' must not be negative: the clock only goes forward (got {seconds})")
        if self.now() + seconds > _LAST:
            raise ValueError(f"'seconds' must not lead beyond the year 9999 (got {seconds})")
        self._offset += seconds
        self._on_advance()

    def reset(self) -> None:
        """Set the clock back to the machine's time."""
        self._offset = 0.0
