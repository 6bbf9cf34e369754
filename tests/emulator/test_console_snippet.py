"""A recording as a pytest test: it runs as it is, sends the same, and fails where something else is received."""

import json
import os
import subprocess
import sys
import urllib.request
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.console._client_frames import client_frame
from azure.messaging.webpubsubservice.emulator.hub import _frames as frames
from azure.messaging.webpubsubservice.emulator.hub._names import is_group
from azure.messaging.webpubsubservice.emulator.protocols._json import parse_frame

JSON, RELIABLE = "json.webpubsub.azure.v1", "json.reliable.webpubsub.azure.v1"
ROLES = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]


@pytest.fixture
def emulator():
    with WebPubSubEmulator(console=True) as running:
        yield running


@pytest.fixture
def service(emulator):
    with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as client:
        yield client


def snippet(emulator):
    page, _, token = emulator.console_url.partition("#")
    request = urllib.request.Request(f"{page}api/snippet", headers={"X-Console-Token": token})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def run(text):
    names = {}
    exec(compile(text, "test_recording.py", "exec"), names)
    names["test_recording"]()


def handler(method, headers, body):
    if headers["ce-eventName"] == "connect":
        return SimpleNamespace(
            status=200, headers={"Content-Type": "application/json"}, body=b'{"groups": ["dogs"], "userId": "Ada L."}'
        )
    return SimpleNamespace(status=200, headers={"Content-Type": "application/json"}, body=b'{"heard": true}')


def talk(emulator, service):
    """Something of everything that a snippet repeats."""
    emulator.add_event_handler("chat", EventHandler(handler=handler, system_events=["connect"]))
    with (
        emulator.connect("chat", user_id="ada", groups=["cats"], roles=ROLES, subprotocol=RELIABLE) as ada,
        emulator.connect("chat", user_id="class", subprotocol=JSON) as other,
        emulator.connect("chat") as simple,
    ):
        service.send_to_all({"n": 12345678901234567890, "x": [None, True, "é'\"\\"]})
        service.send_to_all(
            b"\x00\xff", excluded=[other.connection_id], filter=f"connectionId ne '{ada.connection_id}'"
        )
        service.send_to_group("dogs", "purr\n{braces}", content_type="text/plain", metadata={"k": "v"})
        service.send_to_connection(ada.connection_id, "to you", content_type="text/plain", message_ttl_seconds=60)
        service.send_to_user("Ada L.", "text as JSON")
        service.add_connection_to_group("birds", simple.connection_id)
        assert service.group_exists("birds")
        assert not service.group_exists("nobody's")
        ada.send_json({"type": "joinGroup", "group": "birds", "ackId": 1})
        ada.send_json({"type": "sendToGroup", "group": "birds", "dataType": "json", "data": {"a": 1}, "noEcho": True})
        ada.send_json({"type": "ping"})
        # The last of hers: what comes of it waits for the handler, and would come before or after another answer.
        ada.send_json({"type": "event", "event": "ask", "dataType": "binary", "data": "AAH/", "ackId": 2})
        simple.send_text("hello")
        for client, count in ((ada, 8), (other, 3), (simple, 6)):
            for _ in range(count):
                client.receive()
        service.close_connection(other.connection_id, reason="enough")
        other.receive()
    emulator.record.wait_for(lambda record: sum(each.event == "ended" for each in record.connections) == 3)


