"""Each operation of both clients, run against the emulator; what it did is seen at WebSocket clients."""

import io
import json

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from azure.messaging.webpubsubservice import GroupMember
from azure.messaging.webpubsubservice.filters import odata


@pytest.fixture
def entra(connect, entra_service, colour, hub):
    """A client with an identity of Entra ID, at the emulator that takes it."""
    return connect(entra_service.endpoint, colour.token_credential(), hub=hub)


# Sending


def test_send_to_all_reaches_every_connection(client, join):
    one, two = join(), join()
    assert client.send_to_all({"a": [1, "ü"]}) is None
    assert one.data() == two.data() == ("json", {"a": [1, "ü"]})


@pytest.mark.parametrize(
    ("message", "content_type", "received"),
    [
        ("hi", None, ("json", "hi")),
        ("hü €", "text/plain", ("text", "hü €")),
        ({"a": 1}, "text/plain", ("text", '{"a": 1}')),
        (b"\x00\xff", None, ("binary", "AP8=")),
        (io.BytesIO(b"\x00\xff"), None, ("binary", "AP8=")),
        (b'{"a":1}', "application/json", ("json", {"a": 1})),
        (io.StringIO("tëxt"), "text/plain", ("text", "tëxt")),
        (None, None, ("json", None)),
    ],
    ids=range(8),
)
def test_message_arrives_as_it_was_meant(client, join, message, content_type, received):
    if hasattr(message, "seek"):
        message.seek(0)
    socket = join()
    client.send_to_all(message, content_type=content_type)
    assert socket.data() == received


def test_simple_client_gets_the_bytes_as_they_are(client, join):
    socket = join(subprotocol=None)
    client.send_to_all("hü", content_type="text/plain")
    assert socket.receive() == "hü"
    client.send_to_all(b"\x00\xff")
    assert socket.receive() == b"\x00\xff"
    client.send_to_all({"a": 1})
    assert json.loads(socket.receive()) == {"a": 1}


def test_send_to_all_leaves_the_excluded_out(client, join):
    one, two, three = join(), join(), join()
    client.send_to_all("first", excluded=[one.id, two.id])
    client.send_to_all("second")
    assert one.data() == two.data() == ("json", "second")
    assert three.data() == ("json", "first")


def test_send_to_all_reaches_those_that_the_filter_picks(client, join):
    ada, bob = join(user_id="a'da"), join(user_id="bob")
    client.send_to_all("first", filter=odata("userId eq {user}", user="a'da"))
    client.send_to_all("second")
    assert ada.data() == ("json", "first")
    assert bob.data() == ("json", "second")


def test_send_to_group_reaches_its_members_but_for_excluded_and_filtered(client, join):
    one, two, outside = join(user_id="u1", groups=["g"]), join(user_id="u2", groups=["g"]), join(user_id="u3")
    assert client.send_to_group("g", "first") is None
    client.send_to_group("g", "second", excluded=[one.id])
    client.send_to_group("g", "third", filter="userId ne 'u2'")
    client.send_to_all("last")
    assert [one.data()[1] for _ in range(3)] == ["first", "third", "last"]
    assert [two.data()[1] for _ in range(3)] == ["first", "second", "last"]
    assert outside.data()[1] == "last"


def test_send_to_user_reaches_all_connections_of_the_user(client, join):
    one, two, other = join(user_id="ada ü"), join(user_id="ada ü", groups=["g"]), join(user_id="bob")
    assert client.send_to_user("ada ü", "first") is None
    client.send_to_user("ada ü", "second", filter="'g' in groups")
    client.send_to_all("last")
    assert [one.data()[1] for _ in range(2)] == ["first", "last"]
    assert [two.data()[1] for _ in range(3)] == ["first", "second", "last"]
    assert other.data()[1] == "last"


def test_send_to_connection_reaches_it_alone(client, join):
    one, two = join(), join()
    assert client.send_to_connection(one.id, b"x") is None
    client.send_to_all("last")
    assert one.data() == ("binary", "eA==")
    assert one.data() == two.data() == ("json", "last")


def test_time_to_live_reaches_the_service(client, service, hub):
    client.send_to_all("x", message_ttl_seconds=60)
    client.send_to_group("g", "x", message_ttl_seconds=0)
    client.send_to_user("u", "x", message_ttl_seconds=300)
    client.send_to_connection("c", "x", message_ttl_seconds=1)
    seen = [entry.ttl_seconds for entry in service.record.sends if entry.hub == hub]
    assert seen == [60, 0, 300, 1]


def test_sending_to_nobody_is_no_error(client):
    client.send_to_all("x")
    client.send_to_group("nobody", "x")
    client.send_to_user("nobody", "x")
    client.send_to_connection("nobody", "x")


# Existence


