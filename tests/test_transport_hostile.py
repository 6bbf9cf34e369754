"""Servers and proxies that drip, flood, blow up and mix up answers: each wait ends, and an answer has one request."""

import contextlib
import gzip
import socket
import sys
import threading
import time
import zlib

import pytest
from azure.core.exceptions import (
    AzureError,
    DecodeError,
    IncompleteReadError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from local_servers import OK, TIMEOUT, HttpServer, SocketServer, answer, full_listener, read_request
from transport_wires import fails, get, post

from azure.messaging.webpubsubservice import _either_transport

pytest_plugins = ["transport_fixtures"]

OK_TO_TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
SOON = 0.5  # enough to send on a connection that is there, on a busy machine


@pytest.fixture
def dripping():
    """Yields pieces, and then a byte now and then, until the test is over."""
    done = threading.Event()

    def drip(*pieces, byte=b"x"):
        yield from pieces
        while not done.wait(0.02):
            yield byte

    yield drip
    done.set()


def after_one(answers):
    """Let a server answer the first request, which connects, and the others as said."""
    return lambda request: OK if request.target == "/connect" else answers()


def ends_in_time(wire, expected, request, **options):
    started = time.monotonic()
    fails(wire, expected, request, read_timeout=TIMEOUT, deadline=started + SOON, **options)
    assert time.monotonic() - started < TIMEOUT / 2


# Drips: the deadline ends them all


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "pieces",
    [[], [b"HTTP/1.1 200 OK\r\n"], [b"HTTP/1.1 200 OK\r\nX-Long: "]],
    ids=["status", "between", "value"],
)
def test_head_that_drips_ends_at_the_deadline(wire, dripping, pieces, stream):
    with HttpServer(after_one(lambda: dripping(*pieces))) as server:
        wire.send(get(server, "/connect"))
        if pieces:
            ends_in_time(wire, ServiceResponseTimeoutError, post(server), stream=stream)
        else:
            with pytest.raises(ServiceResponseError):  # a status of x and x is known to be none, sooner or later
                wire.send(post(server), deadline=time.monotonic() + SOON, stream=stream)


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 1000000\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n"],
    ids=["length", "end", "chunk"],
)
def test_body_that_drips_ends_at_the_deadline(wire, dripping, head):
    with HttpServer(after_one(lambda: dripping(b"HTTP/1.1 200 OK\r\n" + head))) as server:
        wire.send(get(server, "/connect"))
        ends_in_time(wire, ServiceResponseTimeoutError, post(server))


def test_endless_answers_of_the_100s_have_an_end(wire, dripping):
    with HttpServer(after_one(lambda: dripping(byte=b"HTTP/1.1 100 Continue\r\n\r\n" * 20))) as server:
        wire.send(get(server, "/connect"))
        with pytest.raises(ServiceResponseError):
            wire.send(post(server), deadline=time.monotonic() + SOON)


def test_proxy_that_drips_ends_at_the_deadline_and_nothing_was_sent(wire, dripping):
    def serve(connection, _):
        for piece in dripping(OK_TO_TUNNEL.rstrip() + b"\r\nX-Long: "):
            connection.sendall(piece)

    with SocketServer(serve) as proxy:
        wire.configure(proxies={"https": proxy.url}, connection_timeout=TIMEOUT)
        ends_in_time(wire, ServiceRequestTimeoutError, post("https://service.example"))


def test_handshake_that_drips_ends_at_the_deadline_and_nothing_was_sent(wire, dripping, tls, ca_file):
    def serve(connection, _):
        if number_of_proxy:
            with connection.makefile("rb") as reader:
                while reader.readline() != b"\r\n":
                    pass
            connection.sendall(OK_TO_TUNNEL)
        connection.recv(1)
        for piece in dripping(b"\x16\x03\x03\x40\x00"):
            connection.sendall(piece)

    for number_of_proxy, context in enumerate([None, tls]):
        if number_of_proxy and wire.kind == "aio" and sys.version_info < (3, 11):
            continue  # asyncio has no TLS within TLS before
        with SocketServer(serve, context=context) as server:
            proxies = {"https": f"https://localhost:{server.port}"} if number_of_proxy else None
            wire.configure(proxies=proxies, connection_timeout=TIMEOUT, connection_verify=ca_file)
            ends_in_time(wire, ServiceRequestTimeoutError, post(f"https://localhost:{server.port}"))


def test_addresses_that_do_not_answer_share_the_time(wire, monkeypatch):
    with full_listener() as port:
        real = socket.getaddrinfo

        def several(host, *rest, **options):
            return (
                real("127.0.0.1", *rest, **options) * 4 if host == "service.example" else real(host, *rest, **options)
            )

        monkeypatch.setattr(socket, "getaddrinfo", several)
        for limit in ({"connection_timeout": 0.4}, {"deadline": time.monotonic() + 0.8}):
            started = time.monotonic()
            fails(wire, ServiceRequestTimeoutError, post(f"http://service.example:{port}"), **limit)
            assert time.monotonic() - started < 4


