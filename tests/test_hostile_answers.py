"""Whatever a server answers, the operations give a result or an error of azure-core's, soon, and follow it nowhere."""

import json
import os

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, DecodeError, HttpResponseError
from azure.core.rest import HttpRequest
from colours import Colour, Plain
from hypothesis import given, settings
from hypothesis import strategies as st
from local_servers import HttpServer, answer

FUZZ_FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))  # tests/benchmarks/fuzz.py sets it
KEY = AzureKeyCredential("a-key")
OPTIONS = {"retry_total": 0, "redirect_max": 2, "timeout": 5, "read_timeout": 2, "connection_timeout": 2}

NESTED = b'{"code": "x", "innererror": ' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}"
DEEP = b"[" * 100_000
CODES = st.sampled_from([100, 101, 103, 199, 200, 202, 204, 206, 300, 302, 303, 304, 307, 308]) | st.integers(400, 599)
LOCATIONS = [
    "/ok",
    "",
    "?x",
    "//",
    "//[",
    "http://[",
    "ftp://localhost/",
    "http://localhost:99999/",
    "http://u:p@localhost/",
]
LOCATIONS += [
    "http://127.0.0.1:1/",
    "javascript:1",
    "http://",
    "http:///x",
    "\x80\xff",
    "/%",
    "http://localhost:x/",
    "\\\\x",
]
NAMES = ["Content-Type", "Content-Encoding", "Location", "Retry-After", "Date", "x-ms-error-code", "Transfer-Encoding"]
NAMES += ["Content-Length", "Connection", "WWW-Authenticate", "Set-Cookie", "retry-after-ms", "", "X", "\x80"]
VALUES = [
    "application/json",
    "text/plain; charset=nope",
    "text/html; charset=utf-16",
    "; charset=",
    "gzip",
    "deflate, gzip",
]
VALUES += [
    "br",
    "chunked",
    "chunked, chunked",
    "-1",
    "0",
    "99999999",
    "1e9",
    "nan",
    "close",
    "Bearer",
    "Fri, 0 X",
]
VALUES += [
    f"text/plain; charset={name}" for name in ("utf-7", "idna", "punycode", "undefined", "rot13", "base64", "hex")
]
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b'"x"',
    b"1e999",
    b'{"token": 1}',
    b'{"value": null}',
    b'{"value": [1]}',
    NESTED,
    DEEP,
]
BODIES += [b'{"value": [{"connectionId": 1}]}', b'{"value": [], "nextLink": 7}', b'{"value": [], "nextLink": "//["}']
BODIES += [
    b'{"error": {"code": {}, "message": [], "details": [[]]}}',
    b'{"error": []}',
    b'{"code": null}',
    b'{"a": "\\ud800"}',
]
BODIES += [
    b"\xff\xfe",
    b"\x1f\x8b\x08\x00",
    b"x\x9c\x03",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ZZ\r\n",
    b"5\r\nhel",
    b"f" * 100_000,
]


@st.composite
def answers(draw):
    """Draw an answer that is nearly one."""
    line = f"HTTP/1.{draw(st.sampled_from('0119'))} {draw(CODES)} {draw(st.sampled_from(['OK', '', 'x' * 300]))}"
    headers = draw(
        st.lists(
            st.tuples(
                st.sampled_from(NAMES), st.sampled_from(VALUES + LOCATIONS) | st.text("ab ,;=:\t\x80", max_size=8)
            ),
            max_size=4,
        )
    )
    body = draw(st.sampled_from(BODIES) | st.binary(max_size=40))
    length = draw(st.sampled_from(["", f"Content-Length: {len(body)}\r\n", f"Content-Length: {len(body) + 1}\r\n"]))
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{line}\r\n{length}{fields}\r\n".encode("latin-1") + body


OPERATIONS = {
    "send": lambda client: client.send_to_all("hello"),
    "exists": lambda client: client.user_exists("ada"),
    "remove": lambda client: client.remove_user_from_all_groups("ada"),
    "list": lambda client: list(client.list_connections("room", top=3)),
    "token": lambda client: client.generate_client_token(user_id="ada"),
    "status": lambda client: client.get_service_status(),
    "raise": lambda client: client.send_request(HttpRequest("GET", "/x")).raise_for_status(),
}


@pytest.fixture(scope="module")
def server():
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="module", params=["sync", "aio"])
def both(request, server):
    """One client of either colour for many examples."""
    colour = Colour(request.param)
    client = Plain(
        colour, colour.client_class(server.url.replace("localhost", "127.0.0.1"), KEY, hub="chat", **OPTIONS)
    )
    client.name = request.param
    yield client
    client.close()
    colour.close()


def call_all(client, server, reply):
    # In a list, so that the connection is closed after it: nobody waits for more.
    server.respond = lambda _: [reply]
    for operation in OPERATIONS.values():
        refused(operation, client)


def refused(operation, client):
    """Return azure-core's error, None if there was none; any other is the test's failure."""
    try:
        operation(client)
    except AzureError as error:
        str(error), repr(error)
        return error
    return None


