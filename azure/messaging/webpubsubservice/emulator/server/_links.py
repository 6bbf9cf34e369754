"""The socket of one client: bytes in, messages to the server; frames out, straight to the transport while it can send.

A link is the asyncio protocol of its connection once it has taken it over: no task reads or writes for each client. It
knows the WebSocket close handshake and when to give a peer up; what messages mean is not its business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ..protocols._subprotocols import ClientProtocol, Numbered
from ..protocols._websocket import (
    CLOSE,
    NO_STATUS,
    PING,
    PONG,
    FrameReader,
    WebSocketError,
    WebSocketMessage,
    build_close,
    build_frame,
)
from ._backlogs import CHUNK, Backlog

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

#: Seconds a peer has to answer a close frame, or to read what is left for it.
CLOSE_SECONDS = 3.0

_PING = build_frame(PING, b"")


class LinkOwner(Protocol):
    """Who hears of what arrives at a link."""

    def on_message(self, link: Link, message: WebSocketMessage) -> None:
        """Take a data message; none comes once the link is closing."""

    def on_error(self, link: Link, error: WebSocketError) -> None:
        """Learn, once, that the peer has broken the WebSocket protocol."""

    def on_pong(self) -> None:
        """Learn that a ping was answered, which the peer may never read."""

    def on_unread(self, link: Link, size: int) -> None:
        """Learn how many bytes wait for the peer now; the link may be aborted."""

    def on_room(self, link: Link) -> None:
        """Learn that the peer is read again, after a pause."""

    def on_end(self, link: Link, code: int | None, reason: str) -> None:
        """Learn, once, that the socket is gone or about to go.

        ``code`` and ``reason`` are those of the peer's close frame; None if there was none.
        """


class Link(asyncio.Protocol):
    """One open socket of a client.

    :param transport: Where it writes.
    :param protocol: How frames are written.
    :param str hub: Name of the hub.
    :param str connection_id: Connection it carries.
    :param owner: Who hears of what arrives.
    :keyword int max_size: Largest message accepted, in bytes.
    :keyword bool unmasked_control: Whether control frames of the client may come unmasked.
    """

    __slots__ = (
        "_backlog",
        "_connection",
        "_counted",
        "_has_ended",
        "_in_transport",
        "_is_deaf",
        "_is_paused",
        "_last",
        "_owner",
        "_quiet",
        "_reader",
        "_timer",
        "cause",
        "connection_id",
        "gone",
        "hub",
        "is_closing",
        "is_ready",
        "protocol",
        "transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: ClientProtocol,
        hub: str,
        connection_id: str,
        owner: LinkOwner,
        *,
        max_size: int,
        unmasked_control: bool = False,
    ) -> None:
        self.transport: asyncio.Transport = transport
        self.protocol: ClientProtocol = protocol
        self.hub: str = hub
        self.connection_id: str = connection_id
        #: Done when the socket is gone.
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_closing: bool = False
        #: Why it was cut off, empty if it was not.
        self.cause: str = ""
        #: Whether a frame of at most :data:`CHUNK` bytes may go straight to the transport.
        self.is_ready: bool = True
        self._owner: LinkOwner = owner
        self._connection: RequestHandler | None = None
        self._backlog: Backlog | None = None
        # Bytes that the transport could not send; as long as there are any, nothing more is given to it.
        self._in_transport = 0
        self._counted = 0
        # What is to be done once everything was given to the transport.
        self._last: Callable[[], None] | None = None
        self._has_ended = False
        self._reader: FrameReader | None = FrameReader(max_size, unmasked_control=unmasked_control)
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = False
        self._is_paused = False
        self._is_deaf = False

    def take_over(self, connection: RequestHandler) -> None:
        """Take the place of aiohttp's connection: the link writes, and reads in :meth:`serve`."""
        self._connection = connection
        connection.keep_alive(False)
        self.transport.set_protocol(self)
        # Some transports copy what they cannot send, so they are not to keep more than the rest of one chunk.
        self.transport.set_write_buffer_limits(high=0)

    async def serve(self) -> None:
        """Read until the socket is gone."""
        if self._connection is not None:
            # It hands on what it has read already, and later the end.
            self._connection.set_parser(self)  # type: ignore[arg-type]  # it has the two methods that are called
        await self.gone

    # What the transport says

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket. After a protocol error whatever comes is thrown away."""
        self._quiet = False
        if self._reader is not None:
            messages, error = self._reader.feed(bytes(data))
            for message in messages:
                self._take(message)
            if error is not None and self._reader is not None:
                self._reader = None
                if not self.is_closing:
                    self._owner.on_error(self, error)

    def eof_received(self) -> bool:
        """Learn that the peer says no more; it may still read what waits for it."""
        self._when_written(self.transport.close)
        return True

    def pause_writing(self) -> None:
        """Learn that the transport could not send everything."""
        self._in_transport = self.transport.get_write_buffer_size()
        self.is_ready = False
        self._count()

    def resume_writing(self) -> None:
        """Learn that the transport has sent everything."""
        self._in_transport = 0
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the socket is gone."""
        if self._connection is not None:
            self._connection.connection_lost(exc)

    # What aiohttp's connection says

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes that came before the link took over."""
        self.data_received(data)
        return False, b""

    def feed_eof(self) -> None:
        """Learn that the socket is gone."""
        self._end(None, "")
        self._reader = None
        self._drop_backlog()
        if self._timer is not None:
            self._timer.cancel()
        if not self.gone.done():
            self.gone.set_result(None)

    def _take(self, message: WebSocketMessage) -> None:
        if message.opcode == CLOSE:
            self._reader = None
            if not self.is_closing:
                # First of all: a client that has its answer may rely on being gone.
                self._end(message.code, message.data.decode("utf-8", "replace"))
                self.close(message.code)
            self._when_written(self.transport.close)
        elif self.is_closing:
            return
        elif message.opcode == PING:
            self._send(build_frame(PONG, message.data))
            self._owner.on_pong()
        elif message.opcode != PONG:
            self._owner.on_message(self, message)

    def _end(self, code: int | None, reason: str) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._owner.on_end(self, code, reason)

    # Writing

    def write(self, frame: bytes | None) -> None:
        """Write one frame, unless the link is closing."""
        if frame is not None and not self.is_closing:
            self._send(frame)

    def write_numbered(self, message: Numbered, sequence_id: int) -> None:
        """Write the frame of a message under a sequence id, unless the link is closing."""
        if self.is_ready and message.size <= CHUNK:
            self.transport.write(message.frame(sequence_id))
        elif not self.is_closing:
            self._open_backlog().add_numbered(message, sequence_id)
            self._advance()

    def _send(self, frame: bytes) -> None:
        if self.is_ready and len(frame) <= CHUNK:
            self.transport.write(frame)
        else:
            self._open_backlog().add(frame)
            self._advance()

    def _open_backlog(self) -> Backlog:
        if self._backlog is None:
            self._backlog = Backlog()
        return self._backlog

    def _advance(self) -> None:
        """Give to the transport what waits, until it cannot send any more."""
        while self._backlog and not self._in_transport and not self.transport.is_closing():
            self.transport.write(self._backlog.take())
        if not self._backlog and not self._in_transport:
            self._backlog = None
            self.is_ready = not self.is_closing
            if self._last is not None:
                self._last()
        self._count()

    def _count(self) -> None:
        size = self._in_transport + (self._backlog.size if self._backlog else 0)
        if size != self._counted:
            self._counted = size
            self._owner.on_unread(self, size)

    def _drop_backlog(self) -> None:
        self.is_ready = False
        self._backlog = self._last = None
        self._in_transport = 0
        self._count()

    def _when_written(self, last: Callable[[], None]) -> None:
        """Do something once everything was given to the transport, which sees to the rest."""
        if self._backlog:
            self._last = last
        else:
            last()

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and give the peer a few seconds to answer it."""
        if self.is_closing:
            return
        self._send(build_close(code, reason))
        self.is_closing = True
        self.is_ready = False
        self.resume()
        if self._reader is None:
            # The peer's answer can no longer be read: it learns from the end of our side that it may go.
            self._when_written(self._write_eof)
        self._timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)

    def _write_eof(self) -> None:
        if self.transport.can_write_eof():
            # It may have gone already.
            with contextlib.suppress(OSError):
                self.transport.write_eof()

    def abort(self, cause: str = "") -> None:
        """Cut the connection without a word to the peer; ``cause`` is for those who ask why."""
        self.cause = self.cause or cause
        self.is_closing = True
        self._drop_backlog()
        self.transport.abort()

    def pause(self) -> None:
        """Read nothing more from the peer for now."""
        if not self._is_paused and not self.is_closing:
            self._is_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on, if only :meth:`pause` has stopped the reading."""
        if self._is_paused and not self._is_deaf:
            self._is_paused = False
            self.transport.resume_reading()
            self._owner.on_room(self)

    @property
    def unread(self) -> int:
        """Bytes that wait for the peer."""
        return self._counted

    @property
    def is_paused(self) -> bool:
        """Whether nothing is read from the peer at present."""
        return self._is_paused

    def stop_reading(self) -> None:
        """Read nothing more from the peer, ever."""
        self.pause()
        self._is_deaf = True

    def check_alive(self) -> bool:
        """Send a ping; return False if nothing has come since the last one, although we listen."""
        if self._quiet and not self._is_paused:
            return False
        self._quiet = True
        self.write(_PING)
        return True


NORMAL_CODES = frozenset({1000, NO_STATUS})
