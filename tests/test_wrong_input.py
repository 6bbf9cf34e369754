"""Wrong input: an error that names the parameter and the remedy, before anything is sent, and never the key."""

import pytest
from azure.core.credentials import AzureKeyCredential
from msrest.exceptions import ValidationError

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
ENDPOINT = "https://name.webpubsub.azure.com"
CREDENTIAL = AzureKeyCredential(KEY)
FORMS = (
    r"WebPubSubServiceClient\(endpoint, credential, hub=\.\.\.\) and"
    r" WebPubSubServiceClient\(endpoint, hub, credential\)"
)


CONSTRUCTIONS = [
    (("name.webpubsub.azure.com", CREDENTIAL), {}, ValueError, "endpoint must start with 'https://'"),
    (("", CREDENTIAL), {}, ValueError, "endpoint must start with 'https://'"),
    ((None, CREDENTIAL), {}, ValueError, "endpoint must not be None"),
    ((5, CREDENTIAL), {}, TypeError, "endpoint must be a URL"),
    ((f"Endpoint=https://h;AccessKey={KEY}", CREDENTIAL), {}, ValueError, "use from_connection_string"),
    ((ENDPOINT, ""), {"credential": CREDENTIAL}, ValidationError, "hub"),
    ((ENDPOINT, "1bad hub", CREDENTIAL), {}, ValidationError, "hub"),
    ((ENDPOINT, CREDENTIAL), {"hub": ""}, ValidationError, "hub"),
    ((ENDPOINT, CREDENTIAL), {"hub": 5}, TypeError, "hub must be a str"),
    ((ENDPOINT, CREDENTIAL), {"hub": CREDENTIAL}, TypeError, "hub must be a str"),
    ((ENDPOINT, None, CREDENTIAL), {}, ValueError, FORMS),
    ((ENDPOINT, "hub", None), {}, ValueError, FORMS),
    ((ENDPOINT, None), {}, ValueError, FORMS),
    ((ENDPOINT,), {"credential": None}, ValueError, "credential must not be None"),
    ((ENDPOINT,), {}, TypeError, f"credential must be .*{FORMS}"),
    ((ENDPOINT, "hub"), {}, TypeError, f"credential must be .*{FORMS}"),
    ((ENDPOINT, "hub", KEY), {}, TypeError, FORMS),
    ((ENDPOINT, KEY, "hub"), {}, TypeError, FORMS),
    ((ENDPOINT, CREDENTIAL, CREDENTIAL), {}, TypeError, FORMS),
    ((ENDPOINT, "hub", CREDENTIAL, "more"), {}, TypeError, "positional arguments"),
    ((ENDPOINT, "hub", CREDENTIAL), {"hub": "hub"}, TypeError, FORMS),
    ((ENDPOINT, CREDENTIAL), {"credential": CREDENTIAL}, TypeError, FORMS),
    ((ENDPOINT, "hub", object()), {}, TypeError, FORMS),
    (
        (ENDPOINT,),
        {"credential": KEY},
        TypeError,
        "credential must be an AzureKeyCredential or a TokenCredential, not str",
    ),
    ((ENDPOINT, AzureKeyCredential("")), {}, ValueError, "credential holds an empty key"),
    ((ENDPOINT, CREDENTIAL), {"port": 0}, ValueError, "port must be a number from 1 to 65535"),
    ((ENDPOINT, CREDENTIAL), {"port": "x"}, ValueError, "port must be a number"),
    ((ENDPOINT, CREDENTIAL), {"reverse_proxy_endpoint": "h"}, ValueError, "reverse_proxy_endpoint must start"),
    ((ENDPOINT, CREDENTIAL), {"retry_totl": 3}, TypeError, r"'retry_totl' \(did you mean 'retry_total'\?\)"),
    ((ENDPOINT, CREDENTIAL), {"conection_timeout": 3}, TypeError, "did you mean 'connection_timeout'"),
    ((ENDPOINT, CREDENTIAL), {"xyzzy": KEY}, TypeError, r"WebPubSubServiceClient\(\) takes no keyword 'xyzzy'"),
    ((ENDPOINT, CREDENTIAL), {"retry_total": "3"}, TypeError, "retry_total must be a number, not str"),
    ((ENDPOINT, CREDENTIAL), {"timeout": "30"}, TypeError, "timeout must be a number, not str"),
    ((ENDPOINT, CREDENTIAL), {"application_id": "x" * 25}, ValueError, "application_id has 25 characters"),
    ((ENDPOINT, AzureKeyCredential("\ud800")), {}, ValueError, "a key that UTF-8 cannot carry"),
]


