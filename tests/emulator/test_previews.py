"""The rules of the previews as values: invocations, streams, the state of groups. Facts: service facts, Previews."""

import json

import pytest
from hub_scene import HELLO, NOW, RELIABLE, Scene, receivers

from azure.messaging.webpubsubservice.emulator.hub import _events as on
from azure.messaging.webpubsubservice.emulator.hub._frames import (
    Ack,
    CancelInvocation,
    EndStream,
    Invoke,
    InvokeResponse,
    Message,
    OpenStream,
    Payload,
    SequenceAck,
    SetGroupState,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamNack,
    StreamPart,
    SubscribeGroupState,
)
from azure.messaging.webpubsubservice.emulator.hub.previews._streams import MAX_STREAMS

SENDER = ["webpubsub.sendToGroup"]
STATES = ["webpubsub.setGroupState", "webpubsub.getGroupState.g"]
EMPTY = Payload("text", b"")


def replies(effects, name="a"):
    return [each.frame for each in effects if isinstance(each, on.Reply) and each.connection_id == name]


def parts(effects):
    """Return the messages to groups with their receivers, whatever the effect."""
    found = []
    for effect in effects:
        if isinstance(effect, on.Deliver):
            found.append((effect.message, sorted(effect.to)))
        elif isinstance(effect, on.DeliverInSequence):
            found.append((effect.message, sorted(name for name, _ in effect.to)))
    return found


# Invocations


def test_invocation_raises_its_event_and_the_reply_is_its_response():
    scene = Scene()
    scene.open("a")
    assert scene.frame("a", Invoke("7", "e", HELLO)) == [on.RaiseEvent("a", "e", HELLO, invocation_id="7")]
    handled = on.Handled("a", None, reply=Payload("json", b"1"), invocation_id="7")
    assert scene.do(handled) == [on.Reply("a", InvokeResponse("7", payload=Payload("json", b"1")))]
    assert scene.do(handled) == []  # it has been answered


def test_invocation_without_data_is_an_empty_text_and_may_have_no_answer():
    scene = Scene()
    scene.open("a")
    (event,) = scene.frame("a", Invoke("7", "e"))
    assert event.payload == EMPTY
    assert scene.do(on.Handled("a", None, invocation_id="7")) == [on.Reply("a", InvokeResponse("7"))]


def test_failed_invocation_is_told_and_the_client_stays():
    scene = Scene(close_on_failed_event=True)
    scene.open("a")
    scene.frame("a", Invoke("7", "e"))
    (response,) = replies(scene.do(on.Handled("a", None, failed=True, invocation_id="7")))
    assert (response.error_name, response.error_message) == ("InternalServerError", "Internal server error")
    assert "a" in scene.hub.connections


def test_cancelled_invocation_gets_no_response():
    scene = Scene()
    scene.open("a")
    scene.frame("a", Invoke("7", "e"))
    assert scene.frame("a", CancelInvocation("7")) == []
    assert scene.do(on.Handled("a", None, invocation_id="7")) == []
    assert scene.frame("a", CancelInvocation("nothing")) == []


def test_invocation_that_is_under_way_is_not_made_twice():
    scene = Scene()
    scene.open("a")
    scene.open("b")
    scene.frame("a", Invoke("7", "e"))
    assert scene.frame("a", Invoke("7", "e")) == []
    assert len(scene.frame("b", Invoke("7", "e"))) == 1  # ids are each connection's own


def test_invocations_of_a_connection_end_with_it():
    scene = Scene()
    scene.open("a")
    scene.frame("a", Invoke("7", "e"))
    scene.do(on.Lost("a", final=True))
    assert scene.do(on.Handled("a", None, invocation_id="7")) == []


# Streams


def stream(scene, **options):
    """Open the stream 's' of 'a' to the group 'g'."""
    return scene.frame("a", OpenStream("s", "g", **options))


@pytest.fixture
def scene():
    """A hub with a sender 'a' and a reliable receiver 'b'; both are in 'g'."""
    made = Scene()
    made.open("a", roles=SENDER, groups=["g"], user_id="ann")
    made.open("b", RELIABLE, groups=["g"])
    return made


def test_parts_go_to_the_group_in_order_and_are_acknowledged(scene):
    assert stream(scene) == [on.Reply("a", StreamAck("s", 1))]
    for number in (1, 2):
        effects = scene.frame("a", StreamData("s", number, HELLO))
        message = Message(HELLO, "g", "ann", preview=StreamPart("s", number))
        assert parts(effects) == [(message, ["a"]), (message, ["b"])]
        assert replies(effects) == [StreamAck("s", number + 1)]


def test_stream_ends_with_the_next_number_and_an_empty_text(scene):
    stream(scene, no_echo=True)
    scene.frame("a", StreamData("s", 1, HELLO))
    effects = scene.frame("a", EndStream("s"))
    assert parts(effects) == [(Message(EMPTY, "g", "ann", preview=StreamPart("s", 2, ends=True)), ["b"])]
    assert replies(effects) == [StreamClosed("s")]


