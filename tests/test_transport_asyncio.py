"""What only the async transport does: tasks that are cancelled, connections that rest, streams that are held back."""

import asyncio
import contextlib
import gc
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from aiohttp.abc import AbstractResolver
from azure.core.exceptions import (
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from local_servers import (
    ACCEPTED,
    TIMEOUT,
    HttpServer,
    SocketServer,
    answer,
    full_listener,
    read_request,
    refused_port,
)
from transport_wires import get, post

from azure.messaging.webpubsubservice.aio import _connections as aio_connections
from azure.messaging.webpubsubservice.aio import _transport as aio_transport
from azure.messaging.webpubsubservice.aio._transport import AiohttpTransport

pytest_plugins = ["transport_fixtures"]


def transport(**options):
    return AiohttpTransport(use_env_settings=False, **options)


async def wait_for(event):
    assert await asyncio.get_running_loop().run_in_executor(None, event.wait, TIMEOUT)


async def others():
    """Let the other tasks end, such as those that close generators."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


def connections(of):
    """Return what the transport's session holds open, resting or in use."""
    connector = of._session.connector
    return [connection for each in connector._conns.values() for connection, _ in each] + list(connector._acquired)


# Cancelling


class Held:
    """A server that reaches some stage, says so, and waits to be left."""

    def __init__(self, stage):
        self.stage = stage
        self.reached = threading.Event()
        self.left = threading.Event()

    def __call__(self, connection, number):
        with connection.makefile("rb") as reader:
            if self.stage == "head":
                read_request(reader)
            elif self.stage == "within head":
                read_request(reader)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-")
            elif self.stage == "body":
                read_request(reader)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
            elif self.stage == "chunk":
                read_request(reader)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx")
            elif self.stage == "upload":
                connection.recv(1)
            elif self.stage == "tunnel":
                reader.readline()
            self.reached.set()
            with contextlib.suppress(ConnectionError):
                while connection.recv(1 << 16):
                    pass
            self.left.set()


@pytest.mark.parametrize("stage", ["handshake", "tunnel", "upload", "head", "within head", "body", "chunk"])
def test_send_that_is_cancelled_closes_its_connection_at_every_stage(stage, run):
    async def main():
        held = Held(stage)
        with SocketServer(held) as server:
            proxies = {"https": server.url} if stage == "tunnel" else None
            url = "https://name.invalid" if stage == "tunnel" else server.url
            if stage == "handshake":
                url = url.replace("http:", "https:")
            async with transport(proxies=proxies) as sending:
                body = b"x" * 20_000_000 if stage == "upload" else b"x"
                task = asyncio.ensure_future(sending.send(post(url, body)))
                await wait_for(held.reached)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await wait_for(held.left)

    run(main)


def test_send_that_is_cancelled_while_it_connects_leaves_no_socket(run):
    async def main():
        with full_listener() as port:
            async with transport() as sending:
                task = asyncio.ensure_future(sending.send(post(f"http://127.0.0.1:{port}")))
                for _ in range(20):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not connections(sending)

    run(main)


# Connections between requests


def test_connections_that_rest_too_long_are_closed(run, monkeypatch):
    monkeypatch.setattr(aio_transport, "KEEPALIVE_SECONDS", 0.05)
    gone = threading.Event()

    def serve(connection, number):
        with connection.makefile("rb") as reader:
            read_request(reader)
            connection.sendall(ACCEPTED)
            assert reader.read(1) == b""
        gone.set()

    async def main():
        with SocketServer(serve) as server:
            async with transport() as sending:
                await sending.send(post(server))
                assert len(connections(sending)) == 1
                await wait_for(gone)
                assert not connections(sending)

    run(main)


# Python 3.10's own TLS forgets to note that a transport is closed when the other end closed it.
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning" if sys.version_info < (3, 11) else "error"
)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"], ids=["end", "bytes"]
)
def test_connection_on_which_anything_happens_between_requests_is_not_used_again(
    sent, secure, run, request, monkeypatch
):
    monkeypatch.setattr(aio_connections, "_IDLE_SECONDS", 0)
    tls, ca_file = (request.getfixturevalue(name) for name in ("tls", "ca_file"))
    said = threading.Event()
    requests = []

    def serve(connection, number):
        with connection.makefile("rb") as reader:
            while read_request(reader):
                requests.append(number)
                connection.sendall(ACCEPTED)
                if number == 0:
                    if sent:
                        connection.sendall(sent)
                    else:
                        connection.shutdown(socket.SHUT_RDWR)
                    said.set()

    async def main():
        with SocketServer(serve, context=tls if secure else None) as server:
            async with transport(connection_verify=ca_file) as sending:
                assert (await sending.send(post(server))).status_code == 202
                said.wait(TIMEOUT)  # the loop does not run meanwhile
                assert (await sending.send(post(server))).status_code == 202
                assert len(connections(sending)) == 1

    run(main)
    assert requests == [0, 1]


