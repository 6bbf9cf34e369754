"""Both transports against real local servers, with the same tests wherever they can do the same."""

import asyncio
import gzip
import io
import logging
import os
import pickle
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme
from azure.core.exceptions import (
    DecodeError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
    StreamConsumedError,
)
from azure.core.pipeline import AsyncPipeline, Pipeline
from azure.core.pipeline import policies as core_policies
from azure.core.rest import AsyncHttpResponse, HttpRequest, HttpResponse
from local_servers import (
    ACCEPTED,
    OK,
    TIMEOUT,
    ForwardProxy,
    HttpServer,
    SocketServer,
    SocksProxy,
    answer,
    full_listener,
    refused_port,
    server_context,
)

from azure.messaging.webpubsubservice._environment import Environment
from azure.messaging.webpubsubservice._transport import Urllib3Transport
from azure.messaging.webpubsubservice.aio import _transport as aio_transport
from azure.messaging.webpubsubservice.aio._transport import AiohttpTransport

SECRET = "canary-f00d"
PATH = f"/api/hubs/chat/:send?api-version=2024-12-01&access_token={SECRET}"
AUTHORIZATION = {"Authorization": f"Bearer {SECRET}"}


class SyncWire:
    kind = "sync"

    def __init__(self):
        self.transport = None

    def configure(self, **options):
        self.close()
        options.setdefault("use_env_settings", False)
        self.transport = Urllib3Transport(**options)
        return self

    def send(self, request, **options):
        return self.transport.send(request, **options)

    def open_and_close(self):
        with self.transport:
            pass

    def settle(self):
        pass

    def run_policies(self, policies, request, **options):
        return Pipeline(self.transport, policies).run(request, **options).http_response

    def pieces(self, response, how="iter_bytes", most=None):
        with response:
            found = []
            for piece in getattr(response, how)():
                found.append(piece)
                if len(found) == most:
                    break
            return found

    def read(self, response):
        return response.read()

    def close(self):
        if self.transport is not None:
            self.transport.close()


class AioWire:
    kind = "aio"

    def __init__(self):
        self.transport = None
        self.loop = asyncio.new_event_loop()

    def configure(self, **options):
        self.close()
        options.setdefault("use_env_settings", False)
        self.transport = AiohttpTransport(**options)
        return self

    def run(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    def send(self, request, **options):
        return self.run(self.transport.send(request, **options))

    def open_and_close(self):
        async def main():
            async with self.transport:
                pass

        self.run(main())

    def settle(self):
        """Let the loop see what happened to its sockets while it was not running."""

        async def main():
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        self.run(main())

    def run_policies(self, policies, request, **options):
        return self.run(AsyncPipeline(self.transport, policies).run(request, **options)).http_response

    def pieces(self, response, how="iter_bytes", most=None):
        async def main():
            async with response:
                found = []
                async for piece in getattr(response, how)():
                    found.append(piece)
                    if len(found) == most:
                        break
                return found

        return self.run(main())

    def read(self, response):
        return self.run(response.read())

    def close(self):
        if self.transport is not None:
            self.run(self.transport.close())


@pytest.fixture(params=[SyncWire, AioWire], ids=["sync", "aio"])
def wire(request):
    wire = request.param().configure()
    yield wire
    wire.close()
    if wire.kind == "aio":
        wire.run(wire.loop.shutdown_asyncgens())
        wire.loop.close()


@pytest.fixture
def sync_wire():
    wire = SyncWire().configure()
    yield wire
    wire.close()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority):
    return server_context(authority.issue_cert("localhost"))


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def post(server, content=b"hello", path=PATH, **headers):
    url = server if isinstance(server, str) else server.url
    return HttpRequest("POST", url + path, content=content, headers={**AUTHORIZATION, **headers})


def get(server, path="/"):
    return HttpRequest("GET", (server if isinstance(server, str) else server.url) + path)


def fails(wire, expected, request, **options):
    """Send, expect this very class, and look for the secret wherever an error may show it."""
    with pytest.raises(expected) as caught:
        wire.send(request, **options)
    assert type(caught.value) is expected
    assert_no_secret(caught.value)
    return caught.value


def assert_no_secret(error):
    shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    while error is not None:
        shown += repr(error) + repr(vars(error)) + repr(getattr(error, "inner_exception", None))
        error = error.__cause__ or error.__context__
    assert SECRET not in shown
    assert "hunter2" not in shown


# --- what is sent


def test_request_arrives_as_it_was_made(wire):
    with HttpServer(ACCEPTED) as server:
        response = wire.send(post(server, b'{"a": 1}', **{"Content-Type": "application/json", "X-Twice": "a, b"}))
    (request,) = server.requests
    assert response.status_code == 202
    assert (request.method, request.target, request.body) == ("POST", PATH, b'{"a": 1}')
    assert sorted(request.headers) == [
        ("accept-encoding", "gzip, deflate"),
        ("authorization", f"Bearer {SECRET}"),
        ("content-length", "8"),
        ("content-type", "application/json"),
        ("host", f"localhost:{server.port}"),
        ("x-twice", "a, b"),
    ]


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PUT", "0"), ("GET", None)])
def test_request_without_a_body_says_so_where_its_method_may_have_one(wire, method, length):
    with HttpServer() as server:
        wire.send(HttpRequest(method, server.url + "/x"))
    headers = dict(server.requests[0].headers)
    assert headers.get("content-length") == length
    assert "content-type" not in headers
    assert "transfer-encoding" not in headers


