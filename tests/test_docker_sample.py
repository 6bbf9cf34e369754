"""What samples/docker says is run here without Docker: its commands, its environment, its health checks."""

import contextlib
import fnmatch
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from websockets.sync.client import connect

pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "samples" / "docker"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"]
WAIT = 20


def instructions():
    """The lines of each stage of the Dockerfile, continued lines as one."""
    stages = {}
    text = re.sub(r"\\\n\s*", " ", (FOLDER / "Dockerfile").read_text(encoding="utf-8"))
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()
            stages[name] = [("FROM", base)]
        elif word and not word.startswith("#"):
            stages[name].append((word, rest))
    return stages


STAGES = instructions()


def said(stage, word):
    return [rest for each, rest in STAGES[stage] if each == word]


def command(stage):
    """What a container of the stage runs: Python for ``python``, and modules for scripts."""
    argv = [part for word in ("ENTRYPOINT", "CMD") for rest in said(stage, word) for part in json.loads(rest)]
    return [sys.executable, *(argv[1:] if argv[0] == "python" else ["-m", *argv])]


def check_health(stage, port):
    """Run the health check of the stage, with the port that it has here."""
    (rest,) = said(stage, "HEALTHCHECK")
    inside = said(stage, "EXPOSE")[0]
    argv = json.loads(rest[rest.index("[") :])
    argv = [sys.executable, *(part.replace(f":{inside}/", f":{port}/") for part in argv[1:])]
    return subprocess.run(argv, timeout=WAIT, capture_output=True, text=True, check=False)


def environ(service, **changes):
    """The environment of a container, with other names for what has another name here."""
    inherited = {key: value for key, value in os.environ.items() if key != "WEBPUBSUB_CONNECTION_STRING"}
    image = dict(pair.split("=", 1) for rest in said(service, "ENV") for pair in rest.split())
    found = {**image, **COMPOSE[service].get("environment", {})}
    for old, new in changes.items():
        found = {key: value.replace(old.replace("__", ":"), new) for key, value in found.items()}
    return {**inherited, **found}


@contextlib.contextmanager
def running(argv, env, **kwargs):
    with subprocess.Popen(argv, env=env, stdout=-1, stderr=-2, text=True, **kwargs) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=WAIT)


def test_images_are_small_and_not_root_and_tell_their_health():
    for stage in ("emulator", "backend"):
        assert said(stage, "USER") == ["10001:10001"]
        assert said(stage, "HEALTHCHECK")
        assert COMPOSE[stage]["build"]["target"] == stage
        (port,) = COMPOSE[stage]["ports"]
        assert port == f"127.0.0.1:{said(stage, 'EXPOSE')[0]}:{said(stage, 'EXPOSE')[0]}"
    assert COMPOSE["backend"]["depends_on"] == {"emulator": {"condition": "service_healthy"}}
    bases = {said(stage, "FROM")[0] for stage in STAGES}
    assert bases - STAGES.keys() == {"python:3.13-slim"}


def test_what_is_copied_is_there_and_not_ignored():
    assert (FOLDER / COMPOSE["emulator"]["build"]["context"]).resolve() == ROOT
    assert (ROOT / COMPOSE["emulator"]["build"]["dockerfile"]) == FOLDER / "Dockerfile"
    first, *rest = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    allowed = [line[1:] for line in rest if line.startswith("!")]
    assert first == "*"
    copied = [rest.split()[:-1] for stage in STAGES for rest in said(stage, "COPY") if not rest.startswith("--from")]
    names = [name for each in copied for name in each]
    assert {"azure", "setup.py", "samples/docker/backend.py"} <= set(names)
    for name in names:
        assert (ROOT / name).exists(), name
        assert any(fnmatch.fnmatch(name, pattern) for pattern in allowed), name


def test_browser_chats_through_emulator_and_backend():
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        env = environ("emulator", backend__8000=place, **{"0.0.0.0__8080": "127.0.0.1:0"})
        emulator = stack.enter_context(running(command("emulator"), env))
        for line in iter(emulator.stdout.readline, ""):
            if found := re.match(r"ConnectionString: Endpoint=http://(.*?);", line):
                break
        here = found[1]
        assert check_health("emulator", here.rpartition(":")[2]).returncode == 0

        argv = [part for part in command("backend") if part not in ("--host", "0.0.0.0", "--port", "8000")]
        env = environ("backend", localhost__8080=here.replace("127.0.0.1", "localhost"), emulator__8080=here)
        env["PYTHONPATH"] = os.pathsep.join([str(FOLDER.parent), str(FOLDER)])
        fd = listener.fileno()
        backend = stack.enter_context(running([*argv, "--fd", str(fd)], env, pass_fds=[fd]))
        for line in iter(backend.stdout.readline, ""):
            if "Application startup complete" in line:
                break
        assert check_health("backend", place.rpartition(":")[2]).returncode == 0

        with urllib.request.urlopen(f"http://{place}/negotiate?user=ada", timeout=WAIT) as answer:
            url = json.load(answer)["url"]
        assert url.startswith(f"ws://{here.replace('127.0.0.1', 'localhost')}/client/hubs/chat?")
        page = stack.enter_context(
            connect(url, subprotocols=["json.reliable.webpubsub.azure.v1"], origin=f"http://{place}", proxy=None)
        )
        assert json.loads(page.recv(timeout=WAIT))["userId"] == "ada"
        page.send(json.dumps({"type": "joinGroup", "group": "lobby"}))
        assert json.loads(page.recv(timeout=WAIT))["data"] == {"people": ["ada"], "text": "ada is here"}
        said = {"type": "event", "event": "say", "dataType": "json", "data": {"room": "lobby", "text": "hello"}}
        page.send(json.dumps(said))
        assert json.loads(page.recv(timeout=WAIT))["data"] == {"user": "ada", "text": "hello"}
    # Health checks fail once there is nobody who answers.
    assert check_health("emulator", here.rpartition(":")[2]).returncode == 1
