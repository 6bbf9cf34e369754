"""The total timeout holds whatever the other end does: answers that drip, waits, transports of the caller's own.

Where the time is short, a first send has connected before, which may take longer on a busy machine.
"""

import contextlib
import inspect
import threading
import time

import pytest
from azure.core import exceptions as core
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport
from azure.core.rest import HttpRequest
from local_servers import ACCEPTED, SocketServer, answer, full_listener, read_request

KEY = AzureKeyCredential("a-key")
OK_JSON = answer(body=b'{"value": []}', Content_Type="application/json")


@contextlib.contextmanager
def answers_once():
    """A server that answers the first request of a connection and neither reads nor answers anything else."""
    over = threading.Event()

    def serve(connection, number):
        read_request(connection.makefile("rb"))
        connection.sendall(ACCEPTED)
        over.wait(20)

    with SocketServer(serve) as server:
        yield server
        over.set()


class Drip:
    """Answers once, then one byte at a time, each well within any read timeout, until it is told to stop."""

    def __init__(self, start=b"", *, pause=0.02):
        self.start = start
        self.pause = pause
        self.stop = threading.Event()
        self.requests = 0

    def __call__(self, connection, number):
        with connection.makefile("rb") as reader:
            read_request(reader)
            connection.sendall(ACCEPTED)
            read_request(reader)
        self.requests += 1
        connection.sendall(self.start)
        while not self.stop.wait(self.pause):
            connection.sendall(b"x")


@pytest.fixture
def drip():
    drips = []

    def make(start):
        drips.append(Drip(start))
        return SocketServer(drips[0])

    yield make
    for each in drips:
        each.stop.set()


@pytest.fixture
def timed():
    class Timed:
        def __enter__(self):
            self.started = time.monotonic()
            return self

        def __exit__(self, *_):
            self.seconds = time.monotonic() - self.started

    return Timed()


