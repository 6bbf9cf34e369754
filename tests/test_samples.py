"""Each sample of one file runs copied alone into an empty directory, and prints what samples/README.md says."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

SAMPLES = Path(__file__).parent.parent / "samples"
NEEDS = {
    "receive_events.py": ("fastapi", "uvicorn"),
    "sensor_and_browser.py": ("paho.mqtt.client",),
    "tracing.py": ("opentelemetry.sdk",),
}

# What each sample prints: whole lines, in order; regular expressions where it is not the same each time.
PRINTS = {
    "quickstart.py": r"""
operation methods: JSON, text and bytes to all, a group, a user, a connection
builders: a request is made first, and sent after
    <HttpRequest \[POST\], url: '/api/hubs/quickstart/:send\?api-version=2024-12-01'> -> 202
    <HttpRequest \[POST\], url: '/api/hubs/quickstart/users/bob/:send\?api-version=2024-12-01'> -> 202
ada received:
    json   from server      \{'hello': 'everyone'\}
    text   from group cats  hello cats
    json   from server      \['hello', "ada's connection"\]
    text   from server      hello everyone
bob received:
    json   from server      \{'hello': 'everyone'\}
    binary from server      b'hello bob'
    text   from server      hello everyone
    json   from server      \{'hello': 'bob'\}
""",
    "send_messages.py": r"""
<WebPubSubServiceClient endpoint:'http://127\.0\.0\.1:\d+'>
<HttpRequest \[POST\], url: '/api/hubs/default/:send\?api-version=2024-12-01'>
202 Accepted
202
text/plain 202
application/octet-stream 202
""",
    "send_messages_aio.py": r"""
<WebPubSubServiceClient endpoint:'http://127\.0\.0\.1:\d+'>
<HttpRequest \[POST\], url: '/api/hubs/default/:send\?api-version=2024-12-01'>
202 Accepted
text/plain 202
application/octet-stream 202
10 more sent
""",
    "fan_out.py": r"""
100 accepted
a/b: ValueError: user_id 'a/b' cannot be addressed
user7 received \{"your number": ?7\}
""",
    "fan_out_aio.py": r"""
100 accepted
a/b: ValueError: user_id 'a/b' cannot be addressed
user7 received \{"your number": ?7\}
""",
    "ordered_sends.py": r"""
chess: moves 1 to 20, in order
go: moves 1 to 20, in order
checkers: moves 1 to 20, in order
""",
    "presence.py": r"""
at the start: 0
ada joined; here: ada
bob joined; here: ada, bob
ada joined; here: ada, bob
ada left; here: ada, bob
bob left; here: ada
ada left; here:\x20
""",
    "receive_events.py": r"""
message 1 was hello
message 2 was good-bye
ada left after 2 messages
without a name: 401
""",
    "socketio_rooms.py": r"""
0~Lw~ <- 42\["news", \{"text": "hello everyone"\}\]
0~Lw~bG9iYnk <- 42\["news", \{"text": "hello lobby"\}\]
0~L2FkbWlu~bG9iYnk <- 42/admin,\["alarm", 1\]
""",
    "tracing.py": r"""
order 1
the backend takes an order
    WebPubSubServiceClient.send_to_user
        POST
    the client shows it
traces: 1
""",
    "sending.py": r"""
ada received:
    '{"type":"message","from":"server","dataType":"json","data":{"hello":"everyone"}}'
    '{"type":"message","from":"server","dataType":"json","data":"a JSON string"}'
    '{"type":"message","from":"server","dataType":"text","data":"plain text"}'
    '{"type":"message","from":"server","dataType":"binary","data":"AAE="}'
    '{"type":"message","from":"server","dataType":"binary","data":"YSBzdHJlYW0="}'
    '{"type":"message","from":"group","group":"cats",.*"dataType":"json","data":{"hello":"cats"}}'
    '{"type":"message","from":"server","dataType":"json","data":{"hello":"Ada\\'s connection"}}'
    '{"type":"message","from":"server","dataType":"json","data":{"hello":"Ada alone"}}'
    '{"type":"message","from":"server","dataType":"json","data":{"hello":"within a minute"}}'
