"""The published service clients, as they are, against the emulator: every operation that they have."""

import re
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

import jwt
from interop_driver import Stream
from interop_services import KINDS, JavaScriptService, PublishedService, ServiceError

from azure.messaging.webpubsubservice.emulator import RestFault, WebPubSubEmulator

pytestmark = pytest.mark.interop

PYTHON = KINDS[:2]


@pytest.fixture(params=KINDS)
def publisher(request, publish):
    """A published service client of each kind."""
    return publish(request.param)


@pytest.fixture(params=PYTHON)
def python_publisher(request, publish):
    """What only Python's clients can do."""
    return publish(request.param)


@pytest.fixture
def javascript_publisher(publish):
    """What only the JavaScript client can do."""
    return publish("javascript")


# Sending


@pytest.mark.parametrize(
    ("message", "options", "expected"),
    [
        ({"a": [1, None, "Zoë"]}, {}, ("json", {"a": [1, None, "Zoë"]})),
        ("Zoë", {}, ("json", "Zoë")),
        ("Zoe", {"content_type": "text/plain"}, ("text", "Zoe")),
    ],
)
def test_message_arrives_with_its_type_wherever_it_is_sent(publisher, join, message, options, expected):
    receiver = join("ann", groups=["room"])
    publisher.send_to_all(message, **options)
    publisher.send_to_group("room", message, **options)
    publisher.send_to_user("ann", message, **options)
    publisher.send_to_connection(receiver.id, message, **options)
    assert [receiver.data() for _ in range(4)] == [expected] * 4


def test_bytes_arrive_as_bytes(python_publisher, join):
    receiver = join("ann", groups=["room"])
    binary = {"content_type": "application/octet-stream"}
    python_publisher.send_to_all(b"\x00\xff", **binary)
    python_publisher.send_to_group("room", Stream(b"\x00\xff"), **binary)
    python_publisher.send_to_user("ann", b"\x00\xff", **binary)
    python_publisher.send_to_connection(receiver.id, b"\x00\xff", **binary)
    assert [receiver.data() for _ in range(4)] == [("binary", "AP8=")] * 4


def test_array_buffers_arrive_as_bytes(javascript_publisher, join):
    receiver = join("ann", groups=["room"])
    javascript_publisher.send_to_all(b"\x00\xff")
    javascript_publisher.send_to_group("room", b"\x00\xff")
    javascript_publisher.send_to_user("ann", b"\x00\xff")
    javascript_publisher.send_to_connection(receiver.id, b"\x00\xff")
    assert [receiver.data() for _ in range(4)] == [("binary", "AP8=")] * 4


def test_text_that_is_not_ascii_arrives(publish, join):
    receiver = join("ann")
    for kind in ("python 1.3.0", "javascript"):
        publish(kind).send_to_all("Zoë \U0001f600", content_type="text/plain")
        assert receiver.data() == ("text", "Zoë \U0001f600")


def test_text_arrives_as_far_as_the_asynchronous_1_3_0_sends_it(publish, join):
    # It counts characters for Content-Length, and aiohttp sends so many bytes: its defect, not the emulator's.
    receiver = join("ann")
    publish("python 1.3.0 aio").send_to_all("Zoë!", content_type="text/plain")
    assert receiver.data() == ("text", "Zoë")


def test_excluded_connections_and_filters_leave_out(publisher, join, emulator):
    first, second = join("ann", groups=["room"]), join("bob", groups=["room"])
    publisher.send_to_all("1", excluded=[first.id, str(uuid.uuid4())])
    publisher.send_to_group("room", "2", excluded=[first.id])
    publisher.send_to_all("3", filter="userId eq 'bob' and 'room' in groups")
    publisher.send_to_group("room", "4", filter="userId ne 'ann'")
    publisher.send_to_user("bob", "5", filter=f"connectionId eq '{second.id}'")
    assert [second.data()[1] for _ in range(5)] == ["1", "2", "3", "4", "5"]
    publisher.send_to_all("last")
    assert first.data() == ("json", "last")


