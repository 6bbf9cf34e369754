"""Code written for 1.3.0's client runs unchanged: its methods, their positional order, results and errors."""

import inspect

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.core.rest import HttpRequest

# Signatures after self as documented for 1.3.0: positional names, then the keywords that it names.
SIGNATURES = {
    "get_client_access_token": (
        [],
        ["client_protocol", "user_id", "roles", "minutes_to_expire", "groups", "jwt_headers"],
    ),
    "send_to_all": (["message"], ["excluded", "filter", "content_type"]),
    "send_to_user": (["user_id", "message"], ["filter", "content_type"]),
    "send_to_group": (["group", "message"], ["excluded", "filter", "content_type"]),
    "send_to_connection": (["connection_id", "message"], ["content_type"]),
    "connection_exists": (["connection_id"], []),
    "group_exists": (["group"], []),
    "user_exists": (["user_id"], []),
    "has_permission": (["permission", "connection_id"], ["target_name"]),
    "grant_permission": (["permission", "connection_id"], ["target_name"]),
    "revoke_permission": (["permission", "connection_id"], ["target_name"]),
    "add_connection_to_group": (["group", "connection_id"], []),
    "remove_connection_from_group": (["group", "connection_id"], []),
    "remove_connection_from_all_groups": (["connection_id"], []),
    "add_user_to_group": (["group", "user_id"], []),
    "remove_user_from_group": (["group", "user_id"], []),
    "remove_user_from_all_groups": (["user_id"], []),
    "close_connection": (["connection_id"], ["reason"]),
    "close_all_connections": ([], ["excluded", "reason"]),
    "close_group_connections": (["group"], ["excluded", "reason"]),
    "close_user_connections": (["user_id"], ["excluded", "reason"]),
    "list_connections": (["group"], ["top", "maxpagesize"]),
    "send_request": (["request"], ["stream"]),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_method_keeps_its_positional_order_and_keywords(colour, name):
    positional, keywords = SIGNATURES[name]
    parameters = list(inspect.signature(getattr(colour.client_class, name)).parameters.values())[1:]
    assert [each.name for each in parameters if each.kind == each.POSITIONAL_OR_KEYWORD] == positional
    assert set(keywords) <= {each.name for each in parameters if each.kind == each.KEYWORD_ONLY}
    assert parameters[-1].kind == inspect.Parameter.VAR_KEYWORD


def test_defaults_are_the_published_ones(colour):
    parameters = inspect.signature(colour.client_class.get_client_access_token).parameters
    assert parameters["minutes_to_expire"].default == 60
    assert parameters["client_protocol"].default == "Default"
    for name, (_, keywords) in SIGNATURES.items():
        for keyword in keywords:
            if keyword not in {"minutes_to_expire", "client_protocol", "stream"}:
                assert inspect.signature(getattr(colour.client_class, name)).parameters[keyword].default is None


def test_constructor_forms(colour, service):
    credential = AzureKeyCredential(service.access_key)
    make = colour.client_class
    for client in (
        make(service.endpoint, "chat", credential),
        make(endpoint=service.endpoint, hub="chat", credential=credential),
        make(service.endpoint, "chat", credential=credential),
        make.from_connection_string(service.connection_string, "chat"),
        make.from_connection_string(connection_string=service.connection_string, hub="chat"),
    ):
        token = colour.run(client.get_client_access_token())
        assert token["baseUrl"] == f"ws{service.endpoint.removeprefix('http')}/client/hubs/chat"
        colour.run(client.close())


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_none_for_an_argument_is_a_value_error(colour, missing):
    arguments = ["https://h", "hub", AzureKeyCredential("k" * 40)]
    arguments[missing] = None
    with pytest.raises(ValueError, match="must not be None"):
        colour.client_class(*arguments)


OPTIONS = {
    "api_version": "2024-12-01",
    "reverse_proxy_endpoint": "https://proxy",
    "port": "8080",
    "user": "ada",
    "credential_scopes": ["https://webpubsub.azure.com/.default"],
    "logging_enable": True,
    "retry_total": 3,
    "retry_connect": 1,
    "retry_read": 1,
    "retry_status": 1,
    "retry_backoff_factor": 0.5,
    "retry_backoff_max": 10,
    "retry_mode": "fixed",
    "timeout": 5,
    "connection_timeout": 5,
    "read_timeout": 5,
    "connection_verify": True,
    "connection_cert": None,
    "headers": {"X-Mine": "1"},
    "user_agent": "mine/1",
    "base_user_agent": "base/1",
    "raw_request_hook": print,
    "raw_response_hook": print,
    "network_span_namer": str,
    "proxies": {},
    "authentication_policy": None,
    "proxy_policy": None,
    "headers_policy": None,
    "retry_policy": None,
    "redirect_policy": None,
    "custom_hook_policy": None,
    "logging_policy": None,
    "http_logging_policy": None,
    "user_agent_policy": None,
}


@pytest.mark.parametrize("name", OPTIONS)
def test_option_of_the_client_is_taken(colour, name):
    client = colour.client_class("https://h", "hub", AzureKeyCredential("k" * 40), **{name: OPTIONS[name]})
    colour.run(client.close())


CALL_OPTIONS = {
    "headers": {"X-Mine": "1"},
    "params": {"messageTtlSeconds": "60"},
    "error_map": {},
    "cls": None,
    "logging_enable": True,
    "retry_total": 0,
    "retry_connect": 0,
    "retry_read": 0,
    "retry_status": 0,
    "retry_backoff_factor": 0.1,
    "retry_backoff_max": 1,
    "timeout": 9,
    "connection_timeout": 9,
    "read_timeout": 9,
    "raw_request_hook": lambda _: None,
    "raw_response_hook": lambda _: None,
    "user_agent": "mine/1",
    "enforce_https": False,
    "tracing_options": {"enabled": False},
    "tracing_attributes": {"a": "b"},
}


@pytest.mark.parametrize("name", CALL_OPTIONS)
def test_option_of_a_call_is_taken(client, name):
    assert client.send_to_all("x", **{name: CALL_OPTIONS[name]}) is None


def test_time_to_live_could_be_given_by_params(client, service, hub):
    client.send_to_all("x", params={"messageTtlSeconds": "60"})
    assert [entry.ttl_seconds for entry in service.record.sends if entry.hub == hub] == [60]


@pytest.mark.parametrize(
    ("message", "content_type", "received"),
    [
        ({"from": "user1", "data": "Hello World"}, None, ("json", {"from": "user1", "data": "Hello World"})),
        ("hello, text!", "text/plain", ("text", "hello, text!")),
        ("hello", None, ("json", "hello")),
        (b"hi", "application/octet-stream", ("binary", "aGk=")),
        ("hi", "application/octet-stream", ("binary", "aGk=")),
        ({"a": 1}, "application/json", ("json", {"a": 1})),
    ],
    ids=range(6),
)
def test_message_of_each_content_type(client, join, message, content_type, received):
    socket = join(user_id="ada", groups=["g"])
    for send in (
        lambda: client.send_to_all(message, content_type=content_type),
        lambda: client.send_to_group("g", message, content_type=content_type),
        lambda: client.send_to_user("ada", message, content_type=content_type),
        lambda: client.send_to_connection(socket.id, message=message, content_type=content_type),
    ):
        assert send() is None
        assert socket.data() == received


def test_other_content_type_is_a_value_error_that_names_the_three(client):
    with pytest.raises(ValueError, match=r"application/json.*text/plain.*application/octet-stream"):
        client.send_to_all("x", content_type="text/html")


def test_missing_things(client):
    assert client.user_exists(user_id="nobody") is False
    assert client.group_exists(group="nobody") is False
    assert client.connection_exists(connection_id="nobody") is False
    assert client.remove_connection_from_all_groups("nobody") is None
    with pytest.raises(ResourceNotFoundError):
        client.add_connection_to_group("g", "nobody")


def test_wrong_key_is_a_client_authentication_error(connect, service, hub):
    with pytest.raises(ClientAuthenticationError):
        connect(service.endpoint, hub, AzureKeyCredential("wrong" * 8)).send_to_all("x")


def test_listing_takes_the_group_by_keyword_and_is_not_awaited(client, colour, join):
    socket = join(user_id="ada", groups=["g"])
    (member,) = client.list_connections(group="g", top=1)
    assert (member.connection_id, member.user_id) == (socket.id, "ada")
    listing = client.client.list_connections(group="g")
    if colour.name == "sync":
        from azure.core.paging import ItemPaged

        assert isinstance(listing, ItemPaged)
    else:
        from azure.core.async_paging import AsyncItemPaged

        assert isinstance(listing, AsyncItemPaged)


def test_request_of_azure_core_is_sent_relative_or_absolute(client, service, hub):
    for url in (f"/api/hubs/{hub}/groups/g", f"{service.endpoint}/api/hubs/{hub}/groups/g"):
        request = HttpRequest("HEAD", f"{url}?api-version=2024-12-01")
        response = client.send_request(request, stream=False)
        assert response.status_code == 404
        assert response.headers["x-ms-error-code"] == "Warning.Group.NotExisted"


def test_package_exports_what_it_did():
    import azure.messaging.webpubsubservice as package
    from azure.messaging.webpubsubservice import aio

    assert {"WebPubSubServiceClient", "GroupMember", "__version__"} <= set(package.__all__)
    assert "WebPubSubServiceClient" in aio.__all__
    member = package.GroupMember(connection_id="c", user_id="u")
    assert (member.connection_id, member.user_id) == ("c", "u")
