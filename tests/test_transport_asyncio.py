"""What only the async transport does: tasks that are cancelled, connections that rest, streams that are held back."""

import asyncio
import contextlib
import gc
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from azure.core.exceptions import (
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.rest import HttpRequest
from local_servers import (
    ACCEPTED,
    OK,
    TIMEOUT,
    ForwardProxy,
    HttpServer,
    SocketServer,
    answer,
    full_listener,
    read_request,
    refused_port,
)
from transport_wires import get, post

from azure.messaging.webpubsubservice.aio import _connecting, _connection
from azure.messaging.webpubsubservice.aio._transport import AsyncioTransport

pytest_plugins = ["transport_fixtures"]


def transport(**options):
    return AsyncioTransport(use_env_settings=False, **options)


async def wait_for(event):
    assert await asyncio.get_running_loop().run_in_executor(None, event.wait, TIMEOUT)


async def others():
    """Let the other tasks end, such as those that close generators."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


def connections(of):
    return of._connections


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


def test_coroutine_that_is_dropped_says_nothing(run):
    async def main():
        held = Held("head")
        with SocketServer(held) as server:
            async with transport() as sending:
                await asyncio.sleep(0)
                coroutine = sending.send(post(server))
                coroutine.send(None)  # waits for a connection
                coroutine.close()
                large = asyncio.ensure_future(sending.send(post(server, b"x" * 20_000_000)))
                await wait_for(held.reached)
                inner = large.get_coro()
                large.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await large
                inner.close()

    run(main)


# Connections between requests


def test_connections_that_rest_too_long_are_closed(run, monkeypatch):
    monkeypatch.setattr(_connection, "_KEEPALIVE_SECONDS", 0.05)
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


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"], ids=["end", "bytes"]
)
def test_connection_on_which_anything_happens_between_requests_is_not_used_again(sent, secure, run, tls, ca_file):
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
                time.sleep(0.06)  # noqa: ASYNC251  # longer than what counts as rest
                assert (await sending.send(post(server))).status_code == 202
                assert len(connections(sending)) == 1

    run(main)
    assert requests == [0, 1]


def test_connection_with_bytes_behind_its_answer_is_not_used_again(run):
    async def main():
        for reply in (ACCEPTED + b"x", answer(body=b"ok") + OK, answer(body=b"y" * 500_000) + b"x"):
            with HttpServer(reply) as server:
                async with transport() as sending:
                    for _ in range(2):
                        await sending.send(post(server))
                assert [request.connection for request in server.requests] == [0, 1]

    run(main)


def test_sending_sets_no_timer_for_each_request(run):
    async def main():
        loop = asyncio.get_running_loop()
        with HttpServer(ACCEPTED) as server:
            async with transport() as sending:
                await sending.send(post(server))
                before = [handle for handle in loop._scheduled if not handle.cancelled()]
                for _ in range(20):
                    await sending.send(post(server), deadline=time.monotonic() + TIMEOUT)
                assert [handle for handle in loop._scheduled if not handle.cancelled()] == before
                assert len(before) == 1

    run(main)


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
        with SocketServer(lambda connection, _: connection.makefile("rb").read()) as server:
            async with transport(read_timeout=0.05) as sending:
                started = time.monotonic()
                with pytest.raises(ServiceResponseTimeoutError):
                    await sending.send(post(server, pieces()), deadline=started + 0.2)
                assert 0.2 <= time.monotonic() - started < 2

    run(main)
    assert closed == [True]


def test_slow_stream_of_the_callers_is_not_the_services_fault(run):
    async def pieces():
        for _ in range(3):
            await asyncio.sleep(0.1)
            yield b"x"

    async def main():
        with HttpServer(ACCEPTED) as server:
            async with transport(read_timeout=0.05) as sending:
                assert (await sending.send(post(server, pieces()))).status_code == 202
            assert server.requests[0].body == b"xxx"

    run(main)


# Large requests and early answers


def reset(connection):
    """Close a connection so that the other end learns of it at its next write."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_answer_before_the_end_of_the_request_is_the_answer_and_ends_it(run):
    def serve(connection, number):
        with connection.makefile("rb") as reader:
            while reader.readline() != b"\r\n":
                pass
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + answer("413 Too Large"))
            with contextlib.suppress(ConnectionError):
                read = len(reader.read())
                assert read < 50_000_000, "it was not stopped"

    async def endless():
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    async def stuck():
        yield b"x"
        await asyncio.Event().wait()

    async def main():
        for body in (endless(), stuck(), b"x" * 50_000_000):
            with SocketServer(serve) as server:
                async with transport() as sending:
                    assert (await sending.send(post(server, body))).status_code == 413
                    assert len(server.connections) == 1
            await asyncio.sleep(0)

    run(main)


