"""How the transports keep, share and close connections."""

import asyncio
import logging
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import (
    ServiceResponseError,
)
from azure.core.rest import HttpRequest
from local_servers import (
    ACCEPTED,
    OK,
    TIMEOUT,
    HttpServer,
    answer,
)
from transport_wires import AioWire, fails, get, post

from azure.messaging.webpubsubservice._transport import Urllib3Transport
from azure.messaging.webpubsubservice.aio import _routes as aio_routes
from azure.messaging.webpubsubservice.aio._transport import AsyncioTransport

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
    monkeypatch.setattr(aio_routes, "_IDLE_SECONDS", 0)
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


def test_two_hundred_tasks_are_not_limited():
    here = threading.Barrier(200, timeout=TIMEOUT)

    def reply(_):
        here.wait()
        return ACCEPTED

    async def main():
        async with AsyncioTransport(read_timeout=TIMEOUT) as transport:
            responses = await asyncio.gather(*[transport.send(post(server)) for _ in range(200)])
        assert {response.status_code for response in responses} == {202}

    with HttpServer(reply) as server:
        asyncio.run(main())


def test_connections_that_rest_and_were_closed_are_swept(sync_wire, monkeypatch):
    monkeypatch.setattr("azure.messaging.webpubsubservice._routes._SECONDS_BETWEEN_SWEEPS", 0)
    here = threading.Barrier(4, timeout=TIMEOUT)

    def reply(request):
        if request.target == "/together":
            here.wait()
        return ACCEPTED

    with HttpServer(reply) as server, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: sync_wire.send(post(server, path="/together")), range(4)))
        (route,) = sync_wire.transport._table.routes.values()
        assert len(route._idle) == 4
        server.drop_connections()
        here.reset()
        list(threads.map(lambda _: sync_wire.send(post(server, path="/together")), range(4)))
        assert len(route._idle) == 4
        assert all(connection.is_connected for connection in route._idle)


def test_number_of_origins_remembered_is_bounded(wire):
    with HttpServer() as server:
        for number in range(1, 100):
            wire.send(HttpRequest("GET", f"http://127.0.0.{number}:{server.port}/")) if number == 1 else None
            wire.transport._table.routes.setdefault(str(number), next(iter(wire.transport._table.routes.values())))
        wire.send(HttpRequest("GET", server.url))
        assert len(wire.transport._table.routes) == 1


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


@pytest.mark.parametrize("option", ["connection_timeout", "read_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), "5", None, True, (3, 5)])
def test_timeout_that_is_none_is_refused(wire, option, value):
    with pytest.raises(ValueError, match=option):
        wire.configure(**{option: value})


def test_unknown_keyword_is_refused_before_anything_is_sent(wire):
    with HttpServer() as server:
        error = fails(wire, TypeError, get(server), retries=3)
    assert str(error) == "send() got an unexpected keyword argument 'retries'"
    assert server.requests == []


def test_second_event_loop_is_refused_with_a_remedy():
    transport = AsyncioTransport()
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
        async with AsyncioTransport() as transport:
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


def test_async_client_works_where_there_is_no_aiohttp():
    code = (
        "import asyncio, sys; sys.modules['aiohttp'] = None\n"
        "from azure.core.credentials import AzureKeyCredential\n"
        "from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient\n"
        "async def main():\n"
        "    async with WebPubSubServiceClient(sys.argv[1], AzureKeyCredential('k'), hub='chat') as client:\n"
        "        await client.send_to_all('hello')\n"
        "asyncio.run(main())\n"
    )
    with HttpServer(ACCEPTED) as server:
        command = [sys.executable, "-W", "error", "-c", code, server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert [request.body for request in server.requests] == [b'"hello"']
