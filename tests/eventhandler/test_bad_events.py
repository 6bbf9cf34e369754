import asyncio
import base64
import json
import logging

import pytest
from event_requests import CONNECT, JSON, KEY, connect_event, event_headers, group_event, signature, user_event
from hypothesis import given, settings
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.eventhandler import (
    EventHandlerResponse,
    UserEventResponse,
    WebPubSubEventHandler,
)

MEDIA_TYPES = ("text/plain", "application/json", "application/octet-stream", "application/x-protobuf")


def echo_handler(**options):
    """A handler with a function for everything, which gives back what it was given."""
    handler = WebPubSubEventHandler(**{"access_key": KEY, **options})
    handler.on_connect(lambda event: None)
    handler.on_connected(lambda event: None)
    handler.on_disconnected(lambda event: None)
    handler.on_event(
        lambda event: UserEventResponse(event.data, states={**event.states, "x": 1}) if event.data else None
    )
    return handler


def refused(request, **options):
    """Return status and reason of a request that must be refused, by both ways in."""
    handler = echo_handler(**options)
    response = handler.handle(*request)
    assert response == asyncio.run(handler.handle_async(*request))
    assert response.headers == {"Content-Type": "text/plain; charset=utf-8"}
    return response.status, response.body.decode()


def without(name, request):
    method, headers, body = request
    return method, {key: value for key, value in headers.items() if key != name}, body


def test_request_without_headers_is_400():
    assert refused(("POST", {}, b"")) == (400, "the header ce-connectionid is missing")
    assert refused(("POST", [], b"{}"), access_key=KEY) == (400, "the header ce-connectionid is missing")


@pytest.mark.parametrize("name", ["ce-type", "ce-hub", "ce-connectionId"])
def test_request_without_a_header_every_event_has_is_400(name):
    assert refused(without(name, user_event())) == (400, f"the header {name.lower()} is missing")


def test_request_with_a_header_twice_is_400():
    reason = "the header ce-userid is there more than once"
    assert refused(user_event(ce_userId=["a", "b"])) == (400, reason)


@pytest.mark.parametrize(
    "kind",
    [
        "azure.webpubsub.user.",
        "azure.webpubsub.sys.",
        "azure.webpubsub.",
        "azure.webpubsub.x",
        "azure.webpubsub..x",
        "com.github.push",
        "Azure.WebPubSub.sys.connect",
    ],
)
def test_type_of_another_service_is_400(kind):
    assert refused(user_event(ce_type=kind)) == (400, "ce-type names no event of the service")


@pytest.mark.parametrize("kind", ["sys.unknown", "sys.joined", "gp.connect", "gp.moved", "new.thing", "new.a.b"])
def test_type_that_the_service_may_have_later_is_204_with_a_line_in_the_log(kind, caplog):
    handler = echo_handler()
    handler.on_group_joined(lambda event: pytest.fail("not this one"))
    response = handler.handle(*user_event(ce_type=f"azure.webpubsub.{kind}"))
    assert response == EventHandlerResponse(204)
    assert [record.getMessage() for record in caplog.records] == [
        f"Left out an event of type 'azure.webpubsub.{kind}', which this version does not know."
    ]


def test_type_that_the_service_may_have_later_is_checked_like_every_event():
    later = {"ce_type": "azure.webpubsub.new.thing"}
    assert refused(user_event(ce_signature="x", **later))[0] == 401
    assert refused(user_event(ce_hub="other", **later), hub="chat") == (400, "this handler serves another hub")


