"""What the emulator has seen, for a test to look at: sends, frames, calls both ways, refusals, connections.

Entries are frozen values, kept in the order in which things happened; each kind is bounded in number and in bytes, and
the oldest go first. Written by the emulator's thread, read from any.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from ._record_table import Entries, table
from .hub._frames import ClientFrame, DataType, ServerFrame

MAX_ENTRIES = 1000
MAX_BYTES = 64 * 1024 * 1024
_POINTER = 8


@dataclass(frozen=True, slots=True)
class RecordedSend:
    """A message given to the service: by REST (``sender`` is None), or by a client that published it to a group.

    ``group``, ``user_id`` and ``connection_id`` say to whom; all None means the whole hub.

    :ivar str hub: Name of the hub, in lower case.
    :ivar bytes data: The message as it was given.
    :ivar str data_type: ``text``, ``json``, ``binary`` or ``protobuf``.
    :ivar group: Name of the group, or None.
    :ivar user_id: Id of the user, or None.
    :ivar connection_id: Id of the connection, or None.
    :ivar excluded: Ids of connections that were left out.
    :ivar int ttl_seconds: Seconds that the message may wait for a reliable client; 0 is for ever.
    :ivar metadata: Metadata of the message; keys are in lower case.
    :ivar sender: Id of the connection that published it, or None.
    """

    hub: str
    data: bytes
    data_type: DataType
    group: str | None = None
    user_id: str | None = None
    connection_id: str | None = None
    excluded: frozenset[str] = frozenset()
    ttl_seconds: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    sender: str | None = None

    @property
    def text(self) -> str:
        """The data as text."""
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A frame a client sent (``received``) or got (``sent``); a broadcast is one entry with all its receivers.

    :ivar str hub: Name of the hub, in lower case.
    :ivar str direction: ``received`` or ``sent``, from where the service stands.
    :ivar connection_ids: Ids of the connection that sent it, or of those that got it.
    :ivar frame: What it said, whatever subprotocol it came in.
    :ivar sequence_ids: The sequence ids under which reliable clients got it, in the order of ``connection_ids``.
    """

    hub: str
    direction: Literal["received", "sent"]
    connection_ids: Sequence[str]
    frame: ClientFrame | ServerFrame
    sequence_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class RecordedWebhook:
    """A call of an event handler, and how it ended.

    :ivar str hub: Name of the hub.
    :ivar str event: Name of the event, such as ``connect``.
    :ivar str connection_id: Id of the client connection.
    :ivar url: URL that was called, or None for a handler in this process.
    :ivar headers: Headers of the request.
    :ivar bytes body: Body of the request.
    :ivar status: Status of the answer, or None when there was none.
    :ivar error: Why there was none, or None.
    :ivar answer_headers: Headers of the answer.
    :ivar bytes answer: Body of the answer.
    """

    hub: str
    event: str
    connection_id: str
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""
    status: int | None = None
    error: str | None = None
    answer_headers: Sequence[tuple[str, str]] = ()
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A REST call, and how it ended.

    :ivar str hub: Name of the hub, in lower case; empty if the path names none.
    :ivar str method: HTTP method.
    :ivar str target: Path and query, as they were sent.
    :ivar content_type: Content type of the body, or None.
    :ivar bytes body: Body of the request.
    :ivar status: Status of the answer, or None if an injected fault left the call without one.
    :ivar str why: Why it was refused, or which fault it met; empty if all went well.
    :ivar metadata: Metadata of the message, if it is a send.
    """

    hub: str
    method: str
    target: str
    content_type: str | None = None
    body: bytes = b""
    status: int | None = None
    why: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordedRefusal:
    """Something a client, or somebody at the door, was refused. Refused REST calls are among the calls.

    :ivar str hub: Name of the hub; empty if it is not known.
    :ivar connection_id: Id of the connection, or None if there was none yet.
    :ivar str why: The reason.
    :ivar status: HTTP status of the answer, or None if the connection was open.
    :ivar str target: Path that was asked for, empty if the connection was open.
    """

    hub: str
    connection_id: str | None
    why: str
    status: int | None = None
    target: str = ""


@dataclass(frozen=True, slots=True)
class RecordedConnection:
    """A connection has been opened, lost (it can be recovered), recovered, or is over.

    :ivar str hub: Name of the hub, in lower case.
    :ivar str connection_id: Id of the connection.
    :ivar str event: ``opened``, ``lost``, ``recovered`` or ``ended``.
    :ivar user_id: Id of the user, or None; what follows is told when it is opened.
    :ivar subprotocol: Subprotocol, or None for a simple client.
    :ivar groups: Groups that it is in from the start.
    :ivar roles: Its roles.
    :ivar str reason: Why it was lost, or is over.
    """

    hub: str
    connection_id: str
    event: Literal["opened", "lost", "recovered", "ended"]
    user_id: str | None = None
    subprotocol: str | None = None
    groups: Sequence[str] = ()
    roles: Sequence[str] = ()
    reason: str = ""


#: An entry of any kind.
Recorded: TypeAlias = (
    RecordedSend | RecordedFrame | RecordedWebhook | RecordedCall | RecordedRefusal | RecordedConnection
)

Entry = TypeVar("Entry")


class _Log(Generic[Entry]):
    """A bounded list of entries."""

    def __init__(self) -> None:
        self._entries: deque[tuple[Entry, int]] = deque()
        self._size = 0

    def add(self, entry: Entry, size: int) -> None:
        self._entries.append((entry, size))
        self._size += size
        while self._size > MAX_BYTES or len(self._entries) > MAX_ENTRIES:
            self._size -= self._entries.popleft()[1]

    def all(self) -> tuple[Entry, ...]:
        return Entries(entry for entry, _ in self._entries)

    def clear(self) -> None:
        self._entries.clear()
        self._size = 0


class Record:
    """What the emulator has seen: the last 1,000 of each kind."""

    __slots__ = (
        "_calls",
        "_changed",
        "_connections",
        "_frames",
        "_is_emulator_thread",
        "_refusals",
        "_sends",
        "_webhooks",
    )

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sends: _Log[RecordedSend] = _Log()
        self._frames: _Log[RecordedFrame] = _Log()
        self._webhooks: _Log[RecordedWebhook] = _Log()
        self._calls: _Log[RecordedCall] = _Log()
        self._refusals: _Log[RecordedRefusal] = _Log()
        self._connections: _Log[RecordedConnection] = _Log()
        self._is_emulator_thread: Callable[[], bool] = lambda: False

    @property
    def sends(self) -> tuple[RecordedSend, ...]:
        """Messages given to the service, by REST or by a client."""
        with self._changed:
            return self._sends.all()

    @property
    def frames(self) -> tuple[RecordedFrame, ...]:
        """Frames of clients, both ways."""
        with self._changed:
            return self._frames.all()

    @property
    def webhooks(self) -> tuple[RecordedWebhook, ...]:
        """Calls of event handlers, as they ended."""
        with self._changed:
            return self._webhooks.all()

    @property
    def calls(self) -> tuple[RecordedCall, ...]:
        """REST calls, as they ended."""
        with self._changed:
            return self._calls.all()

    @property
    def refusals(self) -> tuple[RecordedRefusal, ...]:
        """What clients were refused, and why."""
        with self._changed:
            return self._refusals.all()

    @property
    def connections(self) -> tuple[RecordedConnection, ...]:
        """Connections as they came and went."""
        with self._changed:
            return self._connections.all()

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            for log in (
                *(self._sends, self._frames, self._webhooks),
                *(self._calls, self._refusals, self._connections),
            ):
                log.clear()

    def wait_for(self, predicate: Callable[[Record], bool], timeout: float = 5.0) -> None:
        """Return once ``predicate(record)`` is true. For code outside the emulator's thread.

        :param predicate: Asked now and after each new entry.
        :param float timeout: Seconds to wait.
        :raises TimeoutError: if it is still false after ``timeout`` seconds.
        :raises RuntimeError: if it has to wait in the event loop the emulator runs in.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not predicate(self):
                if self._is_emulator_thread():
                    raise RuntimeError(
                        "'wait_for' would stop the event loop the emulator runs in: await 'wait_for_async' instead"
                    )
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"the predicate was still false after {timeout} seconds; {self!r}")
                self._changed.wait(left)

    async def wait_for_async(self, predicate: Callable[[Record], bool], timeout: float = 5.0) -> None:
        """Return once ``predicate(record)`` is true. For code in an event loop, also the emulator's own.

        :param predicate: Asked every hundredth of a second.
        :param float timeout: Seconds to wait.
        :raises TimeoutError: if it is still false after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not predicate(self):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the predicate was still false after {timeout} seconds; {self!r}")
            await asyncio.sleep(0.01)

    def __repr__(self) -> str:
        with self._changed:
            counts = [len(log.all()) for log in (self._sends, self._frames, self._webhooks)]
        return "<Record: {} sends, {} frames, {} webhooks>".format(*counts)

    def _repr_html_(self) -> str:
        with self._changed:
            logs: dict[str, _Log[Any]] = {
                "sends": self._sends,
                "frames": self._frames,
                "webhooks": self._webhooks,
                "calls": self._calls,
            }
            tables = (f"<b>{name}</b>{table(log.all())}" for name, log in logs.items())
            return "".join(tables)


class Recorder(Record):
    """The emulator's side of a :class:`Record`: what writes it.

    :param is_emulator_thread: Tells whether the calling thread is the one that must never be blocked.
    """

    __slots__ = ("listener",)

    def __init__(self, is_emulator_thread: Callable[[], bool]) -> None:
        super().__init__()
        self._is_emulator_thread = is_emulator_thread
        #: Called with each new entry and about how many bytes it holds, in the emulator's thread.
        self.listener: Callable[[Recorded, int], None] | None = None

    def renew_lock(self) -> None:
        """Take a new lock: in a forked child, the thread that holds the old one may be missing."""
        self._changed = threading.Condition()

    def add_send(self, entry: RecordedSend) -> None:
        """Add an entry."""
        self._add(self._sends, entry, len(entry.data))

    def add_frame(self, entry: RecordedFrame, size: int) -> None:
        """Add an entry that holds about ``size`` bytes, not counting the list of its connections."""
        self._add(self._frames, entry, size + _POINTER * len(entry.connection_ids))

    def add_webhook(self, entry: RecordedWebhook) -> None:
        """Add an entry."""
        self._add(self._webhooks, entry, len(entry.body) + len(entry.answer))

    def add_call(self, entry: RecordedCall) -> None:
        """Add an entry."""
        self._add(self._calls, entry, len(entry.body) + len(entry.target))

    def add_refusal(self, entry: RecordedRefusal) -> None:
        """Add an entry."""
        self._add(self._refusals, entry, len(entry.why) + len(entry.target))

    def add_connection(self, entry: RecordedConnection) -> None:
        """Add an entry."""
        self._add(self._connections, entry, len(entry.reason))

    def _add(self, log: _Log[Any], entry: Recorded, size: int) -> None:
        with self._changed:
            log.add(entry, size)
            self._changed.notify_all()
        if self.listener is not None:
            self.listener(entry, size)