def test_wait_that_is_shorter_than_the_one_before_ends_in_time(run):
    done = threading.Event()

    def reply(request):
        if request.target == "/slow":
            done.wait(TIMEOUT)
        return ACCEPTED

    async def main():
        with HttpServer(reply) as server:
            async with transport(read_timeout=30) as sending:
                await sending.send(get(server))
                started = time.monotonic()
                with pytest.raises(ServiceResponseTimeoutError, match=r"within 0\.1 s"):
                    await sending.send(get(server, "/slow"), read_timeout=0.1)
                assert 0.09 < time.monotonic() - started < 2
                done.set()

    run(main)


# Limits


def test_deadline_covers_a_stream_of_the_callers_that_does_not_go_on(run):
    closed = []

    async def pieces():
        yield b"one"
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def main():
        async with transport() as sending:
            with pytest.raises(ServiceRequestTimeoutError):
                await sending.send(post("http://localhost:1", pieces()), deadline=time.monotonic() + 0.05)

    run(main)
    assert closed == [True]


def test_change_of_the_protocol_is_an_answer_and_the_end_of_the_connection(run):
    async def main():
        with HttpServer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n") as server:
            async with transport() as sending:
                assert (await sending.send(get(server))).status_code == 101
                assert (await sending.send(get(server))).status_code == 101
            assert [request.connection for request in server.requests] == [0, 1]

    run(main)


# Streams


@pytest.mark.parametrize("how", ["untouched", "half read"])
def test_stream_that_is_dropped_closes_its_connection_without_a_word(how, run):
    gone = threading.Event()

    def serve(connection, number):
        with connection.makefile("rb") as reader:
            read_request(reader)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 100_000)
            with contextlib.suppress(ConnectionError):
                assert reader.read(1) == b""
        gone.set()

    async def main():
        with SocketServer(serve) as server:
            async with transport() as sending:
                response = await sending.send(get(server), stream=True)
                if how == "half read":
                    pieces = response.iter_bytes()
                    await anext(pieces)
                    await pieces.aclose()
                    del pieces
                    await others()
                del response
                gc.collect()
                await wait_for(gone)
                assert not connections(sending)

    run(main)


def test_stream_that_is_left_in_the_middle_closes_its_connection_when_it_is_closed(run):
    async def main():
        with HttpServer(answer(body=b"x" * 1_000_000)) as server:
            async with transport() as sending:
                response = await sending.send(get(server), stream=True)
                await response.close()
                await response.close()
                assert (await sending.send(get(server))).content == b"x" * 1_000_000
            assert [request.connection for request in server.requests] == [0, 1]

    run(main)


# Closing


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_closing_ends_requests_under_way_and_is_complete(secure, run, tls, ca_file):
    arrived = threading.Event()
    go_on = threading.Event()

    def reply(request):
        arrived.set()
        go_on.wait(TIMEOUT)
        return ACCEPTED

    async def main():
        with HttpServer(reply, context=tls if secure else None) as server:
            sending = transport(connection_verify=ca_file)
            task = asyncio.ensure_future(sending.send(post(server)))
            await wait_for(arrived)
            assert len(connections(sending)) == 1
            await sending.close()
            with pytest.raises(ServiceResponseError):
                await task
            go_on.set()

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks do not tell who cancelled them before Python 3.11")
def test_closing_ends_the_wait_for_a_connection_with_an_error(run):
    async def main():
        with HttpServer(answer(body=b"x" * 1_000_000)) as server:
            sending = transport(max_connections=1)
            held = await sending.send(get(server), stream=True)
            task = asyncio.ensure_future(sending.send(get(server)))
            for _ in range(5):
                await asyncio.sleep(0)
            await sending.close()
            with pytest.raises(ServiceRequestError, match="the client was closed"):
                await task
            await held.close()

    run(main)