def test_answer_before_a_reset_is_seen(run):
    def serve(connection, number):
        connection.recv(100_000)
        connection.sendall(answer("413 Too Large", Connection="close"))
        reset(connection)

    async def main():
        for _ in range(20):
            with SocketServer(serve) as server:
                async with transport() as sending:
                    assert (await sending.send(post(server, b"x" * 1_000_000))).status_code == 413

    run(main)


def test_error_of_the_callers_stream_comes_through_and_closes_the_connection(run):
    async def pieces():
        yield b"one"
        raise KeyError("mine")

    async def main():
        with SocketServer(lambda connection, _: connection.makefile("rb").read()) as server:
            async with transport() as sending:
                with pytest.raises(KeyError, match="mine"):
                    await sending.send(post(server, pieces()))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert not connections(sending)

    run(main)


def test_interim_answers_are_passed_over_and_their_number_is_limited(run):
    async def main():
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        with HttpServer(hint * 99 + ACCEPTED) as server:
            async with transport() as sending:
                assert (await sending.send(post(server))).status_code == 202
                assert (await sending.send(post(server))).status_code == 202
            assert [request.connection for request in server.requests] == [0, 0]
        with HttpServer(hint * 100 + ACCEPTED) as server:
            async with transport() as sending:
                with pytest.raises(ServiceResponseError, match="does not come"):
                    await sending.send(post(server))

    run(main)


def test_change_of_the_protocol_is_an_answer_and_the_end_of_the_connection(run):
    async def main():
        with HttpServer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n") as server:
            async with transport() as sending:
                assert (await sending.send(get(server))).status_code == 101
                assert (await sending.send(get(server))).status_code == 101
            assert [request.connection for request in server.requests] == [0, 1]

    run(main)


# Streams


def test_stream_that_is_not_read_holds_the_service_back(run):
    stopped = threading.Event()
    sent = []

    def serve(connection, number):
        with connection.makefile("rb") as reader:
            read_request(reader)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        connection.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while len(sent) < 1000:
                connection.sendall(b"x" * 100_000)
                sent.append(100_000)
        stopped.set()

    async def main():
        with SocketServer(serve) as server:
            async with transport() as sending:
                response = await sending.send(get(server), stream=True)
                await wait_for(stopped)
                assert len(sent) < 1000
                (connection,) = connections(sending)
                assert len(connection._buffer) < 1_000_000
                # What came before the connection broke off is there, in pieces of the size that was asked for.
                received = []

                async def read():
                    async for piece in response.iter_bytes():
                        received.append(len(piece))  # noqa: PERF401  # it ends with an error

                with pytest.raises(IncompleteReadError):
                    await read()
                assert max(received) == 4096
                assert sum(received) >= sum(sent)

    run(main)


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
            held = list(connections(sending))
            await sending.close()
            assert [each.is_lost for each in held] == [True]
            assert not connections(sending)
            with pytest.raises(ServiceResponseError, match="the client was closed"):
                await task
            go_on.set()

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


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("how", ["idle", "stream", "dropped", "pending", "closed after"])
def test_loop_and_interpreter_end_without_a_word(how, secure, tls, ca_file):
    code = f"""
        import asyncio, gc, sys
        from azure.core.rest import HttpRequest
        from azure.messaging.webpubsubservice.aio._transport import AsyncioTransport

        transport = AsyncioTransport(connection_verify=sys.argv[2])
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
                await asyncio.sleep(0.05)

        asyncio.run(main())
        if {how!r} == "closed after":
            asyncio.run(transport.close())
        gc.collect()
        print("done")
    """
    done = threading.Event()

    def reply(request):
        if request.target == "/slow":
            done.wait(TIMEOUT)
        return answer(body=b"x" * 100)

    with HttpServer(reply, context=tls if secure else None) as server:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(code), server.url, ca_file]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        done.set()
    assert (outcome.stdout, outcome.stderr, outcome.returncode) == ("done\n", "", 0)


