"""Code written for 1.0.0b1's builders runs unchanged: its names, argument order, templates, keywords and results."""

import inspect
import json

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.rest import HttpRequest
from msrest.exceptions import ValidationError

from azure.messaging.webpubsubservice import rest

P = "/api/hubs/h"
V = "?api-version=2024-12-01"

# Name of the builder, its positional arguments, and the request that 1.0.0b1 documents (but for the version).
BUILDERS = [
    ("build_healthapi_get_health_status_request", (), "HEAD", "/api/health"),
    ("build_send_to_all_request", ("h",), "POST", f"{P}/:send"),
    ("build_connection_exists_request", ("h", "c"), "HEAD", f"{P}/connections/c"),
    ("build_close_client_connection_request", ("h", "c"), "DELETE", f"{P}/connections/c"),
    ("build_send_to_connection_request", ("h", "c"), "POST", f"{P}/connections/c/:send"),
    ("build_group_exists_request", ("h", "g"), "HEAD", f"{P}/groups/g"),
    ("build_send_to_group_request", ("h", "g"), "POST", f"{P}/groups/g/:send"),
    ("build_add_connection_to_group_request", ("h", "g", "c"), "PUT", f"{P}/groups/g/connections/c"),
    ("build_remove_connection_from_group_request", ("h", "g", "c"), "DELETE", f"{P}/groups/g/connections/c"),
    ("build_user_exists_request", ("h", "u"), "HEAD", f"{P}/users/u"),
    ("build_send_to_user_request", ("h", "u"), "POST", f"{P}/users/u/:send"),
    ("build_add_user_to_group_request", ("h", "g", "u"), "PUT", f"{P}/users/u/groups/g"),
    ("build_remove_user_from_group_request", ("h", "g", "u"), "DELETE", f"{P}/users/u/groups/g"),
    ("build_remove_user_from_all_groups_request", ("h", "u"), "DELETE", f"{P}/users/u/groups"),
    ("build_grant_permission_request", ("h", "p", "c"), "PUT", f"{P}/permissions/p/connections/c"),
    ("build_revoke_permission_request", ("h", "p", "c"), "DELETE", f"{P}/permissions/p/connections/c"),
    ("build_check_permission_request", ("h", "p", "c"), "HEAD", f"{P}/permissions/p/connections/c"),
]
NAMES = {"h": "hub", "g": "group", "u": "user_id", "c": "connection_id", "p": "permission"}
each_builder = pytest.mark.parametrize(
    ("name", "arguments", "method", "path"), BUILDERS, ids=[row[0] for row in BUILDERS]
)


def body_of(name):
    return {"json": {"a": 1}} if "send_to" in name else {}


def test_there_were_seventeen():
    assert len({row[0] for row in BUILDERS}) == 17


@each_builder
def test_builder_takes_its_arguments_in_the_same_order(name, arguments, method, path):
    request = getattr(rest, name)(*arguments, **body_of(name))
    assert (request.method, request.url) == (method, path + V)
    assert repr(request) == f"<HttpRequest [{method}], url: '{path}{V}'>"


@each_builder
def test_builder_takes_its_arguments_by_name(name, arguments, method, path):
    request = getattr(rest, name)(**{NAMES[argument]: argument for argument in arguments}, **body_of(name))
    assert (request.method, request.url) == (method, path + V)


@each_builder
def test_builder_takes_the_keywords_that_all_had(name, arguments, method, path):
    template = path.replace("/h", "/{hub}", 1) if arguments else path
    for argument in arguments:
        place = {"u": "userId", "c": "connectionId"}.get(argument, NAMES[argument])
        template = template.replace(f"/{argument}/", f"/{{{place}}}/")
        template = template.removesuffix(f"/{argument}") + (
            f"/{{{place}}}" if template.endswith(f"/{argument}") else ""
        )
    request = getattr(rest, name)(
        *arguments,
        api_version="2021-05-01-preview",
        params={"p": "a%20b"},
        headers={"X-Mine": "1"},
        template_url=f"/v1{template}",
        **body_of(name),
    )
    assert request.url == f"/v1{path}?p=a%20b&api-version=2021-05-01-preview"
    assert request.headers["X-Mine"] == "1"
    assert getattr(rest, name)(*arguments, api_version=None, **body_of(name)).url == path


@each_builder
def test_builder_refuses_an_unknown_keyword(name, arguments, method, path):
    with pytest.raises(TypeError, match="unheard_of"):
        getattr(rest, name)(*arguments, unheard_of=1, **body_of(name))


def test_star_import_gives_the_builders():
    found = {}
    exec("from azure.messaging.webpubsubservice.rest import *", found)
    assert {row[0] for row in BUILDERS} <= found.keys()