def test_exists_is_true_for_who_is_there_and_false_for_who_is_not(client, join):
    socket = join(user_id="ada", groups=["g"])
    for operation, name in (("connection_exists", socket.id), ("user_exists", "ada"), ("group_exists", "g")):
        assert getattr(client, operation)(name) is True
        assert getattr(client, operation)("nobody") is False


# Closing


def test_close_connection_closes_it_alone_with_the_reason(client, join):
    one, two = join(), join()
    assert client.close_connection(one.id, reason="enough ü") is None
    assert one.close_reason() == "enough ü"
    one.closed()
    assert client.connection_exists(one.id) is False
    assert client.connection_exists(two.id) is True
    client.close_connection("nobody")


def test_close_all_connections_leaves_the_excluded(client, join):
    one, two, three = join(), join(), join()
    assert client.close_all_connections(excluded=[two.id], reason="r") is None
    assert one.close_reason() == three.close_reason() == "r"
    one.closed()
    three.closed()
    assert client.connection_exists(two.id) is True


def test_close_group_connections_closes_members(client, join):
    one, two, outside = join(groups=["g"]), join(groups=["g"]), join()
    assert client.close_group_connections("g", excluded=[two.id], reason="r") is None
    assert one.close_reason() == "r"
    one.closed()
    assert client.connection_exists(two.id) is client.connection_exists(outside.id) is True


def test_close_user_connections_closes_the_users(client, join):
    one, two, other = join(user_id="ada"), join(user_id="ada"), join(user_id="bob")
    assert client.close_user_connections("ada", excluded=[two.id], reason="r") is None
    assert one.close_reason() == "r"
    one.closed()
    assert client.connection_exists(two.id) is client.connection_exists(other.id) is True


# Groups


def test_connection_is_put_into_a_group_and_taken_out(client, join):
    one, two = join(), join()
    assert client.add_connection_to_group("g", one.id) is None
    client.send_to_group("g", "first")
    assert client.remove_connection_from_group("g", one.id) is None
    assert client.group_exists("g") is False
    client.send_to_group("g", "nobody hears this")
    client.send_to_all("last")
    assert [one.data()[1], one.data()[1]] == ["first", "last"]
    assert two.data()[1] == "last"
    client.remove_connection_from_group("g", one.id)


def test_connection_is_taken_out_of_every_group(client, join):
    socket = join(groups=["g1", "g2"])
    assert client.group_exists("g1") is client.group_exists("g2") is True
    assert client.remove_connection_from_all_groups(socket.id) is None
    assert client.group_exists("g1") is client.group_exists("g2") is False
    client.remove_connection_from_all_groups("nobody")


def test_user_is_put_into_a_group_and_taken_out(client, join):
    one, two = join(user_id="ada"), join(user_id="ada")
    assert client.add_user_to_group("g", "ada") is None
    assert {member.connection_id for member in client.list_connections("g")} == {one.id, two.id}
    assert client.remove_user_from_group("g", "ada") is None
    assert client.group_exists("g") is False
    client.add_user_to_group("g1", "ada")
    client.add_user_to_group("g2", "ada")
    assert client.remove_user_from_all_groups("ada") is None
    assert client.group_exists("g1") is client.group_exists("g2") is False
    client.remove_user_from_group("g", "nobody")
    client.remove_user_from_all_groups("nobody")


def test_connections_are_put_into_groups_by_filter_and_taken_out(client, join):
    ada, bob = join(user_id="ada"), join(user_id="bob")
    assert client.add_connections_to_groups(["g1", "g2"], "userId eq 'ada'") is None
    for group in ("g1", "g2"):
        assert list(client.list_connections(group)) == [GroupMember(connection_id=ada.id, user_id="ada")]
    client.add_connections_to_groups(["g2"], "")
    assert {member.connection_id for member in client.list_connections("g2")} == {ada.id, bob.id}
    assert client.remove_connections_from_groups(["g1", "g2"], odata("userId eq {u}", u="ada")) is None
    assert client.group_exists("g1") is False
    assert list(client.list_connections("g2")) == [GroupMember(connection_id=bob.id, user_id="bob")]
    client.remove_connections_from_groups(["g2"], "")
    assert client.group_exists("g2") is False


def test_who_is_not_there_cannot_be_put_into_a_group(client):
    with pytest.raises(ResourceNotFoundError) as caught:
        client.add_connection_to_group("g", "nobody")
    assert caught.value.error.code == "Error.Connection.NotExisted"
    with pytest.raises(ResourceNotFoundError) as caught:
        client.add_user_to_group("g", "nobody")
    assert caught.value.error.code == "Warning.User.NotExisted"


# Permissions


