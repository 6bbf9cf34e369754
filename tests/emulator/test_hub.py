"""The rules of a hub as values: inputs in, effects out. The facts are in docs/service-facts.md."""

import dataclasses

import pytest
from hub_scene import ALL_ROLES, HELLO, NOW, RELIABLE, Scene, receivers

from azure.messaging.webpubsubservice.emulator.hub import _events as on
from azure.messaging.webpubsubservice.emulator.hub._connections import BUFFERED_MESSAGES
from azure.messaging.webpubsubservice.emulator.hub._filter import parse_filter
from azure.messaging.webpubsubservice.emulator.hub._frames import (
    Ack,
    Connected,
    Disconnected,
    Event,
    GroupState,
    Invoke,
    InvokeResponse,
    JoinGroup,
    LeaveGroup,
    Message,
    Payload,
    Ping,
    Pong,
    SendToGroup,
    SequenceAck,
    Stream,
    StreamClosed,
)
from azure.messaging.webpubsubservice.emulator.hub._permissions import TooManyRules


def without_notes(effects):
    return [effect for effect in effects if not isinstance(effect, on.Refused)]


# Connecting


def test_open_greets_a_json_client_first_of_all():
    assert Scene().open("a", user_id="ann") == [on.Reply("a", Connected("a", "ann"))]


def test_open_gives_a_reliable_client_its_reconnection_token():
    assert Scene().open("a", RELIABLE) == [on.Reply("a", Connected("a", None, "token-a"))]


def test_open_says_nothing_to_a_simple_client():
    assert Scene().open("a", None) == []


def test_open_joins_the_groups_of_the_token():
    scene = Scene()
    scene.open("a", groups=("x", "y"))
    assert receivers(scene.publish(group="x")) == ["a"]
    assert scene.hub.connections["a"].groups == {"x", "y"}


def test_groups_of_the_token_do_not_allow_to_publish():  # 1.6
    scene = Scene()
    scene.open("a", groups=("x",))
    assert without_notes(scene.frame("a", SendToGroup("x", HELLO, 1))) == [
        on.Reply("a", Ack(1, "Forbidden", "The client does not have permission to send to group 'x'."))
    ]


# Joining, leaving, publishing


@pytest.mark.parametrize(
    ("role", "frame", "allowed"),
    [
        (None, JoinGroup("g", 1), False),
        ("webpubsub.joinLeaveGroup", JoinGroup("g", 1), True),
        ("webpubsub.joinLeaveGroup", LeaveGroup("g", 1), True),
        ("webpubsub.joinLeaveGroup", SendToGroup("g", HELLO, 1), False),
        ("webpubsub.sendToGroup", SendToGroup("g", HELLO, 1), True),
        ("webpubsub.sendToGroup", JoinGroup("g", 1), False),
        ("webpubsub.sendToGroup.g", SendToGroup("g", HELLO, 1), True),
        ("webpubsub.sendToGroup.g", SendToGroup("h", HELLO, 1), False),
        ("webpubsub.joinLeaveGroup.a.b", JoinGroup("a.b", 1), True),
        ("webpubsub.sendToGroups.a*", SendToGroup("abc", HELLO, 1), True),
        ("webpubsub.sendToGroups.a*", SendToGroup("bc", HELLO, 1), False),
    ],
)
def test_frame_is_allowed_by_its_role_only(role, frame, allowed):
    scene = Scene()
    scene.open("a", roles=(role,) if role else ())
    (reply,) = [effect for effect in scene.frame("a", frame) if isinstance(effect, on.Reply)]
    assert (reply.frame.error_name is None) is allowed
    assert reply.frame.error_name in (None, "Forbidden")


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (JoinGroup("D", 1), "The client does not have permission to join group 'D'."),
        (LeaveGroup("D", 1), "The client does not have permission to leave group 'D'."),
        (SendToGroup("D", HELLO, 1), "The client does not have permission to send to group 'D'."),
    ],
)
def test_forbidden_has_the_words_of_the_service(frame, text):
    scene = Scene()
    scene.open("a")
    assert without_notes(scene.frame("a", frame)) == [on.Reply("a", Ack(1, "Forbidden", text))]


@pytest.mark.parametrize("frame", [JoinGroup("D"), LeaveGroup("D"), SendToGroup("D", HELLO)])
def test_forbidden_without_an_ack_id_is_silent_but_logged(frame):
    scene = Scene()
    scene.open("a")
    (effect,) = scene.frame("a", frame)
    assert isinstance(effect, on.Refused)
    assert "webpubsub." in effect.why