@pytest.mark.parametrize(
    ("build", "url"),
    [
        (
            lambda: rest.build_send_to_all_request("h", json=1, excluded=["a", None, "b c"], params={"x": "1"}),
            f"{P}/:send?x=1&excluded=a&excluded=&excluded=b%20c&api-version=2024-12-01",
        ),
        (
            lambda: rest.build_send_to_group_request("h", "g", content="x", excluded=["a"]),
            f"{P}/groups/g/:send?excluded=a&api-version=2024-12-01",
        ),
        (
            lambda: rest.build_close_client_connection_request("h", "c", reason="go away"),
            f"{P}/connections/c?reason=go%20away&api-version=2024-12-01",
        ),
        (
            lambda: rest.build_grant_permission_request("h", "sendToGroup", "c", target_name="g 1"),
            f"{P}/permissions/sendToGroup/connections/c?targetName=g%201&api-version=2024-12-01",
        ),
        (
            lambda: rest.build_revoke_permission_request("h", "sendToGroup", "c", target_name="g"),
            f"{P}/permissions/sendToGroup/connections/c?targetName=g&api-version=2024-12-01",
        ),
        (
            lambda: rest.build_check_permission_request("h", "joinLeaveGroup", "c", target_name="g"),
            f"{P}/permissions/joinLeaveGroup/connections/c?targetName=g&api-version=2024-12-01",
        ),
    ],
    ids=range(6),
)
def test_keyword_of_a_builder_comes_between_params_and_version(build, url):
    assert build().url == url


@pytest.mark.parametrize(
    ("keywords", "content_type", "body"),
    [
        ({"json": {"a": 1}}, "application/json", b'{"a": 1}'),
        ({"content": "text"}, "text/plain", "text"),
        ({"content": b"\x00"}, "application/octet-stream", b"\x00"),
        ({"content": iter([b"a", b"b"])}, "application/octet-stream", b"ab"),
        ({"content": '{"a":1}', "content_type": "application/json"}, "application/json", '{"a":1}'),
        ({"content": b"text", "content_type": "text/plain"}, "text/plain", b"text"),
    ],
    ids=range(6),
)
@pytest.mark.parametrize("name", ["send_to_all", "send_to_group", "send_to_user", "send_to_connection"])
def test_sender_takes_json_or_content(name, keywords, content_type, body):
    builder = getattr(rest, f"build_{name}_request")
    keywords = {
        key: iter([b"a", b"b"]) if key == "content" and not hasattr(value, "__len__") else value
        for key, value in keywords.items()
    }
    request = builder("h", *([] if name == "send_to_all" else ["x"]), **keywords)
    assert request.headers["Content-Type"] == content_type
    assert request.content == body


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: rest.build_send_to_all_request("1bad", json=1), "hub"),
        (lambda: rest.build_group_exists_request("h", ""), "group"),
        (lambda: rest.build_group_exists_request("h", "x" * 1025), "group"),
        (lambda: rest.build_connection_exists_request("h", ""), "connection_id"),
        (lambda: rest.build_user_exists_request("h", ""), "user_id"),
    ],
)
def test_names_are_validated_before_anything_is_sent(build, named):
    with pytest.raises(ValidationError) as caught:
        build()
    assert named in str(caught.value)


def test_client_is_made_and_used_as_in_the_readme(colour, service, join, hub):
    client = colour.client_class(
        endpoint=service.endpoint, credential=AzureKeyCredential(service.access_key), tracing_enabled=True
    )
    try:
        socket = join()
        request = rest.build_send_to_all_request(hub, json={"Hello": "webpubsub!"})
        response = colour.run(client.send_request(request))
        assert "HttpResponse: 202 Accepted" in repr(response)
        assert response.status_code == 202
        response.raise_for_status()
        assert socket.data() == ("json", {"Hello": "webpubsub!"})
        response = colour.run(client.send_request(http_request=rest.build_user_exists_request(hub, "nobody")))
        assert response.status_code == 404
    finally:
        colour.run(client.close())


def test_connection_string_of_a_client_needs_no_hub(colour, service):
    client = colour.client_class.from_connection_string(service.connection_string)
    assert client.endpoint == service.endpoint


def test_function_for_client_tokens_keeps_its_signature():
    from azure.messaging.webpubsubservice import build_authentication_token

    parameters = inspect.signature(build_authentication_token).parameters
    assert list(parameters)[:2] == ["endpoint", "hub"]
    assert {"accesskey", "ttl", "user", "roles"} <= parameters.keys()


def test_answer_can_be_read_as_before(connect, recorder):
    from local_servers import answer

    recorder.respond = answer("200 OK", json.dumps({"a": 1}).encode(), Content_Type="application/json")
    client = connect(recorder.url, AzureKeyCredential("k" * 40))
    response = client.send_request(HttpRequest("GET", "/x"))
    assert (response.status_code, response.reason, response.content_type) == (200, "OK", "application/json")
    assert response.headers["content-length"] == "8"