def test_headers_of_the_caller_take_the_place_of_ours(wire):
    with HttpServer() as server:
        wire.send(get(server).__class__("GET", server.url, headers={"accept-encoding": "identity", "HOST": "other"}))
    headers = server.requests[0].headers
    assert [value for name, value in headers if name == "accept-encoding"] == ["identity"]
    assert [value for name, value in headers if name == "host"] == ["other"]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("", "/"),
        ("?a=b", "/?a=b"),
        ("/a%2Fb%7e?x=%20", "/a%2Fb%7e?x=%20"),
        ("/a#fragment", "/a"),
        ("/a b?c=\u00e9", "/a%20b?c=%C3%A9"),
    ],
)
def test_url_goes_on_the_wire_as_it_is_unless_http_forbids(wire, url, target):
    with HttpServer() as server:
        wire.send(get(server, url))
        wire.send(get(server, url))
    assert [request.target for request in server.requests] == [target, target]


@pytest.mark.parametrize(
    "url", ["/relative", "ftp://host/", "https://", "http://user:hunter2@localhost/", "http://[::1/", ""]
)
def test_url_that_leads_nowhere_is_refused(wire, url):
    fails(wire, ValueError, HttpRequest("GET", url))


def test_text_goes_as_utf8_with_its_length_in_bytes(wire):
    with HttpServer() as server:
        wire.send(HttpRequest("POST", server.url, content="h\u00e9"))
    assert server.requests[0].body == "h\u00e9".encode()
    assert dict(server.requests[0].headers)["content-length"] == "3"


def test_form_data_is_encoded(wire):
    with HttpServer() as server:
        wire.send(HttpRequest("POST", server.url, data={"a": "1 2", "b": ["x", "y"]}))
    assert server.requests[0].body == b"a=1+2&b=x&b=y"
    assert dict(server.requests[0].headers)["content-type"] == "application/x-www-form-urlencoded"


def test_files_are_sent_as_multipart(wire):
    with HttpServer() as server:
        files = {"f": ("name.txt", io.BytesIO(b"content"), "text/plain")}
        wire.send(HttpRequest("POST", server.url, files=files, data={"field": "value"}))
    body = server.requests[0].body
    assert b'name="field"\r\n\r\nvalue' in body
    assert b'name="f"; filename="name.txt"\r\nContent-Type: text/plain\r\n\r\ncontent' in body
    assert dict(server.requests[0].headers)["content-type"].startswith("multipart/form-data; boundary=")