def test_error_of_the_sender_goes_to_the_group(scene):
    stream(scene, no_echo=True)
    ((message, _),) = parts(scene.frame("a", EndStream("s", ("it broke", "E1"))))
    assert message.preview == StreamPart("s", 1, ends=True, error=("UserError", "it broke", "E1"))


def test_end_is_told_to_clients_that_know_streams_and_data_to_all():
    scene = Scene()
    scene.open("a", roles=SENDER)
    scene.open("simple", None, groups=["g"])
    scene.open("protobuf", "protobuf.webpubsub.azure.v1", groups=["g"])
    stream(scene)
    assert receivers(scene.frame("a", StreamData("s", 1, HELLO))) == ["protobuf", "simple"]
    assert receivers(scene.frame("a", EndStream("s"))) == []


def test_gap_is_refused_and_a_duplicate_is_acknowledged_again(scene):
    stream(scene)
    (nack,) = scene.frame("a", StreamData("s", 2, HELLO))
    assert isinstance(nack.frame, StreamNack)
    assert (nack.frame.name, nack.frame.expected) == ("InvalidSequenceId", 1)
    scene.frame("a", StreamData("s", 1, HELLO))
    assert scene.frame("a", StreamData("s", 1, HELLO)) == [on.Reply("a", StreamAck("s", 2))]


def test_stream_needs_the_permission_to_send_all_the_time(scene):
    assert replies(scene.frame("b", OpenStream("s", "g")), "b")[0].error_name == "Forbidden"
    stream(scene)
    scene.do(on.Allow("a", "sendToGroup", "g", allowed=False))
    effects = scene.frame("a", StreamData("s", 1, HELLO))
    assert [message.preview.error[0] for message, _ in parts(effects)] == ["Forbidden", "Forbidden"]
    assert replies(effects)[0].error_name == "Forbidden"
    assert replies(scene.frame("a", StreamData("s", 2, HELLO)))[0].error_name == "StreamNotFound"


@pytest.mark.parametrize("frame", [StreamData("x", 1, HELLO), StreamData("x"), EndStream("x")])
def test_stream_that_is_not_open_is_not_found(scene, frame):
    assert replies(scene.frame("a", frame))[0].error_name == "StreamNotFound"
    stream(scene)
    assert replies(scene.frame("a", frame))[0].error_name == "StreamNotFound"


def test_idle_stream_ends_and_data_or_a_keep_alive_puts_it_off(scene):
    stream(scene, idle_seconds=10)
    assert scene.hub.next_due() == NOW + 10
    scene.now = NOW + 9
    assert scene.frame("a", StreamData("s")) == []
    scene.now = NOW + 10
    assert scene.do(on.Tick()) == []
    assert scene.hub.next_due() == NOW + 19
    scene.now = NOW + 19
    effects = scene.do(on.Tick())
    assert {message.preview.error[0] for message, _ in parts(effects)} == {"IdleTimeout"}
    assert replies(effects)[0].error_name == "IdleTimeout"
    assert scene.hub.next_due() is None


def test_end_of_the_sender_ends_its_streams(scene):
    stream(scene)
    effects = scene.do(on.Lost("a", final=True))
    ((message, to),) = parts(effects)
    assert (message.preview.error[0], to) == ("Cancelled", ["b"])


def test_stream_survives_the_recovery_of_its_sender():
    scene = Scene()
    scene.open("a", RELIABLE, roles=SENDER)
    scene.open("b", groups=["g"])
    stream(scene)
    scene.frame("a", StreamData("s", 1, HELLO))
    scene.do(on.Lost("a", final=False))
    scene.do(on.Recover("a", "token-a"))
    # What was on its way is sent again: it is published once.
    assert scene.frame("a", StreamData("s", 1, HELLO)) == [on.Reply("a", StreamAck("s", 2))]
    assert receivers(scene.frame("a", StreamData("s", 2, HELLO))) == ["b"]
    scene.frame("a", EndStream("s"))
    # As is an end whose answer was lost: it is no mistake.
    assert scene.frame("a", StreamData("s", 2, HELLO)) == [on.Reply("a", StreamClosed("s"))]
    assert scene.frame("a", EndStream("s")) == [on.Reply("a", StreamClosed("s"))]


def test_parts_are_kept_for_a_reliable_receiver_and_sent_again(scene):
    stream(scene)
    scene.do(on.Lost("b", final=False))
    scene.frame("a", StreamData("s", 1, HELLO))
    scene.frame("a", EndStream("s"))
    again = [frame for frame in replies(scene.do(on.Recover("b", "token-b")), "b") if isinstance(frame, Message)]
    assert [(frame.sequence_id, frame.preview.sequence_id, frame.preview.ends) for frame in again] == [
        (1, 1, False),
        (2, 2, True),
    ]


