"""What the service makes of a handler's answers: the doctor's judgement, answers in, findings out.

Nothing here sends anything; ``__main__`` does. Each finding that is a fault says how to mend it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from ._bodies import InvalidEventError
from ._protection import host_name
from ._state import decode_states

Level = Literal["ok", "note", "FAIL"]

LARGEST_ANSWER = 16 * 1024 * 1024
_LARGEST_MESSAGE = 1024 * 1024
_SLOW = 5.0
_NO_KEY = "the handler may check signatures: pass its key with --access-key"
_WRONG_KEY = "check that the key of --access-key is one of the handler's"
_MESSAGE_TYPES = {"text/plain": "text", "application/json": "JSON", "application/octet-stream": "binary"}
_CONNECT_FIELDS: dict[str, tuple[type[Any], str]] = {
    "userId": (str, "a string"),
    "groups": (list, "an array of strings"),
    "roles": (list, "an array of strings"),
    "subprotocol": (str, "a string"),
    "mqtt": (dict, "an object"),
}


class Answer(NamedTuple):
    """What came back: status, headers as they came, at most `LARGEST_ANSWER` + 1 bytes of the body, and how soon."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    seconds: float

    def all(self, name: str) -> list[str]:
        """Return the values of a header, one for each time it is there."""
        return [value.strip() for key, value in self.headers if key.lower() == name]


class Finding(NamedTuple):
    """One line of the report, and what to do about it if it is a fault."""

    level: Level
    subject: str
    text: str
    remedy: str = ""


def judge_handshake(answer: Answer, origin: str) -> Iterator[Finding]:
    """Judge the answer to the abuse protection request of the service itself."""
    allowed = [part.strip() for value in answer.all("webhook-allowed-origin") for part in value.split(",")]
    if not _is_success(answer):
        remedy = "answer OPTIONS with 200 and WebHook-Allowed-Origin"
        if answer.status == 403:  # noqa: PLR2004 - the handler of this package refuses an origin so
            remedy = f"allow the origin: WebPubSubEventHandler(..., allowed_endpoints=[{origin!r}])"
        yield _bad_status(answer, "handshake", "the service does not use this URL", remedy)
    elif not allowed:
        yield Finding(
            "FAIL",
            "handshake",
            f"answers {answer.status} without WebHook-Allowed-Origin: the service does not use this URL",
            f"send the header WebHook-Allowed-Origin: {origin}",
        )
    elif "*" not in allowed and host_name(origin) not in map(host_name, allowed):
        yield Finding(
            "FAIL",
            "handshake",
            f"allows {_shown(', '.join(allowed))}, not {origin}: the service does not use this URL",
            f"allow {origin!r}, or pass the service's host name with --origin",
        )
    else:
        yield Finding("ok", "handshake", f"allows {_shown(', '.join(allowed))}")


def judge_stranger(answer: Answer, origin: str) -> Iterator[Finding]:
    """Judge the answer to the same request from a service nobody named."""
    allowed = [part.strip() for value in answer.all("webhook-allowed-origin") for part in value.split(",")]
    if _is_success(answer) and ("*" in allowed or origin in allowed):
        yield Finding(
            "note",
            "other origins",
            "allows every origin: any Web PubSub service can be pointed at this URL",
            "name the endpoints that may use it: allowed_endpoints=[...]",
        )
    else:
        yield Finding("ok", "other origins", "are refused")


def judge_connect(answer: Answer, *, signed: bool) -> Iterator[Finding]:
    """Judge the answer to ``connect``, which decides the client's handshake."""
    yield from _judge_common(answer, "connect")
    if answer.status in (400, 401, 403):
        yield _rejected(answer, signed=signed)
    elif not _is_success(answer):
        yield _bad_status(answer, "connect", f"the client's handshake fails with {answer.status}")
    elif answer.status == 204 or answer.body.strip() in (b"", b"null"):  # noqa: PLR2004 - No Content
        yield Finding("ok", "connect", f"answers {answer.status}: accepted as the client's token says")
    else:
        yield from _judge_connect_body(answer.body)


def judge_notification(answer: Answer, subject: str, *, signed: bool) -> Iterator[Finding]:
    """Judge the answer to ``connected`` or ``disconnected``, which the service only logs."""
    yield from _judge_common(answer, subject)
    if _is_success(answer):
        yield Finding("ok", subject, f"answers {answer.status}")
    else:
        yield _bad_status(answer, subject, "the service logs it, and your code does not learn of it", signed=signed)


def judge_user_event(answer: Answer, subject: str, *, signed: bool) -> Iterator[Finding]:
    """Judge the answer to a user event, which becomes a message to the client."""
    yield from _judge_common(answer, subject)
    if not _is_success(answer):
        consequence = "a simple client is disconnected, the others get a failed acknowledgement"
        yield _bad_status(answer, subject, consequence, signed=signed)
    elif not answer.body:
        yield Finding("ok", subject, f"answers {answer.status}: no message to the client")
    else:
        yield from _judge_message(answer, subject)


def judge_forged(answer: Answer) -> Iterator[Finding]:
    """Judge the answer to an event whose signature is wrong."""
    if answer.status == 401:  # noqa: PLR2004 - Unauthorized
        yield Finding("ok", "forged event", "is refused with 401")
    elif _is_success(answer):
        yield Finding(
            "FAIL",
            "forged event",
            f"is accepted with {answer.status}: anyone who can reach this URL can send events",
            "check ce-signature: WebPubSubEventHandler(..., access_key=...) or connection_string=...",
        )
    else:
        yield Finding("note", "forged event", f"is refused with {answer.status}", "answer 401 to a wrong signature")


