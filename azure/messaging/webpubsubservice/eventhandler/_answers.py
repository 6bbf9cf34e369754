"""From a reply to the HTTP response the service reads. The other half of ``_cloudevents``.

What cannot be written (a reply of a type that does not belong, a value that is not JSON) is the caller's mistake and
raises `TypeError` or `ValueError`; the handler turns that into a 500 and a log record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._bodies import InvalidEventError, dump_json
from ._events import ConnectRequest, EventRequest, UserEventRequest
from ._replies import ConnectResponse, EventErrorResponse, EventHandlerResponse, UserEventResponse
from ._state import encode_states

_JSON = {"Content-Type": "application/json; charset=utf-8"}
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_BINARY = {"Content-Type": "application/octet-stream"}

# CONNACK codes by HTTP status: MQTT 3.1.1 has "bad user name or password", "not authorized", "server unavailable";
# MQTT 5.0 "bad user name or password", "not authorized", "banned", "unspecified error".
_CONNACK_CODES: Mapping[int, Mapping[int, int]] = {
    4: {400: 4, 401: 5, 403: 5, 500: 3},
    5: {400: 0x86, 401: 0x87, 403: 0x8A, 500: 0x80},
}


def refusal(error: InvalidEventError) -> EventHandlerResponse:
    """Return the response for a request that is no event."""
    return text_response(error.status, error.reason)


def text_response(status: int, text: str, **headers: str) -> EventHandlerResponse:
    """Return a response with a plain text."""
    body = text.encode("utf-8", "backslashreplace")
    return EventHandlerResponse(status, {**_TEXT, **headers} if body else headers, body)


def unhandled(event: EventRequest) -> EventHandlerResponse:
    """Return what the official handlers answer when nobody handles an event: accepted as it is, nothing to say."""
    return EventHandlerResponse(204 if isinstance(event, ConnectRequest) and event.mqtt else 200)


def answer(event: EventRequest, reply: object) -> EventHandlerResponse:
    """Return the response that carries a function's reply.

    :raises TypeError: if the reply is not one for this event
    :raises ValueError: if the reply holds what JSON cannot carry
    """
    if isinstance(event, ConnectRequest):
        return _answer_connect(event, reply)
    if isinstance(event, UserEventRequest):
        return _answer_user_event(event, reply)
    return EventHandlerResponse(200)


def is_notification(event: EventRequest) -> bool:
    """Tell whether the service takes no reply to this event."""
    return not isinstance(event, (ConnectRequest, UserEventRequest))


def _answer_connect(event: ConnectRequest, reply: object) -> EventHandlerResponse:
    if isinstance(reply, EventErrorResponse):
        return (
            _reject_mqtt(event.mqtt.protocol_version, reply) if event.mqtt else text_response(reply.status, reply.text)
        )
    if reply is None:
        return EventHandlerResponse(204)
    if not isinstance(reply, ConnectResponse):
        raise TypeError(
            f"reply to connect with ConnectResponse, EventErrorResponse or None, not {type(reply).__name__}"
        )
    # The caller's lists may have changed since they were checked: what is written is a copy, checked again.
    groups, roles = (None if names is None else list(names) for names in (reply.groups, reply.roles))
    reply = replace(reply, groups=groups, roles=roles)
    content: dict[str, Any] = {
        "userId": reply.user_id,
        "groups": reply.groups,
        "roles": reply.roles,
        "subprotocol": reply.subprotocol,
        "mqtt": _mqtt_properties(reply) or None,
    }
    content = {name: value for name, value in content.items() if value is not None}
    state = _state_header(event, reply.states)
    if not content:
        return EventHandlerResponse(204, state)
    return EventHandlerResponse(200, {**_JSON, **state}, dump_json(content))


def _mqtt_properties(reply: ConnectResponse) -> dict[str, Any]:
    properties = [{"name": name, "value": value} for name, value in reply.mqtt_user_properties]
    return {"userProperties": properties} if properties else {}


def _reject_mqtt(version: int, reply: EventErrorResponse) -> EventHandlerResponse:
    code = reply.mqtt_code or _CONNACK_CODES[version][reply.status]
    return EventHandlerResponse(reply.status, dict(_JSON), dump_json({"mqtt": {"code": code, "reason": reply.text}}))


def _answer_user_event(event: UserEventRequest, reply: object) -> EventHandlerResponse:
    if isinstance(reply, EventErrorResponse):
        return text_response(reply.status, reply.text)
    if isinstance(reply, ConnectResponse):
        raise TypeError("reply to a user event with UserEventResponse, a value or None, not ConnectResponse")
    if not isinstance(reply, UserEventResponse):
        reply = UserEventResponse(reply)
    # The caller's dict may have changed since it was checked: what is written is a copy, checked again.
    reply = replace(reply, metadata=dict(reply.metadata))
    headers = _state_header(event, reply.states)
    headers.update({f"x-webpubsub-metadata-{key.lower()}": value for key, value in reply.metadata.items()})
    if reply.data is None and reply.data_type is None:
        return EventHandlerResponse(204, headers)
    content_type, body = _encode(reply)
    return EventHandlerResponse(200, {**content_type, **headers}, body)


def _encode(reply: UserEventResponse) -> tuple[dict[str, str], bytes]:
    if isinstance(reply.data, (bytes, bytearray, memoryview)):
        return _BINARY, bytes(reply.data)
    if isinstance(reply.data, str) and reply.data_type != "json":
        return _TEXT, reply.data.encode()
    return _JSON, dump_json(reply.data)


def _state_header(event: EventRequest, states: Mapping[str, Any] | None) -> dict[str, str]:
    # The service replaces the state it keeps, so what is not said again would be lost: merging is done here.
    return {"ce-connectionState": encode_states({**event.states, **states})} if states else {}
