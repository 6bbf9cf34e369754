"""Every fault with every kind of request, on both clients: attempts, deliveries, error and time.

A *gate* stands before the emulator and makes one fault; requests that it lets through reach a hub with a WebSocket in
it, where what was delivered is counted.
"""

import contextlib
import socket
import ssl
import threading
import time
import uuid
from dataclasses import dataclass, field

import pytest
import trustme
from azure.core import exceptions as core
from azure.core.credentials import AzureKeyCredential
from local_servers import TIMEOUT, SocketServer, full_listener, read_request, refused_port

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import RestFault

# No limit is near, but for the one that a case is about; the deadline is far above what any case needs.
TIMES = {"connection_timeout": 3, "read_timeout": 3, "timeout": 9, "retry_backoff_factor": 0.001}
RETRIES = 3  # azure-core's own limit for connecting, for reading and for statuses
SEND, PUT, DELETE, HEAD, GET = METHODS = ("send", "PUT", "DELETE", "HEAD", "GET")


def call(client, kind, **options):
    """Make one request of a kind; everything but the send is about a connection or a name that is there."""
    if kind == SEND:
        client.send_to_all(client.text, content_type="text/plain", **options)
    elif kind == PUT:
        client.add_connection_to_group("room", client.member, **options)
    elif kind == DELETE:
        client.remove_connection_from_group("room", client.member, **options)
    elif kind == HEAD:
        assert client.connection_exists(client.member, **options) is True
    else:
        list(client.list_connections("room", **options))


@dataclass
class Case:
    """What has to come of a fault: attempts and deliveries of a send, attempts of the others, the error."""

    name: str
    error: type
    send_attempts: int
    others: int = 1 + RETRIES
    delivered: int = 0
    words: str = ""
    fault: dict | None = None
    times: dict = field(default_factory=dict)

    def __str__(self):
        return self.name


# Faults by which a request gets no answer at all, and those requests.
DROPPED = {"accepted_then_closed": METHODS, "answer_truncated": (PUT, DELETE, HEAD), "delivered_but_dropped": METHODS}
R, S = core.ServiceRequestError, core.ServiceResponseError
ALL = 1 + RETRIES
# A fault that never ends: every attempt meets it.
LASTING = [
    Case("refused", R, 2, others=2, words="is the emulator running?"),
    Case("dns", R, ALL),
    Case("tls", R, ALL),
    Case(
        "black_hole",
        core.ServiceRequestTimeoutError,
        ALL,
        words="no connection in time after 0.",
        times={"connection_timeout": 0.03},
    ),
    Case("accepted_then_closed", S, 1, words="1 attempt: no answer after 0.0 s"),
    Case("answer_truncated", core.AzureError, 1, delivered=1),
    Case(
        "answer_never_comes",
        core.ServiceResponseTimeoutError,
        1,
        words="1 attempt: no answer in time after 0.",
        times={"read_timeout": 0.12},
    ),
    Case("delivered_but_dropped", S, 1, delivered=1, words="The request may have run, so it was not repeated"),
    Case("408", core.HttpResponseError, 1, fault={"status": 408}),
    Case("429", core.HttpResponseError, ALL, fault={"status": 429}, words="4 attempts in 0."),
    Case("429_retry_after", core.HttpResponseError, ALL, fault={"status": 429, "retry_after": 0}),
    Case(
        "429_too_long", core.HttpResponseError, 1, 1, fault={"status": 429, "retry_after": 60}, words="Retry-After: 60"
    ),
    Case("500", core.HttpResponseError, 1, fault={"status": 500}, words="The request may have run"),
    Case("502", core.HttpResponseError, 1, fault={"status": 502}),
    Case("503", core.HttpResponseError, 1, fault={"status": 503}, words="1 attempt: 503 after 0."),
    Case("503_retry_after", core.HttpResponseError, ALL, fault={"status": 503, "retry_after": 0}, words="503 after 0."),
    Case("504", core.HttpResponseError, 1, fault={"status": 504}),
]


class Gate:
    """Hands on what clients send to the emulator, counts requests, and makes the faults that need no HTTP."""

    def __init__(self, service, hub):
        self.service = service
        self.hub = hub
        self.attempts = 0
        self.silence = threading.Event()

    @contextlib.contextmanager
    def open(self, name, fault):
        """Give the endpoint at which the fault waits."""
        path = f"/api/hubs/{self.hub}/*"
        if fault is not None:
            self.service.inject(RestFault(path=path, times=50, **fault))
        elif name == "answer_truncated":
            self.service.inject(RestFault(path=path, times=50, truncate=True))
        elif name == "delivered_but_dropped":
            self.service.inject(RestFault(path=path, times=50, drop_after=True))
        if name == "refused":
            yield f"http://127.0.0.1:{refused_port()}"
        elif name == "dns":
            yield "http://no-such-host.invalid"
        elif name == "black_hole":
            with full_listener() as port:
                yield f"http://127.0.0.1:{port}"
        elif name == "tls":
            with SocketServer(context=other_authority()) as server:
                server.serve = lambda connection, number: None
                yield server.url.replace("localhost", "127.0.0.1")
                self.attempts = len(server.connections)
        else:
            serve = {"accepted_then_closed": self.close, "answer_never_comes": self.hold}.get(name, self.relay)
            with SocketServer(serve) as server:
                yield server.url.replace("localhost", "127.0.0.1")
                self.silence.set()

    def close(self, connection, number):
        with connection.makefile("rb") as reader:
            read_request(reader)
            self.attempts += 1

    def hold(self, connection, number):
        self.close(connection, number)
        self.silence.wait(TIMEOUT)

    def relay(self, connection, number):
        with connection.makefile("rb") as reader:
            while (request := read_request(reader)) is not None:
                self.attempts += 1
                head = "".join(f"{name}: {value}\r\n" for name, value in [*request.headers, ("connection", "close")])
                with socket.create_connection(("127.0.0.1", self.service.port)) as upstream:
                    upstream.sendall(f"{request.method} {request.target} HTTP/1.1\r\n{head}\r\n".encode())
                    upstream.sendall(request.body)
                    while data := upstream.recv(1 << 16):
                        connection.sendall(data)
                return


