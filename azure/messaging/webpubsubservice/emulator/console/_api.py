"""The JSON API under ``/console/api/``: each path is a function from what was asked to what is answered.

Who may ask is decided in ``_console``. What the page shows and does goes through here.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from .._clock import Clock
from .._record import RecordedWebhook
from ..rest._origin import Origin
from ..rest._requests import RestResponse
from ..rest._tokens import Tokens
from ..server._server import Server
from ..server._switchboard import Switchboard
from ..webhooks._cloudevents import ConnectEvent, DisconnectedEvent, GroupEvent, UpstreamEvent, UserEvent
from ..webhooks._upstream import Upstream
from . import _entries as entries
from ._orders import ApiError, Order, read_call, read_event, read_fault, read_filter
from ._snippet import snippet
from ._state import state
from ._timeline import Entry, Filter, Timeline

#: Rows that are given at once, the latest.
MAX_ROWS = 2000

_JSON = "application/json; charset=utf-8"
_NOT_FOUND, _WRONG_METHOD, _CONFLICT = 404, 405, 409
_TOKEN_SECONDS = 60.0
_FIRST_EVENT = 1_000_000


@dataclass(frozen=True)
class Emulator:
    """What the console sees of the emulator."""

    server: Server
    switchboard: Switchboard
    tokens: Tokens
    clock: Clock
    endpoint: str
    connection_string: str
    client_url: Callable[..., str]
    reset: Callable[[], None]


class Request(NamedTuple):
    """A request to the API: the path below ``/console/api/``."""

    method: str
    path: str
    query: str
    body: bytes
    origin: Origin

    def values(self) -> dict[str, str]:
        """Return the query; of a parameter that is repeated, the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True, errors="replace", max_num_fields=100))

    def order(self) -> Order:
        """Return the JSON object in the body."""
        try:
            return Order(json.loads(self.body or b"{}"))
        except (ValueError, RecursionError):
            raise ApiError("the body is not JSON") from None


