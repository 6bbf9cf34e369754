"""Each operation's request and answers against the table of the service's own description, data/operations.tsv."""

import contextlib
import inspect
import json
from collections import namedtuple
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from colours import WAIT, headers_of
from local_servers import answer

from azure.messaging.webpubsubservice import rest

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
Row = namedtuple("Row", "id method path query body statuses operation builder")


def rows():
    for line in Path(__file__).with_name("data").joinpath("operations.tsv").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            identity, method, path, query, body, statuses, operation, builder = line.split("\t")
            yield Row(
                identity,
                method,
                path.replace("P/", "/api/hubs/{hub}/"),
                [] if query == "-" else query.split(","),
                body,
                {int(status) for status in statuses.split(",")},
                operation,
                f"build_{builder}_request",
            )


ROWS = list(rows())
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])

NAMES = {"hub": "chat", "group": "g 1", "connectionId": "-c_1", "userId": "ada@x", "permission": "sendToGroup"}
IN_PATH = {"hub": "chat", "group": "g%201", "connectionId": "-c_1", "userId": "ada%40x", "permission": "sendToGroup"}
ARGUMENTS = {"connectionId": "connection_id", "userId": "user_id"}

# What each query parameter is called in Python, a value for it, and how that is written in the query.
QUERY = {
    "excluded": ("excluded", ["a b", "c&d"], ["a b", "c&d"]),
    "filter": ("filter", "userId ne 'x+y'", ["userId ne 'x+y'"]),
    "messageTtlSeconds": ("message_ttl_seconds", 60, ["60"]),
    "reason": ("reason", "so / so & ü", ["so / so & ü"]),
    "targetName": ("target_name", "a/b", ["a/b"]),
    "userId": ("user_id", "ada", ["ada"]),
    "role": ("roles", ["webpubsub.sendToGroup", "r2"], ["webpubsub.sendToGroup", "r2"]),
    "minutesToExpire": ("minutes_to_expire", 5, ["5"]),
    "group": ("groups", ["g1", "g2"], ["g1", "g2"]),
    "clientType": ("client_type", "MQTT", ["MQTT"]),
    "maxpagesize": ("maxpagesize", 3, ["3"]),
    "top": ("top", 7, ["7"]),
    "continuationToken": ("continuation_token", "-c&1", ["-c&1"]),
}


def in_path(row):
    return [name for name in NAMES if f"{{{name}}}" in row.path]


def named(row):
    return {ARGUMENTS.get(name, name): NAMES[name] for name in in_path(row)}


def asked(row):
    return {QUERY[name][0]: QUERY[name][1] for name in row.query}


def bulk(row):
    return {"groups": ["g1", "g2"], "filter": "userId eq 'ada'"} if row.body == "groups" else {}


def path_of(row):
    return row.path.format_map(IN_PATH)


def pairs_of(url):
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def expected_pairs(row):
    pairs = [(name, value) for name in row.query for value in QUERY[name][2]]
    return sorted([*pairs, ("api-version", "2024-12-01")])


def respond_with(status, row=None):
    """An answer that is right in all but, perhaps, its status."""
    headers = {"x_ms_error_code": "Warning.Thing.NotExisted"} if status == 404 else {}
    if status == 200 and row.operation == "list_connections":
        return answer("200 OK", b'{"value":[]}', Content_Type="application/json", **headers)
    if status == 200 and row.operation == "generate_client_token":
        return answer("200 OK", b'{"token":"t"}', Content_Type="application/json", **headers)
    return answer(f"{status} Reason", **headers)


def perform(client, row, **more):
    """Call the client's operation with every keyword that the table names, and see it through."""
    names = named(row)
    names.pop("hub", None)
    message = {"message": {"a": 1}} if row.body == "any" else {}
    result = getattr(client, row.operation)(**names, **message, **bulk(row), **asked(row), **more)
    return list(result) if row.operation == "list_connections" else result


