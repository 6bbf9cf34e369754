"""By which name it is known: ``Host``, a proxy near by, or ``endpoint=``; what it says of itself follows from that."""

import asyncio
import http.client
import json
import logging
import socket
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from emulator_peers import WAIT, frame, sign
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncClient
from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.rest._origin import authority, parse_endpoint
from azure.messaging.webpubsubservice.emulator.server._naming import Names
from azure.messaging.webpubsubservice.eventhandler import WebPubSubEventHandler

JSON = "json.webpubsub.azure.v1"
OWN = Names(["localhost:8080", "127.0.0.1:8080"])


def ask(emulator, method, target, host, *, body=None, **headers):
    """Ask under a name: the Host header goes out as it is given, or not at all."""
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=WAIT)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": host, **headers}.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def join(emulator, endpoint, hub="chat", *, origin=None, headers=None, **claims):
    """A client that came by the endpoint's name: only the address it leads to is ours."""
    url = f"{endpoint}/client/hubs/{hub}"
    token = sign(emulator.access_key, aud=url, **claims)
    return connect(
        f"ws{url.removeprefix('http').removeprefix('s')}?access_token={token}",
        sock=socket.create_connection(("127.0.0.1", emulator.port), timeout=WAIT),
        subprotocols=[JSON],
        origin=origin,
        additional_headers=headers,
        proxy=None,
        close_timeout=1,
    )


# As values


@pytest.mark.parametrize(
    ("target", "headers", "peer", "url"),
    [
        ("/a", {"Host": "localhost:8080"}, "127.0.0.1", "http://localhost:8080"),
        ("/a", {"Host": "Emulator:8080"}, "172.17.0.2", "http://emulator:8080"),
        ("/a", {"Host": "my_service"}, "172.17.0.2", "http://my_service"),
        ("/a", {"Host": "[::1]:8080"}, "::1", "http://[::1]:8080"),
        ("/a", {}, "127.0.0.1", "http://localhost:8080"),
        ("/a", {"Host": "a b"}, "127.0.0.1", "http://localhost:8080"),
        ("http://target:99/a", {"Host": "other"}, "127.0.0.1", "http://target:99"),
        ("https://target/a", {"Host": "other"}, "127.0.0.1", "https://target"),
        ("/a", {"Host": "x", "X-Forwarded-Proto": "https"}, "127.0.0.1", "https://x"),
        ("/a", {"Host": "x", "X-Forwarded-Proto": "wss"}, "127.0.0.1", "https://x"),
        ("/a", {"Host": "x", "X-Forwarded-Proto": "gopher"}, "127.0.0.1", "http://x"),
        ("/a", {"Host": "x", "X-Forwarded-Host": "t.example"}, "10.1.2.3", "http://t.example"),
        ("/a", {"Host": "x", "X-Forwarded-Host": "t.example, inner:80"}, "::ffff:192.168.0.9", "http://t.example"),
        ("/a", {"Host": "x", "X-Forwarded-Host": "t/e"}, "127.0.0.1", "http://x"),
        ("/a", {"Host": "x", "X-Forwarded-Host": "t.example"}, "fe80::1%eth0", "http://t.example"),
        ("/a", {"Host": "x", "X-Forwarded-Host": "t.example", "X-Forwarded-Proto": "https"}, "8.8.8.8", "http://x"),
        ("/a", {"Host": "x", "X-Forwarded-Host": "t.example"}, "2001:db8::1", "http://x"),
        ("/a", {"Host": "x", "X-Forwarded-Host": "t.example"}, None, "http://x"),
    ],
)
def test_name_is_the_one_by_which_the_request_came(target, headers, peer, url):
    assert OWN.arrival(target, headers, peer).origin.url == url


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a?b", "/a?b"),
        ("http://h/a?b", "/a?b"),
        ("HTTP://h", "/"),
        ("http://h?b", "/?b"),
        ("ws://h/client/hubs/chat?x#y", "/client/hubs/chat?x"),
        ("*", "*"),
    ],
)
def test_target_in_absolute_form_is_the_path_in_it(target, expected):
    assert OWN.arrival(target, {"Host": "h"}, None).target == expected


def test_endpoint_settles_the_name_and_the_others_are_still_known():
    names = Names(["localhost:8080"], parse_endpoint("https://name:443/"))
    origin = names.arrival("/", {"Host": "x:1", "X-Forwarded-Host": "y"}, "127.0.0.1").origin
    assert (origin.url, origin.name) == ("https://name", "name")
    assert {"name", "name:443", "x:1", "localhost:8080"} <= set(origin.hosts)
    assert "y" not in origin.hosts


