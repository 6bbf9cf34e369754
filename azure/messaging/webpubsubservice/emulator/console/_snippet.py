"""A recording as a pytest test: it connects the same clients, sends the same, and asserts what they received.

Rule: entries in, text out. What cannot be repeated is a comment that says so, never a silent gap.
"""

from __future__ import annotations

import itertools
import json
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from .._record import RecordedCall, RecordedConnection, RecordedFrame, RecordedRefusal, RecordedWebhook
from ..hub import _frames as frames
from ..protocols._json import format_frame
from ..protocols._subprotocols import JSON, JSON_RELIABLE
from ._client_frames import client_frame
from ._timeline import Entry, Opening

#: Entries that are repeated, the latest.
MAX_ENTRIES = 500

_SPOKEN = (None, JSON, JSON_RELIABLE)
_SEND = re.compile(r"/api/hubs/[^/]+(?:/(?P<kind>group|user|connection)s/(?P<name>[^/]+))?/:send", re.IGNORECASE)
_KEPT_HEADERS = ("content-type", "ce-connectionstate")
_SYSTEM_EVENTS, _GROUP_EVENTS = ("connect", "connected", "disconnected"), ("joined", "left")
_UNREPEATABLE = (401, 403)
_FAILED = 400
_SERVER_ERROR = 500
_HEAD = '''\
"""Recorded by the console of the Web PubSub emulator."""

from contextlib import ExitStack
{imports}

def test_recording():
    with ExitStack() as stack:
        emulator = stack.enter_context(WebPubSubEmulator({options}))
'''
_HANDLER = """
        def handler(method, headers, body):
            left = answers.get((headers["ce-hub"], headers["ce-eventName"]), [])
            status, answer_headers, answer = left.pop(0) if left else (204, {}, b"")
            return SimpleNamespace(status=status, headers=answer_headers, body=answer)
"""
_ARRIVED = """
        def arrived(count):
            def have_come(record):
                return sum(each.direction == "received" for each in record.frames) >= count

            emulator.record.wait_for(have_come)

"""


def snippet(found: Sequence[Entry], openings: Mapping[str, Opening]) -> str:
    """Return a test that repeats entries.

    :param found: The entries, oldest first.
    :param openings: As what connections were opened.
    """
    return _Writer(found[-MAX_ENTRIES:], openings, left_out=max(0, len(found) - MAX_ENTRIES)).write()