@each_row
def test_operation_is_in_each_of_its_places(row, service):
    """First of all, and each place in its turn: whoever adds an operation goes from one message to the next."""
    from azure.messaging.webpubsubservice import WebPubSubServiceClient, aio

    assert hasattr(rest, row.builder), f"write {row.builder} in rest/, and give it its line in rest/__init__.py"
    assert hasattr(aio.WebPubSubServiceClient, row.operation), f"write {row.operation} in aio/_client.py"
    assert hasattr(WebPubSubServiceClient, row.operation), "'python tests/test_twins.py' writes _client.py"
    emulator = HTTPConnection("127.0.0.1", service.port, timeout=WAIT)
    with contextlib.closing(emulator):
        emulator.request(row.method, path_of(row))
        status = emulator.getresponse().status
    # It has no token; without a route nobody asks for one.
    assert status in (200, 401), f"write {row.method} {row.path} in emulator/rest/_routes.py and what it does beside it"


@each_row
def test_builder_makes_the_request_of_the_table(row):
    message = {"json": {"a": 1}} if row.body == "any" else {}
    request = getattr(rest, row.builder)(**named(row), **message, **bulk(row), **asked(row))
    assert request.method == row.method
    assert urlsplit(request.url).scheme == urlsplit(request.url).netloc == ""
    assert urlsplit(request.url).path == path_of(row)
    assert sorted(pairs_of(request.url)) == expected_pairs(row)
    if row.body == "-":
        assert request.content is None
        assert "Content-Type" not in request.headers
    else:
        assert json.loads(request.content) == ({"a": 1} if row.body == "any" else bulk(row))
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Content-Length"] == str(len(request.content))


@each_row
def test_builder_leaves_out_what_is_not_given(row):
    message = {"json": 1} if row.body == "any" else {}
    request = getattr(rest, row.builder)(**named(row), **message, **bulk(row))
    assert request.url == f"{path_of(row)}?api-version=2024-12-01"
    request = getattr(rest, row.builder)(**named(row), **message, **bulk(row), api_version=None)
    assert request.url == path_of(row)


@each_row
def test_builder_takes_exactly_the_query_of_the_table(row):
    parameters = inspect.signature(getattr(rest, row.builder)).parameters
    known = {name for name, parameter in parameters.items() if parameter.kind == parameter.KEYWORD_ONLY}
    body = {"json", "content", "content_type"} if row.body == "any" else set()
    assert known == {QUERY[name][0] for name in row.query} | body
    with pytest.raises(TypeError, match="surplus"):
        getattr(rest, row.builder)(**named(row), **bulk(row), **({"json": 1} if row.body == "any" else {}), surplus=1)


@each_row
def test_client_sends_the_request_of_the_table(row, connect, recorder, as_sent):
    recorder.respond = respond_with(min(row.statuses), row)
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    perform(client, row)
    (request,) = recorder.requests
    headers = headers_of(request)
    assert request.method == row.method
    assert as_sent(urlsplit(request.target).path) == as_sent(path_of(row))
    assert sorted(pairs_of(request.target)) == expected_pairs(row)
    assert headers["accept"] == "application/json"
    assert headers["authorization"].startswith("Bearer ")
    if row.body == "-":
        assert request.body == b""
        assert headers.get("content-length", "0") == "0"
    else:
        assert json.loads(request.body) == ({"a": 1} if row.body == "any" else bulk(row))
        assert headers["content-type"] == "application/json"
        assert headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in headers


@each_row
def test_operation_succeeds_with_the_statuses_of_the_table_and_no_other(row, connect, recorder):
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat", retry_total=0)
    for status in (200, 201, 202, 204, 400, 404):
        recorder.respond = respond_with(status, row)
        if status in row.statuses:
            perform(client, row)
        else:
            with pytest.raises(HttpResponseError) as caught:
                perform(client, row)
            assert caught.value.status_code == status
    assert len(recorder.requests) == 6


def test_table_and_rest_module_name_the_same_operations():
    assert len(ROWS) >= 25  # so many has api-version 2024-12-01
    assert sorted(row.builder for row in ROWS) == sorted(name for name in vars(rest) if not name.startswith("_"))


def test_hub_of_a_call_takes_the_place_of_the_clients(connect, recorder, as_sent):
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    for row in ROWS:
        recorder.respond = respond_with(min(row.statuses), row)
        perform(client, row, hub="other")
        target = urlsplit(recorder.requests[-1].target).path
        assert as_sent(target) == as_sent(path_of(row).replace("/hubs/chat", "/hubs/other"))
