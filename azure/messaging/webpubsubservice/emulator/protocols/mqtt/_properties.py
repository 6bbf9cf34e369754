"""The properties of MQTT 5.0 (section 2.2.2): number, type, and the packets in which each may stand."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from ...hub.mqtt._packets import NONE, Properties
from ._fields import PROTOCOL_ERROR, Cursor, MqttError, binary, short, text, varint

# Where properties stand: the types of packets by their numbers, and the will inside CONNECT.
WILL = 0
CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK = range(1, 10)
UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH = 10, 11, 14, 15

_ACKS = frozenset({PUBACK, PUBREC, PUBREL, PUBCOMP})
_MESSAGE = frozenset({PUBLISH, WILL})
_LOGIN = frozenset({CONNECT, CONNACK})
_REASONS = _ACKS | {CONNACK, SUBACK, UNSUBACK, DISCONNECT, AUTH}
_ANY = _REASONS | {CONNECT, PUBLISH, WILL, SUBSCRIBE, UNSUBSCRIBE}
_MANY = frozenset({"subscription_identifier", "user_property"})


class _Type(NamedTuple):
    read: Callable[[Cursor], Any]
    write: Callable[[Any], bytes]


def _pair(cursor: Cursor) -> tuple[str, str]:
    return cursor.text(), cursor.text()


def _flag(cursor: Cursor) -> int:
    value = cursor.byte()
    if value > 1:
        raise MqttError("A property is neither 0 nor 1.", PROTOCOL_ERROR)
    return value


def _above_zero(read: Callable[[Cursor], int]) -> Callable[[Cursor], int]:
    def checked(cursor: Cursor) -> int:
        value = read(cursor)
        if not value:
            raise MqttError("A property is 0 that must not be.", PROTOCOL_ERROR)
        return value

    return checked


def _long(value: int) -> bytes:
    return struct.pack("!L", value)


_FLAG = _Type(_flag, lambda value: bytes((value,)))
_SHORT = _Type(Cursor.short, short)
_COUNT = _Type(_above_zero(Cursor.short), short)
_LONG = _Type(Cursor.long, _long)
_SIZE = _Type(_above_zero(Cursor.long), _long)
_TEXT = _Type(Cursor.text, text)
_BINARY = _Type(Cursor.binary, binary)
_NUMBER = _Type(_above_zero(Cursor.varint), varint)
_PAIR = _Type(_pair, lambda value: text(value[0]) + text(value[1]))


class _Property(NamedTuple):
    name: str
    type: _Type
    where: frozenset[int]


_PROPERTIES: dict[int, _Property] = {
    0x01: _Property("payload_format_indicator", _FLAG, _MESSAGE),
    0x02: _Property("message_expiry_interval", _LONG, _MESSAGE),
    0x03: _Property("content_type", _TEXT, _MESSAGE),
    0x08: _Property("response_topic", _TEXT, _MESSAGE),
    0x09: _Property("correlation_data", _BINARY, _MESSAGE),
    0x0B: _Property("subscription_identifier", _NUMBER, frozenset({PUBLISH, SUBSCRIBE})),
    0x11: _Property("session_expiry_interval", _LONG, _LOGIN | {DISCONNECT}),
    0x12: _Property("assigned_client_identifier", _TEXT, frozenset({CONNACK})),
    0x13: _Property("server_keep_alive", _SHORT, frozenset({CONNACK})),
    0x15: _Property("authentication_method", _TEXT, _LOGIN | {AUTH}),
    0x16: _Property("authentication_data", _BINARY, _LOGIN | {AUTH}),
    0x17: _Property("request_problem_information", _FLAG, frozenset({CONNECT})),
    0x18: _Property("will_delay_interval", _LONG, frozenset({WILL})),
    0x19: _Property("request_response_information", _FLAG, frozenset({CONNECT})),
    0x1A: _Property("response_information", _TEXT, frozenset({CONNACK})),
    0x1C: _Property("server_reference", _TEXT, frozenset({CONNACK, DISCONNECT})),
    0x1F: _Property("reason_string", _TEXT, _REASONS),
    0x21: _Property("receive_maximum", _COUNT, _LOGIN),
    0x22: _Property("topic_alias_maximum", _SHORT, _LOGIN),
    0x23: _Property("topic_alias", _COUNT, frozenset({PUBLISH})),
    0x24: _Property("maximum_qos", _FLAG, frozenset({CONNACK})),
    0x25: _Property("retain_available", _FLAG, frozenset({CONNACK})),
    0x26: _Property("user_property", _PAIR, _ANY),
    0x27: _Property("maximum_packet_size", _SIZE, _LOGIN),
    0x28: _Property("wildcard_subscription_available", _FLAG, frozenset({CONNACK})),
    0x29: _Property("subscription_identifiers_available", _FLAG, frozenset({CONNACK})),
    0x2A: _Property("shared_subscription_available", _FLAG, frozenset({CONNACK})),
}


def read_properties(cursor: Cursor, where: int) -> Properties:
    """Return the properties that stand next in a packet.

    :param cursor: Where they are read from.
    :param int where: Number of the packet's type, or ``WILL``.
    :raises MqttError: if they are malformed, or one must not stand there.
    """
    size = cursor.varint()
    if not size:
        return NONE
    inside = cursor.part(size)
    found: dict[str, Any] = {}
    many: dict[str, list[Any]] = {}
    while inside.left:
        known = _PROPERTIES.get(inside.varint())
        if known is None or where not in known.where:
            raise MqttError("A property is not known, or does not belong into this packet.")
        value = known.type.read(inside)
        if known.name in _MANY:
            many.setdefault(known.name, []).append(value)
        elif known.name in found:
            raise MqttError("A property stands twice.", PROTOCOL_ERROR)
        else:
            found[known.name] = value
    if where == SUBSCRIBE and len(many.get("subscription_identifier", ())) > 1:
        raise MqttError("A property stands twice.", PROTOCOL_ERROR)
    found.update((name, tuple(values)) for name, values in many.items())
    return Properties(**found)


def write_properties(properties: Properties, where: int) -> bytes:
    """Return properties as bytes, their length before them.

    :raises ValueError: if one must not stand there.
    """
    if properties is NONE:
        return b"\0"
    parts: list[bytes] = []
    for number, known in _PROPERTIES.items():
        value = getattr(properties, known.name)
        if value is None or value == ():
            continue
        if where not in known.where:
            raise ValueError(f"{known.name} does not belong into a packet of type {where}")
        for each in value if known.name in _MANY else (value,):
            parts += (bytes((number,)), known.type.write(each))
    whole = b"".join(parts)
    return varint(len(whole)) + whole
