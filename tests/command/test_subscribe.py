"""``webpubsub subscribe``: what it prints, when it ends, and how it holds on to a connection."""

import contextlib
import json
import signal
import socket
import subprocess
import threading

import pytest
import terminals
from odd_services import KEY, Impostor, Relay
from terminals import PROGRAM, WAIT, started
from websockets.sync.server import serve

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator


@pytest.fixture
def client(connection_string, hub):
    with WebPubSubServiceClient.from_connection_string(connection_string, hub) as client:
        yield client


def test_line_for_each_message_whatever_its_kind(subscribed, client, hub):
    with subscribed(hub, "--user", "ada", "--group", "lobby", "--group", "news") as terminal:
        assert f"Connected to hub '{hub}' at {client.endpoint}: connection " in terminal.welcome
        assert terminal.welcome.endswith(", user 'ada'. Ctrl-C ends.")
        client.send_to_all("text, 世界", content_type="text/plain")
        client.send_to_user("ada", {"n": [1, 2.5, None], "ü": "\n"})
        client.send_to_group("lobby", b"\x00\xff")
        client.send_to_group("news", "", content_type="text/plain")
        client.send_to_group("other", "not for us")
        client.send_to_all("two\nlines\r\x1b[2J\x9b\u2028\u202e", content_type="text/plain")
        assert [terminal.out.next() for _ in range(5)] == [
            "text, 世界",
            '{"n":[1,2.5,null],"ü":"\\n"}',
            "AP8=",
            "",
            "two\\nlines\\r\\x1b[2J\\x9b\\u2028\\u202e",
        ]
        terminal.interrupt()
        assert terminal.end() == 0
        assert (terminal.out.rest(), terminal.err.rest()) == ([], [])


def test_raw_lines_are_the_frames(subscribed, client, hub):
    with subscribed(hub, "--group", "lobby", "--raw", "--count", "3") as terminal:
        client.send_to_group("lobby", "a\x9bb\u2028", content_type="text/plain")
        client.send_to_all({"n": 1})
        client.send_to_all(b"\x01")
        lines = terminal.out.rest()
        assert terminal.end() == 0
    assert [json.loads(line) for line in lines] == [
        {
            "type": "message",
            "from": "group",
            "group": "lobby",
            "fromUserId": None,
            "dataType": "text",
            "data": "a\x9bb\u2028",
            "sequenceId": 1,
        },
        {"type": "message", "from": "server", "dataType": "json", "data": {"n": 1}, "sequenceId": 2},
        {"type": "message", "from": "server", "dataType": "binary", "data": "AQ==", "sequenceId": 3},
    ]
    assert "\x9b" not in lines[0]
    assert "\u2028" not in lines[0]


def test_count_ends_it_and_the_connection(subscribed, client, hub):
    with subscribed(hub, "--user", "ada", "--count", "2") as terminal:
        for number in range(3):
            client.send_to_all(number)
        assert terminal.out.rest() == ["0", "1"]
        assert terminal.end() == 0
        assert not client.user_exists("ada")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_no_encoding_of_the_output_makes_it_fail(subscribed, client, hub, encoding):
    with subscribed(hub, "--count", "1", PYTHONIOENCODING=encoding) as terminal:
        client.send_to_all("世 \\ud800", content_type="text/plain")
        expected = "世" if encoding == "utf-8" else "\\u4e16"
        assert terminal.out.rest() == [f"{expected} \\ud800"]
        assert terminal.end() == 0


def test_half_of_a_surrogate_pair_is_printed(here, hub, connection_string):
    answers = [{"type": "message", "from": "server", "dataType": "text", "data": "\ud800x", "sequenceId": 1}]
    with Impostor(answers) as service:
        assert here("subscribe", hub, "--connection-string", service, "--count", "1")[:2] == (0, "\\ud800x\n")


