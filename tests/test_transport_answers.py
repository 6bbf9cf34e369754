"""What the transports make of answers: responses, compression, streams, azure-core's policies."""

import gzip
import io
import logging
import pickle
import socket
import threading
import zlib

import pytest
from azure.core.exceptions import (
    DecodeError,
    StreamConsumedError,
)
from azure.core.pipeline import policies as core_policies
from azure.core.rest import AsyncHttpResponse, HttpRequest, HttpResponse
from local_servers import (
    TIMEOUT,
    HttpServer,
    SocketServer,
    answer,
)
from transport_wires import AUTHORIZATION, fails, get, post

pytest_plugins = ["transport_fixtures"]


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


def _raw_deflate(data):
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


TEXT = b"text " * 5000
ENCODED = [
    ("gzip", gzip.compress(TEXT, mtime=0)),
    ("GZIP", gzip.compress(TEXT, mtime=0)),
    ("gzip", gzip.compress(TEXT[:99], mtime=0) + gzip.compress(TEXT[99:], mtime=0)),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", _raw_deflate(TEXT)),
    ("gzip, deflate", zlib.compress(gzip.compress(TEXT, mtime=0))),
    ("identity", TEXT),
]


@pytest.mark.parametrize(("encoding", "data"), ENCODED)
def test_body_is_decompressed(wire, encoding, data):
    if wire.kind == "aio" and ("," in encoding or encoding.isupper()):
        pytest.skip("aiohttp knows one encoding at a time, and older ones only in lower case")
    with HttpServer(answer(body=data, Content_Encoding=encoding)) as server:
        assert wire.send(get(server)).content == TEXT
        response = wire.send(get(server), stream=True)
        assert wire.read(response) == response.content == TEXT
        assert b"".join(wire.pieces(wire.send(get(server), stream=True))) == TEXT
        if wire.kind == "sync":  # aiohttp decodes by itself, as under azure-core's own transport
            assert b"".join(wire.pieces(wire.send(get(server), stream=True), "iter_raw")) == data
        else:
            assert b"".join(wire.pieces(wire.send(get(server), stream=True), "iter_raw")) == TEXT
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