def test_closing_while_connecting_lets_nothing_be_sent(run):
    async def main():
        with full_listener() as port:
            sending = transport(connection_timeout=0.2)
            task = asyncio.ensure_future(sending.send(post(f"http://127.0.0.1:{port}")))
            await asyncio.sleep(0)
            await sending.close()
            with pytest.raises(ServiceRequestError):
                await task

    run(main)


def test_forgotten_transport_closes_its_connections(run):
    gone = threading.Event()

    def serve(connection, number):
        with connection.makefile("rb") as reader:
            read_request(reader)
            connection.sendall(ACCEPTED)
            assert reader.read(1) == b""
        gone.set()

    async def main():
        with SocketServer(serve) as server:
            sending = transport()
            await sending.send(post(server))
            del sending
            gc.collect()
            await wait_for(gone)
            await others()

    run(main)


@pytest.mark.parametrize(
    ("how", "secure"),
    [("idle", False), ("idle", True), ("stream", True), ("dropped", False), ("pending", True), ("closed after", True)],
)
def test_loop_and_interpreter_end_without_a_word(how, secure, tls, ca_file):
    code = f"""
        import asyncio, gc, sys
        from azure.core.rest import HttpRequest
        from azure.messaging.webpubsubservice.aio._transport import AiohttpTransport

        transport = AiohttpTransport(connection_verify=sys.argv[2])
        kept = []

        async def main():
            asyncio.get_running_loop().slow_callback_duration = 60
            await transport.send(HttpRequest("GET", sys.argv[1]))
            if {how!r} in ("stream", "dropped"):
                kept.append(await transport.send(HttpRequest("GET", sys.argv[1]), stream=True))
            if {how!r} == "dropped":
                kept.clear()
            if {how!r} == "pending":
                kept.append(asyncio.ensure_future(transport.send(HttpRequest("GET", sys.argv[1] + "/slow"))))
                await transport.send(HttpRequest("GET", sys.argv[1] + "/when/slow/came"))

        asyncio.run(main())
        if {how!r} == "closed after":
            asyncio.run(transport.close())
        gc.collect()
        print("done")
    """
    came, done = threading.Event(), threading.Event()

    def reply(request):
        if request.target == "/slow":
            came.set()
            done.wait(TIMEOUT)
        elif request.target == "/when/slow/came":
            assert came.wait(TIMEOUT)
        return answer(body=b"x" * 100)

    with HttpServer(reply, context=tls if secure else None) as server:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(code), server.url, ca_file]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        done.set()
    assert (outcome.stdout, outcome.stderr, outcome.returncode) == ("done\n", "", 0)


# Connecting


def test_address_that_does_not_answer_is_not_waited_for(run, monkeypatch):
    async def main():
        with full_listener() as silent, HttpServer(ACCEPTED) as server:

            class Resolver(AbstractResolver):
                async def resolve(self, host, port=0, family=socket.AF_INET):
                    fields = {"hostname": host, "host": "127.0.0.1", "family": family, "proto": 0, "flags": 0}
                    return [{**fields, "port": each} for each in (silent, refused_port(), server.port)]

                async def close(self):
                    pass

            async with transport(connection_timeout=TIMEOUT) as sending:
                await sending.send(get(server))  # makes the session
                monkeypatch.setattr(sending._session.connector, "_resolver", Resolver())
                assert (await sending.send(post("http://name.example"))).status_code == 202
                assert len(connections(sending)) == 2

    run(main)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_small_writes_are_not_held_back(host, run):
    async def main():
        with HttpServer() as server:
            async with transport() as sending:
                await sending.send(get(f"http://{host}:{server.port}"))
                (connection,) = connections(sending)
                connected = connection.transport.get_extra_info("socket")
                assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(main)


@pytest.mark.parametrize("step", range(1, 9))
def test_connecting_that_is_cancelled_twice_leaves_nothing(step, run):
    async def main():
        with HttpServer() as server:
            async with transport() as sending:
                task = asyncio.ensure_future(sending.send(get(server)))
                for _ in range(step):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                await others()
                assert all(connection.transport is not None for connection in connections(sending))

    run(main)
