"""The command: as a process where it runs, and in this one where it ends at once."""

import contextlib
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import types

import pytest
from emulator_peers import WAIT, Caller, sign
from test_emulator_names import ask
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator.__main__ import main

COMMAND = [sys.executable, "-W", "error", "-m", "azure.messaging.webpubsubservice.emulator"]
START = 30


@contextlib.contextmanager
def running(*arguments, environ=None, program=COMMAND):
    """The command once it is ready: what it printed, and the emulator it says there is."""
    environ = {**os.environ, **(environ or {})}
    command = [*program, "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environ) as process:
        try:
            lines = []
            while not lines or not lines[-1].startswith("ConnectionString: "):
                lines.append(process.stdout.readline())
                assert lines[-1], process.stderr.read()
            endpoint, key = re.fullmatch(
                r"ConnectionString: Endpoint=([^;]+);AccessKey=([^;]+);Version=1.0;\n", lines[-1]
            ).groups()
            port = re.search(r"(\d+), Ctrl", lines[0])[1]
            yield types.SimpleNamespace(process=process, lines=lines, endpoint=endpoint, port=int(port), access_key=key)
        finally:
            process.kill()


@pytest.fixture
def run(capsys):
    def make(*arguments):
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
        return types.SimpleNamespace(returncode=status, **capsys.readouterr()._asdict())

    return make


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_tells_how_to_connect_in_a_few_lines_and_closes_clients_with_1001_at_a_signal(number):
    with running() as command:
        assert len(command.lines) <= 7
        assert sum(line.startswith("ConnectionString: ") for line in command.lines) == 1
        text = "".join(command.lines)
        assert command.endpoint in text
        for hint in ("WebPubSubServiceClient.from_connection_string", "get_client_access_token", "send_to_all"):
            assert hint in text
        assert Caller(command)("HEAD", "/api/health").status == 200
        token = sign(command.access_key, aud=f"{command.endpoint}/client/hubs/chat")
        with connect(f"ws{command.endpoint[4:]}/client/hubs/chat?access_token={token}", proxy=None) as client:
            command.process.send_signal(number)
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=WAIT)
            assert client.close_code == 1001
        output, log = command.process.communicate(timeout=WAIT)
        assert (command.process.returncode, output) == (0, "")
        assert "Traceback" not in log


def test_command_stops_at_ctrl_c_also_where_that_was_ignored_at_its_start():
    program = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND]  # as '&' in a script does
    with running(program=program) as command:
        command.process.send_signal(signal.SIGINT)
        assert command.process.wait(WAIT) == 0


def test_log_says_why_something_was_refused():
    with running("--access-key", "my own key") as command:
        assert command.access_key == "my own key"
        rest = Caller(command)
        assert rest("POST", "/api/hubs/chat/:send", b"x", token=sign("my own key", aud="http://other/")).status == 401
        assert rest("POST", "/api/hubs/chat/:send?filter=x", b"x").status == 400
        url = f"ws{command.endpoint[4:]}/client/hubs/chat?access_token=" + sign(
            "my own key", aud=f"{command.endpoint}/client/hubs/chat"
        )
        with connect(url, subprotocols=["json.webpubsub.azure.v1"], proxy=None) as client:
            client.send('{"type":"joinGroup","group":"g"}')
            client.send('{"type":"event","event":"e","data":1,"ackId":1}')
            assert "connected" in client.recv(timeout=WAIT)
            assert "InternalServerError" in client.recv(timeout=WAIT)
        command.process.send_signal(signal.SIGINT)
        log = command.process.communicate(timeout=WAIT)[1]
    for words in (
        "refused with 401: The audience 'http://other/' is invalid, expected 'http(s)://127.0.0.1",
        "refused with 400: Invalid syntax",
        "join group 'g': it needs the role 'webpubsub.joinLeaveGroup'",
        "Upstream not found for hub:chat,event:e,type:user,category:messages",
        "give one with --event-handler chat=URL",
    ):
        assert words in log
    assert "my own key" not in log
    assert "access_token" not in log


def test_name_and_door_are_told_on_the_command_line():
    options = ("--endpoint", "https://hub.example", "--allow-host", "a.example", "--allow-origin", "https://b.example")
    with running(*options) as command:
        assert command.endpoint == "https://hub.example"
        for host in ("hub.example", "a.example", "localhost"):
            assert ask(command, "GET", "/", host, Origin="https://b.example")[0] == 200
        assert ask(command, "GET", "/", "c.example")[0] == 403
        assert ask(command, "GET", "/", "localhost", Origin="https://c.example")[0] == 403
        command.process.send_signal(signal.SIGINT)
        log = command.process.communicate(timeout=WAIT)[1]
    assert "'c.example' is no name of this machine" in log
    assert "--allow-host 'c.example'" in log
    assert "a web page of 'https://c.example' asks" in log


