"""What the hub asks of its previews: which frame goes to which, and what each has to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .. import _events as on
from .._connections import Connection
from .._frames import (
    Ack,
    CancelInvocation,
    EndStream,
    GroupState,
    Invoke,
    OpenStream,
    SetGroupState,
    Stream,
    StreamClosed,
    StreamData,
    SubscribeGroupState,
)
from ._group_states import GroupStates
from ._invocations import Invocations
from ._streams import Streams

if TYPE_CHECKING:
    from .._hub import Hub


class PreviewRules:
    """The previews of one hub.

    :param hub: The hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._invocations = Invocations()
        self._streams = Streams(hub)
        self._states = GroupStates(hub)
        self._rules: dict[type[Any], Callable[[Connection, Any], Iterator[on.Effect]]] = {
            Invoke: self._invocations.invoke,
            CancelInvocation: self._invocations.cancel,
            OpenStream: self._streams.open,
            StreamData: self._streams.feed,
            EndStream: self._streams.end,
            Stream: _refuse_stream,
            SetGroupState: self._states.put,
            SubscribeGroupState: self._states.subscribe,
            GroupState: _refuse_state,
        }

    @property
    def next_due(self) -> float | None:
        """When something is due, if anything; never too late."""
        return self._streams.next_due

    def received(self, connection: Connection, frame: Any) -> Iterator[on.Effect]:
        """Take a frame of a preview."""
        yield from self._rules[type(frame)](connection, frame)

    def handled(self, connection: Connection, event: on.Handled) -> Iterator[on.Effect]:
        """Take what came of an event that was invoked."""
        yield from self._invocations.answer(connection, event)

    def left(self, connection: Connection, group: str) -> Iterator[on.Effect]:
        """Learn that a connection is in a group no more."""
        yield from self._states.left(connection, group)

    def forget(self, connection: Connection) -> Iterator[on.Effect]:
        """Learn that a connection is over, and in no group any more."""
        self._invocations.forget(connection)
        yield from self._streams.forget(connection)

    def tick(self) -> Iterator[on.Effect]:
        """Let what is due happen."""
        yield from self._streams.tick()


def _refuse_stream(connection: Connection, frame: Stream) -> Iterator[on.Effect]:
    text = "The emulator has streams for JSON clients only."
    yield on.Reply(connection.connection_id, StreamClosed(frame.stream_id, "BadRequest", text))


def _refuse_state(connection: Connection, frame: GroupState) -> Iterator[on.Effect]:
    if frame.ack_id is not None:
        text = "The emulator has group state for JSON clients only."
        yield on.Reply(connection.connection_id, Ack(frame.ack_id, "BadRequest", text))
