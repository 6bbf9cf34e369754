"""Where the body of an answer ends: by its length, by its chunks, or with its connection.

Pure: what is received is fed in, in pieces as they come, and the body comes out.
"""

from __future__ import annotations

import re
from http.client import HTTPException, IncompleteRead
from typing import Protocol

from .._http1 import Head

# Hexadecimal digits enough for any body, and extensions that nobody reads.
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_MAX_LINE = 1 << 14
_MAX_TRAILERS = 100


class Body(Protocol):
    """The body of an answer that is being received."""

    is_over: bool
    """Whether all of it has come."""
    surplus: bytes
    """What came behind its end."""

    def feed(self, data: bytes) -> bytes:
        """Return what belongs to the body of what came, perhaps nothing."""

    def end(self) -> None:
        """Take note of the end of the connection.

        :raises ~http.client.HTTPException: if the body was not over.
        """


def body_of(head: Head) -> Body:
    """Return the body that an answer's head announces."""
    if head.chunked:
        return Chunked()
    return UntilTheEnd() if head.length is None else Sized(head.length)


class Sized:
    """A body whose length is known.

    :param int length: Its length.
    """

    __slots__ = ("_left", "is_over", "surplus")

    def __init__(self, length: int) -> None:
        self._left = length
        self.is_over: bool = not length
        self.surplus: bytes = b""

    def feed(self, data: bytes) -> bytes:
        """Return what belongs to the body of what came."""
        if len(data) < self._left:
            self._left -= len(data)
            return data
        piece, self.surplus = data[: self._left], data[self._left :]
        self._left = 0
        self.is_over = True
        return piece

    def end(self) -> None:
        """Refuse an end that comes too early."""
        if not self.is_over:
            raise IncompleteRead(b"", self._left)


class UntilTheEnd:
    """A body that ends with its connection."""

    __slots__ = ("is_over", "surplus")

    def __init__(self) -> None:
        self.is_over: bool = False
        self.surplus: bytes = b""

    def feed(self, data: bytes) -> bytes:
        """Return all that came."""
        return data

    def end(self) -> None:
        """Take the end for that of the body."""
        self.is_over = True


class Chunked:
    """A body in chunks, each behind a line with its size."""

    __slots__ = ("_left", "_line", "_trailers", "is_over", "surplus")

    def __init__(self) -> None:
        self._left = 0  # of the chunk; with the line break behind it, which is not passed on
        self._line = b""  # the beginning of a line that goes on in the next piece
        self._trailers = -1  # lines behind the last chunk; below 0 before it
        self.is_over: bool = False
        self.surplus: bytes = b""

    def feed(self, data: bytes) -> bytes:
        """Return what belongs to the body of what came."""
        found = []
        position = 0
        while position < len(data) and not self.is_over:
            if self._left > 0:
                piece = data[position : position + self._left]
                found.append(piece)
                self._left -= len(piece)
                position += len(piece)
                if not self._left:
                    self._left = -1  # a line break is due
                continue
            end = data.find(b"\n", position) + 1
            line = self._line + data[position : end or len(data)]
            if len(line) > _MAX_LINE:
                raise HTTPException("a line between chunks has no end")
            if not end:
                self._line = line
                break
            self._line = b""
            position = end
            self._read_line(line)
        if self.is_over:
            self.surplus = data[position:]
        return found[0] if len(found) == 1 else b"".join(found)

    def _read_line(self, line: bytes) -> None:
        is_empty = line in (b"\r\n", b"\n")
        if self._left < 0:
            if not is_empty:
                raise HTTPException("a chunk does not end where it should")
            self._left = 0
        elif self._trailers >= 0:
            self.is_over = is_empty
            self._trailers += 1
            if self._trailers > _MAX_TRAILERS:
                raise HTTPException("too many lines behind the last chunk")
        else:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise HTTPException("the size of a chunk is none")
            self._left = int(size[1], 16)
            if not self._left:
                self._trailers = 0

    def end(self) -> None:
        """Refuse an end that comes too early."""
        if not self.is_over:
            raise HTTPException("the last chunk is missing")