def test_message_lifetime_is_passed_on(javascript_publisher, join, emulator):
    receiver = join("ann")
    javascript_publisher.send_to_all("1", message_ttl_seconds=1)
    javascript_publisher.send_to_group("room", "2", message_ttl_seconds=2)
    javascript_publisher.send_to_user("ann", "3", message_ttl_seconds=300)
    javascript_publisher.send_to_connection(receiver.id, "4", message_ttl_seconds=4)
    assert [each.ttl_seconds for each in emulator.record.sends] == [1, 2, 300, 4]


def test_message_to_nobody_is_accepted(publisher, emulator):
    publisher.send_to_all("x")
    publisher.send_to_group("nobody", "x")
    publisher.send_to_user("nobody", "x")
    publisher.send_to_connection("nobody", "x")
    assert len(emulator.record.sends) == 4


def test_names_are_escaped(publisher, join):
    group, user = "a/ü%20?#&+'\"", "Zoë:@ [x]"
    receiver = join(user, groups=["plus+ and space"])
    publisher.send_to_group("plus+ and space", "1")
    publisher.send_to_user(user, "2")
    assert [receiver.data()[1], receiver.data()[1]] == ["1", "2"]
    assert publisher.user_exists(user) is True
    publisher.add_connection_to_group(group.replace("/", ""), receiver.id)
    assert publisher.group_exists(group.replace("/", "")) is True


def test_filter_text_of_the_javascript_builder_means_what_it_says(node, javascript_publisher, join):
    receiver = join("o'neil")
    text = node.call("odata", parts=["userId eq ", " and length(userId) gt ", ""], values=["o'neil", 5])
    javascript_publisher.send_to_all("x", filter=text)
    assert receiver.data() == ("json", "x")


# Groups, users, connections


def test_connection_joins_and_leaves_groups(publisher, join):
    member = join("ann")
    publisher.add_connection_to_group("room", member.id)
    assert publisher.group_exists("room") is True
    publisher.remove_connection_from_group("room", member.id)
    assert publisher.group_exists("room") is False
    for group in ("a", "b"):
        publisher.add_connection_to_group(group, member.id)
    publisher.remove_connection_from_all_groups(member.id)
    assert [publisher.group_exists(group) for group in ("a", "b")] == [False, False]


def test_user_joins_and_leaves_groups_with_every_connection(publisher, join):
    join("ann"), join("ann"), join("bob")
    publisher.add_user_to_group("room", "ann")
    assert [user for _, user in publisher.list_connections(group="room")] == ["ann", "ann"]
    publisher.remove_user_from_group("room", "ann")
    assert publisher.list_connections(group="room") == []
    for group in ("a", "b"):
        publisher.add_user_to_group(group, "ann")
    publisher.remove_user_from_all_groups("ann")
    assert [publisher.group_exists(group) for group in ("a", "b")] == [False, False]


def test_connections_join_and_leave_groups_by_a_filter(javascript_publisher, join):
    join("ann"), join("bob")
    javascript_publisher.add_connections_to_groups(["a", "b"], "userId eq 'ann'")
    assert [user for _, user in javascript_publisher.list_connections(group="b")] == ["ann"]
    javascript_publisher.remove_connections_from_groups(["a", "b"], "'a' in groups")
    assert [javascript_publisher.group_exists(group) for group in ("a", "b")] == [False, False]


def test_existence_is_told(publisher, join):
    present = join("ann", groups=["room"])
    assert [publisher.connection_exists(present.id), publisher.connection_exists("nobody")] == [True, False]
    assert [publisher.user_exists("ann"), publisher.user_exists("nobody")] == [True, False]
    assert [publisher.group_exists("room"), publisher.group_exists("nothing")] == [True, False]


def test_members_are_listed_page_by_page(publisher, join):
    members = {join(user, groups=["room"]).id: user for user in ("ann", "bob", None)}
    assert dict(publisher.list_connections(group="room")) == members
    assert len(publisher.list_connections(group="room", top=2)) == 2
    assert publisher.list_connections(group="nothing") == []