def states_of(answer: Answer) -> str | None:
    """Return the connection state an answer sets, as the service would keep it, or None if it sets none."""
    values = answer.all("ce-connectionstate")
    return values[-1] if values and _is_success(answer) else None


def _judge_common(answer: Answer, subject: str) -> Iterator[Finding]:
    if len(answer.body) > LARGEST_ANSWER:
        yield Finding("FAIL", subject, "answers more than 16 MiB: the service gives up reading", "answer less")
    if answer.seconds > _SLOW:
        yield Finding("note", subject, f"takes {answer.seconds:.1f} s", "answer first, work in the background")
    states = answer.all("ce-connectionstate")
    if len(states) > 1:
        yield Finding("FAIL", subject, "sets ce-connectionState more than once: the last one counts", "set it once")
    try:
        decode_states([value for value in states[-1:] if value])
    except InvalidEventError:
        yield Finding(
            "note",
            subject,
            "sets a ce-connectionState that is not base64 of a JSON object: handlers of the official kind lose it",
            "give the reply states={...}, or encode the state so",
        )


def _judge_connect_body(body: bytes) -> Iterator[Finding]:
    consequence = "the client's handshake fails with 500"
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        remedy = "answer 204, or 200 with a JSON object of userId, groups, roles, subprotocol"
        yield Finding("FAIL", "connect", f"answers a body that is not a JSON object: {consequence}", remedy)
        return
    for name, (kind, shape) in _CONNECT_FIELDS.items():
        value = content.get(name)
        wrong_item = isinstance(value, list) and not all(isinstance(item, str) for item in value)
        if value is not None and (not isinstance(value, kind) or wrong_item):
            yield Finding("FAIL", "connect", f"answers {name} of the wrong type: {consequence}", f"make it {shape}")
            return
    for name in content.keys() - _CONNECT_FIELDS.keys():
        known = ", ".join(_CONNECT_FIELDS)
        yield Finding("note", "connect", f"answers {_shown(name)}, which the service ignores", f"it knows {known}")
    set_fields = [name for name in _CONNECT_FIELDS if content.get(name) is not None]
    yield Finding("ok", "connect", f"accepts the client and sets {', '.join(set_fields) or 'nothing'}")


def _judge_message(answer: Answer, subject: str) -> Iterator[Finding]:
    content_type = ", ".join(answer.all("content-type"))
    kind = _MESSAGE_TYPES.get(content_type.partition(";")[0].strip().lower())
    known = "send Content-Type " + ", ".join(_MESSAGE_TYPES)
    if not content_type:
        text = f"answers {len(answer.body):,} bytes without Content-Type: the client gets them as binary, or as text"
        yield Finding("note", subject, text, known)
    elif kind is None:
        text = f"answers {_shown(content_type)}, which the service does not take: the event counts as failed"
        yield Finding("FAIL", subject, text, known)
    elif len(answer.body) > _LARGEST_MESSAGE:
        yield Finding("FAIL", subject, "answers a message larger than 1 MiB", "send less in one message")
    elif kind == "JSON" and not _is_json(answer.body):
        yield Finding("FAIL", subject, "answers application/json that is not JSON", "encode the value as JSON")
    else:
        yield Finding("ok", subject, f"sends the client {len(answer.body):,} bytes of {kind}")


def _is_success(answer: Answer) -> bool:
    return answer.status // 100 == 2  # noqa: PLR2004 - the class of successes


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _rejected(answer: Answer, *, signed: bool) -> Finding:
    text = f"rejects the sample client, whose handshake fails with {answer.status}{_body_text(answer)}"
    if answer.status == 401 and not signed:  # noqa: PLR2004 - Unauthorized
        return Finding("FAIL", "connect", text, _NO_KEY)
    remedy = "right if it is meant; if not: check the access key, --hub, and what on_connect returns"
    return Finding("note", "connect", text, remedy)


def _bad_status(answer: Answer, subject: str, consequence: str, remedy: str = "", *, signed: bool = True) -> Finding:
    said = f"answers {answer.status}{_body_text(answer)}"
    location = answer.all("location")
    if location and answer.status // 100 == 3:  # noqa: PLR2004 - the class of redirects
        said = f"answers {answer.status}, a redirect to {_shown(location[0])}"
        remedy = "register the URL it redirects to: often a slash at the end is missing, or one too many"
    elif answer.status == 404:  # noqa: PLR2004 - Not Found
        remedy = "check the path: nothing is mounted there"
    elif answer.status == 401 and subject != "handshake":  # noqa: PLR2004 - Unauthorized
        remedy = _WRONG_KEY if signed else _NO_KEY
    elif answer.status >= 500:  # noqa: PLR2004 - the class of server errors
        consequence += ", after up to three repetitions"
        remedy = "read the handler's log: its function raised"
    elif not remedy:
        remedy = "answer 200 or 204"
    return Finding("FAIL", subject, f"{said}: {consequence}", remedy)


def _body_text(answer: Answer) -> str:
    text = answer.body[:200].decode("utf-8", "replace").strip()
    return f" ({_shown(text)})" if text else ""


def _shown(text: str) -> str:
    """Return text from outside so that it can neither fill nor steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:200])
