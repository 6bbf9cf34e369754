import asyncio
import json
import socket

import pytest
from event_requests import KEY, connect_event, exchange, preflight, raw_exchange, user_event, uvicorn_server

from azure.messaging.webpubsubservice.eventhandler import ConnectResponse, EventErrorResponse, WebPubSubEventHandler

LIMIT = 1000


@pytest.fixture(scope="module")
def address():
    handler = WebPubSubEventHandler("chat", allowed_endpoints="localhost", max_body_size=LIMIT, access_key=KEY)

    @handler.on_connect
    async def connect(request):
        return ConnectResponse(user_id="Zoë", states={"n": 1}) if request.query else EventErrorResponse(401, "no")

    @handler.on_event
    def echo(request):
        return request.data

    @handler.on_event("user")
    def user(request):
        return request.user_id

    @handler.on_event("fail")
    def fail(request):
        raise ValueError("the detail")

    with uvicorn_server(handler.asgi_app) as address:
        yield address


def post(address, request, path="/any/path"):
    method, headers, body = request
    return exchange(address, method, path, headers, body)


def test_asgi_app_answers_the_handshake(address):
    method, headers = preflight("localhost")
    status, headers, body = exchange(address, method, "/", headers)
    assert (status, headers["webhook-allowed-origin"], body) == (200, "localhost", b"")


@pytest.mark.parametrize("headers", [{}, {"WebHook-Request-Origin": "localhost"}])
def test_asgi_app_answers_head_without_a_body(headers):
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    start, end = run_scope({"type": "http", "method": "HEAD", "headers": pairs}, {"type": "http.request", "body": b""})
    assert (start["status"], end["body"]) == (405, b"")
    assert (b"content-length", b"19") in start["headers"]


def test_asgi_app_lets_nothing_out_that_a_server_raises(caplog):
    handler = WebPubSubEventHandler(access_key=KEY)
    sent = []

    async def gone(*_):
        raise OSError("the peer has gone")

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "headers": []}
    asyncio.run(handler.asgi_app(scope, receive, gone))
    assert "Traceback" not in caplog.text
    asyncio.run(handler.asgi_app(scope, gone, send))
    assert sent[0]["status"] == 500
    assert "the peer has gone" in caplog.text


def test_asgi_app_answers_connect(address):
    status, headers, body = post(address, connect_event({"query": {"a": ["b"]}}))
    assert (status, json.loads(body), headers["ce-connectionstate"]) == (200, {"userId": "Zoë"}, "eyJuIjoxfQ==")
    assert post(address, connect_event())[::2] == (401, b"no")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/plain", "é".encode()), ("application/json", b'{"a":1}'), ("application/octet-stream", b"\x00\xff")],
)
def test_asgi_app_answers_user_events_of_each_type(address, content_type, body):
    status, headers, answer = post(address, user_event(body, content_type=content_type))
    assert (status, headers["content-type"].partition(";")[0], answer) == (200, content_type, body)


def test_asgi_app_reads_a_user_id_in_utf_8(address):
    assert post(address, user_event(name="user", ce_userId="Zoë 李"))[2] == "Zoë 李".encode()


def test_asgi_app_answers_204_with_no_body(address):
    status, headers, body = post(address, user_event(name="user"))
    assert (status, body) == (204, b"")
    assert "content-length" not in headers


@pytest.mark.filterwarnings("ignore")
def test_asgi_app_answers_500_with_no_detail(address):
    assert post(address, user_event(name="fail"))[::2] == (500, b"")


def test_asgi_app_takes_a_body_of_the_largest_size(address):
    assert post(address, user_event(b"x" * LIMIT))[2] == b"x" * LIMIT
    assert post(address, user_event(b"x" * (LIMIT + 1)))[::2] == (413, b"the body is larger than 1,000 bytes")


def head(request, *lines):
    method, headers, _ = request
    return "\r\n".join(
        [f"{method} / HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items()), *lines, "", ""]
    ).encode()


def test_asgi_app_refuses_a_declared_size_before_the_body_comes(address):
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head(user_event(), "Content-Length: 99999999999999999999"))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_asgi_app_stops_reading_a_chunked_body_at_the_limit(address):
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head(user_event(), "Transfer-Encoding: chunked") + b"200\r\n" + b"x" * 512 + b"\r\n")
        connection.sendall(b"200\r\n" + b"x" * 512 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_asgi_app_takes_a_chunked_body(address):
    chunks = b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    answer = raw_exchange(address, head(user_event(), "Transfer-Encoding: chunked", "Connection: close") + chunks)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nab")


def test_asgi_app_does_not_run_an_event_that_was_cut_off(address):
    assert b"200" not in raw_exchange(address, head(user_event(), "Content-Length: 10") + b"x", leave=True)


def run_scope(scope, *messages):
    handler = WebPubSubEventHandler("chat", max_body_size=LIMIT, access_key=KEY)
    handler.on_event(lambda event: event.data)
    queue, sent = list(messages), []

    async def receive():
        return queue.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(handler.asgi_app(scope, receive, send))
    return sent


def test_asgi_app_serves_a_lifespan():
    sent = run_scope({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


def test_asgi_app_closes_a_websocket():
    assert run_scope({"type": "websocket"}) == [{"type": "websocket.close", "code": 1000}]


def test_asgi_app_says_nothing_to_a_peer_that_left():
    scope = {"type": "http", "method": "POST", "headers": []}
    assert (
        run_scope(scope, {"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}) == []
    )


def test_asgi_app_joins_a_body_of_many_pieces():
    method, headers, _ = user_event()
    scope = {"type": "http", "method": method, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    pieces = [{"type": "http.request", "body": b"x", "more_body": True}] * (LIMIT - 1)
    assert run_scope(scope, *pieces, {"type": "http.request", "body": b"y"})[1]["body"] == b"x" * (LIMIT - 1) + b"y"
    start, end = run_scope(scope, *pieces, {"type": "http.request", "body": b"yz"})
    assert (start["status"], end["body"]) == (413, b"the body is larger than 1,000 bytes")


def test_asgi_app_leaves_other_kinds_of_connection_alone():
    assert run_scope({"type": "other"}) == []


def test_asgi_app_passes_headers_on_lower_case():
    method, headers, body = user_event()
    scope = {
        "type": "http",
        "method": method,
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
    }
    start, end = run_scope(scope, {"type": "http.request", "body": body})
    assert start == {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"5")],
    }
    assert end == {"type": "http.response.body", "body": b"hello"}