@settings(max_examples=15 * FUZZ_FACTOR)
@given(reply=st.binary(max_size=60))
def test_bytes_that_are_no_http_are_an_error_of_azure_core(both, server, reply):
    call_all(both, server, reply)


@settings(max_examples=30 * FUZZ_FACTOR)
@given(reply=answers())
def test_answers_that_are_nearly_http_are_a_result_or_an_error_of_azure_core(both, server, reply):
    call_all(both, server, reply)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("status", ["200 OK", "401 Oh"])
def test_every_body_with_every_kind_of_status_is_a_result_or_an_error_of_azure_core(body, status, both, server):
    call_all(both, server, answer(status, body=body, Content_Type="application/json", Connection="close"))


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("status", ["307 Temporary"])
def test_every_location_is_followed_or_left_alone(location, status, both, server):
    reply = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: {location}\r\nConnection: close\r\n\r\n"
    call_all(both, server, reply.encode("latin-1"))


def test_location_that_is_no_url_leaves_the_answer_as_the_result(both, server):
    server.respond = answer("307 Temporary", Location="http://[")
    assert both.send_request(HttpRequest("GET", "/x")).status_code == 307
    with pytest.raises(AzureError, match="307 Temporary"):
        both.send_to_all("hello")


def test_endless_head_and_endless_body_have_an_end(both, server):
    def head():
        yield b"HTTP/1.1 200 OK\r\n"
        for number in range(1_000_000):
            yield b"X-%d: y\r\n" % number

    server.respond = lambda _: head()
    assert isinstance(refused(OPERATIONS["send"], both), AzureError)

    def line():
        yield b"HTTP/1.1 200 OK\r\nX: "
        while True:
            yield b"x" * 65536

    server.respond = lambda _: line()
    assert isinstance(refused(OPERATIONS["send"], both), AzureError)


@pytest.mark.parametrize("length", [10**13, 10**20])
def test_length_beyond_all_memory_is_an_incomplete_answer(length, request, both, server):
    call_all(both, server, b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\nabc" % length)


LINKS = st.sampled_from(["", "http:", "https:", "ftp:", "//", "///", "/", "\\\\"]) | st.text("h:/@.?#%", max_size=6)
HOSTS = st.sampled_from(
    ["", "elsewhere", "[", "[::1]", "a@elsewhere", "\N{FULLWIDTH SOLIDUS}elsewhere", "%2felsewhere"]
)
TAILS = st.sampled_from(["", "?continuationToken=abc", "?continuationToken=", "/x?top=1&continuationToken=%00", "#?x"])
TAILS |= st.text(max_size=5).map(lambda text: f"?continuationToken={text}")


@settings(max_examples=30 * FUZZ_FACTOR)
@given(link=st.tuples(LINKS, HOSTS, TAILS).map("".join))
def test_next_link_never_leads_to_another_path_or_host(both, server, link):
    with HttpServer(answer(body=b'{"value": []}')) as elsewhere:
        link = link.replace("elsewhere", f"127.0.0.1:{elsewhere.port}")
        first = json.dumps({"value": [{"connectionId": "one"}], "nextLink": link}).encode()
        pages = [first, b'{"value": []}']
        server.respond = lambda _: answer(body=pages.pop(0), Content_Type="application/json")
        del server.requests[:]
        outcome = refused(lambda client: list(client.list_connections("room")), both)
        assert elsewhere.requests == []
    assert outcome is None or isinstance(outcome, DecodeError)
    assert {each.target.partition("?")[0] for each in server.requests} == {"/api/hubs/chat/groups/room/connections"}
    assert len(server.requests) <= 2


@pytest.mark.own_transport("azure-core's own read a text in any codec that Python has")
@pytest.mark.parametrize("charset", ["punycode", "idna", "uu_codec", "no-such-charset", "utf-7"])
def test_text_of_an_error_is_read_in_few_charsets_only(connect, recorder, charset):
    recorder.respond = answer(
        "500 Oh", body=b"abc-def\xe9 shown as it is", Content_Type=f"text/plain; charset={charset}"
    )
    client = connect(recorder.url, AzureKeyCredential("a-key"), hub="chat", retry_total=0)
    with pytest.raises(HttpResponseError) as caught:
        client.send_to_all("hello")
    assert "abc-def" in str(caught.value)
    assert "shown as it is" in str(caught.value)
    assert len(str(caught.value)) < 5000


def test_text_of_an_answer_is_read_in_the_charset_that_the_caller_chooses(connect, recorder):
    recorder.respond = answer("200 OK", body="\u043c\u0438\u0440".encode("cp1251"), Content_Type="text/plain")
    client = connect(recorder.url, AzureKeyCredential("a-key"), hub="chat")
    response = client.send_request(HttpRequest("GET", "/x"))
    response.encoding = "cp1251"
    assert response.text() == "\u043c\u0438\u0440"