class _Writer:
    def __init__(self, found: Sequence[Entry], openings: Mapping[str, Opening], *, left_out: int) -> None:
        self._found = found
        self._openings = openings
        self._lines: list[str] = [f"# The {left_out:,} entries before these are left out."] if left_out else []
        self._names: dict[str, str] = {}
        self._services: dict[str, str] = {}
        self._received = 0
        self._uses_requests = False

    def write(self) -> str:
        for entry in self._found:
            self._write(entry.what)
        webhooks = [each.what for each in self._found if isinstance(each.what, RecordedWebhook)]
        fails = any(each.status is None or each.status >= _SERVER_ERROR for each in webhooks)
        head = _HEAD.format(imports=self._imports(webhooks), options="event_retry_delays=(0, 0, 0)" if fails else "")
        lines = [head, *_answers(webhooks)]
        if self._received:
            lines.append(_ARRIVED)
        for hub, name in self._services.items():
            made = f'WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="{hub}")'
            lines.append(f"        {name} = stack.enter_context({made})\n")
        return "".join([*lines, *(f"        {each}\n" for each in self._lines)])

    def _imports(self, webhooks: Sequence[object]) -> str:
        emulators = "EventHandler, WebPubSubEmulator" if webhooks else "WebPubSubEmulator"
        lines = [
            "from types import SimpleNamespace\n" if webhooks else "",
            "from azure.core.rest import HttpRequest" if self._uses_requests else None,
            "from azure.messaging.webpubsubservice import WebPubSubServiceClient" if self._services else None,
            f"from azure.messaging.webpubsubservice.emulator import {emulators}\n",
        ]
        return "\n".join(each for each in lines if each is not None)

    def _write(self, what: object) -> None:
        if isinstance(what, RecordedConnection):
            self._write_connection(what)
        elif isinstance(what, RecordedCall):
            self._write_call(what)
        elif isinstance(what, RecordedFrame) and what.direction == "received":
            self._write_received(what)
        elif isinstance(what, RecordedFrame):
            self._write_sent(what)
        elif isinstance(what, RecordedRefusal):
            self._say(f"refused: {what.why}")

    def _say(self, words: str) -> None:
        self._lines.append("# " + " ".join(words.split()))

    # Clients

    def _client(self, connection_id: str) -> tuple[str, Opening] | None:
        """Return the name of a client and as what it was opened; None for one that cannot be repeated."""
        opening = self._openings.get(connection_id)
        if opening is None or opening.what.subprotocol not in _SPOKEN:
            return None
        if connection_id not in self._names:
            self._names[connection_id] = self._new_name(opening.what.user_id or "client")
            self._connect(self._names[connection_id], opening.what)
        return self._names[connection_id], opening

    def _new_name(self, wanted: str) -> str:
        name = re.sub(r"\W", "_", wanted.lower(), flags=re.ASCII)
        taken = {*self._names.values(), "emulator", "stack", "answers", "handler", "arrived"}
        if not name[:1].isalpha() or keyword.iskeyword(name):
            name = f"client_{name}"
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        return next(each for each in itertools.chain([name], numbered) if each not in taken)

    def _connect(self, name: str, what: RecordedConnection) -> None:
        options = {
            "user_id": what.user_id,
            "groups": list(what.groups),
            "roles": list(what.roles),
            "subprotocol": what.subprotocol,
        }
        given = "".join(f", {key}={value!r}" for key, value in options.items() if value)
        self._lines.append(f"{name} = stack.enter_context(emulator.connect({what.hub!r}{given}))")

    def _write_connection(self, what: RecordedConnection) -> None:
        if what.event == "opened":
            if self._client(what.connection_id) is None:
                self._say(f"{what.connection_id} speaks {what.subprotocol}, which cannot be repeated here")
        elif what.event == "ended" and what.connection_id in self._names:
            if what.reason.startswith("closed by the client"):
                self._lines.append(f"{self._names[what.connection_id]}.close()")
        elif what.event != "ended":
            self._say(f"{what.connection_id} was {what.event} here, which is not repeated")

    # Frames

    def _write_received(self, what: RecordedFrame) -> None:
        client = self._client(what.connection_ids[0])
        if client is None:
            return
        name, opening = client
        statement = _statement(what.frame, opening.what.subprotocol)
        if statement is None:
            self._say(f"{name} sent a {type(what.frame).__name__}, which cannot be repeated")
            return
        self._received += 1
        self._lines += [f"{name}.{statement}", f"arrived({self._received})"]

    def _write_sent(self, what: RecordedFrame) -> None:
        if isinstance(what.frame, frames.Connected):
            return  # connect() has received it
        for at, connection_id in enumerate(what.connection_ids):
            client = self._client(connection_id)
            if client is not None:
                sequence_id = what.sequence_ids[at] if what.sequence_ids else None
                received = _received(what.frame, client[1].what.subprotocol, sequence_id)
                if received is not None:
                    self._lines.append(f"assert {client[0]}.{received}")

    # REST

    def _write_call(self, what: RecordedCall) -> None:
        if what.status is None or what.status in _UNREPEATABLE or what.why.startswith("a fault") or not what.hub:
            self._say(f"{what.method} {what.target}: {what.why or what.status}")
            return
        name = self._services.setdefault(what.hub, f"service_{re.sub(r'[^a-z0-9]', '_', what.hub)}")
        path, _, query = what.target.partition("?")
        match = _SEND.fullmatch(path)
        if match and what.method == "POST" and what.status < _FAILED:
            self._lines.append(f"{name}.{self._send(what, match, query)}")
            return
        self._uses_requests = True
        options = f", content={what.body!r}" if what.body else ""
        if what.content_type:
            options += f", headers={{'Content-Type': {what.content_type!r}}}"
        request = f"HttpRequest({what.method!r}, {self._text(what.target)}{options})"
        self._lines.append(f"assert {name}.send_request({request}).status_code == {what.status}")

    def _send(self, what: RecordedCall, match: re.Match[str], query: str) -> str:
        message, content_type = _message(what)
        to = f"{self._text(unquote(match['name']))}, " if match["name"] else ""
        options = [f"content_type={content_type!r}"]
        pairs = parse_qsl(query, keep_blank_values=True)
        excluded = [self._text(value) for name, value in pairs if name == "excluded"]
        if excluded:
            options.append(f"excluded=[{', '.join(excluded)}]")
        for parameter, option in (("filter", "filter"), ("messageTtlSeconds", "message_ttl_seconds")):
            value = next((value for name, value in pairs if name == parameter), None)
            if value is not None:
                options.append(f"{option}={int(value) if option != 'filter' else self._text(value)}")
        if what.metadata:
            options.append(f"metadata={dict(what.metadata)!r}")
        return f"send_to_{(match['kind'] or 'all').lower()}({to}{message}, {', '.join(options)})"

    def _text(self, text: str) -> str:
        """Return text as Python writes it; the id of a connection becomes that of the client in the test."""
        known = [each for each in self._openings if each in text and self._client(each) is not None]
        if not known:
            return repr(text)
        text = text.replace("{", "{{").replace("}", "}}")
        for each in known:
            text = text.replace(each, f"{{{self._names[each]}.connection_id}}")
        return "f" + repr(text)


