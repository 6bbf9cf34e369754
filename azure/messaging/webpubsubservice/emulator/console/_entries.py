"""Entries of the time line as JSON: a row for the list, and all there is for who wants to see it. No secrets.

Rule: values in, values out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from .._record import RecordedCall, RecordedConnection, RecordedFrame, RecordedRefusal, RecordedWebhook
from ..hub._frames import Payload
from ..webhooks._event_handlers import without_secrets
from ._timeline import Entry

HIDDEN = "(not shown)"
_MAX_TITLE = 160
_SHOWN_IDS = 1000
_ROW_IDS = 2
_SUCCESS = range(200, 400)
_SECRET = re.compile(
    r"authorization|cookie|signature|token|secret|password|authentication_?data"
    r"|(api|access|functions|subscription|shared).?key|^(code|sig|key)$",
    re.IGNORECASE,
)
# Which says little in a line.
_VERSION = re.compile(r"\?api-version=[^&]*$|(?<=[?&])api-version=[^&]*&|&api-version=[^&]*")


def is_secret(name: str) -> bool:
    """Return True for the name of a header, a field or a parameter whose value is not to be shown."""
    return _SECRET.search(name) is not None


def row(entry: Entry, users: Sequence[str]) -> dict[str, Any]:
    """Return what the list shows of an entry.

    :param entry: The entry.
    :param users: The users of its connections.
    """
    ids = entry.connection_ids
    return {
        "number": entry.number,
        "time": entry.time,
        "kind": entry.kind,
        "hub": getattr(entry.what, "hub", ""),
        "connections": list(ids[:_ROW_IDS]),
        "connectionCount": len(ids),
        "users": list(users[:_ROW_IDS]),
        "title": _short(title(entry)),
        "failed": _has_failed(entry),
    }


def title(entry: Entry) -> str:
    """Return what happened, in a line."""
    what = entry.what
    if isinstance(what, RecordedFrame):
        return _frame_title(what)
    if isinstance(what, RecordedCall):
        status = "no answer" if what.status is None else what.status
        return f"{what.method} {_VERSION.sub('', _target(what.target))} {status}" + (
            f": {what.why}" if what.why else ""
        )
    if isinstance(what, RecordedWebhook):
        return f"{what.event} {what.error or what.status}"
    if isinstance(what, RecordedConnection):
        return f"{what.event}" + (f": {what.reason}" if what.reason else "")
    if isinstance(what, RecordedRefusal):
        return (f"{what.status} " if what.status else "") + what.why
    return ""


def text_of(entry: Entry) -> str:
    """Return all that an entry says, to look for words in it."""
    shown = json.dumps(detail(entry, ()), ensure_ascii=False)
    # In JSON, quotes within data are escaped; who looks for them types them plainly.
    return f"{title(entry)}\n{shown}\n{shown.replace(chr(92) + chr(34), chr(34))}"


def detail(entry: Entry, users: Sequence[str]) -> dict[str, Any]:
    """Return all there is of an entry."""
    what = entry.what
    shown = {**row(entry, users), "connections": list(entry.connection_ids[:_SHOWN_IDS]), "users": list(users)}
    if isinstance(what, RecordedFrame):
        fields_ = _fields(what.frame)
        return {
            **shown,
            "frame": type(what.frame).__name__,
            "data": fields_.pop("payload", None),
            "fields": fields_,
            "sequenceIds": list(what.sequence_ids[:_SHOWN_IDS]),
        }
    if isinstance(what, RecordedCall):
        return {
            **shown,
            "method": what.method,
            "target": _target(what.target),
            "contentType": what.content_type,
            "status": what.status,
            "why": what.why,
            "data": data(what.body),
        }
    if isinstance(what, RecordedWebhook):
        return {
            **shown,
            "event": what.event,
            "url": None if what.url is None else without_secrets(what.url),
            "headers": _headers(what.headers.items()),
            "data": data(_without_secrets_of_connect(what)),
            "status": what.status,
            "error": what.error,
            "answerHeaders": _headers(what.answer_headers),
            "answer": data(what.answer),
        }
    return {**shown, **_fields(what)}


def data(content: bytes) -> dict[str, Any]:
    """Return bytes as JSON can carry them: as text if they are UTF-8."""
    try:
        return {"size": len(content), "text": content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"size": len(content), "base64": base64.b64encode(content).decode("ascii")}


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a frame or an entry; those that say nothing are left out."""
    found = {each.name: getattr(value, each.name) for each in fields(value)}
    return {
        _camel(name): HIDDEN if is_secret(name) else _plain(each)
        for name, each in found.items()
        if each is not None and each not in ((), {}, "")
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Payload):
        return {"dataType": value.type, **data(value.data)}
    if isinstance(value, bytes):
        return data(value)
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(name): HIDDEN if is_secret(str(name)) else _plain(each) for name, each in value.items()}
    if isinstance(value, frozenset | tuple | list):
        return [_plain(each) for each in value]
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def _frame_title(frame: RecordedFrame) -> str:
    what = frame.frame
    name = type(what).__name__
    words = [name[0].lower() + name[1:]]
    for attribute in ("group", "event", "topic", "ack_id", "sequence_id", "error_name", "error_message", "message"):
        value = getattr(what, attribute, None)
        if value and isinstance(value, str | int):
            words.append(f"#{value}" if attribute.endswith("_id") else str(value))
    payload = getattr(what, "payload", None)
    if payload is not None:
        kind, content = (payload.type, payload.data) if isinstance(payload, Payload) else ("binary", payload)
        known = kind in ("text", "json") or not content
        words.append(content[: 4 * _MAX_TITLE].decode("utf-8", "replace") if known else f"{len(content):,} bytes")
    return " ".join(words)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TITLE else text[: _MAX_TITLE - 1] + "…"


def _has_failed(entry: Entry) -> bool:
    what = entry.what
    if isinstance(what, RecordedCall):
        # To ask whether something is there is no failure.
        return what.status not in _SUCCESS and not (what.method == "HEAD" and what.status == 404)  # noqa: PLR2004
    if isinstance(what, RecordedWebhook):
        return what.status not in _SUCCESS
    if isinstance(what, RecordedFrame):
        return getattr(what.frame, "error_name", None) is not None
    return isinstance(what, RecordedRefusal) or getattr(what, "event", "") == "lost"


def _target(target: str) -> str:
    path, _, query = target.partition("?")
    if not any(is_secret(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        return target
    pairs = parse_qsl(query, keep_blank_values=True)
    return f"{path}?{urlencode([(name, HIDDEN if is_secret(name) else each) for name, each in pairs], quote_via=quote)}"


def _headers(headers: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [[name, HIDDEN if is_secret(name) else value] for name, value in headers]


def _without_secrets_of_connect(what: RecordedWebhook) -> bytes:
    """Return the body; ``connect`` tells of what the client sent, and of a password, if it came by MQTT."""
    if what.event != "connect":
        return what.body
    try:
        value = json.loads(what.body)
    except ValueError:
        return what.body
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")).encode()
