import base64
import dataclasses
import json

import pytest
from event_requests import KEY, connect_event, connected_event, disconnected_event, group_event, user_event

from azure.messaging.webpubsubservice.eventhandler import (
    ClientCertificate,
    ConnectedRequest,
    ConnectionContext,
    ConnectRequest,
    DisconnectedRequest,
    GroupJoinedRequest,
    GroupLeftRequest,
    MqttConnectProperties,
    MqttContext,
    MqttDisconnectProperties,
    UserEventRequest,
    WebPubSubEventHandler,
)


def received(request):
    """Return the event a handler's functions get for a request."""
    events = []
    handler = WebPubSubEventHandler(access_key=KEY)
    for register in (handler.on_connect, handler.on_connected, handler.on_disconnected, handler.on_event):
        register(events.append)
    for register in (handler.on_group_joined, handler.on_group_left):
        register(events.append)
    response = handler.handle(*request)
    assert response.status in (200, 204), response.body
    (event,) = events
    return event


def test_connect_carries_what_the_client_brought():
    event = received(
        connect_event(
            {
                "claims": {"sub": ["ann"], "role": ["a", "b"]},
                "query": {"room": ["1", "2"], "empty": []},
                "headers": {"User-Agent": ["x"], "Origin": ["https://y"]},
                "subprotocols": ["p1", "p2"],
                "clientCertificates": [{"thumbprint": "T", "content": "PEM"}],
            },
            ce_userId="ann",
        )
    )
    assert isinstance(event, ConnectRequest)
    assert event.claims == {"sub": ["ann"], "role": ["a", "b"]}
    assert event.query == {"room": ["1", "2"], "empty": []}
    assert dict(event.headers) == {"User-Agent": ["x"], "Origin": ["https://y"]}
    assert event.subprotocols == ["p1", "p2"]
    assert event.client_certificates == [ClientCertificate("T", "PEM")]
    assert event.mqtt is None


@pytest.mark.parametrize(("name", "kind"), [("joined", GroupJoinedRequest), ("left", GroupLeftRequest)])
@pytest.mark.parametrize("group", ["room", "a/b", "Zoë 李", " x"])
def test_group_event_tells_who_and_which_group(name, kind, group):
    body = json.dumps({"group": group}).encode()
    event = received(group_event(name, body, ce_userId="ann"))
    assert type(event) is kind
    assert (event.group, event.event_name, event.user_id, event.hub) == (group, name, "ann", "chat")


def test_group_events_reach_a_function_each_and_no_user_event():
    handler = WebPubSubEventHandler(access_key=KEY)
    seen = []
    handler.on_group_joined(lambda event: seen.append(("joined", event.group)))
    handler.on_event("joined")(lambda event: seen.append(("user", event.data)))
    requests = [group_event("joined"), group_event("left"), user_event(name="joined")]
    assert [handler.handle(*request).status for request in requests] == [200, 200, 204]
    assert seen == [("joined", "room"), ("user", "hello")]
    handler.on_group_left(lambda event: seen.append(("left", event.group)))
    assert handler.handle(*group_event("left")).status == 200
    assert seen[-1] == ("left", "room")
    for register in (handler.on_group_joined, handler.on_group_left):
        with pytest.raises(ValueError, match="has a function already"):
            register(seen.append)


@pytest.mark.parametrize("request_", [connect_event, connected_event, disconnected_event, user_event])
def test_socket_io_connection_tells_its_namespace_and_socket(request_):
    context = received(request_(ce_namespace="/admin", ce_socketId="s1")).context
    assert (context.namespace, context.socket_id) == ("/admin", "s1")
    context = received(request_()).context
    assert (context.namespace, context.socket_id) == (None, None)


def test_connect_headers_do_not_depend_on_letter_case():
    event = received(connect_event({"headers": {"User-Agent": ["x"]}}))
    assert event.headers["user-agent"] == ["x"]
    assert event.headers.get("USER-AGENT") == ["x"]
    assert "origin" not in event.headers
    assert list(event.headers) == ["User-Agent"]
    assert repr(event.headers) == "<CaseInsensitiveMapping ['User-Agent']>"


def test_connect_body_may_leave_fields_out():
    event = received(("POST", connect_event()[1], b'{"claims":null,"query":{"q":"one"}}'))
    assert (event.claims, event.query, event.subprotocols) == ({}, {"q": ["one"]}, [])


def test_connect_repr_shows_no_query_headers_or_claims():
    event = received(
        connect_event({"query": {"t": ["SECRET"]}, "headers": {"Cookie": ["SECRET"]}, "claims": {"c": ["SECRET"]}})
    )
    assert "SECRET" not in repr(event)
    assert "conn1" in repr(event)


def test_context_carries_the_connection():
    state = base64.b64encode(b'{"n":1}').decode()
    event = received(
        user_event(
            ce_userId="ann", ce_subprotocol="p1", ce_connectionState=state, **{"X-WebPubSub-Metadata-Key": "value"}
        )
    )
    assert event.context == ConnectionContext(
        hub="chat",
        connection_id="conn1",
        event_name="message",
        user_id="ann",
        subprotocol="p1",
        origin="example.webpubsub.azure.com",
        event_id="1",
        states={"n": 1},
        metadata={"key": "value"},
    )
    assert (event.hub, event.connection_id, event.user_id, event.event_name) == ("chat", "conn1", "ann", "message")
    assert event.states == {"n": 1}


