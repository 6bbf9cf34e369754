import base64
import json

import pytest
from event_requests import KEY, connect_event, connected_event, disconnected_event, group_event, user_event

from azure.messaging.webpubsubservice.eventhandler import (
    ConnectResponse,
    EventErrorResponse,
    EventHandlerResponse,
    UserEventResponse,
    WebPubSubEventHandler,
)

JSON = {"Content-Type": "application/json; charset=utf-8"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
BINARY = {"Content-Type": "application/octet-stream"}
MQTT = {"ce_subprotocol": "mqtt", "ce_physicalConnectionId": "p"}


def state(value):
    return {"ce-connectionState": base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()}


def connect_reply(reply, request=None):
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_connect(lambda event: reply)
    return handler.handle(*(request or connect_event()))


def event_reply(reply, request=None):
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_event(lambda event: reply)
    return handler.handle(*(request or user_event()))


@pytest.mark.parametrize("request_", [connect_event(), connected_event(), disconnected_event(), user_event()])
def test_event_with_no_function_is_answered_200_and_nothing(request_):
    assert WebPubSubEventHandler(access_key=KEY).handle(*request_) == EventHandlerResponse(200, {}, b"")


def test_mqtt_connect_with_no_function_is_answered_204():
    request = connect_event({"mqtt": {"protocolVersion": 4}}, **MQTT)
    assert WebPubSubEventHandler(access_key=KEY).handle(*request) == EventHandlerResponse(204, {}, b"")


def test_connect_reply_of_none_accepts_with_204():
    assert connect_reply(None) == EventHandlerResponse(204)
    assert connect_reply(ConnectResponse()) == EventHandlerResponse(204)


def test_connect_reply_carries_every_field():
    reply = ConnectResponse("ann", ["g"], ["r"], "p", {"n": 1})
    request = connect_event({"subprotocols": ["p"]})
    expected = b'{"userId":"ann","groups":["g"],"roles":["r"],"subprotocol":"p"}'
    assert connect_reply(reply, request) == EventHandlerResponse(200, {**JSON, **state({"n": 1})}, expected)


def test_connect_reply_keeps_what_is_empty_apart_from_what_is_not_given():
    assert connect_reply(ConnectResponse(user_id="", roles=[])).body == b'{"userId":"","roles":[]}'


def test_connect_reply_with_nothing_but_state_is_204_with_the_state():
    assert connect_reply(ConnectResponse(states={"n": 1})) == EventHandlerResponse(204, state({"n": 1}))


def test_connect_reply_in_text_that_is_not_ascii_is_utf_8():
    assert connect_reply(ConnectResponse("Zoë")).body == '{"userId":"Zoë"}'.encode()


def test_connect_reply_with_a_subprotocol_not_offered_is_logged(caplog):
    connect_reply(ConnectResponse(subprotocol="p"), connect_event({"subprotocols": ["q"]}))
    assert [record.getMessage() for record in caplog.records] == [
        "on_connect chose the subprotocol 'p', which the client did not offer."
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_connect_rejection_is_the_status_and_the_text(status):
    assert connect_reply(EventErrorResponse(status, "nö")) == EventHandlerResponse(status, TEXT, "nö".encode())
    assert connect_reply(EventErrorResponse(status)) == EventHandlerResponse(status, {}, b"")


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [(4, 400, 4), (4, 401, 5), (4, 403, 5), (4, 500, 3), (5, 400, 134), (5, 401, 135), (5, 403, 138), (5, 500, 128)],
)
def test_mqtt_rejection_carries_the_code_that_fits(version, status, code):
    response = connect_reply(
        EventErrorResponse(status, "no"), connect_event({"mqtt": {"protocolVersion": version}}, **MQTT)
    )
    assert response == EventHandlerResponse(status, JSON, b'{"mqtt":{"code":%d,"reason":"no"}}' % code)


def test_mqtt_rejection_may_name_its_code():
    reply = EventErrorResponse(400, "no", mqtt_code=0x85)
    response = connect_reply(reply, connect_event({"mqtt": {"protocolVersion": 5}}, **MQTT))
    assert json.loads(response.body) == {"mqtt": {"code": 0x85, "reason": "no"}}


def test_mqtt_acceptance_may_carry_user_properties():
    response = connect_reply(
        ConnectResponse(mqtt_user_properties=[("a", "1")]), connect_event({"mqtt": {"protocolVersion": 5}})
    )
    assert json.loads(response.body) == {"mqtt": {"userProperties": [{"name": "a", "value": "1"}]}}


@pytest.mark.parametrize(
    ("reply", "headers", "body"),
    [
        ("é", TEXT, "é".encode()),
        ("", TEXT, b""),
        (b"\x00\xff", BINARY, b"\x00\xff"),
        (bytearray(b"a"), BINARY, b"a"),
        (memoryview(b"a"), BINARY, b"a"),
        ({"a": [1, None, "é"]}, JSON, '{"a":[1,null,"é"]}'.encode()),
        ([1], JSON, b"[1]"),
        (0, JSON, b"0"),
        (False, JSON, b"false"),
        (1.5, JSON, b"1.5"),
        ("\ud800", None, None),
        ({"a": "\ud800"}, JSON, b'{"a":"\\ud800"}'),
        (UserEventResponse("é"), TEXT, "é".encode()),
        (UserEventResponse("é", "json"), JSON, '"é"'.encode()),
        (UserEventResponse(None, "json"), JSON, b"null"),
        (UserEventResponse(b"x", "binary"), BINARY, b"x"),
        (UserEventResponse({"a": 1}), JSON, b'{"a":1}'),
    ],
)
def test_user_event_reply_becomes_a_message_of_its_type(reply, headers, body):
    expected = EventHandlerResponse(200, headers, body) if headers else EventHandlerResponse(500)
    assert event_reply(reply) == expected


@pytest.mark.parametrize("reply", [None, UserEventResponse()])
def test_user_event_reply_of_none_sends_nothing(reply):
    assert event_reply(reply) == EventHandlerResponse(204)


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_user_event_error_is_the_status_and_the_text(status):
    assert event_reply(EventErrorResponse(status, "no")) == EventHandlerResponse(status, TEXT, b"no")


def test_user_event_reply_may_carry_metadata():
    response = event_reply(UserEventResponse("a", metadata={"Key": "v 1"}))
    assert response.headers == {**TEXT, "x-webpubsub-metadata-key": "v 1"}


def test_state_is_merged_into_what_the_connection_has():
    request = user_event(ce_connectionState=state({"a": 1, "b": 1})["ce-connectionState"])
    response = event_reply(UserEventResponse("x", states={"b": 2, "c": None}), request)
    assert response.headers == {**TEXT, **state({"a": 1, "b": 2, "c": None})}


@pytest.mark.parametrize("states", [None, {}])
def test_state_is_left_alone_unless_the_reply_names_some(states):
    request = user_event(ce_connectionState=state({"a": 1})["ce-connectionState"])
    assert event_reply(UserEventResponse("x", states=states), request).headers == TEXT


@pytest.mark.parametrize("value", ["é", "\ud800", 1.5, [1, {"x": None}]])
def test_state_that_was_written_reads_back(value):
    written = event_reply(UserEventResponse("x", states={"v": value})).headers["ce-connectionState"]
    seen = []
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_event(lambda event: seen.append(event.states))
    handler.handle(*user_event(ce_connectionState=written))
    assert seen == [{"v": value}]


@pytest.mark.parametrize("reply", ["x", 1, UserEventResponse("x"), {"userId": "a"}])
def test_connect_reply_of_another_type_is_500_and_logged(reply, caplog):
    assert connect_reply(reply) == EventHandlerResponse(500)
    assert "reply to connect with ConnectResponse" in caplog.text


@pytest.mark.parametrize("reply", [{1, 2}, object(), float("nan"), {"a": b"x"}, ConnectResponse()])
def test_user_event_reply_that_cannot_be_written_is_500_and_logged(reply, caplog):
    assert event_reply(reply) == EventHandlerResponse(500)
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("register", "request_"),
    [
        ("on_connected", connected_event()),
        ("on_disconnected", disconnected_event()),
        ("on_group_joined", group_event("joined")),
        ("on_group_left", group_event("left")),
    ],
)
@pytest.mark.parametrize("reply", ["hello", ConnectResponse(), EventErrorResponse(500, "no"), 0, object()])
def test_reply_where_none_is_taken_is_200_and_a_warning(register, request_, reply, caplog):
    handler = WebPubSubEventHandler(access_key=KEY)
    calls = []

    def tell(event):
        calls.append(event)
        return reply

    getattr(handler, register)(tell)
    assert handler.handle(*request_) == EventHandlerResponse(200)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    event = request_[1]["ce-eventName"]
    assert f"returned {type(reply).__name__} for the event '{event}', which takes no reply" in record.getMessage()
    assert len(calls) == 1


