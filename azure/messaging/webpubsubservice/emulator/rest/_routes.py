"""REST: which operation a request asks for, and who may ask (service facts, REST operations).

One table, (method, path) -> operation. It shares nothing with the client's builders on purpose: a wrong path in common
would pass every test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..hub import _events as on
from ..hub._hub import Hub
from ..hub._permissions import TooManyRules
from . import _operations as operations
from ._errors import ServiceError
from ._operations import Call
from ._origin import Origin
from ._requests import Query, RestRequest, RestResponse, check_hub, decode_segment
from ._tokens import TokenError, Tokens

SUPPORTED_VERSIONS = "2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01"

_FIRST_STABLE = "2021-10-01"
_NO_CONTENT = 204
_JSON = "application/json"

_Operation = Callable[[Call], "RestResponse | tuple[RestResponse, on.Input]"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request leads to: what happened in which hub, what is to be done about it, and the answer."""

    response: RestResponse
    hub: str = ""
    event: on.Input | None = None
    effects: Sequence[on.Effect] = ()
    #: Why it was refused, for the log.
    why: str = ""


class _Judged(NamedTuple):
    """An operation that may be carried out."""

    operation: _Operation
    version: str | None
    call: Call


class Routes:
    """The REST side of one service.

    :param tokens: Judge of tokens.
    :param find_hub: Gives the hub of a name in lower case; an empty one if nobody is connected.
    :param find_document: Gives the JSON text that anyone may read at a path, by the endpoint that is asked.
    """

    def __init__(
        self,
        tokens: Tokens,
        find_hub: Callable[[str], Hub],
        find_document: Callable[[str, str], bytes | None] = lambda _path, _url: None,
    ) -> None:
        self._tokens = tokens
        self._find_hub = find_hub
        self._find_document = find_document

    def handle(self, request: RestRequest, origin: Origin, now: float) -> Outcome:
        """Return what a request leads to.

        :param request: The request.
        :param origin: Where it came in.
        :param float now: The time.
        """
        judged = self.judge(request, origin, now)
        if isinstance(judged, Outcome):
            return judged
        operation, version, call = judged
        try:
            result = operation(call)
            response, event = result if isinstance(result, tuple) else (result, None)
            effects = () if event is None else call.hub.handle(event, now)
        except (TokenError, ServiceError, TooManyRules) as error:
            return _failed(request, error)
        if response.status == _NO_CONTENT and version is not None and version < _FIRST_STABLE:
            response = replace(response, status=200)  # the previews answered deletes with 200
        headers = {**response.headers, "api-supported-versions": SUPPORTED_VERSIONS}
        return Outcome(replace(response, headers=headers), call.hub.name, event, effects)

    def judge(self, request: RestRequest, origin: Origin, now: float) -> Outcome | _Judged:
        """Return the answer to a request for which its body does not matter; else what is to be done with it.

        :param request: The request; its body is not looked at.
        :param origin: Where it came in.
        :param float now: The time.
        """
        try:
            return self._judge(request, origin, now)
        except (TokenError, ServiceError) as error:
            return _failed(request, error)

    def _judge(self, request: RestRequest, origin: Origin, now: float) -> Outcome | _Judged:
        to_anyone = _OPEN.get(request.path.lower())
        if to_anyone is not None:
            return Outcome(to_anyone()) if request.method in _READS else _wrong_method(_READS)
        found = _find(request.raw_path)
        if found is None:
            return self._document(request, origin)
        methods, path = found
        operation = methods.get(request.method)
        if operation is None:
            return _wrong_method(methods)
        by_key = self._tokens.check_rest(_bearer(request), now, origin.hosts, request.path)
        query = Query(request.target)
        version = query.api_version()
        hub = self._find_hub(check_hub(path["hub"]))
        return _Judged(operation, version, Call(request, query, hub, path, origin, by_key, now, self._tokens))

    def _document(self, request: RestRequest, origin: Origin) -> Outcome:
        document = self._find_document(request.path, origin.url)
        if document is None:
            return Outcome(RestResponse(404), why="no operation has this path")
        return Outcome(RestResponse(200, document, _JSON)) if request.method in _READS else _wrong_method(_READS)


def _wrong_method(methods: Collection[str]) -> Outcome:
    allowed = ", ".join(sorted(methods))
    return Outcome(RestResponse(405, headers={"Allow": allowed}), why=f"this path takes {allowed}")


def _failed(request: RestRequest, error: TokenError | ServiceError | TooManyRules) -> Outcome:
    if isinstance(error, TokenError):
        challenge = f'Bearer error="invalid_token", error_description="{_header_text(str(error))}"'
        return Outcome(RestResponse(401, headers={"WWW-Authenticate": challenge}), why=str(error))
    if isinstance(error, TooManyRules):
        error = ServiceError(409, "Error.Connection.Conflict", str(error), "Connection")
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


_READS = ("GET", "HEAD")
_OPEN: dict[str, Callable[[], RestResponse]] = {"/": operations.about, "/api/health": operations.health}
_HUB = "/api/hubs/{hub}"
_TABLE: dict[tuple[str, str], _Operation] = {
    ("POST", _HUB + "/:send"): operations.send_to_all,
    ("POST", _HUB + "/:closeConnections"): operations.close_all,
    ("POST", _HUB + "/:generateToken"): operations.generate_token,
    ("POST", _HUB + "/:addToGroups"): operations.add_to_groups,
    ("POST", _HUB + "/:removeFromGroups"): operations.remove_from_groups,
    ("HEAD", _HUB + "/connections/{connection}"): operations.connection_exists,
    ("DELETE", _HUB + "/connections/{connection}"): operations.close_connection,
    ("POST", _HUB + "/connections/{connection}/:send"): operations.send_to_connection,
    ("DELETE", _HUB + "/connections/{connection}/groups"): operations.remove_connection_from_all,
    ("HEAD", _HUB + "/groups/{group}"): operations.group_exists,
    ("POST", _HUB + "/groups/{group}/:closeConnections"): operations.close_group,
    ("POST", _HUB + "/groups/{group}/:send"): operations.send_to_group,
    ("GET", _HUB + "/groups/{group}/connections"): operations.list_connections,
    ("PUT", _HUB + "/groups/{group}/connections/{connection}"): operations.add_connection,
    ("DELETE", _HUB + "/groups/{group}/connections/{connection}"): operations.remove_connection,
    ("PUT", _HUB + "/permissions/{permission}/connections/{connection}"): operations.grant,
    ("DELETE", _HUB + "/permissions/{permission}/connections/{connection}"): operations.revoke,
    ("HEAD", _HUB + "/permissions/{permission}/connections/{connection}"): operations.check_permission,
    ("HEAD", _HUB + "/users/{user}"): operations.user_exists,
    ("POST", _HUB + "/users/{user}/:closeConnections"): operations.close_user,
    ("POST", _HUB + "/users/{user}/:send"): operations.send_to_user,
    ("DELETE", _HUB + "/users/{user}/groups"): operations.remove_user_from_all,
    ("PUT", _HUB + "/users/{user}/groups/{group}"): operations.add_user,
    ("DELETE", _HUB + "/users/{user}/groups/{group}"): operations.remove_user,
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
