"""Who is in a hub: its connections, those of each group and of each user, and the choice among them.

Rule: lists only; what follows from joining and leaving is the hub's business.
"""

from __future__ import annotations

from collections.abc import Iterable

from ._connections import Connection
from ._events import Audience


class Members:
    """The connections of one hub, found by their id, their groups and their user."""

    __slots__ = ("connections", "groups", "users")

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}
        # Members by connection id; the dict keeps an order and takes a name out in constant time.
        self.groups: dict[str, dict[str, Connection]] = {}
        self.users: dict[str, dict[str, Connection]] = {}

    def enter(self, connection: Connection) -> None:
        """Take a connection in."""
        self.connections[connection.connection_id] = connection
        if connection.user_id is not None:
            self.users.setdefault(connection.user_id, {})[connection.connection_id] = connection

    def strike(self, connection: Connection) -> None:
        """Strike a connection off, but for its groups."""
        del self.connections[connection.connection_id]
        if connection.user_id is not None:
            _remove(self.users, connection.user_id, connection.connection_id)

    def join(self, connection: Connection, group: str) -> bool:
        """Put a connection into a group; return False if it is there already."""
        if group in connection.groups:
            return False
        connection.groups.add(group)
        self.groups.setdefault(group, {})[connection.connection_id] = connection
        return True

    def leave(self, connection: Connection, group: str) -> bool:
        """Take a connection out of a group; return False if it is not there."""
        if group not in connection.groups:
            return False
        connection.groups.discard(group)
        _remove(self.groups, group, connection.connection_id)
        return True

    def select(self, audience: Audience) -> list[Connection]:
        """Return the connections that ``audience`` speaks of."""
        found: Iterable[Connection]
        if audience.connection_id is not None:
            one = self.connections.get(audience.connection_id)
            found = [one] if one else []
        elif audience.group is not None:
            found = self.groups.get(audience.group, {}).values()
        elif audience.user_id is not None:
            found = self.users.get(audience.user_id, {}).values()
        else:
            found = self.connections.values()
        if audience.excluded:
            found = [each for each in found if each.connection_id not in audience.excluded]
        if audience.matches is not None:
            found = filter(audience.matches, found)
        return list(found)


def _remove(index: dict[str, dict[str, Connection]], name: str, connection_id: str) -> None:
    """Take a connection out of a group or user, and the group or user out of the index with its last connection."""
    members = index.get(name)
    if members is not None and members.pop(connection_id, None) is not None and not members:
        del index[name]
