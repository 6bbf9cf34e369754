"""Where answers begin and end: the pure parts of both transports, fed with whatever comes, in pieces of any size."""

import asyncio
import io
from http.client import HTTPException

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure.messaging.webpubsubservice import _exchange, _http1
from azure.messaging.webpubsubservice._http1 import END_OF_HEAD, check_beginning, parse_head, request_head
from azure.messaging.webpubsubservice._wire import Headers
from azure.messaging.webpubsubservice.aio._bodies import Chunked, Sized, UntilTheEnd, body_of
from azure.messaging.webpubsubservice.aio._uploads import pieces_of


def head(*lines, bodiless=False):
    return parse_head("\r\n".join([*lines, "", ""]).encode("latin-1"), bodiless=bodiless)


# Requests


def test_request_is_one_block():
    block = request_head("POST", "/x?a=b", [("Host", "h"), ("X-Empty", ""), ("X", "\xe9 :,")])
    assert block == b"POST /x?a=b HTTP/1.1\r\nHost: h\r\nX-Empty: \r\nX: \xe9 :,\r\n\r\n"


@pytest.mark.parametrize("method", ["", "P T", "GET\r\n", "G:", "G\0"])
def test_method_that_is_none_is_refused(method):
    with pytest.raises(ValueError, match="not valid HTTP"):
        request_head(method, "/", [("Host", "h")])


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\n", "a\r\nb", "\xe9", "\0"])
def test_name_of_a_header_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="not valid HTTP"):
        request_head("GET", "/", [("Host", "h"), (name, "v")])


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\r\nb: c", "\n", "a\0", "\u0100", "\ud800"])
def test_value_of_a_header_that_is_none_is_refused_without_showing_it(value):
    with pytest.raises(ValueError, match="not valid HTTP") as caught:
        request_head("GET", "/", [("Host", "h"), ("X", "canary" + value)])
    assert "canary" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# Heads of answers


@pytest.mark.parametrize(
    ("lines", "bodiless", "expected"),
    [  # chunked, length, keep_alive
        (["HTTP/1.1 200 OK", "Content-Length: 7"], False, (False, 7, True)),
        (["HTTP/1.1 200", "content-LENGTH: 7, 7"], False, (False, 7, True)),
        (["HTTP/1.1 200 OK", "Content-Length: 7", "Content-Length: 7"], False, (False, 7, True)),
        (["HTTP/1.1 200 OK", "Content-Length: 7", "Connection: Close"], False, (False, 7, False)),
        (["HTTP/1.1 200 OK", "Content-Length: 7"], True, (False, 0, True)),
        (["HTTP/1.1 200 OK"], False, (False, None, False)),
        (["HTTP/1.1 200 OK", "Transfer-Encoding: Chunked"], False, (True, None, True)),
        (["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Content-Length: 7"], False, (True, None, False)),
        (["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"], True, (False, 0, True)),
        (["HTTP/1.1 204 OK", "Content-Length: 7"], False, (False, 0, True)),
        (["HTTP/1.1 304 OK", "Transfer-Encoding: chunked"], False, (False, 0, True)),
        (["HTTP/1.1 101 Switching", "Connection: upgrade"], False, (False, 0, False)),
        (["HTTP/1.0 200 OK", "Content-Length: 7"], False, (False, 7, False)),
        (["HTTP/1.0 200 OK", "Content-Length: 7", "Connection: Keep-Alive"], False, (False, 7, True)),
    ],
)
def test_head_says_where_the_body_ends_and_what_becomes_of_the_connection(lines, bodiless, expected):
    found = head(*lines, bodiless=bodiless)
    assert (found.chunked, found.length, found.keep_alive) == expected


@pytest.mark.parametrize("length", ["7, 8", "-1", "+7", "1e3", "", "\xb2", "0x7", "7 7"])
def test_length_that_is_none_or_two_is_refused(length):
    with pytest.raises(HTTPException, match="Content-Length is no number"):
        head("HTTP/1.1 200 OK", f"Content-Length: {length}")


