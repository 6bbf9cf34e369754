"""Defects that were seen in 1.0.0b1 and in 1.3.0, each by its number in the report on them, and that ours lacks."""

import ast
import inspect
import io
import json
import logging
import time
from pathlib import Path

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError
from azure.core.rest import HttpRequest
from colours import headers_of
from local_servers import ACCEPTED, HttpServer, answer

import azure.messaging.webpubsubservice as package
from azure.messaging.webpubsubservice import GroupMember, rest
from azure.messaging.webpubsubservice.emulator import RestFault

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
ENDPOINT = "https://name.webpubsub.azure.com"


@pytest.fixture
def recorded(connect, recorder):
    """A client of the recording server."""
    return connect(recorder.url, AzureKeyCredential(KEY), hub="chat")


@pytest.fixture
def own_client(connect, colour, service, hub):
    """Makes a client of the emulator, perhaps on azure-core's own transport."""

    def make(own_transport):
        from azure.core.pipeline import transport

        kind = transport.RequestsTransport if colour.name == "sync" else transport.AioHttpTransport
        options = {"transport": kind()} if own_transport else {}
        return connect(service.endpoint, AzureKeyCredential(service.access_key), hub=hub, **options)

    return make


# 1.0.0b1


@pytest.mark.parametrize("own_transport", [False, True])
def test_b1_01_either_client_sends_and_reads_also_through_azure_cores_transport(own_client, join, own_transport):
    client = own_client(own_transport)
    socket = join()
    response = client.send_request(rest.build_send_to_all_request(client.hub, json=1))
    assert (response.status_code, response.content) == (202, b"")
    assert socket.data() == ("json", 1)


def test_b1_02_builder_leaks_nothing_into_later_calls():
    params, headers = {}, {}
    rest.build_send_to_all_request("h", content="x", excluded=["a"], params=params, headers=headers)
    rest.build_close_client_connection_request("h", "c", reason="r", params=params, headers=headers)
    rest.build_grant_permission_request("h", "p", "c", target_name="t", params=params, headers=headers)
    assert (params, headers) == ({}, {})


def test_b1_03_nothing_is_imported_that_python_3_13_lacks():
    gone = {"cgi", "cgitb", "imp", "asyncore", "asynchat", "distutils", "pipes", "telnetlib"}
    for file in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not gone & {name.partition(".")[0] for name in names}, file


def test_b1_04_content_length_counts_bytes(recorded, recorder):
    recorded.send_request(rest.build_send_to_all_request("h", content="ü€😀"))
    recorded.send_request(HttpRequest("POST", "/x", content="ü€😀"))
    for request in recorder.requests:
        assert headers_of(request)["content-length"] == "9"
        assert request.body == "ü€😀".encode()


def test_b1_05_error_keeps_the_services_code_and_text(recorded, recorder):
    body = '{"code":"Error.BadRequest","message":"Wörds","target":"Hub"}'.encode()
    recorder.respond = answer("400 Bad Request", body, Content_Type="application/json; charset=utf-8")
    with pytest.raises(HttpResponseError, match=r"Error\.BadRequest.*(?s:.)*Wörds"):
        recorded.send_request(rest.build_send_to_all_request("h", json=1)).raise_for_status()


def test_b1_06_empty_body_can_be_streamed(recorded, recorder, colour):
    recorder.respond = answer("200 OK")
    response = recorded.send_request(HttpRequest("GET", "/x"), stream=True)
    assert colour.drain(response.iter_bytes()) == []
    colour.run(response.close())


def test_b1_07_response_is_a_context_manager(recorded, colour):
    response = recorded.send_request(HttpRequest("GET", "/x"), stream=True)
    if colour.name == "sync":
        with response as entered:
            assert entered is response
    else:

        async def enter():
            async with response as entered:
                assert entered is response

        colour.run(enter())
    assert response.is_closed


def test_b1_08_version_of_the_client_is_used(connect, recorder):
    connect(recorder.url, AzureKeyCredential(KEY), hub="h", api_version="2021-10-01").send_to_all("x")
    assert recorder.requests[0].target == "/api/hubs/h/:send?api-version=2021-10-01"


def test_b1_09_port_of_the_connection_string_is_used(colour, recorder):
    text = f"Endpoint=http://localhost;Port={recorder.port};AccessKey={KEY};Version=1.0;"
    client = colour.client_class.from_connection_string(text, "h")
    colour.run(client.send_to_all("x"))
    colour.run(client.close())
    assert len(recorder.requests) == 1


