"""REST: which operation a request asks for, who may ask, and what each one does to the hub (rest-api 1.3).

One table, (method, path) -> operation. An operation turns a checked request into inputs for the hub and an answer. It
shares nothing with the client's builders on purpose: a wrong path in common would pass every test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from urllib.parse import quote

from . import _events as on
from ._errors import (
    BAD_REQUEST,
    ServiceError,
    ValidationError,
    connection_not_found,
    group_not_found,
    user_not_found,
)
from ._hub import Hub
from ._metadata import MetadataError, metadata_from_headers
from ._permissions import Permission, TooManyRules
from ._requests import (
    INVALID_GROUP,
    MAX_PAGE,
    Query,
    RestRequest,
    RestResponse,
    check_filter,
    check_group,
    check_hub,
    decode_segment,
    is_group,
    read_payload,
    require_json,
)
from ._tokens import TokenError, Tokens

SUPPORTED_VERSIONS = "2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01"

_FIRST_STABLE = "2021-10-01"
_CLIENT_PATHS = {"default": "/client/hubs/", "mqtt": "/clients/mqtt/hubs/"}
_PERMISSIONS: dict[str, Permission] = {"joinleavegroup": "joinLeaveGroup", "sendtogroup": "sendToGroup"}


class Origin(NamedTuple):
    """Where a request came in: the host it names, and every name the service goes by."""

    host: str
    hosts: Collection[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request leads to: what happened in which hub, what is to be done about it, and the answer."""

    response: RestResponse
    hub: str = ""
    event: on.Input | None = None
    effects: Sequence[on.Effect] = ()
    #: Why it was refused, for the log.
    why: str = ""


class _Call(NamedTuple):
    """A request whose path, token and api-version are good."""

    request: RestRequest
    query: Query
    hub: Hub
    path: dict[str, str]
    origin: Origin
    by_key: bool
    now: float
    tokens: Tokens


_Operation = Callable[[_Call], "RestResponse | tuple[RestResponse, on.Input]"]


class Routes:
    """The REST side of one service.

    :param tokens: Judge of tokens.
    :param find_hub: Gives the hub of a name in lower case; an empty one if nobody is connected.
    """

    def __init__(self, tokens: Tokens, find_hub: Callable[[str], Hub]) -> None:
        self._tokens = tokens
        self._find_hub = find_hub

    def handle(self, request: RestRequest, origin: Origin, now: float) -> Outcome:
        """Return what a request leads to.

        :param request: The request.
        :param origin: Where it came in.
        :param float now: The time.
        """
        try:
            return self._handle(request, origin, now)
        except TooManyRules as error:
            return _failed(request, ServiceError(409, "Error.Connection.Conflict", str(error), "Connection"))
        except TokenError as error:
            challenge = f'Bearer error="invalid_token", error_description="{_header_text(str(error))}"'
            return Outcome(RestResponse(401, headers={"WWW-Authenticate": challenge}), why=str(error))
        except ServiceError as error:
            return _failed(request, error)

    def _handle(self, request: RestRequest, origin: Origin, now: float) -> Outcome:
        found = _find(request.raw_path)
        if found is None:
            return Outcome(RestResponse(404), why="no operation has this path")
        methods, path = found
        operation = methods.get(request.method)
        if operation is None:
            allowed = ", ".join(sorted(methods))
            return Outcome(RestResponse(405, headers={"Allow": allowed}), why=f"this path takes {allowed}")
        if operation is _health:
            return Outcome(RestResponse(200))
        by_key = self._tokens.check_rest(_bearer(request), now, origin.hosts, request.path)
        query = Query(request.target)
        version = query.api_version()
        hub = self._find_hub(check_hub(path["hub"]))
        result = operation(_Call(request, query, hub, path, origin, by_key, now, self._tokens))
        response, event = result if isinstance(result, tuple) else (result, None)
        if response.status == 204 and version is not None and version < _FIRST_STABLE:  # noqa: PLR2004
            response = replace(response, status=200)  # rest-api 1.4: the previews answered deletes with 200
        headers = {**response.headers, "api-supported-versions": SUPPORTED_VERSIONS}
        effects = () if event is None else hub.handle(event, now)
        return Outcome(replace(response, headers=headers), hub.name, event, effects)