def test_join_and_leave_succeed_twice():
    scene = Scene()
    scene.open("a", roles=ALL_ROLES)
    frames = [JoinGroup("g"), JoinGroup("g"), LeaveGroup("g"), LeaveGroup("g")]
    changes = [on.GroupChanged("a", "g", joined=True)], [], [on.GroupChanged("a", "g", joined=False)], []
    for ack_id, (frame, change) in enumerate(zip(frames, changes, strict=True), 1):
        assert scene.frame("a", dataclasses.replace(frame, ack_id=ack_id)) == [*change, on.Reply("a", Ack(ack_id))]
    assert scene.hub.groups == {}


def test_publish_reaches_members_and_comes_before_the_ack():
    scene = Scene()
    scene.open("a", user_id="ann", groups=("g",), roles=ALL_ROLES)
    scene.open("b", None, groups=("g",))
    scene.open("c")
    assert scene.frame("a", SendToGroup("g", HELLO, 7)) == [
        on.Deliver(Message(HELLO, "g", "ann"), ["a", "b"]),
        on.Reply("a", Ack(7)),
    ]


def test_publish_needs_no_membership_and_an_empty_group_is_fine():
    scene = Scene()
    scene.open("a", roles=ALL_ROLES)
    assert scene.frame("a", SendToGroup("empty", HELLO, 1)) == [on.Reply("a", Ack(1))]


def test_no_echo_leaves_out_the_sending_connection_only():
    scene = Scene()
    for name in ("a1", "a2"):
        scene.open(name, user_id="ann", groups=("g",), roles=ALL_ROLES)
    assert receivers(scene.frame("a1", SendToGroup("g", HELLO, no_echo=True))) == ["a2"]


def test_simple_client_without_the_role_is_closed_with_1008():  # 2.1
    scene = Scene()
    scene.open("a", None)
    text = "The connection is not authorized for raw sendToGroup mode."
    assert without_notes(scene.frame("a", SendToGroup("g", HELLO))) == [on.Close("a", 1008, text), on.Ended("a", text)]


# Ack ids


def test_repeated_ack_id_is_not_executed_again():
    scene = Scene()
    scene.open("a", groups=("g",), roles=ALL_ROLES)
    scene.frame("a", SendToGroup("g", HELLO, 3))
    duplicate = Ack(3, "Duplicate", "Message with ack-id: 3 has been processed")
    assert scene.frame("a", SendToGroup("g", HELLO, 3)) == [on.Reply("a", duplicate)]
    assert scene.frame("a", JoinGroup("other", 3)) == [on.Reply("a", duplicate)]
    assert scene.hub.connections["a"].groups == {"g"}


def test_failed_operation_may_be_repeated_with_its_ack_id():
    scene = Scene()
    scene.open("a")
    scene.frame("a", JoinGroup("g", 3))
    scene.do(on.Allow("a", "joinLeaveGroup", "g", allowed=True))
    assert scene.frame("a", JoinGroup("g", 3))[-1:] == [on.Reply("a", Ack(3))]


def test_ack_ids_are_of_one_connection():
    scene = Scene()
    for name in ("a", "b"):
        scene.open(name, roles=ALL_ROLES)
        assert scene.frame(name, JoinGroup("g", 1))[-1:] == [on.Reply(name, Ack(1))]


def test_last_thousand_ack_ids_are_remembered():
    scene = Scene()
    scene.open("a", roles=ALL_ROLES)
    for ack_id in range(1, 1002):
        scene.frame("a", JoinGroup("g", ack_id))
    assert scene.frame("a", JoinGroup("g", 1)) == [on.Reply("a", Ack(1))]
    (reply,) = scene.frame("a", JoinGroup("g", 3))
    assert reply.frame.error_name == "Duplicate"


def test_ping_is_answered():
    scene = Scene()
    scene.open("a")
    assert scene.frame("a", Ping()) == [on.Reply("a", Pong())]


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (Invoke("1"), InvokeResponse("1", "BadRequest", "The emulator takes invocations of events, by JSON clients.")),
        (Stream("s"), StreamClosed("s", "BadRequest", "The emulator has streams for JSON clients only.")),
        (GroupState(4), Ack(4, "BadRequest", "The emulator has group state for JSON clients only.")),
    ],
)
def test_preview_feature_of_a_protobuf_client_is_refused_in_its_own_words(frame, answer):
    scene = Scene()
    scene.open("a")
    assert scene.frame("a", frame) == [on.Reply("a", answer)]


# User events


