"""What must not stop, hold up or outlive an emulator: handlers that give up, idle connections, a fork."""

import asyncio
import http.client
import os
import subprocess
import sys

import pytest
from emulator_peers import WAIT, Caller, frame, tell
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.server import _server

JSON = "json.webpubsub.azure.v1"


class Reply:
    status, body, headers = 204, b"", ()


# Handlers that give up


def raising(error):
    def plain(method, headers, body):
        if headers["ce-eventName"] != "good":
            raise error
        return Reply()

    async def coroutine(method, headers, body):
        return plain(method, headers, body)

    async def in_a_task(method, headers, body):
        (answer,) = await asyncio.gather(coroutine(method, headers, body))
        return answer

    return {"plain": plain, "coroutine": coroutine, "task": in_a_task}


def cancelled():
    async def by_itself(method, headers, body):
        if headers["ce-eventName"] != "good":
            asyncio.current_task().cancel()
        await asyncio.sleep(0)
        return Reply()

    async def what_it_waits_for(method, headers, body):
        if headers["ce-eventName"] != "good":
            waiter = asyncio.get_running_loop().create_future()
            waiter.cancel()
            await waiter
        return Reply()

    return {"cancels itself": by_itself, "waits for what is cancelled": what_it_waits_for}


HANDLERS = {
    f"{type(error).__name__} in a {kind}" if kind in ("plain", "coroutine", "task") else kind: handler
    for error in (SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError())
    for kind, handler in (raising(error) | cancelled()).items()
}


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_handler_that_gives_up_has_failed_its_event_and_the_emulator_goes_on(handler):
    with (
        WebPubSubEmulator(event_handlers={"chat": handler}, event_retry_delays=()) as emulator,
        connect(emulator.client_url("chat"), subprotocols=[JSON], proxy=None, close_timeout=1) as client,
    ):
        frame(client)
        tell(client, type="event", event="bad", data=1, ackId=1)
        tell(client, type="event", event="good", data=1, ackId=2)
        acks = [frame(client), frame(client)]
        assert [(ack["ackId"], ack["success"]) for ack in acks] == [(1, False), (2, True)]
        assert acks[0]["error"]["name"] == "InternalServerError"
        assert Caller(emulator)("HEAD", "/api/health").status == 200


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_application_that_gives_up_has_failed_its_event(error):
    async def app(scope, receive, send):
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"webhook-allowed-origin", b"*")]})
            await send({"type": "http.response.body", "body": b""})
            return
        raise error

    handler = EventHandler("http://app/events", app=app)
    with (
        WebPubSubEmulator(event_handlers={"chat": handler}, event_retry_delays=()) as emulator,
        connect(emulator.client_url("chat"), subprotocols=[JSON], proxy=None, close_timeout=1) as client,
    ):
        frame(client)
        tell(client, type="event", event="bad", data=1, ackId=1)
        assert frame(client)["success"] is False
        assert Caller(emulator)("HEAD", "/api/health").status == 200


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_client_is_refused_when_its_connect_handler_gives_up(error):
    async def handler(method, headers, body):
        raise error

    entry = EventHandler(handler=handler, system_events=["connect"])
    with WebPubSubEmulator(event_handlers={"chat": entry}, event_retry_delays=()) as emulator:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                connect(emulator.client_url("chat"), proxy=None)
            assert refused.value.response.status_code == 500


def test_task_that_a_handler_has_left_behind_does_not_end_the_emulator(caplog):
    async def stray():
        raise SystemExit(1)

    async def handler(method, headers, body):
        tasks.append(asyncio.get_running_loop().create_task(stray()))
        return Reply()

    tasks = []
    with (
        WebPubSubEmulator(event_handlers={"chat": handler}) as emulator,
        connect(emulator.client_url("chat"), subprotocols=[JSON], proxy=None, close_timeout=1) as client,
    ):
        frame(client)
        for number in range(3):
            tell(client, type="event", event="any", data=1, ackId=number)
            assert frame(client)["success"] is True
        assert Caller(emulator)("HEAD", "/api/health").status == 200
    assert sum("raised SystemExit" in record.getMessage() for record in caplog.records) == len(tasks) == 3


def test_event_that_takes_too_long_ends_its_handler_which_may_clean_up():
    async def handler(method, headers, body):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    ended = []
    with (
        WebPubSubEmulator(event_handlers={"chat": handler}, event_timeout_seconds=0.05) as emulator,
        connect(emulator.client_url("chat"), subprotocols=[JSON], proxy=None, close_timeout=1) as client,
    ):
        frame(client)
        tell(client, type="event", event="slow", data=1, ackId=1)
        assert frame(client)["success"] is False
        assert ended == ["cleaned up"]


# Idle connections


def test_stop_does_not_wait_for_idle_connections(monkeypatch):
    monkeypatch.setattr(_server, "_SHUTDOWN_SECONDS", 1000.0)

    with WebPubSubEmulator() as emulator:
        idle = [http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=WAIT) for _ in range(3)]
        for each in idle[:2]:
            each.request("GET", "/api/health")
            each.getresponse().read()
        idle[2].connect()
    for each in idle:
        assert each.sock.recv(1) == b""
        each.close()


# A fork

FORKING = """
import os, socket, sys, warnings
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

warnings.simplefilter("ignore", DeprecationWarning)  # of forks in processes with threads
emulator = WebPubSubEmulator()
emulator.start()
idle = socket.create_connection(("127.0.0.1", emulator.port), timeout=10)
idle.sendall(b"HEAD /api/health HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n")
assert idle.recv(100).startswith(b"HTTP/1.1 200 ")
to_parent, to_child = os.pipe(), os.pipe()
with emulator.record._changed:  # as the emulator's thread may have it
    child = os.fork()
if child == 0:
    emulator.stop()
    emulator.reset()
    emulator.clock.advance(1)
    assert emulator.record.sends == ()
    with emulator:  # one of its own
        with socket.create_connection(("127.0.0.1", emulator.port), timeout=10):
            pass
    os.write(to_parent[1], b"x")
    os.read(to_child[0], 1)
    sys.exit(0)
assert os.read(to_parent[0], 1) == b"x", "the child has failed"
with socket.create_connection(("127.0.0.1", emulator.port), timeout=10) as peer:
    peer.sendall(b"HEAD /api/health HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n")
    assert peer.recv(100).startswith(b"HTTP/1.1 200 ")
emulator.stop()
assert idle.recv(1) == b""  # though the child is there
WebPubSubEmulator(port=emulator.port).start()  # so is the port
os.write(to_child[1], b"x")
assert os.waitpid(child, 0)[1] == 0
print("well")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_forked_child_lets_go_of_the_port_and_of_the_clients_and_hangs_on_nothing():
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("well\n", "", 0)