def test_reader_that_has_seen_enough_ends_it(client, hub, connection_string):
    with (
        subprocess.Popen(["head", "-n", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head,
        subprocess.Popen(
            [*terminals.PROGRAM, "subscribe", hub],
            stdout=head.stdin,
            stderr=subprocess.PIPE,
            text=True,
            env=terminals.environment(connection_string),
        ) as process,
    ):
        head.stdin.close()
        assert process.stderr.readline().startswith("Connected")
        client.send_to_all(1)
        assert head.stdout.read() == b"1\n"
        assert head.wait(WAIT) == 0
        client.send_to_all(2)
        assert process.wait(WAIT) == 0
        assert process.stderr.read() == ""


def test_full_disk_is_said(client, hub, connection_string):
    with (
        open("/dev/full", "w") as full,
        subprocess.Popen(
            [*terminals.PROGRAM, "subscribe", hub],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=terminals.environment(connection_string),
        ) as process,
    ):
        assert process.stderr.readline().startswith("Connected")
        client.send_to_all(1)
        assert process.wait(WAIT) == 1
        assert process.stderr.read() == "error: cannot write to the standard output: No space left on device\n"


def test_connection_that_is_closed_on_purpose_is_not_opened_again(subscribed, client, hub):
    with subscribed(hub, "--user", "ada") as terminal:
        client.close_user_connections("ada", reason="so long \x1b[2J")
        assert terminal.end() == 1
        assert terminal.err.rest() == ["error: the service closed the connection: so long \\x1b[2J"]
    with subscribed(hub, "--user", "ada") as terminal:
        client.close_user_connections("ada")
        assert terminal.end() == 1
        (line,) = terminal.err.rest()
        assert line.startswith("error: the service closed the connection: ")


@pytest.fixture
def relay(service):
    relay = Relay(service)
    yield relay
    relay.close()


def test_lost_connection_is_recovered_and_nothing_is_lost(relay, client, hub):
    service = relay.connection_string
    with started("subscribe", hub, "--user", "ada", connection_string=service) as terminal:
        assert terminal.err.next().startswith("Connected to ")
        client.send_to_all(1)
        assert terminal.out.next() == "1"
        relay.cut()
        client.send_to_all(2)
        assert terminal.err.next() == "Connection lost (it broke off); trying again."
        assert terminal.out.next() == "2"
        assert terminal.err.next() == "Connected again, nothing is lost."
        client.send_to_all(3)
        assert terminal.out.next() == "3"
        terminal.interrupt()
        assert terminal.end() == 0
        assert (terminal.out.rest(), terminal.err.rest()) == ([], [])


def test_restarted_service_gets_a_new_connection_and_it_is_said():
    forgotten = "The connection could not be recovered; what was sent meanwhile is lost"
    with contextlib.ExitStack() as stack:
        with WebPubSubEmulator() as emulator:
            terminal = stack.enter_context(started("subscribe", "chat", connection_string=emulator.connection_string))
            assert terminal.err.next().startswith("Connected to ")
        assert terminal.err.next() == "Connection lost (The emulator is shutting down.); trying again."
        with WebPubSubEmulator(port=emulator.port) as emulator:
            lines = iter(terminal.err.next, None)
            told = next(line for line in lines if "Connect call failed" not in line)
            assert told == f"Connection lost ({forgotten}); trying again."
            assert next(lines).startswith("Connected to hub 'chat' at ")
            with WebPubSubServiceClient.from_connection_string(emulator.connection_string, "chat") as client:
                client.send_to_all("again")
            assert terminal.out.next() == '"again"'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_it_tries_again_ends_it(relay, hub, number):
    service = relay.connection_string
    with started("subscribe", hub, connection_string=service) as terminal:
        assert terminal.err.next().startswith("Connected to ")
        relay.close()
        assert terminal.err.next().startswith("Connection lost")
        terminal.process.send_signal(number)
        assert terminal.end() == (0 if number == signal.SIGINT else -signal.SIGTERM)


def test_ctrl_c_that_was_ignored_at_its_start_stays_so_and_sigterm_ends_it(connection_string, hub, client):
    program = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *PROGRAM]  # as '&' in a script does
    with started("subscribe", hub, connection_string=connection_string, program=program) as terminal:
        assert terminal.err.next().startswith("Connected to ")
        terminal.interrupt()
        client.send_to_all("still here")
        assert terminal.out.next() == '"still here"'
        terminal.process.terminate()
        assert terminal.end() == -signal.SIGTERM


def message(number, data="x"):
    return {"type": "message", "from": "server", "dataType": "text", "data": data, "sequenceId": number}


def test_message_that_comes_again_is_printed_once_and_every_one_is_confirmed(here, hub):
    service = Impostor([message(1, "a"), message(2, "b"), message(1, "a"), message(2, "b"), message(3, "c")])
    with service as connection_string:
        status, out, _ = here("subscribe", hub, "--connection-string", connection_string, "--count", "3")
    assert (status, out) == (0, "a\nb\nc\n")
    assert service.confirmed == [{"type": "sequenceAck", "sequenceId": number} for number in (1, 2, 1, 2, 3)]


@pytest.mark.parametrize(
    "frame",
    ["", "{", "[]", "null", "[" * 100_000, b"{}", "9" * 5000],
    ids=["empty", "cut", "array", "null", "deep", "bytes", "number"],
)
def test_frame_that_is_none_ends_it(here, hub, frame):
    with Impostor([frame]) as service:
        status, out, err = here("subscribe", hub, "--connection-string", service)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].endswith(" sent a frame that is no JSON object")
    assert "Traceback" not in err


