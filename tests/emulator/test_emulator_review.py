"""What a reviewer of the emulator found, each as a test that failed before."""

import asyncio
import contextlib
import json
import socket
import struct
import time

import jwt
import pytest
from emulator_peers import WAIT, Caller, frame, sign, tell
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import EventHandler, Record, RecordedFrame, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator._record import Recorder
from azure.messaging.webpubsubservice.emulator.hub import _events as on
from azure.messaging.webpubsubservice.emulator.hub._frames import Message, Payload, Pong
from azure.messaging.webpubsubservice.emulator.protocols._handshake import Guest
from azure.messaging.webpubsubservice.emulator.protocols._subprotocols import SimpleProtocol
from azure.messaging.webpubsubservice.emulator.protocols._websocket import BINARY, FrameReader
from azure.messaging.webpubsubservice.emulator.server._links import Link
from azure.messaging.webpubsubservice.emulator.webhooks._event_desk import EventDesk
from azure.messaging.webpubsubservice.emulator.webhooks._upstream import Upstream

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
SEND = "/api/hubs/chat/:send"
HUGE = 10**400


class Reply:
    def __init__(self, status=204, body=b"", **headers):
        self.status, self.body = status, body
        self.headers = {key.replace("_", "-"): value for key, value in headers.items()}


def connecting_to(answer, **keywords):
    """Return the event handlers of a hub whose ``connect`` is answered so, and what that one heard."""
    heard = []

    def decide(method, headers, body):
        heard.append(json.loads(body))
        return Reply(200, json.dumps(answer).encode())

    handler = EventHandler(handler=decide, system_events=["connect"], user_event_pattern=None)
    return WebPubSubEmulator(event_handlers={"chat": handler}, **keywords), heard