def test_pages_have_the_size_asked_for(publisher, join):
    for _ in range(5):
        join("ann", groups=["ro om"])
    pages = publisher.list_connections(group="ro om", pages=True, maxpagesize=2)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({connection_id for page in pages for connection_id, _ in page}) == 5


# Permissions


def test_permission_is_granted_checked_and_revoked(publisher, join):
    client = join("ann")

    def has():
        return publisher.has_permission("sendToGroup", client.id, target_name="ro om")

    assert has() is False
    publisher.grant_permission("sendToGroup", client.id, target_name="ro om")
    assert has() is True
    client.send(type="sendToGroup", group="ro om", ackId=1, dataType="text", data="x")
    assert client.receive() == {"type": "ack", "ackId": 1, "success": True}
    publisher.revoke_permission("sendToGroup", client.id, target_name="ro om")
    assert has() is False
    assert publisher.has_permission("joinLeaveGroup", client.id, target_name="ro om") is False


# Closing


def test_connection_is_closed_with_a_reason(publisher, join):
    closed, other = join("ann"), join("bob")
    publisher.close_connection(closed.id, reason="Zoë & co")
    assert (closed.close_reason(), closed.closed()) == ("Zoë & co", 1000)
    assert publisher.connection_exists(other.id) is True


def test_connections_of_hub_group_and_user_are_closed(publisher, join):
    in_group, of_user, of_hub = join("ann", groups=["room"]), join("bob"), join("eve")
    publisher.close_group_connections("room", reason="group")
    assert (in_group.close_reason(), in_group.closed()) == ("group", 1000)
    publisher.close_user_connections("bob", reason="user")
    assert (of_user.close_reason(), of_user.closed()) == ("user", 1000)
    publisher.close_all_connections(reason="hub")
    assert (of_hub.close_reason(), of_hub.closed()) == ("hub", 1000)


def test_excluded_connections_are_not_closed(python_publisher, join):
    kept, closed = join("ann", groups=["room"]), join("ann", groups=["room"])
    python_publisher.close_group_connections("room", excluded=[kept.id, closed.id])
    python_publisher.close_user_connections("ann", excluded=[kept.id, closed.id])
    python_publisher.close_all_connections(excluded=[kept.id])
    assert closed.close_reason() == ""
    assert [python_publisher.connection_exists(each.id) for each in (kept, closed)] == [True, False]


# Client access


def test_access_token_lets_a_client_in_as_it_says(publisher, sockets, emulator, hub):
    access = publisher.get_client_access_token(
        user_id="Zoë", roles=["webpubsub.joinLeaveGroup"], groups=["room"], minutes_to_expire=5
    )
    base_url = f"{emulator.endpoint.replace('http', 'ws')}/client/hubs/{hub}"
    assert set(access) == {"baseUrl", "token", "url"}
    assert (access["baseUrl"], access["url"]) == (base_url, f"{base_url}?access_token={access['token']}")
    client = sockets(access["url"])
    assert (client.user_id, publisher.connection_exists(client.id), publisher.group_exists("room")) == (
        "Zoë",
        True,
        True,
    )
    client.send(type="joinGroup", group="any", ackId=1)
    assert client.receive()["success"] is True


def test_socket_io_urls_are_told_what_the_emulator_has_not(publisher, emulator):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    url = publisher.get_client_access_token(client_protocol="socketio")["url"]
    assert urlsplit(url).path.startswith("/clients/socketio/hubs/")
    with pytest.raises(InvalidStatus) as met, connect(url, proxy=None):
        pass
    assert met.value.response.status_code == 501


