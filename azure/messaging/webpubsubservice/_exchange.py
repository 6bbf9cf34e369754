"""HTTP/1.1 on a connected socket: a request goes out in one piece, and the head of its answer comes in.

Bodies are read by http.client.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from typing import Any

from ._http1 import END_OF_HEAD, MAX_HEAD, MAX_INTERIM, Head, check_beginning, parse_head
from ._limits import Limits

_SMALL_BODY = 1 << 16
_PIECE = 1 << 16


def write_request(connected: socket.socket, head: bytes, body: Any, *, chunked: bool, limits: Limits) -> OSError | None:
    """Write a request.

    :param connected: The socket.
    :type connected: ~socket.socket
    :param bytes head: All of the request up to its body.
    :param body: bytes, a binary stream, an iterable of bytes or str, or None.
    :type body: Any
    :keyword bool chunked: Whether the head announces chunks.
    :keyword Limits limits: How long it may take.
    :return: The error if the peer closed the connection under the request: it may have answered before.
    :rtype: OSError or None
    """
    connected.settimeout(limits.wait())
    try:
        if body is None and not chunked:
            connected.sendall(head)
        elif isinstance(body, bytes) and len(body) <= _SMALL_BODY and not chunked:
            connected.sendall(head + body)
        else:
            connected.sendall(head)
            for piece in _pieces(body or b""):
                connected.settimeout(limits.wait())
                connected.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                connected.sendall(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError) as error:
        return error
    return None


def _pieces(body: Any) -> Iterator[bytes]:
    if isinstance(body, bytes):
        view = memoryview(body)
        yield from (view[start : start + _PIECE] for start in range(0, len(body), _PIECE))  # type: ignore[misc]  # sent alike
    elif hasattr(body, "read"):
        while piece := body.read(_PIECE):
            yield piece
    else:
        for piece in body:
            if piece:  # an empty chunk would be the last
                yield piece.encode() if isinstance(piece, str) else piece


class _Reader(io.RawIOBase):
    """The incoming half of a socket, with a limit to each wait."""

    def __init__(self, connected: socket.socket, limits: Limits) -> None:
        self._connected = connected
        self._limits = limits

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connected.settimeout(self._limits.wait())
        return self._connected.recv_into(buffer)


class _Incoming:
    """What http.client's response takes for a socket."""

    def __init__(self, connected: socket.socket, limits: Limits) -> None:
        self._reader = io.BufferedReader(_Reader(connected, limits))

    def makefile(self, _: str) -> io.BufferedIOBase:
        return self._reader


class Answer(HTTPResponse):
    """http.client's response, with a head that was read here.

    :param connected: The socket.
    :type connected: ~socket.socket
    :param str method: The request's, on which it depends whether there is a body.
    :param Limits limits: How long each wait for it may take.
    :raises OSError: if the connection breaks.
    :raises ~http.client.HTTPException: if what comes is no answer.
    """

    def __init__(self, connected: socket.socket, method: str, limits: Limits) -> None:
        super().__init__(_Incoming(connected, limits), method=method)  # type: ignore[arg-type]  # makefile is all it uses
        self._bodiless = method == "HEAD"
        try:
            self.begin()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        """Read the head."""
        head = self._final_head()
        self.code = self.status = head.status
        self.reason = head.reason
        self.version = 10 + head.minor
        # Our mapping has the get() that http.client's reading of bodies asks for, and no more.
        self.headers = self.msg = head.headers  # type: ignore[assignment]
        self.will_close = not head.keep_alive
        self.chunked = head.chunked
        self.chunk_left = None
        self.length = head.length

    def _final_head(self) -> Head:
        for _ in range(MAX_INTERIM):
            head = parse_head(_read_head(self.fp), bodiless=self._bodiless)
            if not head.is_interim:
                return head
        raise HTTPException("the answer does not come")


def _read_head(reader: Any) -> bytes:
    """Read up to the empty line: usually at once, as it came; else line by line."""
    found = END_OF_HEAD.search(reader.peek(1))
    if found is not None:
        whole: bytes = reader.read(found.end())
        return whole
    block = b""
    while not END_OF_HEAD.search(block, max(len(block) - 3, 0)):
        line = reader.readline(MAX_HEAD + 1 - len(block))
        if not line:
            if block:
                raise HTTPException("the connection ended within the headers")
            raise RemoteDisconnected("the service closed the connection without an answer")
        block += line
        check_beginning(block)
    return block
