"""What the service says to an event handler and hears from it: CloudEvents as HTTP requests, and answers as outcomes.

Values in, values out; who is called and how is in ``_upstream``. Headers and bodies: service facts, Events and
headers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message as MimeHeaders
from typing import TYPE_CHECKING, Any

from ..hub._frames import DataType, Payload
from ..hub._json_text import check_json
from ..hub._metadata import HEADER_PREFIX, metadata_from_headers
from ..hub._names import is_group

if TYPE_CHECKING:
    from ..hub.mqtt._packets import Connect, Publish
    from ..hub.mqtt._session import Ending

__all__ = [
    "Answer",
    "BadAnswer",
    "ConnectEvent",
    "ConnectOutcome",
    "ConnectedEvent",
    "ConnectionContext",
    "DisconnectedEvent",
    "GroupEvent",
    "UpstreamEvent",
    "UserEvent",
    "UserEventOutcome",
    "event_headers",
    "read_connect_answer",
    "read_user_event_answer",
    "sign",
]


_Values = Mapping[str, Sequence[str]]
_NO_CONTENT = 204
_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What every event says of its connection.

    ``event_id`` counts its events: ``connect`` is 0. ``origin`` is the host name by which the client knows the service.
    An MQTT connection has a ``physical_id``, that of its socket, and once it is in, a ``session_id``.
    """

    hub: str
    connection_id: str
    user_id: str | None = None
    subprotocol: str | None = None
    state: str = ""
    event_id: int = 0
    origin: str = ""
    physical_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectEvent:
    """A client asks to be let in. Its token and its ``Authorization`` header are not passed on."""

    context: ConnectionContext
    claims: _Values = field(default_factory=dict)
    query: _Values = field(default_factory=dict)
    headers: _Values = field(default_factory=dict)
    subprotocols: Sequence[str] = ()
    packet: Connect | None = None

    name: str = field(default="connect", init=False)
    is_user: bool = field(default=False, init=False)
    content_type: str = field(default="application/json; charset=utf-8", init=False)
    metadata: Mapping[str, str] = field(default_factory=dict, init=False)

    def body(self) -> bytes:
        """Return the body of the request."""
        fields: dict[str, Any] = {}
        if self.packet is not None:
            from ._mqtt import connect_fields

            fields["mqtt"] = connect_fields(self.packet)
        return _dump(
            {
                **fields,
                "claims": _lists(self.claims),
                "query": _lists(self.query, without="access_token"),
                "headers": _lists(self.headers, without="authorization"),
                "subprotocols": list(self.subprotocols),
                "clientCertificates": [],
            }
        )


@dataclass(frozen=True, slots=True)
class ConnectedEvent:
    """A client was let in."""

    context: ConnectionContext

    name: str = field(default="connected", init=False)
    is_user: bool = field(default=False, init=False)
    content_type: str = field(default="application/json; charset=utf-8", init=False)
    metadata: Mapping[str, str] = field(default_factory=dict, init=False)

    def body(self) -> bytes:
        """Return the body of the request."""
        return b"{}"


@dataclass(frozen=True, slots=True)
class DisconnectedEvent:
    """A connection has ended for good."""

    context: ConnectionContext
    reason: str | None = None
    ending: Ending | None = None

    name: str = field(default="disconnected", init=False)
    is_user: bool = field(default=False, init=False)
    content_type: str = field(default="application/json; charset=utf-8", init=False)
    metadata: Mapping[str, str] = field(default_factory=dict, init=False)

    def body(self) -> bytes:
        """Return the body of the request."""
        fields: dict[str, Any] = {"reason": self.reason}
        if self.ending is not None:
            from ._mqtt import disconnected_fields

            fields["mqtt"] = disconnected_fields(self.ending)
        return _dump(fields)


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """A connection has joined a group (``joined``), or left it (``left``)."""

    context: ConnectionContext
    name: str
    group: str

    is_user: bool = field(default=False, init=False)
    content_type: str = field(default="application/json; charset=utf-8", init=False)
    metadata: Mapping[str, str] = field(default_factory=dict, init=False)

    def body(self) -> bytes:
        """Return the body of the request."""
        return _dump({"group": self.group})


_CONTENT_TYPES: dict[DataType, str] = {
    "text": "text/plain; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "binary": "application/octet-stream",
    "protobuf": "application/x-protobuf",
}


