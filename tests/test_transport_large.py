"""Bodies that do not fit into the buffers on the way, over TCP and over TLS, through the async transport."""

import asyncio
import contextlib
import socket
import sys
import threading
import time

import pytest
from azure.core.exceptions import ServiceResponseTimeoutError
from local_servers import ACCEPTED, TIMEOUT, HttpServer, SocketServer, answer, read_request
from transport_wires import get, post

from azure.messaging.webpubsubservice import _transport as sync_transport
from azure.messaging.webpubsubservice.aio import _connections as aio_connections
from azure.messaging.webpubsubservice.aio._transport import AiohttpTransport

pytest_plugins = ["transport_fixtures"]
LARGE = b"0123456789abcdef" * 500_000


@pytest.fixture(params=["http", "https"])
def context(request, tls):
    return tls if request.param == "https" else None


@pytest.fixture
def transport(ca_file):
    def make(**options):
        return AiohttpTransport(use_env_settings=False, connection_verify=ca_file, **options)

    return make


async def pieces():
    for start in range(0, len(LARGE), 100_000):
        yield LARGE[start : start + 100_000]


def test_large_requests_arrive_whole_one_after_the_other(context, transport, run):
    async def main():
        with HttpServer(lambda request: answer(body=b"%d" % (request.body == LARGE)), context=context) as server:
            async with transport() as sending:
                for body in (LARGE, pieces(), LARGE[:1_000_000], LARGE):
                    answered = await sending.send(post(server, body))
                    assert answered.content == (b"0" if len(LARGE) > len(server.requests[-1].body) else b"1")
                assert [len(request.body) for request in server.requests] == [len(LARGE)] * 2 + [1_000_000, len(LARGE)]
            assert [request.connection for request in server.requests] == [0, 0, 0, 0]

    run(main)


def test_large_answers_arrive_whole_at_whatever_pace_they_are_read(context, transport, run):
    async def main():
        with HttpServer(answer(body=LARGE), context=context) as server:
            async with transport(connection_data_block_size=1 << 16) as sending:
                assert (await sending.send(get(server))).content == LARGE
                response = await sending.send(get(server), stream=True)
                received = []
                async for piece in response.iter_raw():
                    received.append(piece)
                    await asyncio.sleep(0)
                assert b"".join(received) == LARGE
                response = await sending.send(get(server), stream=True)
                for _ in range(100):
                    await asyncio.sleep(0)
                assert await response.read() == LARGE
            assert [request.connection for request in server.requests] == [0, 0, 0]

    run(main)


@pytest.mark.parametrize("limit", ["read_timeout", "deadline"])
def test_peer_that_stops_reading_is_left_when_the_time_is_over(limit, context, transport, run):
    begun, done = threading.Event(), threading.Event()

    def serve(connection, number):
        read_request(connection.makefile("rb"))
        connection.sendall(ACCEPTED)
        connection.recv(1)
        begun.set()
        done.wait(TIMEOUT)

    async def main():
        with SocketServer(serve, context=context) as server:
            async with transport() as sending:
                await sending.send(post(server))  # connects, which may take its time on a busy machine
                # aiohttp sets no limit to a peer that does not read: without a deadline, the transport allows for both
                # times together.
                options = {"connection_timeout": 0.4, "read_timeout": 0.1}
                if limit == "deadline":
                    options = {"deadline": time.monotonic() + 0.5}
                with pytest.raises(ServiceResponseTimeoutError):
                    await sending.send(post(server, LARGE * 4), **options)
            assert begun.wait(TIMEOUT)
            done.set()

    run(main)


# Python 3.10's own TLS forgets to note that a transport is closed.
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning" if sys.version_info < (3, 11) else "error"
)
def test_message_may_take_longer_than_one_wait_on_a_slow_link(context, wire, ca_file, monkeypatch):
    never = threading.Event()

    def serve(connection, number):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        left = 1_000_000
        while left:
            left -= len(connection.recv(1 << 14)) or left
            never.wait(0.025)
        connection.sendall(ACCEPTED)

    for module in (sync_transport, aio_connections):
        monkeypatch.setattr(module, "SOCKET_OPTIONS", [(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)])
    with SocketServer(serve, context=context) as server:
        server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        wire.configure(read_timeout=1, connection_verify=ca_file)
        started = time.monotonic()
        sent = post(server, b"x" * 1_000_000)
        assert wire.send(sent, deadline=time.monotonic() + TIMEOUT).status_code == 202
        assert time.monotonic() - started > 1


def test_early_answer_ends_a_large_request(context, transport, run):
    def serve(connection, number):
        connection.recv(1000)
        connection.sendall(answer("413 Too Large", Connection="close"))
        with contextlib.suppress(OSError):
            while connection.recv(1 << 16):
                pass

    async def main():
        with SocketServer(serve, context=context) as server:
            async with transport() as sending:
                assert (await sending.send(post(server, LARGE * 4))).status_code == 413

    run(main)


def test_requests_that_are_cancelled_leave_the_others_alone(context, transport, run):
    statuses = []

    async def main():
        with HttpServer(ACCEPTED, context=context) as server:
            async with transport() as sending:

                async def send(number):
                    task = asyncio.ensure_future(sending.send(post(server, b"x" * (number * 3000))))
                    for _ in range(number):
                        await asyncio.sleep(0)
                    if number % 3 == 0:
                        task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        statuses.append((number, (await task).status_code))

                for _ in range(4):
                    await asyncio.gather(*[send(number) for number in range(40)])

    run(main)
    kept = [number for number in range(40) if number % 3]
    assert sorted(number for number, _ in statuses if number % 3) == sorted(kept * 4)
    assert {status for _, status in statuses} == {202}