@pytest.mark.parametrize(
    "line", ["", "HTTP/2 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1 99 X", "HTTP/1.1 2000 X", "SSH-2.0"]
)
def test_first_line_that_is_no_status_is_refused(line):
    with pytest.raises(HTTPException):
        head(line, "Content-Length: 0")
    with pytest.raises(HTTPException):
        check_beginning(line.encode() + b"\r\n")


def test_value_may_go_on_in_the_next_line():
    found = head("HTTP/1.1 200 OK", "X: one", "  two", "\tthree ", "Content-Length: 0")
    assert dict(found.headers) == {"X": "one two three", "Content-Length": "0"}


@pytest.mark.parametrize("lines", [["X: y"] * 101, ["X: y", *[" z"] * 100]])
def test_number_of_lines_is_limited(lines):
    with pytest.raises(HTTPException, match="too many headers"):
        head("HTTP/1.1 200 OK", *lines)


def test_length_of_the_head_is_limited():
    check_beginning(b"HTTP/1.1 200 OK\r\n".ljust(_http1.MAX_HEAD, b"x"))
    with pytest.raises(HTTPException, match="no end"):
        check_beginning(b"HTTP/1.1 200 OK\r\n".ljust(_http1.MAX_HEAD + 1, b"x"))


PARTS = ["a", "B-c", "0", ":", ": ", " ", "\t", "\r", "\n", "\r\n", "x y", "\x80", "\0", "a: b\r\n", "c:d \r\n", " e\n"]


@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_head_is_read_at_once_as_it_is_line_by_line(text):
    block = f"HTTP/1.1 200 OK\r\n{text}\r\n\r\n".encode("latin-1")
    block = block[: END_OF_HEAD.search(block).end()]

    def outcome(read):
        try:
            return list(read().items())
        except HTTPException as error:
            return str(error)

    lines = block.decode("latin-1").partition("\n")[2]
    assert outcome(lambda: parse_head(block).headers) == outcome(lambda: Headers(_http1._read_lines(lines)))


@given(st.lists(st.sampled_from([*PARTS, "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 C\n\n"]), max_size=9), st.integers(1, 40))
def test_head_is_found_whatever_the_pieces_it_comes_in(parts, size):
    data = "".join(["HTTP/1.1 ", *parts, "\r\n\r\n"]).encode("latin-1")

    class Dripping(io.RawIOBase):
        def __init__(self, pieces):
            self.pieces = pieces

        def readable(self):
            return True

        def readinto(self, buffer):
            piece = self.pieces.pop(0) if self.pieces else b""
            buffer[: len(piece)] = piece
            return len(piece)

    def outcome(pieces):
        reader = io.BufferedReader(Dripping(pieces))
        try:
            return _exchange._read_head(reader), reader.read()
        except HTTPException as error:
            return type(error)

    at_once = outcome([data])
    dripped = outcome([data[start : start + size] for start in range(0, len(data), size)])
    # What comes at once is not looked at line by line: that its first line is none is found by who parses it.
    if isinstance(at_once, tuple) and dripped != at_once:
        with pytest.raises(HTTPException):
            parse_head(at_once[0])
    else:
        assert dripped == at_once


# Headers of an answer


def test_headers_are_a_mapping_that_knows_no_case():
    headers = Headers([("Content-Type", "a"), ("X", "1"), ("x", "2")])
    assert headers["content-TYPE"] == headers.get("CONTENT-type") == "a"
    assert headers.get("y") is None
    assert headers.get("y", 7) == 7
    assert "x" in headers
    assert 7 not in headers
    assert dict(headers) == {"Content-Type": "a", "X": "1, 2"}
    assert headers == {"content-type": "a", "x": "1, 2"}
    assert headers != {"content-type": "a"}
    assert headers != 7
    assert repr(headers) == "{'Content-Type': 'a', 'X': '1, 2'}"
    copy = headers.copy()
    headers["X"] = "3"
    del headers["Content-Type"]
    assert dict(headers) == {"X": "3"}
    assert len(copy) == 2
    with pytest.raises(KeyError):
        headers["y"]


