"""How a function of the caller's is run, and what its end becomes: a reply is a response, an error 500 and a log line.

In two steps, as ``handle`` and ``handle_async`` differ only in where they wait: `begin` calls the function, `finish`
and `finish_here` wait for what an ``async def`` one returned. No error of a function's leaves this file.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Awaitable
from typing import Any, NamedTuple

from ._answers import answer, is_notification
from ._events import ConnectRequest, EventRequest
from ._replies import ConnectResponse, EventHandlerResponse
from ._routing import Function, function_name

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.eventhandler")
FAILED = EventHandlerResponse(500)


class Call(NamedTuple):
    """A function that is to be run, and the event it gets."""

    event: EventRequest
    function: Function
    is_async: bool

    @property
    def key(self) -> tuple[str | None, ...] | None:
        """What makes two deliveries the same event, or None if nothing does."""
        context = self.event.context
        if context.event_id is None:
            return None
        physical = context.mqtt.physical_connection_id if context.mqtt else None
        return context.hub.lower(), context.connection_id, physical, context.event_id


def new_call(event: EventRequest, function: Function) -> Call:
    """Return the call of a function, plain or ``async def``."""
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    return Call(event, function, is_async)


def begin(call: Call) -> EventHandlerResponse | Awaitable[Any]:
    """Call the function; return the response, or what has to be awaited for the reply."""
    try:
        reply = call.function(call.event)
        return reply if inspect.isawaitable(reply) else _respond(call, reply)
    except BaseException as error:
        if not _is_failure(error):
            raise
        return failure(call)


async def finish(call: Call, reply: Awaitable[Any]) -> EventHandlerResponse:
    """Await the reply, and return the response."""
    try:
        return _respond(call, await reply)
    except BaseException as error:
        if not _is_failure(error) or _is_cancelled(error):
            raise
        return failure(call)


def finish_here(call: Call, reply: Awaitable[Any]) -> EventHandlerResponse:
    """Do what `finish` does, and wait for it in this thread."""
    from . import _event_loop

    try:
        return _event_loop.run(finish(call, reply))
    except Exception:
        return failure(call)


def failure(call: Call) -> EventHandlerResponse:
    """Log the error that is being handled, and return what the service is told of it."""
    _LOGGER.exception("%s failed on the event %r.", function_name(call.function), call.event.event_name)
    return FAILED


def _respond(call: Call, reply: object) -> EventHandlerResponse:
    event = call.event
    response = answer(event, reply)
    if is_notification(event) and reply is not None:
        _LOGGER.warning(
            "%s returned %s for the event %r, which takes no reply: it is left out.",
            function_name(call.function),
            type(reply).__name__,
            event.event_name,
        )
    if isinstance(event, ConnectRequest) and isinstance(reply, ConnectResponse):
        chosen = reply.subprotocol
        if chosen is not None and chosen not in event.subprotocols:
            _LOGGER.warning("on_connect chose the subprotocol %r, which the client did not offer.", chosen)
    return response


def _is_failure(error: BaseException) -> bool:
    """Tell what a function may raise from what others end it with: ctrl-C, a greenlet's or a generator's end."""
    if isinstance(error, (Exception, SystemExit)):
        return True
    # Nothing can be cancelled before asyncio is loaded, and loading it would cost more than everything else here.
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def _is_cancelled(error: BaseException) -> bool:
    """Tell whether it is this task that is cancelled, and not something that the function waited for."""
    import asyncio

    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    # Python 3.10 cannot tell; there, that a task is cancelled must not get lost.
    cancelling = getattr(task, "cancelling", None)
    return cancelling is None or bool(cancelling())
