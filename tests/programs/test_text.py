"""Text as programs have it: members of enumerations, whatever UTF-8 carries, and names that the service refuses."""

import inspect
import json
import pickle
from enum import Enum, IntEnum
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from colours import headers_of
from local_servers import answer
from msrest.exceptions import ValidationError

import azure.messaging.webpubsubservice as package
from azure.messaging.webpubsubservice import WebPubSubServiceClient, rest
from azure.messaging.webpubsubservice.filters import odata

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"


class Word(str, Enum):
    """What applications name their groups, hubs and roles with; its str() is its name, not its value."""

    HUB = "news"
    GROUP = "room"
    OTHER = "other"
    ID = "an-id"
    PERMISSION = "sendToGroup"
    ROLE = "webpubsub.joinLeaveGroup"
    FILTER = "userId eq 'ada'"
    VERSION = "2022-11-01"
    TYPE = "text/plain"
    PROTOCOL = "MQTT"
    REASON = "good-night"
    NAME = "x-name"
    ENDPOINT = "https://name.webpubsub.azure.com"
    CONNECTION_STRING = f"Endpoint=https://name.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"


class Number(IntEnum):
    FIVE = 5


class Size(int, Enum):
    FIVE = 5


CALLS = {
    "send_to_all": (["x"], {"excluded": [Word.ID], "filter": Word.FILTER, "content_type": Word.TYPE}),
    "send_to_group": ([Word.GROUP, Word.REASON], {"excluded": [Word.ID], "message_ttl_seconds": Size.FIVE}),
    "send_to_user": ([Word.ID, Word.REASON], {"filter": Word.FILTER, "message_ttl_seconds": Number.FIVE}),
    "send_to_connection": ([Word.ID, {Word.NAME: Word.REASON}], {"metadata": {Word.NAME: Word.REASON}}),
    "connection_exists": ([Word.ID], {}),
    "group_exists": ([Word.GROUP], {}),
    "user_exists": ([Word.ID], {}),
    "close_connection": ([Word.ID], {"reason": Word.REASON}),
    "close_all_connections": ([], {"excluded": [Word.ID], "reason": Word.REASON}),
    "close_group_connections": ([Word.GROUP], {"excluded": Word.ID, "reason": Word.REASON}),
    "close_user_connections": ([Word.ID], {"excluded": (Word.ID, Word.OTHER), "reason": Word.REASON}),
    "add_connection_to_group": ([Word.GROUP, Word.ID], {}),
    "remove_connection_from_group": ([Word.GROUP, Word.ID], {}),
    "remove_connection_from_all_groups": ([Word.ID], {}),
    "add_user_to_group": ([Word.GROUP, Word.ID], {}),
    "remove_user_from_group": ([Word.GROUP, Word.ID], {}),
    "remove_user_from_all_groups": ([Word.ID], {}),
    "grant_permission": ([Word.PERMISSION, Word.ID], {"target_name": Word.GROUP}),
    "revoke_permission": ([Word.PERMISSION, Word.ID], {"target_name": Word.GROUP}),
    "has_permission": ([Word.PERMISSION, Word.ID], {"target_name": Word.GROUP}),
    "check_permission": ([Word.PERMISSION, Word.ID], {"target_name": Word.GROUP}),
    "add_connections_to_groups": ([[Word.GROUP]], {"filter": Word.FILTER}),
    "remove_connections_from_groups": ([{"groups": [Word.GROUP], "filter": Word.FILTER}], {}),
    "list_connections": ([Word.GROUP], {"continuation_token": Word.ID, "top": Number.FIVE, "maxpagesize": Size.FIVE}),
    "list_connections_in_group": ([Word.GROUP], {"continuation_token_parameter": Word.ID}),
    "generate_client_token": (
        [],
        {
            "user_id": Word.ID,
            "role": [Word.ROLE],
            "group": [Word.GROUP],
            "client_type": Word.PROTOCOL,
            "minutes_to_expire": Size.FIVE,
        },
    ),
    "get_service_status": ([], {}),
}
MORE = {
    "hub": Word.OTHER,
    "api_version": Word.VERSION,
    "headers": {Word.NAME: Word.REASON},
    "params": {Word.NAME: Word.REASON},
    "client_request_id": Word.ID,
    "user_agent": Word.ID,
}


