"""What the emulator's log says at INFO of calls, events and ends, and what ``disconnected`` events say of ends."""

import json
import logging
import re
import socket

import pytest
from emulator_peers import WAIT, Caller, frame
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import EventHandler, RestFault, SocketFault, WebPubSubEmulator

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"


class Reply:
    def __init__(self, status=204):
        self.status, self.headers, self.body = status, {}, b""


async def accept(_method, _headers, _body):
    return Reply()


@pytest.fixture
def log(caplog):
    """The lines at INFO and above; random ids are ``X`` and milliseconds ``N``."""
    caplog.set_level(logging.INFO, "azure.messaging.webpubsubservice.emulator")

    def lines():
        found = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
        return [re.sub(r"(?<=in )\d+(?= ms)", "N", re.sub(r"(?<=connection )[\w-]{31}", "X", line)) for line in found]

    return lines


def ended(emulator):
    """The reason of the ``disconnected`` event that comes next."""
    emulator.record.wait_for(lambda record: any(call.event == "disconnected" for call in record.webhooks))
    (call,) = [call for call in emulator.record.webhooks if call.event == "disconnected"]
    return json.loads(call.body)["reason"]


@pytest.fixture
def told(request):
    """An emulator that sends ``disconnected`` events to this process."""
    handler = EventHandler(handler=accept, system_events=["disconnected"])
    options = getattr(request, "param", {})
    with WebPubSubEmulator(event_handlers={"chat": handler}, **options) as emulator:
        yield emulator


def test_each_call_is_a_line_with_status_and_receivers(emulator, rest, log):
    with (
        emulator.connect("chat", "ada", groups=["cats"]) as ada,
        emulator.connect("chat", "bob", groups=["cats"], subprotocol=RELIABLE),
    ):
        for path in ("", "/groups/cats", "/users/ada", "/users/nobody"):
            assert rest("POST", f"/api/hubs/chat{path}/:send", b"x", "text/plain").status == 202
        assert rest("HEAD", "/api/hubs/chat/users/ada").status == 200
        assert rest("PUT", f"/api/hubs/chat/groups/dogs/connections/{ada.connection_id}").status == 200
        assert rest("POST", "/api/hubs/chat/users/bob/:closeConnections").status == 204
        assert rest("POST", "/api/hubs/chat/:send?filter=x", b"x", "text/plain").status == 400
        assert rest("POST", "/api/hubs/chat/:send", b"x", "text/plain", token="x").status == 401
        assert rest("GET", "/api/health").status == 200
    calls = [re.sub("connections/.*? ", "connections/X ", line) for line in log() if re.match("[A-Z]+ ", line)]
    assert calls[:7] == [
        "POST hubs/chat/:send 202, to 2 connections",
        "POST hubs/chat/groups/cats/:send 202, to 2 connections",
        "POST hubs/chat/users/ada/:send 202, to 1 connection",
        "POST hubs/chat/users/nobody/:send 202, to 0 connections",
        "HEAD hubs/chat/users/ada 200",
        "PUT hubs/chat/groups/dogs/connections/X 200",
        "POST hubs/chat/users/bob/:closeConnections 204, 1 connection closed",
    ]
    assert calls[7].startswith("POST hubs/chat/:send refused with 400: Invalid syntax")
    assert calls[8].startswith("POST hubs/chat/:send refused with 401: ")
    assert len(calls) == 9  # a health check comes every few seconds, and is no line


def test_fault_is_named_where_it_strikes(emulator, rest, log):
    emulator.inject(RestFault(status=503, path="/api/hubs/chat/*"))
    assert rest("POST", "/api/hubs/chat/:send", b"x", "text/plain").status == 503
    (line,) = log()
    assert line.startswith("POST hubs/chat/:send meets a fault that was injected: RestFault(")
    assert "status=503" in line


def test_events_are_lines_with_handler_status_and_time(log):
    def message(_method, _headers, _body):
        return Reply(500)

    handlers = [
        EventHandler(handler=accept, system_events=["connect", "connected"], user_event_pattern=None),
        EventHandler(handler=message),
        EventHandler(
            "http://user:secret@127.0.0.1:1/?code=secret", system_events=["disconnected"], user_event_pattern=None
        ),
    ]
    with WebPubSubEmulator(event_handlers={"chat": handlers}, event_retry_delays=[0]) as emulator:
        with emulator.connect("chat", "ada", subprotocol=JSON) as ada:
            tell_event(ada)
        emulator.record.wait_for(lambda record: any(call.event == "disconnected" for call in record.webhooks))
    lines = log()
    place = "test_events_are_lines_with_handler_status_and_time.<locals>.message"
    assert [line for line in lines if "event handler of" in line] == [
        "event handler of hub chat: accept, events connect, connected",
        f"event handler of hub chat: {place}, events all user events",
        "event handler of hub chat: http://127.0.0.1:1/, events disconnected",
    ]
    events = [line.removeprefix("hub chat, connection X: event ") for line in lines if ": event " in line]
    assert [each for each in events if "disconnected" not in each] == [
        "connect: accept answered 204 in N ms",
        "connected: accept answered 204 in N ms",
        *2 * [f"e: {place} answered 500 in N ms"],
    ]
    assert "secret" not in "".join(lines)


