"""The help of each verb: it has two examples, and they run as they are written."""

import os
import re
import shlex
import stat
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import terminals
from terminals import PROGRAM, WAIT, started

from azure.messaging.webpubsubservice import WebPubSubServiceClient

VERBS = [
    "emulator",
    "doctor",
    "publish",
    "subscribe",
    "token",
    "members",
    "exists",
    "groups",
    "permissions",
    "close",
    "health",
]


def help_of(verb, capfd):
    from azure.messaging.webpubsubservice.command import main

    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    return capfd.readouterr().out


def examples_of(verb, capfd):
    block = help_of(verb, capfd).partition("examples:\n")[2].partition("\n\n")[0]
    return [line.strip() for line in block.splitlines()]


@pytest.fixture
def shell(tmp_path, connection_string):
    """Runs a command line in a shell that finds ``webpubsub``."""
    script = tmp_path / "webpubsub"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    def run(line):
        return terminals.run(line, program=["sh", "-c"], connection_string=connection_string, PATH=path)

    return run


@pytest.fixture
def ada(service, sockets):
    """A client that the examples are about."""
    return sockets(service.client_url("chat", user_id="ada"))


def test_help_of_the_command_names_every_verb(capfd):
    found = re.findall(r"^    ([a-z]+)\b", help_of("--help", capfd), re.MULTILINE)
    assert found == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_two_examples_of_itself(verb, capfd):
    examples = examples_of(verb, capfd)
    assert len(examples) == 2
    for example in examples:
        assert f"webpubsub {verb}" in example


@pytest.mark.parametrize("verb", sorted({*VERBS} - {"emulator", "doctor", "subscribe"}))
def test_examples_run(verb, capfd, here, shell, ada):
    for example in examples_of(verb, capfd):
        line = example.replace("CONNECTION_ID", ada.id)
        if {"|", "&&"} & set(shlex.split(line)):
            done = shell(line)
            status, err = done.returncode, done.stderr
        else:
            status, _, err = here(*shlex.split(line)[1:])  # without a process, which is quicker
        assert status == 0, (example, err)
        assert "error" not in err


def test_examples_of_subscribe_run(capfd, connection_string):
    endless, counted = (shlex.split(example)[1:] for example in examples_of("subscribe", capfd))
    with WebPubSubServiceClient.from_connection_string(connection_string, "chat") as client:
        with started(*endless, connection_string=connection_string) as terminal:
            assert terminal.err.next().startswith("Connected to ")
            client.send_to_all({"n": 1})
            assert terminal.out.next() == '{"n":1}'
            terminal.interrupt()
            assert terminal.end() == 0
        with started(*counted, connection_string=connection_string) as terminal:
            assert terminal.err.next().startswith("Connected to ")
            client.send_to_group("news", "x", content_type="text/plain")
            assert '"group":"news"' in terminal.out.next()
            assert terminal.end() == 0


def test_examples_of_the_emulator_run(capfd):
    for example in examples_of("emulator", capfd):
        with started(*shlex.split(example)[1:], "--port", "0") as terminal:  # the last one counts
            lines = iter(terminal.out.next, None)
            assert any(line.startswith("ConnectionString: Endpoint=http://localhost:") for line in lines)
            terminal.interrupt()
            assert terminal.end() == 0


def handler(environ, start_response):
    """An event handler that takes everything."""
    if environ["REQUEST_METHOD"] == "OPTIONS":
        start_response("200 OK", [("WebHook-Allowed-Origin", "localhost")])
    else:
        start_response("204 No Content", [])
    return []


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def handler_url():
    with make_server("127.0.0.1", 0, handler, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(WAIT)


def test_examples_of_the_doctor_run(capfd, shell, handler_url):
    for example in examples_of("doctor", capfd):
        done = shell(example.replace("http://localhost:3000", handler_url))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("the service can use this handler\n")