@pytest.mark.parametrize(
    ("endpoint", "parts"),
    [
        ("https://name:443", ("https", "name")),
        ("http://name:443", ("http", "name:443")),
        ("HTTP://Name:80/", ("http", "name")),
        ("http://[::1]:8080", ("http", "[::1]:8080")),
    ],
)
def test_endpoint_is_written_as_clients_do(endpoint, parts):
    assert parse_endpoint(endpoint) == parts


@pytest.mark.parametrize(
    "endpoint", ["", "name", "ws://name", "https://", "https://a/b", "https://a?b", "http://u@a", "http://[x", "a:1", 5]
)
def test_endpoint_of_another_form_is_refused(endpoint):
    with pytest.raises(ValueError, match="https://name"):
        WebPubSubEmulator(endpoint=endpoint)


@given(st.text(), st.dictionaries(st.sampled_from(["Host", "X-Forwarded-Host", "X-Forwarded-Proto"]), st.text()))
def test_no_request_makes_a_name_that_could_break_a_header(target, headers):
    arrival = OWN.arrival(target, headers, "127.0.0.1")
    assert authority(arrival.origin.host) == arrival.origin.host
    assert arrival.origin.scheme in ("http", "https")
    assert arrival.origin.hosts[0] == arrival.origin.host


# Over the wire


def test_event_handler_is_told_the_name_by_which_each_client_came():
    heard = []

    class Nothing:
        status, headers, body = 204, (), b""

    def backend(_method, headers, _body):
        heard.append((headers["ce-userId"], headers["WebHook-Request-Origin"]))
        return Nothing

    handler = EventHandler(handler=backend, system_events=["connect", "disconnected"])
    with WebPubSubEmulator(event_handlers={"chat": handler}) as emulator:
        own = f"http://127.0.0.1:{emulator.port}"
        for user, endpoint in (("ann", "http://emulator:8080"), ("bob", own), ("cy", "http://[::1]:9")):
            with join(emulator, endpoint, sub=user) as client:
                client.send('{"type":"event","event":"e","data":1,"ackId":1}')
                assert frame(client)["event"] == "connected"
                assert frame(client)["success"]
        emulator.record.wait_for(lambda record: len(record.webhooks) == 9, WAIT)
    assert {user: {name for who, name in heard if who == user} for user in ("ann", "bob", "cy")} == {
        "ann": {"emulator"},
        "bob": {"127.0.0.1"},
        "cy": {"[::1]"},
    }


