"""How the transports keep, share and close connections."""

import asyncio
import gc
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import (
    ServiceRequestTimeoutError,
    ServiceResponseError,
)
from local_servers import (
    ACCEPTED,
    OK,
    TIMEOUT,
    HttpServer,
    answer,
)
from transport_wires import AioWire, fails, get, post

from azure.messaging.webpubsubservice import _connections, _either_transport
from azure.messaging.webpubsubservice._transport import Urllib3Transport
from azure.messaging.webpubsubservice.aio import _connections as aio_connections
from azure.messaging.webpubsubservice.aio import _transport as aio_transport
from azure.messaging.webpubsubservice.aio._transport import AiohttpTransport

pytest_plugins = ["transport_fixtures"]


def test_connection_is_used_again(wire):
    with HttpServer() as server:
        for _ in range(3):
            wire.send(post(server))
    assert [request.connection for request in server.requests] == [0, 0, 0]


def test_connection_that_the_service_announces_to_close_is_not(wire):
    with HttpServer(answer(body=b"x", Connection="close")) as server:
        for _ in range(2):
            wire.send(post(server))
    assert [request.connection for request in server.requests] == [0, 1]


def test_stale_connection_is_noticed_before_a_post_is_written_to_it(wire):
    with HttpServer(ACCEPTED) as server:
        for number in range(3):
            wire.send(post(server, b"message %d" % number))
            server.drop_connections()
            wire.settle()
    assert [(request.body, request.connection) for request in server.requests] == [
        (b"message 0", 0),
        (b"message 1", 1),
        (b"message 2", 2),
    ]


def test_connection_that_closed_while_the_loop_was_not_running_is_noticed(monkeypatch):
    monkeypatch.setattr(aio_connections, "_IDLE_SECONDS", 0)
    wire = AioWire().configure()
    with HttpServer(ACCEPTED) as server:
        wire.send(post(server))
        server.drop_connections()
        wire.send(post(server))
    wire.close()
    wire.loop.close()
    assert [request.connection for request in server.requests] == [0, 1]


def test_connection_that_failed_is_not_used_again(wire):
    replies = iter([OK, None, OK])
    with HttpServer(lambda _: next(replies)) as server:
        wire.send(post(server))
        fails(wire, ServiceResponseError, post(server))
        wire.send(post(server))
    assert [request.connection for request in server.requests] == [0, 0, 1]


def test_sixty_four_threads_use_sixty_four_connections_and_discard_none(caplog):
    caplog.set_level(logging.DEBUG)
    here = threading.Barrier(64, timeout=TIMEOUT)

    def reply(request):
        if request.target == "/together":
            here.wait()
        return ACCEPTED

    with HttpServer(reply) as server, Urllib3Transport() as transport, ThreadPoolExecutor(64) as threads:

        def send(path):
            return transport.send(post(server, path=path)).status_code

        assert set(threads.map(send, ["/together"] * 64)) == {202}
        assert set(threads.map(send, ["/again"] * 640)) == {202}
        assert len(server.requests) == 704
        assert len(server.connections) == 64
    assert "pool is full" not in caplog.text


def test_two_hundred_tasks_share_the_connections_there_may_be():
    async def main():
        async with AiohttpTransport(read_timeout=TIMEOUT, max_connections=20) as transport:
            responses = await asyncio.gather(*[transport.send(post(server)) for _ in range(200)])
        assert {response.status_code for response in responses} == {202}

    with HttpServer(ACCEPTED) as server:
        asyncio.run(main())
        assert len(server.connections) == 20


def test_more_threads_than_connections_wait_for_one_another():
    with (
        HttpServer(ACCEPTED) as server,
        Urllib3Transport(max_connections=3) as transport,
        ThreadPoolExecutor(12) as threads,
    ):
        statuses = list(threads.map(lambda _: transport.send(post(server)).status_code, range(60)))
        assert statuses == [202] * 60
        assert len(server.connections) <= 3


def test_waiting_for_a_connection_ends_at_the_deadline_and_nothing_was_sent(wire):
    wire.configure(max_connections=1, read_timeout=TIMEOUT)
    with HttpServer(answer(body=b"x" * 5_000_000)) as server:
        held = wire.send(get(server), stream=True)
        fails(wire, ServiceRequestTimeoutError, post(server), deadline=time.monotonic() + 0.2)
        assert wire.pieces(held, most=1)
        assert wire.send(get(server)).status_code == 200
    assert [request.method for request in server.requests] == ["GET", "GET"]


@pytest.mark.parametrize("how", ["closed", "dropped", "half read"])
def test_stream_that_is_left_frees_its_place(wire, how):
    wire.configure(max_connections=1)
    with HttpServer(answer(body=b"x" * 5_000_000)) as server:
        for _ in range(3):
            response = wire.send(get(server), stream=True)
            if how == "closed":
                closing = response.close()
                if wire.kind == "aio":
                    wire.run(closing)
            elif how == "half read":
                wire.pieces(response, most=1)
            del response
            gc.collect()
            wire.settle()
    assert [request.connection for request in server.requests] == [0, 1, 2]


@pytest.mark.parametrize(
    "reply",
    [ACCEPTED + OK, answer(body=b"ok") + OK, answer(body=b"y" * 500_000) + OK, ACCEPTED + b"x"],
    ids=["no body", "body", "large body", "garbage"],
)
def test_connection_with_bytes_behind_its_answer_is_not_used_again(wire, reply):
    with HttpServer(reply) as server:
        for _ in range(2):
            if wire.kind == "aio" and reply.endswith(b"x"):
                fails(wire, ServiceResponseError, post(server))  # aiohttp sees both at once, and no answer
                continue
            response = wire.send(post(server))
            assert response.content == reply.partition(b"\r\n\r\n")[2].removesuffix(OK).removesuffix(b"x")
    assert [request.connection for request in server.requests] == [0, 1]


