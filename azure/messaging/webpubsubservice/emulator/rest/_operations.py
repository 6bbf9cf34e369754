"""What each REST operation does: a checked call becomes an answer and an input for the hub.

One function an operation, no paths: those are in ``_routes`` (service facts, REST operations). An operation that cannot
be carried out raises the service's own error before the hub hears of it.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import quote

from ..hub import _events as on
from ..hub._hub import Hub
from ..hub._metadata import MetadataError, metadata_from_headers
from ..hub._names import is_group
from ..hub._permissions import Permission
from ._errors import (
    BAD_REQUEST,
    ServiceError,
    ValidationError,
    connection_not_found,
    group_not_found,
    user_not_found,
)
from ._origin import Origin
from ._requests import (
    INVALID_GROUP,
    MAX_PAGE,
    Query,
    RestRequest,
    RestResponse,
    check_filter,
    check_group,
    read_payload,
    require_json,
)
from ._tokens import TokenError, Tokens

DEFAULT_VERSION = "2024-12-01"

_ABOUT = """\
This is the Web PubSub emulator: Azure Web PubSub on one machine, for development and tests.

/api/hubs/{hub}/...    REST, for service clients: they take the connection string that the emulator printed
/client/hubs/{hub}     WebSocket clients: they take the URL that get_client_access_token returns
/api/health            answers 200
"""
_CLIENT_PATHS = {"default": "/client/hubs/", "mqtt": "/clients/mqtt/hubs/"}
_PERMISSIONS: dict[str, Permission] = {"joinleavegroup": "joinLeaveGroup", "sendtogroup": "sendToGroup"}


class Call(NamedTuple):
    """A request whose path, token and api-version are good."""

    request: RestRequest
    query: Query
    hub: Hub
    path: dict[str, str]
    origin: Origin
    by_key: bool
    now: float
    tokens: Tokens


def health() -> RestResponse:
    """Say that the service is there; nobody needs a token for that."""
    return RestResponse(200)


def about() -> RestResponse:
    """Say to whoever comes by with a browser what this is."""
    return RestResponse(200, _ABOUT.encode(), "text/plain; charset=utf-8")


def _publish(call: Call, audience: on.Audience) -> tuple[RestResponse, on.Input]:
    ttl = call.query.integer("messageTtlSeconds", 0, 300)
    try:
        metadata = metadata_from_headers(call.request.headers)
    except MetadataError as error:
        raise ServiceError(400, BAD_REQUEST, str(error), "Request") from None
    return RestResponse(202), on.Publish(audience, read_payload(call.request), ttl or 0, metadata)


def _excluded(call: Call) -> frozenset[str]:
    return frozenset(call.query.all("excluded"))


def send_to_all(call: Call) -> tuple[RestResponse, on.Input]:
    """Send a message to every connection of the hub."""
    return _publish(call, on.Audience(excluded=_excluded(call), matches=call.query.matches()))


def send_to_group(call: Call) -> tuple[RestResponse, on.Input]:
    """Send a message to a group."""
    group = check_group(call.path["group"])
    return _publish(call, on.Audience(group=group, excluded=_excluded(call), matches=call.query.matches()))


def send_to_user(call: Call) -> tuple[RestResponse, on.Input]:
    """Send a message to a user."""
    return _publish(call, on.Audience(user_id=call.path["user"], matches=call.query.matches()))


def send_to_connection(call: Call) -> tuple[RestResponse, on.Input]:
    """Send a message to one connection."""
    return _publish(call, on.Audience(connection_id=call.path["connection"]))


def _close(call: Call, audience: on.Audience) -> tuple[RestResponse, on.Input]:
    return RestResponse(204), on.Disconnect(audience, call.query.one("reason") or "")


def close_all(call: Call) -> tuple[RestResponse, on.Input]:
    """Close every connection of the hub."""
    return _close(call, on.Audience(excluded=_excluded(call)))


def close_group(call: Call) -> tuple[RestResponse, on.Input]:
    """Close the connections of a group."""
    return _close(call, on.Audience(group=check_group(call.path["group"]), excluded=_excluded(call)))


def close_user(call: Call) -> tuple[RestResponse, on.Input]:
    """Close the connections of a user."""
    return _close(call, on.Audience(user_id=call.path["user"], excluded=_excluded(call)))


def close_connection(call: Call) -> tuple[RestResponse, on.Input]:
    """Close one connection."""
    return _close(call, on.Audience(connection_id=call.path["connection"]))


def connection_exists(call: Call) -> RestResponse:
    """Tell whether a connection is there."""
    if call.path["connection"] not in call.hub.connections:
        raise connection_not_found(call.path["connection"], "Warning")
    return RestResponse(200)


def group_exists(call: Call) -> RestResponse:
    """Tell whether a group has a connection."""
    if check_group(call.path["group"]) not in call.hub.groups:
        raise group_not_found(call.path["group"])
    return RestResponse(200)


def user_exists(call: Call) -> RestResponse:
    """Tell whether a user is connected."""
    if call.path["user"] not in call.hub.users:
        raise user_not_found(call.path["user"])
    return RestResponse(200)


def add_connection(call: Call) -> tuple[RestResponse, on.Input]:
    """Put a connection into a group."""
    group, connection_id = check_group(call.path["group"]), call.path["connection"]
    if connection_id not in call.hub.connections:
        raise connection_not_found(connection_id)
    return RestResponse(200), on.AddToGroups(on.Audience(connection_id=connection_id), [group])


def remove_connection(call: Call) -> tuple[RestResponse, on.Input]:
    """Take a connection out of a group."""
    audience = on.Audience(connection_id=call.path["connection"])
    return RestResponse(204), on.RemoveFromGroups(audience, [check_group(call.path["group"])])


def remove_connection_from_all(call: Call) -> tuple[RestResponse, on.Input]:
    """Take a connection out of all its groups."""
    return RestResponse(204), on.RemoveFromGroups(on.Audience(connection_id=call.path["connection"]), None)


def add_user(call: Call) -> tuple[RestResponse, on.Input]:
    """Put every connection of a user into a group."""
    group, user_id = check_group(call.path["group"]), call.path["user"]
    if user_id not in call.hub.users:
        raise user_not_found(user_id)
    return RestResponse(200), on.AddToGroups(on.Audience(user_id=user_id), [group])


def remove_user(call: Call) -> tuple[RestResponse, on.Input]:
    """Take a user out of a group."""
    audience = on.Audience(user_id=call.path["user"])
    return RestResponse(204), on.RemoveFromGroups(audience, [check_group(call.path["group"])])


def remove_user_from_all(call: Call) -> tuple[RestResponse, on.Input]:
    """Take a user out of all groups."""
    return RestResponse(204), on.RemoveFromGroups(on.Audience(user_id=call.path["user"]), None)


def _bulk(call: Call) -> tuple[on.Audience, list[str]]:
    body = json.loads(require_json(call.request))
    members = {str(name).lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
    groups, text = members.get("groups"), members.get("filter")
    if not isinstance(groups, list) or not groups or not all(map(is_group, groups)):
        raise ValidationError("Groups", INVALID_GROUP)
    if text is not None and not isinstance(text, str):
        raise ValidationError("Filter", "The filter must be a string.")
    return on.Audience(matches=check_filter(text, "Filter")), groups


def add_to_groups(call: Call) -> tuple[RestResponse, on.Input]:
    """Put the connections a filter chooses into groups."""
    audience, groups = _bulk(call)
    return RestResponse(200), on.AddToGroups(audience, groups)


def remove_from_groups(call: Call) -> tuple[RestResponse, on.Input]:
    """Take the connections a filter chooses out of groups."""
    audience, groups = _bulk(call)
    return RestResponse(200), on.RemoveFromGroups(audience, groups)


def _permission(call: Call) -> tuple[Permission, str]:
    name, group = call.path["permission"], call.query.one("targetName")
    permission = _PERMISSIONS.get(name.lower())
    if permission is None:
        raise ValidationError("permission", f"The value '{name}' is not valid.")
    if not is_group(group):
        raise ServiceError(400, BAD_REQUEST, INVALID_GROUP, "Request")
    return permission, str(group)


def grant(call: Call) -> tuple[RestResponse, on.Input]:
    """Grant a permission on a group."""
    permission, group = _permission(call)
    connection_id = call.path["connection"]
    if connection_id not in call.hub.connections:
        raise connection_not_found(connection_id, "Info")
    return RestResponse(200), on.Allow(connection_id, permission, group, allowed=True)


def revoke(call: Call) -> tuple[RestResponse, on.Input]:
    """Revoke a permission on a group."""
    permission, group = _permission(call)
    return RestResponse(204), on.Allow(call.path["connection"], permission, group, allowed=False)


def check_permission(call: Call) -> RestResponse:
    """Tell whether a connection has a permission on a group."""
    permission, group = _permission(call)
    connection_id = call.path["connection"]
    connection = call.hub.connections.get(connection_id)
    if connection is None:
        raise connection_not_found(connection_id, "Info")
    if not connection.permissions.allows(permission, group):
        message = f"Connection `{connection_id}` does not have the permission `{permission}` on `{group}`."
        raise ServiceError(404, "Info.Permission.NotExisted", message, "Permission")
    return RestResponse(200)


def list_connections(call: Call) -> RestResponse:
    """List the connections of a group, page by page."""
    group = check_group(call.path["group"])
    top = call.query.integer("top", 1)
    page_size = call.query.integer("maxpagesize", 1, MAX_PAGE) or MAX_PAGE
    token = call.query.continuation_token()
    size = min(page_size, top or MAX_PAGE)
    members = sorted(call.hub.groups.get(group, {}).values(), key=lambda each: each.connection_id)
    if token is not None:
        members = [each for each in members if each.connection_id >= token]
    page, rest = members[:size], members[size:]
    body: dict[str, Any] = {
        "value": [{"connectionId": each.connection_id, "userId": each.user_id} for each in page],
    }
    left = None if top is None else top - len(page)
    if rest and left != 0:
        body["nextLink"] = _next_link(call, left, page_size, rest[0].connection_id)
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return RestResponse(200, text, "application/json; charset=utf-8")


def _next_link(call: Call, top: int | None, page_size: int, token: str) -> str:
    pairs = [
        ("top", top),
        ("maxpagesize", page_size),
        ("continuationToken", token),
        ("api-version", call.query.api_version() or DEFAULT_VERSION),
    ]
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in pairs if value is not None)
    return f"{call.origin.url}{call.request.raw_path}?{query}"


def generate_token(call: Call) -> RestResponse:
    """Mint a client token for a caller with an Entra token."""
    if call.by_key:
        raise TokenError("generateToken takes Microsoft Entra tokens only: with an access key, sign the token yourself")
    minutes = call.query.integer("minutesToExpire", 1)
    kind = call.query.one("clientType") or "Default"
    path = _CLIENT_PATHS.get(kind.lower())
    if path is None:
        raise ValidationError("clientType", f"The value '{kind}' is not valid.")
    token = call.tokens.mint(
        f"{call.origin.url}{path}{call.path['hub']}",
        call.now,
        (minutes or 60) * 60,
        user_id=call.query.one("userId") or None,
        roles=call.query.all("role"),
        groups=[check_group(group) for group in call.query.all("group")],
    )
    body = json.dumps({"token": token}, separators=(",", ":")).encode()
    return RestResponse(200, body, "application/json; charset=utf-8", chunked=True)