# Connecting


def test_address_that_does_not_answer_is_not_waited_for(run, monkeypatch):
    monkeypatch.setattr(_connecting, "_HEAD_START", 0.05)

    async def main():
        with full_listener() as silent, HttpServer(ACCEPTED) as server:
            loop = asyncio.get_running_loop()
            found = [silent, refused_port(), server.port, silent]

            async def getaddrinfo(host, port, **_):
                assert (host, port) == ("name.example", 80)
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in found]

            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            async with transport() as sending:
                started = time.monotonic()
                assert (await sending.send(post("http://name.example"))).status_code == 202
                assert time.monotonic() - started < 2
                assert len(connections(sending)) == 1

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


def test_address_of_the_other_family_comes_second(run):
    async def main():
        loop = asyncio.get_running_loop()
        four, six = socket.AF_INET, socket.AF_INET6

        async def getaddrinfo(*_, **__):
            return [(family, 1, 6, "", number) for number, family in enumerate((six, six, six, four, four))]

        loop.getaddrinfo = getaddrinfo
        found = await _connecting._look_up(loop, "name.example", 80)
        assert [address for *_, address in found] == [0, 3, 1, 4, 2]
        assert await _connecting._look_up(loop, "127.0.0.1", 80) == [
            (four, socket.SOCK_STREAM, socket.IPPROTO_TCP, ("127.0.0.1", 80))
        ]
        assert await _connecting._look_up(loop, "::1", 80) == [
            (six, socket.SOCK_STREAM, socket.IPPROTO_TCP, ("::1", 80, 0, 0))
        ]

    run(main)


def test_every_address_that_fails_is_in_the_error(run):
    async def main():
        loop = asyncio.get_running_loop()
        ports = [refused_port(), refused_port()]

        async def getaddrinfo(*_, **__):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in ports]

        loop.getaddrinfo = getaddrinfo
        async with transport() as sending:
            with pytest.raises(ServiceRequestError) as caught:
                await sending.send(post("http://name.example"))
        assert all(str(port) in str(caught.value) for port in ports)

    run(main)


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="works from Python 3.11 on")
def test_tls_within_tls_is_refused_where_asyncio_cannot(tls):
    async def main():
        with ForwardProxy(context=tls) as proxy:
            async with transport(proxies={"https": proxy.url}) as sending:
                with pytest.raises(ValueError, match=r"from Python 3\.11 on"):
                    await sending.send(post("https://name.example"))

    asyncio.run(main())


def test_proxy_that_says_more_than_yes_is_not_trusted(run):
    def serve(connection, number):
        with connection.makefile("rb") as reader:
            while reader.readline() != b"\r\n":
                pass
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nx")

    async def main():
        with SocketServer(serve) as proxy:
            async with transport(proxies={"https": proxy.url}) as sending:
                with pytest.raises(ServiceRequestError, match="says more than it should"):
                    await sending.send(post("https://name.example"))

    run(main)


def test_bodies_of_all_kinds_of_bytes_arrive(run):
    async def main():
        with HttpServer(ACCEPTED) as server:
            async with transport() as sending:
                for body in (bytearray(b"abc"), memoryview(b"abc")):
                    request = HttpRequest("POST", server.url, content=b"")
                    request._data = body
                    await sending.send(request)
                await sending.send(
                    HttpRequest("POST", server.url, content=b"abc", headers={"transfer-encoding": "chunked"})
                )
                await sending.send(HttpRequest("POST", server.url, headers={"transfer-encoding": "chunked"}))
            assert [request.body for request in server.requests] == [b"abc", b"abc", b"abc", b""]

    run(main)