def test_mqtt_url_lets_an_mqtt_client_in(publisher, emulator):
    from websockets.sync.client import connect

    url = publisher.get_client_access_token(client_protocol="mqtt")["url"]
    assert urlsplit(url).path.startswith("/clients/mqtt/hubs/")
    with connect(url, proxy=None, subprotocols=["mqtt"]) as client:
        client.send(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03ann")
        assert client.recv(timeout=5) == b"\x20\x02\x00\x00"


@pytest.mark.parametrize("colour", ["sync", "aio"])
def test_token_of_an_entra_caller_is_minted_by_the_service(published, sockets, hub, colour):
    with WebPubSubEmulator(accept_entra_tokens=True) as emulator:
        publisher = PublishedService(published, colour, "endpoint", emulator.endpoint, hub, None)
        # azure-core gives bearer tokens to plain http only when told so.
        access = publisher.get_client_access_token(
            user_id="ann", roles=["webpubsub.sendToGroup"], groups=["g"], minutes_to_expire=5, enforce_https=False
        )
        claims = jwt.decode(access["token"], options={"verify_signature": False})
        assert (claims["sub"], claims["role"], claims["webpubsub.group"]) == ("ann", ["webpubsub.sendToGroup"], ["g"])
        client = sockets(access["url"])
        assert client.user_id == "ann"
        publisher.send_to_group("g", "x", enforce_https=False)
        assert client.data() == ("json", "x")
        publisher.dismiss()


# Refusals


def test_missing_targets_are_errors_where_the_service_says_so(publisher):
    with pytest.raises(ServiceError) as met:
        publisher.add_connection_to_group("room", "nobody")
    assert met.value.status == 404
    with pytest.raises(ServiceError) as met:
        publisher.add_user_to_group("room", "nobody")
    assert met.value.status == 404
    with pytest.raises(ServiceError) as met:
        publisher.grant_permission("sendToGroup", "nobody", target_name="room")
    assert met.value.status == 404
    # What is not there need not be taken away.
    publisher.close_connection("nobody")
    publisher.remove_connection_from_group("room", "nobody")
    publisher.remove_connection_from_all_groups("nobody")
    publisher.remove_user_from_group("room", "nobody")
    publisher.remove_user_from_all_groups("nobody")
    publisher.revoke_permission("sendToGroup", "nobody", target_name="room")
    assert publisher.has_permission("sendToGroup", "nobody", target_name="room") is False


def test_bad_filter_is_refused_with_the_services_words(publisher):
    with pytest.raises(ServiceError) as met:
        publisher.send_to_all("x", filter="invalid filter")
    assert met.value.status == 400
    assert "Invalid syntax for 'invalid filter': Syntax error at position" in met.value.message


def test_wrong_key_is_refused(publish, published, node, emulator, hub):
    wrong = emulator.connection_string.replace(emulator.access_key, "A" * 44)
    clients = [PublishedService(published, colour, "connection_string", wrong, hub) for colour in ("sync", "aio")]
    for client in (*clients, JavaScriptService(node, wrong, hub)):
        with pytest.raises(ServiceError) as met:
            client.user_exists("ann")
        assert met.value.status == 401
        client.dismiss()


def test_client_with_endpoint_and_credential_is_as_good(published, emulator, hub, join):
    receiver = join("ann")
    for colour in ("sync", "aio"):
        client = PublishedService(published, colour, "endpoint", emulator.endpoint, hub, emulator.access_key)
        client.send_to_all(colour)
        assert receiver.data() == ("json", colour)
        client.dismiss()


def test_throttled_request_is_tried_again(python_publisher, emulator, join):
    receiver = join("ann")
    emulator.inject(RestFault(path="*/:send", status=429, retry_after=0.01))
    python_publisher.send_to_all("x")
    assert receiver.data() == ("json", "x")


# Completeness


def used_operations():
    source = Path(__file__).read_text(encoding="utf-8")
    return set(re.findall(r"publisher\.(\w+)\(", source))


@pytest.mark.parametrize("kind", PYTHON)
def test_every_operation_of_the_published_python_client_is_used_here(publish, kind):
    # What is left is no operation of the service.
    operations = publish(kind).operations() - {"close", "from_connection_string", "send_request"}
    assert len(operations) == 22
    assert operations <= used_operations()


def test_every_operation_of_the_published_javascript_client_is_used_here(publish):
    client = publish("javascript")
    assert client.operations() == client.translated()
    assert set(client.names()) <= used_operations()