def test_file_is_streamed_with_its_length_and_left_open(wire, tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(b"x" * 200_000)
    with HttpServer() as server, path.open("rb") as file:
        file.seek(50_000)
        wire.send(HttpRequest("POST", server.url, content=file))
        assert not file.closed
    assert server.requests[0].body == b"x" * 150_000
    assert dict(server.requests[0].headers)["content-length"] == "150000"


def test_text_stream_goes_as_utf8(wire):
    with HttpServer() as server:
        wire.send(HttpRequest("POST", server.url, content=io.StringIO("h\u00e9")))
    assert server.requests[0].body == "h\u00e9".encode()


def test_iterable_is_sent_in_chunks(wire):
    with HttpServer() as server:
        wire.send(HttpRequest("POST", server.url, content=(piece for piece in [b"one ", b"", "tw\u00f6"])))
    assert server.requests[0].body == "one tw\u00f6".encode()
    assert dict(server.requests[0].headers)["transfer-encoding"] == "chunked"


def test_iterable_of_known_length_is_not_chunked(wire):
    with HttpServer() as server:
        wire.send(HttpRequest("POST", server.url, content=iter([b"one", b"two"]), headers={"Content-Length": "6"}))
    assert server.requests[0].body == b"onetwo"
    assert "transfer-encoding" not in dict(server.requests[0].headers)


def test_large_body_arrives_whole(wire):
    body = bytes(range(256)) * 8192
    with HttpServer(ACCEPTED) as server:
        assert wire.send(post(server, body)).status_code == 202
    assert server.requests[0].body == body


async def _two_pieces():
    yield b"one"
    yield b"two"


def test_async_iterable_is_for_the_async_client_only(wire):
    with HttpServer() as server:
        request = HttpRequest("POST", server.url, content=_two_pieces())
        if wire.kind == "sync":
            fails(wire, TypeError, request)
        else:
            wire.send(request)
            assert server.requests[0].body == b"onetwo"


def test_error_of_the_callers_own_stream_comes_through(sync_wire):
    def pieces():
        yield b"one"
        raise KeyError("mine")

    with HttpServer() as server:
        with pytest.raises(KeyError, match="mine"):
            sync_wire.send(HttpRequest("POST", server.url, content=pieces()))
        assert sync_wire.send(get(server)).status_code == 200
    assert [request.connection for request in server.requests if request.method == "GET"] == [1]


@pytest.mark.parametrize("value", [f"Bearer {SECRET}\r\nX-Injected: 1", f"{SECRET}\n", f"{SECRET} \u4e2d\n"])
def test_header_that_breaks_its_line_is_refused_without_showing_it(wire, value):
    with HttpServer() as server:
        request = HttpRequest("GET", server.url, headers={"Authorization": value})
        fails(wire, ValueError, request)
        assert server.requests == []


def test_netrc_does_not_disturb_authorization(wire, tmp_path, monkeypatch):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine localhost login other password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    wire.configure(use_env_settings=True)
    with HttpServer() as server:
        wire.send(post(server))
        wire.send(get(server))
    assert dict(server.requests[0].headers)["authorization"] == f"Bearer {SECRET}"
    assert "authorization" not in dict(server.requests[1].headers)


# --- what comes back


def test_response_is_what_azure_core_says_it_is(wire):
    reply = answer("201 Made", b'{"a": "\xc3\xa9"}', Content_Type="application/json; charset=utf-8", X_Id="7")
    with HttpServer(reply) as server:
        request = get(server)
        response = wire.send(request)
    assert isinstance(response, HttpResponse if wire.kind == "sync" else AsyncHttpResponse)
    assert (response.status_code, response.reason, response.url) == (201, "Made", request.url)
    assert response.request is request
    assert response.headers["x-ID"] == "7"
    assert response.content_type == "application/json; charset=utf-8"
    assert response.encoding == "utf-8"
    assert response.content == response.body() == b'{"a": "\xc3\xa9"}'
    assert response.text() == '{"a": "\u00e9"}'
    assert response.json() == {"a": "\u00e9"}
    assert response.is_closed
    assert response.is_stream_consumed
    assert wire.read(response) == response.content
    assert wire.pieces(response) == [response.content]
    name = "HttpResponse" if wire.kind == "sync" else "AsyncHttpResponse"
    assert repr(response) == f"<{name}: 201 Made, Content-Type: application/json; charset=utf-8>"


def test_response_survives_pickling(wire):
    with HttpServer(answer(body=b"[1]", X_Id="7")) as server:
        response = pickle.loads(pickle.dumps(wire.send(get(server))))
    assert (response.status_code, response.json(), response.headers["x-id"]) == (200, [1], "7")


def test_values_of_a_header_that_comes_twice_are_one_list(wire):
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    with HttpServer(reply) as server:
        assert wire.send(get(server)).headers["X-A"] == "1, 2"


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ],
)
def test_response_without_a_body_leaves_its_connection_in_use(wire, method, reply):
    with HttpServer(reply) as server:
        for _ in range(2):
            response = wire.send(HttpRequest(method, server.url))
            assert response.content == b""
    assert [request.connection for request in server.requests] == [0, 0]


def test_chunked_response_is_put_together(wire):
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3;x=y\r\ntwo\r\n0\r\nTrailer: 1\r\n\r\n"
    with HttpServer(reply) as server:
        assert wire.send(get(server)).content == b"onetwo"
        assert b"".join(wire.pieces(wire.send(get(server), stream=True))) == b"onetwo"
    assert [request.connection for request in server.requests] == [0, 0]


def test_response_that_ends_with_its_connection_is_whole(wire):
    def reply(_):
        yield b"HTTP/1.1 200 OK\r\n\r\nall of it"

    with HttpServer(reply) as server:
        assert wire.send(get(server)).content == b"all of it"
        assert wire.send(get(server)).content == b"all of it"


def test_redirect_is_not_followed_and_cookie_not_kept(wire):
    with HttpServer(answer("307 Elsewhere", Location="/other", Set_Cookie="a=b; Path=/")) as server:
        assert [wire.send(get(server)).status_code for _ in range(2)] == [307, 307]
    assert [request.target for request in server.requests] == ["/", "/"]
    assert "cookie" not in dict(server.requests[1].headers)


def test_early_answer_to_a_large_request_is_seen(wire):
    def serve(connection, _):
        connection.recv(1000)
        connection.sendall(answer("413 Too Large", Connection="close"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass

    with SocketServer(serve) as server:
        assert wire.send(post(server, b"x" * 8_000_000)).status_code == 413


# --- compression


def _raw_deflate(data):
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


TEXT = b"text " * 5000
ENCODED = [
    ("gzip", gzip.compress(TEXT)),
    ("GZIP", gzip.compress(TEXT)),
    ("gzip", gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:])),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", _raw_deflate(TEXT)),
    ("gzip, deflate", zlib.compress(gzip.compress(TEXT))),
    ("identity", TEXT),
]


@pytest.mark.parametrize(("encoding", "data"), ENCODED)
def test_body_is_decompressed(wire, encoding, data):
    with HttpServer(answer(body=data, Content_Encoding=encoding)) as server:
        assert wire.send(get(server)).content == TEXT
        response = wire.send(get(server), stream=True)
        assert wire.read(response) == response.content == TEXT
        assert b"".join(wire.pieces(wire.send(get(server), stream=True))) == TEXT
        assert b"".join(wire.pieces(wire.send(get(server), stream=True), "iter_raw")) == data
    assert {request.connection for request in server.requests} == {0}


