"""WebSocket frames (RFC 6455) as bytes: what a client sent is taken apart, what we send is put together.

Why not aiohttp's own: the service tells a client *why* (a ``disconnected`` frame) before it closes for a message that
is too large or malformed, and aiohttp has closed by the time it reports one. Rule: no I/O; bytes in, messages out. No
extensions: a broadcast writes the same bytes to every socket, so nothing is compressed.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
NO_STATUS = 1005

_CONTINUATION = 0
_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_CONTROL = 125
_LENGTH_16, _LENGTH_64 = 126, 127
_KEY_BYTES = 16
_PRIVATE_CODES = range(3000, 5000)
_KNOWN_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class WebSocketMessage(NamedTuple):
    """A whole message or control frame. ``data`` of a close frame is its reason; ``code`` is for close frames only."""

    opcode: int
    data: bytes
    code: int = 0


class WebSocketError(Exception):
    """The peer broke the protocol; ``code`` is the close code for it."""

    def __init__(self, message: str, code: int = 1002) -> None:
        super().__init__(message)
        self.code: int = code


def accept_key(key: str) -> str | None:
    """Return the ``Sec-WebSocket-Accept`` for a client's ``Sec-WebSocket-Key``, or None if the key is malformed."""
    try:
        if len(base64.b64decode(key, validate=True)) != _KEY_BYTES:
            return None
    except ValueError:
        return None
    # SHA-1 is what the RFC prescribes; it protects nothing here.
    return base64.b64encode(hashlib.sha1(key.encode() + _ACCEPT_GUID, usedforsecurity=False).digest()).decode()


def build_header(opcode: int, size: int) -> bytes:
    """Return what comes before the payload of an unmasked, final frame."""
    if size < _LENGTH_16:
        return bytes((0x80 | opcode, size))
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, _LENGTH_16, size)
    return struct.pack("!BBQ", 0x80 | opcode, _LENGTH_64, size)


def build_frame(opcode: int, payload: bytes) -> bytes:
    """Return one unmasked, final frame."""
    return build_header(opcode, len(payload)) + payload


def build_close(code: int, reason: str = "") -> bytes:
    """Return a close frame; a reason too long for one is cut at a character."""
    if code == NO_STATUS:
        return build_frame(CLOSE, b"")
    text = reason.encode()[: _MAX_CONTROL - 2].decode("utf-8", "ignore").encode()
    return build_frame(CLOSE, struct.pack("!H", code) + text)


class FrameReader:
    """Takes a client's bytes apart.

    :param int max_size: The largest message accepted, in bytes.
    :keyword bool unmasked_control: Whether control frames may come unmasked, as those of a widespread MQTT client do.
    """

    __slots__ = ("_buffer", "_fragments", "_max_size", "_opcode", "_unmasked_control")

    def __init__(self, max_size: int, *, unmasked_control: bool = False) -> None:
        self._max_size = max_size
        self._unmasked_control = unmasked_control
        self._buffer = bytearray()
        self._fragments = bytearray()
        self._opcode = _CONTINUATION

    def feed(self, data: bytes) -> tuple[list[WebSocketMessage], WebSocketError | None]:
        """Return the messages that ``data`` completes, and the error that follows them, if any.

        After an error nothing more can be read.
        """
        self._buffer += data
        messages: list[WebSocketMessage] = []
        at = 0
        error = None
        try:
            while (frame := self._frame(at)) is not None:
                at, final, opcode, payload = frame
                message = self._message(final, opcode, payload)
                if message is not None:
                    messages.append(message)
        except WebSocketError as met:
            error = met
        if at:
            del self._buffer[:at]
        return messages, error

    def _frame(self, at: int) -> tuple[int, bool, int, bytes] | None:
        """Return where the frame at ``at`` ends and what it holds, or None while it is incomplete."""
        buffer = self._buffer
        have = len(buffer) - at
        if have < 2:  # noqa: PLR2004  (every header has two bytes)
            return None
        first, second = buffer[at], buffer[at + 1]
        size, start = second & 0x7F, at + 2
        self._check_header(first, second)
        if size == _LENGTH_16:
            if have < 4:  # noqa: PLR2004
                return None
            size, start = int.from_bytes(buffer[start : start + 2], "big"), start + 2
        elif size == _LENGTH_64:
            if have < 10:  # noqa: PLR2004
                return None
            size, start = int.from_bytes(buffer[start : start + 8], "big"), start + 8
        if first & 0x0F < CLOSE and len(self._fragments) + size > self._max_size:
            raise WebSocketError("The client message is too large.", 1009)
        masks = 4 if second & 0x80 else 0
        end = start + masks + size
        if len(buffer) < end:
            return None
        payload = bytes(buffer[start + masks : end])
        if masks:
            payload = _unmask(payload, bytes(buffer[start : start + masks]))
        return end, bool(first & 0x80), first & 0x0F, payload

    def _check_header(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            raise WebSocketError("A reserved bit is set.")
        if not second & 0x80 and not (self._unmasked_control and opcode >= CLOSE):
            raise WebSocketError("A client's frame must be masked.")
        if opcode >= CLOSE:
            if opcode > PONG or not first & 0x80 or second & 0x7F > _MAX_CONTROL:
                raise WebSocketError("The control frame is malformed.")
        elif opcode > BINARY or (opcode == _CONTINUATION) != (self._opcode != _CONTINUATION):
            raise WebSocketError("The data frame is out of place.")

    def _message(self, final: bool, opcode: int, payload: bytes) -> WebSocketMessage | None:
        if opcode == CLOSE:
            return _close_message(payload)
        if opcode > CLOSE:
            return WebSocketMessage(opcode, payload)
        if opcode != _CONTINUATION:
            self._opcode = opcode
        if not final:
            self._fragments += payload
            return None
        if self._fragments:
            payload = bytes(self._fragments + payload)
            self._fragments.clear()
        opcode, self._opcode = self._opcode, _CONTINUATION
        if opcode == TEXT:
            _check_utf8(payload)
        return WebSocketMessage(opcode, payload)


def _unmask(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    if not size:
        return b""
    whole = mask * (size // 4 + 1)
    return (int.from_bytes(data, "little") ^ int.from_bytes(whole[:size], "little")).to_bytes(size, "little")


def _check_utf8(data: bytes) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise WebSocketError("The text message is not UTF-8.", 1007) from None


def _close_message(payload: bytes) -> WebSocketMessage:
    if not payload:
        return WebSocketMessage(CLOSE, b"", NO_STATUS)
    if len(payload) == 1:
        raise WebSocketError("The close frame is malformed.")
    code = int.from_bytes(payload[:2], "big")
    if code not in _KNOWN_CODES and code not in _PRIVATE_CODES:
        raise WebSocketError("The close code is not allowed.")
    _check_utf8(payload[2:])
    return WebSocketMessage(CLOSE, payload[2:], code)
