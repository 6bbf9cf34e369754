"""The previews of the service as the published JavaScript client uses them, unmodified."""

import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")

from interop_driver import ThrownError
from interop_peers import WAIT, RefusedError

from azure.messaging.webpubsubservice.emulator import SocketFault

pytestmark = pytest.mark.interop

NEWEST = "newest-javascript json.reliable"
inviting_kinds = pytest.mark.parametrize("kind", ["javascript json", "javascript json.reliable", NEWEST])
STATES = ["webpubsub.joinLeaveGroup", "webpubsub.setGroupState", "webpubsub.getGroupState"]


def frames(emulator, name):
    return [entry.frame for entry in emulator.record.frames if type(entry.frame).__name__ == name]


def wait_for(emulator, name, count=1):
    emulator.record.wait_for(
        lambda record: sum(type(entry.frame).__name__ == name for entry in record.frames) >= count, WAIT
    )


# Invocations


@inviting_kinds
@pytest.mark.parametrize(("data_type", "data"), [("text", "Zoë"), ("json", {"a": [1, None]}), ("binary", b"\x00\xff")])
def test_invocation_returns_what_the_handler_answers(peer, kind, data_type, data):
    client = peer(kind, "ann")
    client.start()
    result = client.invoke("echo", data_type, data)
    assert (result["dataType"], result["data"]) == (data_type, data)
    assert not client.has("message")


@inviting_kinds
def test_invocation_without_an_answer_and_one_that_fails(peer, kind):
    client = peer(kind, "ann")
    client.start()
    assert "data" not in client.invoke("nothing", "text", "x")
    with pytest.raises(RefusedError) as met:
        client.invoke("refuse", "text", "x")
    assert met.value.args == ("InternalServerError", "Internal server error")
    client.join("room")


@inviting_kinds
def test_cancelled_invocation_gets_no_answer(peer, kind, emulator, hub):
    asked, may_answer = threading.Event(), threading.Event()

    def handler(method, headers, body):
        asked.set()
        may_answer.wait(WAIT)
        return SimpleNamespace(status=200, headers={"Content-Type": "text/plain"}, body=b"late")

    emulator.add_event_handler(hub, handler)
    client = peer(kind, "ann")
    client.start()
    invocation = client.begin_invoke("slow", "x", "text")
    assert asked.wait(WAIT)
    with pytest.raises(ThrownError, match="cancelled by abortSignal"):
        invocation.abort()
    wait_for(emulator, "CancelInvocation")
    may_answer.set()
    emulator.record.wait_for(lambda record: any(each.event == "slow" for each in record.webhooks), WAIT)
    client.join("room")  # whatever would have come, came before its ack
    assert frames(emulator, "InvokeResponse") == []


# Streams


def test_stream_reaches_the_subscribers_of_its_group_in_order(peer):
    sender, receiver = peer(NEWEST, "ann"), peer(NEWEST, "bob", groups=["room"])
    for client in (sender, receiver):
        client.start()
    receiver._do("hear_streams")
    writer = sender.open_stream("room")
    sent = ["one", {"two": 2}, b"\x03"]
    for data, kind in zip(sent, ["text", "json", "binary"], strict=True):
        writer.do("write", data, kind)
    writer.do("end")
    told = {"group": "room", "stream": writer.stream_id}
    found = [receiver.next("stream") for _ in range(4)]
    assert found == [*({**told, "data": data} for data in sent), {**told, "end": True}]
    assert writer.errors.empty()


def test_sender_breaks_a_stream_off_with_an_error_of_its_own(peer):
    sender, receiver = peer(NEWEST, "ann"), peer(NEWEST, "bob", groups=["room"])
    for client in (sender, receiver):
        client.start()
    receiver._do("hear_streams")
    writer = sender.open_stream("room", {"streamId": "mine"})
    writer.do("write", "one", "text")
    writer.do("abort", {"message": "it broke", "userErrorCode": "E1"})
    assert receiver.next("stream")["data"] == "one"
    error = receiver.next("stream")["error"]
    assert error == {"name": "UserError", "message": "it broke", "userErrorCode": "E1"}


def test_stream_without_the_permission_is_refused(peer):
    client = peer(NEWEST, "ann", roles=["webpubsub.joinLeaveGroup"])
    client.start()
    with pytest.raises(ThrownError) as met:
        client.open_stream("room")
    assert met.value.error["name"] == "Forbidden"
    client.join("room")


def test_stream_that_is_idle_is_closed_by_the_clock(peer, emulator):
    sender, receiver = peer(NEWEST, "ann"), peer(NEWEST, "bob", groups=["room"])
    for client in (sender, receiver):
        client.start()
    receiver._do("hear_streams")
    writer = sender.open_stream("room", {"idleTimeoutInMs": 60_000})
    writer.do("write", "one", "text")
    assert receiver.next("stream")["data"] == "one"
    emulator.clock.advance(61)
    assert receiver.next("stream")["error"]["name"] == "IdleTimeout"
    assert writer.errors.get(timeout=WAIT)["name"] == "IdleTimeout"


@pytest.mark.parametrize("cut", ["ann", "bob"])
def test_stream_goes_on_after_a_recovery_and_nothing_is_lost_or_doubled(peer, emulator, cut):
    sender, receiver = peer(NEWEST, "ann"), peer(NEWEST, "bob", groups=["room"])
    for client in (sender, receiver):
        client.start()
    receiver._do("hear_streams")
    writer = sender.open_stream("room")
    writer.do("write", "0", "text")
    emulator.inject(SocketFault(user_id=cut, drop=True))
    for number in range(1, 5):
        writer.do("write", str(number), "text")
    writer.do("end")
    assert [receiver.next("stream").get("data") for _ in range(6)] == [*"01234", None]
    assert not receiver.has("stream")
    assert writer.errors.empty()


# The state of groups


def tell_state(client, kind, **fields):
    return client._do("tell_state", message={"kind": kind, "group": "room", **fields})


def test_states_of_a_group_are_reported_to_who_watches_them(peer, emulator):
    ann, bob = (peer(NEWEST, name, roles=STATES, groups=["room"]) for name in ("ann", "bob"))
    ids = {name: client.start()[0] for name, client in (("ann", ann), ("bob", bob))}
    ann._do("hear_states")
    tell_state(bob, "setGroupState", state={"mood": "good"})
    tell_state(ann, "subscribeGroupState")
    snapshot = ann.next("state")
    assert (snapshot["kind"], snapshot["group"]) == ("groupStateSnapshot", "room")
    (item,) = snapshot["items"]
    assert (item["connectionId"], item["userId"], item["state"]) == (ids["bob"], "bob", {"mood": "good"})
    # Also what changes while the client that watches is away.
    emulator.inject(SocketFault(user_id="ann", drop=True))
    tell_state(bob, "setGroupState", state={"mood": "better"})
    bob.leave("room")
    # This client confirms no report, so it gets the snapshot once more.
    again, *updates = [ann.next("state") for _ in range(3)]
    assert again == snapshot
    assert [update["items"][0]["state"] for update in updates] == [{"mood": "better"}, None]
    assert updates[0]["items"][0]["updatedAt"] > item["updatedAt"]


def test_state_without_its_role_is_forbidden(peer):
    client = peer(NEWEST, "ann", groups=["room"])
    client.start()
    with pytest.raises(RefusedError) as met:
        tell_state(client, "subscribeGroupState")
    assert met.value.args[0] == "Forbidden"