def plain(value):
    """Return what a program without enumerations would have written."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {plain(name): plain(each) for name, each in value.items()}
    return type(value)(map(plain, value)) if isinstance(value, list | tuple) else value


def respond(request):
    if request.method == "GET":
        return answer("200 OK", b'{"value": []}')
    if request.target.partition("?")[0].endswith(":generateToken"):
        return answer("200 OK", b'{"token": "t"}')
    if request.method == "POST":
        status = "202 A" if ":send" in request.target else "204 N" if ":close" in request.target else "200 OK"
        return answer(status)
    return answer("204 No Content" if request.method == "DELETE" else "200 OK")


OTHERS = {"close", "send_request", "from_connection_string", "get_client_access_token"}
OPERATIONS = [
    name for name in dir(WebPubSubServiceClient) if name[0] != "_" and name not in {"endpoint", "hub", *OTHERS}
]
NAMES = {"connection_id": Word.ID, "group": Word.GROUP, "message": Word.REASON, "user_id": Word.ID}


def call_of(name):
    """The call of an operation: the one above, or by the names of what it needs."""
    if name in CALLS:
        return CALLS[name]
    needed = inspect.signature(getattr(WebPubSubServiceClient, name)).parameters.values()
    return [NAMES[each.name] for each in needed if each.default is each.empty and each.name in NAMES], {}


def test_calls_are_of_operations():
    assert set(CALLS) <= set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_member_of_an_enumeration_is_its_value_in_every_place_of_a_call(connect, recorder, name):
    recorder.respond = respond
    client = connect(recorder.url, AzureKeyCredential(KEY), hub=Word.HUB)
    arguments, keywords = call_of(name)
    for more in ({}, MORE):
        for each in (lambda value: value, plain):
            called = getattr(client, name)(*each(arguments), **each(keywords), **each(more))
            if name.startswith("list_connections"):
                assert list(called) == []
    sent = [(each.method, each.target, comparable(each), each.body) for each in recorder.requests]
    assert sent[0] == sent[1]
    assert sent[2] == sent[3]
    assert not any("Word." in repr(each) or "Size." in repr(each) for each in sent)


def comparable(request):
    left_out = {"authorization"} if "x-name" in dict(request.headers) else {"authorization", "x-ms-client-request-id"}
    return {name: value for name, value in headers_of(request).items() if name not in left_out}


def test_member_of_an_enumeration_is_its_value_for_a_client_and_its_tokens(colour):
    client = colour.client_class(
        Word.ENDPOINT,
        Word.HUB,
        AzureKeyCredential(KEY),
        api_version=Word.VERSION,
        user=Word.ID,
        application_id=Word.ID,
        headers={Word.NAME: Word.REASON},
        credential_scopes=Word.ID,
    )
    others = [
        colour.client_class.from_connection_string(Word.CONNECTION_STRING, Word.HUB),
        colour.client_class.from_connection_string(Word.CONNECTION_STRING, hub=Word.HUB),
    ]
    for each in (client, *others):
        assert (each.hub, type(each.hub)) == ("news", str)
        assert each.endpoint == "https://name.webpubsub.azure.com"
        token = colour.run(
            each.get_client_access_token(
                user_id=Word.ID, roles=[Word.ROLE], groups=Word.GROUP, client_protocol=Word.PROTOCOL
            )
        )
        assert claims_of(token) == {
            "aud": "https://name.webpubsub.azure.com/clients/mqtt/hubs/news",
            "sub": "an-id",
            "role": ["webpubsub.joinLeaveGroup"],
            "webpubsub.group": ["room"],
        }
    token = package.build_authentication_token(
        Word.CONNECTION_STRING, Word.HUB, user=Word.ID, roles=[Word.ROLE], groups=Word.GROUP
    )
    assert claims_of(token)["aud"] == "https://name.webpubsub.azure.com/client/hubs/news"


def claims_of(token):
    claims = jwt.decode(token["token"], KEY, algorithms=["HS256"], options={"verify_aud": False})
    return {name: value for name, value in claims.items() if name not in ("iat", "exp")}


def test_member_of_an_enumeration_is_its_value_in_a_filter_and_a_builder():
    assert odata("{a} in groups and {b} eq 1", a=Word.GROUP, b=Size.FIVE) == "'room' in groups and 5 eq 1"
    request = rest.build_send_to_group_request(
        Word.HUB, Word.GROUP, content=Word.REASON, content_type=Word.TYPE, headers={Word.NAME: Word.ID}
    )
    assert urlsplit(request.url).path == "/api/hubs/news/groups/room/:send"
    assert (request.content, type(request.content)) == ("good-night", str)
    assert [type(value) for value in request.headers.values()] == [str] * len(request.headers)


def test_published_enumerations_are_there_and_plain_text_is_as_good():
    permission, kind = package.WebPubSubPermission, package.WebPubSubClientType
    assert {each.name: each.value for each in permission} == {
        "SEND_TO_GROUP": "sendToGroup",
        "JOIN_LEAVE_GROUP": "joinLeaveGroup",
    }
    assert {each.name: each.value for each in kind} == {"DEFAULT": "Default", "MQTT": "MQTT"}
    assert permission.send_to_group is permission.SEND_TO_GROUP  # extensible enumerations take any letter case
    for given in (permission.SEND_TO_GROUP, "sendToGroup"):
        url = rest.build_grant_permission_request("h", given, "c", target_name="g").url
        assert urlsplit(url).path == "/api/hubs/h/permissions/sendToGroup/connections/c"
    query = urlsplit(rest.build_generate_client_token_request("h", client_type=kind.MQTT).url).query
    assert ("clientType", "MQTT") in parse_qsl(query)


# JSON and text


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("汉字" * 3, '"汉字汉字汉字"'.encode()),
        ({"ключ": "😀"}, '{"ключ": "😀"}'.encode()),
        ("half \ud83d", b'"half \\ud83d"'),
        ({"\udc00": ["ü", "\ud800"]}, '{"\\udc00": ["ü", "\\ud800"]}'.encode()),
        ("\x00\u2028\x7f", '"\\u0000\u2028\x7f"'.encode()),
    ],
    ids=range(5),
)
def test_json_is_utf8_and_half_of_a_surrogate_pair_stays_escaped(connect, recorder, value, body):
    connect(recorder.url, AzureKeyCredential(KEY), hub="h").send_to_all(value)
    assert recorder.requests[0].body == rest.build_send_to_all_request("h", json=value).content == body
    assert json.loads(body) == value


def test_message_of_chinese_counts_its_bytes_once(connect, recorder):
    connect(recorder.url, AzureKeyCredential(KEY), hub="h").send_to_all("字" * 340_000)  # 1.02 MB, not 2.04
    assert int(headers_of(recorder.requests[0])["content-length"]) == 1_020_002


def test_text_given_to_a_builder_stays_text_and_is_sent_as_utf8(connect, recorder):
    request = rest.build_send_to_all_request("h", content="hü", content_type="text/plain")
    assert request.content == "hü"
    assert request.headers["Content-Length"] == "3"
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="h")
    for _ in range(2):
        client.send_request(request)
    assert [each.body for each in recorder.requests] == ["hü".encode()] * 2
    assert request.content == "hü"


# Names


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rest.build_group_exists_request("h", ""), "'group' must be a text of 1 to 1024 characters"),
        (lambda: rest.build_group_exists_request("h", " "), "'group' must be a text of 1 to 1024 characters"),
        (lambda: rest.build_group_exists_request("h", "x" * 1025), "'group' must be a text of 1 to 1024 characters"),
        (lambda: rest.build_user_exists_request("h", ""), "'user_id' must be a text of at least one character"),
        (lambda: rest.build_connection_exists_request("h", ""), "'connection_id' must be a text of at least one"),
        (lambda: rest.build_group_exists_request("", "g"), "'hub' must be a letter, then at most 127 letters"),
        (lambda: rest.build_group_exists_request("1", "g"), "'hub' must be a letter, then at most 127 letters"),
    ],
    ids=range(7),
)
def test_name_that_is_refused_is_told_what_it_must_be(call, words):
    with pytest.raises(ValidationError, match=words) as caught:
        call()
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (type(copied), str(copied), copied.target) == (ValidationError, str(caught.value), caught.value.target)


def test_repr_of_a_member_is_cut():
    member = package.GroupMember(connection_id="c", user_id="u" * 5000)
    assert len(repr(member)) == 1024
    assert repr(member).startswith("GroupMember(connection_id='c', user_id='uuu")
    assert repr(package.GroupMember(connection_id="c")) == "GroupMember(connection_id='c', user_id=None)"