def test_unknown_version_is_400():
    assert refused(user_event(ce_specversion="2.0")) == (400, "ce-specversion must be 1.0, not '2.0'")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("%%%", "ce-connectionState is not base64"),
        ("abc", "ce-connectionState is not base64"),
        ("é", "ce-connectionState is not base64"),
        ("aGVsbG8=", "ce-connectionState is not JSON"),
        ("/w==", "ce-connectionState is not utf-8 text"),
        ("WzFd", "ce-connectionState is not a JSON object"),
        (base64.b64encode(b'{"a":' * 100_000).decode(), "ce-connectionState is not JSON"),
    ],
)
def test_state_that_is_not_base64_of_a_json_object_is_400(state, reason):
    assert refused(user_event(ce_connectionState=state)) == (400, reason)


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/plain", b"\xff", "the body is not utf-8 text"),
        ("text/plain; charset=utf-16", b"\x00", "the body is not utf-16 text"),
        ("text/plain; charset=us-ascii", b"\xe9", "the body is not us-ascii text"),
        ("text/plain; charset=nonsense", b"x", "the charset of Content-Type is unknown"),
        ("text/plain; charset=unicode_escape", b"x", "the charset of Content-Type is unknown"),
        ("text/plain; charset=idna", b"x", "the charset of Content-Type is unknown"),
        ("text/plain; charset=zlib", b"x", "the charset of Content-Type is unknown"),
        ("text/plain; charset=", b"x", "the charset of Content-Type is unknown"),
        ("text/plain; charset=" + "a" * 10_000, b"x", "the charset of Content-Type is unknown"),
        ("application/json", b"", "the body is not JSON"),
        ("application/json", b"{", "the body is not JSON"),
        ("application/json", b"[" * 100_000, "the body is not JSON"),
        ("application/json", b"1" * 100_000, "the body is not JSON"),
        ("application/json", b"NaN", "the body is not JSON"),
        ("application/json", b"[-Infinity]", "the body is not JSON"),
        ("application/json", b"1e999", "the body is not JSON"),
        ("application/json", b"\xff\xfe", "the body is not utf-8 text"),
        ("text/html", b"x", f"content-type must be one of {', '.join(MEDIA_TYPES)}"),
        (None, b"x", "the header content-type is missing"),
    ],
)
def test_user_event_with_a_wrong_encoding_is_400(content_type, body, reason):
    assert refused(user_event(body, content_type=content_type)) == (400, reason)


@pytest.mark.parametrize("kind", ["connect", "connected", "disconnected"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        (b"null", "the body is not a JSON object"),
        (b'"x"', "the body is not a JSON object"),
        (b"\xff", "the body is not utf-8 text"),
        (json.dumps(CONNECT).encode()[:-5], "the body is not JSON"),
    ],
)
def test_system_event_whose_body_is_no_object_is_400(kind, body, reason):
    assert refused(("POST", event_headers("sys", kind), body)) == (400, reason)


def test_connect_without_a_body_is_400():
    assert refused(("POST", event_headers("sys", "connect"), b"")) == (400, "the body is not JSON")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("claims", [], "claims has the wrong JSON type"),
        ("claims", {"sub": 1}, "claims must be an array of strings"),
        ("claims", {"sub": [1]}, "claims must be an array of strings"),
        ("query", "x", "query has the wrong JSON type"),
        ("headers", {"a": {"b": "c"}}, "headers must be an array of strings"),
        ("subprotocols", {}, "subprotocols must be an array of strings"),
        ("subprotocols", [None], "subprotocols must be an array of strings"),
        ("clientCertificates", {}, "clientCertificates has the wrong JSON type"),
        ("clientCertificates", ["x"], "clientCertificates must be an array of objects"),
        (
            "clientCertificates",
            [{"thumbprint": "x"}],
            "clientCertificates must hold objects with thumbprint and content",
        ),
        ("mqtt", "x", "mqtt has the wrong JSON type"),
        ("mqtt", {}, "mqtt.protocolVersion must be 4 or 5"),
        ("mqtt", {"protocolVersion": 3}, "mqtt.protocolVersion must be 4 or 5"),
        ("mqtt", {"protocolVersion": True}, "protocolVersion has the wrong JSON type"),
        ("mqtt", {"protocolVersion": 5, "username": 1}, "username has the wrong JSON type"),
        ("mqtt", {"protocolVersion": 5, "password": "%"}, "mqtt.password is not base64"),
        ("mqtt", {"protocolVersion": 5, "userProperties": [1]}, "userProperties must be an array of objects"),
        (
            "mqtt",
            {"protocolVersion": 5, "userProperties": [{"name": 1}]},
            "userProperties must hold objects with name and value",
        ),
    ],
)
def test_connect_with_a_field_of_another_type_is_400(field, value, reason):
    assert refused(connect_event({field: value})) == (400, reason)


