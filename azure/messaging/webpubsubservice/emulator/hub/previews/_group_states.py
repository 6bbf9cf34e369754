"""The state of groups (preview): what each member says of itself to those that watch, gone when it leaves.

As Microsoft's own emulator has it on a branch, the only description there is; see docs/service-facts.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .. import _events as on
from .._connections import Connection
from .._frames import Ack, Message, Payload, SetGroupState, SubscribeGroupState

if TYPE_CHECKING:
    from .._hub import Hub

MAX_ITEMS = 200


@dataclass(frozen=True, slots=True)
class _Item:
    """What one member says of itself; None when it says nothing any more. ``updated_at`` is in milliseconds."""

    connection_id: str
    user_id: str | None
    state: Mapping[str, str] | None
    updated_at: int


class GroupStates:
    """The states in the groups of one hub.

    :param hub: The hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._items: dict[str, dict[str, _Item]] = {}
        self._watchers: dict[str, dict[str, Connection]] = {}
        self._last = 0

    def put(self, connection: Connection, frame: SetGroupState) -> Iterator[on.Effect]:
        """Set or clear what a member says of itself."""
        if self._refusal(connection, "setGroupState", frame.group) is not None:
            yield from self._refuse(connection, "setGroupState", frame)
            return
        if frame.state is None:
            yield from self._clear(connection, frame.group)
        else:
            item = _Item(connection.connection_id, connection.user_id, dict(frame.state), self._now())
            self._items.setdefault(frame.group, {})[connection.connection_id] = item
            yield from self._update(frame.group, item)
        yield from self._hub.succeed(connection, frame.ack_id)

    def subscribe(self, connection: Connection, frame: SubscribeGroupState) -> Iterator[on.Effect]:
        """Let a member watch the states of a group, of which it is told all at first; or let it watch no more."""
        if not frame.subscribes:
            self._unsubscribe(connection, frame.group)
            yield from self._hub.succeed(connection, frame.ack_id)
            return
        if self._refusal(connection, "getGroupState", frame.group) is not None:
            yield from self._refuse(connection, "getGroupState", frame)
            return
        self._watchers.setdefault(frame.group, {})[connection.connection_id] = connection
        yield from self._hub.succeed(connection, frame.ack_id)
        found = self._items.get(frame.group, {})
        first = [found[name] for name in sorted(found)[:MAX_ITEMS]]
        yield from self._tell("groupStateSnapshot", frame.group, first, [connection])

    def left(self, connection: Connection, group: str) -> Iterator[on.Effect]:
        """Clear what a member said of itself, and let it watch no more."""
        self._unsubscribe(connection, group)
        yield from self._clear(connection, group)

    def _clear(self, connection: Connection, group: str) -> Iterator[on.Effect]:
        found = self._items.get(group, {})
        if found.pop(connection.connection_id, None) is None:
            return
        if not found:
            del self._items[group]
        yield from self._update(group, _Item(connection.connection_id, connection.user_id, None, self._now()))

    def _unsubscribe(self, connection: Connection, group: str) -> None:
        watchers = self._watchers.get(group, {})
        if watchers.pop(connection.connection_id, None) is not None and not watchers:
            del self._watchers[group]

    def _now(self) -> int:
        """Return the time in milliseconds, later than that of every earlier item."""
        self._last = max(self._last + 1, int(self._hub.now * 1000))
        return self._last

    def _update(self, group: str, item: _Item) -> Iterator[on.Effect]:
        watchers = list(self._watchers.get(group, {}).values())
        if watchers:
            yield from self._tell("groupStateUpdate", group, [item], watchers)

    def _tell(
        self,
        kind: Literal["groupStateSnapshot", "groupStateUpdate"],
        group: str,
        items: Iterable[_Item],
        to: list[Connection],
    ) -> Iterator[on.Effect]:
        text = json.dumps([_plain(item) for item in items], ensure_ascii=False, separators=(",", ":"))
        message = Message(Payload("json", text.encode("utf-8")), group, preview=kind)
        yield from self._hub.deliver(message, to, None)

    @staticmethod
    def _refusal(
        connection: Connection, permission: Literal["setGroupState", "getGroupState"], group: str
    ) -> str | None:
        deed = "set the state of" if permission == "setGroupState" else "get the state of"
        if not connection.permissions.allows(permission, group):
            return f"The client does not have permission to {deed} group '{group}'."
        if group not in connection.groups:
            return f"The client is not in group '{group}'."
        return None

    def _refuse(
        self,
        connection: Connection,
        permission: Literal["setGroupState", "getGroupState"],
        frame: SetGroupState | SubscribeGroupState,
    ) -> Iterator[on.Effect]:
        why = self._refusal(connection, permission, frame.group) or ""
        role = f"webpubsub.{permission}"
        yield on.Refused(
            connection.connection_id, f"{why} It needs the role {role!r} or '{role}.{frame.group}', and to be a member"
        )
        if frame.ack_id is not None:
            yield on.Reply(connection.connection_id, Ack(frame.ack_id, "Forbidden", why))


def _plain(item: _Item) -> dict[str, Any]:
    found: dict[str, Any] = {"connectionId": item.connection_id}
    if item.user_id is not None:
        found["userId"] = item.user_id
    return {**found, "state": item.state, "updatedAt": item.updated_at}