def test_it_runs_as_it_is(emulator, service, tmp_path):
    talk(emulator, service)
    file = tmp_path / "test_recording.py"
    file.write_text(snippet(emulator), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", file],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), file.read_text(encoding="utf-8") + done.stdout


def test_it_fails_where_something_else_is_received(emulator, service):
    with emulator.connect("chat") as client:
        service.send_to_all("good", content_type="text/plain")
        client.receive()
    text = snippet(emulator)
    assert "assert client.receive_text() == 'good'" in text
    run(text)
    with pytest.raises(AssertionError):
        run(text.replace("send_to_all('good'", "send_to_all('bad'"))


def test_what_cannot_be_repeated_is_said(emulator):
    with connect(emulator.client_url("chat"), subprotocols=["protobuf.webpubsub.azure.v1"], proxy=None):
        emulator.record.wait_for(lambda record: record.connections)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{emulator.endpoint}/api/hubs/chat/:send", b"", timeout=10)
    text = snippet(emulator)
    assert "speaks protobuf.webpubsub.azure.v1, which cannot be repeated here" in text
    assert "# POST /api/hubs/chat/:send: The Authorization header has no bearer token" in text
    run(text)


def test_users_of_any_name_get_a_name_of_their_own(emulator):
    names = ["a b", "a_b", "class", "1", "é", "emulator", "ada", "ADA", "x'\n\"\\"]
    for name in names:
        with emulator.connect("chat", user_id=name):
            pass
    text = snippet(emulator)
    run(text)
    assert len({line.split(" = ")[0] for line in text.splitlines() if "emulator.connect(" in line}) == len(names)


def test_entries_that_are_left_out_are_counted(emulator, monkeypatch):
    from azure.messaging.webpubsubservice.emulator.console import _snippet

    monkeypatch.setattr(_snippet, "MAX_ENTRIES", 1)
    for number in range(1, 4):
        with emulator.connect("chat"):
            pass
        emulator.record.wait_for(lambda record, count=2 * number: len(record.connections) == count)
    text = snippet(emulator)
    assert "# The 5 entries before these are left out." in text
    run(text)


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(is_group)
PAYLOADS = st.one_of(
    st.text(st.characters(codec="utf-8")).map(lambda text: frames.Payload("text", text.encode())),
    st.binary().map(lambda data: frames.Payload("binary", data)),
    st.sampled_from([b"1", b"false", b'{"a":[true]}', b'"x"']).map(lambda data: frames.Payload("json", data)),
)
WORDS = st.text(st.characters(codec="utf-8"))
ACKS = st.none() | st.integers(0, 2**63)
FRAMES = st.one_of(
    st.builds(frames.JoinGroup, NAMES, ACKS),
    st.builds(frames.LeaveGroup, NAMES, ACKS),
    st.builds(frames.SendToGroup, NAMES, PAYLOADS, ACKS, st.booleans(), st.none() | st.integers(0, 300)),
    st.builds(frames.Event, st.sampled_from(["message", "ask"]), PAYLOADS, ACKS),
    st.just(frames.Ping()),
    st.builds(frames.SequenceAck, st.integers(0, 2**63)),
    st.builds(frames.Invoke, WORDS, st.sampled_from(["message", "ask"]), st.none() | PAYLOADS),
    st.builds(frames.CancelInvocation, WORDS),
    st.builds(frames.OpenStream, WORDS, NAMES, st.booleans(), st.integers(1, 2**31 - 1).map(lambda each: each / 1000)),
    st.builds(frames.StreamData, WORDS),
    st.builds(frames.StreamData, WORDS, st.integers(1, 2**63), PAYLOADS),
    st.builds(frames.EndStream, WORDS, st.none() | st.tuples(WORDS, st.none() | WORDS)),
    st.builds(frames.SetGroupState, NAMES, st.none() | st.dictionaries(WORDS, WORDS, max_size=3), ACKS),
    st.builds(frames.SubscribeGroupState, NAMES, st.booleans(), ACKS),
)


def test_previews_are_repeated(emulator):
    emulator.add_event_handler("chat", EventHandler(handler=handler))
    roles = ["webpubsub.sendToGroup", "webpubsub.setGroupState", "webpubsub.getGroupState"]
    with emulator.connect("chat", "ada", groups=["cats"], roles=roles, subprotocol=RELIABLE) as ada:
        ada.send_json({"type": "invoke", "invocationId": "1", "target": "event", "event": "ask", "data": 1})
        assert ada.receive_json()["data"] == {"heard": True}
        ada.send_json({"type": "sendToGroup", "group": "cats", "stream": {"streamId": "s"}})
        assert ada.receive_json()["type"] == "streamAck"
        ada.send_json({"type": "streamData", "streamId": "s", "streamSequenceId": 1, "data": "purr"})
        assert {ada.receive_json()["type"] for _ in range(2)} == {"message", "streamAck"}
        ada.send_json({"type": "streamEnd", "streamId": "s"})
        assert {ada.receive_json()["type"] for _ in range(2)} == {"message", "streamClosed"}
        ada.send_json({"type": "subscribeGroupState", "group": "cats", "ackId": 1})
        assert [ada.receive_json()["type"] for _ in range(2)] == ["ack", "groupStateSnapshot"]
        ada.send_json({"type": "setGroupState", "group": "cats", "ackId": 2, "state": {"mood": "good"}})
        assert [ada.receive_json()["type"] for _ in range(2)] == ["groupStateUpdate", "ack"]
        text = snippet(emulator)
    assert "cannot be repeated" not in text
    run(text)


@given(FRAMES)
def test_frame_that_is_written_is_the_one_that_was_read(frame):
    assert parse_frame(json.dumps(client_frame(frame), separators=(",", ":")).encode()) == frame