def test_encoding_of_an_empty_body_does_not_matter(wire):
    with HttpServer(answer("204 No Content", Content_Encoding="gzip")) as server:
        assert wire.send(get(server)).content == b""


@pytest.mark.parametrize(("encoding", "data"), [("gzip", b"not gzip"), ("deflate", b"\xff\xff\xff\xff")])
def test_body_that_is_not_what_it_says_is_a_decode_error(wire, encoding, data):
    with HttpServer(answer(body=data, Content_Encoding=encoding)) as server:
        error = fails(wire, DecodeError, get(server))
        assert f"localhost:{server.port}" in str(error)
        assert encoding in str(error)
        response = wire.send(get(server), stream=True)
        with pytest.raises(DecodeError):
            wire.pieces(response)


# --- streaming


def test_stream_leaves_the_body_on_the_wire_until_it_is_read(wire):
    release = threading.Event()

    def reply(_):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none"
        assert release.wait(TIMEOUT)
        yield b"two"

    with HttpServer(reply) as server:
        response = wire.send(get(server), stream=True)
        assert (response.status_code, response.is_closed, response.is_stream_consumed) == (200, False, False)
        release.set()
        assert wire.read(response) == b"onetwo"
        assert response.is_closed
        assert response.text() == "onetwo"
        with pytest.raises(StreamConsumedError):
            wire.pieces(response, "iter_raw")


def test_stream_comes_in_pieces_of_the_size_asked_for(wire):
    wire.configure(connection_data_block_size=10)
    with HttpServer(answer(body=b"x" * 95)) as server:
        pieces = wire.pieces(wire.send(get(server), stream=True))
    assert b"".join(pieces) == b"x" * 95
    assert max(map(len, pieces)) == 10


def test_stream_read_to_its_end_keeps_its_connection_and_one_left_does_not(wire):
    wire.configure(connection_data_block_size=1000)
    with HttpServer(answer(body=b"x" * 5_000_000)) as server:
        wire.pieces(wire.send(get(server), stream=True))
        wire.pieces(wire.send(get(server), stream=True), most=1)
        assert wire.send(get(server)).content == b"x" * 5_000_000
    assert [request.connection for request in server.requests] == [0, 0, 1]


# --- errors: what surely was not sent, and what may have been


def test_refused_connection_was_not_sent(wire):
    port = refused_port()
    error = fails(wire, ServiceRequestError, post(f"http://localhost:{port}"))
    assert f"http://localhost:{port}" in str(error)
    assert error.inner_exception is not None


@pytest.mark.parametrize("host", ["name.invalid", "x" * 64 + ".example", "a..example"])
def test_name_that_leads_nowhere_was_not_sent(wire, host):
    error = fails(wire, ServiceRequestError, post(f"http://{host}"))
    assert host in str(error)


def test_connection_that_takes_too_long_was_not_sent(wire):
    with full_listener() as port:
        error = fails(wire, ServiceRequestTimeoutError, post(f"http://127.0.0.1:{port}"), connection_timeout=0.1)
    assert str(error) == f"No connection to http://127.0.0.1:{port} within 0.1 s"


def test_tls_handshake_that_takes_too_long_was_not_sent(wire):
    done = threading.Event()
    with SocketServer(lambda connection, _: done.wait(TIMEOUT)) as server:
        url = f"https://localhost:{server.port}"
        fails(wire, ServiceRequestTimeoutError, post(url), connection_timeout=0.1)
        done.set()


