"""The clients themselves: construction, send_request, whom they sign for, reverse proxies, keys, options, closing."""

import copy
import io
import pickle
import threading
import time
from http import HTTPStatus
from uuid import UUID

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.core.rest import HttpRequest
from colours import headers_of
from local_servers import ACCEPTED, TIMEOUT, ForwardProxy, HttpServer, SocketServer, answer, refused_port

from azure.messaging.webpubsubservice.rest import (
    build_group_exists_request,
    build_healthapi_get_health_status_request,
    build_send_to_all_request,
    build_send_to_user_request,
)

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
ENDPOINT = "https://name.webpubsub.azure.com"
NAME_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"


@pytest.fixture
def recorded(connect, recorder):
    """A client of the recording server."""
    return connect(recorder.url, AzureKeyCredential(KEY), hub="chat")


def claims_of(request, audience, key=KEY):
    kind, _, token = headers_of(request)["authorization"].partition(" ")
    assert kind == "Bearer"
    return jwt.decode(token, key, algorithms=["HS256"], audience=audience)


# Construction


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((ENDPOINT, AzureKeyCredential(KEY)), {"hub": "chat"}),
        ((ENDPOINT, "chat", AzureKeyCredential(KEY)), {}),
        ((ENDPOINT, AzureKeyCredential(KEY), "chat"), {}),
        ((ENDPOINT,), {"hub": "chat", "credential": AzureKeyCredential(KEY)}),
        ((ENDPOINT, "chat"), {"credential": AzureKeyCredential(KEY)}),
        ((), {"endpoint": ENDPOINT, "hub": "chat", "credential": AzureKeyCredential(KEY)}),
    ],
    ids=range(6),
)
def test_every_form_makes_the_same_client(connect, arguments, keywords):
    client = connect(*arguments, **keywords)
    assert (client.endpoint, client.hub) == (ENDPOINT, "chat")
    assert client.get_client_access_token()["baseUrl"] == "wss://name.webpubsub.azure.com/client/hubs/chat"


def test_client_may_be_without_a_hub(connect):
    for client in (
        connect(ENDPOINT, AzureKeyCredential(KEY)),
        connect(endpoint=ENDPOINT, credential=AzureKeyCredential(KEY), hub=None),
    ):
        assert client.hub is None
        assert client.get_client_access_token(hub="other")["baseUrl"].endswith("/client/hubs/other")


def test_repr_is_the_one_of_the_readme(connect):
    assert repr(connect(f"{ENDPOINT}/", AzureKeyCredential(KEY)).client) == (
        "<WebPubSubServiceClient endpoint:'https://name.webpubsub.azure.com'>"
    )


def test_connection_string_makes_a_client(colour):
    make = colour.client_class.from_connection_string
    text = f"AccessKey={KEY} ; endpoint=http://localhost/ ;Port=8080;Version=1.0;User=ada;Hub=x;"
    client = make(text, "chat")
    assert (client.endpoint, client.hub) == ("http://localhost:8080", "chat")
    assert make(text, hub="chat").hub == "chat"
    assert make(text).hub is None
    assert make(connection_string=text, hub="chat", api_version="2021-10-01").hub == "chat"
    assert KEY not in repr(client)
    assert KEY not in repr(vars(client))


def test_keywords_win_over_the_connection_string(colour):
    text = f"Endpoint=http://localhost:1;AccessKey={KEY};Port=2;"
    make = colour.client_class.from_connection_string
    assert make(text, port=3).endpoint == "http://localhost:3"
    assert make(text, endpoint="http://other").endpoint == "http://other:2"
    other = "another key, of 32 letters or more"
    token = colour.run(make(text, "hub", credential=AzureKeyCredential(other)).get_client_access_token())["token"]
    assert jwt.decode(token, other, algorithms=["HS256"], options={"verify_aud": False})


def test_subclass_is_made_from_a_connection_string(colour):
    class Mine(colour.client_class):
        pass

    assert type(Mine.from_connection_string(f"Endpoint=http://localhost;AccessKey={KEY}")) is Mine
    assert repr(Mine(ENDPOINT, AzureKeyCredential(KEY))).startswith("<Mine ")


