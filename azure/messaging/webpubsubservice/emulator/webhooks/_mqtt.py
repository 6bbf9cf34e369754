"""What events of MQTT clients have beside those of the others: bodies, headers, and what is read of answers.

Loaded when the first MQTT client meets an event handler.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..hub import _events as on
from ..hub.mqtt._contents import sendable
from ..hub.mqtt._packets import Connect, Publish
from ..hub.mqtt._session import Ending
from ._answers import Answer, BadAnswer, parse_json

_PREFIX = "mqtt-"
_OCTETS = "application/octet-stream"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+(\s*;[\x20-\x7e]*)?", re.ASCII)
_NO_CONTENT = 204

Pairs = tuple[tuple[str, str], ...]


def connect_fields(packet: Connect) -> dict[str, Any]:
    """Return what the ``connect`` event says of a CONNECT packet."""
    password = packet.password
    return {
        "protocolVersion": packet.version,
        "username": packet.username,
        "password": None if password is None else base64.b64encode(password).decode("ascii"),
        "cleanStart": packet.clean_start,
        "userProperties": _objects(packet.properties.user_property),
    }


def disconnected_fields(ending: Ending) -> dict[str, Any]:
    """Return what the ``disconnected`` event says of how a client was lost."""
    if ending.code is None:
        packet = None
    else:
        properties = ending.user_properties
        packet = {"code": ending.code, "userProperties": None if properties is None else _objects(properties)}
    return {"initiatedByClient": ending.by_client, "disconnectPacket": packet}


def content_type_of(packet: Publish) -> str:
    """Return the content type of the request for a user event."""
    content_type = packet.properties.content_type or ""
    return content_type if _MEDIA_TYPE.fullmatch(content_type) else _OCTETS


def property_headers(packet: Publish) -> dict[str, str]:
    """Return the headers that stand for user properties; a name that no header can have is left out."""
    found: dict[str, list[str]] = {}
    for name, value in packet.properties.user_property:
        if _TOKEN.fullmatch(name):
            found.setdefault(f"{_PREFIX}{name}", []).append(value)
    return {name: ", ".join(values) for name, values in found.items()}


def read_granted(value: Mapping[str, Any]) -> Pairs:
    """Return the user properties for CONNACK of a good answer to ``connect``.

    :raises BadAnswer: if they are malformed.
    """
    return _read_mqtt(value)[1]


def read_refusal(answer: Answer) -> tuple[int | None, str, Pairs]:
    """Return code, reason and user properties for CONNACK of a refusal, as far as its body has them."""
    try:
        value = parse_json(answer.body) if answer.body.strip() else None
        fields, pairs = _read_mqtt(value if isinstance(value, dict) else {})
    except BadAnswer:
        return None, "", ()
    code, reason = fields.get("code"), fields.get("reason")
    return (
        code if isinstance(code, int) and not isinstance(code, bool) else None,
        sendable(reason) if isinstance(reason, str) else "",
        pairs,
    )


def read_event_answer(answer: Answer | None) -> on.MqttAnswer:
    """Return what a client is told of the answer to its event; of none, that the handler failed."""
    if answer is None:
        return on.MqttAnswer(500)
    pairs = tuple(
        (sendable(name[len(_PREFIX) :]), sendable(value))
        for name, value in answer.headers
        if name.lower().startswith(_PREFIX)
    )
    if answer.status == _NO_CONTENT or not answer.body:
        return on.MqttAnswer(answer.status, user_properties=pairs)
    content_type = answer.header("Content-Type")
    return on.MqttAnswer(answer.status, answer.body, None if content_type is None else sendable(content_type), pairs)


def _read_mqtt(value: Mapping[str, Any]) -> tuple[Mapping[str, Any], Pairs]:
    fields = value.get("mqtt") or {}
    if not isinstance(fields, dict):
        raise BadAnswer("'mqtt' is not an object")
    pairs = []
    for each in _list(fields.get("userProperties")):
        if not isinstance(each, dict) or not all(isinstance(each.get(key), str) for key in ("name", "value")):
            raise BadAnswer("'userProperties' is not a list of objects with 'name' and 'value'")
        pairs.append((sendable(each["name"]), sendable(each["value"])))
    return fields, tuple(pairs)


def _list(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadAnswer("'userProperties' is not a list")
    return value


def _objects(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]