def test_tls_to_a_server_without_it_was_not_sent(wire):
    with SocketServer(lambda connection, _: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        fails(wire, ServiceRequestError, post(f"https://localhost:{server.port}"))


def test_connection_closed_in_the_tls_handshake_was_not_sent(wire):
    with SocketServer(lambda connection, _: connection.recv(1)) as server:
        fails(wire, ServiceRequestError, post(f"https://localhost:{server.port}"))


def test_lost_answer_may_have_been_sent(wire):
    with HttpServer(lambda _: None) as server:
        error = fails(wire, ServiceResponseError, post(server))
    assert len(server.requests) == 1
    assert f"http://localhost:{server.port}" in str(error)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_lost_answer_is_not_asked_for_again_by_the_transport(wire, method):
    with HttpServer(lambda _: None) as server:
        fails(wire, ServiceResponseError, HttpRequest(method, server.url + PATH))
    assert len(server.requests) == 1


def test_answer_that_takes_too_long_may_have_been_sent(wire):
    done = threading.Event()
    with HttpServer(lambda _: done.wait(TIMEOUT) and None) as server:
        error = fails(wire, ServiceResponseTimeoutError, post(server), read_timeout=0.1)
        done.set()
    assert str(error) == f"http://localhost:{server.port} did not answer within 0.1 s"


@pytest.mark.parametrize("head_first", [False, True])
def test_answer_that_trickles_in_does_not_outlast_the_deadline(wire, head_first):
    done = threading.Event()

    def reply(_):
        if head_first:
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        else:
            yield b"HTTP/1.1 200 OK\r\n"
        while not done.wait(0.01):
            yield b"a:b\r\n"

    with HttpServer(reply) as server:
        started = time.monotonic()
        fails(wire, ServiceResponseTimeoutError, post(server), read_timeout=5, deadline=started + 0.2)
        assert 0.2 <= time.monotonic() - started < 2
        done.set()


def test_deadline_covers_a_request_that_is_not_read(wire):
    done = threading.Event()

    def serve(connection, _):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        done.wait(TIMEOUT)

    with SocketServer(serve) as server:
        started = time.monotonic()
        request = post(server, b"x" * 20_000_000)
        fails(wire, ServiceResponseTimeoutError, request, read_timeout=5, deadline=started + 0.2)
        assert time.monotonic() - started < 2
        done.set()


def test_deadline_that_is_kept_does_not_matter(wire):
    with HttpServer() as server:
        for _ in range(2):
            assert wire.send(post(server), deadline=time.monotonic() + TIMEOUT).status_code == 200
    assert [request.connection for request in server.requests] == [0, 0]


def test_peer_that_stops_reading_does_not_hold_the_request_forever(wire):
    done = threading.Event()

    def serve(connection, _):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        done.wait(TIMEOUT)

    with SocketServer(serve) as server:
        fails(
            wire, ServiceResponseTimeoutError, post(server, b"x" * 20_000_000), connection_timeout=0.1, read_timeout=0.1
        )
        done.set()


def test_answer_that_is_not_http_may_have_been_sent(wire):
    with HttpServer(lambda _: iter([b"SSH-2.0-OpenSSH_9.0\r\n\r\n\r\n"])) as server:
        fails(wire, ServiceResponseError, post(server))


def test_endless_head_is_refused(wire):
    def reply(_):
        yield b"HTTP/1.1 200 OK\r\n"
        for _ in range(1000):
            yield b"X-More: " + b"x" * 1000 + b"\r\n"

    with HttpServer(reply) as server:
        fails(wire, ServiceResponseError, post(server))


def _broken_off(rest):
    return lambda _: iter([b"HTTP/1.1 200 OK\r\n" + rest])


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\nshort",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n64\r\nshort",
        b"Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n" + gzip.compress(b"short"),
    ],
)
def test_answer_that_breaks_off_is_an_incomplete_read(wire, rest):
    with HttpServer(_broken_off(rest)) as server:
        error = fails(wire, IncompleteReadError, post(server))
        assert f"http://localhost:{server.port}" in str(error)
        with pytest.raises(IncompleteReadError) as caught:
            wire.pieces(wire.send(post(server), stream=True))
    assert_no_secret(caught.value)


def test_answer_in_nonsensical_chunks_is_an_error_of_the_answer(wire):
    with HttpServer(_broken_off(b"Transfer-Encoding: chunked\r\n\r\n!!\r\nshort")) as server:
        fails(wire, IncompleteReadError if wire.kind == "sync" else ServiceResponseError, post(server))


def test_answer_that_stops_in_its_body_runs_out_of_time(wire):
    done = threading.Event()

    def reply(_):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
        done.wait(TIMEOUT)

    with HttpServer(reply) as server:
        fails(wire, ServiceResponseTimeoutError, post(server), read_timeout=0.1)
        response = wire.send(post(server), stream=True, read_timeout=0.1)
        with pytest.raises(ServiceResponseTimeoutError):
            wire.pieces(response)
        done.set()


# --- connections


def test_connection_is_used_again(wire):
    with HttpServer() as server:
        for _ in range(3):
            wire.send(post(server))
    assert [request.connection for request in server.requests] == [0, 0, 0]


def test_connection_that_the_service_announces_to_close_is_not(wire):
    with HttpServer(answer(body=b"x", Connection="close")) as server:
        for _ in range(2):
            wire.send(post(server))
    assert [request.connection for request in server.requests] == [0, 1]


def test_stale_connection_is_noticed_before_a_post_is_written_to_it(wire):
    with HttpServer(ACCEPTED) as server:
        for number in range(3):
            wire.send(post(server, b"message %d" % number))
            server.drop_connections()
            wire.settle()
    assert [(request.body, request.connection) for request in server.requests] == [
        (b"message 0", 0),
        (b"message 1", 1),
        (b"message 2", 2),
    ]


def test_connection_that_closed_while_the_loop_was_not_running_is_noticed(monkeypatch):
    monkeypatch.setattr(aio_transport, "_IDLE_SECONDS", 0)
    wire = AioWire().configure()
    with HttpServer(ACCEPTED) as server:
        wire.send(post(server))
        server.drop_connections()
        wire.send(post(server))
    wire.close()
    wire.loop.close()
    assert [request.connection for request in server.requests] == [0, 1]


def test_connection_that_failed_is_not_used_again(wire):
    replies = iter([OK, None, OK])
    with HttpServer(lambda _: next(replies)) as server:
        wire.send(post(server))
        fails(wire, ServiceResponseError, post(server))
        wire.send(post(server))
    assert [request.connection for request in server.requests] == [0, 0, 1]


def test_sixty_four_threads_use_sixty_four_connections_and_discard_none(caplog):
    caplog.set_level(logging.DEBUG)
    here = threading.Barrier(64, timeout=TIMEOUT)

    def reply(request):
        if request.target == "/together":
            here.wait()
        return ACCEPTED

    with HttpServer(reply) as server, Urllib3Transport() as transport, ThreadPoolExecutor(64) as threads:

        def send(path):
            return transport.send(post(server, path=path)).status_code

        assert set(threads.map(send, ["/together"] * 64)) == {202}
        assert set(threads.map(send, ["/again"] * 640)) == {202}
        assert len(server.requests) == 704
        assert len(server.connections) == 64
    assert "pool is full" not in caplog.text


