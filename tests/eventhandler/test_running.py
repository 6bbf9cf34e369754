"""How functions are run, whatever they are and however they end; and the event loop of those without a server's."""

import asyncio
import contextvars
import os
import sys
import threading

import pytest
from event_requests import KEY, connected_event, user_event
from test_wsgi_app import call, environ

from azure.messaging.webpubsubservice.eventhandler import EventHandlerResponse, WebPubSubEventHandler
from azure.messaging.webpubsubservice.eventhandler import _event_loop as event_loop

FAILED = EventHandlerResponse(500)
OLD = sys.version_info < (3, 11)


def by_wsgi(handler):
    status, _, body = call(handler.wsgi_app, environ(b"hello", "5"))
    return EventHandlerResponse(int(status[:3]), {}, body)


WAYS = {
    "handle": lambda handler: handler.handle(*user_event()),
    "handle_async": lambda handler: asyncio.run(handler.handle_async(*user_event())),
    "wsgi_app": by_wsgi,
}
every_way = pytest.mark.parametrize("run", WAYS.values(), ids=WAYS)


def handler_of(function):
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_event(function)
    return handler


@every_way
@pytest.mark.parametrize(
    "error",
    [SystemExit(3), StopIteration(), StopAsyncIteration(), asyncio.CancelledError(), RecursionError(), ValueError()],
)
@pytest.mark.parametrize("colour", ["plain", "async", "awaitable"])
def test_function_that_raises_is_500_with_the_traceback_in_the_log(run, error, colour, caplog):
    async def raises_later(request):
        await asyncio.sleep(0)
        raise error

    def raises(request):
        raise error

    def returns_what_raises(request):
        return raises_later(request)

    if isinstance(error, asyncio.CancelledError) and run is WAYS["handle_async"] and colour != "plain" and OLD:
        pytest.skip("Python 3.10 cannot tell it from the request being cancelled")
    function = {"plain": raises, "async": raises_later, "awaitable": returns_what_raises}[colour]
    assert run(handler_of(function)) == FAILED
    (record,) = caplog.records
    assert "failed on the event 'message'" in record.getMessage()
    raised = record.exc_info[1]
    # A coroutine cannot raise the end of an iteration as it is: Python makes a RuntimeError of it.
    assert type(raised).__name__ == type(error).__name__ or isinstance(raised.__cause__, type(error))


@every_way
def test_function_that_waits_for_what_was_cancelled_is_500(run):
    if OLD and run is WAYS["handle_async"]:
        pytest.skip("Python 3.10 cannot tell it from the request being cancelled")

    async def waits(request):
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    assert run(handler_of(waits)) == FAILED


@pytest.mark.parametrize("run", [WAYS["handle"], WAYS["wsgi_app"]])
def test_what_ends_a_thread_from_outside_is_passed_on_and_ends_no_event_loop(run):
    async def interrupted(request):
        raise KeyboardInterrupt

    async def answers(request):
        return "still here"

    with pytest.raises(KeyboardInterrupt):
        run(handler_of(interrupted))
    assert run(handler_of(answers)).body == b"still here"


def test_cancelling_a_request_cancels_its_function():
    ended = []

    async def main():
        started = asyncio.Event()

        async def waits(request):
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        task = asyncio.ensure_future(handler_of(waits).handle_async(*user_event()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == [True]


def test_async_functions_of_all_threads_run_in_one_event_loop_at_the_same_time():
    everyone = threading.Barrier(4)
    loops = []
    arrived = []

    async def meets(request):
        loops.append(asyncio.get_running_loop())
        arrived.append(asyncio.Event())
        if len(arrived) == 4:
            for each in arrived:
                each.set()
        await arrived[-1].wait()
        return "met"

    handler = handler_of(meets)
    answers = []

    def ask():
        everyone.wait(10)
        answers.append(by_wsgi(handler).body)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == [b"met"] * 4
    assert len(set(loops)) == 1
    assert handler_of(meets).handle(*connected_event()).status == 200


def test_async_function_sees_the_context_variables_of_the_request():
    variable = contextvars.ContextVar("variable", default="unset")

    async def reads(request):
        await asyncio.sleep(0)
        return variable.get()

    token = variable.set("of the request")
    try:
        assert handler_of(reads).handle(*user_event()).body == b"of the request"
    finally:
        variable.reset(token)


def test_wsgi_app_runs_an_async_function_where_an_event_loop_is_running():
    async def answers(request):
        return "fine"

    async def main():
        return by_wsgi(handler_of(answers))

    assert asyncio.run(main()).body == b"fine"


def test_function_that_waits_for_its_own_handler_fails_and_does_not_hang(caplog):
    async def asks_itself(request):
        return by_wsgi(handler_of(plain_awaitable)).body

    async def answer():
        return "never"

    def plain_awaitable(request):
        result = answer()
        started.append(result)
        return result

    started = []
    assert handler_of(asks_itself).handle(*user_event()).status == 200
    assert "must not call the handler and wait for it" in caplog.text
    started[0].close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_process_begins_an_event_loop_of_its_own():
    async def answers(request):
        return "fine"

    handler = handler_of(answers)
    assert handler.handle(*user_event()).body == b"fine"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if handler.handle(*user_event()).body == b"fine" else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert event_loop._background.thread.is_alive()