def test_b1_10_absolute_url_stays_and_azure_cores_request_is_taken(recorded, recorder):
    for url in (f"{recorder.url}/a?b=c", "/a?b=c"):
        assert recorded.send_request(HttpRequest("GET", url)).status_code == 202
    assert [request.target for request in recorder.requests] == ["/a?b=c", "/a?b=c"]


def test_b1_11_debug_logging_shows_no_token(connect, recorder, caplog):
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="h", logging_enable=True)
    with caplog.at_level(logging.DEBUG):
        client.send_to_all("x")
    token = headers_of(recorder.requests[0])["authorization"].partition(" ")[2]
    assert "/api/hubs/h/:send" in caplog.text
    assert token not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("text", [f"Endpoint=https://h;{KEY}", f"AccessKey={KEY}", f"Endpoint=h;AccessKey={KEY}", KEY])
def test_b1_12_error_about_a_connection_string_shows_no_key(text):
    for attempt in (
        lambda: package.build_authentication_token(text, "hub"),
        lambda: package.WebPubSubServiceClient.from_connection_string(text, "hub"),
    ):
        with pytest.raises(ValueError, match="connection_string|endpoint") as caught:  # noqa: RUF043 - a choice
            attempt()
        assert KEY not in str(caught.value)


def test_b1_13_null_and_empty_text_can_be_sent(client, join, hub):
    socket = join()
    for request in (rest.build_send_to_all_request(hub, json=None), rest.build_send_to_all_request(hub, content="")):
        assert client.send_request(request).status_code == 202
    assert [socket.data(), socket.data()] == [("json", None), ("text", "")]


def test_b1_14_token_outlives_a_slow_clock(recorded, recorder):
    recorded.send_to_all("x")
    token = headers_of(recorder.requests[0])["authorization"].partition(" ")[2]
    assert jwt.decode(token, options={"verify_signature": False})["exp"] > time.time() + 290


# 1.3.0


def test_v130_01_bulk_group_operations_are_there(client, join):
    socket = join(user_id="ada")
    client.add_connections_to_groups(["g"], "userId eq 'ada'")
    assert [member.connection_id for member in client.list_connections("g")] == [socket.id]
    client.remove_connections_from_groups(["g"], "userId eq 'ada'")
    assert client.group_exists("g") is False


def test_v130_02_time_to_live_and_health_are_there(client, service, hub):
    client.send_to_all("x", message_ttl_seconds=60)
    assert [entry.ttl_seconds for entry in service.record.sends if entry.hub == hub] == [60]
    assert client.get_service_status() is True


def test_v130_03_text_that_is_not_ascii_arrives_whole(client, join):
    socket = join()
    text = "ÄÖÜ€😀" * 100
    client.send_to_all(text, content_type="text/plain")
    assert socket.data() == ("text", text)


def test_v130_04_text_stream_is_sent_as_utf8(client, join):
    socket = join(subprotocol=None)
    client.send_to_all(io.StringIO("ÄÖÜ€😀"), content_type="application/octet-stream")
    assert socket.receive() == "ÄÖÜ€😀".encode()


def test_v130_05_bytes_as_json_are_not_encoded_again(client, join):
    socket = join()
    client.send_to_all(b'{"a": 1}', content_type="application/json")
    assert socket.data() == ("json", {"a": 1})


def test_v130_06_dict_as_text_is_its_json(client, join):
    socket = join()
    client.send_to_all({"hello": "wörld"}, content_type="text/plain")
    kind, text = socket.data()
    assert (kind, json.loads(text)) == ("text", {"hello": "wörld"})


@pytest.mark.parametrize("content_type", [None, "application/octet-stream"])
def test_v130_07_generator_is_sent_with_a_length(recorded, recorder, content_type):
    recorded.send_to_all((piece for piece in (b"ab", b"c")), content_type=content_type)
    (request,) = recorder.requests
    headers = headers_of(request)
    assert (headers["content-length"], request.body) == ("3", b"abc")
    assert "transfer-encoding" not in headers
    assert headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("proxy_path", ["", "/", "/apim", "/apim/"])
def test_v130_08_reverse_proxy_is_put_by_parts(connect, recorder, as_sent, slash, proxy_path):
    client = connect(
        ENDPOINT + slash, AzureKeyCredential(KEY), hub="h", reverse_proxy_endpoint=recorder.url + proxy_path
    )
    client.send_to_all("x", filter=f"userId eq '{ENDPOINT}/'")
    (request,) = recorder.requests
    assert as_sent(request.target) == as_sent(
        f"{proxy_path.rstrip('/')}/api/hubs/h/:send?filter=userId%20eq%20%27https%3A%2F%2Fname.webpubsub.azure.com%2F%27"
        "&api-version=2024-12-01"
    )