def test_two_hundred_tasks_are_not_limited():
    here = threading.Barrier(200, timeout=TIMEOUT)

    def reply(_):
        here.wait()
        return ACCEPTED

    async def main():
        async with AiohttpTransport(read_timeout=TIMEOUT) as transport:
            responses = await asyncio.gather(*[transport.send(post(server)) for _ in range(200)])
        assert {response.status_code for response in responses} == {202}

    with HttpServer(reply) as server:
        asyncio.run(main())


def test_connections_that_rest_and_were_closed_are_swept(sync_wire, monkeypatch):
    monkeypatch.setattr("azure.messaging.webpubsubservice._routes._SECONDS_BETWEEN_SWEEPS", 0)
    here = threading.Barrier(4, timeout=TIMEOUT)

    def reply(request):
        if request.target == "/together":
            here.wait()
        return ACCEPTED

    with HttpServer(reply) as server, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: sync_wire.send(post(server, path="/together")), range(4)))
        (route,) = sync_wire.transport._routes.values()
        assert len(route._idle) == 4
        server.drop_connections()
        here.reset()
        list(threads.map(lambda _: sync_wire.send(post(server, path="/together")), range(4)))
        assert len(route._idle) == 4
        assert all(connection.is_connected for connection in route._idle)


def test_number_of_origins_remembered_is_bounded(wire):
    with HttpServer() as server:
        for number in range(1, 100):
            wire.send(HttpRequest("GET", f"http://127.0.0.{number}:{server.port}/")) if number == 1 else None
            wire.transport._routes.setdefault(str(number), next(iter(wire.transport._routes.values())))
        wire.send(HttpRequest("GET", server.url))
        assert len(wire.transport._routes) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_child_uses_no_connection_of_its_parent(sync_wire):
    with HttpServer() as server:
        sync_wire.send(post(server, b"parent"))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                sync_wire.send(post(server, b"child"))
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        sync_wire.send(post(server, b"parent again"))
    assert [(request.body, request.connection) for request in server.requests] == [
        (b"parent", 0),
        (b"child", 1),
        (b"parent again", 0),
    ]


# --- lifecycle


def test_closing_twice_is_fine_and_use_after_that_an_error(wire):
    with HttpServer() as server:
        wire.send(get(server))
        wire.close()
        wire.close()
        error = fails(wire, ValueError, get(server))
        assert "closed" in str(error)
        with pytest.raises(ValueError, match="closed"):
            wire.open_and_close()


def test_transport_that_was_never_used_closes(wire):
    wire.open_and_close()


def test_pickling_is_refused(wire):
    with pytest.raises(TypeError, match="cannot be copied or pickled: make a client in the process"):
        pickle.dumps(wire.transport)