def test_change_of_the_protocol_is_the_end_of_the_connection(wire):
    with HttpServer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n") as server:
        assert [wire.send(get(server)).status_code for _ in range(2)] == [101, 101]
    assert [request.connection for request in server.requests] == [0, 1]


def test_number_of_origins_remembered_is_bounded(wire, monkeypatch):
    monkeypatch.setattr(_either_transport, "MAX_ROUTES", 3)
    with HttpServer() as server:
        for number in range(8):
            assert wire.send(get(server), proxies={"https": f"http://p{number}:1"}).status_code == 200
            assert len(wire.transport._routes) <= 3


def test_sockets_notice_by_themselves_that_the_peer_is_gone(wire):
    with HttpServer() as server:
        wire.send(get(server))
        connected = wire.socket()
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 240


def test_connection_that_rested_too_long_is_not_used_again(wire, monkeypatch):
    monkeypatch.setattr(_connections if wire.kind == "sync" else aio_transport, "KEEPALIVE_SECONDS", 0.0)
    wire.configure()
    with HttpServer(ACCEPTED) as server:
        for _ in range(2):
            wire.send(post(server))
    assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_child_uses_no_connection_of_its_parent(sync_wire):
    with HttpServer() as server:
        sync_wire.send(post(server, b"parent"))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                sync_wire.send(post(server, b"child"))
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        sync_wire.send(post(server, b"parent again"))
    assert [(request.body, request.connection) for request in server.requests] == [
        (b"parent", 0),
        (b"child", 1),
        (b"parent again", 0),
    ]


def test_closing_twice_is_fine_and_use_after_that_an_error(wire):
    with HttpServer() as server:
        wire.send(get(server))
        wire.close()
        wire.close()
        error = fails(wire, ValueError, get(server))
        assert "closed" in str(error)
        with pytest.raises(ValueError, match="closed"):
            wire.open_and_close()


def test_transport_that_was_never_used_closes(wire):
    wire.open_and_close()


def test_pickling_is_refused(wire):
    with pytest.raises(TypeError, match="cannot be copied or pickled: make a client in the process"):
        pickle.dumps(wire.transport)


@pytest.mark.parametrize("value", [0, -1])
def test_limit_of_connections_that_is_none_is_refused(wire, value):
    with pytest.raises(ValueError, match="max_connections"):
        wire.configure(max_connections=value)


def test_unknown_keyword_is_refused_before_anything_is_sent(wire):
    with HttpServer() as server:
        error = fails(wire, TypeError, get(server), retries=3)
    assert "got an unexpected keyword argument 'retries'" in str(error)
    assert server.requests == []


def test_second_event_loop_is_refused_with_a_remedy():
    transport = AiohttpTransport()
    with HttpServer() as server:
        first = asyncio.new_event_loop()
        first.run_until_complete(transport.send(get(server)))
        with pytest.raises(RuntimeError, match=r"another event loop.*a client for each event loop"):
            asyncio.run(transport.send(get(server)))
        first.run_until_complete(transport.close())
        first.close()
    assert len(server.requests) == 1


def test_cancelled_send_closes_its_connection():
    arrived, done = threading.Event(), threading.Event()

    def reply(request):
        if request.target == "/slow":
            arrived.set()
            done.wait(TIMEOUT)
        return ACCEPTED

    async def main():
        loop = asyncio.get_running_loop()
        async with AiohttpTransport() as transport:
            await transport.send(post(server, path="/"))
            slow = asyncio.create_task(transport.send(post(server, path="/slow")))
            assert await loop.run_in_executor(None, arrived.wait, TIMEOUT)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            done.set()
            await transport.send(post(server, path="/"))

    with HttpServer(reply) as server:
        asyncio.run(main())
    assert [request.connection for request in server.requests] == [0, 0, 1]


def test_interpreter_exit_without_close_is_silent():
    code = (
        "import sys\n"
        "from azure.core.rest import HttpRequest\n"
        "from azure.messaging.webpubsubservice._transport import Urllib3Transport\n"
        "transport = Urllib3Transport()\n"
        "print(transport.send(HttpRequest('GET', sys.argv[1])).status_code)\n"
    )
    with HttpServer() as server:
        command = [sys.executable, "-W", "error::ResourceWarning", "-c", code, server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("200\n", "", 0)


def test_missing_aiohttp_is_one_clear_sentence():
    code = (
        "import asyncio, sys; sys.modules['aiohttp'] = None\n"
        "from azure.core.credentials import AzureKeyCredential\n"
        "from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient\n"
        "client = WebPubSubServiceClient('http://localhost:1', AzureKeyCredential('k'), hub='chat')\n"
        "try:\n"
        "    asyncio.run(client.send_to_all('hello'))\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.stderr == ""
    assert done.stdout == (
        "The asynchronous client needs aiohttp, which is not installed:"
        ' pip install "azure-messaging-webpubsubservice[aio]"\n'
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_child_forked_while_other_threads_send_does_not_hang(sync_wire):
    with HttpServer(ACCEPTED) as server:
        over = threading.Event()

        def send():
            while not over.is_set():
                sync_wire.send(post(server, b"parent"))

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        outcomes = []
        for _ in range(10):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    signal.alarm(TIMEOUT)  # a child that hangs is ended
                    sync_wire.send(post(server, b"child"))
                    sync_wire.close()
                    status = 0
                finally:
                    os._exit(status)
            outcomes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        over.set()
        for thread in threads:
            thread.join(TIMEOUT)
    assert outcomes == [0] * 10
    by_child = {request.connection for request in server.requests if request.body == b"child"}
    assert not by_child & {request.connection for request in server.requests if request.body == b"parent"}