@dataclass(frozen=True, slots=True)
class UserEvent:
    """A client sent an event."""

    context: ConnectionContext
    name: str
    payload: Payload
    metadata: Mapping[str, str] = field(default_factory=dict)
    packet: Publish | None = None

    is_user: bool = field(default=True, init=False)

    @property
    def content_type(self) -> str:
        """Content type of the request."""
        if self.packet is not None:
            from ._mqtt import content_type_of

            return content_type_of(self.packet)
        return _CONTENT_TYPES[self.payload.type]

    def body(self) -> bytes:
        """Return the body of the request."""
        return self.payload.data if self.packet is None else self.packet.payload


UpstreamEvent = ConnectEvent | ConnectedEvent | DisconnectedEvent | GroupEvent | UserEvent


def event_headers(event: UpstreamEvent, *, keys: Sequence[str], now: float) -> dict[str, str]:
    """Return the headers of the request for an event.

    :keyword keys: Access keys, the primary one first.
    :keyword float now: Seconds since 1970.
    """
    context = event.context
    socket = "" if context.physical_id is None else f"/{context.physical_id}"
    headers = {
        "WebHook-Request-Origin": context.origin,
        "Content-Type": event.content_type,
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": f"azure.webpubsub.{_category(event)}.{event.name}",
        "ce-source": f"/hubs/{context.hub}/client/{context.connection_id}{socket}",
        "ce-id": str(context.event_id),
        "ce-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "ce-signature": sign(context.connection_id, keys),
        "ce-connectionId": context.connection_id,
        "ce-hub": context.hub,
        "ce-eventName": event.name,
    }
    for name, value in (
        ("ce-userId", context.user_id),
        ("ce-subprotocol", context.subprotocol),
        ("ce-connectionState", context.state),
        ("ce-physicalConnectionId", context.physical_id),
        ("ce-sessionId", context.session_id),
    ):
        if value:
            headers[name] = _header_text(value)
    for key, value in event.metadata.items():
        headers[f"{HEADER_PREFIX}{key}"] = value
    if isinstance(event, UserEvent) and event.packet is not None:
        from ._mqtt import property_headers

        headers |= {name: _header_text(value) for name, value in property_headers(event.packet).items()}
    return headers


def _category(event: UpstreamEvent) -> str:
    return "user" if event.is_user else "gp" if isinstance(event, GroupEvent) else "sys"


def sign(connection_id: str, keys: Sequence[str]) -> str:
    """Return the ``ce-signature`` of a connection: one signature for each key, in their order."""
    message = connection_id.encode("utf-8")
    return ",".join("sha256=" + hmac.new(key.encode("utf-8"), message, hashlib.sha256).hexdigest() for key in keys)


# Answers


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whichever way it came."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004 - the class of the status

    @property
    def shown(self) -> str:
        """The status for a log; of a redirect, which is not followed, also the URL that it points to."""
        location = self.header("Location")
        if self.status // 100 != 3 or not location:  # noqa: PLR2004 - the class of redirects
            return str(self.status)
        # A query may hold a secret, and what comes from outside may hold anything.
        target = "".join(each if each.isprintable() else "?" for each in location.partition("?")[0][:_MAX_SHOWN])
        return f"{self.status}, a redirect to '{target}', which is not followed: give that URL as the handler's"

    def header(self, name: str) -> str | None:
        """Return the last value of a header, None if there is none."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[-1] if found else None


class BadAnswer(Exception):  # noqa: N818 - a verdict on what a handler answered
    """The answer cannot be taken; the text says why."""


@dataclass(frozen=True, slots=True)
class ConnectOutcome:
    """Whether a client is let in, and as what. None leaves what the token says.

    ``status`` is that of the handshake when the client is not let in; ``why`` is for the log then. ``roles`` replace
    the token's, ``groups`` too; ``state`` is None when the answer does not speak of it, and empty when it clears it.
    An MQTT client is told the ``user_properties``, and if it is not let in, ``code`` and ``reason``.
    """

    status: int = 200
    user_id: str | None = None
    groups: Sequence[str] | None = None
    roles: Sequence[str] | None = None
    subprotocol: str | None = None
    state: str | None = None
    why: str = ""
    user_properties: tuple[tuple[str, str], ...] = ()
    code: int | None = None
    reason: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether the client is let in."""
        return self.status // 100 == 2  # noqa: PLR2004 - the class of the status


