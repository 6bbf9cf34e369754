"""Starting, stopping, resetting, the clock, the record, faults: what a test needs of an emulator."""

import asyncio
import contextlib
import http.client
import socket
import subprocess
import sys
import threading

import pytest
from emulator_peers import WAIT, Caller, frame, sign, tell
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import RestFault, SocketFault, WebPubSubEmulator

RELIABLE = "json.reliable.webpubsub.azure.v1"
SEND = "/api/hubs/chat/:send"


# Life


def test_emulator_says_where_it_is(emulator):
    assert emulator.endpoint == f"http://127.0.0.1:{emulator.port}"
    assert emulator.access_key == "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
    assert emulator.connection_string == f"Endpoint={emulator.endpoint};AccessKey={emulator.access_key};Version=1.0;"
    assert repr(emulator) == f"<WebPubSubEmulator endpoint:'{emulator.endpoint}'>"


def test_emulator_runs_in_the_running_loop():
    async def scenario():
        async with WebPubSubEmulator() as emulator:
            async with connect_async(emulator.client_url("chat"), proxy=None) as client:
                answer = await asyncio.to_thread(Caller(emulator), "POST", SEND, b"x", "text/plain")
                assert answer.status == 202
                assert await client.recv() == "x"
                await emulator.record.wait_for_async(lambda record: len(record.sends) == 1)
                emulator.clock.advance(1)
                emulator.reset()
                with pytest.raises(ConnectionClosed):
                    await client.recv()
            with pytest.raises(RuntimeError, match="wait_for_async"):
                emulator.record.wait_for(lambda record: False)
            return emulator.port

    port = asyncio.run(scenario())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=WAIT)


def test_emulator_runs_beside_a_running_loop():
    async def scenario():
        # As in a notebook: the loop is busy with this very function.
        with WebPubSubEmulator() as emulator, connect(emulator.client_url("chat"), proxy=None) as client:
            assert Caller(emulator)("POST", SEND, b"x", "text/plain").status == 202
            return client.recv(timeout=WAIT)

    assert asyncio.run(scenario()) == "x"


@pytest.mark.parametrize("name", ["access_key", "secondary_key"])
@pytest.mark.parametrize(
    ("key", "error", "reason"),
    [
        ("", ValueError, "must not be empty"),
        (" ", ValueError, "must not be empty"),
        ("secret\ud800", ValueError, "UTF-8 cannot carry"),
        ("\udcffsecret", ValueError, "UTF-8 cannot carry"),
        (b"secret", TypeError, "must be a str, not bytes"),
    ],
)
def test_key_that_cannot_sign_is_refused_and_not_shown(name, key, error, reason):
    with pytest.raises(error, match=reason) as caught:
        WebPubSubEmulator(**{name: key})
    assert name in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_emulators_share_nothing():
    with WebPubSubEmulator() as one, WebPubSubEmulator(access_key="other") as two:
        assert one.port != two.port
        with connect(one.client_url("chat", user_id="ann"), proxy=None):
            assert Caller(one)("HEAD", "/api/hubs/chat/users/ann").status == 200
            assert Caller(two)("HEAD", "/api/hubs/chat/users/ann").status == 404
        two.clock.advance(1000)
        assert two.clock.now() - one.clock.now() > 999
        assert (len(one.record.frames), len(two.record.frames)) == (0, 0)


def test_emulator_starts_again_after_it_was_stopped():
    emulator = WebPubSubEmulator()
    for _ in range(2):
        with emulator:
            assert Caller(emulator)("HEAD", "/api/health").status == 200
    emulator.stop()
    emulator.stop()


def test_emulator_cannot_be_started_twice(emulator):
    with pytest.raises(RuntimeError, match="running already"):
        emulator.start()


def test_port_in_use_is_an_os_error(emulator):
    with pytest.raises(OSError, match=r"in use"):
        WebPubSubEmulator(port=emulator.port).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.org", ""])
def test_address_that_others_can_reach_needs_a_word(host):
    with pytest.raises(ValueError, match="allow_remote=True"):
        WebPubSubEmulator(host=host)


def test_localhost_is_reachable_on_both_addresses():
    with WebPubSubEmulator(host="localhost") as emulator:
        assert emulator.endpoint == f"http://localhost:{emulator.port}"
        addresses = [info[4][0] for info in socket.getaddrinfo("localhost", emulator.port, type=socket.SOCK_STREAM)]
        for address in {"127.0.0.1", *addresses}:
            connection = http.client.HTTPConnection(address, emulator.port, timeout=WAIT)
            connection.request("HEAD", "/api/health")
            assert connection.getresponse().status == 200
            connection.close()


def test_stop_closes_clients_with_1001_and_tells_them():
    with contextlib.ExitStack() as stack:
        with WebPubSubEmulator() as emulator:
            bare = stack.enter_context(connect(emulator.client_url("chat"), proxy=None))
            wrapped = stack.enter_context(
                connect(emulator.client_url("chat"), subprotocols=["json.webpubsub.azure.v1"], proxy=None)
            )
            frame(wrapped)
        assert frame(wrapped)["event"] == "disconnected"
        for client in (bare, wrapped):
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=WAIT)
            assert client.close_code == 1001


