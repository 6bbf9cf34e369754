"""The published JavaScript handler and ours behind the same emulator: the same frames to the same clients."""

import contextlib
import json
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.eventhandler import (
    ConnectResponse,
    EventErrorResponse,
    UserEventResponse,
    WebPubSubEventHandler,
)

pytestmark = pytest.mark.interop

SCRIPT = Path(__file__).with_name("express_handler.cjs")
PACKAGES = ("@azure/web-pubsub-express@1.0.6", "express@4.21.2")
JSON = "json.webpubsub.azure.v1"
WAIT = 20


@pytest.fixture(scope="session")
def modules():
    """A folder with the packages, kept from one run of the tests to the next."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("Node is not installed")
    folder = Path(tempfile.gettempdir()) / "webpubsub-interop" / "-".join(PACKAGES).replace("/", "_")
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        # Installed beside and moved into place whole, for several test processes may want it at once.
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            command = [npm, "install", "--prefix", fresh, "--no-audit", "--no-fund", "--fetch-retries=0", *PACKAGES]
            try:
                run = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
            except subprocess.TimeoutExpired:
                pytest.skip("npm install took too long")
            if run.returncode:
                pytest.skip(f"npm install failed: {run.stderr.strip()[-200:]}")
            with contextlib.suppress(OSError):
                shutil.copytree(Path(fresh) / "node_modules", Path(fresh) / "done" / "node_modules", symlinks=True)
                (Path(fresh) / "done").rename(folder)
    return folder / "node_modules"


@contextlib.contextmanager
def express(modules, told):
    """Run the JavaScript handler; gives its port."""
    with subprocess.Popen(
        ["node", str(SCRIPT), "http://127.0.0.1"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NODE_PATH": str(modules)},
    ) as process:
        reader = threading.Thread(target=lambda: [told.put(json.loads(line)) for line in process.stdout])
        reader.start()
        try:
            yield told.get(timeout=WAIT)
        finally:
            process.terminate()
            process.wait(WAIT)
            reader.join(WAIT)


@contextlib.contextmanager
def ours(told):
    """Run the same handler, written with this package; gives its port."""
    handler = WebPubSubEventHandler("chat", allowed_endpoints=["http://127.0.0.1"], verify_signatures=False)

    @handler.on_connect
    def decide(request):
        wish = request.query.get("wish", [""])[0]
        if wish.isdecimal():
            return EventErrorResponse(int(wish), "no")
        if wish != "alter":
            return None
        roles = ["webpubsub.sendToGroup.room"]
        return ConnectResponse("changed", ["room"], roles, request.subprotocols[0], {"count": 10})

    @handler.on_connected
    def connected(request):
        told.put(["connected", request.user_id, dict(request.states)])

    @handler.on_disconnected
    def disconnected(request):
        told.put(["disconnected", request.user_id, dict(request.states)])

    @handler.on_event
    def echo(request):
        return UserEventResponse(request.data, "json" if request.data_type == "json" else None)

    @handler.on_event("count")
    def count(request):
        number = request.states.get("count", 0) + 1
        return UserEventResponse({"count": number}, states={"count": number, "last": request.data})

    @handler.on_event("refuse")
    def refuse(request):
        return EventErrorResponse(400, "no")

    @handler.on_event("nothing")
    def nothing(request):
        return None

    config = uvicorn.Config(handler.asgi_app, http="h11", ws="none", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(WAIT)


def event(name, data_type, data):
    return {"type": "event", "event": name, "dataType": data_type, "data": data, "ackId": 1}


# Each conversation: what the client asks for at connect, its subprotocols, what it sends, and how many frames both
# handlers must cause.
CONVERSATIONS = {
    "as the token says": ("", [JSON], [], 1),
    "altered": ("alter", [JSON], [{"type": "sendToGroup", "group": "room", "dataType": "text", "data": "x"}], 2),
    "custom subprotocol": ("alter", ["custom"], ["text"], 1),
    "rejected with 400": ("400", [JSON], [], 0),
    "rejected with 401": ("401", [JSON], [], 0),
    "simple client, text": ("", None, ["Zoë", "", '{"a":1}', "last"], 3),
    "simple client, binary": ("", None, [b"\x00\xff", b"last"], 2),
    "text": ("", [JSON], [event("any", "text", "Zoë")], 3),
    "empty text": ("", [JSON], [event("any", "text", "")], 2),
    "JSON": ("", [JSON], [event("any", "json", {"a": [1, 2.5, None, "Zoë \u2028", True]})], 3),
    "JSON string": ("", [JSON], [event("any", "json", "Zoë")], 3),
    "JSON number": ("", [JSON], [event("any", "json", 0)], 3),
    "binary": ("", [JSON], [event("any", "binary", "AP8=")], 3),
    "nothing": ("", [JSON], [event("nothing", "text", "x")], 2),
    "refused": ("", [JSON], [event("refuse", "text", "x")], 2),
    "counted": ("", [JSON], [{**event("count", "text", f"é{n}"), "ackId": n} for n in (1, 2, 3)], 7),
    "counted from connect": ("alter", [JSON], [event("count", "json", {"x": None})], 3),
}


def converse(emulator, wish, subprotocols, messages, count):
    """Return what a client sees: the handshake, the frames, all that does not differ by chance."""
    url = f"{emulator.client_url('chat', user_id='ann', groups=['g'])}&wish={wish}"
    try:
        connection = connect(url, subprotocols=subprotocols, open_timeout=WAIT)
    except InvalidStatus as error:
        return ["rejected", error.response.status_code]
    frames = [["accepted", connection.subprotocol]]
    with connection:
        for message in messages:
            connection.send(json.dumps(message) if isinstance(message, dict) else message)
        try:
            for _ in range(count):
                frames.append(connection.recv(timeout=WAIT))  # noqa: PERF401 - what came before a close is kept
        except ConnectionClosed as error:
            frames.append(["closed", error.rcvd.code])
    # The connection id is chance; the rest of each frame, its order and its spaces included, is not.
    return [frame if frame[:1] != "{" else _without_id(frame) for frame in frames]


def _without_id(frame):
    content = json.loads(frame)
    return frame.replace(content["connectionId"], "ID") if "connectionId" in content else frame


def transcript(port, told):
    """Hold every conversation with the handler at a port."""
    settings = {
        "url_template": f"http://127.0.0.1:{port}/eventhandler",
        "system_events": ["connect", "connected", "disconnected"],
        "user_event_pattern": "*",
    }
    found = {}
    with WebPubSubEmulator(port=0, event_handlers={"chat": [settings]}) as emulator:
        for name, conversation in CONVERSATIONS.items():
            seen = converse(emulator, *conversation)
            notified = [] if seen[0] == "rejected" else [told.get(timeout=WAIT), told.get(timeout=WAIT)]
            found[name] = (seen, sorted(notified))
    return found


@pytest.fixture(scope="module")
def transcripts(modules):
    theirs, mine = queue.Queue(), queue.Queue()
    with express(modules, theirs) as port:
        expected = transcript(port, theirs)
    with ours(mine) as port:
        return expected, transcript(port, mine)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_clients_see_the_same_frames_behind_either_handler(transcripts, name):
    expected, found = transcripts
    assert found[name] == expected[name]


def test_conversations_are_what_they_are_meant_to_be(transcripts):
    expected, _ = transcripts
    assert expected["rejected with 401"] == (["rejected", 401], [])
    assert expected["custom subprotocol"][0] == [["accepted", "custom"], "text"]
    assert expected["counted"][1] == [["connected", "ann", {}], ["disconnected", "ann", {"count": 3, "last": "é3"}]]
    assert expected["simple client, binary"][0] == [["accepted", None], b"\x00\xff", b"last"]