@dataclass(frozen=True, slots=True)
class UserEventOutcome:
    """What came of a user event: failed and why, or the message to send back, if any.

    ``state`` is None when the answer does not speak of it, and empty when it clears it. ``answer`` is all of the answer
    to an event of an MQTT client, good or bad, if there was one.
    """

    failed: bool = False
    reply: Payload | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    why: str = ""
    answer: Answer | None = None


def read_connect_answer(answer: Answer, *, is_mqtt: bool = False) -> ConnectOutcome:
    """Return what a successful answer to ``connect`` says (service facts, Answers).

    :param answer: The answer.
    :keyword bool is_mqtt: Whether it is about an MQTT client.
    :raises BadAnswer: if the body is neither empty nor a JSON object of the documented form.
    """
    state = answer.header("ce-connectionState")
    value = parse_json(answer.body) if answer.body.strip() and answer.status != _NO_CONTENT else None
    if value is None:
        return ConnectOutcome(answer.status, state=state)
    if not isinstance(value, dict):
        raise BadAnswer("the body is not a JSON object")
    groups = _names(value, "groups")
    if not all(map(is_group, groups or ())):
        raise BadAnswer("'groups' has an invalid group name")
    subprotocol = _text(value, "subprotocol")
    user_properties: tuple[tuple[str, str], ...] = ()
    if is_mqtt:
        from ._mqtt import read_granted

        user_properties = read_granted(value)
        if subprotocol not in (None, "mqtt"):
            raise BadAnswer("'subprotocol' is not 'mqtt'")
    return ConnectOutcome(
        answer.status,
        user_id=_text(value, "userId"),
        groups=groups or None,  # an empty list leaves the token's groups
        roles=_names(value, "roles"),
        subprotocol=subprotocol,
        state=state,
        user_properties=user_properties,
    )


def read_user_event_answer(answer: Answer) -> UserEventOutcome:
    """Return what a successful answer to a user event says (service facts, Answers).

    :raises BadAnswer: if the content type is not supported or the body is not of it.
    """
    state = answer.header("ce-connectionState")
    try:
        metadata = metadata_from_headers(answer.headers)
        if answer.status == _NO_CONTENT or not (answer.body or metadata):
            return UserEventOutcome(state=state)
        reply = _read_payload(answer.header("Content-Type"), answer.body) if answer.body else Payload("text", b"")
    except (ValueError, LookupError) as error:
        raise BadAnswer(str(error)) from error
    return UserEventOutcome(reply=reply, metadata=metadata, state=state)


def _read_payload(content_type: str | None, body: bytes) -> Payload:
    if not content_type:
        return Payload("binary", body)
    headers = MimeHeaders()
    headers["Content-Type"] = content_type
    media_type = headers.get_content_type() if "/" in content_type else content_type
    if media_type in ("application/octet-stream", "application/x-protobuf"):
        return Payload("binary" if media_type.endswith("octet-stream") else "protobuf", body)
    if media_type not in ("text/plain", "application/json"):
        raise BadAnswer(f"the content type {content_type!r} is not supported")
    charset = headers.get_content_charset("utf-8")
    if charset != "utf-8":
        body = body.decode(charset).encode("utf-8")
    if media_type == "application/json":
        return Payload("json", check_json(body))
    body.decode("utf-8")
    return Payload("text", body)


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text.

    :raises BadAnswer: if it is none.
    """
    try:
        return json.loads(check_json(body))
    except (ValueError, RecursionError) as error:
        raise BadAnswer("the body is not JSON") from error


def _text(value: Mapping[str, Any], name: str) -> str | None:
    text = value.get(name)
    if text is not None and not isinstance(text, str):
        raise BadAnswer(f"{name!r} is not a string")
    return text


def _names(value: Mapping[str, Any], name: str) -> list[str] | None:
    names = value.get(name)
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        raise BadAnswer(f"{name!r} is not a list of strings")
    return names


def _header_text(value: str) -> str:
    """Return text that cannot end a header: control characters are percent-encoded."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"%{ord(match[0]):02X}", value)


def _lists(values: _Values, *, without: str = "") -> dict[str, list[str]]:
    return {name: list(value) for name, value in values.items() if name.lower() != without}


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def pairs(headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> list[tuple[str, str]]:
    """Return headers of any usual form, mapping or pairs, str or bytes, as pairs of str."""
    items = headers.items() if isinstance(headers, Mapping) else headers
    return [(_decoded(name), _decoded(value)) for name, value in items]


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
