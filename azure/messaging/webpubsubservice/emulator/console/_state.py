"""How the emulator stands, as JSON: hubs, connections, groups, users, event handlers, faults, the clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import islice
from typing import Any, get_args

from .._clock import Clock
from ..hub._connections import Connection
from ..hub._hub import Hub
from ..hub._permissions import Permission
from ..server._switchboard import Switchboard
from ._timeline import Opening

#: Connections, groups and users of a hub that are listed; all are counted.
MAX_LISTED = 500


def state(switchboard: Switchboard, clock: Clock, openings: Mapping[str, Opening]) -> dict[str, Any]:
    """Return how things stand.

    :param switchboard: Hubs and links.
    :param clock: The emulator's time.
    :param openings: When connections were opened, and as what.
    """
    hubs = sorted(switchboard.hubs, key=lambda each: each.name)
    upstream = switchboard.desk.upstream
    return {
        "hubs": [_hub(each, switchboard, openings) for each in hubs],
        "eventHandlers": [
            {
                "hub": hub,
                "place": handler.place,
                "systemEvents": sorted(handler.system_events),
                "userEvents": handler.user_event_pattern or "",
                "groupEvents": sorted(handler.group_presence_events),
            }
            for hub, handlers in (upstream.handlers if upstream else {}).items()
            for handler in handlers
        ],
        "faults": [{"fault": repr(fault), "left": left} for fault, left in switchboard.faults.armed],
        "clockAhead": round(clock.now() - time.time()),
    }


def _hub(hub: Hub, switchboard: Switchboard, openings: Mapping[str, Opening]) -> dict[str, Any]:
    return {
        "name": hub.name,
        "connectionCount": len(hub.connections),
        "connections": [
            _connection(each, switchboard, openings.get(each.connection_id))
            for each in islice(hub.connections.values(), MAX_LISTED)
        ],
        "groupCount": len(hub.groups),
        "groups": [{"name": name, "connections": len(them)} for name, them in islice(hub.groups.items(), MAX_LISTED)],
        "userCount": len(hub.users),
        "users": [{"userId": name, "connections": len(them)} for name, them in islice(hub.users.items(), MAX_LISTED)],
    }


def _connection(connection: Connection, switchboard: Switchboard, opening: Opening | None) -> dict[str, Any]:
    link = switchboard.link_of(connection.connection_id)
    rules = [
        (f"{permission}.{group}", allowed)
        for permission in get_args(Permission)
        for group, allowed in connection.permissions.exceptions(permission).items()
    ]
    return {
        "connectionId": connection.connection_id,
        "userId": connection.user_id,
        "protocol": connection.protocol,
        "groups": sorted(connection.groups),
        "roles": list(opening.what.roles) if opening else [],
        "allowed": sorted(name for name, allowed in rules if allowed),
        "denied": sorted(name for name, allowed in rules if not allowed),
        "since": opening.time if opening else None,
        "isConnected": link is not None,
        "unreadBytes": link.unread if link else 0,
        "unconfirmed": connection.session.waiting if connection.session else 0,
    }