@pytest.mark.parametrize(("arguments", "keywords", "error", "message"), CONSTRUCTIONS, ids=range(len(CONSTRUCTIONS)))
def test_construction_is_refused(colour, arguments, keywords, error, message):
    with pytest.raises(error, match=message) as caught:
        colour.client_class(*arguments, **keywords)
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)


@pytest.mark.parametrize(
    ("text", "keywords", "error", "message"),
    [
        (None, {}, TypeError, "connection_string must be a str"),
        ("", {}, ValueError, "connection_string has no Endpoint"),
        (f"Endpoint=https://h;{KEY}", {}, ValueError, "field 2 is not of the form"),
        (f"Endpoint=h;AccessKey={KEY}", {}, ValueError, "endpoint must start with"),
        (f"Endpoint=https://h;AccessKey={KEY};Port=x", {}, ValueError, "port must be a number"),
        (f"Endpoint=https://h;AccessKey={KEY}", {"hub": "no spaces"}, ValidationError, "hub"),
        (f"Endpoint=https://h;AccessKey={KEY}", {"hubb": "x"}, TypeError, "hubb"),
    ],
    ids=range(7),
)
def test_connection_string_is_refused(colour, text, keywords, error, message):
    with pytest.raises(error, match=message) as caught:
        colour.client_class.from_connection_string(text, **keywords)
    assert KEY not in str(caught.value)


CALLS = [
    ("send_to_all", (), {}, TypeError, "message"),
    ("send_to_all", (object(),), {}, TypeError, "message cannot be written as JSON"),
    ("send_to_all", ({"a": {1}},), {}, TypeError, "message cannot be written as JSON"),
    ("send_to_all", (float("nan"),), {}, ValueError, "message cannot be written as JSON"),
    ("send_to_all", ("x",), {"content_type": "text/html"}, ValueError, "content_type 'text/html'"),
    ("send_to_all", ({"a": 1},), {"content_type": "application/octet-stream"}, TypeError, "leave content_type out"),
    ("send_to_all", ("x",), {"message_ttl_seconds": -1}, ValueError, "message_ttl_seconds"),
    ("send_to_user", ("u", "x"), {"message_ttl_seconds": 301}, ValueError, "message_ttl_seconds"),
    ("send_to_all", ("x",), {"exclude": ["a"]}, TypeError, "'exclude'"),
    ("send_to_all", ("x",), {"timeot": 1}, TypeError, "'timeot'"),
    ("send_to_all", ("x",), {"hub": "bad hub"}, ValidationError, "hub"),
    ("send_to_all", ("x",), {"hub": ""}, ValidationError, "hub"),
    ("send_to_group", ("", "x"), {}, ValidationError, "group"),
    ("send_to_group", ("a/b", "x"), {}, ValueError, "filter=odata"),
    ("send_to_user", ("", "x"), {}, ValidationError, "user_id"),
    ("send_to_user", ("u", "x"), {"excluded": ["c"]}, TypeError, "excluded"),
    ("send_to_connection", (None, "x"), {}, ValidationError, "connection_id"),
    ("close_connection", ("",), {}, ValidationError, "connection_id"),
    ("grant_permission", ("", "c"), {"target_name": "g"}, ValidationError, "permission"),
    ("grant_permission", ("sendToGroup", "c"), {"target": "g"}, (TypeError, ValueError), "target"),
    ("grant_permission", ("sendToGroup", "c"), {}, ValueError, "target_name is missing: say which group"),
    ("revoke_permission", ("joinLeaveGroup", "c"), {"target_name": ""}, ValueError, "target_name is missing"),
    ("has_permission", ("sendToGroup", "c"), {"target_name": None}, ValueError, "target_name is missing"),
    ("add_connections_to_groups", (["g"],), {}, TypeError, "filter"),
    ("add_connections_to_groups", (["g"], None), {}, TypeError, "filter must be"),
    ("add_connections_to_groups", ([], ""), {}, ValueError, "groups must name at least one"),
    ("add_connections_to_groups", ({"groups": ["g"], "filter": ""}, "f"), {}, TypeError, "and not both"),
    (
        "remove_connections_from_groups",
        (["g"],),
        {"groups_to_remove": {}},
        TypeError,
        "or groups_to_remove, and not both",
    ),
    ("remove_connections_from_groups", (["g"], ""), {"content_type": "text/plain"}, ValueError, "application/json"),
    ("get_client_access_token", (), {"minutes_to_expire": 0}, ValueError, "minutes_to_expire"),
    ("get_client_access_token", (), {"minutes_to_expire": -5}, ValueError, "minutes_to_expire"),
    ("get_client_access_token", (), {"client_protocol": "x"}, ValueError, "client_protocol must be 'Default', 'MQTT'"),
    ("get_client_access_token", (), {"user": "ada"}, TypeError, "'user'"),
    ("get_client_access_token", (), {"ttl": 5}, TypeError, "'ttl'"),
    ("get_client_access_token", (), {"group": ["g"]}, TypeError, "'group'"),
    ("generate_client_token", (), {"minutes_to_expire": -5}, ValueError, "minutes_to_expire"),
    ("list_connections", (), {}, TypeError, "group"),
    ("list_connections", ("",), {}, ValidationError, "group"),
    ("list_connections", ("g",), {"maxpagesize": 201}, ValueError, "maxpagesize"),
    ("get_service_status", (), {"hubb": 1}, TypeError, "hubb"),
]


