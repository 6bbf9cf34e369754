"""Faults a test can order: what they match, and how often. What they do to a socket is done by the server.

Rule: values and counting only.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class RestFault:
    """Something that goes wrong with the next ``times`` REST requests that match.

    Exactly one of ``status``, ``drop``, ``drop_after`` and ``truncate`` says how the request ends; with none of them
    it is answered as usual, after ``delay`` seconds.

    :param str method: HTTP method; any if None.
    :param str path: Shell pattern (``*``, ``?``, ``[...]``) for the path as it was sent, without query; any if None.
    :param int status: Answer with this status, without doing anything.
    :param float retry_after: Seconds for a ``Retry-After`` header beside ``status``.
    :param float delay: Real seconds to wait before anything else.
    :param bool drop: Close the connection instead of answering, without doing anything.
    :param bool drop_after: Do what was asked, then close the connection instead of answering.
    :param bool truncate: Do what was asked, then close the connection in the middle of the answer.
    :param int times: How many requests; at least 1.
    :raises ValueError: if ``times`` is below 1, or more than one ending is given.
    """

    method: str | None = None
    path: str | None = None
    status: int | None = None
    retry_after: float | None = None
    delay: float | None = None
    drop: bool = False
    drop_after: bool = False
    truncate: bool = False
    times: int = 1

    def __post_init__(self) -> None:
        _check_times(self.times)
        if sum((self.status is not None, self.drop, self.drop_after, self.truncate)) > 1:
            raise ValueError("give at most one of 'status', 'drop', 'drop_after' and 'truncate'")

    def matches(self, method: str, path: str) -> bool:
        """Return True for a request this fault is meant for."""
        if self.method is not None and self.method.upper() != method:
            return False
        return self.path is None or fnmatchcase(path, self.path)


@dataclass(frozen=True)
class SocketFault:
    """Something that goes wrong with ``times`` client connections that match: those open now, then those to come.

    :param str hub: Name of the hub; any if None.
    :param str user_id: User id; any if None.
    :param str connection_id: Connection id; any if None.
    :param bool drop: Cut the connection without a close frame, as a failing network does.
    :param bool stop_reading: Read nothing more from the client.
    :param int times: How many connections; at least 1.
    :raises ValueError: if ``times`` is below 1, or not exactly one of ``drop`` and ``stop_reading`` is given.
    """

    hub: str | None = None
    user_id: str | None = None
    connection_id: str | None = None
    drop: bool = False
    stop_reading: bool = False
    times: int = 1

    def __post_init__(self) -> None:
        _check_times(self.times)
        if self.drop == self.stop_reading:
            raise ValueError("give exactly one of 'drop' and 'stop_reading'")

    def matches(self, hub: str, user_id: str | None, connection_id: str) -> bool:
        """Return True for a connection this fault is meant for."""
        return (
            (self.hub is None or self.hub.lower() == hub)
            and (self.user_id is None or self.user_id == user_id)
            and (self.connection_id is None or self.connection_id == connection_id)
        )


def _check_times(times: int) -> None:
    if times < 1:
        raise ValueError(f"'times' must be at least 1 (got {times})")


class Faults:
    """The faults that are still to happen, oldest first."""

    def __init__(self) -> None:
        self._rest: list[tuple[RestFault, int]] = []
        self._socket: list[tuple[SocketFault, int]] = []

    def add(self, fault: RestFault | SocketFault) -> None:
        """Arm a fault."""
        if isinstance(fault, RestFault):
            self._rest.append((fault, fault.times))
        else:
            self._socket.append((fault, fault.times))

    @property
    def armed(self) -> list[tuple[RestFault | SocketFault, int]]:
        """The faults that are still to happen, and how often each."""
        return [*self._rest, *self._socket]

    def take_rest(self, method: str, path: str) -> RestFault | None:
        """Return the first fault meant for a request, and count it."""
        for index, (fault, left) in enumerate(self._rest):
            if fault.matches(method, path):
                self._rest[index : index + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return None

    def take_socket(self, hub: str, user_id: str | None, connection_id: str) -> SocketFault | None:
        """Return the first fault meant for a connection, and count it."""
        for index, (fault, left) in enumerate(self._socket):
            if fault.matches(hub, user_id, connection_id):
                self._socket[index : index + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return None

    def clear(self) -> None:
        """Forget every fault."""
        self._rest.clear()
        self._socket.clear()
