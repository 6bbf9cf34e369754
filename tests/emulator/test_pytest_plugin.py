"""The pytest plugin, in a pytest of its own; async tests with each of the plugins that run them."""

import os
import re
import subprocess
import sys

import pytest

CONFTEST = 'pytest_plugins = ["azure.messaging.webpubsubservice.emulator.pytest_plugin"]\n'
INI = "[pytest]\nfilterwarnings = error\n"
TESTS = """
import http.client

def test_emulator_runs(webpubsub_emulator):
    connection = http.client.HTTPConnection("127.0.0.1", webpubsub_emulator.port, timeout=5)
    connection.request("HEAD", "/api/health")
    assert connection.getresponse().status == 200
    connection.close()
    webpubsub_emulator.clock.advance(10_000)
    webpubsub_emulator.add_event_handler("chat", handler)
    with webpubsub_emulator.connect("chat", "ada") as ada:
        ada.send_text("hi")
        assert ada.receive_text() == "you said hi"

def handler(method, headers, body):
    class Reply:
        status, headers = 200, {"Content-Type": "text/plain"}
    Reply.body = b"you said " + body
    return Reply

def test_emulator_is_as_new(webpubsub_emulator):
    import time
    assert abs(webpubsub_emulator.clock.now() - time.time()) < 60
    assert webpubsub_emulator.record.webhooks == ()
    with webpubsub_emulator.connect("chat", "ada", subprotocol="json.webpubsub.azure.v1") as ada:
        ada.send_json({"type": "event", "event": "e", "dataType": "text", "data": "x", "ackId": 1})
        assert ada.receive_json()["success"] is False

names = set()

def check_name(hub):
    assert hub not in names and hub[0].isalpha() and hub.replace("_", "").isalnum() and len(hub) <= 128
    names.add(hub)

def test_hub_one(webpubsub_hub): check_name(webpubsub_hub)
def test_hub_two(webpubsub_hub): check_name(webpubsub_hub)
"""
# The body of an async test: its own loop is the emulator's, and that of an event handler in this process.
BODY = """
import asyncio
import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

async def check(emulator, hub):
    loop = asyncio.get_running_loop()

    async def handler(method, headers, body):
        assert asyncio.get_running_loop() is loop
        class Reply:
            status, headers = 200, {"Content-Type": "text/plain"}
        Reply.body = b"you said " + body
        return Reply

    emulator.add_event_handler(hub, handler)
    async with (
        emulator.connect(hub, "ada", groups=["cats"]) as ada,
        WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub=hub) as service,
    ):
        await ada.send_text("hi")
        assert await ada.receive_text() == "you said hi"
        await service.send_to_group("cats", {"text": "a purr"})
        assert await ada.receive_json() == {"text": "a purr"}
"""
ASYNCIO = """
@pytest.mark.asyncio
async def test_loop_of_the_test(webpubsub_emulator_async, webpubsub_hub):
    await check(webpubsub_emulator_async, webpubsub_hub)

@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.asyncio(loop_scope="module")
async def test_loop_of_the_module(webpubsub_emulator_async, webpubsub_hub, number):
    await check(webpubsub_emulator_async, webpubsub_hub)
    assert len(webpubsub_emulator_async.record.sends) == 1

@pytest.mark.asyncio
async def test_emulator_in_its_thread(webpubsub_emulator, webpubsub_hub):
    async with webpubsub_emulator.connect(webpubsub_hub, "ada") as ada:
        assert ada.user_id == "ada"
"""
ASYNCIO_AUTO = """
async def test_without_a_mark(webpubsub_emulator_async, webpubsub_hub):
    await check(webpubsub_emulator_async, webpubsub_hub)
"""
ANYIO = """
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

async def test_loop_of_the_test(webpubsub_emulator_async, webpubsub_hub):
    await check(webpubsub_emulator_async, webpubsub_hub)

async def test_emulator_in_its_thread(webpubsub_emulator, webpubsub_hub):
    async with webpubsub_emulator.connect(webpubsub_hub, "ada") as ada:
        assert ada.user_id == "ada"
"""
TRIO = """
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_loop_of_trio(webpubsub_emulator_async):
    pass
"""
NOT_ASYNC = """
def test_not_async(webpubsub_emulator_async):
    pass
"""
# Without the plugins that a test has no use for, it takes a third of the time.
WITH_ASYNCIO = ["-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function"]
WITH_ANYIO = ["-p", "anyio.pytest_plugin"]


def run(folder, tests, *options):
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_it.py").write_text(tests, encoding="utf-8")
    (folder / "pytest.ini").write_text(INI, encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "."],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return found.returncode, found.stdout + found.stderr


# Each start of pytest takes half a second and more: what belongs to the same plugins runs in one.
def test_plugin_gives_its_fixtures_to_a_worker(tmp_path):
    status, printed = run(tmp_path, TESTS, "-p", "xdist.plugin", "-n", "1")
    assert status == 0, printed
    assert "4 passed" in printed


def test_plugin_gives_its_fixtures_and_the_loop_of_an_async_test(tmp_path):
    status, printed = run(tmp_path, TESTS + BODY + ASYNCIO + NOT_ASYNC, *WITH_ASYNCIO)
    assert status == 1, printed
    assert re.search(r"^8 passed, 1 error", printed, re.MULTILINE), printed
    assert "others take webpubsub_emulator" in printed


@pytest.mark.parametrize(
    ("tests", "options", "count"),
    [
        (ASYNCIO_AUTO, [*WITH_ASYNCIO, "--asyncio-mode=auto"], 1),
        (ANYIO, [*WITH_ANYIO, *WITH_ASYNCIO], 2),
    ],
    ids=["pytest-asyncio auto", "anyio beside pytest-asyncio"],
)
def test_emulator_runs_in_the_loop_of_an_async_test(tmp_path, tests, options, count):
    status, printed = run(tmp_path, BODY + tests, *options)
    assert status == 0, printed
    assert re.search(rf"^{count} passed", printed, re.MULTILINE), printed


def test_emulator_runs_in_the_loop_of_anyio_where_that_is_asyncio(tmp_path):
    status, printed = run(tmp_path, BODY + ANYIO + TRIO, *WITH_ANYIO)
    assert status == 1, printed
    assert re.search(r"^2 passed, 1 error", printed, re.MULTILINE), printed
    assert "let the fixture 'anyio_backend' return 'asyncio'" in printed
