"""Every public method and keyword of 1.3.0 and of its unreleased main, in data/surface.tsv, against both clients."""

import inspect
import io
import json
from collections import Counter, namedtuple
from pathlib import Path

import pytest
from azure.core.credentials import AzureKeyCredential
from local_servers import ACCEPTED, answer

import azure.messaging.webpubsubservice as package
from azure.messaging.webpubsubservice import rest

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
Row = namedtuple("Row", "version method name place verdict reason")
LINES = Path(__file__).with_name("data").joinpath("surface.tsv").read_text("utf-8").splitlines()
ROWS = [Row(*line.split("\t")) for line in LINES if not line.startswith("#")]
COUNTS = {"same": 112, "more": 19, "refused": 9}
VALUES = {
    "cls": None,
    "error_map": {},
    "headers": {"X-Mine": "1"},
    "params": {"a": "b"},
    "raw_request_hook": lambda _: None,
    "raw_response_hook": lambda _: None,
    "tracing_options": {"enabled": False},
    "tracing_attributes": {},
    "connection_verify": True,
    "connection_cert": None,
    "user_agent": "mine",
    "request_id": "an-id",
    "parent_span": None,
}


def rows(*verdicts, places):
    found = [row for row in ROWS if row.verdict in verdicts and (row.place in places or row.place.isdigit() in places)]
    return pytest.mark.parametrize("row", found, ids=[f"{row.method}-{row.name}" for row in found])


def test_counts_are_as_reported_and_every_difference_has_its_reason():
    assert Counter(row.verdict for row in ROWS) == COUNTS
    assert all((row.verdict == "same") == (row.reason == "") for row in ROWS)
    assert len({(row.version, row.method, row.name) for row in ROWS}) == len(ROWS)


@rows("same", "more", places={"keyword", True, ""})
def test_parameter_is_where_it_was(colour, row):
    owner = package if row.method == "GroupMember" else colour.client_class
    parameters = inspect.signature(getattr(owner, row.method)).parameters
    names = [name for name in parameters if name != "self"]
    if row.place == "":
        assert names in ([], ["options"])
    elif row.method == "__init__":
        from azure.messaging.webpubsubservice import ClientOptions

        assert row.name in names or row.name in ClientOptions.__annotations__
    elif row.place == "keyword":
        assert parameters[row.name].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    elif row.name.startswith("groups_to_"):
        assert row.name in names  # what comes first takes the mapping too: a test below
    else:
        assert names[int(row.place) - 1] == row.name
        assert parameters[row.name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


@rows("same", "more", places={"option"})
def test_option_of_a_call_is_taken(connect, recorder, row):
    recorder.respond = ACCEPTED
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    assert client.send_to_all("x", **{row.name: VALUES.get(row.name, 1)}) is None
    assert len(recorder.requests) == 1


@rows("same", places={"name"})
def test_name_is_exported(row):
    assert row.method in package.__all__


def test_constructor_takes_its_arguments_in_the_order_of_1_3_0(colour):
    for arguments, keywords in (
        (("https://h", "chat", AzureKeyCredential(KEY)), {}),
        ((), {"endpoint": "https://h", "hub": "chat", "credential": AzureKeyCredential(KEY)}),
    ):
        client = colour.client_class(*arguments, **keywords)
        assert (client.endpoint, client.hub) == ("https://h", "chat")


@pytest.mark.parametrize("verb", ["add", "remove"])
def test_mapping_of_the_coming_release_is_taken_in_every_way(connect, recorder, verb):
    recorder.respond = answer("200 OK")
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    operation = getattr(client, f"{verb}_connections_{'to' if verb == 'add' else 'from'}_groups")
    both = {"groups": ["a"], "filter": "userId eq 'ada'"}
    operation(both)
    operation(both, content_type="application/json")
    operation(io.BytesIO(json.dumps(both).encode()), content_type="application/json")
    operation(**{f"groups_to_{verb}": both})
    operation(**{f"groups_to_{verb}": io.BytesIO(json.dumps(both).encode())})
    operation(["a"], "userId eq 'ada'")
    assert [json.loads(each.body) for each in recorder.requests] == [both] * 6


REFUSED = {
    ("__init__", "origin_endpoint"): lambda client: type(client.client)("https://h", AK, origin_endpoint="https://g"),
    ("__init__", "polling_interval"): lambda client: type(client.client)("https://h", AK, polling_interval=3),
    ("add_connections_to_groups", "groups_to_add without 'filter'"): lambda client: client.add_connections_to_groups(
        groups_to_add={"groups": ["a"]}
    ),
    (
        "remove_connections_from_groups",
        "groups_to_remove without 'filter'",
    ): lambda client: client.remove_connections_from_groups({"groups": ["a"]}),
    ("models.AddToGroupsRequest", "class"): lambda _: package.models.AddToGroupsRequest,
    ("models.RemoveFromGroupsRequest", "class"): lambda _: package.models.RemoveFromGroupsRequest,
    ("models.ClientTokenResponse", "class"): lambda _: package.models.ClientTokenResponse,
    ("every operation", "retry_mode"): lambda client: client.send_to_all("x", retry_mode="fixed"),
    ("every operation", "content_type of an operation without a body"): lambda client: client.user_exists(
        "ada", content_type="text/plain"
    ),
}
AK = AzureKeyCredential(KEY)


@pytest.mark.own_transport("a keyword may be meant for the caller's, which says itself what it does not know")
@rows("refused", places={"keyword", "value", "name", "option"})
def test_what_is_refused_is_refused_before_anything_is_sent(connect, recorder, row):
    client = connect(recorder.url, AK, hub="chat")
    with pytest.raises((TypeError, AttributeError)):
        REFUSED[row.method, row.name](client)
    assert recorder.connections == []


def test_every_refusal_is_tried():
    assert {(row.method, row.name) for row in ROWS if row.verdict == "refused"} == set(REFUSED)


def test_every_method_of_both_versions_is_here(colour):
    # Beside methods the table has a row for what all of them take, and for classes of the package.
    listed = {row.method for row in ROWS if row.method.islower() and row.method.isidentifier()}
    assert len(listed) > 25
    assert listed <= set(dir(colour.client_class))


SINCE = [
    # operation, keyword (or the operation itself), the first api-version that has it, where not 2021-10-01
    *((f"send_to_{where}", "filter", "2022-11-01") for where in ("all", "group", "user")),
    *((f"send_to_{where}", "message_ttl_seconds", "2024-01-01") for where in ("all", "group", "user", "connection")),
    ("generate_client_token", "groups", "2022-11-01"),
    ("generate_client_token", "client_type", "2024-01-01"),
    ("remove_connection_from_all_groups", None, "2022-11-01"),
    ("add_connections_to_groups", None, "2024-01-01"),
    ("remove_connections_from_groups", None, "2024-01-01"),
    ("list_connections_in_group", None, "2024-12-01"),
]


@pytest.mark.parametrize(("name", "keyword", "version"), SINCE)
def test_documentation_says_since_which_version_of_the_service(colour, name, keyword, version):
    for documented in (getattr(colour.client_class, name), getattr(rest, f"build_{name}_request")):
        lines = inspect.getdoc(documented).splitlines()
        line = lines[0] if keyword is None else next(each for each in lines if f" {keyword}:" in each)
        assert f"(since {version})" in line
