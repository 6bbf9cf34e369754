"""Which way requests go and whom they trust, by the environment of a fresh process, through both clients."""

import base64
import datetime
import json
import os
import re
import shutil
import socket
import subprocess
import sys

import pytest
import trustme
from azure.core.exceptions import ServiceRequestError
from local_servers import TIMEOUT, ForwardProxy, HttpServer, answer, server_context
from transport_wires import fails, get, post

pytest_plugins = ["transport_fixtures"]

# Answers each line of its input, in the environment that the line says: a client reads it when it is made.
PROGRAM = """
import asyncio, json, os, sys
from azure.core.credentials import AzureKeyCredential
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as Async

def outcome(send, *arguments, **options):
    try:
        send(*arguments, AzureKeyCredential("a-key"), hub="chat", retry_total=0, **options)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["sent", ""]

def sync(*arguments, **options):
    with WebPubSubServiceClient(*arguments, **options) as client:
        client.send_to_all("hello")

async def aio(*arguments, **options):
    async with Async(*arguments, **options) as client:
        await client.send_to_all("hello")

def run(*arguments, **options):
    asyncio.run(aio(*arguments, **options))

for line in sys.stdin:
    url, environment, options = json.loads(line)
    os.environ.clear()
    os.environ.update(environment)
    print(json.dumps([outcome(sync, url, **options), outcome(run, url, **options)]), flush=True)
"""
VARIABLES = ("proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUEST_METHOD")
ACCEPTED = answer("202 Accepted")


@pytest.fixture(scope="module")
def program():
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("proxy")}
    clean = {name: value for name, value in clean.items() if name not in VARIABLES}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=clean, text=True, **pipes) as process:
        process.clean = clean
        yield process
        assert process.communicate(timeout=TIMEOUT) == ("", "")
    assert process.returncode == 0


@pytest.fixture
def send(program):
    def make(url, environment, **options):
        """Send through both clients in a process with this environment; return what became of each."""
        program.stdin.write(json.dumps([url, {**program.clean, **environment}, options]) + "\n")
        program.stdin.flush()
        return json.loads(program.stdout.readline())

    return make


def both_sent(send, url, environment, **options):
    outcomes = send(url, environment, **options)
    assert outcomes == [["sent", ""], ["sent", ""]]


def both_fail(send, url, environment, **options):
    outcomes = send(url, environment, **options)
    assert [kind for kind, _ in outcomes] == ["ServiceRequestError"] * 2, outcomes
    return [text for _, text in outcomes]


def basic(user):
    return "Basic " + base64.b64encode(user.encode()).decode()


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("user", [None, "me:h\u00fcnter/2"], ids=["open", "password"])
def test_proxy_of_the_environment_is_used(send, scheme, proxy_scheme, user, tls, ca_file):  # noqa: PLR0917  # fixtures
    if scheme == proxy_scheme == "https" and sys.version_info < (3, 11):
        pytest.skip("asyncio has TLS within TLS from Python 3.11 on")
    with (
        HttpServer(ACCEPTED, context=tls if scheme == "https" else None) as server,
        ForwardProxy(user and basic(user), context=tls if proxy_scheme == "https" else None) as proxy,
    ):
        before = "me:h%C3%BCnter%2F2@" if user else ""
        both_sent(
            send,
            server.url,
            {f"{scheme}_proxy": f"{proxy_scheme}://{before}localhost:{proxy.port}", "REQUESTS_CA_BUNDLE": ca_file},
        )
        assert [method for method, *_ in proxy.seen] == ["CONNECT" if scheme == "https" else "POST"] * 2
        assert {"proxy-authorization" in headers for *_, headers in proxy.seen} == {bool(user)}
        assert len(server.requests) == 2
        assert all("proxy-authorization" not in dict(request.headers) for request in server.requests)


def test_password_that_the_proxy_refuses_is_said_once_and_not_shown(send, tls, ca_file):
    with HttpServer(ACCEPTED, context=tls) as server, ForwardProxy(basic("me:other"), context=None) as proxy:
        environment = {"HTTPS_PROXY": f"http://me:hunter2@localhost:{proxy.port}", "REQUESTS_CA_BUNDLE": ca_file}
        outcomes = send(server.url, environment)
        assert [kind for kind, _ in outcomes] == ["ClientAuthenticationError"] * 2
        for _, text in outcomes:
            assert "407 Proxy Authentication Required" in text
            assert "hunter2" not in text
        assert len(proxy.seen) == 2
        assert server.requests == []


@pytest.mark.parametrize("no_proxy", ["localhost", "other.example, LOCALHOST", "*"])
def test_host_that_no_proxy_names_is_reached_directly(send, no_proxy):
    with HttpServer(ACCEPTED) as server, ForwardProxy() as proxy:
        both_sent(send, server.url, {"ALL_PROXY": proxy.url, "NO_PROXY": no_proxy})
        assert proxy.seen == []


def test_network_that_no_proxy_names_is_reached_directly(send):
    with HttpServer(ACCEPTED) as server, ForwardProxy() as proxy:
        both_sent(send, f"http://127.0.0.1:{server.port}", {"http_proxy": proxy.url, "no_proxy": "127.0.0.0/8"})
        assert proxy.seen == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_file_of_authorities_in_the_environment_is_trusted(send, variable, tls, ca_file):
    with HttpServer(ACCEPTED, context=tls) as server:
        both_sent(send, server.url, {variable: ca_file})


