"""The samples that are servers run as one command each: real WebSocket clients, and once a real browser."""

import contextlib
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

from websockets.sync.client import connect

SAMPLES = Path(__file__).parent.parent / "samples"
PROTOCOL = "json.reliable.webpubsub.azure.v1"
WAIT = 20


def copied(name, folder):
    """Copy a sample, and its page if it has one; gives its path."""
    if name.startswith("chat_"):
        shutil.copy(SAMPLES / "chat.html", folder)
    return shutil.copy(SAMPLES / name, folder)


@contextlib.contextmanager
def running(name, *packages, **environ):
    """Run a sample copied into an empty directory; gives the address it says to open."""
    for package in packages:
        pytest.importorskip(package, reason=f"{package} is not installed")
    inherited = {key: value for key, value in os.environ.items() if key != "WEBPUBSUB_CONNECTION_STRING"}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", copied(name, folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**inherited, **environ, "PORT": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        ) as process,
    ):
        lines, errors = queue.Queue(), []
        readers = [
            threading.Thread(target=lambda: [lines.put(line) for line in itertools.chain(process.stdout, [""])]),
            threading.Thread(target=lambda: errors.extend(process.stderr)),
        ]
        for reader in readers:
            reader.start()
        try:
            line = lines.get(timeout=WAIT)
            assert line.startswith("Open http://127.0.0.1:"), (line, errors)
            yield line.removeprefix("Open ").strip()
        finally:
            process.send_signal(signal.SIGINT)
            try:
                status = process.wait(WAIT)
            finally:
                process.kill()
                for reader in readers:
                    reader.join(WAIT)
        # On standard error the emulator says which events were refused; a traceback or a warning is a fault.
        assert "Traceback" not in "".join(errors)
        assert "Warning:" not in "".join(errors)
        assert status == 0


CHATS = {"chat_fastapi.py": ("fastapi", "uvicorn"), "chat_flask.py": ("flask", "waitress")}


@pytest.fixture(scope="module", params=CHATS)
def address(request):
    with running(request.param, *CHATS[request.param]) as address:
        yield address


def get(url):
    with urllib.request.urlopen(url, timeout=WAIT) as response:
        return response.read()


class Chatter:
    """A WebSocket client of the chat, which keeps what it did not look for."""

    def __init__(self, address, user):
        answer = json.loads(get(f"{address}negotiate?user={urllib.parse.quote(user)}"))
        assert answer["rooms"] == ["lobby", "garden", "kitchen"]
        self.user = user
        self._url = answer["url"]
        self._frames = []
        self._ids = itertools.count(1)

    def __enter__(self):
        self._connection = connect(self._url, subprotocols=[PROTOCOL], open_timeout=WAIT)
        self._socket = self._connection.__enter__()
        connected = self.find(type="system", event="connected")
        assert connected["userId"] == self.user
        assert self.send("joinGroup", group="lobby")["success"]
        return self

    def __exit__(self, *exception):
        self._connection.__exit__(*exception)

    def find(self, **fields):
        """Return the next frame that has these values; what comes before is kept for later."""
        for frame in self._frames:
            if fields.items() <= frame.items():
                self._frames.remove(frame)
                return frame
        while True:
            frame = json.loads(self._socket.recv(timeout=WAIT))
            if fields.items() <= frame.items():
                return frame
            self._frames.append(frame)

    def hears(self, room, data):
        return self.find(type="message", group=room, data=data)["from"] == "group"

    def send(self, kind, **fields):
        number = next(self._ids)
        self._socket.send(json.dumps({"type": kind, "ackId": number, **fields}))
        return self.find(type="ack", ackId=number)

    def say(self, data):
        return self.send("event", event="say", dataType="json", data=data)


def test_chat_serves_its_page(address):
    assert b"<title>Chat</title>" in get(address)


def test_chat_tells_a_room_who_comes_goes_and_is_there(address):
    with Chatter(address, "ann") as ann:
        assert ann.hears("lobby", {"people": ["ann"], "text": "ann is here"})
        with Chatter(address, "Zoë") as zoe:
            assert ann.hears("lobby", {"people": ["Zoë", "ann"], "text": "Zoë is here"})
            assert zoe.send("leaveGroup", group="lobby")["success"]
            assert ann.hears("lobby", {"people": ["ann"], "text": "Zoë left"})
            assert zoe.send("joinGroup", group="lobby")["success"]
            assert ann.hears("lobby", {"people": ["Zoë", "ann"], "text": "Zoë is here"})
        assert ann.hears("lobby", {"people": ["ann"], "text": "Zoë left"})


def test_chat_passes_on_what_is_said(address):
    with Chatter(address, "ann") as ann, Chatter(address, "bob") as bob:
        for text in ["hello", "<b>é</b>"]:
            assert ann.say({"room": "lobby", "text": text})["success"]
            assert ann.hears("lobby", {"user": "ann", "text": text})
            assert bob.hears("lobby", {"user": "ann", "text": text})


def test_chat_rooms_are_groups_a_client_may_join_and_leave(address):
    with Chatter(address, "ann") as ann, Chatter(address, "bob") as bob:
        assert bob.send("joinGroup", group="garden")["success"]
        assert ann.say({"room": "garden", "text": "anyone here?"})["success"]
        assert bob.hears("garden", {"user": "ann", "text": "anyone here?"})
        assert bob.send("joinGroup", group="elsewhere")["error"]["name"] == "Forbidden"
        assert bob.send("sendToGroup", group="garden", dataType="text", data="x")["error"]["name"] == "Forbidden"


