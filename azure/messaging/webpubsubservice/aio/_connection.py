"""One HTTP/1.1 connection of an event loop's: a request goes out in one piece, and the head of its answer comes in.

The asyncio twin of ``_exchange``: a protocol that the loop calls when something happens to the connection, and what
waits for that. Errors are those of the operating system and of ``http.client``; who asked gives them their meaning.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import aclosing, suppress
from http.client import HTTPException, RemoteDisconnected
from math import inf
from typing import Any

from .._http1 import END_OF_HEAD, MAX_INTERIM, Head, check_beginning, parse_head
from .._limits import Limits
from ._connecting import end_task
from ._uploads import pieces_of

# As far as this, which is what the service takes in one message, a body is handed to the loop in one piece.
_WHOLE_BODY = 1 << 20
_PIECE = 1 << 16
# What may wait here to be read; above it, the peer is made to wait.
_MOST_UNREAD = 1 << 18
_KEEPALIVE_SECONDS = 60.0
_END_OF_HEAD_LENGTH = 3
# As far as this, what comes shows whether it is an answer of the 100s.
_UP_TO_STATUS = len(b"HTTP/1.1 1")


class Connection(asyncio.Protocol):
    """A connection, used for one request at a time.

    One future stands for whatever is waited for, and one timer for the limit of the wait, or of the rest between two
    requests. The timer is not set anew for each: when it goes off too early, it waits for what is left.

    :param loop: The event loop that it belongs to.
    :type loop: ~asyncio.AbstractEventLoop
    :param on_end: Called with the connection when it has come to its end, more than once perhaps.
    :type on_end: Callable[[Connection], None]
    """

    __slots__ = (
        "_buffer",
        "_due",
        "_error",
        "_is_aborted",
        "_is_cut",
        "_is_full",
        "_is_held",
        "_loop",
        "_on_end",
        "_resting_since",
        "_room",
        "_timer",
        "_timer_at",
        "_waiter",
        "_waiting_for_loss",
        "is_lost",
        "is_open",
        "last_words_of",
        "transport",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._on_end = on_end
        self.transport: Any = None
        """asyncio's, None before there is one."""
        self.last_words_of: socket.socket | None = None
        """Its socket, if that is to be read to its end when a write fails: asyncio would throw an early answer away."""
        self.is_open: bool = True
        """Whether more may come, as far as this end can know."""
        self.is_lost: bool = False
        """Whether its socket is closed."""
        self._buffer = b""
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._waiting_for_loss: asyncio.Future[None] | None = None
        self._is_aborted = False
        self._is_full = False  # of what is to be written
        self._is_held = False  # so that nothing more is read
        self._is_cut = False  # in the midst of a request
        self._resting_since = -inf
        self._due = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take what can write, from the loop."""
        self.transport = transport
        if self._is_aborted:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what came, from the loop."""
        if self._resting_since >= 0:
            self.abort()  # nobody asked for it: it would be taken for the answer to the next request
            return
        self._buffer = self._buffer + data if self._buffer else data
        if len(self._buffer) > _MOST_UNREAD and not self._is_held:
            self._is_held = True
            self.transport.pause_reading()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def eof_received(self) -> None:
        """Learn from the loop that nothing more will come."""
        self._end(None)
        if self._resting_since >= 0:
            self._loop.call_soon(self.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn from the loop that the connection is closed."""
        self.is_lost = True
        if isinstance(exc, ConnectionError) and self.last_words_of is not None:
            with suppress(OSError):
                while len(self._buffer) < _MOST_UNREAD and (data := self.last_words_of.recv(_MOST_UNREAD)):
                    self._buffer += data
        self.last_words_of = None
        self._end(exc)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting_for_loss is not None and not self._waiting_for_loss.done():
            self._waiting_for_loss.set_result(None)

    def pause_writing(self) -> None:
        """Learn from the loop that the peer does not keep up."""
        self._is_full = True
        self._wake()

    def resume_writing(self) -> None:
        """Learn from the loop that the peer has caught up."""
        self._is_full = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._wake()

    def _end(self, error: BaseException | None) -> None:
        self.is_open = False
        if self._error is None:
            self._error = error
        self._on_end(self)
        self._wake()

    def _wake(self, _: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Waiting

    def _limit(self, seconds: float) -> None:
        due = self._due = self._loop.time() + seconds
        if due < self._timer_at:
            self._set_timer(due)

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = inf
        waiter = self._waiter
        if self._due == inf or (self._resting_since < 0 and (waiter is None or waiter.done())):
            return  # what it was for is over
        if self._loop.time() < self._due:
            self._set_timer(self._due)
        elif self._resting_since >= 0:
            self.abort()
        elif waiter is not None:
            waiter.set_exception(TimeoutError())

    async def _wait(self, seconds: float | None) -> None:
        """Wait for whatever happens next."""
        self._limit(inf if seconds is None else seconds)
        self._waiter = waiter = self._loop.create_future()
        await waiter

    # A request and the head of its answer

    async def exchange(self, head: bytes, body: Any, limits: Limits, *, chunked: bool, bodiless: bool) -> Head:
        """Write a request and return the head of its answer.

        :param bytes head: All of the request up to its body.
        :param body: bytes, a binary stream, an iterable or an async iterable of bytes or str, or None.
        :type body: Any
        :param Limits limits: How long it may take.
        :keyword bool chunked: Whether the head announces chunks.
        :keyword bool bodiless: Whether the answer has no body, whatever it says.
        :return: The head of the answer.
        :rtype: Head
        :raises OSError: if the connection breaks; its subclass TimeoutError for want of time.
        :raises ~http.client.HTTPException: if what comes is no answer.
        """
        self._resting_since = -inf
        if body is None and not chunked:
            self.transport.write(head)
        elif isinstance(body, bytes) and not chunked and self._takes_whole(len(body)):
            self.transport.write(head + body)
            if self._is_full:
                await self._drain(limits)
        else:
            await self._upload(head, body, limits, chunked=chunked)
        searched = interim = 0
        while True:
            buffer = self._buffer
            if buffer:
                found = END_OF_HEAD.search(buffer, searched)
                if found is not None:
                    answer = self._take_head(found.end(), bodiless)
                    if not answer.is_interim:
                        return answer
                    searched, interim = 0, interim + 1
                    if interim == MAX_INTERIM:
                        raise HTTPException("the answer does not come")
                    continue
                check_beginning(buffer)
                searched = max(len(buffer) - _END_OF_HEAD_LENGTH, 0)
            if not self.is_open:
                raise self._broken(within_head=bool(buffer))
            # As in _wait, without a coroutine of its own: every send comes here.
            self._limit(limits.wait())
            self._waiter = waiter = self._loop.create_future()
            await waiter

    def _take_head(self, end: int, bodiless: bool) -> Head:
        head = parse_head(self._buffer[:end], bodiless=bodiless)
        self._buffer = self._buffer[end:]
        if head.is_interim:
            self._release()
        return head

    def _broken(self, *, within_head: bool) -> BaseException:
        if self._error is not None:
            return self._error
        if within_head:
            return HTTPException("the connection ended within the headers")
        return RemoteDisconnected("the service closed the connection without an answer")

    def _takes_whole(self, length: int) -> bool:
        if length <= _PIECE:
            return True
        # asyncio's TLS hands all that it is given to the connection below, and shows nothing of what waits there.
        return length <= _WHOLE_BODY and self.transport.get_extra_info("sslcontext") is None

    async def _drain(self, limits: Limits) -> None:
        """Wait until the peer has taken what was written, as long as it takes some of it in the time of one wait."""
        while self._is_full and self.is_open:
            if self._is_answered():
                self._is_cut = True
                return
            left = self.transport.get_write_buffer_size()
            try:
                await self._wait(limits.wait())
            except TimeoutError:
                if self.transport.get_write_buffer_size() >= left:
                    raise

    async def _upload(self, head: bytes, body: Any, limits: Limits, *, chunked: bool) -> None:
        """Write a large request, until it is over or the answer is there."""
        self.transport.set_write_buffer_limits(_PIECE)
        self.transport.write(head)
        writing = self._loop.create_task(self._write_body(body, chunked=chunked))
        writing.add_done_callback(self._wake)
        try:
            while not writing.done():
                if not self.is_open or self._is_answered():
                    self._is_cut = True
                    return
                # A peer that does not read has so long to begin; the caller's own stream may take all the time.
                await self._wait(limits.wait() if self._is_full else limits.left)
            writing.result()
        finally:
            await end_task(writing)

    async def _write_body(self, body: Any, *, chunked: bool) -> None:
        write = self.transport.write
        async with aclosing(pieces_of(body)) as pieces:
            async for piece in pieces:
                write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await asyncio.sleep(0)  # so that an answer is read before a write finds the connection closed
                if self._is_full:
                    self._room = self._loop.create_future()
                    await self._room
        if chunked:
            write(b"0\r\n\r\n")

    def _is_answered(self) -> bool:
        while len(self._buffer) >= _UP_TO_STATUS:
            if not self._buffer.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
                return True
            found = END_OF_HEAD.search(self._buffer)
            if found is None:
                check_beginning(self._buffer)
                return False
            if not self._take_head(found.end(), bodiless=True).is_interim:
                raise HTTPException("the service changes the protocol within a request")
        return False

    # The body of an answer

    def take(self, length: int) -> bytes | None:
        """Return so many bytes, None if fewer have come."""
        buffer = self._buffer
        if len(buffer) < length:
            return None
        self._buffer = buffer[length:]
        return buffer[:length]

    async def receive(self, limits: Limits) -> bytes:
        """Return what has come, and wait for it where nothing has; nothing means that nothing more will come.

        :param Limits limits: How long it may take.
        :return: What has come.
        :rtype: bytes
        :raises OSError: if the connection breaks; its subclass TimeoutError for want of time.
        """
        while not self._buffer and self.is_open:
            self._release()
            await self._wait(limits.wait())
        data, self._buffer = self._buffer, b""
        self._release()
        if not data and self._error is not None:
            raise self._error
        return data

    def put_back(self, data: bytes) -> None:
        """Take back what was received and does not belong to the body."""
        self._buffer = data + self._buffer

    def _release(self) -> None:
        if self._is_held:
            self._is_held = False
            if not self.is_lost:  # after which Python 3.10's TLS transport has nothing left to resume
                self.transport.resume_reading()

    # Between requests

    def rest(self) -> bool:
        """Say whether another request may follow when the answer is over; if not, the connection is closed."""
        if not self.is_open or self._buffer or self._is_cut:
            self.abort()
            return False
        self._release()
        self._resting_since = now = self._loop.time()
        self._due = due = now + _KEEPALIVE_SECONDS
        if due < self._timer_at:
            self._set_timer(due)
        return True

    def rested(self) -> float:
        """Return for how many seconds it has rested."""
        return self._loop.time() - self._resting_since

    @property
    def is_usable(self) -> bool:
        """Whether another request may be written to it, as far as this end can know."""
        return self.is_open and not self.transport.is_closing()

    # The end

    def abort(self, error: BaseException | None = None) -> None:
        """Close the connection at once, and wake whoever waits for it.

        :param error: What to tell them.
        :type error: BaseException or None
        """
        self._end(error)
        if self._is_aborted or self.is_lost or self._loop.is_closed():
            return
        self._is_aborted = True
        if self.transport is not None:
            # The first says goodbye where that is TLS's way, the second does not wait for an answer to it.
            if not self.transport.is_closing():
                self.transport.close()
            self.transport.abort()

    def when_lost(self) -> asyncio.Future[None]:
        """Return what is done when the connection is closed."""
        if self._waiting_for_loss is None:
            self._waiting_for_loss = self._loop.create_future()
            if self.is_lost or self.transport is None:
                self._waiting_for_loss.set_result(None)
        return self._waiting_for_loss

    def abort_from_anywhere(self) -> None:
        """Close the connection in the loop's next step; may be called in any thread, and when the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self.abort)
        except RuntimeError:
            return  # the loop is closed