def test_frames_of_other_kinds_are_passed_over(here, hub):
    frames = [
        {},
        {"type": []},
        {"type": "system"},
        {"type": "system", "event": "renamed"},
        {"type": "ack", "ackId": 1, "success": True},
        {"type": "pong"},
        {"type": "message"},
        {"type": "message", "dataType": "text", "data": 5, "sequenceId": "x"},
        message(True),
    ]
    with Impostor(frames) as service:
        status, out, _ = here("subscribe", hub, "--connection-string", service, "--count", "3")
    assert (status, out) == (0, "null\n5\nx\n")


def test_frame_without_an_end_is_refused(here, hub):
    with Impostor(["x" * (8 * 1_048_576 + 1)]) as service:
        status, out, err = here("subscribe", hub, "--connection-string", service)
    assert (status, out) == (1, "")
    assert "sent what cannot be read: " in err


def test_other_subprotocol_is_said(here, hub):
    with Impostor([], subprotocols=None) as service:
        status, out, err = here("subscribe", hub, "--connection-string", service)
    assert (status, out) == (1, "")
    assert " chose another subprotocol than json.reliable.webpubsub.azure.v1" in err


def answering(status):
    def refuse(connection, _request):
        return connection.respond(status, "Because \x1b[2J of this\n")

    return refuse


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503])
def test_refusal_of_the_handshake_ends_it_with_its_words(here, hub, status):
    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answering(status)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        service = f"Endpoint=http://127.0.0.1:{server.socket.getsockname()[1]};{KEY}"
        found, out, err = here("subscribe", hub, "--connection-string", service)
        server.shutdown()
        thread.join(WAIT)
    assert (found, out) == (1, "")
    assert err.startswith(f"error: the service refused the connection: {status} ")
    assert err.endswith(": Because \\x1b[2J of this\n")


def test_wrong_key_ends_it(here, hub, service):
    wrong = f"Endpoint={service.endpoint};AccessKey=not-the-key;"
    status, out, err = here("subscribe", hub, "--connection-string", wrong)
    assert (status, out) == (1, "")
    assert err.startswith("error: the service refused the connection: 401 ")
    assert "not-the-key" not in err


def test_peer_that_is_no_web_server_is_said(here, hub):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        service = f"Endpoint=http://127.0.0.1:{listener.getsockname()[1]};{KEY}"
        status, out, err = here("subscribe", hub, "--connection-string", service)
        thread.join(WAIT)
    assert (status, out) == (1, "")
    assert "the answer is not that of Azure Web PubSub" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--count", "0"], "'0' is not a whole number of at least 1"),
        (["--count", "-1"], "--count"),
        (["x"], "too many arguments"),
        (["--group"], "expected one argument"),
    ],
)
def test_wrong_usage_is_status_2(here, hub, arguments, words):
    status, out, err = here("subscribe", hub, *arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_name_that_is_no_hub_is_status_2(here):
    status, out, err = here("subscribe", "1 hub")
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