@pytest.mark.parametrize(
    "data", [{"room": "elsewhere", "text": "x"}, {"room": "lobby", "text": ""}, {"room": 1}, "x", None]
)
def test_chat_refuses_what_makes_no_sense(address, data):
    with Chatter(address, "ann") as ann:
        if data is None:
            assert not ann.send("event", event="say", dataType="text", data="")["success"]
        else:
            assert not ann.say(data)["success"]


def test_chat_refuses_clients_without_its_protocol(address):
    from websockets.exceptions import InvalidStatus

    url = json.loads(get(f"{address}negotiate?user=ann"))["url"]
    with pytest.raises(InvalidStatus) as caught:
        connect(url, open_timeout=WAIT)
    assert caught.value.response.status_code == 400


def test_django_sample_answers():
    with running("django_app.py", "django", "waitress") as address:
        assert b"<title>Echo</title>" in get(address)
        with connect(json.loads(get(f"{address}negotiate?user=ada"))["url"], open_timeout=WAIT) as ada:
            ada.send("hello")
            assert ada.recv(timeout=WAIT) == "you said hello"


class Browser:
    """A page in headless Chromium, driven over the DevTools protocol."""

    def __init__(self, program, profile):
        self._process = subprocess.Popen(
            [
                *(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
                *("--disable-dev-shm-usage", f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ids = itertools.count(1)

    def __enter__(self):
        # Chromium names its port on standard error when it listens.
        found = queue.Queue()

        def read():
            for line in self._process.stderr:
                if line.startswith("DevTools listening on "):
                    found.put(line.split()[-1])

        self._reader = threading.Thread(target=read)
        self._reader.start()
        where = urllib.parse.urlsplit(found.get(timeout=3 * WAIT))
        (page,) = [each for each in json.loads(get(f"http://{where.netloc}/json")) if each["type"] == "page"]
        self._connection = connect(page["webSocketDebuggerUrl"], open_timeout=WAIT, max_size=None)
        self._socket = self._connection.__enter__()
        return self

    def __exit__(self, *exception):
        self._connection.__exit__(*exception)
        self._process.terminate()
        self._process.wait(WAIT)
        self._reader.join(WAIT)
        self._process.stderr.close()

    def call(self, method, **parameters):
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=WAIT))
            if answer.get("id") == number:
                return answer["result"]

    def open(self, url):
        self.call("Page.enable")
        self.call("Page.navigate", url=url)
        while json.loads(self._socket.recv(timeout=WAIT)).get("method") != "Page.loadEventFired":
            pass

    def run(self, script):
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def see(self, text):
        """Wait until the page shows a text."""
        shown = f"document.body.innerText.includes({json.dumps(text)})"
        return self.run(
            f"""new Promise((resolve, reject) => {{
                const check = () => {shown} && (observer.disconnect(), resolve(true));
                const observer = new MutationObserver(check);
                observer.observe(document.body, {{childList: true, subtree: true, characterData: true}});
                setTimeout(() => reject(new Error(document.body.innerText)), {WAIT * 900});
                check();
            }})"""
        )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    with Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def write(browser, text):
    browser.run(f"document.querySelector('#text').value = {json.dumps(text)}; say.requestSubmit()")


def test_chat_page_works_in_a_browser(browser):
    with running("chat_fastapi.py", "fastapi", "uvicorn") as address, Chatter(address, "ann") as ann:
        browser.open(address)
        assert browser.see("Enter")
        browser.open(f"{address}?user=Zo%C3%AB")
        assert browser.see("connected as Zoë")
        assert not browser.run("document.querySelector('#enter').checkVisibility()")
        assert ann.hears("lobby", {"people": ["Zoë", "ann"], "text": "Zoë is here"})
        assert browser.see("You are in lobby")
        assert ann.say({"room": "lobby", "text": "<i>hello</i> page"})["success"]
        assert browser.see("<i>hello</i> page")
        write(browser, "hello socket")
        assert ann.hears("lobby", {"user": "Zoë", "text": "hello socket"})
        browser.run(
            "[...document.querySelectorAll('#rooms button')].find((each) => each.textContent === 'garden').click()"
        )
        assert browser.see("You are in garden")
        assert ann.hears("lobby", {"people": ["ann"], "text": "Zoë left"})
        people = (
            "new Promise((done) => {const look = () => people.innerText === 'Zoë' ? done(true) : setTimeout(look, 10);"
        )
        assert browser.run(f"{people} look();}})")


def test_chat_page_loses_nothing_with_its_connection(browser):
    from azure.messaging.webpubsubservice.emulator import EventHandler, SocketFault, WebPubSubEmulator

    with WebPubSubEmulator() as emulator:
        connection_string = emulator.connection_string
        with (
            running("chat_fastapi.py", "fastapi", "uvicorn", WEBPUBSUB_CONNECTION_STRING=connection_string) as address,
        ):
            handler = EventHandler(
                f"{address}eventhandler", system_events=["connect"], group_presence_events=["joined", "left"]
            )
            emulator.add_event_handler("chat", handler)
            with Chatter(address, "ann") as ann:
                browser.open(f"{address}?user=bob")
                assert browser.see("bob is here")
                emulator.inject(SocketFault(user_id="bob", drop=True))
                assert browser.see("connection lost")
                write(browser, "said without a connection")
                assert ann.say({"room": "lobby", "text": "said meanwhile"})["success"]
                assert browser.see("connected as bob")
                assert browser.see("said meanwhile")
                assert ann.hears("lobby", {"user": "bob", "text": "said without a connection"})
                assert browser.see("said without a connection")
                sent = [send.text for send in emulator.record.sends]
                assert sum("said without a connection" in text for text in sent) == 1
                assert not any("bob left" in text for text in sent)
