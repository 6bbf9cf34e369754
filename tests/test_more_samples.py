"""The samples that show one thing each run as they are, and print what samples/README.md says."""

import io
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

from websockets.sync.client import connect

SAMPLES = Path(__file__).parent.parent / "samples"
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("WEBPUBSUB_")}
WAIT = 30

# What each sample prints: whole lines, in order; regular expressions where it is not the same each time.
PRINTS = {
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
TESTED_ELSEWHERE = {
    *("quickstart.py", "send_messages.py", "send_messages_aio.py", "service.py"),
    *("chat_fastapi.py", "chat_flask.py"),
    *("browser.py", "logging_requests.py"),  # below
}


def run(*arguments, cwd=None):
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=2 * WAIT,
        env=ENVIRON,
        check=False,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", PRINTS)
def test_sample_prints_what_it_promises(name):
    expected = PRINTS[name].strip("\n").splitlines()
    printed = run(SAMPLES / name).splitlines()
    for line, pattern in zip(printed, expected, strict=False):
        assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"
    assert len(printed) == len(expected), printed[len(expected) :]


def test_every_sample_is_tested():
    assert {path.name for path in SAMPLES.glob("*.py")} == {*PRINTS, *TESTED_ELSEWHERE}


def test_every_sample_is_listed():
    listed = re.findall(r"\]\(([^)#]+)\)", (SAMPLES / "README.md").read_text(encoding="utf-8"))
    for path in listed:
        assert path.startswith("https://") or (SAMPLES / path).exists(), path
    ours = {path.name for path in SAMPLES.iterdir() if path.suffix in (".py", ".ipynb", ".md")}
    assert ours - {"README.md"} <= set(listed)
    assert {"testing_your_backend/", "docker/"} <= set(listed)


def test_every_sample_is_short():
    for path in SAMPLES.glob("*.py"):
        assert path.read_text(encoding="utf-8").count("\n") < 125, path.name


def test_logging_sample_shows_requests_and_no_secrets():
    printed = run(SAMPLES / "logging_requests.py")
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


@contextmanager
def page_server():
    """Run browser.py; gives its process and its address."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(SAMPLES / "browser.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRON, "PORT": "0"},
    ) as process:
        try:
            line = process.stdout.readline()
            found = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+/) and type what it shall show; Ctrl\+D ends\n", line)
            assert found, line or process.stderr.read()
            yield process, found[1]
        finally:
            _, errors = process.communicate(timeout=WAIT)
    assert (process.returncode, errors) == (0, "")


def get(url):
    with urllib.request.urlopen(url, timeout=WAIT) as response:
        return response.read().decode()


def type_line(process, text):
    process.stdin.write(text + "\n")
    process.stdin.flush()


def test_browser_sample_sends_what_is_typed():
    with page_server() as (process, address):
        assert "<title>Messages</title>" in get(address)
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(f"{address}else")
        caught.value.close()
        assert caught.value.code == 404
        with connect(get(f"{address}negotiate"), proxy=None) as page:
            type_line(process, "hello page")
            assert page.recv(timeout=WAIT) == "hello page"


def test_browser_sample_page_shows_messages_as_text(tmp_path):
    from test_chat_samples import Browser

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    with page_server() as (process, address), Browser(program, tmp_path) as browser:
        browser.open(address)
        assert browser.see("connected")
        type_line(process, "hello <b>page</b>")
        assert browser.see("hello <b>page</b>")
        process.stdin.close()
        process.stdin = None
        assert browser.see("disconnected")


FOLDER = SAMPLES / "testing_your_backend"
MIGRATION = SAMPLES.parent / "docs" / "migration.md"


@pytest.fixture(scope="module")
def _test_client():
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    pytest.importorskip("httpx2", reason="httpx2, for FastAPI's TestClient, is not installed")


@pytest.mark.usefixtures("_test_client")
def test_backend_sample_passes_with_pytest():
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "samples/testing_your_backend"]
    assert command[-1] in (FOLDER / "test_app.py").read_text(encoding="utf-8")
    printed = run(*command, cwd=SAMPLES.parent)
    assert re.search(r"^9 passed", printed, re.MULTILINE), printed


@pytest.mark.usefixtures("_test_client")
def test_backend_sample_passes_with_unittest():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "unittest"],
        capture_output=True,
        text=True,
        timeout=2 * WAIT,
        env=ENVIRON,
        check=False,
        cwd=FOLDER,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Ran 2 tests .*\n\nOK$", done.stderr, re.MULTILINE), done.stderr


@pytest.fixture(scope="module")
def migrated():
    """Runs the Python blocks of docs/migration.md; gives their names, and the emulator that sends events to ``place``."""
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator

    names = {}

    async def app(scope, receive, send):
        await names[names["place"]](scope, receive, send)

    blocks = re.findall(r"^```python\n(.*?)^```", MIGRATION.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    events = EventHandler("/eventhandler", app=app, system_events=["connect"])
    with WebPubSubEmulator(event_handlers={"chat": events}) as emulator:
        names["connection_string"] = emulator.connection_string
        output = io.StringIO()
        with redirect_stdout(output):
            for block in blocks:
                exec(compile(block, MIGRATION.name, "exec"), names)
        yield names, emulator, output.getvalue().splitlines(), len(blocks)
        names["client"].close()
        names["service"].close()


def test_programs_of_earlier_versions_run_as_they_are(migrated):
    names, emulator, printed, count = migrated
    assert count == 6
    base_url = emulator.endpoint.replace("http", "ws") + "/client/hubs/chat"
    assert printed == ["404", base_url, "Warning.User.NotExisted"]
    assert (names["token"]["baseUrl"], names["members"]) == (base_url, [])
    assert [(send.data_type, send.data) for send in emulator.record.sends] == [
        ("json", b'{"hello": "world"}'),
        ("json", b'"a JSON string"'),
        ("text", b"plain text"),
        ("json", b'"AAE="'),
        ("binary", b"\x00\x01"),
    ]


@pytest.mark.parametrize("place", ["by_hand", "app"])
def test_webhooks_by_hand_and_with_the_handler_do_the_same(migrated, place):
    from websockets.exceptions import InvalidStatus

    names, emulator, *_ = migrated
    names["place"] = place
    with connect(emulator.client_url("chat", user_id="ada"), proxy=None) as ada:
        ada.send("hello")
        assert ada.recv(timeout=WAIT) == "you said hello"
        assert [member.user_id for member in names["service"].list_connections("lobby")] == ["ada"]
        names["service"].remove_user_from_all_groups("ada")
    with pytest.raises(InvalidStatus) as refused:
        connect(emulator.client_url("chat"), proxy=None)
    assert refused.value.response.status_code == 401
