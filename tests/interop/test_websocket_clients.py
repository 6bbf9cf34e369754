"""The published WebSocket clients, as they are, against the emulator: each test holds for every one of them."""

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")

from interop_driver import ThrownError
from interop_peers import KINDS, RELIABLE, Message, RefusedError

from azure.messaging.webpubsubservice.emulator import SocketFault, WebPubSubEmulator

pytestmark = pytest.mark.interop

every_kind = pytest.mark.parametrize("kind", KINDS)
#: Enough where a subprotocol makes no difference to what the client does.
each_library = pytest.mark.parametrize(
    "kind", ["python json.reliable", "aio json", "javascript json", "javascript protobuf.reliable"]
)
every_reliable_kind = pytest.mark.parametrize("kind", RELIABLE)
unreliable_kinds = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in RELIABLE])

#: A google.protobuf.Any: type URL "t/x", value 01.
ANY = b"\x0a\x03t/x\x12\x01\x01"
PAYLOADS = {
    "text": "Zoë \u2028 \U0001f600",
    "json": {"a": [1, 2.5, None, True, "Zoë"], "b": {}},
    "binary": b"\x00\xff\x80",
    "protobuf": ANY,
}


def sender_of(kind, user_id):
    """Return the sender that a message names: the protobuf subprotocols have no field for it."""
    return None if "protobuf" in kind else user_id


def received(emulator, name):
    return [entry.frame for entry in emulator.record.frames if type(entry.frame).__name__ == name]


def webhooks(emulator, event):
    return [entry for entry in emulator.record.webhooks if entry.event == event]


# Life


@every_kind
def test_client_connects_as_its_token_says_and_leaves_for_good_when_stopped(peer, kind, emulator, rest):
    client = peer(kind, "ann")
    connection_id, user_id = client.start()
    assert user_id == "ann"
    assert rest.connection_exists(connection_id)
    client.stop()
    # At once, not after the recovery window: the end of a session is told by its close code.
    emulator.record.wait_for(lambda record: any(each.event == "disconnected" for each in record.webhooks))
    assert not rest.connection_exists(connection_id)
    assert [entry.connection_id for entry in webhooks(emulator, "disconnected")] == [connection_id]


@each_library
def test_anonymous_client_connects(peer, kind):
    assert peer(kind).start()[1] is None


@each_library
def test_stopped_client_can_start_again_as_another_connection(peer, kind):
    client = peer(kind, "ann")
    first, _ = client.start()
    client.stop()
    second, _ = client.start()
    assert second != first


@each_library
def test_client_with_a_token_of_another_hub_is_refused(peer, kind, emulator, hub):
    wrong = emulator.client_url("another").replace("/another?", f"/{hub}?")
    client = peer(kind, urls=[wrong])
    with pytest.raises(ThrownError, match="401"):
        client.open()
    assert not client.has("connected")


# Groups


@every_kind
@pytest.mark.parametrize("data_type", PAYLOADS)
def test_message_to_a_group_comes_back_to_a_member_as_it_was_sent(peer, kind, data_type):
    client = peer(kind, "ann")
    client.start()
    client.join("room")
    client.send("room", data_type, PAYLOADS[data_type])
    assert client.next("message") == Message(data_type, PAYLOADS[data_type], "room", sender_of(kind, "ann"))


@each_library
def test_message_without_echo_reaches_only_the_other_connections_of_its_user(peer, kind):
    sender, other = peer(kind, "ann"), peer(kind, "ann")
    for client in (sender, other):
        client.start()
        client.join("room")
    sender.send("room", "text", "silent", no_echo=True)
    sender.send("room", "text", "loud")
    assert {message.data for message in other.messages(2)} == {"silent", "loud"}
    assert sender.next("message").data == "loud"
    assert not sender.has("message")


@each_library
def test_message_without_ack_is_published(peer, kind, emulator):
    client = peer(kind, "ann", groups=["room"])
    client.start()
    client.send("room", "text", "fire and forget", ack=False)
    assert client.next("message").data == "fire and forget"
    assert [frame.ack_id for frame in received(emulator, "SendToGroup")] == [None]
    assert received(emulator, "Ack") == []


@each_library
def test_client_gets_nothing_from_a_group_it_has_left(peer, kind, rest):
    client = peer(kind, "ann")
    client.start()
    client.join("room")
    assert rest.group_exists("room")
    client.leave("room")
    assert not rest.group_exists("room")
    client.send("room", "text", "unheard")
    rest.send_to_all("heard", content_type="text/plain")
    assert client.next("message") == Message("text", "heard")


@every_kind
def test_operations_without_the_role_are_forbidden_and_the_client_stays(peer, kind, rest):
    client = peer(kind, "ann", roles=["webpubsub.joinLeaveGroup.mine", "webpubsub.sendToGroup.mine"])
    connection_id, _ = client.start()
    with pytest.raises(RefusedError) as met:
        client.join("theirs")
    assert met.value.args == ("Forbidden", "The client does not have permission to join group 'theirs'.")
    with pytest.raises(RefusedError) as met:
        client.leave("theirs")
    assert met.value.args == ("Forbidden", "The client does not have permission to leave group 'theirs'.")
    with pytest.raises(RefusedError) as met:
        client.send("theirs", "text", "x")
    assert met.value.args == ("Forbidden", "The client does not have permission to send to group 'theirs'.")
    client.join("mine")
    rest.grant_permission("joinLeaveGroup", connection_id, target_name="theirs")
    client.join("theirs")


