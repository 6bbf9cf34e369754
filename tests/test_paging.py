"""Listing the connections of a group page by page."""

import json

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import DecodeError, HttpResponseError
from colours import headers_of
from local_servers import answer

from azure.messaging.webpubsubservice import GroupMember

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"


@pytest.fixture
def members(join):
    """Five connections in the group ``g``."""
    sockets = [join(user_id=f"u{number}" if number else None, groups=["g"]) for number in range(5)]
    return {GroupMember(connection_id=socket.id, user_id=socket.user_id) for socket in sockets}


def test_list_holds_every_member_once(client, members):
    listed = list(client.list_connections("g"))
    assert len(listed) == 5
    assert set(listed) == members
    assert list(client.list_connections(group="g", maxpagesize=2)) == listed
    assert list(client.list_connections_in_group("g", maxpagesize=1)) == listed


def test_anonymous_member_has_no_user(client, members):
    assert sum(member.user_id is None for member in client.list_connections("g")) == 1


def test_empty_group_has_one_page_without_members(client):
    assert list(client.list_connections("nobody")) == []
    assert list(client.list_connections("nobody").by_page()) == [[]]


@pytest.mark.parametrize(("size", "lengths"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (200, [5])])
def test_pages_are_as_long_as_asked(client, members, size, lengths):
    assert [len(page) for page in client.list_connections("g", maxpagesize=size).by_page()] == lengths


@pytest.mark.parametrize(
    ("top", "size", "lengths"), [(1, None, [1]), (3, 2, [2, 1]), (4, 2, [2, 2]), (5, 2, [2, 2, 1]), (99, 3, [3, 2])]
)
def test_top_is_how_many_in_all(client, members, top, size, lengths):
    pages = list(client.list_connections("g", top=top, maxpagesize=size).by_page())
    assert [len(page) for page in pages] == lengths


def test_listing_goes_on_where_an_earlier_one_stopped(client, members):
    everything = list(client.list_connections("g"))
    pages = client.list_connections("g", maxpagesize=2).by_page()
    assert next(pages) == everything[:2]
    token = pages.continuation_token
    assert isinstance(token, str)
    again = client.list_connections("g", maxpagesize=2).by_page(token)
    assert next(again) == everything[2:4]
    assert next(again) == everything[4:]
    assert again.continuation_token is None
    with pytest.raises(StopIteration):
        next(again)
    assert list(client.list_connections("g", continuation_token=token)) == everything[2:]


def test_listing_with_top_goes_on_with_what_is_left_of_it(client, members):
    everything = list(client.list_connections("g"))
    pages = client.list_connections("g", top=3, maxpagesize=2).by_page()
    next(pages)
    token = pages.continuation_token
    assert list(client.list_connections("g", top=3, maxpagesize=2).by_page(token)) == [everything[2:3]]
    assert list(client.list_connections("g").by_page(token)) == [everything[2:3]]


def test_listing_goes_on_from_a_bare_token_and_from_a_whole_link(client, members):
    everything = list(client.list_connections("g"))
    bare = everything[3].connection_id
    assert list(client.list_connections("g").by_page(bare)) == [everything[3:]]
    link = f"https://evil.example/elsewhere?maxpagesize=1&continuationToken={bare}&api-version=2021-10-01"
    assert list(client.list_connections("g").by_page(link)) == [everything[3:4], everything[4:]]


def test_list_can_be_paged_again(client, members):
    listing = client.list_connections("g", maxpagesize=2)
    assert list(listing.by_page()) == list(listing.by_page())


def test_nothing_is_asked_before_the_first_member_is_wanted(connect, recorder):
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    client.list_connections("g")
    assert recorder.requests == []


def test_wrong_arguments_fail_at_the_call(connect, recorder):
    client = connect(recorder.url, AzureKeyCredential(KEY))
    with pytest.raises(ValueError, match="no hub"):
        client.list_connections("g")
    with pytest.raises(ValueError, match="group"):
        client.list_connections("a/b", hub="chat")
    with pytest.raises(ValueError, match="top"):
        client.list_connections("g", hub="chat", top=0)
    assert recorder.requests == []


def test_unknown_keyword_fails_before_anything_is_asked(connect, recorder):
    client = connect(recorder.url, AzureKeyCredential(KEY))
    with pytest.raises(TypeError, match="maxpagesiz"):
        list(client.list_connections("g", hub="chat", maxpagesiz=5))
    assert recorder.requests == []


@pytest.mark.own_transport("a keyword may be meant for the caller's, which is asked with the first page")
def test_unknown_keyword_fails_at_the_call(connect, recorder):
    with pytest.raises(TypeError, match="maxpagesiz"):
        connect(recorder.url, AzureKeyCredential(KEY)).list_connections("g", hub="chat", maxpagesiz=5)


def page_of(members, link=None):
    body = {"value": [{"connectionId": name, "userId": None} for name in members]}
    if link:
        body["nextLink"] = link
    return answer("200 OK", json.dumps(body).encode(), Content_Type="application/json")


def test_link_that_names_another_host_receives_nothing(connect, recorder):
    from local_servers import HttpServer

    with HttpServer() as other:
        links = [f"{other.url}/stolen?continuationToken=c2&top=1", None]
        recorder.respond = lambda request: page_of(["c"], links.pop(0))
        client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat", api_version="2024-12-01")
        assert len(list(client.list_connections("a b", maxpagesize=1))) == 2
        assert other.requests == []
    first, second = recorder.requests
    path = "/api/hubs/chat/groups/a%20b/connections"
    assert first.target == f"{path}?maxpagesize=1&api-version=2024-12-01"
    assert second.target == f"{path}?top=1&maxpagesize=1&continuationToken=c2&api-version=2024-12-01"
    assert headers_of(second)["authorization"].startswith("Bearer ")


def test_options_of_the_call_hold_for_every_page(connect, recorder):
    links = ["http://h/?continuationToken=c2", None]
    recorder.respond = lambda request: page_of(["c"], links.pop(0))
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    options = {"headers": {"X-Mine": "1"}, "params": {"p": "q"}, "api_version": "2025-01-01"}
    assert len(list(client.list_connections("g", hub="other", **options))) == 2
    for request in recorder.requests:
        assert headers_of(request)["x-mine"] == "1"
        assert request.target.startswith("/api/hubs/other/groups/g/connections?p=q&")
        assert request.target.endswith("api-version=2025-01-01")
    assert options == {"headers": {"X-Mine": "1"}, "params": {"p": "q"}, "api_version": "2025-01-01"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"value":null}',
        b'{"value":[{}]}',
        b'{"value":[{"connectionId":1}]}',
        b'{"value":["c"]}',
        b'{"value":[],"nextLink":"http://h/none"}',
        b'{"value":[],"nextLink":7}',
        b"\xff",
        b"[" * 100_000,
    ],
    ids=range(12),
)
def test_answer_that_is_no_page_is_a_decode_error(connect, recorder, body):
    recorder.respond = answer("200 OK", body, Content_Type="application/json")
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    with pytest.raises(DecodeError, match="the service's answer cannot be read"):
        list(client.list_connections("g"))


def test_refusal_is_raised_while_iterating(connect, recorder):
    recorder.respond = answer("400 Bad Request")
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    listing = client.list_connections("g")
    with pytest.raises(HttpResponseError):
        list(listing)
