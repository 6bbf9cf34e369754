import io
import json
import socket
from wsgiref.validate import validator

import pytest
from event_requests import KEY, connect_event, exchange, preflight, raw_exchange, user_event, waitress_server

from azure.messaging.webpubsubservice.eventhandler import ConnectResponse, EventErrorResponse, WebPubSubEventHandler

LIMIT = 1000


def make_handler():
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

    return handler


@pytest.fixture(scope="module")
def address():
    with waitress_server(make_handler().wsgi_app) as address:
        yield address


def post(address, request, path="/any/path"):
    method, headers, body = request
    return exchange(address, method, path, headers, body)


def test_wsgi_app_answers_the_handshake(address):
    method, headers = preflight("localhost")
    status, headers, body = exchange(address, method, "/", headers)
    assert (status, headers["webhook-allowed-origin"], body) == (200, "localhost", b"")


def test_wsgi_app_runs_an_async_function(address):
    status, headers, body = post(address, connect_event({"query": {"a": ["b"]}}))
    assert (status, json.loads(body), headers["ce-connectionstate"]) == (200, {"userId": "Zoë"}, "eyJuIjoxfQ==")
    assert post(address, connect_event())[::2] == (401, b"no")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/plain", "é".encode()), ("application/json", b'{"a":1}'), ("application/octet-stream", b"\x00\xff")],
)
def test_wsgi_app_answers_user_events_of_each_type(address, content_type, body):
    status, headers, answer = post(address, user_event(body, content_type=content_type))
    assert (status, headers["content-type"].partition(";")[0], answer) == (200, content_type, body)


def test_wsgi_app_reads_a_user_id_in_utf_8(address):
    assert post(address, user_event(name="user", ce_userId="Zoë 李"))[2] == "Zoë 李".encode()


def test_wsgi_app_answers_204_with_no_body(address):
    assert post(address, user_event(name="user"))[::2] == (204, b"")


def test_wsgi_app_answers_500_with_no_detail(address):
    assert post(address, user_event(name="fail"))[::2] == (500, b"")


def test_wsgi_app_takes_a_body_of_the_largest_size(address):
    assert post(address, user_event(b"x" * LIMIT))[2] == b"x" * LIMIT
    assert post(address, user_event(b"x" * (LIMIT + 1)))[::2] == (413, b"the body is larger than 1,000 bytes")


def head(request, *lines):
    method, headers, _ = request
    return "\r\n".join(
        [f"{method} / HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items()), *lines, "", ""]
    ).encode()


def test_wsgi_app_refuses_a_declared_size(address):
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head(user_event(), "Content-Length: 99999999999999"))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_wsgi_app_takes_a_chunked_body(address):
    chunks = b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    answer = raw_exchange(address, head(user_event(), "Transfer-Encoding: chunked", "Connection: close") + chunks)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nab")


