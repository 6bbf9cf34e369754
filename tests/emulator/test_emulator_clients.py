"""WebSocket clients on real sockets. The facts are in docs/service-facts.md."""

import base64
import contextlib
import json

import pytest
from emulator_peers import WAIT, frame, tell
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

RELIABLE = "json.reliable.webpubsub.azure.v1"
ROLES = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]


def closed(socket):
    """What the client gets until it is closed, and the close frame."""
    found = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            found.append(socket.recv(timeout=WAIT))
    return found, socket.protocol.close_rcvd


def recover(open_socket, emulator, client, **options):
    token = client.connected_frame["reconnectionToken"]
    query = f"?awps_connection_id={client.connection_id}&awps_reconnection_token={token}"
    url = f"ws://127.0.0.1:{emulator.port}/client/hubs/chat{query}"
    return open_socket(protocol=RELIABLE, url=url, **options)


def drop(emulator, client):
    """Cut the TCP connection under a client and wait until both sides know."""
    from azure.messaging.webpubsubservice.emulator import SocketFault

    emulator.inject(SocketFault(connection_id=client.connection_id, drop=True))
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=WAIT)


# Negotiation


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["json.webpubsub.azure.v1"], "json.webpubsub.azure.v1"),
        (["JSON.WebPubSub.azure.v1"], "JSON.WebPubSub.azure.v1"),
        (["mine", RELIABLE, "json.webpubsub.azure.v1"], RELIABLE),
        (["protobuf.webpubsub.azure.v1"], "protobuf.webpubsub.azure.v1"),
        (["mine"], None),
        ([], None),
    ],
)
def test_first_known_subprotocol_is_chosen_and_echoed_as_it_was_spelt(emulator, offered, chosen):
    with connect(emulator.client_url("chat"), subprotocols=offered or None, proxy=None) as client:
        assert client.subprotocol == chosen


def test_connection_ids_have_31_url_safe_characters(open_socket):
    names = {open_socket().connection_id for _ in range(3)}
    assert len(names) == 3
    assert all(len(name) == 31 and set(name) <= set(base64_url()) for name in names)


