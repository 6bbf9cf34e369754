import asyncio
import gc
import threading
import tracemalloc

import pytest
from event_requests import KEY, connect_event, user_event

from azure.messaging.webpubsubservice.eventhandler import (
    EventErrorResponse,
    EventHandlerResponse,
    WebPubSubEventHandler,
)
from azure.messaging.webpubsubservice.eventhandler import _duplicates as duplicates


def counting(window=60, **options):
    handler = WebPubSubEventHandler(duplicate_window=window, access_key=KEY, **options)
    calls = []

    @handler.on_event
    def count(request):
        calls.append(request)
        return str(len(calls))

    return handler, calls


def test_repeated_event_gets_the_first_answer_and_does_not_run_again():
    handler, calls = counting()
    assert [handler.handle(*user_event()).body for _ in range(3)] == [b"1", b"1", b"1"]
    assert len(calls) == 1


def test_repeated_event_runs_again_unless_asked_otherwise():
    handler, _ = counting(window=0)
    assert [handler.handle(*user_event()).body for _ in range(2)] == [b"1", b"2"]


def test_events_of_another_id_connection_hub_or_session_are_not_repeated():
    handler, _ = counting()
    mqtt = {"ce_subprotocol": "mqtt"}
    requests = [
        user_event(),
        user_event(ce_id="2"),
        user_event(ce_connectionId="conn2"),
        user_event(ce_hub="other"),
        user_event(ce_physicalConnectionId="p1", **mqtt),
        user_event(ce_physicalConnectionId="p2", **mqtt),
        user_event(ce_id=None),
        user_event(ce_id=None),
        user_event(ce_hub="CHAT"),
    ]
    assert [handler.handle(*request).body for request in requests] == [b"%d" % n for n in (1, 2, 3, 4, 5, 6, 7, 8, 1)]


def test_repeated_rejection_is_a_rejection_again():
    handler = WebPubSubEventHandler(duplicate_window=60, access_key=KEY)
    replies = iter([EventErrorResponse(401, "no"), None])
    handler.on_connect(lambda event: next(replies))
    assert [handler.handle(*connect_event()).status for _ in range(2)] == [401, 401]


def test_failed_event_runs_again():
    handler = WebPubSubEventHandler(duplicate_window=60, access_key=KEY)
    replies = iter([ValueError("once"), "fine"])

    @handler.on_event
    def flaky(request):
        reply = next(replies)
        if isinstance(reply, Exception):
            raise reply
        return reply

    assert [handler.handle(*user_event()).status for _ in range(3)] == [500, 200, 200]


