"""The event loop of an emulator that has a thread of its own: nothing that runs in it can end it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def run_undisturbed(main: Coroutine[Any, Any, None], on_stray: Callable[[BaseException], None]) -> None:
    """Run a coroutine in a new event loop, as ``asyncio.run`` does, to its end.

    ``SystemExit`` and ``KeyboardInterrupt`` of another task stop a loop; here it goes on. An event handler in this
    process may have such tasks.

    :param main: The coroutine.
    :param on_stray: Called with what would have stopped the loop.
    """
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        task = loop.create_task(main)
        _complete(loop, task, on_stray)
        others = asyncio.all_tasks(loop)
        for each in others:
            each.cancel()
        if others:
            _complete(loop, loop.create_task(asyncio.wait(others)), on_stray)
        for closing in (loop.shutdown_asyncgens(), loop.shutdown_default_executor()):
            _complete(loop, loop.create_task(closing), on_stray)
        task.result()
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _complete(
    loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], on_stray: Callable[[BaseException], None]
) -> None:
    task.add_done_callback(lambda _: loop.stop())
    while not task.done():
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:  # noqa: PERF203 - one round is the rule
            on_stray(error)
