"""Messages of QoS 1 and 2 on their way to one client: numbered, bounded by what it takes, sent again after a loss.

Pure: it says what has to be sent now, and is told what the client has acknowledged.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from .._connections import BUFFERED_BYTES, BUFFERED_MESSAGES
from ._packets import Publish, PubRel

_MAX_ID = 65535
_OVERHEAD = 100  # of a message or a property, about


@dataclass(slots=True)
class _Kept:
    """A message that the client has not acknowledged; ``released`` once it has said that it got a message at QoS 2."""

    packet: Publish
    expires: float | None
    size: int
    released: bool = False


class Outbox:
    """What one client is still to get.

    :param int receive_maximum: Messages that may be under way to it at once.
    """

    __slots__ = ("_next", "_queue", "_size", "_under_way", "receive_maximum")

    def __init__(self, receive_maximum: int) -> None:
        self.receive_maximum: int = receive_maximum
        self._under_way: dict[int, _Kept] = {}
        self._queue: deque[_Kept] = deque()
        self._size = 0
        self._next = 1

    @property
    def is_overfull(self) -> bool:
        """Whether the client is too far behind to go on: over 1,000 messages or 16 MB, as for reliable clients."""
        return len(self._under_way) + len(self._queue) > BUFFERED_MESSAGES or self._size > BUFFERED_BYTES

    def offer(self, packet: Publish, expires: float | None, *, is_online: bool) -> int | None:
        """Keep a message; return the packet identifier under which it has to be sent now, None if it has to wait."""
        kept = _Kept(packet, expires, _size_of(packet))
        self._size += kept.size
        if not is_online or self._queue or len(self._under_way) >= self.receive_maximum:
            self._queue.append(kept)
            return None
        return self._send(kept)

    def acknowledge(self, packet_id: int) -> bool:
        """Forget a message that was acknowledged for good; return False for one that is not under way."""
        kept = self._under_way.pop(packet_id, None)
        if kept is not None:
            self._size -= kept.size
        return kept is not None

    def release(self, packet_id: int) -> bool:
        """Learn that a message at QoS 2 has come; return False for one that is not under way."""
        kept = self._under_way.get(packet_id)
        if kept is None or kept.packet.qos != 2:  # noqa: PLR2004
            return False
        kept.released = True
        return True

    def qos_of(self, packet_id: int) -> int | None:
        """Return the QoS of a message that is under way and not released, or None."""
        kept = self._under_way.get(packet_id)
        return None if kept is None or kept.released else kept.packet.qos

    def ready(self, now: float) -> list[Publish]:
        """Return what may be sent now of what had to wait, without what has expired."""
        found: list[Publish] = []
        while self._queue and len(self._under_way) < self.receive_maximum:
            kept = self._queue.popleft()
            if kept.expires is not None and kept.expires <= now:
                self._size -= kept.size
            else:
                found.append(replace(_aged(kept, now), packet_id=self._send(kept)))
        return found

    def again(self, now: float) -> list[Publish | PubRel]:
        """Return what was under way when the client was lost, in its order, to be sent once more."""
        return [
            PubRel(packet_id) if kept.released else replace(_aged(kept, now), packet_id=packet_id, dup=True)
            for packet_id, kept in self._under_way.items()
        ]

    def kept(self) -> list[tuple[object, int]]:
        """Return every message that is kept, and its bytes."""
        return [(each.packet, each.size) for each in (*self._under_way.values(), *self._queue)]

    def _send(self, kept: _Kept) -> int:
        while self._next in self._under_way:
            self._next = self._next % _MAX_ID + 1
        packet_id = self._next
        self._next = packet_id % _MAX_ID + 1
        self._under_way[packet_id] = kept
        return packet_id


def _aged(kept: _Kept, now: float) -> Publish:
    """Return a message with the seconds that are left of its life."""
    if kept.expires is None or kept.packet.properties.message_expiry_interval is None:
        return kept.packet
    left = max(0, round(kept.expires - now))
    return replace(kept.packet, properties=replace(kept.packet.properties, message_expiry_interval=left))


def _size_of(packet: Publish) -> int:
    """Return about how much memory a message takes."""
    properties = packet.properties
    texts = (packet.topic, properties.content_type or "", properties.response_topic or "")
    pairs = sum(len(name) + len(value) + _OVERHEAD for name, value in properties.user_property)
    return len(packet.payload) + sum(map(len, texts)) + len(properties.correlation_data or b"") + pairs + _OVERHEAD