def test_copy_of_a_client_has_its_settings(connect):
    client = connect(ENDPOINT, AzureKeyCredential(KEY)).client
    for copied in (copy.copy(client), copy.deepcopy(client), pickle.loads(pickle.dumps(client))):
        assert type(copied) is type(client)
        assert (copied.endpoint, copied.hub, repr(copied)) == (client.endpoint, client.hub, repr(client))
        assert copied._pipeline is None


# send_request


def test_send_request_sends_what_a_builder_made(client, join):
    socket = join()
    response = client.send_request(build_send_to_all_request(client.hub, json={"Hello": "webpubsub!"}))
    assert response.status_code == 202
    assert response.reason == "Accepted"
    response.raise_for_status()
    assert socket.data() == ("json", {"Hello": "webpubsub!"})


def test_send_request_takes_the_keyword_of_1_0_0b1(client):
    request = build_healthapi_get_health_status_request()
    assert client.send_request(http_request=request).status_code == 200
    assert client.send_request(request=request).status_code == 200


def test_send_request_takes_exactly_one_request(client):
    request = build_healthapi_get_health_status_request()
    for arguments, keywords in (((), {}), ((request,), {"http_request": request}), ((None,), {})):
        with pytest.raises(TypeError, match="takes one request"):
            client.send_request(*arguments, **keywords)
    with pytest.raises(TypeError, match=r"request must be an azure\.core\.rest\.HttpRequest"):
        client.send_request("/api/health")


@pytest.mark.parametrize("status", [200, 202, 304, 400, 401, 403, 404, 409, 410, 418, 501])
def test_send_request_never_raises_on_a_status(recorded, recorder, status):
    recorder.respond = answer(f"{status} {HTTPStatus(status).phrase}", b'{"a": 1}' if status != 304 else b"")
    response = recorded.send_request(HttpRequest("GET", "/x"), retry_total=0)
    assert response.status_code == status
    if status != 304:
        assert response.json() == {"a": 1}
        assert response.text() == '{"a": 1}'


def test_status_can_be_raised_afterwards(recorded, recorder):
    recorder.respond = answer("404 Not Found", b'{"code":"X","message":"m"}', Content_Type="application/json")
    response = recorded.send_request(HttpRequest("GET", "/x"))
    with pytest.raises(HttpResponseError) as caught:
        response.raise_for_status()
    assert (caught.value.error.code, caught.value.error.message) == ("X", "m")


def test_request_is_as_it_was_and_can_be_sent_again(client, join):
    socket = join()
    request = build_send_to_all_request(client.hub, content="hü")
    before = (request.method, request.url, dict(request.headers), request.content)
    for _ in range(2):
        assert client.send_request(request, headers={"X-More": "1"}).status_code == 202
        assert (request.method, request.url, dict(request.headers), request.content) == before
    assert socket.data() == socket.data() == ("text", "hü")


@pytest.mark.parametrize(
    "content", ["hü", b"h\xc3\xbc", io.BytesIO(b"h\xc3\xbc"), io.StringIO("hü")], ids=["str", "bytes", "binary", "text"]
)
def test_request_of_azure_core_is_sent_and_can_be_sent_again(recorded, recorder, content):
    request = HttpRequest("POST", "/api/hubs/chat/:send", content=content, headers={"Content-Type": "text/plain"})
    for _ in range(2):
        assert recorded.send_request(request).status_code == 202
    assert [sent.body for sent in recorder.requests] == ["hü".encode()] * 2
    for sent in recorder.requests:
        assert headers_of(sent)["content-length"] == "3"
        assert "transfer-encoding" not in headers_of(sent)


