"""Request builders: how their options come together, and that nothing of the caller's is changed."""

import copy
import inspect

import pytest
from azure.core.rest import HttpRequest
from msrest.exceptions import ValidationError

from azure.messaging.webpubsubservice import rest
from azure.messaging.webpubsubservice.rest import (
    build_close_all_connections_request,
    build_generate_client_token_request,
    build_group_exists_request,
    build_healthapi_get_health_status_request,
    build_list_connections_in_group_request,
    build_send_to_all_request,
    build_send_to_group_request,
)

BUILDERS = [name for name in vars(rest) if not name.startswith("_")]


def query(request):
    return request.url.partition("?")[2]


def test_request_of_the_readme_is_made_to_the_letter():
    request = build_send_to_all_request("default", json={"Hello": "webpubsub!"}, api_version="2020-10-01")
    assert repr(request) == "<HttpRequest [POST], url: '/api/hubs/default/:send?api-version=2020-10-01'>"
    assert type(request) is HttpRequest
    assert request.content == b'{"Hello": "webpubsub!"}'
    assert dict(request.headers) == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Content-Length": "23",
    }


def test_file_of_the_readme_is_sent_as_it_is(tmp_path):
    file = tmp_path / "file.json"
    file.write_text('{"Hello": "wébpubsub!"}', encoding="utf-8")
    with file.open(encoding="utf-8") as f:
        request = build_send_to_all_request("ahub", content=f, content_type="application/json")
    assert request.content == '{"Hello": "wébpubsub!"}'.encode()
    assert request.headers["Content-Length"] == "24"


def test_query_is_params_then_the_keywords_then_the_version():
    request = build_send_to_all_request(
        "hub", json=1, params={"b": "1", "a": "2"}, excluded=["x"], filter="f", message_ttl_seconds=0
    )
    assert query(request) == "b=1&a=2&excluded=x&filter=f&messageTtlSeconds=0&api-version=2024-12-01"


def test_none_is_left_out_and_an_empty_list_too():
    request = build_send_to_all_request("hub", json=1, params={"a": None}, excluded=[], filter=None)
    assert query(request) == "api-version=2024-12-01"


def test_params_that_are_encoded_already_stay_so():
    request = build_group_exists_request("hub", "g", params={"a": "x%20y", "b": "x y&z", "c": ["1", "2"], "d": True})
    assert query(request) == "a=x%20y&b=x%20y%26z&c=1&c=2&d=true&api-version=2024-12-01"


def test_keyword_takes_the_place_of_the_same_name_in_params():
    params = {"messageTtlSeconds": "60", "excluded": ["a", "b"], "other": "1"}
    request = build_send_to_all_request("hub", json=1, params=params, message_ttl_seconds=5, excluded=["c"])
    assert query(request) == "other=1&excluded=c&messageTtlSeconds=5&api-version=2024-12-01"
    request = build_send_to_all_request("hub", json=1, params=params)
    assert query(request) == "messageTtlSeconds=60&excluded=a&excluded=b&other=1&api-version=2024-12-01"


@pytest.mark.parametrize("name", ["api-version", "Api-Version"])
def test_version_in_params_takes_the_place_of_the_default(name):
    request = build_group_exists_request("hub", "g", params={name: "2021-10-01"})
    assert query(request) == f"{name}=2021-10-01"


def test_excluded_is_repeated_and_a_lone_text_is_one_id():
    assert query(build_close_all_connections_request("hub", excluded=["a", "b,c", None], api_version=None)) == (
        "excluded=a&excluded=b%2Cc&excluded="
    )
    assert query(build_close_all_connections_request("hub", excluded="abc", api_version=None)) == "excluded=abc"
    assert query(build_close_all_connections_request("hub", excluded=("a", "b"), api_version=None)) == (
        "excluded=a&excluded=b"
    )


def test_reason_is_encoded_whole():
    request = build_close_all_connections_request("hub", reason="a/b c+d?e=f&g#h ü", api_version=None)
    assert query(request) == "reason=a%2Fb%20c%2Bd%3Fe%3Df%26g%23h%20%C3%BC"