def test_reset_forgets_everything(emulator, open_socket, rest):
    client = open_socket(user_id="ann")
    rest("POST", SEND, b"x", "text/plain")
    emulator.clock.advance(100)
    emulator.inject(RestFault(status=503))
    emulator.inject(SocketFault(hub="other", drop=True))
    emulator.reset()
    with pytest.raises(ConnectionClosed):
        [client.recv(timeout=WAIT) for _ in range(2)]
    assert rest("HEAD", "/api/hubs/chat/users/ann").status == 404
    assert (emulator.record.sends, emulator.record.frames) == ((), ())


def test_many_threads_may_use_one_emulator(emulator):
    def work(number):
        with connect(emulator.client_url(f"h{number}", user_id="ann"), proxy=None) as client:
            for _ in range(5):
                assert (
                    Caller(emulator)("POST", f"/api/hubs/h{number}/:send", b"%d" % number, "text/plain").status == 202
                )
                got.append(int(client.recv(timeout=WAIT)) == number)

    got = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT * 4)
    assert got == [True] * 30


def test_package_is_imported_without_its_extras():
    code = (
        "import sys\n"
        "for name in ('aiohttp', 'jwt'): sys.modules[name] = None\n"
        "import azure.messaging.webpubsubservice.emulator as emulator\n"
        "try: emulator.WebPubSubEmulator\n"
        "except ImportError as error: print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert found.stdout.count("\n") == 1
    assert 'pip install "azure-messaging-webpubsubservice[emulator]"' in found.stdout


# Clock


def test_clock_only_goes_forward(emulator):
    before = emulator.clock.now()
    emulator.clock.advance(90)
    assert 90 <= emulator.clock.now() - before < 95
    for seconds in (-1, float("nan"), float("inf"), -float("inf"), 1e300):
        with pytest.raises(ValueError, match="'seconds' must"):
            emulator.clock.advance(seconds)
    assert 90 <= emulator.clock.now() - before < 95


def test_everything_goes_on_at_the_last_date_the_clock_takes(emulator, rest):
    emulator.clock.advance(253_370_764_000 - emulator.clock.now())
    token = sign(emulator.access_key, aud=f"{emulator.endpoint}{SEND}", exp=int(emulator.clock.now()) + 60)
    answer = rest("POST", SEND, b"x", token=token, version=None)
    assert (answer.status, answer.headers["Date"][:16]) == (202, "Thu, 31 Dec 9998")
    with connect(emulator.client_url("chat"), proxy=None) as client:
        assert client.ping().wait(WAIT)


def test_token_expires_with_the_clock(emulator, rest):
    token = sign(emulator.access_key, aud=f"{emulator.endpoint}{SEND}")
    emulator.clock.advance(200)
    assert rest("POST", SEND, b"x", token=token, version=None).status == 202
    emulator.clock.advance(200)
    answer = rest("POST", SEND, b"x", token=token, version=None)
    assert answer.status == 401
    assert "expired" in answer.headers["WWW-Authenticate"]


def test_recovery_window_ends_with_the_clock(emulator, open_socket, rest):
    client = open_socket(protocol=RELIABLE, user_id="ann")
    emulator.inject(SocketFault(user_id="ann", drop=True))
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=WAIT)
    assert rest("HEAD", "/api/hubs/chat/users/ann").status == 200
    emulator.clock.advance(31)
    assert rest("HEAD", "/api/hubs/chat/users/ann").status == 404


def test_message_expires_with_the_clock(emulator, open_socket, rest):
    client = open_socket(protocol=RELIABLE)
    emulator.inject(SocketFault(drop=True))
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=WAIT)
    rest("POST", f"{SEND}?messageTtlSeconds=10", b"short", "text/plain")
    rest("POST", f"{SEND}?messageTtlSeconds=0", b"ever", "text/plain")
    emulator.clock.advance(15)
    token = client.connected_frame["reconnectionToken"]
    query = f"?awps_connection_id={client.connection_id}&awps_reconnection_token={token}"
    again = open_socket(protocol=RELIABLE, url=f"ws://127.0.0.1:{emulator.port}/client/hubs/chat{query}")
    assert frame(again)["event"] == "connected"
    assert (frame(again)["data"], emulator.clock.now() > 0) == ("ever", True)


# Record


