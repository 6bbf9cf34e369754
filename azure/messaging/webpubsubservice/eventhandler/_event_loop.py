"""The one event loop in which ``async def`` functions run where the server has none: under WSGI, and in ``handle``.

One for the process, in a thread of its own that begins when it is first needed. A client or a database pool that
belongs to an event loop so serves every event; and under gevent, where threads are greenlets of one system thread and
only one of them can run a loop, all of them hand their functions to it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Background:
    """The event loop and its thread, once there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None

    def begin(self) -> asyncio.AbstractEventLoop:
        """Return the event loop, which runs or is about to."""
        new = None
        with self._lock:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                self.thread = new = threading.Thread(
                    target=_serve, args=(self.loop,), name="webpubsub-event-handler", daemon=True
                )
            loop = self.loop
        # Not under the lock: a greenlet that waits for its thread must not keep the others from theirs.
        if new is not None:
            new.start()
        return loop


_background = _Background()


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine in the event loop, with the caller's context variables, and wait for its result.

    :raises RuntimeError: if called by a function that runs in that event loop: it would wait for itself
    """
    if threading.current_thread() is _background.thread:
        coroutine.close()
        raise RuntimeError("an 'async def' function of the handler must not call the handler and wait for it")
    result = asyncio.run_coroutine_threadsafe(coroutine, _background.begin())
    try:
        return result.result()
    except BaseException:
        result.cancel()
        raise


def is_running_elsewhere() -> bool:
    """Tell whether this thread runs an event loop that is not this one."""
    try:
        return asyncio.get_running_loop() is not _background.loop
    except RuntimeError:
        return False


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while True:
        try:
            loop.run_forever()
        except (KeyboardInterrupt, SystemExit):  # a task raised it; whoever waits for the task gets it too
            continue
        return


def _forget() -> None:
    global _background  # noqa: PLW0603 - the process has one
    _background = _Background()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)  # the thread stayed behind