@contextlib.contextmanager
def raw_client(emulator, subprotocol=JSON, query=""):
    """A WebSocket client that has shaken hands and reads nothing more."""
    target = emulator.client_url("chat").partition(str(emulator.port))[2] + query
    with socket.socket() as peer:
        peer.settimeout(WAIT)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", emulator.port))
        peer.sendall(
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{emulator.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {subprotocol}\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += peer.recv(1)
        assert received.startswith(b"HTTP/1.1 101 ")
        yield peer


# Bounds


@pytest.mark.parametrize("size", [1, 125, 126])
def test_message_in_fragments_of_any_size_ends_at_the_limit(size):
    fragment = bytes([0x00, 0x80 | min(size, 126)]) + (struct.pack("!H", size) if size > 125 else b"")
    fragment += bytes(4) + bytes(size)
    reader = FrameReader(1000)
    assert reader.feed(bytes([BINARY, 0x80]) + bytes(4)) == ([], None)
    assert reader.feed(fragment * (1000 // size)) == ([], None)
    messages, error = reader.feed(fragment)
    assert (messages, error.code) == ([], 1009)


def test_control_frame_is_read_between_the_fragments_of_a_full_message():
    ping = b"\x89\xfd" + bytes(4) + bytes(125)
    reader = FrameReader(1000)
    reader.feed(bytes([BINARY, 0xFE]) + struct.pack("!H", 1000) + bytes(4) + bytes(1000))
    messages, error = reader.feed(ping)
    assert ([message.data for message in messages], error) == ([bytes(125)], None)


def test_client_that_sends_pings_and_reads_no_answer_is_cut_off():
    pings = (b"\x89\xfd" + bytes(4) + bytes(125)) * 4000
    with WebPubSubEmulator(max_unread_bytes=256 * 1024) as emulator, raw_client(emulator) as peer:
        with pytest.raises(ConnectionError):
            peer.sendall(pings * 60)
        assert Caller(emulator)("HEAD", "/api/health").status == 200


def test_client_that_reads_its_pongs_may_send_as_many_pings_as_it_likes():
    pings = (b"\x89\xfd" + bytes(4) + bytes(125)) * 400
    with WebPubSubEmulator(max_unread_bytes=256 * 1024) as emulator, raw_client(emulator) as peer:
        for _ in range(20):
            peer.sendall(pings)
            left = 400 * 127
            while left > 0:
                left -= len(peer.recv(65536))


def test_receivers_of_a_broadcast_count_for_the_bound_of_the_record():
    recorder = Recorder(lambda: False)
    message, to = Message(Payload("text", b"x")), ["c"] * 1_048_576
    for _ in range(20):
        recorder.add_frame(RecordedFrame("chat", "sent", to, message), 1)
    assert len(recorder.frames) == 7  # eight megabytes each, and a byte
    recorder.add_frame(RecordedFrame("chat", "sent", ("c",), Pong()), 0)
    assert len(recorder.frames) == 8


def test_second_request_of_a_connection_has_a_time_limit_too():
    with (
        WebPubSubEmulator(request_seconds=0.05) as emulator,
        socket.create_connection(("127.0.0.1", emulator.port), timeout=WAIT) as peer,
    ):
        peer.sendall(b"HEAD /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while b"\r\n\r\n" not in received:
            received += peer.recv(65536)
        assert received.startswith(b"HTTP/1.1 200 ")
        peer.sendall(b"HEAD /api/hea")
        assert peer.recv(65536) == b""


def test_client_whose_recovery_was_refused_is_cut_off_with_the_others():
    query = "&awps_connection_id=none&awps_reconnection_token=none"
    with WebPubSubEmulator() as emulator, raw_client(emulator, RELIABLE, query) as peer:
        assert peer.recv(4) == b"\x88\x28" + struct.pack("!H", 1008)
        started = time.monotonic()
        emulator.reset()
        with contextlib.suppress(ConnectionResetError):
            while peer.recv(65536):
                pass
        assert time.monotonic() - started < 2  # a close frame may be left unanswered for three seconds


# Tokens and claims


@pytest.mark.parametrize("claims", [{"exp": HUGE}, {"exp": -HUGE}, {"nbf": HUGE}, {"exp": float("inf")}])
def test_time_beyond_all_numbers_is_401(emulator, rest, claims):
    token = sign(emulator.access_key, aud=emulator.endpoint + SEND, **claims)
    assert rest("POST", SEND, b"x", token=token).status == 401
    url = emulator.client_url("chat").partition("?")[0]
    token = sign(emulator.access_key, aud=f"{emulator.endpoint}/client/hubs/chat", **claims)
    with pytest.raises(InvalidStatus) as caught, connect(f"{url}?access_token={token}", proxy=None):
        pass
    assert caught.value.response.status_code == 401


def test_entra_token_with_a_time_beyond_all_numbers_is_401():
    token = jwt.encode({"aud": "https://webpubsub.azure.com", "exp": HUGE}, "x" * 32, algorithm="HS256")
    with WebPubSubEmulator(accept_entra_tokens=True) as emulator:
        assert Caller(emulator)("POST", SEND, b"x", token=token).status == 401


def test_empty_user_id_of_a_token_is_none(emulator, open_socket):
    url = emulator.client_url("chat").partition("?")[0]
    token = sign(emulator.access_key, aud=f"{emulator.endpoint}/client/hubs/chat", sub="")
    assert open_socket(url=f"{url}?access_token={token}").connected_frame["userId"] is None


def test_empty_user_id_of_the_handler_makes_an_anonymous_client():
    emulator, _ = connecting_to({"userId": ""})
    with emulator, connect(emulator.client_url("chat", user_id="ann"), subprotocols=[JSON], proxy=None) as client:
        assert frame(client)["userId"] is None
        assert Caller(emulator)("HEAD", "/api/hubs/chat/users/ann").status == 404


def test_claims_that_are_no_strings_reach_the_handler_as_json():
    emulator, heard = connecting_to({})
    claims = {"o": {"a": [1, None]}, "l": [1.5, True, "é", {"b": "é"}], "n": 7}
    with emulator:
        token = sign(emulator.access_key, aud=f"{emulator.endpoint}/client/hubs/chat", **claims)
        url = emulator.client_url("chat").partition("?")[0]
        with connect(f"{url}?access_token={token}", proxy=None):
            pass
    found = heard[0]["claims"]
    assert found["o"] == ['{"a":[1,null]}']
    assert found["l"] == ["1.5", "true", "é", '{"b":"é"}']
    assert found["n"] == ["7"]


# Event handlers


def test_subprotocol_of_the_handler_leaves_the_mode_of_a_simple_client():
    emulator, _ = connecting_to({"subprotocol": "mine"})
    with emulator:
        url = emulator.client_url("chat", roles=["webpubsub.sendToGroup"]) + "&webpubsub_mode=sendToGroup&group=g"
        with connect(url, subprotocols=["mine"], proxy=None) as client:
            assert client.subprotocol == "mine"
            client.send("to the group")
            emulator.record.wait_for(lambda record: record.sends)
    assert [(send.group, send.text) for send in emulator.record.sends] == [("g", "to the group")]


def test_event_after_one_that_met_a_defect_is_handled(caplog):
    async def main():
        loop, reports, calls = asyncio.get_running_loop(), asyncio.Queue(), []

        def on_call(call):
            calls.append(call)
            if len(calls) == 1:
                raise ArithmeticError("a defect")

        async def answer(method, headers, body):
            return Reply()

        desk = EventDesk(lambda hub, handled: reports.put_nowait((hub, handled.ack_id, handled.failed)))
        handlers = {"chat": [EventHandler(handler=answer)]}
        desk.start(Upstream(handlers, keys=["k"], on_call=on_call))
        desk.opened("c1", Guest("chat", "", SimpleProtocol(), None))
        found = []
        for number in (1, 2):
            desk.raise_event("chat", on.RaiseEvent("c1", "e", Payload("text", b"x"), number, {}))
            found.append(await asyncio.wait_for(reports.get(), WAIT))
        assert loop.is_running()
        await desk.stop()
        return found

    assert asyncio.run(main()) == [("chat", 1, True), ("chat", 2, False)]
    assert "The event 'e' of connection c1 could not be handled." in caplog.text


def test_event_after_a_report_that_failed_is_handled():
    async def main():
        reports = asyncio.Queue()

        def report(hub, handled):
            reports.put_nowait(handled.ack_id)
            if handled.ack_id == 1:
                raise asyncio.CancelledError

        async def answer(method, headers, body):
            return Reply()

        desk = EventDesk(report)
        desk.start(Upstream({"chat": [EventHandler(handler=answer)]}, keys=["k"]))
        desk.opened("c1", Guest("chat", "", SimpleProtocol(), None))
        found = []
        for number in (1, 2):
            desk.raise_event("chat", on.RaiseEvent("c1", "e", Payload("text", b"x"), number, {}))
            found.append(await asyncio.wait_for(reports.get(), WAIT))
            await asyncio.sleep(0)
        await desk.stop()
        return found

    assert asyncio.run(main()) == [1, 2]


@pytest.mark.parametrize("handlers", [None, {"chat": EventHandler(handler=print, user_event_pattern="other")}])
def test_event_that_no_handler_takes_is_logged_in_the_words_of_the_service(handlers, caplog):
    with (
        WebPubSubEmulator(event_handlers=handlers) as emulator,
        connect(emulator.client_url("chat"), subprotocols=[JSON], proxy=None) as client,
    ):
        connection_id = frame(client)["connectionId"]
        tell(client, type="event", event="e", data=1, ackId=1)
        assert frame(client)["error"]["name"] == "InternalServerError"
    line = f"connection {connection_id}: Upstream not found for hub:chat,event:e,type:user,category:messages: "
    assert sum(message.startswith(line) for message in caplog.messages) == 1


@pytest.mark.parametrize("delays", [[], [0.0], [0.0, 0.0]])
def test_retry_delays_say_how_often_a_failing_handler_is_called(delays):
    handler = EventHandler(handler=lambda *_: Reply(500), user_event_pattern="*")
    with (
        WebPubSubEmulator(event_handlers={"chat": handler}, event_retry_delays=delays) as emulator,
        connect(emulator.client_url("chat"), subprotocols=[JSON], proxy=None) as client,
    ):
        frame(client)
        tell(client, type="event", event="e", data=1, ackId=1)
        assert frame(client)["error"]["name"] == "InternalServerError"
        assert [call.status for call in emulator.record.webhooks] == [500] * (len(delays) + 1)


def test_event_whose_handler_takes_too_long_has_failed():
    async def never(method, headers, body):
        await asyncio.Event().wait()

    with (
        WebPubSubEmulator(event_handlers={"chat": never}, event_timeout_seconds=0.05) as emulator,
        connect(emulator.client_url("chat"), subprotocols=[JSON], proxy=None) as client,
    ):
        frame(client)
        tell(client, type="event", event="e", data=1, ackId=1)
        assert frame(client)["error"]["name"] == "InternalServerError"
        assert [call.error for call in emulator.record.webhooks] == ["no answer in 0.05 seconds"]


# Names


def test_public_record_has_nothing_that_writes_but_clear():
    names = {name for name in vars(Record) if not name.startswith("_")}
    assert names == {
        *("calls", "connections", "frames", "refusals", "sends", "webhooks", "clear", "wait_for", "wait_for_async")
    }


# The end of a connection


def test_connection_is_over_before_the_client_has_its_close_frame():
    class Owner:
        def __init__(self, peer):
            self.peer, self.seen = peer, []

        def on_end(self, link, code, reason):
            with pytest.raises(BlockingIOError):
                self.peer.recv(100)
            self.seen.append(code)

    async def main():
        ours, peer = socket.socketpair()
        peer.setblocking(False)
        with peer:
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
            owner = Owner(peer)
            link = Link(transport, SimpleProtocol(), "chat", "c1", owner, max_size=1000)
            link.feed_data(b"\x88\x82\0\0\0\0" + struct.pack("!H", 1011))
            answer = await asyncio.get_running_loop().sock_recv(peer, 100)
            link.feed_eof()
        return owner.seen, answer

    assert asyncio.run(main()) == ([1011], b"\x88\x02" + struct.pack("!H", 1011))