def test_reply_that_changed_after_it_was_made_is_checked_when_it_is_written(caplog):
    metadata, groups = {}, ["room"]
    replies = {"message": UserEventResponse("x", metadata=metadata), "connect": ConnectResponse(groups=groups)}
    metadata["a"] = "b\r\nSet-Cookie: c=d"
    groups.append(1)
    assert event_reply(replies["message"]) == EventHandlerResponse(500)
    assert connect_reply(replies["connect"]) == EventHandlerResponse(500)
    assert "metadata value of 'a' must be" in caplog.text
    assert "groups must be a list of str" in caplog.text


def test_reply_that_changes_after_it_was_written_changes_nothing():
    metadata = {"a": "b"}
    response = event_reply(UserEventResponse("x", metadata=metadata))
    metadata["a"] = "c\r\n"
    assert response.headers["x-webpubsub-metadata-a"] == "b"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: ConnectResponse(groups="room"), TypeError),
        (lambda: ConnectResponse(roles=[1]), TypeError),
        (lambda: ConnectResponse(user_id=1), TypeError),
        (lambda: ConnectResponse(subprotocol=["p"]), TypeError),
        (lambda: ConnectResponse(states=["p"]), TypeError),
        (lambda: UserEventResponse(b"x", "text"), TypeError),
        (lambda: UserEventResponse("x", "binary"), TypeError),
        (lambda: UserEventResponse(b"x", "json"), TypeError),
        (lambda: UserEventResponse("x", "html"), ValueError),
        (lambda: UserEventResponse("x", states="s"), TypeError),
        (lambda: UserEventResponse("x", metadata={"a b": "c"}), ValueError),
        (lambda: UserEventResponse("x", metadata={"": "c"}), ValueError),
        (lambda: UserEventResponse("x", metadata={"a": "b\r\nc"}), ValueError),
        (lambda: UserEventResponse("x", metadata={"a": "é"}), ValueError),
        (lambda: UserEventResponse("x", metadata={"a": "b" * 1025}), ValueError),
        (lambda: UserEventResponse("x", metadata={f"k{n}": "b" * 1024 for n in range(8)}), ValueError),
        (lambda: EventErrorResponse(404), ValueError),
        (lambda: EventErrorResponse(200), ValueError),
        (lambda: EventErrorResponse(400, mqtt_code=0), ValueError),
        (lambda: EventErrorResponse(400, 5), TypeError),
    ],
)
def test_replies_that_the_service_would_refuse_cannot_be_made(make, error):
    with pytest.raises(error):
        make()
