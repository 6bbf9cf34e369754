"""Bodies that do not fit into the buffers on the way, over TCP and over TLS, through the async transport."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from azure.core.exceptions import ServiceResponseTimeoutError
from local_servers import ACCEPTED, TIMEOUT, HttpServer, SocketServer, answer
from transport_wires import get, post

from azure.messaging.webpubsubservice._limits import Limits
from azure.messaging.webpubsubservice.aio import _connecting, _routes
from azure.messaging.webpubsubservice.aio._connection import Connection
from azure.messaging.webpubsubservice.aio._transport import AsyncioTransport

pytest_plugins = ["transport_fixtures"]
LARGE = b"0123456789abcdef" * 500_000


@pytest.fixture(params=["http", "https"])
def context(request, tls):
    return tls if request.param == "https" else None


@pytest.fixture
def transport(ca_file):
    def make(**options):
        return AsyncioTransport(use_env_settings=False, connection_verify=ca_file, **options)

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


def test_peer_that_stops_reading_is_left_when_the_time_is_over(context, transport, run):
    done = threading.Event()
    begun = threading.Event()

    def serve(connection, number):
        connection.recv(1)
        begun.set()
        done.wait(TIMEOUT)

    async def main():
        with SocketServer(serve, context=context) as server:
            async with transport() as sending:
                for limit in ({"read_timeout": 0.1}, {"deadline": time.monotonic() + 0.3}):
                    started = time.monotonic()
                    with pytest.raises(ServiceResponseTimeoutError):
                        await sending.send(post(server, LARGE * 4), **limit)
                    assert time.monotonic() - started < 3
                begun.clear()
                task = asyncio.ensure_future(sending.send(post(server, LARGE * 4)))
                assert await asyncio.get_running_loop().run_in_executor(None, begun.wait, TIMEOUT)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            done.set()

    run(main)


def test_body_of_a_message_may_take_as_long_as_the_peer_goes_on_reading(run):
    def time_is_over(connection):
        assert connection._timer is not None
        connection._timer.cancel()
        connection._due = 0
        connection._on_timer()

    async def main():
        loop = asyncio.get_running_loop()
        ours, peer = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.setblocking(False)
        connection = Connection(loop, lambda _: None)
        with peer:
            await loop.create_connection(lambda: connection, sock=ours)
            sending = loop.create_task(
                connection.exchange(b"head", b"x" * 900_000, Limits(60, None), chunked=False, bodiless=False)
            )
            await asyncio.sleep(0)
            unsent = connection.transport.get_write_buffer_size()
            assert unsent > 500_000
            while connection.transport.get_write_buffer_size() == unsent:
                await loop.sock_recv(peer, 1 << 16)
                await asyncio.sleep(0)
            time_is_over(connection)
            for _ in range(3):
                await asyncio.sleep(0)
            assert not sending.done()
            for _ in range(20):  # the system's own buffer may take some more
                if not sending.done():
                    time_is_over(connection)
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
            with pytest.raises(TimeoutError):
                await sending
            connection.abort()
            await connection.when_lost()

    run(main)


def test_message_may_take_longer_than_one_wait_on_a_slow_link(context, transport, run, monkeypatch):
    never = threading.Event()

    async def connect_socket(*where):
        connected = await _connecting.connect_socket(*where)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        return connected

    def serve(connection, number):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        left = 1_000_000
        while left:
            left -= len(connection.recv(1 << 14)) or left
            never.wait(0.02)
        connection.sendall(ACCEPTED)

    async def main():
        with SocketServer(serve, context=context) as server:
            server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
            async with transport(read_timeout=0.5) as sending:
                started = time.monotonic()
                assert (await sending.send(post(server, b"x" * 1_000_000))).status_code == 202
                assert time.monotonic() - started > 0.5

    monkeypatch.setattr(_routes, "connect_socket", connect_socket)
    run(main)


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