class Api:
    """The operations.

    :param emulator: What there is to look at and to act on.
    :param timeline: What has happened.
    """

    def __init__(self, emulator: Emulator, timeline: Timeline) -> None:
        self._emulator = emulator
        self._timeline = timeline
        self._numbers = itertools.count(_FIRST_EVENT)
        self._operations: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "state"): lambda _: self.state(),
            ("GET", "timeline"): self._rows,
            ("GET", "record"): self._record,
            ("GET", "snippet"): self._snippet,
            ("POST", "rest"): self._rest,
            ("POST", "tokens"): self._token,
            ("POST", "drop"): self._drop,
            ("POST", "events"): self._event,
            ("POST", "faults"): self._fault,
            ("POST", "clock"): self._advance,
            ("POST", "reset"): self._reset,
        }

    async def answer(self, request: Request) -> RestResponse:
        """Answer a request of somebody who may ask."""
        try:
            result = self._operation(request)(request)
            if isinstance(result, Awaitable):
                result = await result
        except ApiError as error:
            return _as_json({"error": str(error)}, error.status)
        except ValueError as error:
            return _as_json({"error": str(error)}, 400)
        return result if isinstance(result, RestResponse) else _as_json(result)

    def _operation(self, request: Request) -> Callable[[Request], Any]:
        path, _, rest = request.path.partition("/")
        if path == "timeline" and rest:
            number, _, verb = rest.partition("/")
            if number.isascii() and number.isdigit() and (request.method, verb) in (("GET", ""), ("POST", "repeat")):
                entry = self._timeline.find(int(number[:18]))
                if entry is None:
                    raise ApiError(f"there is no entry {number} (any more)", _NOT_FOUND)
                return lambda _: self._repeat(entry) if verb else self.detail(entry)
        found = self._operations.get((request.method, request.path))
        if found is None:
            status = _WRONG_METHOD if any(request.path == path for _, path in self._operations) else _NOT_FOUND
            raise ApiError(
                f"there is no {request.method} {request.path[:100]}: docs/console.md says what there is", status
            )
        return found

    # To look at

    def state(self) -> dict[str, Any]:
        """Return how the emulator stands."""
        emulator = self._emulator
        return {
            "endpoint": emulator.endpoint,
            "connectionString": emulator.connection_string,
            **state(emulator.switchboard, emulator.clock, self._timeline.openings),
        }

    def rows(self, chosen: Filter, after: int = 0) -> dict[str, Any]:
        """Return the latest rows of the time line that fit a filter, and how many there are."""
        found = self._timeline.select(chosen, after)
        shown = found[-MAX_ROWS:]
        return {
            "rows": [entries.row(each, self._timeline.users_of(each)) for each in shown],
            "matching": len(found),
            "latest": self._timeline.latest,
        }

    def detail(self, entry: Entry) -> dict[str, Any]:
        """Return all there is of an entry."""
        return entries.detail(entry, self._timeline.users_of(entry))

    def _rows(self, request: Request) -> dict[str, Any]:
        values = request.values()
        after = values.get("after", "0")
        if not after.isascii() or not after.isdigit():
            raise ApiError("'after' is the number of an entry")
        return self.rows(read_filter(values), int(after[:18]))

    def _record(self, request: Request) -> list[dict[str, Any]]:
        return [self.detail(each) for each in self._timeline.select(read_filter(request.values()))]

    def _snippet(self, request: Request) -> RestResponse:
        found = self._timeline.select(read_filter(request.values()))
        text = snippet(found, self._timeline.openings)
        return RestResponse(200, text.encode(), "text/x-python; charset=utf-8")

    # To act

    def _rest(self, request: Request) -> dict[str, Any]:
        order, origin = request.order(), request.origin
        path = order.text("target").partition("?")[0]
        token = self._emulator.tokens.mint(origin.url + path, self._emulator.clock.now(), _TOKEN_SECONDS)
        answer = self._emulator.server.call(read_call(order, token), origin)
        return {
            "status": answer.status,
            "headers": dict(answer.headers),
            **entries.data(answer.body),
        }

    def _token(self, request: Request) -> dict[str, Any]:
        order = request.order()
        url = self._emulator.client_url(
            order.text("hub"),
            order.maybe("userId"),
            order.texts("roles"),
            order.texts("groups"),
            order.number("minutesToExpire", 60),
        )
        return {"url": url}

    def _drop(self, request: Request) -> dict[str, Any]:
        connection_id = request.order().text("connectionId")
        link = self._emulator.switchboard.link_of(connection_id)
        if link is None:
            raise ApiError(f"no socket carries the connection {connection_id!r}", _NOT_FOUND)
        link.abort("dropped from the console")
        return {}

    async def _event(self, request: Request) -> dict[str, Any]:
        event = read_event(request.order(), next(self._numbers), request.origin.name)
        upstream = self._upstream()
        if not _has_handler(upstream, event):
            raise ApiError(f"no event handler takes {event.name!r} of the hub {event.context.hub!r}", _CONFLICT)
        before = self._timeline.latest
        if isinstance(event, ConnectEvent):
            await upstream.connect(event)
        elif isinstance(event, UserEvent):
            await upstream.user_event(event)
        elif isinstance(event, DisconnectedEvent):
            await upstream.disconnected(event)
        elif isinstance(event, GroupEvent):
            await upstream.group_event(event)
        else:
            await upstream.connected(event)
        made = self._timeline.select(Filter(kinds=frozenset(["webhook"])), before)
        ours = [each for each in made if getattr(each.what, "connection_id", "") == event.context.connection_id]
        return self.detail(ours[-1]) if ours else {}

    async def _repeat(self, entry: Entry) -> dict[str, Any]:
        if not isinstance(entry.what, RecordedWebhook):
            raise ApiError("only calls of event handlers can be repeated", _CONFLICT)
        before = self._timeline.latest
        if await self._upstream().repeat(entry.what) is None:
            raise ApiError("the event handler is there no more", _CONFLICT)
        (again, *_) = self._timeline.select(Filter(kinds=frozenset(["webhook"])), before)
        return self.detail(again)

    def _upstream(self) -> Upstream:
        upstream = self._emulator.switchboard.desk.upstream
        if upstream is None:
            raise ApiError("there is no event handler: give one with --event-handler HUB=URL", _CONFLICT)
        return upstream

    def _fault(self, request: Request) -> dict[str, Any]:
        fault = read_fault(request.order())
        self._emulator.switchboard.inject(fault)
        return {"fault": repr(fault)}

    def _advance(self, request: Request) -> dict[str, Any]:
        clock = self._emulator.clock
        clock.advance(request.order().number("seconds"))
        return {"clockAhead": round(clock.now() - time.time())}

    def _reset(self, _request: Request) -> dict[str, Any]:
        self._emulator.reset()
        return {}


def _has_handler(upstream: Upstream, event: UpstreamEvent) -> bool:
    hub = event.context.hub
    if isinstance(event, GroupEvent):
        return upstream.handles_group_event(hub, event.name, event.group)
    return upstream.handles(hub, event.name, is_user=event.is_user)


def _as_json(value: Mapping[str, Any] | list[Any], status: int = 200) -> RestResponse:
    return RestResponse(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), _JSON)


__all__ = ["MAX_ROWS", "Api", "Emulator", "Request"]
