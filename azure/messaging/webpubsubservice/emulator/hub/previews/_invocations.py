"""Invocations (preview): a client calls its event handler and gets the answer, under an id of the client's own.

The handler sees an ordinary user event. What the service says of failures, of ids that are repeated and of handlers
that are at work when the client cancels is not documented: see docs/service-facts.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import _events as on
from .._connections import Connection
from .._frames import CancelInvocation, Invoke, InvokeResponse, Payload


class Invocations:
    """Who waits for the answer to which invocation."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[str]] = {}

    def invoke(self, connection: Connection, frame: Invoke) -> Iterator[on.Effect]:
        """Raise the event, unless the invocation is under way already."""
        if frame.event is None:
            text = "The emulator takes invocations of events, by JSON clients."
            yield on.Reply(connection.connection_id, InvokeResponse(frame.invocation_id, "BadRequest", text))
            return
        waiting = self._waiting.setdefault(connection.connection_id, set())
        if frame.invocation_id in waiting:
            return
        waiting.add(frame.invocation_id)
        payload = Payload("text", b"") if frame.payload is None else frame.payload
        yield on.RaiseEvent(connection.connection_id, frame.event, payload, invocation_id=frame.invocation_id)

    def cancel(self, connection: Connection, frame: CancelInvocation) -> Iterator[on.Effect]:
        """Let the answer be dropped when it comes."""
        self._take(connection.connection_id, frame.invocation_id)
        yield from ()

    def answer(self, connection: Connection, event: on.Handled) -> Iterator[on.Effect]:
        """Answer an invocation, if it is still waited for."""
        invocation_id = event.invocation_id
        if invocation_id is None or not self._take(connection.connection_id, invocation_id):
            return
        if event.failed:
            response = InvokeResponse(invocation_id, "InternalServerError", "Internal server error")
        else:
            response = InvokeResponse(invocation_id, payload=event.reply)
        yield on.Reply(connection.connection_id, response)

    def forget(self, connection: Connection) -> None:
        """Forget what a connection waits for."""
        self._waiting.pop(connection.connection_id, None)

    def _take(self, connection_id: str, invocation_id: str) -> bool:
        """Take an invocation out; return False if it was not there."""
        waiting = self._waiting.get(connection_id, set())
        if invocation_id not in waiting:
            return False
        waiting.discard(invocation_id)
        if not waiting:
            del self._waiting[connection_id]
        return True