def test_hub_that_takes_clients_without_a_token_is_told_on_the_command_line_or_in_the_environment():
    environ = {"WebPubSub__Hubs__open__AnonymousConnectPolicy": "allow"}
    with running("--allow-anonymous", "lobby", environ=environ) as command:
        for hub in ("lobby", "open"):
            with connect(f"ws{command.endpoint[4:]}/client/hubs/{hub}", proxy=None) as client:
                assert client.subprotocol is None
        with pytest.raises(InvalidStatus), connect(f"ws{command.endpoint[4:]}/client/hubs/chat", proxy=None):
            pass
        command.process.send_signal(signal.SIGINT)
        log = command.process.communicate(timeout=WAIT)[1]
    assert "the hub 'chat' lets nobody in without one" in log
    assert "--allow-anonymous chat" in log


def test_remote_address_is_warned_of_in_one_line():
    with running("--host", "0.0.0.0", "--allow-remote") as command:
        assert Caller(command)("GET", "/api/health").status == 200
        command.process.send_signal(signal.SIGINT)
        log = command.process.communicate(timeout=WAIT)[1]
    (line,) = [line for line in log.splitlines() if "WARNING" in line]
    assert "Other machines can reach this emulator" in line


def test_port_in_use_is_one_line_and_status_1():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = subprocess.run(
            [*COMMAND, "--port", str(port)], capture_output=True, text=True, timeout=START, check=False
        )
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        f"error: port {port} is in use: stop the program that has it, or choose another with --port\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "x"], "'x' is not a port"),
        (["--port", "65536"], "not a port"),
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--fly"], "--fly"),
        (["--event-handler", "chat=nonsense"], "nonsense"),
        (["--settings", os.devnull + "/none.json"], "none.json"),
        (["--access-key", ""], "access_key"),
        (["--endpoint", "name:443"], "'https://name'"),
        (["--allow-host", "https://app.example.com"], "write the host name alone"),
        (["--allow-origin", "app.example.com"], "'https://app.example.com'"),
    ],
)
def test_bad_setting_is_one_line_and_status_1(run, arguments, words):
    found = run(*arguments)
    assert (found.returncode, found.out, found.err.count("\n")) == (1, "", 1)
    assert found.err.startswith("error: ")
    assert words in found.err


def test_help_names_every_option(run):
    found = run("--help")
    assert found.returncode == 0
    for option in ("--host", "--port", "--access-key", "--event-handler", "--settings", "--allow-remote", "--endpoint"):
        assert option in found.out