def _message(what: RecordedCall) -> tuple[str, str]:
    """Return a message as Python writes it, and its content type."""
    content_type = what.content_type or "application/octet-stream"
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        value = json.loads(what.body)
        # Other JSON goes as the bytes that it was.
        return (repr(value) if isinstance(value, dict | list) else repr(what.body)), kind
    if kind == "text/plain" and content_type.lower().replace(" ", "") in ("text/plain", "text/plain;charset=utf-8"):
        return repr(what.body.decode("utf-8", "replace")), kind
    return repr(what.body), content_type


def _statement(frame: object, subprotocol: str | None) -> str | None:
    """Return how a client sends a frame, None if it cannot."""
    if subprotocol is not None:
        value = client_frame(frame)
        return None if value is None else f"send_json({value!r})"
    if not isinstance(frame, frames.Event):
        return None  # the mode that sends to a group is in the query of the URL
    if frame.payload.type == "text":
        return f"send_text({frame.payload.data.decode('utf-8', 'replace')!r})"
    return f"send_bytes({frame.payload.data!r})"


def _received(frame: Any, subprotocol: str | None, sequence_id: int | None) -> str | None:
    """Return what a client receives of a frame, compared; None if it gets nothing."""
    if subprotocol is not None:
        if isinstance(frame, frames.Message) and sequence_id is not None:
            frame = replace(frame, sequence_id=sequence_id)
        if isinstance(frame, frames.Message) and isinstance(frame.preview, str):
            # Connection ids and times are in it, which are others each time.
            return f"receive_json()['type'] == {frame.preview!r}"
        return f"receive_json() == {json.loads(format_frame(frame))!r}"
    if not isinstance(frame, frames.Message):
        return None
    if frame.payload.type == "json":
        return f"receive_json() == {json.loads(frame.payload.data)!r}"
    if frame.payload.type == "text":
        return f"receive_text() == {frame.payload.data.decode('utf-8', 'replace')!r}"
    return f"receive_bytes() == {frame.payload.data!r}"


def _answers(webhooks: Sequence[RecordedWebhook]) -> list[str]:
    """Return an event handler that answers as the one that was recorded."""
    if not webhooks:
        return []
    answers: dict[tuple[str, str], list[tuple[int, dict[str, str], bytes]]] = {}
    for each in webhooks:
        kept = {
            name: value
            for name, value in each.answer_headers
            if name.lower() in _KEPT_HEADERS or name.lower().startswith("x-webpubsub-metadata-")
        }
        status = _SERVER_ERROR if each.status is None else each.status
        answers.setdefault((each.hub, each.event), []).append((status, kept, each.answer))
    lines = [f"        answers = {answers!r}\n", _HANDLER, "\n"]
    for hub in dict.fromkeys(each.hub for each in webhooks):
        events = {each.event for each in webhooks if each.hub == hub}
        system, group = sorted(events & {*_SYSTEM_EVENTS}), sorted(events & {*_GROUP_EVENTS})
        made = f"EventHandler(handler=handler, system_events={system!r}, group_presence_events={group!r})"
        lines.append(f"        emulator.add_event_handler({hub!r}, {made})\n")
    return lines
