"""Fork, spawn, threads, gevent, uvloop, the end of the interpreter, limits of open files: fresh processes, bounded."""

import dataclasses
import multiprocessing
import operator
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from azure.core.credentials import AzureKeyCredential

import azure.messaging.webpubsubservice as package

ROOT = Path(package.__file__).parents[3]
WAIT = 60
KEY = AzureKeyCredential("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH")
HEAD = """
import asyncio, os, signal, sys, threading, time
from azure.core.credentials import AzureKeyCredential
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncClient
make = lambda kind, **options: kind(os.environ["ENDPOINT"], AzureKeyCredential("a-key"), hub="chat", **options)
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def fresh(code, url, before=""):
    """Run code in a process of its own, and return what it printed."""
    variables = {"ENDPOINT": url, **({} if ROOT.name == "site-packages" else {"PYTHONPATH": str(ROOT)})}
    run = subprocess.run(
        [sys.executable, "-c", before + HEAD + textwrap.dedent(code)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@needs_fork
@pytest.mark.parametrize("milliseconds", [0, 10, 60])
def test_child_forked_while_another_thread_makes_its_first_send_does_not_hang(recorder, milliseconds):
    said = fresh(
        f"""
        client = make(WebPubSubServiceClient)
        thread = threading.Thread(target=client.send_to_all, args=("from the thread",))
        thread.start()
        until = time.monotonic() + {milliseconds} / 1000
        while time.monotonic() < until:
            pass
        child = os.fork()
        if child == 0:
            client.send_to_all("from the child")
            os._exit(0)
        thread.join()
        signal.signal(signal.SIGALRM, lambda *_: os.kill(child, 9))
        signal.alarm(30)
        print(os.waitpid(child, 0) == (child, 0))
        """,
        recorder.url.replace("localhost", "127.0.0.1"),  # libc has locks of its own around names
    )
    assert said == "True\n"
    assert sorted(each.body for each in recorder.requests) == [b'"from the child"', b'"from the thread"']


def test_client_goes_to_a_spawned_process(connect, recorder):
    client = connect(recorder.url, KEY, hub="chat").client
    if type(client).__module__.endswith("aio._client"):
        pytest.skip("the other process has no event loop to send it with; it is pickled all the same")
    client.send_to_all("from here")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(operator.methodcaller("send_to_all", "from there"), (client,)) is None
    assert [each.body for each in recorder.requests] == [b'"from here"', b'"from there"']
    assert recorder.requests[0].connection != recorder.requests[1].connection


def test_client_is_part_of_a_dataclass_and_of_a_pydantic_model(connect, recorder):
    import pydantic

    client = connect(recorder.url, KEY, hub="chat")
    client.send_to_all("x")
    kind = type(client.client)

    @dataclasses.dataclass
    class Settings:
        client: object
        name: str = "n"

    class Model(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        client: kind

    copied = dataclasses.asdict(Settings(client.client))["client"]
    assert (type(copied), copied.endpoint, copied.hub) == (kind, client.endpoint, "chat")
    model = Model(client=client.client)
    assert model.client is client.client
    assert model.model_copy(deep=True).client.endpoint == client.endpoint
    assert "ABCDEFGHIJ" not in repr(model) + repr(Settings(client.client))


def test_member_and_tokens_are_types_that_frameworks_read():
    import pydantic

    class Model(pydantic.BaseModel):
        member: package.GroupMember
        token: package.ClientAccessToken
        kind: package.WebPubSubClientType

    made = Model(
        member=package.GroupMember(connection_id="c"),
        token={"baseUrl": "wss://h", "token": "t", "url": "wss://h?access_token=t"},
        kind="MQTT",
    )
    assert made.member == package.GroupMember(connection_id="c")
    assert made.kind is package.WebPubSubClientType.MQTT


@pytest.mark.own_transport("the limit is our transport's", colour="aio")
def test_more_threads_than_connections_wait_for_one_another(recorder):
    said = fresh(
        """
        client = make(WebPubSubServiceClient, max_connections=4)
        failed = []
        def send():
            try:
                for _ in range(5):
                    client.send_to_all("x")
            except Exception as error:
                failed.append(error)
        threads = [threading.Thread(target=send) for _ in range(24)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(failed)
        """,
        recorder.url,
    )
    assert said == "[]\n"
    assert len(recorder.requests) == 120
    assert len(recorder.connections) <= 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
@pytest.mark.parametrize("colour_name", ["sync", "aio"])
def test_burst_leaves_files_to_the_application(recorder, colour_name):
    send = {
        "sync": """
            from concurrent.futures import ThreadPoolExecutor
            client = make(WebPubSubServiceClient)
            with ThreadPoolExecutor(200) as pool:
                results = [pool.submit(client.send_to_all, "x") for _ in range(600)]
                open(os.devnull).close()
            print([each.exception() for each in results if each.exception()])
        """,
        "aio": """
            async def main():
                async with make(AsyncClient) as client:
                    results = asyncio.gather(*(client.send_to_all("x") for _ in range(600)), return_exceptions=True)
                    for _ in range(20):
                        await asyncio.sleep(0)
                        open(os.devnull).close()
                    print([each for each in await results if each is not None])
            asyncio.run(main())
        """,
    }[colour_name]
    limits = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))\n"
    assert fresh(send, recorder.url, before=limits) == "[]\n"
    assert len(recorder.requests) == 600
    assert len(recorder.connections) <= 100


def test_sends_of_greenlets(recorder):
    pytest.importorskip("gevent", reason="gevent is not installed")
    said = fresh(
        """
        client = make(WebPubSubServiceClient)
        gevent.joinall([gevent.spawn(client.send_to_all, number) for number in range(20)], raise_error=True)
        print("done")
        """,
        recorder.url,
        before="import gevent.monkey\ngevent.monkey.patch_all()\nimport gevent\n",
    )
    assert said == "done\n"
    assert sorted(int(each.body) for each in recorder.requests) == list(range(20))


def test_sends_on_uvloop(recorder):
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    said = fresh(
        """
        import uvloop
        async def main():
            async with make(AsyncClient) as client:
                await asyncio.gather(*(client.send_to_all(number) for number in range(20)))
            print(type(asyncio.get_running_loop()).__module__)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
        """
        if sys.version_info >= (3, 11)
        else """
        import uvloop
        uvloop.install()
        async def main():
            async with make(AsyncClient) as client:
                await asyncio.gather(*(client.send_to_all(number) for number in range(20)))
            print("uvloop")
        asyncio.run(main())
        """,
        recorder.url,
    )
    assert said == "uvloop\n"
    assert len(recorder.requests) == 20


def test_send_at_the_end_of_the_interpreter_is_done_or_is_an_error_of_azure_core(recorder):
    said = fresh(
        """
        import atexit
        from azure.core.exceptions import ServiceRequestError
        def last():
            make(WebPubSubServiceClient).send_to_all("bye")
            print("sent")
            async def main():
                async with make(AsyncClient, retry_total=0) as client:
                    try:
                        await client.send_to_all("bye")
                    except ServiceRequestError as error:
                        print("ServiceRequestError")
                    else:
                        print("sent")
            asyncio.run(main())
        atexit.register(last)
        async def before():
            await asyncio.get_running_loop().run_in_executor(None, print, "running")
        asyncio.run(before())
        """,
        recorder.url,
    )
    assert said in ("running\nsent\nServiceRequestError\n", "running\nsent\nsent\n")
