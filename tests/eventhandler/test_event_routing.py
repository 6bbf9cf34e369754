import asyncio
import functools
import logging
import threading

import pytest
from event_requests import KEY, connect_event, connected_event, disconnected_event, user_event

from azure.messaging.webpubsubservice.eventhandler import EventHandlerResponse, WebPubSubEventHandler


def ways():
    """Both ways to hand a request to a handler."""
    return [
        pytest.param(lambda handler, request: handler.handle(*request), id="handle"),
        pytest.param(lambda handler, request: asyncio.run(handler.handle_async(*request)), id="handle_async"),
    ]


both_ways = pytest.mark.parametrize("run", ways())


@both_ways
def test_each_event_reaches_its_own_function(run):
    handler = WebPubSubEventHandler("chat", access_key=KEY)
    seen = []

    @handler.on_connect
    def connect(request):
        seen.append("connect")

    @handler.on_connected
    async def connected(request):
        seen.append("connected")

    @handler.on_event("greet")
    async def greet(request):
        seen.append("greet")
        return "hi"

    @handler.on_event()
    def rest(request):
        seen.append(f"rest:{request.event_name}")

    @handler.on_disconnected
    def disconnected(request):
        seen.append(f"disconnected:{request.reason}")

    requests = [
        connect_event(),
        connected_event(),
        user_event(name="greet"),
        user_event(name="Greet"),
        disconnected_event(),
    ]
    assert [run(handler, request).status for request in requests] == [204, 200, 200, 204, 200]
    assert seen == ["connect", "connected", "greet", "rest:Greet", "disconnected:gone"]


@both_ways
def test_user_event_without_a_function_of_its_name_is_unhandled(run):
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_event("a")(lambda event: "a")
    assert run(handler, user_event(name="b")) == EventHandlerResponse(200)


def test_user_event_named_like_a_system_event_is_a_user_event():
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_connect(lambda event: pytest.fail("not a system event"))
    handler.on_event("connect")(lambda event: "user")
    assert handler.handle(*user_event(name="connect")).body == b"user"


def test_decorators_return_the_function_they_take():
    handler = WebPubSubEventHandler(access_key=KEY)

    def function(request):
        return None

    assert handler.on_connect(function) is function
    assert handler.on_connected(function) is function
    assert handler.on_disconnected(function) is function
    assert handler.on_event(function) is function
    assert handler.on_event("a")(function) is function


def test_second_function_for_an_event_is_an_error():
    handler = WebPubSubEventHandler(access_key=KEY)

    def function(request):
        return None

    handler.on_connect(function)
    handler.on_event(function)
    handler.on_event("a")(function)
    for register in (handler.on_connect, handler.on_event, handler.on_event(), handler.on_event("a")):
        with pytest.raises(ValueError, match=r"has a function already: test_second.*function"):
            register(function)


def test_what_is_no_function_cannot_be_registered():
    with pytest.raises(TypeError, match="on_connect takes a function, not str"):
        WebPubSubEventHandler(access_key=KEY).on_connect("connect")
    with pytest.raises(ValueError, match="name must not be empty"):
        WebPubSubEventHandler(access_key=KEY).on_event("")


@both_ways
def test_handler_for_one_hub_refuses_the_others(run):
    handler = WebPubSubEventHandler("Chat", access_key=KEY)
    assert run(handler, user_event(ce_hub="cHAT")).status == 200
    response = run(handler, user_event(ce_hub="other"))
    assert (response.status, response.body) == (400, b"this handler serves another hub")


def test_handler_for_all_hubs_tells_which_it_is():
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_event(lambda event: event.hub)
    assert [handler.handle(*user_event(ce_hub=hub)).body for hub in ("a", "b")] == [b"a", b"b"]


class AsyncCallable:
    async def __call__(self, request):
        return "async object"


async def awaited(prefix, request):
    return prefix + request.data


@both_ways
@pytest.mark.parametrize(
    ("function", "body"),
    [
        (lambda request: request.data, b"hello"),
        (AsyncCallable(), b"async object"),
        (functools.partial(awaited, "> "), b"> hello"),
        (lambda request: awaited("! ", request), b"! hello"),
    ],
)
def test_functions_of_every_colour_are_answered(run, function, body):
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_event(function)
    assert run(handler, user_event()).body == body


@both_ways
def test_function_that_raises_is_500_without_detail_and_a_log_record_with_it(run, caplog):
    handler = WebPubSubEventHandler(access_key=KEY)

    @handler.on_event
    def fails(request):
        raise RuntimeError("the detail")

    @handler.on_connect
    async def fails_later(request):
        await asyncio.sleep(0)
        raise RuntimeError("another detail")

    with caplog.at_level(logging.ERROR):
        assert run(handler, user_event()) == EventHandlerResponse(500, {}, b"")
        assert run(handler, connect_event()) == EventHandlerResponse(500, {}, b"")
    first, second = caplog.records
    assert first.name == "azure.messaging.webpubsubservice.eventhandler"
    assert first.getMessage().endswith("fails failed on the event 'message'.")
    assert first.exc_info[1].args == ("the detail",)
    assert second.exc_info[1].args == ("another detail",)


def test_handle_in_a_running_loop_says_what_to_call_instead():
    handler = WebPubSubEventHandler(access_key=KEY)
    handler.on_event(AsyncCallable())
    handler.on_connected(lambda event: None)

    async def main():
        assert handler.handle(*connected_event()).status == 200
        with pytest.raises(RuntimeError, match=r"use 'await handler\.handle_async"):
            handler.handle(*user_event())

    asyncio.run(main())


def test_plain_function_does_not_hold_up_the_event_loop():
    handler = WebPubSubEventHandler(access_key=KEY)
    loop_ran = threading.Event()

    @handler.on_event
    def waits(request):
        return "free" if loop_ran.wait(10) else "blocked"

    async def main():
        asyncio.get_running_loop().call_soon(loop_ran.set)
        return await handler.handle_async(*user_event())

    assert asyncio.run(main()).body == b"free"
