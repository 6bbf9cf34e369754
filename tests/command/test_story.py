"""How the documentation starts: three terminals."""

import itertools
import json
import os
import subprocess
import urllib.request

import pytest
import terminals
from terminals import PROGRAM, WAIT, environment, started


def ask_console(url, path):
    page, _, token = url.partition("#")
    request = urllib.request.Request(f"{page}api/{path}", headers={"X-Console-Token": token})
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        return json.load(answer)


def test_emulator_subscribe_and_publish_in_three_terminals_and_the_console_shows_it():
    with started("emulator", "--port", "0") as emulator:
        lines = list(itertools.takewhile(lambda line: not line.startswith("Conn"), iter(emulator.out.next, None)))
        (console,) = (line.removeprefix("Console: ") for line in lines if line.startswith("Console: "))
        service = ask_console(console, "state")["connectionString"]
        with started("subscribe", "chat", connection_string=service) as second:
            assert second.err.next().startswith("Connected to hub 'chat' at http://")
            third = terminals.run("publish", "chat", "hello", connection_string=service)
            assert (third.returncode, third.stdout) == (0, "")
            assert third.stderr.startswith("1 message (5 bytes) sent to hub 'chat' in ")
            assert second.out.next() == "hello"
            (hub,) = ask_console(console, "state")["hubs"]
            assert (hub["name"], hub["connectionCount"]) == ("chat", 1)
            titles = [row["title"] for row in ask_console(console, "timeline?kinds=rest,out")["rows"]]
            assert titles == ["connected", "POST /api/hubs/chat/:send 202", "message hello"]
            second.interrupt()
            assert second.end() == 0
            assert (second.out.rest(), second.err.rest()) == ([], [])
        emulator.interrupt()
        assert emulator.process.wait(WAIT) == 0
        assert not [line for line in emulator.err.rest() if "Traceback" in line]


@pytest.mark.parametrize(
    ("options", "is_there"),
    [(["--no-console"], False), (["--allow-remote"], False), (["--allow-remote", "--console"], True)],
)
def test_console_is_there_unless_others_may_come_in_or_nobody_wants_it(options, is_there):
    with started("emulator", "--port", "0", *options) as emulator:
        lines = list(itertools.takewhile(lambda line: not line.startswith("Conn"), iter(emulator.out.next, None)))
        assert any(line.startswith("Console: ") for line in lines) is is_there


def test_without_a_service_it_is_the_emulator_of_this_machine(here):
    from azure.messaging.webpubsubservice.command import _service
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    assert WebPubSubEmulator(host="localhost", port=8080).connection_string == _service.EMULATOR
    words = " ".join(here("emulator", "--help")[1].split())
    assert "--host HOST address to listen on (default: localhost" in words
    assert "--port PORT port to listen on, 0 for a free one (default: 8080)" in words


def test_unreachable_emulator_says_how_to_start_one(here, monkeypatch, nobody):
    from azure.messaging.webpubsubservice.command import _service

    monkeypatch.delenv(terminals.VARIABLE)
    monkeypatch.setattr(_service, "EMULATOR", nobody)
    for arguments in (["publish", "chat", "hello"], ["subscribe", "chat"], ["health"]):
        status, out, err = here(*arguments)
        assert (status, out) == (1, "")
        assert err.startswith("error: No connection to ")
        assert err.endswith(
            "No service was named, so this is where an emulator would be: start one with 'webpubsub emulator',"
            " or name your service in WEBPUBSUB_CONNECTION_STRING\n"
        )


def test_unreachable_service_is_not_taken_for_an_emulator(here, nobody):
    for arguments in (["publish", "chat", "hello"], ["subscribe", "chat"], ["health"]):
        status, out, err = here(*arguments, "--connection-string", nobody)
        assert (status, out) == (1, "")
        assert err.startswith("error: No connection to ")
        assert "No service was named" not in err


@pytest.mark.parametrize("arguments", [["--help"], ["token", "chat"], ["doctor", "http://127.0.0.1:1/"]])
def test_reader_of_the_output_may_have_left(arguments):
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [*PROGRAM, *arguments], stdout=theirs, stderr=subprocess.PIPE, timeout=WAIT, check=False, env=environment()
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")


def test_there_may_be_no_output_at_all(connection_string, hub):
    for redirected in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {redirected}', "sh", *PROGRAM, "publish", hub, "x"],
            capture_output=True,
            timeout=WAIT,
            check=False,
            env=environment(connection_string),
        )
        assert (done.returncode, done.stdout) == (0, b"")
        assert b"error" not in done.stderr.lower()