bob received:
    '{"hello": ?"everyone"}'
    '"a JSON string"'
    'plain text'
    b'\\x00\\x01'
    b'a stream'
    '{"hello": ?"Bob"}'
    '{"hello": ?"all but Ada"}'
""",
    "sending_aio.py": r"""
ada received \['hello cats'\] and the numbers \[0, 1, 2, 3, 4\]
bob received \[b'hello bob'\] and the numbers \[0, 1, 2, 3, 4\]
""",
    "groups_and_users.py": r"""
Ada is here: True
Cleo is here: False
the team is there: False
the team, with Ada's connections: \['ada', 'ada'\]
with Bob's connection: \['ada', 'ada', 'bob'\]
without Ada's phone: \['ada', 'bob'\]
the team reads the news: \['ada', 'bob'\]
but not Bob: \['ada'\]
the team is there: False
""",
    "permissions.py": r"""
without a role or a permission:
    joinGroup lobby: Forbidden
with a permission to join and leave the lobby:
    has it: True
    joinGroup lobby: done
    sendToGroup lobby: Forbidden
with a permission to send to the lobby, too:
    sendToGroup lobby: done
with that one revoked:
    has it: False
    sendToGroup lobby: Forbidden
with roles in the token: one group, then every group of a pattern
    joinGroup lobby: done
    joinGroup kitchen: Forbidden
    sendToGroup room.1: done
    sendToGroup lobby: Forbidden
""",
    "filters.py": r"""
userId eq 'o''neil'
    -> o'neil
userId ne null
    -> ada, bob, o'neil
userId in \('ada', 'bob'\)
    -> ada, bob
'cats' in groups
    -> ada, bob, anonymous
'cats' in groups and not \('staff' in groups\)
    -> bob, anonymous
startswith\(userId, 'b'\) or length\(groups\) gt 1
    -> ada, bob
""",
    "listing_and_closing.py": r"""
readers: \['ada', 'bob', 'cleo', 'dora', 'emil'\]
three of them: 3
members of each page: \[2, 2, 1\]
one connection:
    ada is told: good night, Ada
    ada is closed, with code 1000
all of a user:
    bob is told: good night, Bob
    bob is closed, with code 1000
all of a group but one:
    dora is told: good night, readers
    dora is closed, with code 1000
    emil is told: good night, readers
    emil is closed, with code 1000
all of the hub:
    cleo is told: good night
    cleo is closed, with code 1000
ada is here: False
""",
    "sensor_and_browser.py": r"""
the browser got \{'celsius': 21.5\} in group temperature, from garden
the sensor got 'on' on lights, at QoS 1
the sensor got '\{"every": "minute"\}' on \$webpubsub/server/messages, at QoS 1
""",
    "listing_and_closing_aio.py": r"""
readers: \['ada', 'bob', 'cleo'\]
2 members in this page, more to come
1 members in this page, the last
closed with \{1000\}
""",
    "many_threads.py": r"""
8 threads sent 400 messages, 400 different ones arrived, in any order
\d+ messages a second, each a request of its own
""",
    "entra_id.py": r"""
a token is asked for https://webpubsub\.azure\.com/\.default
ada received {"hello": ?"readers"}
""",
    "entra_id_aio.py": r"""
a token is asked for https://webpubsub\.azure\.com/\.default
a client connects to /hubs/entra_id_aio
10 sent
""",
    "reverse_proxy.py": r"""
the proxy is asked for /pubsub/api/hubs/reverse_proxy/:send
the service accepted it
a client connects to the service: True
""",
    "retries_and_deadlines.py": r"""
throttled: the send did not run, so it is repeated when the service says
    accepted after \d+ s, answers: \[429, 202\]
failed inside the service: it may have run, so it is not repeated
    HttpResponseError after \d+ s, answers: \[500\]
the answer is lost: the same
    ServiceResponseError after \d+ s, answers: \[\]
the answer is lost, and at-least-once is chosen: repeated, here delivered twice
    accepted after \d+ s, answers: \[202\]
more than the deadline allows: given up at once, for the next attempt would come too late
    HttpResponseError after \d+ s, answers: \[503\]