def base64_url():
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 400),
        ("Upgrade: websocket\r\n", 400),
        ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", 400),
        (
            (
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            ),
            400,
        ),
    ],
)
def test_request_that_is_no_websocket_handshake_gets_400(rest, headers, status):
    target = rest.emulator.client_url("chat").partition(str(rest.emulator.port))[2]
    answer = rest.raw(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Connection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


# Simple clients


def test_simple_client_gets_nothing_on_connect(open_socket, rest):
    client = open_socket(protocol=None)
    rest("POST", "/api/hubs/chat/:send", b"first", "text/plain")
    assert client.recv(timeout=WAIT) == "first"


def test_simple_client_without_a_handler_is_closed_with_1000_and_no_reason(open_socket, caplog):
    client = open_socket(protocol=None)
    client.send("hello")
    found, close = closed(client)
    assert (found, close.code, close.reason) == ([], 1000, "")
    assert "Upstream not found for hub:chat,event:message,type:user,category:messages" in caplog.text


def test_simple_client_in_send_to_group_mode_publishes_every_frame(open_socket):
    sender = open_socket(
        protocol=None, groups=["g"], roles=ROLES, query="&webpubsub_mode=SENDTOGROUP&group=g&noEcho=true"
    )
    other, wrapped = open_socket(protocol=None, groups=["g"]), open_socket(groups=["g"])
    sender.send("text")
    sender.send(b"\x00")
    assert [other.recv(timeout=WAIT), other.recv(timeout=WAIT)] == ["text", b"\x00"]
    assert [frame(wrapped)["data"], frame(wrapped)["data"]] == ["text", "AA=="]
    echoed = open_socket(protocol=None, groups=["h"], roles=ROLES, query="&webpubsub_mode=sendToGroup&group=h")
    echoed.send("back")
    assert echoed.recv(timeout=WAIT) == "back"


def test_simple_client_in_send_to_group_mode_needs_the_role(open_socket):
    client = open_socket(protocol=None, query="&webpubsub_mode=sendToGroup&group=g")
    client.send("x")
    _, close = closed(client)
    assert (close.code, close.reason) == (1008, "The connection is not authorized for raw sendToGroup mode.")


@pytest.mark.parametrize(
    "query", ["&webpubsub_mode=sendToGroup", "&webpubsub_mode=sendToGroup&group=a&group=b", "&webpubsub_mode=fly"]
)
def test_simple_client_with_a_bad_mode_gets_400(open_socket, query):
    with pytest.raises(InvalidStatus) as caught:
        open_socket(protocol=None, query=query)
    assert caught.value.response.status_code == 400


# The JSON subprotocol


def test_group_messages_go_from_client_to_client_in_every_form(open_socket):
    sender = open_socket(user_id="ann", roles=ROLES)
    wrapped, bare = open_socket(groups=["g"]), open_socket(protocol=None, groups=["g"])
    for data_type, data, raw in [
        ("json", {"a": [1, None]}, '{"a":[1,null]}'),
        ("text", "hé", "hé"),
        ("binary", base64.b64encode(b"\x00\x01").decode(), b"\x00\x01"),
        ("protobuf", base64.b64encode(b"\x0a\x00").decode(), b"\x0a\x00"),
    ]:
        tell(sender, type="sendToGroup", group="g", dataType=data_type, data=data)
        assert frame(wrapped) == {
            "type": "message",
            "from": "group",
            "group": "g",
            "fromUserId": "ann",
            "dataType": data_type,
            "data": data,
        }
        assert bare.recv(timeout=WAIT) == raw


def test_join_publish_and_leave_are_acknowledged(open_socket):
    client = open_socket(roles=ROLES)
    tell(client, type="joinGroup", group="g", ackId=1)
    assert frame(client) == {"type": "ack", "ackId": 1, "success": True}
    tell(client, type="sendToGroup", group="g", dataType="text", data="x", ackId=2)
    assert frame(client)["data"] == "x"
    assert frame(client) == {"type": "ack", "ackId": 2, "success": True}
    tell(client, type="leaveGroup", group="g", ackId=3)
    assert frame(client) == {"type": "ack", "ackId": 3, "success": True}
    tell(client, type="sendToGroup", group="g", dataType="text", data="x", ackId=4)
    assert frame(client) == {"type": "ack", "ackId": 4, "success": True}


def test_ping_gets_a_pong_and_a_websocket_ping_too(open_socket):
    client = open_socket()
    tell(client, type="ping")
    assert client.recv(timeout=WAIT) == '{"type":"pong"}'
    assert client.ping().wait(WAIT)


def test_runtime_grant_allows_what_the_token_did_not(open_socket, rest):
    client = open_socket()
    tell(client, type="joinGroup", group="g", ackId=1)
    assert frame(client)["error"]["name"] == "Forbidden"
    path = f"/api/hubs/chat/permissions/joinLeaveGroup/connections/{client.connection_id}?targetName=g"
    assert rest("PUT", path).status == 200
    tell(client, type="joinGroup", group="g", ackId=1)
    assert frame(client)["success"] is True


def test_event_without_a_handler_fails_its_ack_and_the_client_stays(open_socket):
    client = open_socket()
    tell(client, type="event", event="e", data=1, ackId=1)
    assert frame(client) == {
        "type": "ack",
        "ackId": 1,
        "success": False,
        "error": {"name": "InternalServerError", "message": "Internal server error"},
    }
    tell(client, type="ping")
    assert frame(client) == {"type": "pong"}


def test_utf8_in_a_binary_message_is_accepted(open_socket):  # 12
    client = open_socket()
    client.send(b'{"type":"ping"}')
    assert frame(client) == {"type": "pong"}


def test_binary_message_is_refused_under_the_strict_switch(open_socket):
    with WebPubSubEmulator(text_frames_only=True) as strict:
        client = open_socket(at=strict)
        client.send(b'{"type":"ping"}')
        _, close = closed(client)
        assert close.code == 1003


@pytest.mark.parametrize("protocol", ["json.webpubsub.azure.v1", RELIABLE])
def test_malformed_frame_is_explained_and_closed_with_1007(open_socket, protocol):  # 3.5, 12
    client = open_socket(protocol=protocol)
    client.send("nonsense")
    found, close = closed(client)
    text = "The client message is not a valid JSON protocol message."
    assert [json.loads(each) for each in found] == [{"type": "system", "event": "disconnected", "message": text}]
    assert close.code == 1007


def test_message_over_one_mebibyte_is_explained_and_closed_with_1009(open_socket):
    client = open_socket(roles=ROLES, groups=["g"])
    head = '{"type":"sendToGroup","group":"g","dataType":"text","data":"'
    client.send(head + "x" * (1024 * 1024 - len(head) - 2) + '"}')
    assert len(frame(client)["data"]) == 1024 * 1024 - len(head) - 2
    client.send("x" * (1024 * 1024 + 1))
    found, close = closed(client)
    assert json.loads(found[0])["message"] == "The client message is too large."
    assert close.code == 1009


def test_fragments_are_joined(open_socket):
    client = open_socket()
    client.send(iter(['{"type":', '"ping"}']))
    assert frame(client) == {"type": "pong"}


def test_client_that_says_goodbye_gets_its_code_back_and_is_gone(open_socket, emulator, rest):
    client = open_socket(user_id="ann")
    client.close(4001, "done")
    assert client.close_code == 4001
    assert rest("HEAD", "/api/hubs/chat/users/ann").status == 404


# Reliable protocols


def test_connection_is_recovered_with_what_it_missed(open_socket, emulator, rest):
    client = open_socket(protocol=RELIABLE, user_id="ann", groups=["g"], roles=ROLES)
    rest("POST", "/api/hubs/chat/:send", b"1", "text/plain")
    rest("POST", "/api/hubs/chat/:send", b"2", "text/plain")
    assert [frame(client)["sequenceId"], frame(client)["sequenceId"]] == [1, 2]
    tell(client, type="sequenceAck", sequenceId=1)
    tell(client, type="ping")
    assert frame(client) == {"type": "pong"}
    drop(emulator, client)
    rest("POST", "/api/hubs/chat/groups/g/:send", b"3", "text/plain")
    again = recover(open_socket, emulator, client)
    greeting = frame(again)
    assert (greeting["event"], greeting["connectionId"]) == ("connected", client.connection_id)
    assert greeting["reconnectionToken"] == client.connected_frame["reconnectionToken"]
    missed = [frame(again), frame(again)]
    assert [(each["sequenceId"], each["data"], each["from"]) for each in missed] == [
        (2, "2", "server"),
        (3, "3", "group"),
    ]
    assert again.subprotocol == RELIABLE


def test_recovery_wins_over_the_old_socket(open_socket, emulator):
    client = open_socket(protocol=RELIABLE)
    again = recover(open_socket, emulator, client)
    assert frame(again)["connectionId"] == client.connection_id
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=WAIT)
    tell(again, type="ping")
    assert frame(again) == {"type": "pong"}