# Bodies


def feed(body, data, cuts):
    """Feed data in pieces that end at the cuts; return what comes out, and what comes behind the end."""
    found = b""
    start = 0
    for cut in [*sorted(cuts), len(data)]:
        if cut > start and not body.is_over:
            found += body.feed(data[start:cut])
            start = cut
    return found, body.surplus + data[start:]


CUTS = st.lists(st.integers(0, 300), max_size=12)


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=20), max_size=6),
    between=st.tuples(st.sampled_from([b"", b";a=b", b' ; q="x"', b"  "]), st.sampled_from([b"\r\n", b"\n"])),
    trailers=st.lists(st.sampled_from([b"X: y", b"Z:"]), max_size=3),
    surplus=st.binary(max_size=5),
    cuts=CUTS,
)
def test_chunks_are_put_together_wherever_they_are_cut(pieces, between, trailers, surplus, cuts):
    extension, newline = between
    chunks = b"".join(b"%X%b%b%b%b" % (len(each), extension, newline, each, newline) for each in pieces)
    ending = b"0" + newline + b"".join(each + newline for each in trailers) + newline
    body = Chunked()
    assert feed(body, chunks + ending + surplus, cuts) == (b"".join(pieces), surplus)
    assert body.is_over
    body.end()


@given(data=st.binary(max_size=40), cuts=CUTS)
def test_whatever_is_fed_is_a_body_or_refused(data, cuts):
    for make in (Chunked, lambda: Sized(10), UntilTheEnd):
        body = make()
        try:
            feed(body, data, cuts)
            body.end()
        except HTTPException:
            continue
        assert body.is_over


@given(data=st.binary(min_size=0, max_size=40), length=st.integers(0, 40), cuts=CUTS)
def test_body_of_known_length_ends_there(data, length, cuts):
    body = Sized(length)
    assert feed(body, data, cuts) == (data[:length], data[length:])
    assert body.is_over == (len(data) >= length)


@pytest.mark.parametrize(
    "data",
    [
        *(b"\r\n", b"-1\r\n", b"0x1\r\n", b"g\r\n", b"1 1\r\n", b"1\r\nab\r\n", b"1\r\na0\r\n", b"1" * 16 + b"\r\n"),
        *(b"1;" + b"x" * 20_000, b"1" * 20_000, b"0\r\n" + b"X: y\r\n" * 101, b"0\r\n" + b"x" * 20_000),
    ],
    ids=range(12),
)
def test_chunks_that_are_none_or_have_no_end_are_refused(data):
    with pytest.raises(HTTPException):
        Chunked().feed(data)


def test_head_chooses_the_body():
    assert isinstance(body_of(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")), Chunked)
    assert isinstance(body_of(head("HTTP/1.1 200 OK", "Content-Length: 1")), Sized)
    assert body_of(head("HTTP/1.1 200 OK", "Content-Length: 0")).is_over
    assert isinstance(body_of(head("HTTP/1.1 200 OK")), UntilTheEnd)


def test_piece_of_an_upload_is_the_callers_to_change_afterwards():
    async def body():
        buffer = bytearray(3)
        for number in range(3):
            buffer[:] = bytes([number]) * 3
            yield memoryview(buffer)

    async def main():
        return [piece async for piece in pieces_of(body())]

    assert asyncio.run(main()) == [b"\0\0\0", b"\1\1\1", b"\2\2\2"]


@pytest.mark.parametrize("length", ["1" * 5000, "1" * 19, "3, " + "1" * 5000])
def test_length_beyond_all_measure_is_no_length(length):
    with pytest.raises(HTTPException, match="Content-Length is no number"):
        parse_head(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode())
