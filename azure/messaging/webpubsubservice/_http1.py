"""HTTP/1.1 as text, for both transports: a request up to its body, and an answer up to its.

Pure: no socket, no loop, no clock. http.client's own way to do these two, with a call and some regular expressions for
every header and the email package to read the answer's, is the larger half of what a send costs.
"""

from __future__ import annotations

import re
from contextlib import suppress
from http.client import BadStatusLine, HTTPException
from typing import TYPE_CHECKING

from ._wire import Headers

if TYPE_CHECKING:
    from collections.abc import MutableMapping

MAX_HEAD = 1 << 18
"""Most bytes of an answer up to its body."""
MAX_INTERIM = 100
"""Most answers of the 100s before the one that counts."""
END_OF_HEAD = re.compile(rb"\n\r?\n")
_MAX_FIELDS = 100
_MAX_DIGITS = 18  # int() refuses thousands of them with a ValueError
_SHOWN = 80
_BEGINNING = b"HTTP/1."
_TOKENS = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+\n)+")
_STATUS = re.compile(r"HTTP/1\.([01])[ \t]+([1-9][0-9]{2})([ \t].*)?\r?\n")
# A line of an answer's head as nearly all are: those that are not are read one by one.
_LINE = re.compile(r"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*)\r\n", re.MULTILINE)
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*)")
_BODILESS = frozenset((204, 304))
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200


def request_head(method: str, target: str, headers: list[tuple[str, str]]) -> bytes:
    """Return a request up to its body.

    :param str method: Its method.
    :param str target: Its target, which has to be printable ASCII.
    :param headers: All its headers, in their order.
    :type headers: list[tuple[str, str]]
    :raises ValueError: if the method or a header is not valid HTTP.
    """
    text = "".join([f"{method} {target} HTTP/1.1\r\n", *[f"{name}: {value}\r\n" for name, value in headers], "\r\n"])
    tokens = "\n".join([method, *[name for name, _ in headers], ""])
    # The counts tell a value with a line break, and a header of its own behind it.
    breaks = len(headers) + 2
    if text.count("\n") == text.count("\r") == breaks and "\0" not in text and _TOKENS.fullmatch(tokens):
        with suppress(UnicodeEncodeError):
            return text.encode("latin-1")
    # The values are not shown: one of them may be a token.
    raise ValueError(
        f"The method or a header of the request is not valid HTTP: {method!r}, {sorted({name for name, _ in headers})}"
    )


class Head:
    """An answer up to its body, and what it says about that and about the connection.

    :param int minor: The 1 of HTTP/1.1.
    :param int status: The status.
    :param str reason: The words behind it.
    :param headers: The headers.
    :type headers: MutableMapping[str, str]
    """

    __slots__ = ("chunked", "headers", "keep_alive", "length", "minor", "reason", "status")

    def __init__(self, minor: int, status: int, reason: str, headers: MutableMapping[str, str]) -> None:
        self.minor: int = minor
        self.status: int = status
        self.reason: str = reason
        self.headers: MutableMapping[str, str] = headers
        self.chunked: bool = False
        """Whether the body comes in chunks."""
        self.length: int | None = 0
        """How many bytes the body has; None if its chunks or the end of the connection tell."""
        self.keep_alive: bool = True
        """Whether the connection is good for another request when the body is over."""

    @property
    def is_interim(self) -> bool:
        """Whether the answer itself is still to come."""
        return self.status < _FIRST_FINAL_STATUS and self.status != _SWITCHING_PROTOCOLS


def parse_head(block: bytes, *, bodiless: bool = False) -> Head:
    """Return an answer's head.

    :param bytes block: All of it, with the empty line.
    :keyword bool bodiless: Whether there is no body whatever it says, as after a HEAD request.
    :raises ~http.client.HTTPException: if it is none.
    """
    text = block.decode("latin-1")
    found = _STATUS.match(text)
    if found is None:
        raise _no_status(block)
    end = found.end()
    fields: list[tuple[str, str]] = _LINE.findall(text, end)
    lines = len(fields) + 1
    if not text.count("\n", end) == text.count("\r", end) == lines or " \r" in text or "\t\r" in text:
        fields = _read_lines(text[end:])
    if len(fields) > _MAX_FIELDS:
        raise HTTPException("too many headers")
    headers = Headers(fields)
    head = Head(int(found[1]), int(found[2]), (found[3] or "").strip(), headers)
    connection = headers.get("connection", "").lower()
    head.keep_alive = "close" not in connection if head.minor else "keep-alive" in connection
    _read_framing(head, bodiless)
    return head


def _read_framing(head: Head, bodiless: bool) -> None:
    if bodiless or head.status in _BODILESS or head.status < _FIRST_FINAL_STATUS:
        if head.status == _SWITCHING_PROTOCOLS:
            head.keep_alive = False
        return
    length = head.headers.get("content-length")
    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        head.chunked = True
        head.length = None
        # Who sends both may be two that do not agree where the body ends.
        head.keep_alive = head.keep_alive and length is None
    elif length is None:
        head.length = None
        head.keep_alive = False
    else:
        head.length = _content_length(length)


def _content_length(text: str) -> int:
    if len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit():
        return int(text)
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or len(value) > _MAX_DIGITS or not (value.isascii() and value.isdigit()):
        raise HTTPException(f"Content-Length is no number: {text[:40]!r}")
    return int(value)


def _read_lines(text: str) -> list[tuple[str, str]]:
    """Read headers one by one, also those whose value goes on in the next line, as of old."""
    lines = text.split("\n")[:-2]
    if len(lines) > _MAX_FIELDS:
        raise HTTPException("too many headers")
    fields: list[tuple[str, str]] = []
    for ended in lines:
        line = ended.rstrip("\r")
        if line[:1] in (" ", "\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}")
            continue
        field = _FIELD.fullmatch(line)
        if field is None:
            raise HTTPException("a line of the headers is none")
        fields.append((field[1], field[2].rstrip()))
    return fields


def check_beginning(block: bytes) -> None:
    """Refuse what can become no head, however it goes on.

    :param bytes block: The beginning of what may become one.
    :raises ~http.client.HTTPException: if it cannot.
    """
    if len(block) > MAX_HEAD:
        raise HTTPException("the headers have no end")
    if not block.startswith(_BEGINNING[: len(block)]):
        raise _no_status(block)
    end = block.find(b"\n") + 1
    if end and not _STATUS.fullmatch(block[:end].decode("latin-1")):
        raise _no_status(block)


def _no_status(block: bytes) -> BadStatusLine:
    return BadStatusLine(block[:_SHOWN].partition(b"\n")[0].decode("latin-1"))