# Decompression is bounded


def _bomb():
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"\0" * (1 << 20)
    return b"".join([*(compressor.compress(block) for _ in range(64)), compressor.flush()])


BOMB = _bomb()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", BOMB),
        ("gzip, gzip", gzip.compress(BOMB, mtime=0)),
        ("deflate", zlib.compress(b"\0" * (_either_transport.MAX_DECODED + 1))),
        (", ".join(["gzip"] * 50), b"x"),
    ],
    ids=["bomb", "nested", "deflate", "layers"],
)
def test_answer_that_decodes_to_too_much_is_a_decode_error(wire, encoding, body):
    with HttpServer(answer(body=body, Content_Encoding=encoding)) as server:
        if wire.kind == "aio" and "," in encoding:  # aiohttp leaves what it does not know as it is
            assert wire.send(get(server)).content == body
            return
        assert encoding[:20] in str(fails(wire, DecodeError, get(server)))
        with pytest.raises(DecodeError):
            wire.pieces(wire.send(get(server), stream=True))
        with pytest.raises(DecodeError):
            wire.read(wire.send(get(server), stream=True))


def test_answer_of_many_empty_parts_costs_little(wire):
    reply = answer(body=gzip.compress(b"", mtime=0) * 20_000, Content_Encoding="gzip")
    with HttpServer(reply) as server, contextlib.suppress(DecodeError):  # aiohttp knows that it is an attack
        assert wire.send(get(server), deadline=time.monotonic() + TIMEOUT).content == b""


def test_answer_that_decodes_to_as_much_as_is_allowed_is_whole(wire):
    body = b"\0" * _either_transport.MAX_DECODED
    with HttpServer(answer(body=gzip.compress(body, mtime=0), Content_Encoding="gzip")) as server:
        assert wire.send(get(server)).content == body


def test_answer_larger_than_memory_is_meant_for_is_refused(wire, monkeypatch):
    monkeypatch.setattr(_either_transport, "MAX_ANSWER", 3_000_000)
    with HttpServer(answer(body=b"x" * 5_000_000)) as server:
        assert "stream=True" in str(fails(wire, IncompleteReadError, get(server)))
        assert sum(map(len, wire.pieces(wire.send(get(server), stream=True)))) == 5_000_000


# One answer, one request


class TwoAnswers(SocketServer):
    """Answers the first request of a connection with ``first``, and any other with its own target."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def serve(self, connection, number):
        with connection.makefile("rb") as reader:
            for reply in (self.first if number == 0 else None, None, None):
                request = read_request(reader, number)
                if request is None:
                    return
                connection.sendall(answer(body=request.target.encode()) if reply is None else reply)


STRAY = answer(body=b"of another request")


@pytest.mark.parametrize(
    "first",
    [
        OK + STRAY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + STRAY,
        b"HTTP/1.1 204 No Content\r\n\r\n" + STRAY,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" + STRAY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + STRAY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n" + STRAY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n" + STRAY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + STRAY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n2\r\nok\r\n0\r\n\r\n" + STRAY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok" + STRAY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok" + STRAY,
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok" + STRAY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok" + STRAY,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + STRAY,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok" + STRAY,
    ],
)
@pytest.mark.parametrize("how", ["whole", "read", "some", "closed", "dropped"])
def test_next_request_gets_its_own_answer_whatever_came_before(wire, first, how):
    wire.configure(read_timeout=0.2, connection_data_block_size=1)
    with TwoAnswers(first) as server:
        try:
            response = wire.send(get(server, "/first"), stream=how != "whole")
            if how in ("read", "some"):
                wire.pieces(response, most=1 if how == "some" else None)
            elif how == "closed":
                closing = response.close()
                if wire.kind == "aio":
                    wire.run(closing)
            response = None
        except AzureError:
            response = None
        wire.settle()
        for number in range(2):
            assert wire.send(get(server, f"/{number}"), read_timeout=TIMEOUT).content == b"/%d" % number


def test_head_that_is_cut_is_no_answer(wire):
    for head in (b"HTTP/1.1 202 Accepted\r\n", b"HTTP/1.1 202 Accepted\r\nContent-Le", b"HTTP/1.1 202 Acc", b"HTTP"):
        with HttpServer(lambda _, head=head: [head]) as server:
            fails(wire, ServiceResponseError, post(server))


def test_line_of_a_head_that_is_none_is_refused(wire):
    with HttpServer(b"HTTP/1.1 202 Accepted\r\nno colon\r\nContent-Length: 0\r\n\r\n") as server:
        fails(wire, ServiceResponseError, post(server))