@pytest.mark.parametrize("name", ["joined", "left"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is not JSON"),
        (b"{}", "group is missing"),
        (b'{"group":null}', "group is missing"),
        (b'{"group":""}', "group is missing"),
        (b'{"group":1}', "group has the wrong JSON type"),
        (b"[]", "the body is not a JSON object"),
    ],
)
def test_group_event_without_a_group_is_400(name, body, reason):
    assert refused(group_event(name, body)) == (400, reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"reason": 1}, "reason has the wrong JSON type"),
        ({"mqtt": []}, "mqtt has the wrong JSON type"),
        ({"mqtt": {"initiatedByClient": "yes"}}, "initiatedByClient has the wrong JSON type"),
        ({"mqtt": {"disconnectPacket": {"code": "x"}}}, "code has the wrong JSON type"),
    ],
)
def test_disconnected_with_a_field_of_another_type_is_400(content, reason):
    request = "POST", event_headers("sys", "disconnected"), json.dumps(content).encode()
    assert refused(request) == (400, reason)


def test_body_that_is_too_large_is_413():
    reason = "the body is larger than 10 bytes"
    assert refused(user_event(b"x" * 11), max_body_size=10) == (413, reason)
    assert echo_handler(max_body_size=10).handle(*user_event(b"x" * 10)).status == 200


def test_body_as_large_as_the_service_takes_from_a_client_is_the_largest_by_default():
    largest = 1024 * 1024
    assert echo_handler().handle(*user_event(bytes(largest))).status == 200
    assert refused(user_event(bytes(largest + 1))) == (413, "the body is larger than 1,048,576 bytes")


def test_body_that_is_cut_short_is_400():
    assert refused(user_event(b"x", content_length="2")) == (400, "the body is shorter than content-length")
    assert refused(user_event(b"x", content_length="9" * 10_000)) == (400, "the body is shorter than content-length")


def test_chunked_body_that_nobody_read_is_411():
    reason = "the chunked body is empty, or was not read: send content-length"
    assert refused(user_event(b"", transfer_encoding="chunked")) == (411, reason)
    assert echo_handler().handle(*user_event(b"x", transfer_encoding="chunked")).status == 200
    assert echo_handler().handle(*user_event(b"", transfer_encoding="chunked", content_length="0")).status == 204


OPTIONAL = ["ce-userId", "ce-connectionState", "ce-subprotocol", "ce-physicalConnectionId", "Content-Length"]
names = st.sampled_from([*event_headers("user", "x"), *OPTIONAL, "x-webpubsub-metadata-a"])
texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "azure.webpubsub.sys.connect", "azure.webpubsub.sys.connected", "azure.webpubsub.sys.disconnected",
            "azure.webpubsub.user.x", "mqtt", "chat", "1.0", "e30=", "eyJhIjoxfQ==", signature(), JSON, "text/plain",
            "text/plain; charset=utf-16", "application/octet-stream", "application/json; charset=gb18030",
        ]
    ),
)  # fmt: skip
values = st.one_of(texts, st.binary(max_size=20))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*CONNECT, "mqtt", "reason", "userProperties"]), inner)
    ),
    max_leaves=8,
)
bodies = st.one_of(st.binary(max_size=60), json_values.map(lambda value: json.dumps(value).encode()))


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(["sys.connect", "sys.connected", "sys.disconnected", "user.message"]),
    extra=st.lists(st.tuples(names, values), max_size=4),
    keep=st.booleans(),
    body=bodies,
    key=st.sampled_from([None, KEY]),
)
def test_no_request_ends_in_a_traceback(kind, extra, keep, body, key):
    group, _, name = kind.partition(".")
    replaced = {header.lower() for header, _ in extra} if keep else set()
    known = [(header, value) for header, value in event_headers(group, name).items() if header.lower() not in replaced]
    logging.disable(logging.WARNING)
    try:
        handler = echo_handler(access_key=key) if key else echo_handler(verify_signatures=False)
        response = handler.handle("POST", known + extra, body)
    finally:
        logging.disable(logging.NOTSET)
    assert response.status in (200, 204, 400, 401, 411)
    assert response.body or response.status < 400


@settings(max_examples=50, deadline=None)
@given(
    headers=st.lists(st.tuples(values, values), max_size=5),
    body=bodies,
    method=st.sampled_from(["OPTIONS", "GET", "POST", "ß"]),
)
def test_no_set_of_headers_ends_in_a_traceback(headers, body, method):
    response = WebPubSubEventHandler(allowed_endpoints="*", access_key=KEY).handle(method, headers, body)
    assert response.status in (400, 405)
