"""Everyone at once in one group: what any published client sends arrives right at each of the others."""

import json

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

import interop_peers
import interop_services
from interop_peers import Message

pytestmark = pytest.mark.interop

SERVICES = [*interop_services.KINDS, "ours"]
CONTENT_TYPES = {"text": "text/plain", "binary": "application/octet-stream"}


def payload(data_type, sender):
    """Return data that names its sender."""
    if data_type == "text":
        # The asynchronous client of 1.3.0 cuts off text that is not ASCII.
        return sender if sender.endswith("1.3.0 aio") else f"{sender} Zoë \u2028"
    if data_type == "json":
        return {"from": sender, "Zoë": [1, 2.5, None, True]}
    if data_type == "binary":
        return b"\x00\xff" + sender.encode()
    # A google.protobuf.Any with the sender's name as type URL.
    return bytes([10, len(sender)]) + sender.encode() + b"\x12\x01\x01"


def seen_by_simple_client(data_type, data):
    """Return what a client without subprotocol is given: type of the frame and its content."""
    return ("text" if data_type in ("text", "json") else "binary", json.dumps(data) if data_type == "json" else data)


def receive_simply(socket):
    message = socket.receive()
    if isinstance(message, bytes):
        return "binary", message
    return "text", json.dumps(json.loads(message)) if message.startswith("{") else message


def send_by_service(name, publish, rest, data_type, data):
    options = {} if data_type == "json" else {"content_type": CONTENT_TYPES[data_type]}
    if name == "javascript" and data_type == "binary":
        options = {}
    (rest if name == "ours" else publish(name)).send_to_group("room", data, **options)


@pytest.fixture
def peers(peer):
    """One client of each kind, in the group ``room``; its user has the name of its kind."""
    found = {kind: peer(kind, kind) for kind in interop_peers.KINDS}
    for each in found.values():
        each.start()
        each.join("room")
    return found


@pytest.fixture
def simple(sockets, emulator, hub):
    """A client without subprotocol that is in the group ``room`` and publishes to it."""
    url = emulator.client_url(hub, "simple", ["webpubsub.sendToGroup"], ["room"])
    return sockets(f"{url}&webpubsub_mode=sendToGroup&group=room", subprotocol=None)


@pytest.mark.parametrize("data_type", ["text", "json", "binary", "protobuf"])
def test_message_of_each_client_arrives_right_at_every_other(peers, simple, publish, rest, data_type):
    senders = list(peers)
    for kind, each in peers.items():
        each.send("room", data_type, payload(data_type, kind))
    if data_type != "protobuf":
        senders += SERVICES
        for name in SERVICES:
            send_by_service(name, publish, rest, data_type, payload(data_type, name))
    if data_type in ("text", "binary"):
        senders.append("simple")
        simple.socket.send(payload(data_type, "simple"))

    for kind, each in peers.items():
        expected = [
            Message(
                data_type,
                payload(data_type, sender),
                "room",
                None if sender in SERVICES or "protobuf" in kind else sender,
            )
            for sender in senders
        ]
        assert each.messages(len(senders)) == sorted(expected, key=repr), kind
        assert not each.has("message"), kind
    expected = [seen_by_simple_client(data_type, payload(data_type, sender)) for sender in senders]
    assert sorted(receive_simply(simple) for _ in senders) == sorted(expected)


def test_events_of_each_client_reach_the_handler_alike(peer, emulator):
    for kind in interop_peers.KINDS:
        client = peer(kind, kind)
        client.start()
        for data_type in ("text", "json", "binary"):
            client.raise_event("nothing", data_type, payload(data_type, "anyone"))
    calls = [entry for entry in emulator.record.webhooks if entry.event == "nothing"]
    assert [entry.headers["ce-userId"] for entry in calls] == [kind for kind in interop_peers.KINDS for _ in range(3)]
    bodies = {(entry.headers["Content-Type"].partition(";")[0], _content(entry)) for entry in calls}
    assert bodies == {
        ("text/plain", payload("text", "anyone").encode()),
        ("application/json", json.dumps(payload("json", "anyone")).encode()),
        ("application/octet-stream", payload("binary", "anyone")),
    }


def _content(entry):
    """Return the body; JSON as Python writes it, for each client has its own way with spaces and escapes."""
    if entry.headers["Content-Type"].startswith("application/json"):
        return json.dumps(json.loads(entry.body)).encode()
    return entry.body