def test_event_needs_no_role_and_is_acknowledged_after_its_reply():
    scene = Scene()
    scene.open("a")
    assert scene.frame("a", Event("e", HELLO, 5)) == [on.RaiseEvent("a", "e", HELLO, 5)]
    assert scene.do(on.Handled("a", 5, reply=HELLO)) == [
        on.Deliver(Message(HELLO), ["a"]),
        on.Reply("a", Ack(5)),
    ]
    (again,) = scene.frame("a", Event("e", HELLO, 5))
    assert again.frame.error_name == "Duplicate"


def test_event_sent_again_while_it_is_handled_is_raised_once():
    scene = Scene()
    scene.open("a")
    scene.frame("a", Event("e", HELLO, 5))
    assert scene.frame("a", Event("e", HELLO, 5)) == []


def test_failed_event_of_a_json_client_is_acknowledged_and_the_client_stays():
    scene = Scene()
    scene.open("a")
    scene.frame("a", Event("e", HELLO, 5))
    failed = on.Reply("a", Ack(5, "InternalServerError", "Internal server error"))
    assert scene.do(on.Handled("a", 5, failed=True)) == [failed]
    assert scene.do(on.Handled("a", None, failed=True)) == []
    assert scene.frame("a", Event("e", HELLO, 5)) == [on.RaiseEvent("a", "e", HELLO, 5)]


def test_failed_event_closes_a_json_client_under_the_strict_switch():
    scene = Scene(close_on_failed_event=True)
    scene.open("a")
    text = "The event could not be handled."
    assert scene.do(on.Handled("a", None, failed=True)) == [
        on.Reply("a", Disconnected(text)),
        on.Close("a", 1011),
        on.Ended("a", text),
    ]


def test_failed_event_closes_a_simple_client_with_1000_and_no_reason():
    scene = Scene()
    scene.open("a", None)
    assert scene.do(on.Handled("a", None, failed=True)) == [
        on.Close("a", 1000),
        on.Ended("a", "the event could not be handled"),
    ]


# Sends by REST


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ({}, ["a1", "a2", "b"]),
        ({"user_id": "ann"}, ["a1", "a2"]),
        ({"user_id": "nobody"}, []),
        ({"group": "g"}, ["a1", "b"]),
        ({"group": "G"}, []),
        ({"connection_id": "b"}, ["b"]),
        ({"connection_id": "nobody"}, []),
        ({"excluded": frozenset({"a1", "nobody"})}, ["a2", "b"]),
        ({"group": "g", "excluded": frozenset({"b"})}, ["a1"]),
        ({"matches": parse_filter("userId eq null").matches}, ["b"]),
        ({"matches": parse_filter("'h' in groups").matches}, ["a2"]),
        ({"group": "g", "matches": parse_filter("protocol ne null").matches}, ["a1"]),
    ],
)
def test_send_reaches_exactly_its_audience(audience, expected):
    scene = Scene()
    scene.open("a1", user_id="ann", groups=("g",))
    scene.open("a2", user_id="ann", groups=("h",))
    scene.open("b", None, groups=("g",))
    assert receivers(scene.publish(**audience)) == expected


def test_send_says_that_it_is_from_a_group_only_for_a_group():  # 3.2
    scene = Scene()
    scene.open("a", user_id="ann", groups=("g",))
    assert scene.publish(group="g") == [on.Deliver(Message(HELLO, "g"), ["a"])]
    assert scene.publish(user_id="ann") == [on.Deliver(Message(HELLO), ["a"])]


# Groups and permissions by REST


def test_user_is_added_with_every_connection_and_removed_again():
    scene = Scene()
    scene.open("a1", user_id="ann")
    scene.open("a2", user_id="ann")
    scene.do(on.AddToGroups(on.Audience(user_id="ann"), ["g", "h"]))
    assert receivers(scene.publish(group="g")) == ["a1", "a2"]
    scene.do(on.RemoveFromGroups(on.Audience(connection_id="a1"), ["g"]))
    assert receivers(scene.publish(group="g")) == ["a2"]
    scene.do(on.RemoveFromGroups(on.Audience(user_id="ann"), None))
    assert scene.hub.groups == {}


def test_revoked_permission_outweighs_the_role_until_granted_again():
    scene = Scene()
    scene.open("a", groups=("g",), roles=ALL_ROLES)
    scene.do(on.Allow("a", "sendToGroup", "g", allowed=False))
    assert receivers(scene.frame("a", SendToGroup("g", HELLO))) == []
    assert scene.hub.connections["a"].groups == {"g"}
    scene.do(on.Allow("a", "sendToGroup", "g", allowed=True))
    assert receivers(scene.frame("a", SendToGroup("g", HELLO))) == ["a"]