def test_v130_09_connection_string_is_read_with_care(colour):
    make = colour.client_class.from_connection_string
    client = make(f" Endpoint = {ENDPOINT} ; AccessKey = {KEY} ; Hub=x; User=eve; transport=y; Version=1.0;", "hub")
    claims = jwt.decode(
        colour.run(client.get_client_access_token())["token"],
        KEY,
        algorithms=["HS256"],
        audience=f"{ENDPOINT}/client/hubs/hub",
    )
    assert claims.keys() == {"aud", "iat", "exp"}
    with pytest.raises(ValueError, match="field 2") as caught:
        make(f"Endpoint={ENDPOINT};{KEY}", "hub")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("keyword", ["user", "ttl", "group", "role", "minutes"])
def test_v130_10_unknown_keyword_of_a_token_is_refused(connect, colour, keyword):
    for credential in (AzureKeyCredential(KEY), colour.token_credential()):
        with pytest.raises(TypeError, match=f"'{keyword}'"):
            connect(ENDPOINT, credential, hub="h").get_client_access_token(**{keyword: "x"})


@pytest.mark.parametrize("protocol", ["websocket", None, ""])
def test_v130_11_unknown_protocol_is_refused(connect, colour, protocol):
    for credential in (AzureKeyCredential(KEY), colour.token_credential()):
        with pytest.raises(ValueError, match="client_protocol must be"):
            connect(ENDPOINT, credential, hub="h").get_client_access_token(client_protocol=protocol)


@pytest.mark.parametrize(("minutes", "error"), [(0, ValueError), (-1, ValueError), (None, TypeError)])
def test_v130_12_lifetime_is_checked(connect, colour, minutes, error):
    for credential in (AzureKeyCredential(KEY), colour.token_credential()):
        with pytest.raises(error, match="minutes_to_expire"):
            connect(ENDPOINT, credential, hub="h").get_client_access_token(minutes_to_expire=minutes)


def test_v130_13_headers_of_a_token_are_neither_dangerous_nor_ignored(connect, colour):
    with pytest.raises(ValueError, match="must not set 'alg'"):
        connect(ENDPOINT, AzureKeyCredential(KEY), hub="h").get_client_access_token(jwt_headers={"alg": "none"})
    with pytest.raises(ValueError, match="jwt_headers needs an access key"):
        connect(ENDPOINT, colour.token_credential(), hub="h").get_client_access_token(jwt_headers={"kid": "1"})


def test_v130_14_hub_and_ids_are_validated_and_escaped(client, sockets):
    from msrest.exceptions import ValidationError

    for operation in ("user_exists", "group_exists", "connection_exists"):
        with pytest.raises(ValidationError):
            getattr(client, operation)("")
    with pytest.raises(ValidationError):
        client.get_client_access_token(hub="no/hub")
    assert sockets(client.get_client_access_token(hub="a[1]")["url"]).id


def test_v130_15_path_of_an_endpoint_keeps_its_case(connect):
    token = connect("HTTPS://Host/Tenant-A/", AzureKeyCredential(KEY), hub="h").get_client_access_token()
    assert token["baseUrl"] == "wss://host/Tenant-A/client/hubs/h"


def test_v130_16_pages_can_be_resumed_and_sizes_are_checked(client, join):
    listed = {join(groups=["g"]).id for _ in range(3)}
    pages = client.list_connections("g", maxpagesize=2).by_page()
    first = next(pages)
    rest_of_it = [member for page in client.list_connections("g").by_page(pages.continuation_token) for member in page]
    assert {member.connection_id for member in first + rest_of_it} == listed
    for wrong in ({"top": 0}, {"maxpagesize": 0}, {"maxpagesize": 201}):
        with pytest.raises(ValueError, match="must be a whole number from 1"):
            client.list_connections("g", **wrong)
    assert GroupMember(connection_id="c") == GroupMember(connection_id="c")


def test_v130_17_next_link_leads_to_no_other_host(recorded, recorder):
    with HttpServer() as other:
        pages = [{"value": [], "nextLink": f"{other.url}/?continuationToken=c"}, {"value": []}]
        recorder.respond = lambda _: answer("200 OK", json.dumps(pages.pop(0)).encode())
        assert list(recorded.list_connections("g")) == []
        assert other.requests == other.connections == []
    assert len(recorder.requests) == 2