@pytest.mark.parametrize("permission", ["sendToGroup", "joinLeaveGroup"])
def test_permission_is_granted_seen_and_revoked(client, join, permission):
    socket = join()
    assert client.has_permission(permission, socket.id, target_name="g") is False
    assert client.grant_permission(permission, socket.id, target_name="g") is None
    assert client.has_permission(permission, socket.id, target_name="g") is True
    assert client.check_permission(permission, socket.id, target_name="g") is True
    assert client.has_permission(permission, socket.id, target_name="other") is False
    assert client.has_permission(permission, socket.id, params={"targetName": "g"}) is True
    assert client.revoke_permission(permission, socket.id, target_name="g") is None
    assert client.has_permission(permission, socket.id, target_name="g") is False


def test_permission_lets_a_connection_do_what_it_names(client, join):
    socket = join()
    client.grant_permission("joinLeaveGroup", socket.id, target_name="g")
    socket.send(type="joinGroup", group="g", ackId=1)
    acknowledged = socket.receive()
    assert (acknowledged["type"], acknowledged["success"]) == ("ack", True)
    assert client.group_exists("g") is True


def test_permission_of_who_is_not_there(client):
    with pytest.raises(ResourceNotFoundError) as caught:
        client.grant_permission("sendToGroup", "nobody", target_name="g")
    assert caught.value.error.code == "Info.Connection.NotExisted"
    assert client.has_permission("sendToGroup", "nobody", target_name="g") is False
    client.revoke_permission("sendToGroup", "nobody", target_name="g")


@pytest.mark.parametrize("operation", ["grant_permission", "revoke_permission", "has_permission"])
def test_permission_of_another_kind_is_refused_by_the_service(client, join, operation):
    with pytest.raises(HttpResponseError) as caught:
        getattr(client, operation)("somethingNew", join().id)
    assert caught.value.status_code in {400, 404}


# Health


def test_service_is_healthy_also_for_a_client_without_a_hub(connect, service):
    client = connect(service.endpoint, AzureKeyCredential(service.access_key))
    assert client.get_service_status() is True


# Tokens


def test_client_connects_with_a_token_signed_here(client, sockets):
    token = client.get_client_access_token(user_id="ada", roles=["webpubsub.joinLeaveGroup"], groups=["g"])
    socket = sockets(token["url"])
    assert socket.user_id == "ada"
    assert list(client.list_connections("g")) == [GroupMember(connection_id=socket.id, user_id="ada")]
    socket.send(type="joinGroup", group="other", ackId=1)
    assert socket.receive()["success"] is True


@pytest.mark.parametrize("name", ["a", "Z`,.[1]_"])
def test_client_connects_to_a_hub_with_any_name(client, sockets, name):
    socket = sockets(client.get_client_access_token(hub=name)["url"])
    assert client.connection_exists(socket.id, hub=name) is True


def test_client_connects_with_a_token_that_the_service_minted(entra, sockets):
    token = entra.get_client_access_token(
        user_id="ada", roles=["webpubsub.sendToGroup"], groups=["g"], minutes_to_expire=7
    )
    assert list(token) == ["baseUrl", "token", "url"]
    assert token["url"] == f"{token['baseUrl']}?access_token={token['token']}"
    claims = jwt.decode(token["token"], options={"verify_signature": False})
    assert claims["sub"] == "ada"
    assert claims["role"] == ["webpubsub.sendToGroup"]
    assert claims["webpubsub.group"] == ["g"]
    assert claims["exp"] - claims["iat"] == 420
    socket = sockets(token["url"])
    assert socket.user_id == "ada"
    assert list(entra.list_connections("g")) == [GroupMember(connection_id=socket.id, user_id="ada")]


def test_token_is_minted_bare_too(entra, entra_service, hub, sockets):
    token = entra.generate_client_token(user_id="bob", groups=["g"], roles=[], minutes_to_expire=1)
    assert list(token) == ["token"]
    url = f"ws{entra_service.endpoint.removeprefix('http')}/client/hubs/{hub}?access_token={token['token']}"
    assert sockets(url).user_id == "bob"


def test_access_key_cannot_have_a_token_minted(client):
    with pytest.raises(ClientAuthenticationError, match="generateToken takes Microsoft Entra tokens only"):
        client.generate_client_token()


def test_headers_of_a_minted_token_cannot_be_chosen(entra):
    with pytest.raises(ValueError, match="jwt_headers needs an access key"):
        entra.get_client_access_token(jwt_headers={"kid": "1"})


def test_identity_of_entra_id_does_all_that_a_key_does(entra, entra_service, colour, hub, sockets):
    socket = sockets(entra_service.client_url(hub, user_id="ada"))
    entra.send_to_user("ada", "hi")
    assert socket.data() == ("json", "hi")
    assert entra.user_exists("ada") is True
    assert entra.client._config.credential.scopes[0] == ("https://webpubsub.azure.com/.default",)


def test_scope_of_entra_id_can_be_chosen(connect, entra_service, colour, hub):
    credential = colour.token_credential()
    client = connect(entra_service.endpoint, credential, hub=hub, credential_scopes=["https://other/.default"])
    client.send_to_all("x")
    assert credential.scopes == [("https://other/.default",)]