no answer: given up at the deadline
    ServiceResponseTimeoutError after [1-9]\d* s, answers: \[\]
received: 1 3 4 4
""",
}
# They change their process: the tracer, the handlers of the log.
ALONE = {"tracing.py", "logging_requests.py"}
TESTED_ELSEWHERE = {
    "browser.py",  # test_more_samples
    *("chat_fastapi.py", "chat_flask.py", "django_app.py"),  # test_chat_samples
    "logging_requests.py",  # below
}


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run a sample that is all there is in its directory; gives what it printed."""
    for name in os.environ:
        if name.startswith("WEBPUBSUB_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(name):
        for package in NEEDS.get(name, ()):
            pytest.importorskip(package, reason=f"{package} is not installed")
        shutil.copy(SAMPLES / name, tmp_path)
        if name in ALONE:
            subprocess.run([sys.executable, "-W", "error", name], timeout=60, check=True)
        else:
            runpy.run_path(name, run_name="__main__")
        printed, errors = capfd.readouterr()
        assert errors == ""
        return printed

    return run


@pytest.mark.parametrize("name", PRINTS)
def test_sample_prints_what_it_promises(run, name):
    expected = PRINTS[name].strip("\n").splitlines()
    printed = run(name).splitlines()
    for line, pattern in zip(printed, expected, strict=False):
        assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"
    assert len(printed) == len(expected), printed[len(expected) :]


# Those that take no connection string, whose server the service has to reach, or that leave nothing in its record.
OF_ITS_OWN = {
    *("entra_id.py", "entra_id_aio.py", "retries_and_deadlines.py"),
    *("presence.py", "receive_events.py"),
    "listing_and_closing_aio.py",
}


@pytest.mark.parametrize("name", [name for name in PRINTS if name not in OF_ITS_OWN | ALONE])
def test_sample_uses_the_service_of_the_connection_string(run, monkeypatch, name):
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator() as emulator:
        monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", emulator.connection_string)
        run(name)
        assert emulator.record.sends or emulator.record.frames


def test_every_sample_is_tested():
    assert {path.name for path in SAMPLES.glob("*.py")} == {*PRINTS, *TESTED_ELSEWHERE}


def test_every_sample_is_listed():
    listed = re.findall(r"\]\(([^)#]+)\)", (SAMPLES / "README.md").read_text(encoding="utf-8"))
    for path in listed:
        assert path.startswith("https://") or (SAMPLES / path).exists(), path
    ours = {path.name for path in SAMPLES.iterdir() if path.suffix in (".py", ".ipynb", ".md")}
    assert ours - {"README.md"} <= set(listed)
    assert {"testing_your_backend/", "azure_functions/", "docker/"} <= set(listed)


def test_every_sample_is_shown_by_a_guide():
    guides = "".join(path.read_text(encoding="utf-8") for path in (SAMPLES.parent / "docs").glob("*.md"))
    for path in SAMPLES.iterdir():
        if path.suffix in (".py", ".ipynb") or (path.is_dir() and path.name[0] not in "._"):
            assert f"](../samples/{path.name}" in guides, path.name


def test_every_sample_is_a_screen_and_an_application_is_two():
    for path in SAMPLES.glob("**/*.py"):
        most = 110 if path.stem in ("chat_fastapi", "chat_flask") else 80
        assert path.read_text(encoding="utf-8").count("\n") <= most, path.name


def test_logging_sample_shows_requests_and_no_secrets(run):
    printed = run("logging_requests.py")
    at_info, at_debug, error = re.split(r"^== .*\n", printed, flags=re.MULTILINE)[1:]
    assert at_info.count("INFO Request URL: 'http://127.0.0.1:") == 1
    assert at_info.count("INFO Response status: 202") == 1
    assert "DEBUG" not in at_info
    assert "'x-secret': 'REDACTED'" in at_info
    assert "'Authorization': 'REDACTED'" in at_debug
    assert 'Request body:\n{"hello": "log"}\n' in at_debug
    assert error.splitlines() == [
        "404 Not Found",
        "Error.Connection.NotExisted Connection `not-there` is not found.",
        "asked as my-own-id",
    ]
    assert "Bearer" not in printed
    assert "eyJ" not in printed