@each_library
def test_forbidden_operation_is_tried_again_under_fresh_ack_ids(peer, kind, emulator):
    client = peer(kind, "ann", roles=[], retries=3)
    client.start()
    with pytest.raises(RefusedError):
        client.join("room")
    assert [frame.ack_id for frame in received(emulator, "JoinGroup")] == [1, 2, 3, 4]
    assert [frame.error_name for frame in received(emulator, "Ack")] == ["Forbidden"] * 4


@every_kind
def test_repeated_ack_id_is_done_once_and_counts_as_success(peer, kind, emulator):
    client = peer(kind, "ann", groups=["room"])
    client.start()
    client.send("room", "text", "once", ack_id=77)
    result = client.send("room", "text", "once", ack_id=77)
    client.send("room", "text", "last")
    assert {message.data for message in client.messages(2)} == {"once", "last"}
    assert not client.has("message")
    assert [frame.error_name for frame in received(emulator, "Ack")] == [None, "Duplicate", None]
    if "javascript" in kind:
        assert result == {"ackId": 77, "isDuplicated": True}


# Messages of the server


@every_kind
def test_messages_of_the_server_arrive_with_their_type(peer, kind, rest):
    client = peer(kind, "ann", groups=["room"])
    connection_id, _ = client.start()
    rest.send_to_all({"to": "all"})
    assert client.next("message") == Message("json", {"to": "all"})
    rest.send_to_user("ann", "to the user", content_type="text/plain")
    assert client.next("message") == Message("text", "to the user")
    rest.send_to_connection(connection_id, b"\x00\xff")
    assert client.next("message") == Message("binary", b"\x00\xff")
    rest.send_to_group("room", "to the group")
    assert client.next("message") == Message("json", "to the group", "room")


# Events


@every_kind
@pytest.mark.parametrize("data_type", ["text", "json", "binary"])
def test_event_goes_to_the_handler_whose_answer_comes_before_the_ack(peer, kind, data_type, emulator):
    client = peer(kind, "ann", roles=[])
    client.start()
    client.raise_event("echo", data_type, PAYLOADS[data_type])
    assert client.next("message") == Message(data_type, PAYLOADS[data_type])
    down = [type(entry.frame).__name__ for entry in emulator.record.frames if entry.direction == "sent"]
    assert down == ["Connected", "Message", "Ack"]


@each_library
def test_event_that_the_handler_answers_with_nothing_is_acknowledged(peer, kind, emulator):
    client = peer(kind, "ann")
    client.start()
    client.raise_event("nothing", "text", "x")
    assert [entry.body for entry in webhooks(emulator, "nothing")] == [b"x"]
    assert not client.has("message")


@every_kind
def test_event_that_the_handler_refuses_fails_and_the_client_stays(peer, kind):
    client = peer(kind, "ann")
    client.start()
    with pytest.raises(RefusedError) as met:
        client.raise_event("refuse", "text", "x")
    assert met.value.args == ("InternalServerError", "Internal server error")
    client.join("room")


@each_library
def test_event_without_any_handler_fails(peer, kind):
    with WebPubSubEmulator() as bare:
        client = peer(kind, urls=[bare.client_url("lonely", "ann")])
        client.start()
        with pytest.raises(RefusedError) as met:
            client.raise_event("echo", "text", "x")
        assert met.value.args == ("InternalServerError", "Internal server error")
        client.dismiss()


@each_library
def test_event_without_ack_reaches_the_handler(peer, kind, emulator):
    client = peer(kind, "ann")
    client.start()
    client.raise_event("echo", "text", "x", ack=False)
    assert client.next("message") == Message("text", "x")
    assert received(emulator, "Ack") == []


# Reliability


@every_reliable_kind
def test_cut_client_recovers_its_connection_and_misses_nothing(peer, kind, emulator, rest):
    client = peer(kind, "ann")
    connection_id, _ = client.start()
    client.join("room")
    rest.send_to_user("ann", "before", content_type="text/plain")
    emulator.inject(SocketFault(user_id="ann", drop=True))
    # Not one of them is lost, whether it comes while the client is away or after it has returned.
    for number in range(5):
        rest.send_to_group("room", f"{number}", content_type="text/plain")
    assert {message.data for message in client.messages(6)} == {"before", *"01234"}
    # It is the same connection, in its group and with its permissions, and nobody was told otherwise.
    assert rest.connection_exists(connection_id)
    client.send("room", "text", "after")
    assert client.next("message").data == "after"
    assert not any(map(client.has, ("connected", "disconnected", "message")))
    assert [len(webhooks(emulator, event)) for event in ("connect", "connected", "disconnected")] == [1, 1, 0]