def other_authority():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def no_dns(monkeypatch):
    """Make one name unknown, without asking a real name server; count how often it was asked for."""
    real = socket.getaddrinfo
    asked = []

    def getaddrinfo(host, *args, **kwargs):
        if host == "no-such-host.invalid":
            asked.append(host)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.fixture
def receiver(join, service, hub):
    """A WebSocket in the hub, in the group that requests are about."""
    return join(user_id="ada", groups=["room"])


def delivered(service, receiver, hub, text):
    """Count how often a text came, with a message after it as the end."""
    end = uuid.uuid4().hex
    # The faults are still armed, for the path of the hub as the test spells it.
    with WebPubSubServiceClient(service.endpoint, AzureKeyCredential(service.access_key), hub=hub.upper()) as client:
        client.send_to_all(end, content_type="text/plain")
    count = 0
    while (data := receiver.data()[1]) != end:
        assert data == text
        count += 1
    return count


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("case", LASTING, ids=str)
def test_fault_ends_with_the_attempts_deliveries_and_error_of_the_table(  # noqa: PLR0917  # fixtures
    case, kind, connect, service, hub, receiver, no_dns, repeats_itself
):
    gate = Gate(service, hub)
    with gate.open(case.name, case.fault) as endpoint:
        client = connect(endpoint, AzureKeyCredential(service.access_key), hub=hub, **{**TIMES, **case.times})
        client.text, client.member = uuid.uuid4().hex, receiver.id
        started = time.monotonic()
        with pytest.raises(case.error) as caught:
            call(client, kind)
        took = time.monotonic() - started
    assert took < 6
    text = str(caught.value)
    expected = case.send_attempts if kind == SEND else case.others
    if case.name in ("refused", "black_hole"):  # nobody is there to count
        assert f"\n{expected} attempts in " in text
    else:
        twice = repeats_itself and kind != SEND and kind in DROPPED.get(case.name, ())
        assert (len(no_dns) if case.name == "dns" else gate.attempts) == expected * (2 if twice else 1)
    if expected > 1:
        assert f"\n{expected} attempts in " in text
    if kind == SEND:
        assert case.words in text
        assert delivered(service, receiver, hub, client.text) == case.delivered
        assert ("may have run" in text) == (expected == 1 and case.name not in ("408", "429_too_long"))


# A fault that comes once: what then becomes of a send.
ONCE = [
    ("drop", {"drop": True}, {"retry_sends": True}, 1),
    ("drop_after", {"drop_after": True}, {"retry_sends": True}, 2),
    ("truncate", {"truncate": True}, {"retry_sends": True}, 2),
    ("500", {"status": 500}, {"retry_sends": True}, 1),
    ("502", {"status": 502}, {"retry_sends": True}, 1),
    ("503", {"status": 503}, {"retry_sends": True}, 1),
    ("504", {"status": 504}, {"retry_sends": True}, 1),
    ("408", {"status": 408}, {"retry_sends": True}, 1),
    ("429", {"status": 429}, {}, 1),
    ("429_retry_after", {"status": 429, "retry_after": 0.05}, {}, 1),
    ("503_retry_after", {"status": 503, "retry_after": 0.05}, {}, 1),
]


@pytest.mark.parametrize("per_call", [False, True], ids=["client", "call"])
@pytest.mark.parametrize(("fault", "options", "count"), [row[1:] for row in ONCE], ids=[row[0] for row in ONCE])
def test_send_survives_one_fault_and_is_delivered_as_often_as_it_may_be(  # noqa: PLR0917  # fixtures
    fault, options, count, per_call, connect, service, hub, receiver
):
    service.inject(RestFault(path=f"/api/hubs/{hub}/*", **fault))
    of_client, of_call = ({}, options) if per_call else (options, {})
    client = connect(service.endpoint, AzureKeyCredential(service.access_key), hub=hub, **TIMES, **of_client)
    text = uuid.uuid4().hex
    client.send_to_all(text, content_type="text/plain", **of_call)
    assert delivered(service, receiver, hub, text) == count