def test_grant_beyond_a_thousand_rules_is_refused():
    scene = Scene()
    scene.open("a")
    for number in range(1000):
        scene.do(on.Allow("a", "sendToGroup", f"g{number}", allowed=True))
    with pytest.raises(TooManyRules):
        scene.do(on.Allow("a", "sendToGroup", "one more", allowed=True))


# Closing


def test_disconnect_tells_a_json_client_why_and_closes_with_1000():
    scene = Scene()
    scene.open("a")
    assert scene.do(on.Disconnect(on.Audience(), "bye")) == [
        on.Reply("a", Disconnected("bye")),
        on.Close("a", 1000),
        on.Ended("a", "bye"),
    ]
    assert scene.hub.connections == {}


def test_disconnect_just_closes_a_simple_client():
    scene = Scene()
    scene.open("a", None)
    assert scene.do(on.Disconnect(on.Audience(), "bye")) == [on.Close("a", 1000), on.Ended("a", "bye")]


def test_misbehaving_client_is_told_why():  # 3.5, 12
    scene = Scene()
    scene.open("a")
    assert without_notes(scene.do(on.Misbehaved("a", "no JSON", 1007))) == [
        on.Reply("a", Disconnected("no JSON")),
        on.Close("a", 1007),
        on.Ended("a", "no JSON"),
    ]


@pytest.mark.parametrize("final", [True, False])
def test_lost_plain_client_is_gone_from_everywhere(final):
    scene = Scene()
    scene.open("a", user_id="ann", groups=("g",))
    assert scene.do(on.Lost("a", final)) == [on.GroupChanged("a", "g", joined=False), on.Ended("a")]
    assert (scene.hub.connections, scene.hub.groups, scene.hub.users) == ({}, {}, {})
    assert scene.hub.next_due() is None


# Reliable protocols


def test_messages_are_numbered_from_one_and_nothing_else_is():
    scene = Scene()
    scene.open("a", RELIABLE, groups=("g",), roles=ALL_ROLES)
    assert scene.publish() == [on.DeliverInSequence(Message(HELLO), [("a", 1)])]
    assert scene.frame("a", Ping()) == [on.Reply("a", Pong())]
    assert scene.frame("a", SendToGroup("g", HELLO, 1)) == [
        on.DeliverInSequence(Message(HELLO, "g"), [("a", 2)]),
        on.Reply("a", Ack(1)),
    ]


def test_recovery_sends_again_what_was_not_confirmed():
    scene = Scene()
    scene.open("a", RELIABLE, user_id="ann")
    for _ in range(3):
        scene.publish()
    scene.frame("a", SequenceAck(2))
    scene.frame("a", SequenceAck(1))  # lower ones are ignored
    scene.do(on.Lost("a", final=False))
    assert scene.publish() == []
    assert scene.do(on.Recover("a", "token-a")) == [
        on.Recovered("a"),
        on.Reply("a", Connected("a", "ann", "token-a")),
        on.Reply("a", Message(HELLO, sequence_id=3)),
        on.Reply("a", Message(HELLO, sequence_id=4)),
    ]
    assert scene.publish() == [on.DeliverInSequence(Message(HELLO), [("a", 5)])]


def test_too_high_confirmation_means_all():
    scene = Scene()
    scene.open("a", RELIABLE)
    scene.publish()
    scene.frame("a", SequenceAck(2**64 - 1))
    assert scene.do(on.Recover("a", "token-a"))[2:] == []
    assert scene.publish() == [on.DeliverInSequence(Message(HELLO), [("a", 2)])]


@pytest.mark.parametrize(
    "recover", [on.Recover("a", "token-b"), on.Recover("b", "token-a"), on.Recover("nobody", "token-a")]
)
def test_recovery_with_the_wrong_id_or_token_is_refused(recover):
    scene = Scene()
    scene.open("a", RELIABLE)
    scene.open("b")
    assert without_notes(scene.do(recover)) == [on.RecoveryRefused(recover.connection_id)]


@pytest.mark.parametrize(
    "end",
    [on.Lost("a", final=True), on.Disconnect(on.Audience()), on.Misbehaved("a", "", 1007)],
    ids=["client said goodbye", "REST close", "bad frame"],
)
def test_connection_that_was_ended_cannot_be_recovered(end):
    scene = Scene()
    scene.open("a", RELIABLE)
    scene.do(end)
    assert without_notes(scene.do(on.Recover("a", "token-a"))) == [on.RecoveryRefused("a")]