class Backend(http.server.BaseHTTPRequestHandler):
    """An event handler that lets everybody in and keeps what it was asked."""

    def do_OPTIONS(self):
        self.send_response(200)
        self.send_header("WebHook-Allowed-Origin", "*")
        self.end_headers()

    def do_POST(self):
        self.server.heard.append((self.path, self.headers["ce-eventName"], self.headers["ce-hub"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def backend():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        server.heard = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def client_of(command, hub):
    token = sign(command.access_key, aud=f"{command.endpoint}/client/hubs/{hub}")
    return connect(f"ws{command.endpoint[4:]}/client/hubs/{hub}?access_token={token}", proxy=None)


def test_settings_file_gives_the_key_and_the_event_handlers_of_each_hub(tmp_path, backend):
    url = f"http://127.0.0.1:{backend.server_port}"
    hubs = {
        name: {"EventHandlers": [{"UrlTemplate": f"{url}/{name}/{{event}}", "SystemEvents": ["connect"]}]}
        for name in ("one", "two", "three")
    }
    path = tmp_path / "appsettings.json"
    path.write_text(json.dumps({"WebPubSub": {"AccessKey": "key of the file", "Hubs": hubs, "Port": 1}}))
    with running("--settings", str(path), "--event-handler", f"three={url}/argument") as command:
        assert command.access_key == "key of the file"
        for hub in ("one", "two", "three", "four"):
            with client_of(command, hub):
                pass
        command.process.send_signal(signal.SIGINT)
        log = command.process.communicate(timeout=WAIT)[1]
    asked = [(path, hub) for path, event, hub in backend.heard if event == "connect"]
    # What the command line says goes first.
    assert asked == [("/one/connect", "one"), ("/two/connect", "two"), ("/argument", "three")]
    assert "WebPubSub:Port is not a setting of this emulator, and is ignored" in log
    assert "key of the file" not in log


def test_arguments_go_before_the_environment_and_that_before_the_file(tmp_path, backend):
    url = f"http://127.0.0.1:{backend.server_port}"

    def handler(place):
        return {"UrlTemplate": f"{url}/{place}", "SystemEvents": ["connect"]}

    hubs = {name: {"EventHandlers": [handler(f"file/{name}")]} for name in ("one", "two", "three")}
    path = tmp_path / "appsettings.json"
    path.write_text(json.dumps({"WebPubSub": {"AccessKey": "key of the file", "Hubs": hubs}, "Urls": "http://h:1"}))
    environ = {
        "WebPubSub__AccessKey": "key of the environment",
        "WebPubSub__Hubs__two__EventHandlers__0__UrlTemplate": f"{url}/environment/two",
        "WebPubSub__Hubs__three__EventHandlers__0__UrlTemplate": f"{url}/environment/three",
        "Urls": "http://127.0.0.1:1",
    }
    arguments = [
        "--settings",
        str(path),
        "--event-handler",
        f"three={url}/argument",
        "--access-key",
        "key of the argument",
    ]
    with running(*arguments, environ=environ) as command:
        assert command.access_key == "key of the argument"
        assert command.endpoint.startswith("http://127.0.0.1:")
        for hub in ("one", "two", "three"):
            with client_of(command, hub):
                pass
    asked = [path for path, event, _ in backend.heard if event == "connect"]
    assert asked == ["/file/one", "/environment/two", "/argument"]


def test_changed_settings_file_is_read_again_and_a_wrong_edit_keeps_the_last_good_one(tmp_path, backend):
    path = tmp_path / "appsettings.json"

    def say(place, **more):
        url = f"http://127.0.0.1:{backend.server_port}/{place}"
        hubs = {"chat": {"EventHandlers": [{"UrlTemplate": url, "SystemEvents": ["connect"]}]}}
        path.write_text(json.dumps({"WebPubSub": {"Hubs": hubs, **more}}))

    def asked():
        with client_of(command, "chat"):
            return [path for path, event, _ in backend.heard if event == "connect"][-1]

    def wait_for(words):
        while words not in (line := command.process.stderr.readline()):
            assert line
        return line

    say("before")
    with running("--settings", str(path)) as command:
        wait_for("event handler of hub chat: ")
        assert asked() == "/before"
        say("after")
        assert "/after, events connect" in wait_for("event handler of hub chat: ")
        wait_for("appsettings.json was read again")
        assert asked() == "/after"
        path.write_text('{"WebPubSub": {"Hubs": {"chat": []')
        assert "not JSON" in wait_for("What the file said before stays.")
        assert asked() == "/after"
        path.unlink()
        assert "cannot be read" in wait_for("What the file said before stays.")
        say("again", AccessKey="another key")
        wait_for("changes to other settings than event handlers take effect at the next start")
        assert asked() == "/again"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "appsettings.json: not JSON: "),
        ("[]", "appsettings.json: must be a JSON object"),
        ('{"Hubs": {"chat": {}}}', "appsettings.json: has no \"WebPubSub\" at its top level, only 'Hubs'"),
        ('{"WebPubSub": {}, "Urls": "http://*:0"}', "--allow-remote"),
        (
            '{"WebPubSub": {"Hubs": {"a": {"EventHandlers": [{}]}}}}',
            "WebPubSub:Hubs:a:EventHandlers:0 has no UrlTemplate",
        ),
        ('{"WebPubSub": {"AccessKey": ""}}', "access_key"),
    ],
)
def test_bad_settings_file_is_one_line_and_status_1(run, tmp_path, text, words):
    path = tmp_path / "appsettings.json"
    path.write_text(text)
    found = run("--settings", str(path))
    assert (found.returncode, found.out, found.err.count("\n")) == (1, "", 1)
    assert found.err.startswith("error: ")
    assert words in found.err


def test_misspelt_option_does_not_show_its_value(run):
    found = run("--acces-key", "secret", "--secondry-key=secret")
    assert (found.returncode, found.out) == (1, "")
    assert found.err == "error: there is no argument --acces-key ... --secondry-key (--help tells what there is)\n"