ROWS = [
    # variables, options of the clients, the proxy on the way, what the two clients together say
    ({"SSL_CERT_FILE": "{other}"}, {}, None, ".*certificate verify failed.*"),
    ({"REQUESTS_CA_BUNDLE": "{ca}", "SSL_CERT_FILE": "{other}"}, {}, None, "sent, sent"),
    ({"REQUESTS_CA_BUNDLE": "/none/at/all"}, {}, None, ".*REQUESTS_CA_BUNDLE.*, .*REQUESTS_CA_BUNDLE.*"),
    ({"SSL_CERT_FILE": "{ca}"}, {"use_env_settings": False}, None, ".*certificate verify failed.*"),
    ({"SSL_CERT_FILE": "{ca}", "ALL_PROXY": "{proxy}"}, {}, "proxy", "sent, sent"),
    ({"SSL_CERT_FILE": "{ca}", "HTTP_PROXY": "{proxy}"}, {}, None, "sent, sent"),
    (
        {"SSL_CERT_FILE": "{ca}", "HTTPS_PROXY": "http://nobody.invalid"},
        {"proxies": {"https": "{proxy}"}},
        "proxy",
        "sent, sent",
    ),
]


@pytest.mark.parametrize(("variables", "options", "through", "expected"), ROWS)
def test_environment_counts_for_both_clients(  # noqa: PLR0917  # fixtures
    send, variables, options, through, expected, tls, ca_file, tmp_path
):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with HttpServer(ACCEPTED, context=tls) as server, ForwardProxy() as proxy:
        names = {"{ca}": ca_file, "{other}": str(other), "{proxy}": proxy.url}
        asked = json.dumps([variables, options])
        for name, value in names.items():
            asked = asked.replace(name, value)
        variables, options = json.loads(asked)
        said = ", ".join(f"{kind} {text}".strip() for kind, text in send(server.url, variables, **options))
        assert re.fullmatch(expected, said, re.DOTALL | re.IGNORECASE), said
        assert len(proxy.seen) == (2 if through == "proxy" else 0)
        assert len(server.requests) == said.count("sent")


@pytest.fixture
def ca_directory(ca_file, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to name the file by its hash")
    command = ["openssl", "x509", "-hash", "-noout", "-in", ca_file]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    directory = tmp_path / "certs"
    directory.mkdir()
    shutil.copy(ca_file, directory / f"{name}.0")
    return str(directory)


def test_directories_of_authorities_in_the_environment_are_trusted_where_they_are(send, tls, ca_directory):
    with HttpServer(ACCEPTED, context=tls) as server:
        several = os.pathsep.join(["/none/at/all", ca_directory])
        both_sent(send, server.url, {"SSL_CERT_DIR": several, "SSL_CERT_FILE": "/none/stale.pem"})


def test_stale_file_of_authorities_trusts_nobody_and_breaks_nothing(send, tls, ca_file):
    with HttpServer(ACCEPTED, context=tls) as server:
        for text in both_fail(send, server.url, {"SSL_CERT_FILE": "/none/stale.pem"}):
            assert "certificate verify failed" in text.lower()
        both_sent(send, server.url, {"SSL_CERT_FILE": "/none/stale.pem"}, connection_verify=ca_file)


def test_server_of_an_unknown_authority_is_refused_and_gets_nothing(send, tls):
    with HttpServer(ACCEPTED, context=tls) as server:
        for text in both_fail(send, server.url, {}):
            assert "certificate verify failed" in text.lower()
        assert server.requests == []


def test_client_certificate_is_shown_to_who_wants_one(send, authority, ca_file, tmp_path):
    path = tmp_path / "client.pem"
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(path)
    wanting = server_context(authority.issue_cert("localhost"), client_ca=authority)
    with HttpServer(ACCEPTED, context=wanting) as server:
        both_sent(send, server.url, {"REQUESTS_CA_BUNDLE": ca_file}, connection_cert=str(path))


def test_server_that_is_another_one_is_refused(wire, authority, ca_file):
    wire.configure(connection_verify=ca_file)
    with HttpServer(context=server_context(authority.issue_cert("other.example"))) as server:
        error = fails(wire, ServiceRequestError, post(server))
        assert "hostname mismatch" in str(error).lower()
        assert server.requests == []


def test_certificate_that_is_over_is_refused(wire, authority, ca_file):
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    past = authority.issue_cert("localhost", not_before=yesterday - datetime.timedelta(days=1), not_after=yesterday)
    wire.configure(connection_verify=ca_file)
    with HttpServer(context=server_context(past)) as server:
        assert "expired" in str(fails(wire, ServiceRequestError, post(server)))
        assert server.requests == []


class SixServer(HttpServer):
    """The same on the loopback address of IPv6."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.listener.close()
        self.listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self.port = self.listener.getsockname()[1]

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://[::1]:{self.port}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this system")
@pytest.mark.parametrize("way", ["http", "https", "tunnel", "forward"])
def test_address_of_ipv6_is_reached(wire, way, ca_file, authority):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this system")
    secure = way in ("https", "tunnel")
    context = server_context(authority.issue_cert("::1")) if secure else None
    with SixServer(context=context) as server, ForwardProxy() as proxy:
        wire.configure(connection_verify=ca_file, proxies={"all": proxy.url} if way in ("tunnel", "forward") else None)
        if way == "forward":
            proxy.forward = lambda line, headers, target, body: answer(body=target.encode())
            assert wire.send(get(server)).content == f"{server.url}/".encode()
            return
        assert wire.send(post(server)).content == b"ok"
        assert dict(server.requests[0].headers)["host"] == f"[::1]:{server.port}"
        assert [target for _, target, _ in proxy.seen] == ([f"[::1]:{server.port}"] if way == "tunnel" else [])


def test_authority_of_another_client_is_not_trusted(wire, tls, ca_file, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with HttpServer(context=tls) as server:
        wire.configure(connection_verify=str(other))
        fails(wire, ServiceRequestError, post(server))
        assert wire.send(post(server), connection_verify=ca_file).content == b"ok"