@pytest.mark.parametrize("case", CALLS, ids=range(len(CALLS)))
def test_call_is_refused_before_anything_is_sent(connect, recorder, case):
    operation, arguments, keywords, error, message = case
    client = connect(recorder.url, CREDENTIAL, hub="chat")
    with pytest.raises(error, match=message):
        getattr(client, operation)(*arguments, **keywords)
    assert recorder.connections == []


@pytest.mark.own_transport("a keyword may be meant for the caller's, which says itself what it does not know")
def test_unknown_keyword_of_a_call_is_told_with_what_may_be_meant(connect, recorder):
    client = connect(recorder.url, CREDENTIAL, hub="chat")
    with pytest.raises(TypeError, match=r"^send_to_all\(\) takes no keyword 'timeot' \(did you mean 'timeout'\?\)\Z"):
        client.send_to_all("x", timeot=1)
    with pytest.raises(
        TypeError, match=r"^grant_permission\(\) takes no keyword 'target' \(did you mean 'target_name'\?\)\Z"
    ):
        client.grant_permission("sendToGroup", "c", target="g")
    with pytest.raises(TypeError, match=r"^group_exists\(\) takes no keyword 'stream'\Z"):
        client.group_exists("g", stream=True)  # what it read would be nobody's


MEANT = [
    ("send_to_all", "filtr", "filter"),
    ("send_to_all", "message_ttl", "message_ttl_seconds"),
    ("send_to_all", "hubb", "hub"),
    ("close_all_connections", "reasn", "reason"),
    ("get_client_access_token", "userid", "user_id"),
    ("get_client_access_token", "minutes", "minutes_to_expire"),
    ("list_connections", "max_page_size", "maxpagesize"),
]


