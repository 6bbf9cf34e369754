"""How long an exchange with a server may take. Nothing waits here: who does asks how long."""

from __future__ import annotations

from time import monotonic

_SHORTEST = 0.001  # 0 would mean something else to a socket


class Limits:
    """How long an exchange may take: each wait for the peer, and all of it.

    :param float read_timeout: Seconds for one wait.
    :param deadline: When it has to be over, by the monotonic clock; None for no such limit.
    :type deadline: float or None
    """

    __slots__ = ("_deadline", "_read_timeout", "_started")

    def __init__(self, read_timeout: float, deadline: float | None) -> None:
        self._read_timeout = read_timeout
        self._deadline = deadline
        self._started = 0.0 if deadline is None else monotonic()

    def wait(self) -> float:
        """Return the seconds that the next wait may take.

        :raises TimeoutError: if there is no time left.
        """
        if self._deadline is None:
            return self._read_timeout
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self._read_timeout)

    @property
    def left(self) -> float | None:
        """The seconds until the deadline, perhaps below 0; None if there is none."""
        return None if self._deadline is None else self._deadline - monotonic()

    @property
    def is_over(self) -> bool:
        """Whether there is no time left."""
        return self._deadline is not None and monotonic() >= self._deadline

    def shorten(self, seconds: float) -> float:
        """Return a limit, or what is left until the deadline if that is less."""
        if self._deadline is None:
            return seconds
        return max(min(seconds, self._deadline - monotonic()), _SHORTEST)

    @property
    def seconds(self) -> float:
        """The limit that ran out, for an error."""
        if self._deadline is None or monotonic() < self._deadline:
            return self._read_timeout
        return max(self._deadline - self._started, 0.0)