def test_streams_of_a_connection_are_bounded_and_their_ids_its_own(scene):
    for number in range(MAX_STREAMS):
        scene.frame("a", OpenStream(str(number), "g"))
    assert replies(stream(scene))[0].error_name == "BadRequest"
    assert replies(scene.frame("a", OpenStream("0", "other")))[0].error_name == "BadRequest"
    assert scene.frame("a", OpenStream("0", "g")) == [on.Reply("a", StreamAck("0", 1))]


# The state of groups


@pytest.fixture
def states():
    """A hub with two members of 'g' who may set and get states there."""
    made = Scene()
    made.open("a", roles=STATES, groups=["g"], user_id="ann")
    made.open("b", RELIABLE, roles=STATES, groups=["g"])
    return made


def reports(effects):
    """Return kind, items and receivers of each report."""
    return [(message.preview, json.loads(message.payload.data), to) for message, to in parts(effects)]


def test_subscriber_gets_the_states_that_are_there_and_then_each_that_changes(states):
    states.frame("b", SetGroupState("g", {"mood": "good"}, 1))
    effects = states.frame("a", SubscribeGroupState("g", True, 2))
    assert effects[0] == on.Reply("a", Ack(2))
    item = {"connectionId": "b", "state": {"mood": "good"}, "updatedAt": int(NOW * 1000)}
    assert reports(effects) == [("groupStateSnapshot", [item], ["a"])]
    effects = states.frame("a", SetGroupState("g", {"mood": "Zoë"}, 3))
    mine = {"connectionId": "a", "userId": "ann", "state": {"mood": "Zoë"}, "updatedAt": int(NOW * 1000) + 1}
    assert reports(effects) == [("groupStateUpdate", [mine], ["a"])]
    assert replies(effects) == [Ack(3)]


def test_absent_state_clears_and_is_told_once(states):
    states.frame("a", SubscribeGroupState("g", True))
    states.frame("a", SetGroupState("g", {"k": "v"}))
    ((kind, (item,), _),) = reports(states.frame("a", SetGroupState("g", None)))
    assert (kind, item["state"]) == ("groupStateUpdate", None)
    assert reports(states.frame("a", SetGroupState("g", None))) == []
    assert reports(states.frame("b", SubscribeGroupState("g", True))) == [("groupStateSnapshot", [], ["b"])]


@pytest.mark.parametrize("end", [on.RemoveFromGroups(on.Audience(connection_id="b"), None), on.Lost("b", final=True)])
def test_who_leaves_or_ends_has_no_state_and_watches_no_more(states, end):
    for name in "ab":
        states.frame(name, SubscribeGroupState("g", True))
    states.frame("b", SetGroupState("g", {"k": "v"}))
    ((kind, (item,), to),) = reports(states.do(end))
    assert (kind, item["connectionId"], item["state"], to) == ("groupStateUpdate", "b", None, ["a"])
    assert [to for _, _, to in reports(states.frame("a", SetGroupState("g", {"k": "v"})))] == [["a"]]


def test_unsubscribed_client_hears_nothing_more(states):
    states.frame("a", SubscribeGroupState("g", True))
    assert states.frame("a", SubscribeGroupState("g", False, 1)) == [on.Reply("a", Ack(1))]
    assert reports(states.frame("a", SetGroupState("g", {"k": "v"}))) == []


@pytest.mark.parametrize("frame", [SetGroupState("x", {}, 1), SubscribeGroupState("x", True, 1)])
def test_state_needs_its_role_and_membership(frame):
    scene = Scene()
    scene.open("none", groups=["x"], roles=["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"])
    scene.open("member", groups=["x"], roles=["webpubsub.setGroupState.x", "webpubsub.getGroupState.x"])
    scene.open("stranger", roles=["webpubsub.setGroupState", "webpubsub.getGroupState"])
    names = {name: replies(scene.frame(name, frame), name)[0].error_name for name in ("none", "member", "stranger")}
    assert names == {"none": "Forbidden", "member": None, "stranger": "Forbidden"}


def test_reports_are_numbered_and_kept_for_a_reliable_client(states):
    states.frame("b", SubscribeGroupState("g", True))
    states.do(on.Lost("b", final=False))
    states.frame("a", SetGroupState("g", {"k": "v"}))
    again = [frame for frame in replies(states.do(on.Recover("b", "token-b")), "b") if isinstance(frame, Message)]
    assert [(frame.preview, frame.sequence_id) for frame in again] == [
        ("groupStateSnapshot", 1),
        ("groupStateUpdate", 2),
    ]
    states.frame("b", SequenceAck(2))
    states.do(on.Lost("b", final=False))
    assert not any(isinstance(each, Message) for each in replies(states.do(on.Recover("b", "token-b")), "b"))


def test_snapshot_has_at_most_200_items_by_connection_id():
    scene = Scene()
    for number in range(201):
        scene.open(f"{number:03}", roles=STATES, groups=["g"])
        scene.frame(f"{number:03}", SetGroupState("g", {}))
    ((_, items, _),) = reports(scene.frame("200", SubscribeGroupState("g", True)))
    assert [item["connectionId"] for item in items] == [f"{number:03}" for number in range(200)]