def _failed(request: RestRequest, error: ServiceError) -> Outcome:
    headers = {"x-ms-error-code": error.code}
    if error.is_versioned:
        headers["api-supported-versions"] = SUPPORTED_VERSIONS
    kind = error.content_type(request.header("accept") or "")
    return Outcome(RestResponse(error.status, error.body(), kind, headers), why=error.message)


def _bearer(request: RestRequest) -> str | None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _header_text(text: str) -> str:
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "'" for char in text)


# Operations


def _health(call: _Call) -> RestResponse:
    del call
    return RestResponse(200)


def _publish(call: _Call, audience: on.Audience) -> tuple[RestResponse, on.Input]:
    ttl = call.query.integer("messageTtlSeconds", 0, 300)
    try:
        metadata = metadata_from_headers(call.request.headers)
    except MetadataError as error:
        raise ServiceError(400, BAD_REQUEST, str(error), "Request") from None
    return RestResponse(202), on.Publish(audience, read_payload(call.request), ttl or 0, metadata)


def _excluded(call: _Call) -> frozenset[str]:
    return frozenset(call.query.all("excluded"))


def _send_to_all(call: _Call) -> tuple[RestResponse, on.Input]:
    return _publish(call, on.Audience(excluded=_excluded(call), matches=call.query.matches()))


def _send_to_group(call: _Call) -> tuple[RestResponse, on.Input]:
    group = check_group(call.path["group"])
    return _publish(call, on.Audience(group=group, excluded=_excluded(call), matches=call.query.matches()))


def _send_to_user(call: _Call) -> tuple[RestResponse, on.Input]:
    return _publish(call, on.Audience(user_id=call.path["user"], matches=call.query.matches()))


def _send_to_connection(call: _Call) -> tuple[RestResponse, on.Input]:
    return _publish(call, on.Audience(connection_id=call.path["connection"]))


def _close(call: _Call, audience: on.Audience) -> tuple[RestResponse, on.Input]:
    return RestResponse(204), on.Disconnect(audience, call.query.one("reason") or "")


def _close_all(call: _Call) -> tuple[RestResponse, on.Input]:
    return _close(call, on.Audience(excluded=_excluded(call)))


def _close_group(call: _Call) -> tuple[RestResponse, on.Input]:
    return _close(call, on.Audience(group=check_group(call.path["group"]), excluded=_excluded(call)))


def _close_user(call: _Call) -> tuple[RestResponse, on.Input]:
    return _close(call, on.Audience(user_id=call.path["user"], excluded=_excluded(call)))


def _close_connection(call: _Call) -> tuple[RestResponse, on.Input]:
    return _close(call, on.Audience(connection_id=call.path["connection"]))


def _connection_exists(call: _Call) -> RestResponse:
    if call.path["connection"] not in call.hub.connections:
        raise connection_not_found(call.path["connection"], "Warning")
    return RestResponse(200)


def _group_exists(call: _Call) -> RestResponse:
    if check_group(call.path["group"]) not in call.hub.groups:
        raise group_not_found(call.path["group"])
    return RestResponse(200)


def _user_exists(call: _Call) -> RestResponse:
    if call.path["user"] not in call.hub.users:
        raise user_not_found(call.path["user"])
    return RestResponse(200)


def _add_connection(call: _Call) -> tuple[RestResponse, on.Input]:
    group, connection_id = check_group(call.path["group"]), call.path["connection"]
    if connection_id not in call.hub.connections:
        raise connection_not_found(connection_id)
    return RestResponse(200), on.AddToGroups(on.Audience(connection_id=connection_id), [group])


def _remove_connection(call: _Call) -> tuple[RestResponse, on.Input]:
    audience = on.Audience(connection_id=call.path["connection"])
    return RestResponse(204), on.RemoveFromGroups(audience, [check_group(call.path["group"])])


def _remove_connection_from_all(call: _Call) -> tuple[RestResponse, on.Input]:
    return RestResponse(204), on.RemoveFromGroups(on.Audience(connection_id=call.path["connection"]), None)