def test_record_has_sends_and_frames(emulator, open_socket, rest):
    client = open_socket(user_id="ann", roles=["webpubsub.sendToGroup.g"], groups=["g"])
    rest("POST", "/api/hubs/Chat/groups/g/:send?excluded=x&messageTtlSeconds=5", b"rest", "text/plain")
    tell(client, type="sendToGroup", group="g", data=[1], ackId=1)
    tell(client, type="sendToGroup", group="forbidden", data=[1])
    emulator.record.wait_for(lambda record: sum(each.direction == "received" for each in record.frames) == 2)
    one, two = emulator.record.sends
    assert (one.hub, one.text, one.data_type, one.group, one.sender) == ("chat", "rest", "text", "g", None)
    assert (one.excluded, one.ttl_seconds) == ({"x"}, 5)
    assert (two.text, two.data_type, two.group, two.sender) == ("[1]", "json", "g", client.connection_id)
    sent = [type(each.frame).__name__ for each in emulator.record.frames if each.direction == "sent"]
    assert sent == ["Connected", "Message", "Message", "Ack"]
    assert emulator.record.frames[1].connection_ids == [client.connection_id]
    emulator.record.clear()
    assert (emulator.record.sends, emulator.record.frames, emulator.record.webhooks) == ((), (), ())


def test_record_keeps_the_last_thousand(emulator, rest):
    from azure.messaging.webpubsubservice.emulator import RecordedSend

    for number in range(1005):
        emulator.record.add_send(RecordedSend("chat", b"%d" % number, "text"))
    assert [emulator.record.sends[0].data, emulator.record.sends[-1].data] == [b"5", b"1004"]
    assert len(emulator.record.sends) == 1000


def test_record_wait_ends_with_its_time(emulator):
    with pytest.raises(TimeoutError, match="0 sends"):
        emulator.record.wait_for(lambda record: record.sends, timeout=0.01)
    with pytest.raises(TimeoutError, match="0 sends"):
        asyncio.run(emulator.record.wait_for_async(lambda record: record.sends, timeout=0.01))


# Faults


def test_rest_fault_answers_with_its_status_so_often(emulator, rest):
    emulator.inject(RestFault("post", "/api/hubs/chat/*", status=503, retry_after=2, times=2))
    assert rest("HEAD", "/api/hubs/chat/users/x").status == 404
    for _ in range(2):
        answer = rest("POST", SEND, b"x", "text/plain")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert rest("POST", SEND, b"x", "text/plain").status == 202
    assert len(emulator.record.sends) == 1


def test_rest_fault_without_retry_after_has_none(emulator, rest):
    emulator.inject(RestFault(status=429))
    answer = rest("POST", SEND, b"x", "text/plain")
    assert (answer.status, answer.headers["Retry-After"]) == (429, None)


@pytest.mark.parametrize(("fault", "sends"), [({"drop": True}, 0), ({"drop_after": True}, 1), ({"truncate": True}, 1)])
def test_rest_fault_breaks_the_connection(emulator, rest, fault, sends):
    emulator.inject(RestFault(path=SEND, **fault))
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        rest("POST", SEND, b"x", "text/plain")
    assert len(emulator.record.sends) == sends
    assert rest("POST", SEND, b"x", "text/plain").status == 202


def test_rest_fault_truncates_a_body(emulator, rest):
    emulator.inject(RestFault("GET", truncate=True))
    with pytest.raises(http.client.IncompleteRead) as caught:
        rest("GET", "/api/hubs/chat/groups/g/connections")
    assert caught.value.partial == b'{"valu'


def test_rest_fault_delays(emulator, rest):
    emulator.inject(RestFault(delay=0.05))
    before = emulator.clock.now()
    assert rest("POST", SEND, b"x", "text/plain").status == 202
    assert emulator.clock.now() - before >= 0.05


@pytest.mark.parametrize("wrong", [{"times": 0}, {"status": 500, "drop": True}, {"drop": True, "truncate": True}])
def test_rest_fault_with_contradictions_is_refused(wrong):
    with pytest.raises(ValueError, match=r"'times'|at most one"):
        RestFault(**wrong)


@pytest.mark.parametrize("wrong", [{}, {"drop": True, "stop_reading": True}, {"drop": True, "times": 0}])
def test_socket_fault_with_contradictions_is_refused(wrong):
    with pytest.raises(ValueError, match=r"'times'|exactly one"):
        SocketFault(**wrong)


def test_socket_fault_strikes_those_that_are_there_and_those_to_come(emulator, open_socket):
    ann, bob = open_socket(protocol=None, user_id="ann"), open_socket(protocol=None, user_id="bob")
    emulator.inject(SocketFault(hub="CHAT", user_id="ann", drop=True, times=2))
    with pytest.raises(ConnectionClosed):
        ann.recv(timeout=WAIT)
    again = open_socket(protocol=None, user_id="ann")
    with pytest.raises(ConnectionClosed):
        again.recv(timeout=WAIT)
    assert again.close_code == 1006
    for client in (open_socket(protocol=None, user_id="ann"), bob):
        assert client.ping().wait(WAIT)


def test_socket_fault_stops_the_reading(emulator, open_socket, rest):
    client = open_socket()
    emulator.inject(SocketFault(connection_id=client.connection_id, stop_reading=True))
    tell(client, type="ping")
    rest("POST", SEND, b"x", "text/plain")
    assert frame(client)["data"] == "x"
    with pytest.raises(TimeoutError):
        client.recv(timeout=0.05)
