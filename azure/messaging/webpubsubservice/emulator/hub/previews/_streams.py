"""Streams (preview): a client sends numbered parts to a group, each acknowledged, until it ends the stream.

A stream belongs to its connection, also while that is lost and may be recovered: what the client sends again then is a
duplicate, which is acknowledged and not published.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import _events as on
from .._connections import Connection
from .._frames import (
    EndStream,
    Message,
    OpenStream,
    Payload,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamNack,
    StreamPart,
)

if TYPE_CHECKING:
    from .._hub import Hub

MAX_STREAMS = 100
_REMEMBERED = 100
_IDLE = "No data was received within the idle timeout of the stream."


@dataclass(slots=True)
class _Stream:
    """A stream that is open; ``expected`` is the number of its next part."""

    stream_id: str
    group: str
    no_echo: bool
    idle_seconds: float
    due: float
    expected: int = 1


class _Owner:
    """The streams of one connection: those that are open, and where the last of those that have ended did so."""

    __slots__ = ("ended", "open")

    def __init__(self) -> None:
        self.open: dict[str, _Stream] = {}
        self.ended: dict[str, int] = {}

    def close(self, stream: _Stream) -> None:
        del self.open[stream.stream_id]
        self.ended[stream.stream_id] = stream.expected
        if len(self.ended) > _REMEMBERED:
            del self.ended[next(iter(self.ended))]


class Streams:
    """The streams of one hub.

    :param hub: The hub.
    :ivar next_due: When a stream may be idle for too long; None if there is none.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._owners: dict[str, _Owner] = {}
        self.next_due: float | None = None

    def open(self, connection: Connection, frame: OpenStream) -> Iterator[on.Effect]:
        """Begin a stream."""
        owner = self._owners.get(connection.connection_id) or _Owner()
        stream = owner.open.get(frame.stream_id)
        if not connection.permissions.allows("sendToGroup", frame.group):
            yield _closed(connection, frame.stream_id, "Forbidden", _forbidden(frame.group))
        elif stream is not None and stream.group != frame.group:
            yield _closed(connection, frame.stream_id, "BadRequest", "There is a stream of this id to another group.")
        elif stream is None and len(owner.open) >= MAX_STREAMS:
            yield _closed(connection, frame.stream_id, "BadRequest", f"{MAX_STREAMS} streams are open already.")
        else:
            self._owners[connection.connection_id] = owner
            if stream is None:
                due = self._hub.now + frame.idle_seconds
                stream = _Stream(frame.stream_id, frame.group, frame.no_echo, frame.idle_seconds, due)
                owner.open[frame.stream_id] = stream
                owner.ended.pop(frame.stream_id, None)
                self.next_due = due if self.next_due is None else min(self.next_due, due)
            yield on.Reply(connection.connection_id, StreamAck(frame.stream_id, stream.expected))

    def feed(self, connection: Connection, frame: StreamData) -> Iterator[on.Effect]:
        """Publish a part, if it is the next one; keep the stream alive in any case."""
        owner, stream = self._find(connection, frame.stream_id)
        if owner is None or stream is None:
            yield self._not_there(connection, owner, frame)
            return
        stream.due = self._hub.now + stream.idle_seconds
        if not connection.permissions.allows("sendToGroup", stream.group):
            yield from self._break_off(connection, owner, stream, "Forbidden", _forbidden(stream.group))
        elif frame.sequence_id is None or frame.payload is None:
            return
        elif frame.sequence_id > stream.expected:
            text = f"The part {stream.expected} of the stream is expected, not {frame.sequence_id}."
            nack = StreamNack(stream.stream_id, stream.expected, "InvalidSequenceId", text)
            yield on.Reply(connection.connection_id, nack)
        else:
            if frame.sequence_id == stream.expected:
                part = StreamPart(stream.stream_id, stream.expected)
                stream.expected += 1
                yield from self._publish(connection, stream, frame.payload, part)
            yield on.Reply(connection.connection_id, StreamAck(stream.stream_id, stream.expected))

    def end(self, connection: Connection, frame: EndStream) -> Iterator[on.Effect]:
        """End a stream as its client wants it."""
        owner, stream = self._find(connection, frame.stream_id)
        if owner is None or stream is None:
            yield self._not_there(connection, owner, frame)
            return
        owner.close(stream)
        yield from self._finish(connection, stream, None if frame.error is None else ("UserError", *frame.error))
        yield on.Reply(connection.connection_id, StreamClosed(stream.stream_id))

    def forget(self, connection: Connection) -> Iterator[on.Effect]:
        """Break off the streams of a connection that is over."""
        owner = self._owners.pop(connection.connection_id, None)
        for stream in tuple(owner.open.values()) if owner else ():
            yield from self._finish(connection, stream, ("Cancelled", "The connection of the sender is over.", None))

    def tick(self) -> Iterator[on.Effect]:
        """End the streams that were idle for too long."""
        if self.next_due is None or self.next_due > self._hub.now:
            return
        for connection_id, owner in tuple(self._owners.items()):
            connection = self._hub.connections.get(connection_id)
            for stream in tuple(owner.open.values()) if connection else ():
                if connection is not None and stream.due <= self._hub.now:
                    yield from self._break_off(connection, owner, stream, "IdleTimeout", _IDLE)
        dues = [stream.due for owner in self._owners.values() for stream in owner.open.values()]
        self.next_due = min(dues, default=None)

    def _find(self, connection: Connection, stream_id: str) -> tuple[_Owner | None, _Stream | None]:
        owner = self._owners.get(connection.connection_id)
        return owner, None if owner is None else owner.open.get(stream_id)

    @staticmethod
    def _not_there(connection: Connection, owner: _Owner | None, frame: StreamData | EndStream) -> on.Reply:
        """Return the answer about a stream that is not open; what has been done already is no mistake."""
        ended = None if owner is None else owner.ended.get(frame.stream_id)
        number = frame.sequence_id if isinstance(frame, StreamData) else 0
        if ended is not None and number is not None and number < ended:
            return on.Reply(connection.connection_id, StreamClosed(frame.stream_id))
        return _closed(connection, frame.stream_id, "StreamNotFound", "There is no such stream.")

    def _break_off(
        self, connection: Connection, owner: _Owner, stream: _Stream, name: str, text: str
    ) -> Iterator[on.Effect]:
        owner.close(stream)
        yield from self._finish(connection, stream, (name, text, None))
        yield _closed(connection, stream.stream_id, name, text)

    def _finish(
        self, connection: Connection, stream: _Stream, error: tuple[str, str, str | None] | None
    ) -> Iterator[on.Effect]:
        """Tell the group that a stream is over, by an empty text: the official client drops what has no data."""
        part = StreamPart(stream.stream_id, stream.expected, ends=True, error=error)
        yield from self._publish(connection, stream, Payload("text", b""), part)

    def _publish(
        self, connection: Connection, stream: _Stream, payload: Payload, part: StreamPart
    ) -> Iterator[on.Effect]:
        excluded = frozenset([connection.connection_id]) if stream.no_echo else frozenset()
        # To clients that know nothing of streams, the end would be an empty message.
        matches = _knows_streams if part.ends else None
        receivers = self._hub.members.select(on.Audience(group=stream.group, excluded=excluded, matches=matches))
        message = Message(payload, stream.group, connection.user_id, preview=part)
        yield from self._hub.deliver(message, receivers, None)


def _knows_streams(connection: Connection) -> bool:
    return (connection.protocol or "").startswith("json.")


def _forbidden(group: str) -> str:
    return f"The client does not have permission to send to group '{group}'."


def _closed(connection: Connection, stream_id: str, name: str, text: str) -> on.Reply:
    return on.Reply(connection.connection_id, StreamClosed(stream_id, name, text))