def _add_user(call: _Call) -> tuple[RestResponse, on.Input]:
    group, user_id = check_group(call.path["group"]), call.path["user"]
    if user_id not in call.hub.users:
        raise user_not_found(user_id)
    return RestResponse(200), on.AddToGroups(on.Audience(user_id=user_id), [group])


def _remove_user(call: _Call) -> tuple[RestResponse, on.Input]:
    audience = on.Audience(user_id=call.path["user"])
    return RestResponse(204), on.RemoveFromGroups(audience, [check_group(call.path["group"])])


def _remove_user_from_all(call: _Call) -> tuple[RestResponse, on.Input]:
    return RestResponse(204), on.RemoveFromGroups(on.Audience(user_id=call.path["user"]), None)


def _bulk(call: _Call) -> tuple[on.Audience, list[str]]:
    body = json.loads(require_json(call.request))
    members = {str(name).lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
    groups, text = members.get("groups"), members.get("filter")
    if not isinstance(groups, list) or not groups or not all(map(is_group, groups)):
        raise ValidationError("Groups", INVALID_GROUP)
    if text is not None and not isinstance(text, str):
        raise ValidationError("Filter", "The filter must be a string.")
    return on.Audience(matches=check_filter(text, "Filter")), groups


def _add_to_groups(call: _Call) -> tuple[RestResponse, on.Input]:
    audience, groups = _bulk(call)
    return RestResponse(200), on.AddToGroups(audience, groups)


def _remove_from_groups(call: _Call) -> tuple[RestResponse, on.Input]:
    audience, groups = _bulk(call)
    return RestResponse(200), on.RemoveFromGroups(audience, groups)


def _permission(call: _Call) -> tuple[Permission, str]:
    name, group = call.path["permission"], call.query.one("targetName")
    permission = _PERMISSIONS.get(name.lower())
    if permission is None:
        raise ValidationError("permission", f"The value '{name}' is not valid.")
    if not is_group(group):
        raise ServiceError(400, BAD_REQUEST, "The query parameter 'targetName' must name a group.", "Request")
    return permission, str(group)


def _grant(call: _Call) -> tuple[RestResponse, on.Input]:
    permission, group = _permission(call)
    connection_id = call.path["connection"]
    if connection_id not in call.hub.connections:
        raise connection_not_found(connection_id, "Info")
    return RestResponse(200), on.Allow(connection_id, permission, group, allowed=True)


def _revoke(call: _Call) -> tuple[RestResponse, on.Input]:
    permission, group = _permission(call)
    return RestResponse(204), on.Allow(call.path["connection"], permission, group, allowed=False)


def _check_permission(call: _Call) -> RestResponse:
    permission, group = _permission(call)
    connection_id = call.path["connection"]
    connection = call.hub.connections.get(connection_id)
    if connection is None:
        raise connection_not_found(connection_id, "Info")
    if not connection.permissions.allows(permission, group):
        message = f"Connection `{connection_id}` does not have the permission `{permission}` on `{group}`."
        raise ServiceError(404, "Info.Permission.NotExisted", message, "Permission")
    return RestResponse(200)


def _list(call: _Call) -> RestResponse:
    group = check_group(call.path["group"])
    top = call.query.integer("top", 1)
    asked = call.query.integer("maxpagesize", 1, MAX_PAGE)
    token = call.query.continuation_token()
    size = min(asked or MAX_PAGE, top or MAX_PAGE)
    members = sorted(call.hub.groups.get(group, {}).values(), key=lambda each: each.connection_id)
    if token is not None:
        members = [each for each in members if each.connection_id >= token]
    page, rest = members[:size], members[size:]
    body: dict[str, Any] = {
        "value": [{"connectionId": each.connection_id, "userId": each.user_id} for each in page],
    }
    left = None if top is None else top - len(page)
    if rest and left != 0:
        body["nextLink"] = _next_link(call, left, asked, rest[0].connection_id)
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return RestResponse(200, text, "application/json; charset=utf-8")


def _next_link(call: _Call, top: int | None, page: int | None, token: str) -> str:
    pairs = [
        ("top", top),
        ("maxpagesize", page),
        ("continuationToken", token),
        ("api-version", call.query.api_version()),
    ]
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in pairs if value is not None)
    return f"http://{call.origin.host}{call.request.raw_path}?{query}"