def test_answer_can_be_streamed(connect, recorder, colour):
    recorder.respond = answer("200 OK", b"x" * 100_000)
    client = connect(recorder.url, AzureKeyCredential(KEY)).client
    request = HttpRequest("GET", "/x")
    if colour.name == "sync":
        with client.send_request(request, stream=True) as response:
            assert not response.is_stream_consumed
            assert b"".join(response.iter_bytes()) == b"x" * 100_000
    else:

        async def read():
            async with client.send_request(request, stream=True) as response:
                assert not response.is_stream_consumed
                assert b"".join([piece async for piece in response.iter_bytes()]) == b"x" * 100_000
            return response

        response = colour.run(read())
    assert response.is_closed


# Whom it signs for


def test_request_is_signed_for_its_own_url(recorded, recorder):
    recorded.send_request(build_send_to_all_request("chat", json=1, excluded=["a b"]))
    (sent,) = recorder.requests
    claims = claims_of(sent, recorder.url + sent.target)
    assert claims.keys() == {"aud", "exp"}


def test_token_is_good_for_five_minutes(recorded, recorder):
    before = int(time.time())
    recorded.send_to_all("x")
    (sent,) = recorder.requests
    assert before + 300 <= claims_of(sent, recorder.url + sent.target)["exp"] <= time.time() + 300


def test_user_of_the_client_is_named_in_the_token(connect, recorder):
    connect(recorder.url, AzureKeyCredential(KEY), hub="chat", user="ada").send_to_all("x")
    (sent,) = recorder.requests
    assert claims_of(sent, recorder.url + sent.target)[NAME_CLAIM] == "ada"


@pytest.mark.parametrize("entra", [False, True], ids=["key", "entra"])
def test_absolute_url_of_another_origin_gets_no_credentials(connect, colour, recorder, entra):
    credential = colour.token_credential() if entra else AzureKeyCredential(KEY)
    with HttpServer() as other:
        client = connect(recorder.url, credential, hub="chat")
        assert client.send_request(HttpRequest("GET", f"{other.url}/api/hubs/chat")).status_code == 200
        assert client.send_request(HttpRequest("GET", f"{recorder.url}/api/x")).status_code == 202
        assert "authorization" not in headers_of(other.requests[0])
    assert headers_of(recorder.requests[0])["authorization"].startswith("Bearer ")


@pytest.mark.parametrize("entra", [False, True], ids=["key", "entra"])
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_redirect_to_another_origin_gets_no_credentials(connect, colour, recorder, entra, status):
    credential = colour.token_credential() if entra else AzureKeyCredential(KEY)
    with HttpServer() as other:
        recorder.respond = answer(status, Location=f"{other.url}/elsewhere")
        client = connect(recorder.url, credential, hub="chat")
        response = client.send_request(HttpRequest("GET", "/api/x", headers={"x-ms-authorization-auxiliary": "more"}))
        assert response.status_code == int(status[:3])
        with pytest.raises(HttpResponseError, match=status):
            client.user_exists("ada")
        assert [headers_of(each)["authorization"][:7] for each in recorder.requests] == ["Bearer "] * 2
        assert other.connections == []


@pytest.mark.parametrize("location", ["/elsewhere", "elsewhere?a=1", "{url}/elsewhere"])
def test_redirect_within_the_origin_is_followed_and_signed_anew(connect, recorder, location):
    recorder.respond = lambda request: (
        answer("200 OK")
        if "elsewhere" in request.target
        else answer("307 X", Location=location.format(url=recorder.url))
    )
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    assert client.send_request(HttpRequest("POST", "/api/x", content=b"x")).status_code == 200
    first, second = recorder.requests
    assert second.body == b"x"
    assert headers_of(first)["authorization"] != headers_of(second)["authorization"]


@pytest.mark.own_transport("requests reads a Location by itself, and says ValueError", colour="sync")
@pytest.mark.parametrize(
    "location", ["http://[", "http://h:port/", "/a\x00b", "", "ftp://h/x", "http://user@localhost/x"]
)
def test_location_that_is_no_url_leaves_the_answer_the_result(connect, recorder, location):
    recorder.respond = answer("307 X", Location=location)
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    try:
        status = client.send_request(HttpRequest("POST", "/api/x", content=b"x")).status_code
    except AzureError:
        assert "\x00" in location  # which not every transport takes for a header
    else:
        assert status == 307
    assert {each.target for each in recorder.requests} == {"/api/x"}


