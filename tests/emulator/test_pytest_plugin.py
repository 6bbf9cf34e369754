"""The pytest plugin, in a pytest of its own."""

import os
import subprocess
import sys

import pytest

SUITE = """
import http.client
import pytest

pytest_plugins = ["azure.messaging.webpubsubservice.emulator.pytest_plugin"]
"""
TESTS = """
import http.client

def test_emulator_runs(webpubsub_emulator):
    connection = http.client.HTTPConnection("127.0.0.1", webpubsub_emulator.port, timeout=5)
    connection.request("HEAD", "/api/health")
    assert connection.getresponse().status == 200
    connection.close()
    webpubsub_emulator.clock.advance(10_000)

def test_emulator_is_as_new(webpubsub_emulator):
    import time
    assert abs(webpubsub_emulator.clock.now() - time.time()) < 60

names = set()

def check(hub):
    assert hub not in names and hub[0].isalpha() and hub.replace("_", "").isalnum() and len(hub) <= 128
    names.add(hub)

def test_hub_one(webpubsub_hub): check(webpubsub_hub)
def test_hub_two(webpubsub_hub): check(webpubsub_hub)
"""


@pytest.mark.parametrize("options", [[], ["-p", "xdist.plugin", "-n", "2"]], ids=["alone", "xdist"])
def test_plugin_gives_its_fixtures(tmp_path, options):
    (tmp_path / "conftest.py").write_text(SUITE, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "."]
    # Without the plugins this test has no use for, it takes a third of the time.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    found = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "4 passed" in found.stdout