def test_handler_that_is_added_later_is_told_the_name_by_which_a_client_had_come(emulator):
    heard = []
    with join(emulator, "http://emulator:8080") as client:
        assert frame(client)["event"] == "connected"
        emulator.add_event_handler("chat", lambda _method, headers, _body: heard.append(headers))
        client.send('{"type":"event","event":"e","data":1,"ackId":1}')
        assert frame(client)["ackId"] == 1
    assert [headers["WebHook-Request-Origin"] for headers in heard] == ["emulator"]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Serves an event handler over HTTP and returns its URL."""
    servers = []

    def make(handler):
        server = WSGIServer(("127.0.0.1", 0), Quiet)
        server.set_app(handler.wsgi_app)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/eventhandler"

    yield make
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_own_handler_made_with_a_name_of_docker_gets_the_events_of_clients_that_came_by_it(serve):
    with WebPubSubEmulator() as keys:
        key = keys.access_key
    handler = WebPubSubEventHandler("chat", connection_string=f"Endpoint=http://emulator:8080;AccessKey={key};")

    @handler.on_event("e")
    def on_e(request):
        return f"hello {request.context.user_id}"

    with WebPubSubEmulator(event_handlers={"chat": serve(handler)}) as emulator:
        with join(emulator, "http://emulator:8080", sub="ann") as client:
            assert frame(client)["event"] == "connected"
            client.send('{"type":"event","event":"e","dataType":"text","data":"x","ackId":1}')
            assert frame(client)["data"] == "hello ann"
            assert frame(client)["success"]
        # Asked once for each name: what one was refused, the other is not.
        with pytest.raises(InvalidStatus, match="500"):
            join(emulator, f"http://localhost:{emulator.port}", sub="bob")
        with join(emulator, "http://emulator:8080", sub="ann") as client:
            assert frame(client)["event"] == "connected"
        (failed,) = [each for each in emulator.record.webhooks if each.error]
        assert failed.error.endswith("/eventhandler' failed: 403.")


def list_page(emulator, host, *, endpoint=None, **headers):
    target = "/api/hubs/chat/groups/g/connections?maxpagesize=1&api-version=2024-12-01"
    token = sign(emulator.access_key, aud=f"{endpoint or 'http://' + host}{target}")
    status, body = ask(emulator, "GET", target, host, Authorization=f"Bearer {token}", **headers)
    assert status == 200, body
    return json.loads(body)["nextLink"].partition("/api/")[0]


def test_next_link_keeps_the_name_and_the_scheme_by_which_the_request_came(emulator, open_socket):
    for _ in range(2):
        open_socket(groups=["g"])
    assert list_page(emulator, f"localhost:{emulator.port}") == f"http://localhost:{emulator.port}"
    assert list_page(emulator, "emulator:8080") == "http://emulator:8080"
    tunnel = {"X_Forwarded_Host": "t.example", "X_Forwarded_Proto": "https"}
    assert list_page(emulator, "localhost", endpoint="https://t.example", **tunnel) == "https://t.example"


def test_minted_token_keeps_the_name_and_the_scheme_by_which_the_request_came():
    target = "/api/hubs/chat/:generateToken?api-version=2024-12-01"
    with WebPubSubEmulator(accept_entra_tokens=True) as emulator:
        headers = {"Authorization": "Bearer entra", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "t.example"}
        status, body = ask(emulator, "POST", target, "localhost", body=b"", **headers)
        assert status == 200
        assert audience(json.loads(body)["token"]) == "https://t.example/client/hubs/chat"
        status, body = ask(emulator, "POST", target, "emulator:8080", body=b"", Authorization="Bearer entra")
        assert audience(json.loads(body)["token"]) == "http://emulator:8080/client/hubs/chat"


def audience(token):
    import jwt

    return jwt.decode(token, options={"verify_signature": False})["aud"]


@pytest.mark.parametrize("host", ["emulator", "emulator:80"])
@pytest.mark.parametrize("aud", ["http://emulator", "http://emulator:80"])
def test_default_port_may_stand_in_the_name_or_not(emulator, host, aud):
    target = "/api/hubs/chat/:send?api-version=2024-12-01"
    headers = {"Authorization": f"Bearer {sign(emulator.access_key, aud=aud + target)}", "Content_Type": "text/plain"}
    assert ask(emulator, "POST", target, host, body=b"x", **headers)[0] == 202


def test_endpoint_is_what_both_clients_and_websockets_know_it_by():
    events = []

    class Nothing:
        status, headers, body = 204, (), b""

    def backend(_method, headers, _body):
        events.append(headers["WebHook-Request-Origin"])
        return Nothing

    handler = EventHandler(handler=backend, system_events=["connect"])
    with WebPubSubEmulator(endpoint="https://hub.example:443", event_handlers={"chat": handler}) as emulator:
        assert emulator.endpoint == "https://hub.example"
        assert emulator.connection_string.startswith("Endpoint=https://hub.example;AccessKey=")
        assert emulator.client_url("chat").startswith("wss://hub.example/client/hubs/chat?access_token=")
        assert audience(emulator.client_url("chat").partition("=")[2]) == "https://hub.example/client/hubs/chat"
        address = f"http://127.0.0.1:{emulator.port}"
        with WebPubSubServiceClient.from_connection_string(
            emulator.connection_string, hub="chat", reverse_proxy_endpoint=address
        ) as service:
            url = service.get_client_access_token(user_id="ann", groups=["g"])["url"]
            assert url.startswith("wss://hub.example/")
            # The proxy ends TLS and rewrites the host.
            with (
                connect(url.replace("wss://hub.example", f"ws://127.0.0.1:{emulator.port}"), proxy=None) as client,
                connect(url.replace("wss://hub.example", f"ws://127.0.0.1:{emulator.port}"), proxy=None),
            ):
                service.send_to_all("hello", content_type="text/plain")
                assert client.recv(timeout=WAIT) == "hello"
                assert [member.user_id for member in service.list_connections("g", maxpagesize=1)] == ["ann", "ann"]

                async def send():
                    async with AsyncClient.from_connection_string(
                        emulator.connection_string, hub="chat", reverse_proxy_endpoint=address
                    ) as other:
                        await other.send_to_all("again", content_type="text/plain")

                asyncio.run(send())
                assert client.recv(timeout=WAIT) == "again"
                link = list_page(emulator, "localhost", endpoint="https://hub.example")
        assert link == "https://hub.example"
        assert set(events) == {"hub.example"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_means_both_families_and_the_endpoint_answers(host, caplog):
    with (
        caplog.at_level(logging.WARNING, "azure.messaging.webpubsubservice.emulator"),
        WebPubSubEmulator(host=host, allow_remote=True) as emulator,
        WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as service,
    ):
        assert emulator.endpoint == f"http://localhost:{emulator.port}"
        service.send_to_all("x", content_type="text/plain")
        for address in {info[4][0] for info in socket.getaddrinfo("localhost", emulator.port)}:
            connection = http.client.HTTPConnection(address, emulator.port, timeout=WAIT)
            connection.request("GET", "/api/health")
            assert connection.getresponse().status == 200
            connection.close()
        (warning,) = caplog.messages
        assert "\n" not in warning
        assert "Other machines can reach this emulator" in warning
        assert "the access key that everybody knows" in warning
        assert emulator.access_key not in warning