@pytest.mark.own_transport("requests has a limit for each wait, and none for an answer that drips", colour="sync")
@pytest.mark.parametrize(
    ("start", "per_call"),
    [(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", False), (b"HTTP/1.1 200 OK\r\nX-Header: ", True)],
    ids=["body, of the client", "head, of the call"],
)
def test_answer_that_drips_ends_at_the_timeout(start, per_call, connect, drip):
    with drip(start) as server:
        of_client, of_call = ({}, {"timeout": 0.5}) if per_call else ({"timeout": 0.5}, {})
        client = connect(server.url, KEY, hub="chat", read_timeout=5, **of_client)
        client.send_to_all("connects", timeout=20)
        with pytest.raises(core.AzureError) as caught:
            client.send_to_all("hello", **of_call)
        assert isinstance(caught.value, core.ServiceResponseTimeoutError)
        assert "1 attempt: no answer in time after 0." in str(caught.value)
        assert server.serve.requests == 1


def test_streamed_answer_is_the_callers_to_read_beyond_the_timeout(colour, connect):
    pieces = 4

    def serve(connection, number):
        with connection.makefile("rb") as reader:
            read_request(reader)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        pause = threading.Event()
        for _ in range(pieces):
            pause.wait(0.06)
            connection.sendall(b"x")

    with SocketServer(serve) as server:
        client = connect(server.url, KEY, timeout=0.2, read_timeout=5)
        started = time.monotonic()
        response = client.send_request(HttpRequest("GET", "/slow"), stream=True)
        assert colour.run(response.read()) == b"x" * pieces
        assert time.monotonic() - started > 0.2
        colour.run(response.close())


@pytest.mark.parametrize("retry_after", [None, "0.35"], ids=["backoff", "retry_after"])
def test_waits_between_attempts_count(retry_after, connect, recorder, timed):
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    recorder.respond = answer("429 Too Many Requests", **headers)
    client = connect(recorder.url, KEY, hub="chat", timeout=1, retry_status=100, retry_total=100)
    with timed, pytest.raises(core.HttpResponseError) as caught:
        client.send_to_all("hello", retry_backoff_factor=0.1)
    # Waits are 0, 0.2, 0.4, ... after attempts; or 0.35 each. What would end after the deadline is not begun.
    assert len(recorder.requests) == (4 if retry_after is None else 3)
    assert f"{len(recorder.requests)} attempts in 0." in str(caught.value)


@pytest.mark.parametrize("retry_after", ["60", "Fri, 31 Dec 9999 23:59:59 GMT", "1e400", "inf"])
def test_retry_after_beyond_the_deadline_ends_at_once(retry_after, connect, recorder, timed):
    recorder.respond = answer("503 Service Unavailable", Retry_After=retry_after)
    client = connect(recorder.url, KEY, hub="chat")
    with timed, pytest.raises(core.HttpResponseError):
        client.send_to_all("hello")
    assert timed.seconds < 2
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("retry_after", ["soon", "", "Fri, 99 Foo", "-", "\x80\xff"])
def test_retry_after_that_is_no_time_does_not_make_a_send_safe(retry_after, connect, recorder):
    recorder.respond = (
        b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: " + retry_after.encode("latin-1") + b"\r\n\r\n"
    )
    client = connect(recorder.url, KEY, hub="chat")
    with pytest.raises(core.HttpResponseError, match="may have run"):
        client.send_to_all("hello")
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("header", ["retry-after-ms", "x-ms-retry-after-ms"])
def test_retry_after_in_milliseconds_counts(header, connect, recorder):
    recorder.respond = lambda _: ACCEPTED if len(recorder.requests) > 1 else answer("503 X", **{header: "10"})
    client = connect(recorder.url, KEY, hub="chat")
    client.send_to_all("hello")
    assert len(recorder.requests) == 2


def test_wait_that_overshoots_the_deadline_ends_the_call_and_sends_nothing(colour, connect, recorder, monkeypatch):
    recorder.respond = answer("429 Too Many Requests", body=b"slow down", Retry_After="0.01")
    client = connect(recorder.url, KEY, hub="chat", timeout=0.5)
    send(client)  # makes the transport
    transport = client.client._transport
    plain = time.sleep

    def sleep(duration):
        assert duration == 0.01
        plain(0.6)

    async def sleep_async(duration):
        sleep(duration)

    monkeypatch.setattr(transport, "sleep", sleep if colour.name == "sync" else sleep_async)
    del recorder.requests[:]
    with pytest.raises(core.ServiceRequestTimeoutError, match=r"over before another attempt\n1 attempt: 429 after"):
        client.send_to_all("hello")
    assert len(recorder.requests) == 1


def send(client):
    with pytest.raises(core.HttpResponseError):
        client.send_to_all("hello", timeout=0.1)


def test_connecting_ends_at_the_deadline(connect, timed):
    with full_listener() as port:
        client = connect(f"http://127.0.0.1:{port}", KEY, hub="chat", timeout=0.3, connection_timeout=20)
        with timed, pytest.raises(core.ServiceRequestTimeoutError, match="1 attempt: no connection in time"):
            client.send_to_all("hello")
    assert timed.seconds > 0.25


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp's
def test_large_body_that_nobody_reads_ends_at_the_deadline(connect, timed):
    body = b"x" * 30_000_000
    with answers_once() as server:
        client = connect(server.url, KEY, hub="chat", timeout=0.4, max_message_size=None)
        client.send_to_all("connects", timeout=20)
        with timed, pytest.raises(core.ServiceResponseError):
            client.send_to_all(body)
    assert timed.seconds > 0.3


@pytest.fixture
def own_transport(colour):
    """A transport of azure-core's, which the caller has made."""
    made = []

    def make(**options):
        if colour.name == "sync":
            made.append(RequestsTransport(**options))
        else:

            async def build():
                return AioHttpTransport(**options)

            made.append(colour.run(build()))
        return made[-1]

    yield make
    for each in made:
        result = each.close()
        if inspect.isawaitable(result):
            colour.run(result)


def test_own_transport_is_held_to_the_deadline(connect, own_transport, timed):
    with answers_once() as server:
        client = connect(server.url, KEY, hub="chat", transport=own_transport(), timeout=0.3)
        client.send_to_all("connects", timeout=20)
        with timed, pytest.raises(core.ServiceResponseTimeoutError):
            client.send_to_all("hello")
    assert timed.seconds > 0.25


def test_own_transport_takes_the_clients_timeouts_and_keeps_its_own_where_there_are_none(connect, own_transport, timed):
    hold = threading.Event()
    with SocketServer(lambda connection, number: hold.wait(20)) as server:
        client = connect(server.url, KEY, hub="chat", transport=own_transport(read_timeout=9), read_timeout=0.3)
        with timed, pytest.raises(core.ServiceResponseTimeoutError):
            client.send_to_all("hello")
        assert timed.seconds > 0.25
        client = connect(server.url, KEY, hub="chat", transport=own_transport(read_timeout=0.4))
        with timed, pytest.raises(core.ServiceResponseTimeoutError):
            client.send_to_all("hello")
        assert timed.seconds > 0.35
        hold.set()


def test_own_transport_repeats_a_send_that_was_never_sent_and_no_other(connect, own_transport):
    with SocketServer(lambda connection, number: None) as server:
        client = connect(server.url, KEY, hub="chat", transport=own_transport(), retry_backoff_factor=0.001)
        with pytest.raises(core.AzureError, match="1 attempt: no answer"):
            client.send_to_all("hello")
        assert len(server.connections) == 1
    with pytest.raises(core.ServiceRequestError, match="2 attempts in "):
        client.send_to_all("hello")


@pytest.mark.parametrize("name", ["timeout", "connection_timeout", "read_timeout"])
@pytest.mark.parametrize(("value", "error"), [("5", TypeError), (True, TypeError), (0, ValueError), (-1, ValueError)])
def test_timeout_that_is_none_is_refused_by_name(name, value, error, connect, recorder):
    client = connect(recorder.url, KEY, hub="chat")
    with pytest.raises(error, match=f"^{name} must be a number"):
        client.send_to_all("hello", **{name: value})
    with pytest.raises(error, match=f"^{name} must be a number"):
        connect(recorder.url, KEY, hub="chat", **{name: value})
    assert recorder.requests == []


@pytest.mark.parametrize("name", ["timeout", "connection_timeout", "read_timeout"])
def test_timeout_none_means_the_default(name, connect, recorder):
    client = connect(recorder.url, KEY, hub="chat", **{name: 7})
    client.send_to_all("hello", **{name: None})
    client.send_to_all("hello", timeout=float("inf"))
    assert len(recorder.requests) == 2


def test_second_attempt_has_only_the_time_that_is_left(connect, timed):
    hold = threading.Event()
    with SocketServer(lambda connection, number: hold.wait(20)) as server:
        client = connect(server.url, KEY, hub="chat", timeout=1, read_timeout=0.6)
        with (
            timed,
            pytest.raises(
                core.ServiceResponseTimeoutError,
                match=r"2 attempts in \d\.\d s: no answer in time after 0\.[6-9] s, no answer in time after 0\.[0-5] s",
            ),
        ):
            client.user_exists("ada", retry_backoff_factor=0.001)
        hold.set()
    assert timed.seconds > 0.9