@pytest.mark.parametrize("code", [1000, None])
def test_recovery_is_refused_with_1008_after_a_goodbye(open_socket, emulator, rest, code):
    client = open_socket(protocol=RELIABLE, user_id="ann")
    if code is None:
        # An empty close frame, as browsers send it; websockets has no way to say so.
        client.protocol.send_close()
        client.socket.sendall(b"".join(client.protocol.data_to_send()))
        closed(client)
    else:
        client.close(code)
    assert rest("HEAD", "/api/hubs/chat/users/ann").status == 404
    found, close = closed(recover(open_socket, emulator, client))
    assert (found, close.code, close.reason) == ([], 1008, "The connection could not be recovered.")


def test_recovery_is_refused_with_1008_after_a_rest_close(open_socket, emulator, rest):
    client = open_socket(protocol=RELIABLE)
    rest("DELETE", f"/api/hubs/chat/connections/{client.connection_id}")
    closed(client)
    _, close = closed(recover(open_socket, emulator, client))
    assert close.code == 1008


def test_other_close_code_leaves_the_connection_to_be_recovered(open_socket, emulator):
    client = open_socket(protocol=RELIABLE)
    client.close(1011)
    assert frame(recover(open_socket, emulator, client))["connectionId"] == client.connection_id


# Not there


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ({"type": "invoke", "invocationId": "1", "target": "hub", "event": "e"}, "invokeResponse"),
        ({"type": "sendToGroup", "group": "g", "stream": {"streamId": "s"}}, "streamClosed"),
        ({"type": "setGroupState", "group": "g", "ackId": 1}, "ack"),
    ],
)
def test_preview_that_is_refused_is_answered_and_the_client_stays(open_socket, sent, answer):
    client = open_socket()
    tell(client, **sent)
    reply = frame(client)
    assert reply["type"] == answer
    assert reply["error"]["name"] == ("BadRequest" if answer == "invokeResponse" else "Forbidden")
    tell(client, type="ping")
    assert frame(client) == {"type": "pong"}
