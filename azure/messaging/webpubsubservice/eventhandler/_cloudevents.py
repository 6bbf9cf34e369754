"""From an HTTP request to an event: headers and body in, a frozen event out, or `InvalidEventError` and nothing else.

What the service sends is settled by its CloudEvents binding: one event a request, binary content mode. Whatever else
comes in is refused with a reason that names the header or the field.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._bodies import InvalidEventError, decode_text, parse_content_type, parse_json
from ._events import (
    ClientCertificate,
    ConnectedRequest,
    ConnectionContext,
    ConnectRequest,
    DataType,
    DisconnectedRequest,
    EventRequest,
    GroupJoinedRequest,
    GroupLeftRequest,
    MqttConnectProperties,
    MqttContext,
    MqttDisconnectProperties,
    UserEventRequest,
)
from ._headers import CaseInsensitiveMapping, Headers
from ._state import decode_states

_SERVICE = "azure.webpubsub."
_SYSTEM = _SERVICE + "sys."
_USER = _SERVICE + "user."
_GROUP = _SERVICE + "gp."
_DATA_TYPES: Mapping[str, DataType] = {
    "text/plain": "text",
    "application/json": "json",
    "application/octet-stream": "binary",
    "application/x-protobuf": "protobuf",
}
_MQTT_VERSIONS = (4, 5)


def read_event(headers: Headers, body: bytes) -> EventRequest | None:
    """Return the event of a request, or None if it is an event of a type that the service did not have until now.

    :raises InvalidEventError: if the request is no event of the service
    """
    if (version := headers.one("ce-specversion")) not in (None, "1.0"):
        raise InvalidEventError(f"ce-specversion must be 1.0, not {version!r}")
    kind = headers.required("ce-type")
    if reader := _READERS.get(kind):
        return reader(headers, body)
    if kind.startswith(_USER) and len(kind) > len(_USER):
        return _read_user_event(headers, body, headers.one("ce-eventname") or kind[len(_USER) :])
    family, _, name = kind.removeprefix(_SERVICE).partition(".")
    if not kind.startswith(_SERVICE) or not family or not name:
        raise InvalidEventError("ce-type names no event of the service")
    return None


def _read_context(headers: Headers, event_name: str) -> ConnectionContext:
    subprotocol = headers.one("ce-subprotocol") or None
    physical = headers.one("ce-physicalconnectionid")
    mqtt = None
    if physical and subprotocol and "mqtt" in subprotocol.lower():
        mqtt = MqttContext(physical, headers.one("ce-sessionid") or None)
    return ConnectionContext(
        hub=headers.required("ce-hub"),
        connection_id=headers.required("ce-connectionid"),
        event_name=event_name,
        user_id=headers.one("ce-userid"),
        subprotocol=subprotocol,
        origin=", ".join(headers.listed("webhook-request-origin")) or None,
        event_id=headers.one("ce-id") or None,
        # A server may join a repeated header with commas, which base64 has not; the last one is the latest.
        states=decode_states(headers.listed("ce-connectionstate")[-1:]),
        metadata=headers.with_prefix("x-webpubsub-metadata-"),
        mqtt=mqtt,
        namespace=headers.one("ce-namespace") or None,
        socket_id=headers.one("ce-socketid") or None,
    )


def _read_connect(headers: Headers, body: bytes) -> ConnectRequest:
    context = _read_context(headers, "connect")
    content = _read_object(headers, body)
    certificates = []
    for certificate in _objects(content, "clientCertificates"):
        thumbprint, pem = certificate.get("thumbprint"), certificate.get("content")
        if not isinstance(thumbprint, str) or not isinstance(pem, str):
            raise InvalidEventError("clientCertificates must hold objects with thumbprint and content")
        certificates.append(ClientCertificate(thumbprint, pem))
    return ConnectRequest(
        context,
        claims=_multimap(content, "claims"),
        query=_multimap(content, "query"),
        headers=CaseInsensitiveMapping(_multimap(content, "headers").items()),
        subprotocols=_strings(content.get("subprotocols"), "subprotocols"),
        client_certificates=certificates,
        mqtt=_read_mqtt_connect(content),
    )


def _read_mqtt_connect(content: Mapping[str, Any]) -> MqttConnectProperties | None:
    mqtt = _optional(content, "mqtt", dict)
    if mqtt is None:
        return None
    version = _optional(mqtt, "protocolVersion", int)
    if version not in _MQTT_VERSIONS:
        raise InvalidEventError("mqtt.protocolVersion must be 4 or 5")
    password = _optional(mqtt, "password", str)
    try:
        secret = None if password is None else base64.b64decode(password, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidEventError("mqtt.password is not base64") from None
    return MqttConnectProperties(version, _optional(mqtt, "username", str), secret, _user_properties(mqtt))


def _read_connected(headers: Headers, body: bytes) -> ConnectedRequest:
    _read_object(headers, body or b"{}")
    return ConnectedRequest(_read_context(headers, "connected"))


def _read_disconnected(headers: Headers, body: bytes) -> DisconnectedRequest:
    context = _read_context(headers, "disconnected")
    content = _read_object(headers, body or b"{}")
    properties = None
    if (mqtt := _optional(content, "mqtt", dict)) is not None:
        packet = _optional(mqtt, "disconnectPacket", dict) or {}
        properties = MqttDisconnectProperties(
            bool(_optional(mqtt, "initiatedByClient", bool)), _optional(packet, "code", int), _user_properties(packet)
        )
    return DisconnectedRequest(context, reason=_optional(content, "reason", str), mqtt=properties)


def _read_joined(headers: Headers, body: bytes) -> GroupJoinedRequest:
    return GroupJoinedRequest(_read_context(headers, "joined"), _read_group(headers, body))


def _read_left(headers: Headers, body: bytes) -> GroupLeftRequest:
    return GroupLeftRequest(_read_context(headers, "left"), _read_group(headers, body))


def _read_group(headers: Headers, body: bytes) -> str:
    group = _optional(_read_object(headers, body), "group", str)
    if not group:
        raise InvalidEventError("group is missing")
    return str(group)


def _read_user_event(headers: Headers, body: bytes, name: str) -> UserEventRequest:
    context = _read_context(headers, name)
    content_type = headers.one("content-type")
    if not content_type and body:
        raise InvalidEventError("the header content-type is missing")
    # A message that is nothing but metadata has no data, which the service's protocols take as an empty text.
    media_type, charset = parse_content_type(content_type or "text/plain")
    data_type = _DATA_TYPES.get(media_type)
    if data_type is None:
        raise InvalidEventError(f"content-type must be one of {', '.join(_DATA_TYPES)}")
    data: Any = body
    if data_type == "text":
        data = decode_text(body, charset)
    elif data_type == "json":
        data = parse_json(body, charset)
    return UserEventRequest(context, data=data, data_type=data_type)


def _read_object(headers: Headers, body: bytes) -> dict[str, Any]:
    _, charset = parse_content_type(headers.one("content-type") or "")
    content = parse_json(body, charset)
    if not isinstance(content, dict):
        raise InvalidEventError("the body is not a JSON object")
    return content


def _optional(content: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    value = content.get(name)
    # A bool is an int to Python, never to the service.
    if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is int)):
        raise InvalidEventError(f"{name} has the wrong JSON type")
    return value


def _objects(content: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    values = _optional(content, name, list) or []
    if not all(isinstance(value, dict) for value in values):
        raise InvalidEventError(f"{name} must be an array of objects")
    return values


def _strings(value: object, name: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidEventError(f"{name} must be an array of strings")
    return value


def _multimap(content: Mapping[str, Any], name: str) -> dict[str, list[str]]:
    return {key: _strings(value, name) for key, value in (_optional(content, name, dict) or {}).items()}


def _user_properties(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for each in _objects(content, "userProperties"):
        name, value = each.get("name"), each.get("value")
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidEventError("userProperties must hold objects with name and value")
        pairs.append((name, value))
    return pairs


_READERS: Mapping[str, Callable[[Headers, bytes], EventRequest]] = {
    _SYSTEM + "connect": _read_connect,
    _SYSTEM + "connected": _read_connected,
    _SYSTEM + "disconnected": _read_disconnected,
    _GROUP + "joined": _read_joined,
    _GROUP + "left": _read_left,
}