@pytest.mark.parametrize(
    ("operation", "arguments", "keywords"),
    [
        ("user_exists", ("u",), {}),
        ("group_exists", ("g",), {}),
        ("connection_exists", ("c",), {}),
        ("has_permission", ("sendToGroup", "c"), {"target_name": "g"}),
    ],
    ids=["user", "group", "connection", "permission"],
)
def test_v130_18_404_of_a_proxy_says_nothing(recorded, recorder, operation, arguments, keywords):
    recorder.respond = answer("404 Not Found")
    with pytest.raises(ResourceNotFoundError, match="not from Azure Web PubSub"):
        getattr(recorded, operation)(*arguments, **keywords)
    recorder.respond = answer("404 Not Found", x_ms_error_code="Warning.User.NotExisted")
    assert getattr(recorded, operation)(*arguments, **keywords) is False


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 502}, {"status": 504}, {"status": 503}, {"drop_after": True}]
)
def test_v130_19_send_that_may_have_run_is_not_repeated_unless_asked(client, service, hub, fault):
    path = f"/api/hubs/{hub}/*"
    service.inject(RestFault(method="POST", path=path, **fault))
    with pytest.raises((HttpResponseError, ServiceResponseError)):
        client.send_to_all("once")
    ran = 1 if fault.get("drop_after") else 0
    assert len([entry for entry in service.record.sends if entry.hub == hub]) == ran
    service.inject(RestFault(method="POST", path=path, **fault))
    client.send_to_all("again", retry_sends=True, retry_backoff_factor=0)
    assert len([entry for entry in service.record.sends if entry.hub == hub]) == 2 * ran + 1


@pytest.mark.parametrize(
    "fault", [{"status": 429}, {"status": 429, "retry_after": 0}, {"status": 503, "retry_after": 0}]
)
def test_v130_19_send_that_surely_did_not_run_is_repeated(client, service, hub, fault):
    service.inject(RestFault(method="POST", path=f"/api/hubs/{hub}/*", **fault))
    client.send_to_all("once", retry_backoff_factor=0)
    assert len([entry for entry in service.record.sends if entry.hub == hub]) == 1


@pytest.mark.parametrize("message", [[1, 2], (1,), 5, 1.5, True, None, "text"])
def test_v130_20_every_value_of_json_is_a_message(client, join, message):
    socket = join()
    client.send_to_all(message)
    assert socket.data() == ("json", list(message) if isinstance(message, tuple) else message)


def test_v130_21_there_is_no_serializer_of_our_own():
    files = list(Path(package.__file__).parent.rglob("*.py"))
    assert not [file for file in files if "serializ" in file.name]
    assert all(len(file.read_text("utf-8").splitlines()) < 1100 for file in files)


def test_v130_22_version_of_a_call_is_used(recorded, recorder):
    recorded.send_to_all("x", api_version="2022-11-01")
    assert recorder.requests[0].target.endswith("?api-version=2022-11-01")


def test_v130_23_logging_of_a_call_shows_no_token(recorded, recorder, caplog):
    recorder.respond = ACCEPTED
    with caplog.at_level(logging.DEBUG):
        recorded.send_to_all("x", logging_enable=True)
        recorded.send_request(HttpRequest("GET", "/x?access_token=secret"), logging_enable=True)
    assert "/x?access_token=" in caplog.text
    # Under requests, urllib3 logs URLs on its own, as they were given.
    shown = [each.getMessage() for each in caplog.records if not each.name.startswith("urllib3")]
    assert "access_token=secret" not in "".join(shown)
    for request in recorder.requests:
        assert headers_of(request)["authorization"].partition(" ")[2] not in caplog.text


@pytest.mark.parametrize("operation", ["has_permission", "grant_permission", "revoke_permission"])
def test_v130_24_permission_without_a_group_is_refused_before_it_is_sent(recorded, recorder, operation):
    for permission in ("sendToGroup", "joinLeaveGroup"):
        with pytest.raises(ValueError, match="target_name is missing: say which group"):
            getattr(recorded, operation)(permission, "c")
    assert recorder.connections == []


def test_every_defect_of_the_report_has_a_test():
    names = [name for name, value in globals().items() if inspect.isfunction(value) and name.startswith("test_")]
    for prefix, count in (("test_b1_", 14), ("test_v130_", 24)):
        assert {int(name.removeprefix(prefix)[:2]) for name in names if name.startswith(prefix)} == set(
            range(1, count + 1)
        )