def test_event_repeated_while_it_runs_waits_for_the_answer():
    handler = WebPubSubEventHandler(duplicate_window=60, access_key=KEY)
    started, go = threading.Event(), threading.Event()
    answers = []

    @handler.on_event
    def slow(request):
        started.set()
        assert go.wait(10)
        return "once"

    threads = [threading.Thread(target=lambda: answers.append(handler.handle(*user_event()).body)) for _ in range(3)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    started.clear()
    go.set()
    for thread in threads:
        thread.join(10)
    assert answers == [b"once"] * 3
    assert not started.is_set()


def test_event_repeated_while_it_runs_waits_for_the_answer_async():
    handler = WebPubSubEventHandler(duplicate_window=60, access_key=KEY)
    calls = []

    async def main():
        go = asyncio.Event()

        @handler.on_event
        async def slow(request):
            calls.append(request)
            await go.wait()
            return "once"

        tasks = [asyncio.ensure_future(handler.handle_async(*user_event())) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        go.set()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    first, cancelled, third = asyncio.run(main())
    assert (first.body, third.body, len(calls)) == (b"once", b"once", 1)
    assert isinstance(cancelled, asyncio.CancelledError)


def test_event_whose_first_run_was_cancelled_runs_again():
    handler = WebPubSubEventHandler(duplicate_window=60, access_key=KEY)

    async def main():
        never = asyncio.Event()

        @handler.on_event
        async def slow(request):
            if not never.is_set():
                await never.wait()
            return "second"

        first = asyncio.ensure_future(handler.handle_async(*user_event()))
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(handler.handle_async(*user_event()))
        await asyncio.sleep(0)
        first.cancel()
        answer = await asyncio.wait_for(waiting, 10)
        never.set()
        return answer.status, (await handler.handle_async(*user_event())).body

    assert asyncio.run(main()) == (500, b"second")


def test_event_repeated_while_it_runs_is_500_when_the_answer_does_not_come(monkeypatch):
    monkeypatch.setattr(duplicates, "WAIT_SECONDS", 0)
    handler = WebPubSubEventHandler(duplicate_window=60, access_key=KEY)
    repeated = []

    @handler.on_event
    def repeats(request):
        repeated.append(handler.handle(*user_event()).status)
        repeated.append(asyncio.run(handler.handle_async(*user_event())).status)
        return "fine"

    assert handler.handle(*user_event()).body == b"fine"
    assert repeated == [500, 500]


def settle_new(recent, key, response):
    answer, is_mine = recent.claim(key)
    assert is_mine
    recent.settle(key, answer, response)


def test_recent_answers_are_dropped_when_the_window_is_over():
    now = [100.0]
    recent = duplicates.RecentAnswers(10, clock=lambda: now[0])
    settle_new(recent, "a", EventHandlerResponse(200))
    now[0] = 109.9
    assert not recent.claim("a")[1]
    now[0] = 110.0
    assert recent.claim("a")[1]


def test_recent_answers_never_exceed_their_number():
    recent = duplicates.RecentAnswers(10, clock=lambda: 0.0)
    for key in range(duplicates.MAX_EVENTS + 5):
        settle_new(recent, key, EventHandlerResponse(200))
    assert len(recent) == duplicates.MAX_EVENTS
    assert recent.claim(0)[1]
    assert not recent.claim(duplicates.MAX_EVENTS)[1]


def test_recent_answers_never_exceed_their_size():
    recent = duplicates.RecentAnswers(10, clock=lambda: 0.0)
    body = bytes(duplicates.MAX_BYTES // 4)
    for key in range(6):
        settle_new(recent, key, EventHandlerResponse(200, {}, body))
    assert len(recent) == 3
    settle_new(recent, "huge", EventHandlerResponse(200, {}, bytes(duplicates.MAX_BYTES + 1)))
    assert len(recent) == 0


def kept_memory(make, count, *, settle=True):
    """Return the bytes that so many events leave behind, measured and not counted."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        recent = duplicates.RecentAnswers(10, clock=lambda: 0.0)
        for number in range(count):
            key, response = make(number)
            answer, _ = recent.claim(key)
            if settle:
                recent.settle(key, answer, response)
            del key, response, answer
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before, len(recent)
    finally:
        tracemalloc.stop()


def text(number, size):
    return f"{number:08}" * (size // 8)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: (("chat", f"c{n}", None, "1"), EventHandlerResponse(204)),
        lambda n: (("chat", f"c{n}", None, "1"), EventHandlerResponse(200, {"a": "b"}, b"hello %d" % n)),
        lambda n: (("chat", f"c{n}", None, "1"), EventHandlerResponse(204, {"state": text(n, 8000)})),
        lambda n: (("chat", f"c{n}", None, text(n, 20_000)), EventHandlerResponse(204)),
        lambda n: ((text(n, 20_000), "c", text(n, 9000), "1"), EventHandlerResponse(204)),
    ],
    ids=["nothing", "short texts", "large states", "long event ids", "long names"],
)
def test_recent_answers_keep_no_more_memory_than_is_said(make, monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_BYTES", 2**19)
    memory, number = kept_memory(make, 1000)
    assert memory <= duplicates.MAX_BYTES
    assert number > 50


def test_events_under_way_keep_no_more_memory_than_is_said(monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_BYTES", 2**19)
    memory, number = kept_memory(lambda n: (("chat", f"c{n}", None, "1"), None), 1000, settle=False)
    assert memory <= duplicates.MAX_BYTES
    assert number > 200


def test_long_ids_are_told_apart():
    handler, _ = counting()
    ids = ["x" * 60_000 + end for end in "aba"]
    assert [handler.handle(*user_event(ce_id=each)).body for each in ids] == [b"1", b"2", b"1"]


def test_recent_answer_evicted_while_it_was_awaited_still_arrives():
    now = [0.0]
    recent = duplicates.RecentAnswers(10, clock=lambda: now[0])
    answer, _ = recent.claim("a")
    waiting, is_mine = recent.claim("a")
    assert not is_mine
    now[0] = 20.0
    recent.claim("b")
    recent.settle("a", answer, EventHandlerResponse(200))
    assert waiting.result(timeout=0).status == 200
    assert recent.claim("a")[1]