@pytest.mark.parametrize("option", ["connection_timeout", "read_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), "5", None, True, (3, 5)])
def test_timeout_that_is_none_is_refused(wire, option, value):
    with pytest.raises(ValueError, match=option):
        wire.configure(**{option: value})


def test_unknown_keyword_is_refused_before_anything_is_sent(wire):
    with HttpServer() as server:
        error = fails(wire, TypeError, get(server), retries=3)
    assert str(error) == "send() got an unexpected keyword argument 'retries'"
    assert server.requests == []


def test_second_event_loop_is_refused_with_a_remedy():
    transport = AiohttpTransport()
    with HttpServer() as server:
        first = asyncio.new_event_loop()
        first.run_until_complete(transport.send(get(server)))
        with pytest.raises(RuntimeError, match=r"another event loop.*a client for each event loop"):
            asyncio.run(transport.send(get(server)))
        first.run_until_complete(transport.close())
        first.close()
    assert len(server.requests) == 1


def test_cancelled_send_closes_its_connection():
    arrived, done = threading.Event(), threading.Event()

    def reply(request):
        if request.target == "/slow":
            arrived.set()
            done.wait(TIMEOUT)
        return ACCEPTED

    async def main():
        loop = asyncio.get_running_loop()
        async with AiohttpTransport() as transport:
            await transport.send(post(server, path="/"))
            slow = asyncio.create_task(transport.send(post(server, path="/slow")))
            assert await loop.run_in_executor(None, arrived.wait, TIMEOUT)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            done.set()
            await transport.send(post(server, path="/"))

    with HttpServer(reply) as server:
        asyncio.run(main())
    assert [request.connection for request in server.requests] == [0, 0, 1]


def test_interpreter_exit_without_close_is_silent():
    code = (
        "import sys\n"
        "from azure.core.rest import HttpRequest\n"
        "from azure.messaging.webpubsubservice._transport import Urllib3Transport\n"
        "transport = Urllib3Transport()\n"
        "print(transport.send(HttpRequest('GET', sys.argv[1])).status_code)\n"
    )
    with HttpServer() as server:
        command = [sys.executable, "-W", "error::ResourceWarning", "-c", code, server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("200\n", "", 0)


def test_missing_aiohttp_is_one_clear_sentence():
    code = (
        "import sys; sys.modules['aiohttp'] = None\n"
        "try:\n"
        "    import azure.messaging.webpubsubservice.aio._transport\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        'The async client needs aiohttp, which is not installed: pip install "azure-messaging-webpubsubservice[aio]"\n'
    )


# --- TLS


def test_server_is_trusted_through_a_ca_file(wire, tls, ca_file):
    wire.configure(connection_verify=ca_file)
    with HttpServer(context=tls) as server:
        assert wire.send(post(server)).content == b"ok"
        assert wire.send(post(server)).content == b"ok"
    assert [request.connection for request in server.requests] == [0, 0]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command to name the file by its hash")
def test_server_is_trusted_through_a_ca_directory(wire, tls, ca_file, tmp_path):
    command = ["openssl", "x509", "-hash", "-noout", "-in", ca_file]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    directory = tmp_path / "certs"
    directory.mkdir()
    shutil.copy(ca_file, directory / f"{name}.0")
    wire.configure(connection_verify=str(directory))
    with HttpServer(context=tls) as server:
        assert wire.send(post(server)).content == b"ok"


def test_unknown_ca_is_refused_and_nothing_sent(wire, tls):
    with HttpServer(context=tls) as server:
        error = fails(wire, ServiceRequestError, post(server))
        assert "certificate verify failed" in str(error).lower()
        assert server.requests == []


def test_certificate_of_another_host_is_refused(wire, authority, ca_file):
    wire.configure(connection_verify=ca_file)
    with HttpServer(context=server_context(authority.issue_cert("other.example"))) as server:
        fails(wire, ServiceRequestError, post(server))
        assert server.requests == []


def test_verification_can_be_switched_off(wire, tls):
    wire.configure(connection_verify=False)
    with HttpServer(context=tls) as server:
        assert wire.send(post(server)).content == b"ok"


def test_verification_can_be_chosen_for_one_call(wire, tls, ca_file):
    with HttpServer(context=tls) as server:
        assert wire.send(post(server), connection_verify=ca_file).content == b"ok"
        assert wire.send(post(server), connection_verify=False).content == b"ok"
        fails(wire, ServiceRequestError, post(server))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_ca_variables_of_the_environment_count(wire, tls, ca_file, variable):
    wire.configure(use_env_settings=True, environment=Environment.read({variable: ca_file}))
    with HttpServer(context=tls) as server:
        assert wire.send(post(server)).content == b"ok"
        wire.configure(use_env_settings=False, environment=Environment.read({variable: ca_file}))
        fails(wire, ServiceRequestError, post(server))


def test_environment_does_not_widen_an_explicit_ca(wire, tls, ca_file, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    environment = Environment.read({"REQUESTS_CA_BUNDLE": ca_file})
    wire.configure(connection_verify=str(other), use_env_settings=True, environment=environment)
    with HttpServer(context=tls) as server:
        fails(wire, ServiceRequestError, post(server))


@pytest.fixture(scope="module")
def mutual_tls(authority):
    return server_context(authority.issue_cert("localhost"), client_ca=authority)


def test_client_certificate_is_shown(wire, authority, mutual_tls, ca_file, tmp_path):
    certificate = authority.issue_cert("client@example.org")
    both, one, key = (tmp_path / name for name in ("both.pem", "one.pem", "key.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(both)
    certificate.cert_chain_pems[0].write_to_path(one)
    certificate.private_key_pem.write_to_path(key)
    with HttpServer(context=mutual_tls) as server:
        for choice in (str(both), (str(one), str(key))):
            wire.configure(connection_verify=ca_file, connection_cert=choice)
            assert wire.send(post(server)).content == b"ok"
        wire.configure(connection_verify=ca_file)
        assert wire.send(post(server), connection_cert=str(both)).content == b"ok"
        if wire.kind == "sync" or sys.version_info >= (3, 11):  # before, asyncio forgets to close such a connection
            with pytest.raises((ServiceRequestError, ServiceResponseError)):
                wire.send(post(server))


@pytest.mark.parametrize(
    ("options", "expected", "text"),
    [
        ({"connection_verify": "/none/ca.pem"}, FileNotFoundError, "connection_verify names no file or directory"),
        ({"connection_cert": "/none/cert.pem"}, FileNotFoundError, "connection_cert names no file"),
        ({"connection_verify": "GARBAGE"}, ValueError, r"connection_verify: .* holds no CA certificates"),
        ({"connection_cert": "GARBAGE"}, ValueError, "connection_cert: no usable certificate"),
        ({"connection_verify": 7}, TypeError, "connection_verify must be"),
        ({"connection_cert": ("a", "b", "c")}, ValueError, "connection_cert must be"),
    ],
)
def test_certificate_option_that_cannot_be_is_named(wire, tmp_path, options, expected, text):
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    wire.configure(**{name: str(garbage) if value == "GARBAGE" else value for name, value in options.items()})
    with pytest.raises(expected, match=text):
        wire.send(get("https://localhost:1"))


def test_ca_variable_that_names_nothing_is_named(wire):
    environment = Environment.read({"CURL_CA_BUNDLE": "/none/ca.pem"})
    wire.configure(use_env_settings=True, environment=environment)
    with pytest.raises(FileNotFoundError, match=r"CURL_CA_BUNDLE names no file or directory: '/none/ca.pem'"):
        wire.send(get("https://localhost:1"))


def test_default_trust_is_that_of_the_system_and_certifi():
    transport = Urllib3Transport(use_env_settings=False)
    context = transport._options.tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50
    assert transport._options.tls_context() is context


# --- proxies

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
        error = fails(wire, ServiceRequestError, post(server))
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
        environment = Environment.read({"HTTP_PROXY": proxy.url, "NO_PROXY": f"localhost:{server.port}"})
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


@pytest.mark.parametrize("proxy", ["ftp://me:hunter2@localhost:1", "http://me:hunter2@[::1", "socks9://me:hunter2@h:1"])
def test_proxy_that_cannot_be_is_refused_without_its_password(wire, proxy):
    wire.configure(proxies={"all": proxy})
    fails(wire, ValueError, post("https://service.example"))


@pytest.mark.parametrize("credentials", [None, ("me", "hunter2")])
def test_sync_client_goes_through_a_socks_proxy(sync_wire, tls, ca_file, credentials):
    with HttpServer() as plain, HttpServer(context=tls) as server, SocksProxy(credentials) as proxy:
        user = "me:hunter2@" if credentials else ""
        sync_wire.configure(proxies={"all": f"socks5h://{user}localhost:{proxy.port}"}, connection_verify=ca_file)
        assert sync_wire.send(post(plain)).content == b"ok"
        assert sync_wire.send(post(server)).content == b"ok"
    assert proxy.seen == [("localhost", plain.port), ("localhost", server.port)]
    assert plain.requests[0].target == PATH


def test_socks_proxy_that_refuses_was_not_sent(sync_wire):
    with SocksProxy(("other", "other")) as proxy:
        sync_wire.configure(proxies={"all": f"socks5://me:hunter2@localhost:{proxy.port}"})
        fails(sync_wire, ServiceRequestError, post("http://127.0.0.1:1"))


def test_async_client_says_that_it_knows_no_socks():
    wire = AioWire().configure(proxies={"all": "socks5://me:hunter2@localhost:1"})
    error = fails(wire, ValueError, post("https://service.example"))
    assert "must start with http or https" in str(error)
    wire.close()
    wire.loop.close()


def test_missing_pysocks_is_one_clear_sentence():
    code = (
        "import importlib.util, sys\n"
        "sys.modules['socks'] = None\n"
        "from azure.core.rest import HttpRequest\n"
        "from azure.messaging.webpubsubservice._transport import Urllib3Transport\n"
        "transport = Urllib3Transport(proxies={'all': 'socks5://localhost:1'})\n"
        "try:\n"
        "    transport.send(HttpRequest('GET', 'http://service.example'))\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'A SOCKS proxy needs PySocks, which is not installed: pip install "PySocks"\n'


# --- azure-core's policies


def test_policies_of_azure_core_work_with_it(wire, caplog):
    caplog.set_level(logging.DEBUG, logger="azure")
    seen = []
    retry = core_policies.RetryPolicy if wire.kind == "sync" else core_policies.AsyncRetryPolicy
    redirect = core_policies.RedirectPolicy if wire.kind == "sync" else core_policies.AsyncRedirectPolicy
    chain = [
        core_policies.RequestIdPolicy(),
        core_policies.UserAgentPolicy("test"),
        redirect(),
        retry(retry_backoff_factor=0),
        core_policies.CustomHookPolicy(raw_response_hook=lambda response: seen.append(response.http_response.json())),
        core_policies.ContentDecodePolicy(),
        core_policies.DistributedTracingPolicy(),
        core_policies.NetworkTraceLoggingPolicy(logging_enable=True),
        core_policies.HttpLoggingPolicy(),
    ]
    replies = iter(
        [
            answer("503 Busy", b'{"busy": true}', Content_Type="application/json", Retry_After="0"),
            answer("307 Elsewhere", b"{}", Content_Type="application/json", Location="/other"),
            answer("200 OK", b'{"done": true}', Content_Type="application/json"),
        ]
    )
    with HttpServer(lambda _: next(replies)) as server:
        request = HttpRequest("PUT", server.url, content=io.BytesIO(b"a stream"), headers=AUTHORIZATION)
        response = wire.run_policies(chain, request)
    assert response.json() == {"done": True}
    assert seen == [{"busy": True}, {}, {"done": True}]
    assert [request.target for request in server.requests] == ["/", "/", "/other"]
    assert [request.body for request in server.requests][:2] == [b"a stream", b"a stream"]
    assert "Response status: 200" in caplog.text
    assert '{"done": true}' in caplog.text


def test_status_becomes_an_error_with_the_services_text(wire):
    body = b'{"code": "Unauthorized", "message": "no"}'
    with HttpServer(answer("401 Unauthorized", body, Content_Type="application/json")) as server:
        response = wire.send(get(server))
        with pytest.raises(Exception, match=r"\(Unauthorized\) no") as caught:
            response.raise_for_status()
    assert caught.value.status_code == 401
