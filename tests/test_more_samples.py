"""Samples that serve a page, or are a folder, run copied into an empty directory, too."""

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

from websockets.sync.client import connect

SAMPLES = Path(__file__).parent.parent / "samples"
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("WEBPUBSUB_")}
WAIT = 30
# Importing every plugin that is installed here is half of the time that pytest takes.
QUICK = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@contextmanager
def page_server(folder):
    """Run browser.py, which is all there is in a folder; gives its process and its address."""
    shutil.copy(SAMPLES / "browser.py", folder)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "browser.py"],
        cwd=folder,
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


def test_browser_sample_sends_what_is_typed(tmp_path):
    with page_server(tmp_path) as (process, address):
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
    with page_server(tmp_path) as (process, address), Browser(program, tmp_path / "profile") as browser:
        browser.open(address)
        assert browser.see("connected")
        type_line(process, "hello <b>page</b>")
        assert browser.see("hello <b>page</b>")
        process.stdin.close()
        process.stdin = None
        assert browser.see("disconnected")


def run_in_copy(sample, folder, *arguments):
    """Run Python in a copy of a sample's folder; gives what it printed."""
    copy = shutil.copytree(SAMPLES / sample, folder / sample, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=2 * WAIT,
        env=ENVIRON | QUICK,
        check=False,
        cwd=copy,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


FOLDERS = {
    "testing_your_backend": (9, ("fastapi", "httpx2"), ("-p", "anyio")),
    "azure_functions": (2, ("azure.functions",), ()),
}


@pytest.mark.parametrize("sample", FOLDERS)
def test_tests_of_a_sample_pass_with_pytest(tmp_path, sample):
    passed, packages, plugins = FOLDERS[sample]
    for package in packages:
        pytest.importorskip(package, reason=f"{package} is not installed")
    command = f"python -m pytest samples/{sample}"
    assert any(command in path.read_text(encoding="utf-8") for path in (SAMPLES / sample).glob("test_*.py"))
    printed = run_in_copy(sample, tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins)
    assert re.search(rf"^{passed} passed", printed, re.MULTILINE), printed


def test_tests_of_a_sample_pass_with_unittest(tmp_path):
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    pytest.importorskip("httpx2", reason="httpx2, for FastAPI's TestClient, is not installed")
    printed = run_in_copy("testing_your_backend", tmp_path, "-m", "unittest")
    assert re.search(r"^Ran 2 tests .*\n\nOK$", printed, re.MULTILINE), printed
