"""Clients that are forked, pickled, forgotten, closed, cancelled and interrupted leave nothing behind."""

import asyncio
import contextlib
import copy
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import warnings

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest
from local_servers import ACCEPTED, TIMEOUT, HttpServer, SocketServer, answer, read_request

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncClient

KEY = AzureKeyCredential("a-key")
MESSAGE = HttpRequest("POST", "/api/hubs/chat/:send", content=b"hello")


def open_sockets():
    """Count this process's sockets."""
    gc.collect()
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts sockets in /proc")


def run_python(code, **variables):
    """Run code in an interpreter that takes any warning for an error and shows what it forgot."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(code)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# Forks


def send_in_child(client, results):
    try:
        client.send_to_all("from the child")
        results.put(None)
    except BaseException as error:
        results.put(repr(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_client_used_before_a_fork_works_on_both_sides_on_connections_of_its_own(recorder):
    with WebPubSubServiceClient(recorder.url, KEY, hub="chat") as client:
        client.send_to_all("before")
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, which the test's server has
            children = [context.Process(target=send_in_child, args=(client, results)) for _ in range(2)]
            for child in children:
                child.start()
        for _ in children:
            assert results.get(timeout=TIMEOUT) is None
        for child in children:
            child.join(TIMEOUT)
            assert child.exitcode == 0
        results.close()
        results.join_thread()
        client.send_to_all("after")
    used = [(each.body.decode().strip('"'), each.connection) for each in recorder.requests]
    assert [text for text, _ in used if text == "from the child"] == ["from the child"] * 2
    assert len({connection for _, connection in used}) == 3
    assert dict(used)["before"] == dict(used)["after"]


# Pickling


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda client: pickle.loads(pickle.dumps(client))])
def test_copy_of_a_client_in_use_sends_by_connections_of_its_own(way, connect, colour, recorder):
    client = connect(recorder.url, AzureKeyCredential("canary-key"), hub="chat", transport=None)
    client.send_to_all("hello")
    copied = way(client.client)
    colour.run(copied.send_to_all("hello"))
    client.close()
    colour.run(copied.send_to_all("hello"))
    colour.run(copied.close())
    assert len(recorder.requests) == 3
    assert len(recorder.connections) == 2


def test_copy_of_a_client_shares_its_credential(connect, recorder):
    credential = AzureKeyCredential("old-key")
    client = connect(recorder.url, credential, hub="chat").client
    for copied in (copy.copy(client), copy.deepcopy(client)):
        assert copied._config.credential is credential


# The end of the interpreter


@pytest.mark.parametrize("how", ["keeps", "forgets", "closes"])
@pytest.mark.parametrize("colour_name", ["sync", "aio"])
def test_interpreter_ends_without_a_word(how, colour_name, request, recorder):
    code = f"""
        import asyncio, os
        from azure.core.credentials import AzureKeyCredential
        from azure.messaging.webpubsubservice{".aio" if colour_name == "aio" else ""} import WebPubSubServiceClient

        client = WebPubSubServiceClient(os.environ["ENDPOINT"], AzureKeyCredential("a-key"), hub="chat")

        async def main():
            await client.send_to_all("hello")
            {"await client.close()" if how == "closes" else "pass"}

        if {colour_name == "aio"}:
            asyncio.run(main())
        else:
            client.send_to_all("hello")
            {"client.close()" if how == "closes" else "pass"}
        {"del client" if how == "forgets" else "pass"}
        print("done")
    """
    outcome = run_python(code, ENDPOINT=recorder.url)
    assert outcome.stdout == "done\n", outcome.stderr
    assert outcome.returncode == 0
    # asyncio's debug mode tells of the first request, which imports azure-core.
    said = [line for line in outcome.stderr.splitlines() if not line.startswith("Executing <Task")]
    assert said == []
    assert len(recorder.requests) == 1


def test_client_that_never_sent_needs_no_closing():
    code = """
        from azure.core.credentials import AzureKeyCredential
        from azure.messaging.webpubsubservice import WebPubSubServiceClient
        from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as Async

        classes = (WebPubSubServiceClient, Async)
        kept = [each("https://name", AzureKeyCredential("a-key"), hub="chat") for each in classes]
        print(kept[0].get_client_access_token()["baseUrl"])
    """
    outcome = run_python(code)
    assert (outcome.stdout, outcome.stderr) == ("wss://name/client/hubs/chat\n", "")


# Closing


@needs_proc
def test_closing_closes_every_connection_and_closing_again_does_nothing(connect, recorder):
    before = open_sockets()
    client = connect(recorder.url, KEY, hub="chat")
    client.send_to_all("hello")
    client.close()
    client.close()
    recorder.drop_connections()
    assert open_sockets() <= before + 1  # the server's end may still be listed


def test_closed_client_says_so_and_sends_nothing(colour, connect, recorder):
    client = connect(recorder.url, KEY, hub="chat")
    client.close()
    for act in (
        lambda: client.send_to_all("hello"),
        lambda: client.send_request(MESSAGE),
        lambda: list(client.list_connections("room")),
        client.get_service_status,
        lambda: client.__enter__() if colour.name == "sync" else client.__aenter__(),
    ):
        with pytest.raises(RuntimeError, match="this client is closed and sends nothing any more"):
            act()
    assert client.get_client_access_token()["url"].startswith("ws://localhost")
    assert recorder.requests == []


def test_closing_while_another_thread_sends_lets_it_end(recorder):
    arrived, go_on = threading.Event(), threading.Event()

    def respond(request):
        arrived.set()
        go_on.wait(TIMEOUT)
        return ACCEPTED

    recorder.respond = respond
    client = WebPubSubServiceClient(recorder.url, KEY, hub="chat")
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(client.send_to_all("hello")))
    thread.start()
    assert arrived.wait(TIMEOUT)
    client.close()
    go_on.set()
    thread.join(TIMEOUT)
    assert outcome == [None]


def test_transport_of_the_callers_own_works(recorder):
    with (
        RequestsTransport() as transport,
        WebPubSubServiceClient(recorder.url, KEY, hub="chat", transport=transport) as client,
    ):
        client.send_to_all("hello")
    assert len(recorder.requests) == 1


# Cancelling


async def step_and_cancel(make, steps):
    """Run a coroutine for so many steps of the loop, then cancel it; say whether it had ended before."""
    task = asyncio.ensure_future(make())
    for _ in range(steps):
        if task.done():
            break
        await asyncio.sleep(0)
    ended = task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, HttpResponseError):
        await task
    return ended


@needs_proc
@pytest.mark.parametrize("reply", ["ok", "retry"])
def test_send_that_is_cancelled_at_any_step_leaves_nothing_behind(reply):
    async def main():
        leaks = []

        def note(_, context):
            leaks.append(context)

        asyncio.get_running_loop().set_exception_handler(note)
        with HttpServer(ACCEPTED if reply == "ok" else answer("429 Too Many", Retry_After="0")) as server:
            # By number, for a look-up of a name goes on in its thread.
            endpoint = server.url.replace("localhost", "127.0.0.1")
            async with AsyncClient(endpoint, KEY, hub="chat", retry_status=2) as client:
                ended, steps = 0, 0
                while ended < 3:
                    ended += await step_and_cancel(lambda: client.send_to_all("hello"), steps)
                    assert len(asyncio.all_tasks()) == 1
                    steps += 1
                    assert steps < 20_000
                with contextlib.suppress(Exception):
                    await client.send_to_all("the client works as before")
                assert server.requests[-1].body == b'"the client works as before"'
        assert leaks == []
        return steps

    before = open_sockets()
    assert asyncio.run(main()) > 5
    assert open_sockets() == before


@needs_proc
def test_send_that_is_cancelled_while_it_waits_for_an_answer_closes_its_connection():
    async def main():
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        gone = asyncio.Event()

        def serve(connection, number):
            with connection.makefile("rb") as reader:
                read_request(reader)
                loop.call_soon_threadsafe(arrived.set)
                assert reader.read(1) == b""
            loop.call_soon_threadsafe(gone.set)

        with SocketServer(serve) as server:
            async with AsyncClient(server.url, KEY, hub="chat") as client:
                task = asyncio.ensure_future(client.send_to_all("hello"))
                await asyncio.wait_for(arrived.wait(), TIMEOUT)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await asyncio.wait_for(gone.wait(), TIMEOUT)

    before = open_sockets()
    asyncio.run(main())
    assert open_sockets() == before


def test_cancelling_while_waiting_for_the_next_attempt_ends_at_once():
    async def main():
        with HttpServer(answer("429 Too Many", Retry_After="25")) as server:
            async with AsyncClient(server.url, KEY, hub="chat") as client:
                answered = asyncio.Event()
                task = asyncio.ensure_future(client.send_to_all("hello", raw_response_hook=lambda _: answered.set()))
                await asyncio.wait_for(answered.wait(), TIMEOUT)
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asyncio.wait_for(task, 2)
        assert len(server.requests) == 1

    asyncio.run(main())


def test_request_that_is_not_awaited_warns_as_any_coroutine_does():
    async def main():
        async with AsyncClient("http://localhost:1", KEY, hub="chat") as client:
            with pytest.warns(RuntimeWarning, match="was never awaited"):
                client.send_request(MESSAGE)

    asyncio.run(main())


# Interrupts


@needs_proc
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer signal")
def test_interrupted_send_closes_its_connection_and_leaves_a_working_client():
    gone = threading.Event()
    requests = []

    def serve(connection, number):
        with connection.makefile("rb") as reader:
            requests.append(read_request(reader).body)
            if len(requests) > 1:
                connection.sendall(ACCEPTED)
                return
            os.kill(os.getpid(), signal.SIGALRM)  # the main thread is, or will soon be, waiting for the answer
            assert reader.read(1) == b""
            gone.set()

    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    before = open_sockets()
    try:
        with SocketServer(serve) as server, WebPubSubServiceClient(server.url, KEY, hub="chat") as client:
            with pytest.raises(KeyboardInterrupt):
                client.send_to_all("first")
            assert gone.wait(TIMEOUT)
            client.send_to_all("second")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert requests == [b'"first"', b'"second"']
    assert open_sockets() == before


# Event loops


def test_second_event_loop_is_refused_clearly(recorder):
    client = AsyncClient(recorder.url, KEY, hub="chat")

    async def send():
        await client.send_to_all("hello")

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.run_until_complete(send())
    with pytest.raises(RuntimeError, match="make a client for each event loop"):
        second.run_until_complete(send())
    first.run_until_complete(client.close())
    first.run_until_complete(client.close())
    first.close()
    second.close()
    assert len(recorder.requests) == 1


def test_closing_in_another_event_loop_is_refused_and_can_be_done_in_the_right_one(recorder):
    client = AsyncClient(recorder.url, KEY, hub="chat")

    async def send():
        await client.send_to_all("hello")

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.run_until_complete(send())
    transport = client._transport
    with pytest.raises(RuntimeError, match="make a client for each event loop"):
        second.run_until_complete(client.close())
    first.run_until_complete(client.close())
    closed = transport._session.closed
    first.run_until_complete(transport.close())
    first.close()
    second.close()
    assert closed


def test_client_made_outside_of_a_loop_works_in_the_first_that_uses_it(recorder):
    client = AsyncClient(recorder.url, KEY, hub="chat")

    async def main():
        async with client:
            await client.send_to_all("hello")

    asyncio.run(main())
    assert len(recorder.requests) == 1
