"""What an event handler answers, and what that means for its client (service facts, Answers).

Values in, values out: an answer becomes an outcome, or a :class:`BadAnswer` with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message as MimeHeaders
from typing import Any

from ..hub._frames import Payload
from ..hub._json_text import check_json
from ..hub._metadata import metadata_from_headers
from ..hub._names import is_group

_NO_CONTENT = 204
_MAX_SHOWN = 200


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


def pairs(headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> list[tuple[str, str]]:
    """Return headers of any usual form, mapping or pairs, str or bytes, as pairs of str."""
    items = headers.items() if isinstance(headers, Mapping) else headers
    return [(_decoded(name), _decoded(value)) for name, value in items]


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
