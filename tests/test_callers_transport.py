"""What holds also with azure-core's transports, which a caller has made, and would not hold by themselves."""

import os
import threading
from urllib.parse import unquote

import pytest
import trustme
from azure.core import exceptions as core
from azure.core.credentials import AzureKeyCredential
from azure.core.rest import HttpRequest
from local_servers import (
    ACCEPTED,
    TIMEOUT,
    ForwardProxy,
    HttpServer,
    SocketServer,
    answer,
    read_request,
    server_context,
)

KEY = AzureKeyCredential("a-key")
QUICK = {"retry_backoff_factor": 0.001}


@pytest.fixture
def through(colour, connect):
    """Makes a client on a transport of azure-core's, which is made with ``of_transport``."""

    def make(url, of_transport=None, **options):
        return connect(url, KEY, hub="chat", transport=colour.azure_transport(**(of_transport or {})), **options)

    return make


def test_name_that_needs_escapes_arrives_through_a_proxy_and_with_a_retry(through, recorder):
    recorder.respond = lambda _: answer("429 X") if len(recorder.requests) == 1 else ACCEPTED
    with ForwardProxy() as proxy:
        client = through(recorder.url, proxies={"http": proxy.url, "https": "http://not-this-one.invalid"}, **QUICK)
        client.send_to_user("ada@x %2", "hello", filter="userId eq 'http://x/'")
        query = "filter=userId eq 'http://x/'&api-version=2024-12-01"
        target = f"{recorder.url}/api/hubs/chat/users/ada@x %2/:send?{query}"
        assert [unquote(each) for _, each, _ in proxy.seen] == [target, target]


def test_proxies_of_the_call_win_over_the_clients(through, recorder):
    with ForwardProxy() as proxy:
        client = through(recorder.url, proxies={"http": "http://not-this-one.invalid"})
        client.send_to_all("hello", proxies={"http": proxy.url})
        assert len(proxy.seen) == len(recorder.requests) == 1


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.mark.parametrize("escaped", ["u", "u@"])
def test_ca_and_certificate_of_the_client_are_used(through, authority, tmp_path, escaped):
    ca, certificate, both = tmp_path / "ca.pem", authority.issue_cert("client.example"), tmp_path / "both.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_and_cert_chain_pem.write_to_path(both)
    with HttpServer(ACCEPTED, context=server_context(authority.issue_cert("localhost"), client_ca=authority)) as server:
        client = through(server.url, connection_verify=str(ca), connection_cert=(str(both), str(both)))
        client.send_to_user(escaped, "hello")
        assert len(server.requests) == 1


def test_unknown_authority_is_known_to_be_before_anything_was_sent(through, authority):
    with HttpServer(ACCEPTED, context=server_context(authority.issue_cert("localhost"))) as server:
        with pytest.raises(core.ServiceRequestError, match="4 attempts in "):
            through(server.url, **QUICK).send_to_all("hello")
        assert server.requests == []


def test_proxy_that_is_not_there_is_known_to_be_before_anything_was_sent(through, recorder):
    with SocketServer(lambda connection, number: None) as gone:
        pass
    with pytest.raises(core.ServiceRequestError, match="4 attempts in "):
        through(recorder.url, proxies={"http": gone.url}, **QUICK).send_to_all("hello")
    assert recorder.connections == []


@pytest.mark.parametrize("when", ["at_once", "after_the_request"])
def test_lost_answer_is_never_told_as_nothing_sent(through, when):
    def serve(connection, number):
        if when == "after_the_request":
            with connection.makefile("rb") as reader:
                read_request(reader)

    with SocketServer(serve) as server:
        with pytest.raises(core.ServiceResponseError, match="may have run, so it was not repeated"):
            through(server.url).send_to_all("hello")
        assert len(server.connections) == 1


def test_answer_that_does_not_come_in_time_is_told_so(through):
    hold = threading.Event()
    with SocketServer(lambda connection, number: hold.wait(TIMEOUT)) as server:
        with pytest.raises(core.ServiceResponseTimeoutError, match="1 attempt: no answer in time"):
            through(server.url, read_timeout=0.1).send_to_all("hello")
        hold.set()


def test_answer_that_cannot_be_decoded_is_a_decode_error(through, recorder):
    recorder.respond = answer(body=b"xxxx", Content_Encoding="gzip")
    with pytest.raises(core.DecodeError):
        through(recorder.url).send_to_all("hello")


@pytest.mark.parametrize("headers", [{"X-A": "a\r\nX-Injected: 1"}, {"X-A\nB": "x"}, {"X-A": "\N{SNOWMAN}"}])
def test_header_that_is_not_valid_is_refused_before_anything_is_sent(through, recorder, headers):
    with pytest.raises(ValueError, match="header of the request is not valid HTTP"):
        through(recorder.url).send_to_all("hello", headers=headers)
    assert recorder.connections == []


def test_asynchronous_body_is_refused_by_the_blocking_client_before_anything_is_sent(colour, through, recorder):
    async def asynchronous():
        yield b"hello"

    client = through(recorder.url)
    request = HttpRequest("POST", "/x", content=asynchronous())
    if colour.name == "sync":
        with pytest.raises(TypeError, match="async iterable"):
            client.send_request(request)
        assert recorder.connections == []
    else:
        client.send_request(request)
        assert recorder.requests[0].body == b"hello"


def test_no_error_and_no_cause_of_one_shows_the_token(through, recorder):
    recorder.respond = b'{"token": "minted-token"}\r\n\r\n'
    with pytest.raises(core.ServiceResponseError) as caught:
        through(recorder.url).generate_client_token()
    error = caught.value
    while error is not None:
        shown = f"{error!r}{error}{error.args!r}{vars(error)!r}"
        assert "Bearer" not in shown
        assert "minted-token" not in shown
        error = error.__cause__ or error.__context__ or getattr(error, "inner_exception", None)


def test_unknown_keyword_is_refused_where_the_transport_has_no_part(through, recorder):
    with pytest.raises(TypeError, match=r"takes no keyword 'retry_totl' \(did you mean 'retry_total'\?\)"):
        through(recorder.url, retry_totl=3)
    with pytest.raises(TypeError, match=r"get_client_access_token\(\) takes no keyword 'user'"):
        through(recorder.url).get_client_access_token(user="ada")


def test_other_keywords_of_a_call_are_the_transports(through, recorder):
    with pytest.raises(TypeError, match="'unheard_of'"):
        through(recorder.url).send_to_all("hello", unheard_of=1)
    assert recorder.requests == []


def test_environment_counts_as_it_is_with_each_request_and_by_the_word_of_the_transport(through, recorder, monkeypatch):
    for name in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    client, deaf = through(recorder.url), through(recorder.url, {"use_env_settings": False})
    client.send_to_all("hello")
    with ForwardProxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        client.send_to_all("hello")
        assert len(proxy.seen) == 1
        deaf.send_to_all("hello")
        assert len(proxy.seen) == 1
    assert len(recorder.requests) == 3


@pytest.mark.parametrize("colour", ["sync"], indirect=True)  # aiohttp refuses to send where both are there
def test_netrc_does_not_disturb_authorization_under_requests(through, recorder, tmp_path, monkeypatch):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine localhost login other password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    through(recorder.url).send_to_all("hello")
    assert dict(recorder.requests[0].headers)["authorization"].startswith("Bearer ")