def environ(body, length=None, terminated=False, request=None):
    _, headers, _ = request or user_event()
    values = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body if isinstance(body, io.IOBase) else io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if length is not None:
        values["CONTENT_LENGTH"] = length
    if terminated:
        values["wsgi.input_terminated"] = True
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        values[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value
    return values


def call(app, values):
    started = []
    result = app(values, lambda status, headers, exc_info=None: started.append((status, dict(headers))))
    body = b"".join(result)
    if hasattr(result, "close"):
        result.close()
    ((status, headers),) = started
    return status, headers, body


def test_wsgi_app_keeps_to_the_wsgi_specification():
    status, headers, body = call(validator(make_handler().wsgi_app), environ(b"hello", "5"))
    assert (status, headers["Content-Length"], body) == ("200 OK", "5", b"hello")
    status, headers, body = call(
        validator(make_handler().wsgi_app), environ(b"hello", "5", request=user_event(name="user"))
    )
    assert (status, headers, body) == ("204 No Content", {}, b"")


@pytest.mark.parametrize("length", ["-1", "x", "1_0", "٣", " 5"])
def test_wsgi_app_refuses_a_length_that_is_no_number(length):
    assert call(make_handler().wsgi_app, environ(b"hello", length))[::2] == (
        "400 Bad Request",
        b"content-length is not a number",
    )


@pytest.mark.parametrize("length", ["005", "0" * 30 + "5", "0" * 5000 + "5"])
def test_wsgi_app_takes_a_length_with_zeros_before_it(length):
    assert call(make_handler().wsgi_app, environ(b"hello", length))[2] == b"hello"


@pytest.mark.parametrize("length", ["1001", "9" * 5000, "0" * 30 + "1001", "0" * 5000 + "9" * 30])
def test_wsgi_app_reads_nothing_of_what_is_too_large(length):
    assert call(make_handler().wsgi_app, environ(Unread(), length))[0] == "413 Content Too Large"


def test_wsgi_app_reads_the_body_of_any_post():
    values = {**environ(b"hello", "5"), "REQUEST_METHOD": "post"}
    assert call(make_handler().wsgi_app, values)[2] == b"hello"


def test_wsgi_app_refuses_a_body_that_was_cut_short():
    answer = call(make_handler().wsgi_app, environ(b"hel", "5"))
    assert answer[::2] == ("400 Bad Request", b"the body is shorter than content-length")


def test_wsgi_app_never_reads_past_the_declared_length():
    stream = io.BytesIO(b"hello, next request")
    assert call(make_handler().wsgi_app, environ(stream, "5"))[2] == b"hello"
    assert stream.tell() == 5


class Unread(io.RawIOBase):
    """The input of a server that has no end: what is read beyond a body is the next request, or waits for ever."""

    def readable(self):
        return True

    def read(self, size=-1):
        pytest.fail("read from an input whose end nobody knows")


@pytest.mark.parametrize(
    "changes",
    [
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"HTTP_TRANSFER_ENCODING": "gzip, chunked"},
        {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""},
        {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "5"},
        {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": False},
        {"SERVER_PROTOCOL": "HTTP/2"},
        {"SERVER_PROTOCOL": "HTTP/2.0"},
        {"SERVER_PROTOCOL": "HTTP/3"},
    ],
)
def test_wsgi_app_refuses_a_body_whose_end_nobody_knows(changes):
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_event(lambda event: pytest.fail("ran without its body"))
    status, headers, _ = call(handler.wsgi_app, {**environ(Unread()), **changes})
    assert status == "411 Length Required"
    assert headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("declared", [None, "5", "3", "99"])
def test_wsgi_app_reads_a_chunked_body_to_the_end_where_the_server_tells_it(declared):
    values = {**environ(b"hello", declared, terminated=True), "HTTP_TRANSFER_ENCODING": "chunked"}
    expected = b"hello" if declared != "99" else b"the body is shorter than content-length"
    assert call(make_handler().wsgi_app, values)[2] == expected


def test_wsgi_app_takes_a_body_that_the_server_has_read_and_measured():
    # Azure Functions hands on the client's headers, Transfer-Encoding with them.
    values = {**environ(b"hello", "5"), "HTTP_TRANSFER_ENCODING": "chunked"}
    assert call(make_handler().wsgi_app, values)[2] == b"hello"


@pytest.mark.parametrize("error", [OSError("reset"), ValueError("a bad chunk"), EOFError()])
def test_wsgi_app_refuses_a_body_that_cannot_be_read(error):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise error

    for values in (environ(Broken(), "5"), environ(Broken(), terminated=True)):
        answer = call(make_handler().wsgi_app, values)
        assert answer[::2] == ("400 Bad Request", b"the body could not be read to its end")


def heads():
    origin = {"HTTP_WEBHOOK_REQUEST_ORIGIN": "localhost"}
    return [{}, origin, {"CONTENT_LENGTH": "x"}, {"CONTENT_LENGTH": "99999"}, {"HTTP_TRANSFER_ENCODING": "chunked"}]


@pytest.mark.parametrize("changes", heads())
def test_wsgi_app_answers_head_without_a_body(changes):
    values = {**environ(b""), "REQUEST_METHOD": "HEAD", **changes}
    status, headers, body = call(make_handler().wsgi_app, values)
    assert (status, body) == ("405 Method Not Allowed", b"")
    assert headers["Content-Length"] == str(len(b"events come by POST"))


def test_wsgi_app_refuses_headers_that_a_server_has_joined():
    reasons = {
        "HTTP_CE_CONNECTIONID": "ce-connectionid",
        "HTTP_CE_ID": "ce-id",
        "HTTP_CE_SPECVERSION": "ce-specversion",
        "HTTP_CE_SUBPROTOCOL": "ce-subprotocol",
        "HTTP_CE_PHYSICALCONNECTIONID": "ce-physicalconnectionid",
    }
    for key, name in reasons.items():
        values = environ(b"hello", "5")
        values[key] = f"{values.get(key, 'one')}, other"
        status, _, body = call(make_handler().wsgi_app, values)
        assert (status, body) == ("400 Bad Request", f"the header {name} is there more than once".encode())
    values = environ(b"hello", "5")
    values["HTTP_CE_TYPE"] += ",azure.webpubsub.sys.connected"
    assert call(make_handler().wsgi_app, values)[2] == b"the header ce-type is there more than once"


def test_wsgi_app_takes_headers_that_were_the_same_before_a_server_joined_them():
    values = environ(b"hello", "5")
    for key in ("HTTP_CE_CONNECTIONID", "HTTP_CE_ID", "HTTP_CE_SPECVERSION", "HTTP_CE_TYPE"):
        values[key] += "," + values[key]
    assert call(make_handler().wsgi_app, values)[2] == b"hello"


def test_wsgi_app_takes_a_user_id_with_a_comma():
    values = {**environ(b"hello", "5", request=user_event(name="user")), "HTTP_CE_USERID": "Lovelace, Ada"}
    assert call(make_handler().wsgi_app, values)[2] == b"Lovelace, Ada"


def test_wsgi_app_without_a_length_reads_nothing_unless_the_input_ends_by_itself():
    stream = io.BytesIO(b"hello")
    assert call(make_handler().wsgi_app, environ(stream))[2] == b""
    assert stream.tell() == 0
    assert call(make_handler().wsgi_app, environ(stream, terminated=True))[2] == b"hello"


def test_wsgi_app_stops_reading_an_endless_body_at_the_limit():
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def read(self, size=-1):
            assert size > 0
            self.given += min(size, 300)
            return b"x" * min(size, 300)

    stream = Endless()
    answer = call(make_handler().wsgi_app, environ(stream, terminated=True))
    assert answer[::2] == ("413 Content Too Large", b"the body is larger than 1,000 bytes")
    assert stream.given == LIMIT + 1
