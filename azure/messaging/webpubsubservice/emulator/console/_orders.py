"""What the JSON API is told, read and checked: filters, REST calls, faults, events.

Rule: values in, values out; what is wrong is an :class:`ApiError` that says what is meant.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from .._faults import RestFault, SocketFault
from ..hub._frames import DataType, Payload
from ..hub._json_text import check_json
from ..rest._requests import RestRequest
from ..webhooks._cloudevents import (
    ConnectedEvent,
    ConnectEvent,
    ConnectionContext,
    DisconnectedEvent,
    GroupEvent,
    UpstreamEvent,
    UserEvent,
)
from ._timeline import KINDS, Filter

REST_PATH = "/api/hubs/"

_BAD_REQUEST = 400
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
_TYPES: dict[str, type[Any] | tuple[type[Any], ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
}
_Value = TypeVar("_Value")


class ApiError(Exception):
    """The request cannot be carried out.

    :param str message: Why, for the caller.
    :param int status: HTTP status.
    """

    def __init__(self, message: str, status: int = _BAD_REQUEST) -> None:
        super().__init__(message)
        self.status: int = status


class Order:
    """The JSON object of a request.

    :raises ApiError: if it is none.
    """

    def __init__(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise ApiError("the body must be a JSON object")
        self.values: dict[str, Any] = value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a member that is text; without a default, it has to be there."""
        return str(self._take(name, str, "text", default))

    def maybe(self, name: str) -> str | None:
        """Return a member that is text, None if it is not there or empty."""
        return self.text(name, "") or None

    def number(self, name: str, default: float | None = None) -> float:
        """Return a member that is a number."""
        return float(self._take(name, (int, float), "a number", default))

    def texts(self, name: str) -> list[str]:
        """Return a member that is a list of texts; empty if it is not there."""
        values: list[str] = self._take(name, list, "a list of texts", [])
        if not all(isinstance(each, str) for each in values):
            raise ApiError(f"'{name}' must be a list of texts")
        return values

    def content(self) -> bytes:
        """Return the member ``text`` as UTF-8, or what the member ``base64`` stands for."""
        if "base64" not in self.values:
            return self.text("text", "").encode("utf-8", "replace")
        try:
            return base64.b64decode(self.text("base64"), validate=True)
        except (binascii.Error, ValueError):
            raise ApiError("'base64' is not base64") from None

    def _take(self, name: str, kind: Any, words: str, default: _Value | None) -> Any:
        value = self.values.get(name)
        if value is None:
            value = default
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ApiError(f"'{name}' must be {words}")
        return value


def read_filter(values: Mapping[str, str]) -> Filter:
    """Return which entries are asked for. ``kinds`` are names with commas between; none, and all are."""
    asked = {each.strip() for each in values.get("kinds", "").split(",")} - {""}
    if not asked <= {*KINDS}:
        raise ApiError(f"'kinds' are some of {', '.join(KINDS)}, with commas between")
    return Filter(
        values.get("hub", ""),
        values.get("connection", ""),
        values.get("user", ""),
        frozenset(asked or KINDS),
        values.get("text", ""),
    )


def read_call(order: Order, token: str) -> RestRequest:
    """Return a REST call of the service's.

    :param order: ``method``, ``target`` (path and query), ``contentType``, and ``text`` or ``base64``.
    :param str token: Token for the call.
    """
    method, target = order.text("method").upper(), order.text("target")
    if method not in _METHODS or not target.startswith(REST_PATH):
        raise ApiError(f"'method' is one of {', '.join(_METHODS)}, and 'target' begins with {REST_PATH}")
    headers = [("authorization", f"Bearer {token}"), ("content-type", order.maybe("contentType") or "")]
    for name, value in order.values.get("metadata", {}).items():
        headers.append((f"x-webpubsub-metadata-{str(name).lower()}", str(value)))
    return RestRequest(method, target, [pair for pair in headers if pair[1]], order.content())


def read_fault(order: Order) -> RestFault | SocketFault:
    """Return a fault: ``kind`` is ``rest`` or ``socket``, the rest are the fields of the class of that name."""
    kinds: dict[str, type[RestFault] | type[SocketFault]] = {"rest": RestFault, "socket": SocketFault}
    kind = kinds.get(order.text("kind"))
    if kind is None:
        raise ApiError("'kind' is rest or socket")
    known = {_camel(each.name): each for each in fields(kind)}
    found: dict[str, Any] = {}
    for name, value in order.values.items():
        if name == "kind" or value is None:
            continue
        field = known.get(name)
        if field is None:
            raise ApiError(f"there is no '{name}'; there are {', '.join(known)}")
        of_type = str(field.type).partition(" ")[0]
        if not isinstance(value, _TYPES[of_type]) or (isinstance(value, bool) and of_type != "bool"):
            raise ApiError(f"'{name}' must be of the type {of_type}")
        found[field.name] = value
    try:
        return kind(**found)
    except ValueError as error:
        raise ApiError(str(error)) from None


def read_event(order: Order, number: int, origin: str) -> UpstreamEvent:
    """Return an event for the event handler: ``kind`` is that of a system event or a group event, or ``user``.

    :param order: ``kind``, ``hub``, ``connectionId``, ``userId``; for ``user`` also ``event``, ``dataType``, and
     ``text`` or ``base64``; for group events ``group``.
    :param int number: Number of the event.
    :param str origin: Host name by which the client knows the service.
    """
    kind = order.text("kind")
    context = ConnectionContext(
        order.text("hub").lower(),
        order.text("connectionId", "") or "console",
        order.maybe("userId"),
        order.maybe("subprotocol"),
        event_id=number,
        origin=origin,
    )
    if kind == "user":
        return UserEvent(context, order.text("event"), read_payload(order))
    if kind in ("joined", "left"):
        return GroupEvent(context, kind, order.text("group"))
    simple: dict[str, UpstreamEvent] = {
        "connect": ConnectEvent(context, subprotocols=[context.subprotocol] if context.subprotocol else []),
        "connected": ConnectedEvent(context),
        "disconnected": DisconnectedEvent(context, order.text("reason", "")),
    }
    if kind not in simple:
        raise ApiError(f"'kind' is user, joined, left, {', '.join(simple)}")
    return simple[kind]


def read_payload(order: Order) -> Payload:
    """Return the data of a message: ``dataType``, and ``text`` or ``base64``."""
    content = order.content()
    kinds: dict[str, DataType] = {"text": "text", "json": "json", "binary": "binary"}
    kind = kinds.get(order.text("dataType", "text"))
    if kind is None:
        raise ApiError("'dataType' is text, json or binary")
    if kind == "json":
        try:
            content = check_json(content)
        except ValueError:
            raise ApiError("'text' is not JSON") from None
    return Payload(kind, content)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)