def test_context_of_an_anonymous_connection_has_no_user_id():
    event = received(connected_event())
    assert event == ConnectedRequest(
        ConnectionContext("chat", "conn1", "connected", origin="example.webpubsub.azure.com", event_id="1")
    )
    assert event.user_id is None


@pytest.mark.parametrize("value", ["Zoë", "Zoë".encode(), "Zoë".encode().decode("latin-1"), "Zoë".encode("latin-1")])
def test_user_id_that_is_not_ascii_comes_through_in_any_form(value):
    assert received(user_event(ce_userId=value)).user_id == "Zoë"


def test_user_id_that_latin_1_cannot_carry_comes_through():
    assert received(user_event(ce_userId="李")).user_id == "李"
    assert received(user_event(ce_userId="李".encode())).user_id == "李"


def test_events_are_frozen():
    event = received(user_event())
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.data = "x"
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.context.user_id = "x"


@pytest.mark.parametrize(
    ("content_type", "body", "data", "data_type"),
    [
        ("text/plain", "é".encode(), "é", "text"),
        ("text/plain; charset=utf-8", "é".encode(), "é", "text"),
        ("Text/Plain;CHARSET=ISO-8859-1", b"\xe9", "é", "text"),
        ('text/plain; charset="utf-16"', "é".encode("utf-16"), "é", "text"),
        ("text/plain; format=flowed; charset=windows-1252", b"\x80", "€", "text"),
        ("text/plain", b"", "", "text"),
        ("application/json", b'{"a":[1,2.5,null,"\\u00e9"]}', {"a": [1, 2.5, None, "é"]}, "json"),
        ("application/json; charset=utf-16le", '"é"'.encode("utf-16le"), "é", "json"),
        ("application/json", b"null", None, "json"),
        ("application/octet-stream", b"\x00\xff", b"\x00\xff", "binary"),
        ("application/x-protobuf", b"\x0a\x00", b"\x0a\x00", "protobuf"),
        (None, b"", "", "text"),
    ],
)
def test_user_event_data_follows_the_content_type(content_type, body, data, data_type):
    event = received(user_event(body, content_type=content_type))
    assert isinstance(event, UserEventRequest)
    assert (event.data, event.data_type) == (data, data_type)
    assert type(event.data) is type(data)


def test_user_event_name_comes_from_the_type_if_it_is_not_given():
    assert received(user_event(name="a.b-c", ce_eventName=None)).event_name == "a.b-c"


@pytest.mark.parametrize(
    ("body", "reason"), [(b'{"reason":"gone"}', "gone"), (b'{"reason":null}', None), (b"{}", None), (b"", None)]
)
def test_disconnected_carries_the_reason(body, reason):
    event = received(disconnected_event(body))
    assert isinstance(event, DisconnectedRequest)
    assert (event.reason, event.mqtt) == (reason, None)


def test_mqtt_connect_carries_the_packet():
    mqtt = {
        "protocolVersion": 5,
        "username": "u",
        "password": base64.b64encode(b"\x00secret").decode(),
        "userProperties": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}],
    }
    event = received(connect_event({"mqtt": mqtt}, ce_subprotocol="mqtt", ce_physicalConnectionId="p1"))
    assert event.mqtt == MqttConnectProperties(5, "u", b"\x00secret", [("a", "1"), ("a", "2")])
    assert event.context.mqtt == MqttContext("p1")
    assert "secret" not in repr(event)


def test_mqtt_disconnected_carries_the_packet():
    packet = {"code": 4, "userProperties": [{"name": "a", "value": "1"}]}
    body = {"reason": "r", "mqtt": {"initiatedByClient": True, "disconnectPacket": packet}}
    headers = {"ce_subprotocol": "MQTT", "ce_physicalConnectionId": "p1", "ce_sessionId": "s1"}
    event = received(disconnected_event(json.dumps(body).encode(), **headers))
    assert event.mqtt == MqttDisconnectProperties(True, 4, [("a", "1")])
    assert event.context.mqtt == MqttContext("p1", "s1")


def test_mqtt_disconnected_without_a_packet_has_no_code():
    event = received(disconnected_event(b'{"mqtt":{"initiatedByClient":false,"disconnectPacket":null}}'))
    assert event.mqtt == MqttDisconnectProperties(False, None, [])


def test_state_in_a_joined_or_repeated_header_is_the_last():
    first, last = (base64.b64encode(json.dumps({"n": n}).encode()).decode() for n in (1, 2))
    assert received(user_event(ce_connectionState=f"{first}, {last}")).states == {"n": 2}
    assert received(user_event(ce_connectionState=[first, last])).states == {"n": 2}


def test_state_that_is_empty_is_no_state():
    assert received(user_event(ce_connectionState="")).states == {}


def test_metadata_of_a_repeated_header_is_the_last():
    assert received(user_event(**{"x-webpubsub-metadata-a": ["1", "2"]})).context.metadata == {"a": "2"}


def test_body_may_be_a_bytearray_or_a_memoryview():
    method, headers, body = user_event(b"\x01", content_type="application/octet-stream")
    assert received((method, headers, bytearray(body))).data == b"\x01"
    assert received((method, headers, memoryview(body))).data == b"\x01"


def test_body_that_is_text_is_the_callers_mistake():
    with pytest.raises(TypeError, match="body must be bytes, not str"):
        WebPubSubEventHandler(access_key=KEY).handle("POST", {}, "text")
