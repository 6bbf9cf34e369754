"""HTTP/1.1 on a connected socket: a request goes out in one piece, and the head of its answer comes in.

http.client's own way to do these two, with a call and some regular expressions for every header and the email package
to read the answer's, is the larger half of what a send costs. Bodies are read by http.client.
"""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterator
from http.client import BadStatusLine, HTTPException, HTTPResponse, LineTooLong, RemoteDisconnected
from time import monotonic
from typing import Any

from ._wire import response_headers

_MAX_LINE = 65536
_MAX_FIELDS = 100
_SMALL_BODY = 1 << 16
_PIECE = 1 << 16
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELDS = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\r\n\x00\u0100-\U0010ffff]*\r\n)*")
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*)")
_STATUS = re.compile(rb"HTTP/1\.([01])[ \t]+([1-9][0-9]{2})([ \t].*)?\r?\n")
_BODILESS = frozenset((204, 304))
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200


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

    def apply(self, connected: socket.socket) -> None:
        """Limit the next wait of a socket.

        :raises TimeoutError: if there is no time left.
        """
        if self._deadline is None:
            connected.settimeout(self._read_timeout)
            return
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        connected.settimeout(min(left, self._read_timeout))

    @property
    def seconds(self) -> float:
        """The limit that ran out, for an error."""
        if self._deadline is None or monotonic() < self._deadline:
            return self._read_timeout
        return self._deadline - self._started


def request_head(method: str, target: str, headers: list[tuple[str, str]]) -> bytes:
    """Return a request up to its body.

    :param str method: Its method.
    :param str target: Its target, which has to be printable ASCII.
    :param headers: All its headers, in their order.
    :type headers: list[tuple[str, str]]
    :raises ValueError: if the method or a header is not valid HTTP.
    """
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    # The count tells a value with a line break, and a header of its own behind it.
    if _METHOD.fullmatch(method) and _FIELDS.fullmatch(fields) and fields.count("\n") == len(headers):
        return f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("latin-1")
    # The values are not shown: one of them may be a token.
    raise ValueError(
        f"The method or a header of the request is not valid HTTP: {method!r}, {sorted({name for name, _ in headers})}"
    )


def write_request(connected: socket.socket, head: bytes, body: Any, *, chunked: bool, limits: Limits) -> OSError | None:
    """Write a request.

    :param connected: The socket.
    :type connected: ~socket.socket
    :param bytes head: What :func:`request_head` returned.
    :param body: bytes, a binary stream, an iterable of bytes or str, or None.
    :type body: Any
    :keyword bool chunked: Whether the head announces chunks.
    :keyword Limits limits: How long it may take.
    :return: The error if the peer closed the connection under the request: it may have answered before.
    :rtype: OSError or None
    """
    limits.apply(connected)
    try:
        if body is None:
            connected.sendall(head)
        elif isinstance(body, bytes) and len(body) <= _SMALL_BODY:
            connected.sendall(head + body)
        else:
            connected.sendall(head)
            for piece in _pieces(body):
                limits.apply(connected)
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
        self._limits.apply(self._connected)
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
        status = 0
        while status < _FIRST_FINAL_STATUS and status != _SWITCHING_PROTOCOLS:
            minor, status, reason = _read_status(self.fp)
            fields = _read_fields(self.fp)
        self.code = self.status = status
        self.reason = reason
        self.version = 10 + minor
        headers = response_headers(fields)
        # Our mapping has the get() that http.client's reading of bodies asks for, and no more.
        self.headers = self.msg = headers  # type: ignore[assignment]
        connection = headers.get("connection", "").lower()
        self.will_close = "close" in connection if minor else "keep-alive" not in connection
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = None
        if self._bodiless or status in _BODILESS or status == _SWITCHING_PROTOCOLS:
            self.length = 0
        elif not self.chunked:
            self.length = _content_length(headers.get("content-length"))
            if self.length is None:
                self.will_close = True


def _read_status(reader: Any) -> tuple[int, int, str]:
    line = reader.readline(_MAX_LINE + 1)
    if not line:
        raise RemoteDisconnected("the service closed the connection without an answer")
    found = _STATUS.fullmatch(line)
    if found is None:
        raise BadStatusLine(line[:80].decode("latin-1"))
    return int(found[1]), int(found[2]), (found[3] or b"").decode("latin-1").strip()


def _content_length(text: str | None) -> int | None:
    if text is None:
        return None
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or not (value.isascii() and value.isdigit()):
        raise HTTPException(f"Content-Length is no number: {text[:40]!r}")
    return int(value)


def _read_fields(reader: Any) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    while True:
        line = reader.readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise LineTooLong("header line")
        if line in (b"\r\n", b"\n"):
            return fields
        if not line.endswith(b"\n"):
            raise HTTPException("the connection ended within the headers")
        text = line.decode("latin-1").rstrip("\r\n")
        if text[0] in " \t" and fields:  # a value that goes on in the next line, as of old
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {text.strip()}")
            continue
        field = _FIELD.fullmatch(text)
        if field is None or len(fields) == _MAX_FIELDS:
            raise HTTPException("too many headers" if field else "a line of the headers is none")
        fields.append((field[1], field[2].rstrip()))
