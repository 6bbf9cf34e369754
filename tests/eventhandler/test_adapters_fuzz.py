"""Whatever a server hands on, a stranger gets an answer that is no 500, and the server no exception."""

import asyncio
import io
import itertools
import logging
import os

import pytest
from event_requests import KEY, event_headers, signature
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bad_events import bodies, texts

from azure.messaging.webpubsubservice.eventhandler import UserEventResponse, WebPubSubEventHandler

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))
STATUSES = {200, 204, 400, 401, 403, 405, 411, 413}
KINDS = ["sys.connect", "sys.connected", "sys.disconnected", "user.message", "gp.joined", "gp.left", "new.kind"]
NAMES = [
    *event_headers("user", "x"), "ce-userId", "ce-connectionState", "ce-subprotocol", "ce-physicalConnectionId",
    "ce-sessionId", "ce-namespace", "ce-socketId", "Content-Length", "Transfer-Encoding", "x-webpubsub-metadata-a",
]  # fmt: skip
# Every character there is, lone surrogates too, which a framework may have made of bytes.
any_text = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(
    ["K", "ſ", "İ", ",", "\x00", "\r\n"]
)
methods = st.sampled_from(["POST", "POST", "POST", "OPTIONS", "GET", "HEAD", "PUT", "post", "", "É"])
events = st.sampled_from(KINDS).map(lambda kind: event_headers(*kind.split(".")))


@pytest.fixture(scope="module", autouse=True)
def quiet():
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def handlers():
    """A handler that checks signatures, and one that does not; both give back what they were given."""
    made = []
    for options in ({"access_key": KEY, "hub": "chat"}, {"verify_signatures": False, "duplicate_window": 60}):
        handler = WebPubSubEventHandler(
            allowed_endpoints=["kelvin.example", "a.example:80"], max_body_size=40, **options
        )
        handler.on_connect(lambda event: None)
        handler.on_connected(lambda event: "a value")
        handler.on_group_joined(lambda event: event.group)

        @handler.on_event
        async def echo(event):
            return UserEventResponse(event.data, states=event.states) if event.data is not None else None

        made.append(handler)
    return made


@st.composite
def requests(draw, values):
    headers = draw(st.one_of(events, st.just({})))
    changed = draw(st.dictionaries(st.sampled_from(NAMES) | any_text, values, max_size=4))
    if draw(st.booleans()):
        connection_id = changed.get("ce-connectionId", headers.get("ce-connectionId", ""))
        changed["ce-signature"] = signature_of(connection_id)
    return draw(methods), {**headers, **changed}, draw(bodies)


def signature_of(connection_id):
    return signature(connection_id) if isinstance(connection_id, str) and connection_id.isprintable() else signature()


@settings(max_examples=40 * FACTOR, deadline=None)
@given(request=requests(any_text | texts), pick=st.sampled_from([0, 1]))
def test_handle_answers_whatever_comes(handlers, request, pick):
    method, headers, body = request
    response = handlers[pick].handle(method, headers, body)
    assert response.status in STATUSES
    assert all(text.isascii() and text.isprintable() for pair in response.headers.items() for text in pair)


def environ_key(name):
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


# What a WSGI server hands on are bytes in the form of Latin-1 text.
latin_1 = st.binary(max_size=20).map(lambda value: value.decode("latin-1")) | texts.map(
    lambda text: text.encode().decode("latin-1")
)


@settings(max_examples=40 * FACTOR, deadline=None)
@given(
    request=requests(latin_1),
    pick=st.sampled_from([0, 1]),
    terminated=st.booleans(),
    declared=st.none()
    | st.sampled_from(["", "0", "3", "41", "-1", "9" * 5000, "0" * 5000 + "3", "٣"])
    | st.just("right"),
    protocol=st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/2", ""]),
)
def test_wsgi_app_answers_whatever_comes(handlers, *, request, pick, terminated, declared, protocol):
    method, headers, body = request
    environ = {environ_key(name): value for name, value in headers.items()}
    environ |= {"REQUEST_METHOD": method, "wsgi.input": io.BytesIO(body), "SERVER_PROTOCOL": protocol}
    if terminated:
        environ["wsgi.input_terminated"] = True
    if declared is not None:
        environ["CONTENT_LENGTH"] = str(len(body)) if declared == "right" else declared
    started = []
    content = b"".join(handlers[pick].wsgi_app(environ, lambda *args: started.append(args)))
    ((status, sent),) = started
    assert int(status[:3]) in STATUSES
    fields = dict(sent)
    assert method == "HEAD" or fields.get("Content-Length", "0") == str(len(content))
    assert method != "HEAD" or content == b""
    for name, value in sent:
        (name + value).encode("latin-1")
        assert "\r" not in value
        assert "\n" not in value


@settings(max_examples=40 * FACTOR, deadline=None)
@given(
    request=requests(st.binary(max_size=20) | texts.map(str.encode)),
    pick=st.sampled_from([0, 1]),
    twice=st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=8)), max_size=2),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    leaves=st.booleans(),
)
def test_asgi_app_answers_whatever_comes(handlers, *, request, pick, twice, cuts, leaves):
    method, headers, body = request
    pairs = [*headers.items(), *twice]
    raw = [(as_bytes(name).lower(), as_bytes(value)) for name, value in pairs]
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[begin:end] for begin, end in itertools.pairwise(places)] or [b""]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1] = {"type": "http.disconnect"} if leaves else {**messages[-1], "more_body": False}
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(handlers[pick].asgi_app({"type": "http", "method": method, "headers": raw}, receive, send))
    if leaves and not sent:
        return
    start, end = sent
    assert start["status"] in STATUSES
    assert not any(b"\r" in value or b"\n" in value for _, value in start["headers"])
    assert method != "HEAD" or end["body"] == b""


def as_bytes(value):
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