@pytest.mark.own_transport("a keyword may be meant for the caller's, which says itself what it does not know")
@pytest.mark.parametrize(("operation", "keyword", "meant"), MEANT)
def test_operations_own_keywords_are_among_what_may_be_meant(connect, recorder, operation, keyword, meant):
    client = connect(recorder.url, CREDENTIAL, hub="chat")
    first = ["x"] if operation in ("send_to_all", "list_connections") else []
    with pytest.raises(
        TypeError, match=rf"^{operation}\(\) takes no keyword '{keyword}' \(did you mean '{meant}'\?\)\Z"
    ):
        getattr(client, operation)(*first, **{keyword: 1})
    assert recorder.connections == []


def test_credential_of_the_other_clients_kind_is_refused_at_once(colour):
    from colours import AsyncTokenCredential, SyncTokenCredential

    other = AsyncTokenCredential("t") if colour.name == "sync" else SyncTokenCredential("t")
    with pytest.raises(
        TypeError, match=r"is a credential for the (a?)synchronous client: take the one of the same name"
    ):
        colour.client_class(ENDPOINT, other)


NEEDS_HUB = [
    ("send_to_all", ("x",)),
    ("send_to_group", ("g", "x")),
    ("close_all_connections", ()),
    ("user_exists", ("u",)),
    ("add_connections_to_groups", (["g"], "")),
    ("get_client_access_token", ()),
    ("generate_client_token", ()),
    ("list_connections", ("g",)),
]


@pytest.mark.parametrize(("operation", "arguments"), NEEDS_HUB)
def test_call_without_a_hub_names_both_remedies(connect, recorder, operation, arguments):
    client = connect(recorder.url, CREDENTIAL)
    with pytest.raises(ValueError, match=r"no hub: give hub=\.\.\. to this call, or to the client when it is made"):
        getattr(client, operation)(*arguments)
    assert recorder.connections == []


def test_unknown_keyword_of_send_request_is_refused(connect, recorder):
    from azure.messaging.webpubsubservice.rest import build_healthapi_get_health_status_request

    client = connect(recorder.url, CREDENTIAL)
    for keyword in ("stream_response", "error_map", "hub", "api_version", "timeot"):
        with pytest.raises(TypeError, match=f"'{keyword}'"):
            client.send_request(build_healthapi_get_health_status_request(), **{keyword: 1})
    assert recorder.connections == []


@pytest.mark.parametrize("header", ["a\r\nX-Injected: 1", "a\nb", "a\rb"])
def test_header_with_a_line_break_is_refused(connect, recorder, header):
    client = connect(recorder.url, CREDENTIAL, hub="chat", retry_total=0)
    for headers in ({"X-Mine": header}, {header: "x"}):
        with pytest.raises(ValueError, match="header of the request is not valid HTTP"):
            client.send_to_all("x", headers=headers)
    assert recorder.requests == []


@pytest.mark.parametrize(
    ("metadata", "error", "words"),
    [
        ({"a": 1}, TypeError, "metadata must be a mapping of str to str"),
        ({1: "a"}, TypeError, "metadata must be a mapping of str to str"),
        ({"a b": "c"}, ValueError, "metadata has 'a b'"),
        ({"": "c"}, ValueError, "metadata has ''"),
        ({"a": "c\r\nX: y"}, ValueError, "metadata has 'a'"),
        ({"a": " c"}, ValueError, "metadata has 'a'"),
        ({"a": "c "}, ValueError, "metadata has 'a'"),
        ({"a": "\u00e9"}, ValueError, "metadata has 'a'"),
        ({"a\n": "c"}, ValueError, "metadata has 'a"),
    ],
)
def test_metadata_that_no_header_can_carry_is_refused(metadata, error, words, connect, recorder):
    with pytest.raises(error, match=words):
        connect(recorder.url, CREDENTIAL, hub="chat").send_to_all("x", metadata=metadata)
    assert recorder.requests == []


@pytest.mark.parametrize("value", ["", "c", "c d", "~!"])
def test_metadata_goes_as_headers(value, connect, recorder):
    connect(recorder.url, CREDENTIAL, hub="chat").send_to_all("x", metadata={"A.b_c-1": value})
    assert dict(recorder.requests[0].headers)["x-webpubsub-metadata-a.b_c-1"] == value