def _generate_token(call: _Call) -> RestResponse:
    if call.by_key:
        raise TokenError("generateToken takes Microsoft Entra tokens only: with an access key, sign the token yourself")
    minutes = call.query.integer("minutesToExpire", 1)
    kind = call.query.one("clientType") or "Default"
    path = _CLIENT_PATHS.get(kind.lower())
    if path is None:
        raise ValidationError("clientType", f"The value '{kind}' is not valid.")
    token = call.tokens.mint(
        f"http://{call.origin.host}{path}{call.path['hub']}",
        call.now,
        (minutes or 60) * 60,
        user_id=call.query.one("userId") or None,
        roles=call.query.all("role"),
        groups=[check_group(group) for group in call.query.all("group")],
    )
    body = json.dumps({"token": token}, separators=(",", ":")).encode()
    return RestResponse(200, body, "application/json; charset=utf-8", chunked=True)


_HUB = "/api/hubs/{hub}"
_TABLE: dict[tuple[str, str], _Operation] = {
    ("HEAD", "/api/health"): _health,
    ("POST", _HUB + "/:send"): _send_to_all,
    ("POST", _HUB + "/:closeConnections"): _close_all,
    ("POST", _HUB + "/:generateToken"): _generate_token,
    ("POST", _HUB + "/:addToGroups"): _add_to_groups,
    ("POST", _HUB + "/:removeFromGroups"): _remove_from_groups,
    ("HEAD", _HUB + "/connections/{connection}"): _connection_exists,
    ("DELETE", _HUB + "/connections/{connection}"): _close_connection,
    ("POST", _HUB + "/connections/{connection}/:send"): _send_to_connection,
    ("DELETE", _HUB + "/connections/{connection}/groups"): _remove_connection_from_all,
    ("HEAD", _HUB + "/groups/{group}"): _group_exists,
    ("POST", _HUB + "/groups/{group}/:closeConnections"): _close_group,
    ("POST", _HUB + "/groups/{group}/:send"): _send_to_group,
    ("GET", _HUB + "/groups/{group}/connections"): _list,
    ("PUT", _HUB + "/groups/{group}/connections/{connection}"): _add_connection,
    ("DELETE", _HUB + "/groups/{group}/connections/{connection}"): _remove_connection,
    ("PUT", _HUB + "/permissions/{permission}/connections/{connection}"): _grant,
    ("DELETE", _HUB + "/permissions/{permission}/connections/{connection}"): _revoke,
    ("HEAD", _HUB + "/permissions/{permission}/connections/{connection}"): _check_permission,
    ("HEAD", _HUB + "/users/{user}"): _user_exists,
    ("POST", _HUB + "/users/{user}/:closeConnections"): _close_user,
    ("POST", _HUB + "/users/{user}/:send"): _send_to_user,
    ("DELETE", _HUB + "/users/{user}/groups"): _remove_user_from_all,
    ("PUT", _HUB + "/users/{user}/groups/{group}"): _add_user,
    ("DELETE", _HUB + "/users/{user}/groups/{group}"): _remove_user,
}


def _by_path() -> list[tuple[list[str], dict[str, _Operation]]]:
    paths: dict[str, dict[str, _Operation]] = {}
    for (method, template), operation in _TABLE.items():
        paths.setdefault(template, {})[method] = operation
    return [(template.split("/"), methods) for template, methods in paths.items()]


_PATHS = _by_path()


def _find(raw_path: str) -> tuple[dict[str, _Operation], dict[str, str]] | None:
    """Return the operations of a path by method and the values in it, decoded; fixed parts match in any case."""
    segments = [decode_segment(each) for each in raw_path.split("/")]
    for template, methods in _PATHS:
        if len(template) == len(segments) and all(
            bool(given) if wanted.startswith("{") else wanted.lower() == given.lower()
            for wanted, given in zip(template, segments, strict=True)
        ):
            names = ((wanted[1:-1], given) for wanted, given in zip(template, segments, strict=True))
            return methods, {
                name: given for (name, given), part in zip(names, template, strict=True) if part[:1] == "{"
            }
    return None