def test_rotated_key_is_used_for_the_next_request(connect, service, hub):
    credential = AzureKeyCredential("an older key that the service knows no longer")
    client = connect(service.endpoint, credential, hub=hub)
    with pytest.raises(ClientAuthenticationError):
        client.send_to_all("x")
    credential.update(service.access_key)
    client.send_to_all("x")
    token = client.get_client_access_token()["token"]
    assert jwt.decode(token, service.access_key, algorithms=["HS256"], options={"verify_aud": False})


def test_wrong_key_is_told_and_not_shown(connect, service, hub):
    key = "a wrong key that nobody must ever see"
    client = connect(service.endpoint, AzureKeyCredential(key), hub=hub)
    with pytest.raises(ClientAuthenticationError, match="access key belongs to this endpoint") as caught:
        client.send_to_all("x")
    assert key not in str(caught.value)
    assert "Bearer ey" not in str(caught.value)
    assert 'The service says: Bearer error="invalid_token"' in str(caught.value)
    assert "Entra" not in str(caught.value)


def test_identity_of_entra_id_needs_https_but_on_this_machine(connect, colour):
    client = connect("http://name.example", colour.token_credential(), hub="chat", retry_total=0)
    with pytest.raises(ServiceRequestError, match=r"https|TLS"):
        client.send_to_all("x")


# Reverse proxy


@pytest.fixture
def proxy(service):
    """A reverse proxy: it takes requests below /pre/Fix and hands them to the emulator, whose Host it puts."""
    import http.client
    from urllib.parse import urlsplit

    host = urlsplit(service.endpoint).netloc

    def forward(request):
        target = request.target.removeprefix("/pre/Fix")
        headers = {name: value for name, value in request.headers if name not in {"host", "connection"}}
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            connection.request(request.method, target, request.body or None, headers)
            response = connection.getresponse()
            body = response.read()
            given = {
                name: value for name, value in response.getheaders() if name.lower().startswith(("x-", "content-t"))
            }
            return answer(f"{response.status} {response.reason}", body, **given)
        finally:
            connection.close()

    with HttpServer(forward) as server:
        yield server


@pytest.fixture
def behind(connect, service, hub, proxy):
    """Makes a client that reaches the emulator through the proxy."""

    def make(slash, proxy_path):
        credential = AzureKeyCredential(service.access_key)
        through = proxy.url + proxy_path
        return service, proxy, connect(service.endpoint + slash, credential, hub=hub, reverse_proxy_endpoint=through)

    return make


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("proxy_slash", ["", "/"])
@pytest.mark.parametrize("prefix", ["", "/pre/Fix"])
def test_requests_go_through_the_reverse_proxy(behind, join, as_sent, slash, proxy_slash, prefix):  # noqa: PLR0917  # fixtures
    service, proxy, client = behind(slash, prefix + proxy_slash)
    hub = client.hub
    socket = join(user_id="a b")
    client.send_to_user("a b", "hi", filter=f"userId ne '{service.endpoint}'")
    assert socket.data() == ("json", "hi")
    assert client.send_request(build_group_exists_request(hub, "g")).status_code == 404
    assert client.group_exists("g") is False
    first, *_ = proxy.requests
    sent = as_sent(f"{prefix}/api/hubs/{hub}/users/a%20b/:send?filter=userId%20ne%20%27http")
    assert as_sent(first.target).startswith(sent)
    assert headers_of(first)["host"] == proxy.url.removeprefix("http://")
    token = headers_of(first)["authorization"].partition(" ")[2]
    aud = jwt.decode(token, options={"verify_signature": False})["aud"]
    assert aud == f"{service.endpoint}/api/hubs/{hub}/users/a b/:send"


def test_client_urls_keep_the_real_endpoint_behind_a_proxy(connect, service, hub):
    client = connect(
        service.endpoint, AzureKeyCredential(service.access_key), hub=hub, reverse_proxy_endpoint="https://proxy/x"
    )
    base = f"ws{service.endpoint.removeprefix('http')}/client/hubs/{hub}"
    assert client.get_client_access_token()["baseUrl"] == base
    assert client.endpoint == service.endpoint