@pytest.mark.parametrize("kind", ["python json.reliable", "javascript protobuf.reliable"])
def test_client_recovers_although_its_token_has_expired(peer, kind, emulator, hub):
    url = emulator.client_url(hub, "ann", groups=["room"], minutes_to_expire=1)
    client, other = peer(kind, urls=[url]), peer("aio json", "bob")
    client.start()
    other.start()
    emulator.clock.advance(3600)
    emulator.inject(SocketFault(user_id="ann", drop=True))
    other.send("room", "text", "still here")
    assert client.next("message").data == "still here"
    assert not client.has("disconnected")


@pytest.mark.parametrize("kind", ["python json.reliable", "aio json.reliable", "javascript protobuf.reliable"])
def test_confirmed_messages_are_not_sent_again_after_a_recovery(peer, kind, emulator, rest):
    client = peer(kind, "ann")
    client.start()
    for number in range(3):
        rest.send_to_user("ann", number)
    client.messages(3)
    emulator.record.wait_for(lambda record: any(type(each.frame).__name__ == "SequenceAck" for each in record.frames))
    emulator.inject(SocketFault(user_id="ann", drop=True))
    rest.send_to_user("ann", "new")
    assert client.next("message") == Message("json", "new")
    sent = [entry for entry in emulator.record.frames if type(entry.frame).__name__ == "Message"]
    # The last may go twice: it was sent before the socket was found dead, and again after the recovery.
    assert [entry.frame.payload.data for entry in sent][:4] == [b"0", b"1", b"2", b'"new"']
    assert {entry.frame.payload.data for entry in sent[4:]} <= {b'"new"'}


@every_kind
def test_client_whose_recovery_is_refused_connects_anew_and_rejoins_its_groups(peer, kind, emulator, rest):
    client = peer(kind, "ann")
    old, _ = client.start()
    client.join("room")
    client.join("left")
    client.leave("left")
    # As after a restart of the service: nobody is known any more.
    emulator.reset()
    assert client.next("disconnected") == (old, None)
    new, user_id = client.next("connected")
    assert (new != old, user_id) == (True, "ann")
    emulator.record.wait_for(lambda record: any(type(each.frame).__name__ == "Ack" for each in record.frames))
    rest.send_to_group("left", "unheard", content_type="text/plain")
    rest.send_to_group("room", "heard", content_type="text/plain")
    assert client.next("message") == Message("text", "heard", "room")
    assert [frame.group for frame in received(emulator, "JoinGroup")] == ["room"]


@unreliable_kinds
def test_cut_client_without_reliability_connects_anew_and_rejoins_its_groups(peer, kind, emulator, rest):
    client = peer(kind, "ann")
    old, _ = client.start()
    client.join("room")
    emulator.inject(SocketFault(user_id="ann", drop=True))
    assert client.next("disconnected") == (old, None)
    assert client.next("connected")[0] != old
    emulator.record.wait_for(lambda record: sum(type(each.frame).__name__ == "Ack" for each in record.frames) == 2)
    rest.send_to_group("room", "heard", content_type="text/plain")
    assert client.next("message").data == "heard"
    assert not rest.connection_exists(old)


@each_library
def test_client_that_the_service_closes_is_told_why_and_connects_anew(peer, kind, rest):
    client = peer(kind, "ann")
    old, _ = client.start()
    rest.close_connection(old, reason="Zoë said so")
    assert client.next("disconnected") == (old, "Zoë said so")
    assert client.next("connected")[0] != old


@each_library
def test_client_that_may_not_rejoin_a_group_is_told(peer, kind, emulator, hub):
    with_role = emulator.client_url(hub, "ann", ["webpubsub.joinLeaveGroup"])
    client = peer(kind, urls=[with_role, emulator.client_url(hub, "ann")])
    client.start()
    client.join("room")
    emulator.reset()
    assert client.next("not rejoined") == "room"


@each_library
def test_client_that_must_not_rejoin_stays_out_of_its_groups(peer, kind, emulator, rest):
    client = peer(kind, "ann", rejoin=False)
    client.start()
    client.join("room")
    emulator.reset()
    client.next("connected")
    rest.send_to_user("ann", "hello", content_type="text/plain")
    assert client.next("message").data == "hello"
    assert received(emulator, "JoinGroup") == []
    assert not rest.group_exists("room")


@each_library
def test_client_that_must_not_reconnect_stops_when_the_service_closes_it(peer, kind, rest):
    client = peer(kind, "ann", reconnect=False)
    connection_id, _ = client.start()
    rest.close_connection(connection_id)
    client.next("stopped")
    assert not client.has("connected")


# What only one library has


@pytest.mark.parametrize("kind", ["javascript json", "javascript json.reliable", "newest-javascript json.reliable"])
def test_keep_alive_pings_are_answered(peer, kind, emulator):
    client = peer(kind, "ann", keep_alive=20)
    client.start()
    emulator.record.wait_for(lambda record: sum(type(each.frame).__name__ == "Pong" for each in record.frames) > 2)
    assert not client.has("disconnected")
