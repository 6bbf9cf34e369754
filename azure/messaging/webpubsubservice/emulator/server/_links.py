"""The socket of one client: bytes in, messages to the server; frames out, straight to the transport.

A link plays the part of a parser in aiohttp's connection (``feed_data``, ``feed_eof``): no task reads for each client.
It knows the WebSocket close handshake and when to give a peer up; what messages mean is not its business.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from ..protocols._subprotocols import ClientProtocol
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

#: Seconds a peer has to answer a close frame, or to read what is left for it.
CLOSE_SECONDS = 3.0

_PING = build_frame(PING, b"")


class LinkOwner(Protocol):
    """Who hears of what arrives at a link."""

    def on_message(self, link: Link, message: WebSocketMessage) -> None:
        """Take a data message; none comes once the link is closing."""

    def on_error(self, link: Link, error: WebSocketError) -> None:
        """Learn, once, that the peer has broken the WebSocket protocol."""

    def on_pong(self, size: int) -> None:
        """Learn that a ping was answered with ``size`` bytes, which the peer may never read."""

    def on_end(self, link: Link, code: int | None, reason: str) -> None:
        """Learn, once, that the socket is gone or about to go.

        ``code`` and ``reason`` are those of the peer's close frame; None if there was none.
        """


class Link:
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
        "_has_ended",
        "_is_deaf",
        "_is_paused",
        "_owner",
        "_quiet",
        "_reader",
        "_timer",
        "cause",
        "connection_id",
        "gone",
        "hub",
        "is_closing",
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
        self._owner: LinkOwner = owner
        self._has_ended = False
        self._reader: FrameReader | None = FrameReader(max_size, unmasked_control=unmasked_control)
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = False
        self._is_paused = False
        self._is_deaf = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
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
        return False, b""

    def feed_eof(self) -> None:
        """Learn that the socket is gone."""
        self._end(None, "")
        self._reader = None
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
            self.transport.close()
        elif self.is_closing:
            return
        elif message.opcode == PING:
            pong = build_frame(PONG, message.data)
            self.transport.write(pong)
            self._owner.on_pong(len(pong))
        elif message.opcode != PONG:
            self._owner.on_message(self, message)

    def _end(self, code: int | None, reason: str) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._owner.on_end(self, code, reason)

    def write(self, frame: bytes | None) -> None:
        """Write one frame, unless the link is closing."""
        if frame is not None and not self.is_closing:
            self.transport.write(frame)

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and give the peer a few seconds to answer it."""
        if self.is_closing:
            return
        self.transport.write(build_close(code, reason))
        self.is_closing = True
        self.resume()
        if self._reader is None and self.transport.can_write_eof():
            # The peer's answer can no longer be read: it learns from the end of our side that it may go. It may have
            # gone already.
            with contextlib.suppress(OSError):
                self.transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)

    def abort(self, cause: str = "") -> None:
        """Cut the connection without a word to the peer; ``cause`` is for those who ask why."""
        self.cause = self.cause or cause
        self.is_closing = True
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
