"""Peers that mean no good: each meets a documented end, and the emulator goes on for the others."""

import asyncio
import contextlib
import logging
import socket
import struct

import pytest
from emulator_peers import WAIT, Caller, sign
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

SEND = "/api/hubs/chat/:send"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.fixture(scope="module")
def robust():
    with WebPubSubEmulator() as emulator:
        yield emulator


def is_well(emulator):
    return Caller(emulator)("HEAD", "/api/health").status == 200


@contextlib.contextmanager
def raw_client(emulator, subprotocol="json.webpubsub.azure.v1", **claims):
    """A WebSocket client that has shaken hands and does nothing of its own accord."""
    target = emulator.client_url("chat", **claims).partition(str(emulator.port))[2]
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=WAIT) as peer:
        peer.sendall(
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{emulator.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {subprotocol}\r\n{KEY}\r\n".encode()
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += peer.recv(1)
        assert received.startswith(b"HTTP/1.1 101 ")
        yield peer


def rest_of(peer):
    """What comes until the emulator closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while more := peer.recv(65536):
            received += more
    return received


def close_code(data):
    """The code of the close frame at the end of what was received."""
    at = data.rindex(b"\x88")
    return struct.unpack("!H", data[at + 2 : at + 4])[0]


@given(st.binary(min_size=1, max_size=200))
@settings(max_examples=40)
def test_random_bytes_instead_of_http_end_in_an_error(robust, data):
    answer = Caller(robust).raw(data + b"\r\n\r\n", says_no_more=True)
    assert answer == b"" or answer.startswith((b"HTTP/1.0 4", b"HTTP/1.1 4"))
    assert b"Traceback" not in answer


def test_malformed_http_is_one_line_of_information_in_the_log(robust, caplog):
    caplog.set_level(logging.INFO)
    Caller(robust).raw(b"GET / HTTP/9.9\r\n\r\n")
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert record.getMessage().startswith("a peer sent malformed HTTP: Bad status line")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST " + SEND.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST " + SEND.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["long header", "long line", "negative length", "two lengths"],
)
def test_oversized_or_contradictory_head_is_400(robust, head):
    assert Caller(robust).raw(head).startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert is_well(robust)


def test_announced_gigabyte_is_refused_at_once(robust):
    token = sign(robust.access_key, aud=f"{robust.endpoint}{SEND}")
    head = f"POST {SEND} HTTP/1.1\r\nHost: 127.0.0.1:{robust.port}\r\nAuthorization: Bearer {token}\r\n"
    with socket.create_connection(("127.0.0.1", robust.port), timeout=WAIT) as peer:
        peer.sendall(f"{head}Content-Length: 1073741824\r\n\r\n".encode())
        assert peer.recv(100).startswith(b"HTTP/1.1 400")


def test_peer_that_never_finishes_its_request_is_cut_off():
    with WebPubSubEmulator(request_seconds=0.1) as emulator:
        for start in (b"", b"GET /api/hea"):
            with socket.create_connection(("127.0.0.1", emulator.port), timeout=WAIT) as peer:
                peer.sendall(start)
                assert rest_of(peer) == b""
        token = sign(emulator.access_key, aud=f"{emulator.endpoint}{SEND}")
        head = f"POST {SEND} HTTP/1.1\r\nHost: 127.0.0.1:{emulator.port}\r\nAuthorization: Bearer {token}\r\n"
        with socket.create_connection(("127.0.0.1", emulator.port), timeout=WAIT) as peer:
            peer.sendall(f"{head}Content-Length: 10\r\n\r\nhalf".encode())
            assert peer.recv(100).startswith(b"HTTP/1.1 400")
        assert is_well(emulator)


def test_connections_over_the_bound_are_closed_and_the_others_stay():
    with WebPubSubEmulator(max_connections=20) as emulator, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(emulator.client_url("chat"), proxy=None)) for _ in range(19)]
        assert is_well(emulator)
        peers = [stack.enter_context(socket.create_connection(("127.0.0.1", emulator.port), WAIT)) for _ in range(30)]
        assert sum(rest_of_is_empty(peer) for peer in peers) >= 29
        assert all(client.ping().wait(WAIT) for client in clients)


def rest_of_is_empty(peer):
    peer.settimeout(0.05)
    try:
        return rest_of(peer) == b""
    except TimeoutError:
        return False


@given(st.binary(min_size=1, max_size=100))
@settings(max_examples=40)
def test_random_bytes_instead_of_frames_end_in_a_close_code(robust, data):
    with raw_client(robust) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        received = rest_of(peer)
    assert received.startswith(b"\x81")
    assert b"Traceback" not in received


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01x", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x81\x82\0\0\0\0{}", 1007),
        (b"\x82\xff\0\0\0\0\xff\xff\xff\xff", 1009),
    ],
)
def test_bad_frame_is_explained_and_closed(robust, data, code):
    with raw_client(robust) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        received = rest_of(peer)
    assert b'"event":"disconnected"' in received
    assert close_code(received) == code
    assert is_well(robust)


def test_unfinished_message_grows_no_further_than_its_bound(robust):
    chunk = b"\x00\xfe" + struct.pack("!H", 60_000) + bytes(4) + bytes(60_000)
    with raw_client(robust) as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(b"\x02\x80\0\0\0\0" + chunk * 20)
        assert close_code(rest_of(peer)) == 1009


def test_client_that_does_not_read_is_cut_off_and_the_others_are_served():
    with WebPubSubEmulator(max_unread_bytes=2 * 1024 * 1024) as emulator:
        rest = Caller(emulator)
        with (
            raw_client(emulator, user_id="slow"),
            connect(emulator.client_url("chat"), proxy=None, max_size=None) as good,
        ):
            for _ in range(40):
                assert rest("POST", SEND, bytes(512 * 1024)).status == 202
                assert len(good.recv(timeout=WAIT)) == 512 * 1024
                if rest("HEAD", "/api/hubs/chat/users/slow").status == 404:
                    break
            assert rest("HEAD", "/api/hubs/chat/users/slow").status == 404


def test_client_that_answers_no_ping_is_cut_off():
    with (
        WebPubSubEmulator(keep_alive_seconds=0.1) as emulator,
        connect(emulator.client_url("chat", user_id="well"), proxy=None),
        raw_client(emulator, user_id="dead") as peer,
    ):
        assert rest_of(peer).endswith(b"\x89\x00")
        assert Caller(emulator)("HEAD", "/api/hubs/chat/users/well").status == 200
        assert Caller(emulator)("HEAD", "/api/hubs/chat/users/dead").status == 404


def test_flood_of_events_does_not_pile_up():
    from azure.messaging.webpubsubservice.emulator.webhooks._event_desk import QUEUE_LIMIT

    async def never(method, headers, body):
        await asyncio.Event().wait()

    with (
        WebPubSubEmulator(event_handlers={"chat": never}) as emulator,
        connect(
            emulator.client_url("chat"), proxy=None, subprotocols=["json.webpubsub.azure.v1"], close_timeout=0
        ) as client,
    ):
        for _ in range(QUEUE_LIMIT * 3):
            client.send('{"type":"event","event":"e","data":1}')
        emulator.record.wait_for(lambda record: len(record.frames) > QUEUE_LIMIT)
        assert is_well(emulator)
        assert len(emulator.record.frames) <= QUEUE_LIMIT * 3 + 1


def test_deep_json_and_deep_filters_are_refused(robust):
    rest = Caller(robust)
    assert rest("POST", SEND, b"[" * 500_000, "application/json").status == 400
    assert rest("POST", f"{SEND}?filter={'(' * 5000}true{')' * 5000}", b"x").status == 400
    assert rest("POST", f"{SEND}?{'a=1&' * 12_000}", b"x").status == 400


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60), st.binary(max_size=40))
@settings(max_examples=40)
def test_any_path_and_body_has_an_answer_below_500(robust, path, body):
    target = "/api/hubs/" + path.replace("#", "")
    answer = Caller(robust)("POST", target, body, "application/json", version=None)
    assert 200 <= answer.status < 500
