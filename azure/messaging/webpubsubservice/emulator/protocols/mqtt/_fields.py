"""The data types of MQTT as bytes (section 1.5 of both standards): integers, text, binary data."""

from __future__ import annotations

import struct

MALFORMED, PROTOCOL_ERROR, TOO_LARGE = 0x81, 0x82, 0x95
_MAX_SHORT = 0xFFFF
_MAX_VARINT = 0x0FFFFFFF
_VARINT_BYTES = 4


class MqttError(Exception):
    """The peer broke the protocol.

    :param str message: How, in words that are safe to send.
    :param int code: Reason code of MQTT 5.0 for it.
    :param int version: Version in which it can be told, 0 if it cannot.
    """

    def __init__(self, message: str, code: int = MALFORMED, version: int = 0) -> None:
        super().__init__(message)
        self.code: int = code
        self.version: int = version


class Cursor:
    """Reads the body of one packet, field by field.

    :param bytes data: The body.
    """

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return self._end - self._at

    def take(self, size: int) -> bytes:
        """Return the next bytes.

        :raises MqttError: if there are fewer.
        """
        end = self._at + size
        if end > self._end:
            raise MqttError("The packet ends in the middle of a field.")
        found, self._at = self._data[self._at : end], end
        return found

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(self.left)

    def byte(self) -> int:
        """Return a one-byte integer."""
        return self.take(1)[0]

    def short(self) -> int:
        """Return a two-byte integer."""
        return int.from_bytes(self.take(2), "big")

    def long(self) -> int:
        """Return a four-byte integer."""
        return int.from_bytes(self.take(4), "big")

    def varint(self) -> int:
        """Return a variable byte integer, which has to be as short as it can be."""
        value = 0
        for index in range(_VARINT_BYTES):
            digit = self.byte()
            value |= (digit & 0x7F) << 7 * index
            if digit < 0x80:  # noqa: PLR2004
                if index and not digit:
                    raise MqttError("A variable byte integer is longer than it has to be.")
                return value
        raise MqttError("A variable byte integer is longer than four bytes.")

    def binary(self) -> bytes:
        """Return binary data."""
        return self.take(self.short())

    def text(self) -> str:
        """Return a UTF-8 string."""
        try:
            found = self.binary().decode("utf-8")
        except UnicodeDecodeError:
            raise MqttError("A text is not UTF-8.") from None
        if "\0" in found:
            raise MqttError("A text holds a zero character.")
        return found

    def packet_id(self) -> int:
        """Return a packet identifier, which is never 0."""
        found = self.short()
        if not found:
            raise MqttError("A packet identifier is 0.", PROTOCOL_ERROR)
        return found

    def part(self, size: int) -> Cursor:
        """Return a cursor over the next bytes."""
        return Cursor(self.take(size))


def short(value: int) -> bytes:
    """Return a two-byte integer as bytes."""
    return struct.pack("!H", value)


def varint(value: int) -> bytes:
    """Return a variable byte integer as bytes.

    :raises ValueError: if it does not fit into four bytes.
    """
    if not 0 <= value <= _MAX_VARINT:
        raise ValueError(f"{value} does not fit into a variable byte integer")
    digits = bytearray()
    while value > 0x7F:  # noqa: PLR2004
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def binary(value: bytes) -> bytes:
    """Return binary data with its length before it.

    :raises ValueError: if it is longer than 65,535 bytes.
    """
    if len(value) > _MAX_SHORT:
        raise ValueError("a field of MQTT holds 65,535 bytes at most")
    return short(len(value)) + value


def text(value: str) -> bytes:
    """Return text with its length before it.

    :raises ValueError: if it is longer than 65,535 bytes, or holds what MQTT does not take.
    """
    if "\0" in value:
        raise ValueError("a text of MQTT holds no zero character")
    return binary(value.encode("utf-8"))
