"""Real forward proxies."""

import sys
import threading

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
)
from azure.core.rest import HttpRequest
from local_servers import (
    TIMEOUT,
    ForwardProxy,
    HttpServer,
    SocketServer,
    refused_port,
)
from transport_wires import PATH, fails, post

from azure.messaging.webpubsubservice._configuration import Environment
from azure.messaging.webpubsubservice._either_transport import proxy_refusal

pytest_plugins = ["transport_fixtures"]


BASIC = "Basic bWU6aHVudGVyMg=="  # me:hunter2


def test_http_goes_through_a_forward_proxy(wire):
    with HttpServer() as server, ForwardProxy() as proxy:
        wire.configure(proxies={"http": proxy.url})
        assert wire.send(post(server)).content == b"ok"
    assert [(method, target) for method, target, _ in proxy.seen] == [("POST", server.url + PATH)]
    assert server.requests[0].body == b"hello"
    assert dict(server.requests[0].headers)["host"] == f"localhost:{server.port}"


def test_https_goes_through_a_tunnel_which_is_used_again(wire, tls, ca_file):
    with HttpServer(context=tls) as server, ForwardProxy() as proxy:
        wire.configure(proxies={"https": proxy.url}, connection_verify=ca_file)
        assert wire.send(post(server)).content == b"ok"
        assert wire.send(post(server)).content == b"ok"
    assert [(method, target) for method, target, _ in proxy.seen] == [("CONNECT", f"localhost:{server.port}")]
    assert "authorization" not in proxy.seen[0][2]


def test_proxys_credentials_go_to_the_proxy_alone(wire, tls, ca_file):
    with HttpServer() as plain, HttpServer(context=tls) as server, ForwardProxy(BASIC) as proxy:
        url = f"http://me:hunter2@localhost:{proxy.port}"
        wire.configure(proxies={"all": url}, connection_verify=ca_file)
        assert wire.send(post(plain)).content == b"ok"
        assert wire.send(post(server)).content == b"ok"
    assert [headers["proxy-authorization"] for _, _, headers in proxy.seen] == [BASIC, BASIC]
    assert "proxy-authorization" not in dict(server.requests[0].headers)


def test_tunnel_that_the_proxy_refuses_was_not_sent(wire, tls, ca_file):
    with HttpServer(context=tls) as server, ForwardProxy("Basic other") as proxy:
        url = f"http://me:hunter2@localhost:{proxy.port}"
        wire.configure(proxies={"https": url}, connection_verify=ca_file)
        error = fails(wire, ClientAuthenticationError, post(server))  # which no retry policy repeats
        assert error.status_code == 407
        assert "407" in str(error)
        assert f"through the proxy http://***@localhost:{proxy.port}" in str(error)
        assert server.requests == []


def test_proxy_that_is_not_there_was_not_sent(wire):
    wire.configure(proxies={"all": f"http://me:hunter2@localhost:{refused_port()}"})
    fails(wire, ServiceRequestError, post("http://service.example"))
    fails(wire, ServiceRequestError, post("https://service.example"))


def test_proxy_that_takes_too_long_was_not_sent(wire):
    done = threading.Event()
    with SocketServer(lambda connection, _: done.wait(TIMEOUT)) as proxy:
        wire.configure(proxies={"https": f"http://localhost:{proxy.port}"})
        fails(wire, ServiceRequestTimeoutError, post("https://service.example"), connection_timeout=0.1)
        done.set()


def test_proxy_may_speak_tls_itself(wire, tls, ca_file):
    with HttpServer() as server, ForwardProxy(context=tls) as proxy:
        wire.configure(proxies={"http": proxy.url}, connection_verify=ca_file)
        assert wire.send(post(server)).content == b"ok"
    assert proxy.seen[0][:2] == ("POST", server.url + PATH)


def test_tunnel_may_lead_through_a_proxy_that_speaks_tls(wire, tls, ca_file):
    if wire.kind == "aio" and sys.version_info < (3, 11):
        pytest.skip("asyncio has no TLS within TLS before Python 3.11")
    with HttpServer(context=tls) as server, ForwardProxy(context=tls) as proxy:
        wire.configure(proxies={"https": proxy.url}, connection_verify=ca_file)
        assert wire.send(post(server)).content == b"ok"


def test_proxy_variables_count_when_the_transport_is_made_and_not_later(wire, monkeypatch):
    with HttpServer() as server, ForwardProxy() as proxy:
        wire.configure(use_env_settings=True)
        monkeypatch.setenv("http_proxy", proxy.url)
        wire.send(post(server))
        assert proxy.seen == []
        wire.configure(use_env_settings=True)
        monkeypatch.setenv("http_proxy", "")
        wire.send(post(server))
        assert len(proxy.seen) == 1
        monkeypatch.setenv("http_proxy", proxy.url)
        wire.configure(use_env_settings=False)
        wire.send(post(server))
        assert len(proxy.seen) == 1


def test_no_proxy_goes_straight(wire):
    with HttpServer() as server, ForwardProxy() as proxy:
        environment = Environment({"HTTP_PROXY": proxy.url, "NO_PROXY": f"localhost:{server.port}"})
        wire.configure(use_env_settings=True, environment=environment)
        wire.send(post(server))
        wire.send(HttpRequest("GET", f"http://127.0.0.1:{server.port}/"))
    assert [target for _, target, _ in proxy.seen] == [f"http://127.0.0.1:{server.port}/"]


def test_proxies_of_a_call_win(wire):
    with HttpServer() as server, ForwardProxy() as proxy:
        wire.configure(proxies={"http": f"http://localhost:{refused_port()}"})
        assert wire.send(post(server), proxies={"http": proxy.url}).content == b"ok"
        assert wire.send(post(server), proxies={"http": ""}).content == b"ok"
        fails(wire, ServiceRequestError, post(server))
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("proxy", ["ftp://me:hunter2@localhost:1", "http://me:hunter2@[::1", "socks5://me:hunter2@h:1"])
def test_proxy_that_cannot_be_is_refused_without_its_password(wire, proxy):
    wire.configure(proxies={"all": proxy})
    assert "transport=RequestsTransport()" in str(fails(wire, ValueError, post("https://service.example")))


def test_port_with_407_in_it_is_no_refusal_of_the_password():
    assert proxy_refusal("http://h", "HTTPConnection(host='localhost', port=40723): refused") is None
