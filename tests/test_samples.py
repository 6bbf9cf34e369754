"""Every sample that needs nothing but this library runs as it is, and prints what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

SAMPLES = Path(__file__).parent.parent / "samples"

RECEIVED = """\
ada received:
    json   from server      {'hello': 'everyone'}
    text   from group cats  hello cats
    json   from server      ['hello', "ada's connection"]
    text   from server      hello everyone
    binary from group cats  b'hello cats'
bob received:
    json   from server      {'hello': 'everyone'}
    binary from server      b'hello bob'
    text   from server      hello everyone
    json   from server      {'hello': 'bob'}
    text   from server      hello bob's connection
"""


def run(name, **environ):
    environ = {k: v for k, v in os.environ.items() if k != "WEBPUBSUB_CONNECTION_STRING"} | environ
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SAMPLES / name)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_quickstart_shows_what_each_client_received():
    assert run("quickstart.py").endswith(RECEIVED)


def test_quickstart_uses_the_service_of_the_connection_string():
    with WebPubSubEmulator() as emulator:
        output = run("quickstart.py", WEBPUBSUB_CONNECTION_STRING=emulator.connection_string)
        assert output.endswith(RECEIVED)
        assert len(emulator.record.sends) == 9


@pytest.mark.parametrize("name", ["send_messages.py", "send_messages_aio.py"])
def test_messages_are_accepted(name):
    output = run(name)
    assert "<HttpRequest [POST], url: '/api/hubs/default/:send?api-version=2024-12-01'>\n202 Accepted" in output
    assert "text/plain 202\napplication/octet-stream 202" in output
    assert re.match(r"<WebPubSubServiceClient endpoint:'http://127\.0\.0\.1:\d+'>", output)