def test_pages_are_listed_through_the_proxy(behind, join):
    sockets = {join(groups=["g"]).id for _ in range(3)}
    _, proxy, client = behind("", "/pre/Fix")
    assert {member.connection_id for member in client.list_connections("g", maxpagesize=1)} == sockets
    assert len(proxy.requests) == 3


def test_identity_of_entra_id_goes_through_the_proxy_too(connect, colour, recorder):
    client = connect(ENDPOINT, colour.token_credential("t"), hub="chat", reverse_proxy_endpoint=f"{recorder.url}/p")
    client.send_to_all("x")
    (sent,) = recorder.requests
    assert sent.target.startswith("/p/api/hubs/chat/:send?")
    assert headers_of(sent)["authorization"] == "Bearer t"


def test_proxy_that_is_not_there_is_a_service_request_error(connect):
    client = connect(
        ENDPOINT,
        AzureKeyCredential(KEY),
        hub="chat",
        reverse_proxy_endpoint=f"http://localhost:{refused_port()}",
        retry_total=0,
    )
    with pytest.raises(ServiceRequestError):
        client.send_to_all("x")


def test_reverse_proxy_that_is_no_url_is_refused(connect):
    with pytest.raises(ValueError, match="reverse_proxy_endpoint must start with"):
        connect(ENDPOINT, AzureKeyCredential(KEY), reverse_proxy_endpoint="proxy.example")


# Options


def test_version_of_the_client_and_of_a_call(connect, recorder):
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat", api_version="2021-10-01")
    client.send_to_all("x")
    client.send_to_all("x", api_version="2022-11-01")
    client.send_to_all("x", api_version=None)
    assert [request.target for request in recorder.requests] == [
        "/api/hubs/chat/:send?api-version=2021-10-01",
        "/api/hubs/chat/:send?api-version=2022-11-01",
        "/api/hubs/chat/:send",
    ]


def test_headers_and_params_of_a_call_are_sent_and_not_changed(recorded, recorder):
    headers, params, excluded = {"X-Mine": "1", "Content-Type": "text/plain"}, {"messageTtlSeconds": "60"}, ["a"]
    for _ in range(2):
        recorded.send_to_all("hü", headers=headers, params=params, excluded=excluded)
    for request in recorder.requests:
        assert headers_of(request)["x-mine"] == "1"
        assert headers_of(request)["content-type"] == "text/plain"
        assert request.body == "hü".encode()
        assert request.target == ("/api/hubs/chat/:send?messageTtlSeconds=60&excluded=a&api-version=2024-12-01")
    assert headers == {"X-Mine": "1", "Content-Type": "text/plain"}
    assert (params, excluded) == ({"messageTtlSeconds": "60"}, ["a"])


def test_headers_of_the_client_are_sent_with_every_request_and_not_changed(connect, recorder):
    headers = {"X-Mine": "1"}
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat", headers=headers)
    client.send_to_all("x")
    client.send_request(HttpRequest("GET", "/x"), headers={"X-Mine": "2"})
    assert [headers_of(request)["x-mine"] for request in recorder.requests] == ["1", "2"]
    assert headers == {"X-Mine": "1"}


def test_user_agent_names_this_library(connect, recorder):
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat", user_agent="mine/1")
    client.send_to_all("x")
    client.send_to_all("x", user_agent="call/2")
    from azure.messaging.webpubsubservice import __version__

    name = f"azsdk-python-messaging-webpubsubservice/{__version__}"
    first, second = (headers_of(request)["user-agent"] for request in recorder.requests)
    assert first.startswith("mine/1 ")
    assert second.startswith("call/2 ")
    assert name in first
    assert name in second


def test_request_id_is_sent(recorded, recorder):
    recorded.send_to_all("x")
    recorded.send_to_all("x")
    recorded.send_to_all("x", request_id="mine")
    first, second, third = (headers_of(request)["x-ms-client-request-id"] for request in recorder.requests)
    assert str(UUID(first)) == first
    assert UUID(first).version == 4
    assert first != second
    assert third == "mine"