def test_recovery_window_ends_after_thirty_seconds():
    scene = Scene()
    scene.open("a", RELIABLE, groups=("g",))
    scene.do(on.Lost("a", final=False, reason="the cause"))
    assert scene.hub.next_due() == NOW + 30
    scene.now += 29.9
    assert scene.do(on.Tick()) == []
    assert scene.hub.groups["g"].keys() == {"a"}
    scene.now += 0.1
    assert scene.do(on.Tick()) == [
        on.GroupChanged("a", "g", joined=False),
        on.Ended("a", "the cause, and not recovered in time"),
    ]
    assert (scene.hub.connections, scene.hub.groups, scene.hub.next_due()) == ({}, {}, None)


def test_recovered_connection_keeps_groups_rights_and_ack_ids():
    scene = Scene()
    scene.open("a", RELIABLE, roles=ALL_ROLES)
    scene.frame("a", JoinGroup("g", 1))
    scene.do(on.Lost("a", final=False))
    scene.do(on.Recover("a", "token-a"))
    scene.now += 100
    assert scene.do(on.Tick()) == []
    assert receivers(scene.publish(group="g")) == ["a"]
    (duplicate,) = scene.frame("a", JoinGroup("g", 1))
    assert duplicate.frame.error_name == "Duplicate"


def test_recovery_takes_over_from_a_socket_that_still_lives():
    scene = Scene()
    scene.open("a", RELIABLE)
    assert on.Recovered("a") in scene.do(on.Recover("a", "token-a"))


def test_message_that_has_expired_is_not_sent_again():
    scene = Scene()
    scene.open("a", RELIABLE)
    scene.publish(ttl=10)
    scene.publish()
    scene.publish(ttl=20)
    scene.do(on.Lost("a", final=False))
    scene.now += 10
    assert [effect.frame.sequence_id for effect in scene.do(on.Recover("a", "token-a"))[2:]] == [2, 3]


def test_client_too_far_behind_is_closed_and_cannot_recover():
    scene = Scene()
    scene.open("a", RELIABLE)
    for _ in range(BUFFERED_MESSAGES):
        scene.publish()
    text = "The reliable message buffer is full."
    assert without_notes(scene.publish()) == [on.Close("a", 1008, text), on.Ended("a", text)]
    assert without_notes(scene.do(on.Recover("a", "token-a"))) == [on.RecoveryRefused("a")]


def test_buffer_is_bounded_in_bytes_too():
    scene = Scene()
    scene.open("a", RELIABLE)
    big = Payload("binary", bytes(1024 * 1024))
    for _ in range(16):
        assert receivers(scene.publish(big)) == ["a"]
    assert on.Ended("a", "The reliable message buffer is full.") in scene.publish(big)


def test_input_for_a_connection_that_is_not_there_does_nothing():
    scene = Scene()
    for event in (
        on.Received("x", Ping()),
        on.Misbehaved("x", "", 1007),
        on.Lost("x", final=True),
        on.Handled("x", 1),
        on.Allow("x", "sendToGroup", "g", allowed=True),
        on.Tick(),
    ):
        assert scene.do(event) == []


# Who joins and leaves


def changes(effects):
    return [(each.connection_id, each.group, each.joined) for each in effects if isinstance(each, on.GroupChanged)]


def test_every_way_into_a_group_and_out_of_it_is_told_once():
    scene = Scene()
    assert changes(scene.open("a", user_id="ann", groups=("g", "h", "g"), roles=ALL_ROLES)) == [
        ("a", "g", True),
        ("a", "h", True),
    ]
    scene.open("b", user_id="ann")
    assert changes(scene.do(on.AddToGroups(on.Audience(user_id="ann"), ["g", "i"]))) == [
        ("a", "i", True),
        ("b", "g", True),
        ("b", "i", True),
    ]
    assert changes(scene.do(on.RemoveFromGroups(on.Audience(connection_id="b"), ["g", "none"]))) == [("b", "g", False)]
    assert changes(scene.do(on.RemoveFromGroups(on.Audience(connection_id="b"), None))) == [("b", "i", False)]
    assert changes(scene.frame("a", LeaveGroup("i"))) == [("a", "i", False)]
    assert changes(scene.frame("b", JoinGroup("g"))) == []  # it may not
    assert changes(scene.do(on.Disconnect(on.Audience(), "bye"))) == [("a", "g", False), ("a", "h", False)]


def test_connection_that_is_recovered_has_left_nothing():
    scene = Scene()
    scene.open("a", RELIABLE, groups=("g",))
    assert changes(scene.do(on.Lost("a", final=False))) == []
    assert changes(scene.do(on.Recover("a", "token-a"))) == []
