"""``pytest --live`` says of each row of the fidelity table what a service does: proved with other processes."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import live_service
import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")

TESTS = Path(__file__).parent
KEY = "abcdefghijklmnopqrstuvwxyz0123456789"


@contextlib.contextmanager
def emulator(*arguments):
    """Run the emulator as a process of its own; gives its connection string."""
    command = ["-m", "azure.messaging.webpubsubservice.emulator", "--port", "0", "--access-key", KEY, *arguments]
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield next(line for line in process.stdout if line.startswith("ConnectionString: ")).split(": ")[1].strip()
        finally:
            process.terminate()
            process.communicate(timeout=20)


def live(*files, **environ):
    """Run ``pytest --live``; gives its exit status, and what it printed."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("WEBPUBSUB_CONNECTION_STRING", "CI")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--live", "-p", "no:cacheprovider", "-p", "no:xdist", *files],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=TESTS.parent,
        env={**inherited, **environ},
    )
    return done.returncode, done.stdout + done.stderr


def rows(printed):
    found = re.findall(r"^(same|different|not applicable)\s+(?:\d+ of \d+ +)?(.+)$", printed, re.MULTILINE)
    return {feature: verdict for verdict, feature in found}


def test_emulator_in_another_process_is_the_same_in_every_row_that_can_be_asked():
    with emulator() as connection_string:
        status, printed = live("tests/emulator", WEBPUBSUB_CONNECTION_STRING=connection_string)
    assert status == 0, printed
    found = rows(printed)
    assert "different" not in found.values()
    same = {feature for feature, verdict in found.items() if verdict == "same"}
    assert len(same) >= 30
    assert {"operations", "Entra ID tokens", "handshake", "simple clients", "acks", "permissions"} <= same
    assert found["clock"] == "not applicable"
    assert KEY not in printed


def test_planted_difference_is_found_in_its_row():
    with emulator("--accept-entra-tokens") as connection_string:
        status, printed = live("tests/emulator/test_emulator_rest.py", WEBPUBSUB_CONNECTION_STRING=connection_string)
    assert status == 1
    found = rows(printed)
    assert [feature for feature, verdict in found.items() if verdict == "different"] == ["Entra ID tokens"]
    assert found["operations"] == "same"


def test_without_a_connection_string_it_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("WEBPUBSUB_CONNECTION_STRING", raising=False)
    with pytest.raises(pytest.UsageError, match="WEBPUBSUB_CONNECTION_STRING"):  # which ends pytest
        live_service.connection_string()