def test_hooks_of_a_call_see_request_and_response(recorded, recorder):
    seen = []
    recorded.send_to_all(
        "x",
        raw_request_hook=lambda request: seen.append(request.http_request.method),
        raw_response_hook=lambda response: seen.append(response.http_response.status_code),
    )
    recorded.send_to_all("x")
    assert seen == ["POST", 202]


def test_hooks_of_the_client_see_every_request(connect, recorder):
    seen = []
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat", raw_request_hook=seen.append)
    client.send_to_all("x")
    client.send_to_all("x")
    assert len(seen) == 2


def test_cls_makes_the_result(client):
    result = client.user_exists("nobody", cls=lambda response, value, more: (type(response).__name__, value, more))
    assert result == ("PipelineResponse", False, {})


def test_error_map_chooses_the_error(client):
    class MineError(HttpResponseError):
        pass

    with pytest.raises(MineError) as caught:
        client.add_connection_to_group("g", "nobody", error_map={404: MineError})
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, HttpResponseError),
        (401, ClientAuthenticationError),
        (404, ResourceNotFoundError),
        (409, ResourceExistsError),
        (418, HttpResponseError),
    ],
)
def test_error_holds_the_services_own_words(recorded, recorder, status, error):
    body = b'{"code":"Some.Code","message":"What happened","target":"t","details":null,"inner":null}'
    recorder.respond = answer(f"{status} Reason", body, Content_Type="application/json", x_ms_error_code="Some.Code")
    with pytest.raises(error) as caught:
        recorded.send_to_all("x")
    assert type(caught.value) is error
    assert caught.value.status_code == status
    assert (caught.value.error.code, caught.value.error.message, caught.value.error.target) == (
        "Some.Code",
        "What happened",
        "t",
    )
    assert "What happened" in str(caught.value)


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp's
def test_message_that_is_too_large_is_refused_before_it_is_sent(recorded, recorder):
    recorded.send_to_all(b"x" * (1024 * 1024))
    with pytest.raises(ValueError, match="1048577 bytes"):
        recorded.send_to_all(b"x" * (1024 * 1024 + 1))
    assert len(recorder.requests) == 1
    recorded.send_to_all(b"x" * (1024 * 1024 + 1), max_message_size=None)
    assert len(recorder.requests) == 2


def test_transport_and_policies_of_the_callers_own_are_used(colour, connect, recorder):
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class Mark(SansIOHTTPPolicy):
        def on_request(self, request):
            request.http_request.headers["X-Mark"] = request.context.options.pop("mark")

    if colour.name == "sync":
        from azure.core.pipeline.transport import RequestsTransport

        transport = RequestsTransport()
    else:
        from azure.core.pipeline.transport import AioHttpTransport

        transport = AioHttpTransport()
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat", transport=transport, policies=[Mark()])
    client.send_to_all("x", mark="1")
    client.close()
    (sent,) = recorder.requests
    assert headers_of(sent)["x-mark"] == "1"
    assert "authorization" not in headers_of(sent)


@pytest.mark.parametrize("place", ["per_call_policies", "per_retry_policies"])
def test_policy_of_the_callers_own_is_added(connect, recorder, place):
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class Mark(SansIOHTTPPolicy):
        def on_request(self, request):
            request.http_request.headers["X-Mark"] = "1"

    connect(recorder.url, AzureKeyCredential(KEY), hub="chat", **{place: Mark()}).send_to_all("x")
    connect(recorder.url, AzureKeyCredential(KEY), hub="chat", **{place: [Mark()]}).send_to_all("x")
    assert [headers_of(request)["x-mark"] for request in recorder.requests] == ["1", "1"]


def test_keywords_of_the_client_are_judged_also_with_a_transport_or_policies_of_the_callers_own(colour):
    for own in ({"policies": []}, {"transport": object()}):
        with pytest.raises(TypeError, match="'unheard_of'"):
            colour.client_class(ENDPOINT, AzureKeyCredential(KEY), unheard_of=1, **own)