def test_template_url_takes_the_place_of_the_path():
    request = build_send_to_group_request("hub", "g 1", json=1, template_url="/v2/{group}/of/{hub}?x=1")
    assert request.url == "/v2/g%201/of/hub?x=1&api-version=2024-12-01"
    assert request.method == "POST"
    with pytest.raises(ValueError, match=r"template_url.*'user'.*\['group', 'hub'\]"):
        build_send_to_group_request("hub", "g", json=1, template_url="/{user}")


def test_headers_are_added_and_may_replace_accept():
    request = build_healthapi_get_health_status_request(headers={"X-Mine": "1", "accept": "text/json"})
    assert dict(request.headers) == {"accept": "text/json", "X-Mine": "1"}


def test_nothing_of_the_callers_is_changed():
    params = {"a": "1", "list": ["x"]}
    headers = {"X-Mine": "1", "Content-Type": "text/plain"}
    excluded = ["a", None]
    body = {"k": ["v"]}
    before = copy.deepcopy((params, headers, excluded, body))
    for _ in range(2):
        request = build_send_to_all_request("hub", json=body, params=params, headers=headers, excluded=excluded)
        assert query(request) == "a=1&list=x&excluded=a&excluded=&api-version=2024-12-01"
    request.headers["X-Mine"] = "2"
    request.headers["Later"] = "3"
    assert (params, headers, excluded, body) == before


@pytest.mark.parametrize("name", BUILDERS)
def test_unknown_keyword_is_a_type_error(name):
    builder = getattr(rest, name)
    positional = [
        parameter.name
        for parameter in inspect.signature(builder).parameters.values()
        if parameter.kind == parameter.POSITIONAL_OR_KEYWORD
    ]
    with pytest.raises(TypeError, match="exclude"):
        builder(*["x"] * len(positional), exclude=["a"])


@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (301, ValueError), (1.5, TypeError), ("60", TypeError), (True, TypeError)]
)
def test_time_to_live_is_0_to_300_seconds(value, error):
    with pytest.raises(error, match="message_ttl_seconds must be a whole number from 0 to 300"):
        build_send_to_all_request("hub", json=1, message_ttl_seconds=value)
    for allowed in (0, 300):
        request = build_send_to_all_request("hub", json=1, message_ttl_seconds=allowed)
        assert f"messageTtlSeconds={allowed}&" in request.url


def test_page_sizes_are_checked():
    with pytest.raises(ValueError, match="top must be a whole number from 1 to 2147483647"):
        build_list_connections_in_group_request("hub", "g", top=0)
    for value in (0, 201):
        with pytest.raises(ValueError, match="maxpagesize must be a whole number from 1 to 200"):
            build_list_connections_in_group_request("hub", "g", maxpagesize=value)
    request = build_list_connections_in_group_request("hub", "g", top=1, maxpagesize=200, api_version=None)
    assert query(request) == "top=1&maxpagesize=200"


@pytest.mark.parametrize("value", [0, -5])
def test_lifetime_of_a_minted_token_is_at_least_a_minute(value):
    with pytest.raises(ValueError, match="minutes_to_expire must be a whole number from 1"):
        build_generate_client_token_request("hub", minutes_to_expire=value)


def test_bulk_request_needs_a_filter_in_so_many_words():
    with pytest.raises(TypeError, match="filter"):
        rest.build_add_connections_to_groups_request("hub", ["g"])
    with pytest.raises(TypeError, match=r"filter must be .*every connection of the hub say filter=''"):
        rest.build_add_connections_to_groups_request("hub", ["g"], None)
    request = rest.build_remove_connections_from_groups_request("hub", ["g"], "")
    assert request.content == b'{"groups": ["g"], "filter": ""}'


def test_bulk_request_needs_groups():
    for groups in ([], ()):
        with pytest.raises(ValueError, match="groups must name at least one group"):
            rest.build_add_connections_to_groups_request("hub", groups, "")
    with pytest.raises(TypeError, match="groups must be a list of str"):
        rest.build_add_connections_to_groups_request("hub", [1], "")
    request = rest.build_add_connections_to_groups_request("hub", "room", "")
    assert request.content == b'{"groups": ["room"], "filter": ""}'


def test_wrong_name_is_msrests_error():
    with pytest.raises(ValidationError):
        build_send_to_all_request("no spaces", json=1)
