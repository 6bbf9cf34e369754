"""WebSocket frames as bytes, against RFC 6455."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.emulator.protocols._websocket import (
    BINARY,
    CLOSE,
    NO_STATUS,
    PING,
    PONG,
    TEXT,
    FrameReader,
    WebSocketMessage,
    accept_key,
    build_close,
    build_frame,
)

MASK = b"\x12\x34\x56\x78"


def client_frame(opcode, payload=b"", *, final=True, masked=True, reserved=0):
    size = len(payload)
    first = (0x80 if final else 0) | reserved | opcode
    bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))


def read(data, max_size=1000):
    return FrameReader(max_size).feed(data)


def test_accept_key_is_that_of_the_rfc():
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("key", ["", "AAAA", "?" * 24, "dGhlIHNhbXBsZSBub25jZQ== "])
def test_accept_key_refuses_what_is_no_key(key):
    assert accept_key(key) is None


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_built_frame_has_the_shortest_header(size, head):
    frame = build_frame(BINARY, bytes(size))
    assert len(frame) == head + size
    assert frame[0] == 0x82


def test_close_reason_is_cut_at_a_character():
    frame = build_close(1000, "ä" * 100)
    assert frame[:4] == b"\x88" + bytes([2 + 122]) + struct.pack("!H", 1000)
    assert frame[4:].decode() == "ä" * 61


def test_close_without_a_status_is_empty():
    assert build_close(NO_STATUS) == b"\x88\x00"


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), st.text(max_size=40)), max_size=6),
    st.lists(st.integers(1, 50), min_size=1, max_size=10),
)
def test_reader_finds_the_messages_however_the_bytes_come(messages, sizes):
    data = b"".join(client_frame(opcode, text.encode()[:125]) for opcode, text in messages if len(text.encode()) < 126)
    expected = [WebSocketMessage(opcode, text.encode()) for opcode, text in messages if len(text.encode()) < 126]
    reader, found, at, turn = FrameReader(1000), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        more, error = reader.feed(data[at : at + size])
        assert error is None
        found += more
        at, turn = at + size, turn + 1
    assert found == expected


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_reader_joins_fragments_with_control_frames_between(payload, cuts):
    edges = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
    parts = [payload[start:end] for start, end in itertools.pairwise(edges)]
    data = b""
    for index, part in enumerate(parts):
        data += client_frame(BINARY if index == 0 else 0, part, final=index == len(parts) - 1)
        data += client_frame(PING, b"p")
    messages, error = read(data)
    assert error is None
    assert [message for message in messages if message.opcode == BINARY] == [WebSocketMessage(BINARY, payload)]
    assert sum(message.opcode == PING for message in messages) == len(parts)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(TEXT, b"x", masked=False), 1002),
        (client_frame(TEXT, b"x", reserved=0x40), 1002),
        (client_frame(3, b"x"), 1002),
        (client_frame(11, b"x"), 1002),
        (client_frame(0, b"x"), 1002),
        (client_frame(TEXT, b"x", final=False) + client_frame(TEXT, b"x"), 1002),
        (client_frame(PING, b"x", final=False), 1002),
        (client_frame(PING, b"x" * 126), 1002),
        (client_frame(CLOSE, b"\x03"), 1002),
        (client_frame(CLOSE, struct.pack("!H", 999)), 1002),
        (client_frame(CLOSE, struct.pack("!H", 1005)), 1002),
        (client_frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
        (client_frame(TEXT, b"\xff"), 1007),
        (client_frame(TEXT, b"\xc3", final=False) + client_frame(0, b"("), 1007),
        (client_frame(BINARY, bytes(1001)), 1009),
        (client_frame(BINARY, bytes(1001))[:4], 1009),
        (b"\x82\xff" + b"\xff" * 8, 1009),
        (client_frame(BINARY, bytes(600), final=False) + client_frame(0, bytes(600)), 1009),
    ],
)
def test_reader_says_what_is_wrong(data, code):
    messages, error = read(data)
    assert messages == []
    assert error.code == code


def test_reader_gives_what_came_before_the_error():
    messages, error = read(client_frame(TEXT, b"x") + client_frame(3))
    assert messages == [WebSocketMessage(TEXT, b"x")]
    assert error.code == 1002


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", WebSocketMessage(CLOSE, b"", NO_STATUS)),
        (struct.pack("!H", 1000) + b"bye", WebSocketMessage(CLOSE, b"bye", 1000)),
        (struct.pack("!H", 4999), WebSocketMessage(CLOSE, b"", 4999)),
    ],
)
def test_reader_reads_close_frames(payload, message):
    assert read(client_frame(CLOSE, payload)) == ([message], None)


def test_message_of_exactly_the_largest_size_is_read():
    messages, error = read(client_frame(BINARY, bytes(1000)))
    assert (len(messages[0].data), error) == (1000, None)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_reader_survives_random_bytes(chunks):
    reader = FrameReader(100)
    for chunk in chunks:
        _, error = reader.feed(chunk)
        if error is not None:
            assert error.code in (1002, 1007, 1009)
            break