def test_proxy_of_the_client_is_used(connect, recorder):
    with ForwardProxy() as proxy:
        connect(recorder.url, AzureKeyCredential(KEY), hub="chat", proxies={"http": proxy.url}).send_to_all("x")
        assert [(method, target) for method, target, _ in proxy.seen] == [
            ("POST", f"{recorder.url}/api/hubs/chat/:send?api-version=2024-12-01")
        ]
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("use", [True, False])
def test_environment_counts_unless_it_is_told_not_to(connect, recorder, monkeypatch, use):
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ForwardProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        connect(recorder.url, AzureKeyCredential(KEY), hub="chat", use_env_settings=use).send_to_all("x")
        assert len(proxy.seen) == use
    assert len(recorder.requests) == 1


def test_options_of_the_transport_are_handed_to_it(colour):
    options = {
        "connection_timeout": 1.5,
        "read_timeout": 2.5,
        "connection_verify": False,
        "connection_cert": "/c",
        "proxies": {"http": "http://p"},
        "use_env_settings": False,
    }
    made = colour.client_class(ENDPOINT, AzureKeyCredential(KEY), retry_total=1, **options)
    handed = made._config.transport_options()
    assert handed.pop("environment") is made._config.environment
    assert handed == options


def test_timeout_of_the_client_is_kept(connect):
    from azure.core.exceptions import ServiceResponseTimeoutError

    hold = threading.Event()
    with SocketServer(lambda connection, _: hold.wait(TIMEOUT)) as silent:
        client = connect(silent.url, AzureKeyCredential(KEY), hub="chat", read_timeout=0.05)
        with pytest.raises(ServiceResponseTimeoutError):
            client.send_to_all("x")
        hold.set()


def test_credential_may_have_the_newer_method_alone(colour, connect, recorder):
    class Identity:
        def __init__(self):
            from azure.core.credentials import AccessTokenInfo

            self.info = AccessTokenInfo("t", int(time.time()) + 3600)

        if colour.name == "sync":

            def get_token_info(self, *scopes, options=None):
                return self.info
        else:

            async def get_token_info(self, *scopes, options=None):
                return self.info

    connect(recorder.url, Identity(), hub="chat").send_to_all("x")
    assert headers_of(recorder.requests[0])["authorization"] == "Bearer t"


# Closing


def test_closed_client_sends_nothing_but_mints_tokens(colour, connect, recorder):
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat").client
    colour.run(client.send_to_all("x"))
    colour.run(client.close())
    colour.run(client.close())
    with pytest.raises(RuntimeError, match="this client is closed"):
        colour.run(client.send_to_all("x"))
    assert colour.run(client.get_client_access_token())["token"]
    assert len(recorder.requests) == 1


def test_client_is_a_context_manager(colour, connect, recorder):
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat").client
    if colour.name == "sync":
        with client as entered:
            entered.send_to_all("x")
    else:

        async def enter():
            async with client as entered:
                await entered.send_to_all("x")
            return entered

        entered = colour.run(enter())
    assert entered is client
    with pytest.raises(RuntimeError, match="closed"):
        colour.run(client.send_to_all("x"))


def test_client_that_never_sent_is_closed_too(connect):
    connect(ENDPOINT, AzureKeyCredential(KEY)).close()


def test_accepted_answer_has_no_result(recorded, recorder):
    recorder.respond = ACCEPTED
    assert recorded.send_to_all("x") is None
    assert recorded.send_request(build_send_to_user_request("chat", "ada", content=b"x")).content == b""


def test_transport_of_the_callers_own_is_closed_with_the_client(colour, recorder):
    from azure.core.pipeline import transport

    own = (transport.RequestsTransport if colour.name == "sync" else transport.AioHttpTransport)()
    client = colour.client_class(recorder.url, AzureKeyCredential(KEY), hub="chat", transport=own)
    colour.run(client.send_to_all("x"))
    assert own.session is not None
    colour.run(client.close())
    assert own.session is None
