"""What the transports send."""

import io

import pytest
from azure.core.rest import HttpRequest
from local_servers import (
    ACCEPTED,
    HttpServer,
)
from transport_wires import PATH, SECRET, fails, get, post

pytest_plugins = ["transport_fixtures"]


def test_request_arrives_as_it_was_made(wire):
    with HttpServer(ACCEPTED) as server:
        response = wire.send(post(server, b'{"a": 1}', **{"Content-Type": "application/json", "X-Twice": "a, b"}))
    (request,) = server.requests
    assert response.status_code == 202
    assert (request.method, request.target, request.body) == ("POST", PATH, b'{"a": 1}')
    assert sorted(request.headers) == [
        ("accept-encoding", "identity"),
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


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_body_of_any_size_arrives_once(wire, secure, tls, ca_file):
    sizes = [0, 1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1 << 18]
    wire.configure(connection_verify=ca_file)
    with HttpServer(ACCEPTED, context=tls if secure else None) as server:
        for size in sizes:  # over one connection, so that a byte too much or too few would break the next
            wire.send(post(server, b"x" * size))
        assert len(server.connections) == 1
    assert [len(request.body) for request in server.requests] == sizes
    assert [dict(request.headers)["content-length"] for request in server.requests] == [str(size) for size in sizes]


def test_headers_of_the_caller_take_the_place_of_ours(wire):
    with HttpServer() as server:
        wire.send(get(server).__class__("GET", server.url, headers={"accept-encoding": "gzip", "HOST": "other"}))
    headers = server.requests[0].headers
    assert [value for name, value in headers if name == "accept-encoding"] == ["gzip"]
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


@pytest.mark.parametrize("form", [{"data": {"a": "1 2"}}, {"files": {"f": ("name.txt", io.BytesIO(b"content"))}}])
def test_forms_and_files_are_refused_with_a_remedy(wire, form):
    with HttpServer() as server:
        error = fails(wire, TypeError, HttpRequest("POST", server.url, **form))
        assert "send what they hold as content" in str(error)
        assert server.requests == []


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


def test_iterable_is_sent_in_one_piece(wire):
    with HttpServer() as server:
        wire.send(HttpRequest("POST", server.url, content=(piece for piece in [b"one ", b"", "tw\u00f6"])))
    assert server.requests[0].body == "one tw\u00f6".encode()
    assert dict(server.requests[0].headers)["content-length"] == "8"
    assert "transfer-encoding" not in dict(server.requests[0].headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "1"},
        {"content-length": "100"},
        {"Transfer-Encoding": "chunked"},
        {"TRANSFER-ENCODING": "gzip, chunked", "Content-Length": "0"},
        {"Connection": "close", "Keep-Alive": "timeout=1", "Proxy-Connection": "close"},
        {"Connection": "Upgrade", "Upgrade": "websocket"},
        {"Expect": "100-continue"},
        {"TE": "trailers", "Trailer": "X-Later"},
    ],
    ids="+".join,
)
@pytest.mark.parametrize("body", [b"GET /other HTTP/1.1\r\n\r\n", None], ids=["body", "none"])
def test_framing_is_ours_so_that_one_request_stays_one(wire, headers, body):
    with HttpServer(ACCEPTED) as server:
        for _ in range(2):
            wire.send(HttpRequest("POST", server.url + "/one", content=body, headers={**headers, "X-Mine": "1"}))
    for request in server.requests:
        assert (request.method, request.target, request.body) == ("POST", "/one", body or b"")
        assert sorted(name for name, _ in request.headers if name != "accept-encoding") == [
            "content-length",
            "host",
            "x-mine",
        ]
    assert [request.connection for request in server.requests] == [0, 0]


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


def test_error_of_the_callers_own_stream_comes_through(wire):
    def pieces():
        yield b"one"
        raise KeyError("mine")

    with HttpServer() as server:
        with pytest.raises(KeyError, match="mine"):
            wire.send(HttpRequest("POST", server.url, content=pieces()))
        assert server.requests == []


@pytest.mark.parametrize(
    "value",
    [f"Bearer {SECRET}\r\nX-Injected: 1", f"{SECRET}\n", f"{SECRET} \u4e2d\n", f"{SECRET}\0", f"{SECRET} \u4e2d"],
)
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