def tell_event(client):
    client.send_json({"type": "event", "event": "e", "dataType": "text", "data": "x", "ackId": 1})
    assert client.receive_json()["success"] is False


# Ends


@pytest.mark.parametrize("protocol", [None, JSON])
@pytest.mark.parametrize(
    ("closing", "cause"),
    [
        ((4001, "leaving"), 'closed by the client: 4001 "leaving"'),
        ((1000, ""), "closed by the client: 1000"),
        ((3000, "one\nline"), 'closed by the client: 3000 "one\nline"'),
    ],
)
def test_end_by_the_client_has_code_and_reason(told, log, protocol, closing, cause):
    with told.connect("chat", "ada", subprotocol=protocol) as ada:
        ada.close(*closing)
    assert ended(told) == cause
    assert f"hub chat, connection X: ended: {cause}".replace("\n", "\\n") in log()


def test_end_by_a_close_frame_without_a_code(told, log):
    with connect(told.client_url("chat"), proxy=None, close_timeout=1) as client:
        client.socket.sendall(b"\x88\x80mask")
        assert ended(told) == "closed by the client"
    assert "hub chat, connection X: ended: closed by the client" in log()


def test_end_without_a_close_frame_is_lost(told, log):
    with connect(told.client_url("chat"), proxy=None, close_timeout=1) as client:
        client.socket.shutdown(socket.SHUT_RDWR)
        assert ended(told) == "lost"
    assert "hub chat, connection X: ended: lost" in log()


@pytest.mark.parametrize("told", [{"keep_alive_seconds": 0.05}], indirect=True)
def test_end_of_a_client_that_answers_no_ping(told, log):
    url = told.client_url("chat").partition("://")[2]
    host, _, target = url.partition("/")
    with socket.create_connection(("127.0.0.1", told.port), timeout=WAIT) as peer:
        peer.sendall(
            f"GET /{target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert ended(told) == "answered no ping"
    assert "hub chat, connection X: ended: answered no ping" in log()


@pytest.mark.parametrize(("query", "cause"), [("?reason=bye", "bye"), ("", "closed by a REST call")])
def test_end_by_a_call(told, log, query, cause):
    with told.connect("chat", "ada", subprotocol=JSON) as ada:
        Caller(told)("DELETE", f"/api/hubs/chat/connections/{ada.connection_id}{query}")
        assert ended(told) == cause
        assert ada.receive_json()["message"] == query.removeprefix("?reason=")
    assert f"hub chat, connection X: ended: {cause}" in log()


def test_end_for_an_event_that_could_not_be_handled(log):
    handler = EventHandler(handler=accept, system_events=["disconnected"], user_event_pattern=None)
    with WebPubSubEmulator(event_handlers={"chat": handler}) as emulator, emulator.connect("chat") as ada:
        ada.send_text("nobody takes this")
        assert ended(emulator) == "the event could not be handled"
    assert "hub chat, connection X: ended: the event could not be handled" in log()


def test_end_for_a_bad_frame_has_the_reason_that_the_client_is_told(told, log):
    with told.connect("chat", "ada", subprotocol=JSON) as ada:
        ada.send_text("no JSON")
        message = ada.receive_json()["message"]
        assert ended(told) == message != ""
    assert f"hub chat, connection X: ended: {message}" in log()


def test_lost_reliable_client_is_a_line_and_its_end_has_the_cause(told, log):
    with connect(told.client_url("chat"), subprotocols=[RELIABLE], proxy=None) as client:
        connected = frame(client)
        told.inject(SocketFault(drop=True))
        with pytest.raises(Exception, match="close"):
            client.recv(timeout=WAIT)
    url = f"{told.client_url('chat')}&awps_connection_id={connected['connectionId']}"
    with connect(f"{url}&awps_reconnection_token={connected['reconnectionToken']}", subprotocols=[RELIABLE]) as again:
        assert frame(again)["connectionId"] == connected["connectionId"]
        again.close(4001, "leaving")
    told.clock.advance(31)
    assert ended(told) == 'closed by the client: 4001 "leaving", and not recovered in time'
    assert [line.removeprefix("hub chat, connection X: ") for line in log() if "connection X" in line][1:5] == [
        "cut by a fault that was injected; it can be recovered",
        "recovered",
        'closed by the client: 4001 "leaving"; it can be recovered',
        'ended: closed by the client: 4001 "leaving", and not recovered in time',
    ]
