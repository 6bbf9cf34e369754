"""PUBLISH and its acknowledgements (sections 3.3 to 3.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...hub.mqtt._packets import MQTT_5, NONE, Ack, PubAck, PubComp, Publish, PubRec, PubRel
from ...hub.mqtt._topics import has_wildcard
from . import _properties as at
from ._fields import PROTOCOL_ERROR, Cursor, MqttError, short, text
from ._properties import read_properties, write_properties

BAD_TOPIC = 0x90
_MAX_QOS = 2
_RETAIN, _DUP = 0x01, 0x08
_RECEIVED = frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})
_RELEASED = frozenset({0x00, 0x92})
_CODES: dict[type[Ack], frozenset[int]] = {
    PubAck: _RECEIVED,
    PubRec: _RECEIVED,
    PubRel: _RELEASED,
    PubComp: _RELEASED,
}

_Ack = TypeVar("_Ack", PubAck, PubRec, PubRel, PubComp)


def read_publish(cursor: Cursor, flags: int, version: int) -> Publish:
    """Return a PUBLISH packet.

    :param cursor: Its body.
    :param int flags: The low half of its first byte.
    :param int version: Version of the protocol.
    :raises MqttError: if it is malformed.
    """
    qos, dup = flags >> 1 & 3, bool(flags & _DUP)
    if qos > _MAX_QOS or (dup and not qos):
        raise MqttError("The flags of PUBLISH are malformed.")
    topic = cursor.text()
    if has_wildcard(topic):
        raise MqttError("The topic of a message holds a wildcard.", BAD_TOPIC)
    packet_id = cursor.packet_id() if qos else 0
    properties = read_properties(cursor, at.PUBLISH) if version == MQTT_5 else NONE
    if properties.response_topic is not None and has_wildcard(properties.response_topic):
        raise MqttError("The response topic holds a wildcard.", PROTOCOL_ERROR)
    if not topic and properties.topic_alias is None:
        raise MqttError("A message has no topic.", PROTOCOL_ERROR)
    return Publish(topic, cursor.rest(), qos, bool(flags & _RETAIN), dup, packet_id, properties)


def publish_flags(packet: Publish) -> int:
    """Return the low half of the first byte of a PUBLISH packet."""
    return _DUP * packet.dup | packet.qos << 1 | _RETAIN * packet.retain


def write_publish(packet: Publish, version: int) -> bytes:
    """Return the body of a PUBLISH packet."""
    head, tail = publish_parts(packet, version)
    return head + (short(packet.packet_id) if packet.qos else b"") + tail


def publish_parts(packet: Publish, version: int) -> tuple[bytes, bytes]:
    """Return what stands before the packet identifier, and what stands after it."""
    properties = write_properties(packet.properties, at.PUBLISH) if version == MQTT_5 else b""
    return text(packet.topic), properties + packet.payload


def ack_reader(kind: type[_Ack], where: int) -> Callable[[Cursor, int], _Ack]:
    """Return a function that reads one of the four acknowledgements."""
    codes = _CODES[kind]

    def read(cursor: Cursor, version: int) -> _Ack:
        packet_id = cursor.packet_id()
        if version != MQTT_5 or not cursor.left:
            return kind(packet_id)
        code = cursor.byte()
        if code not in codes:
            raise MqttError("The reason code is not one of this packet.", PROTOCOL_ERROR)
        return kind(packet_id, code, read_properties(cursor, where) if cursor.left else NONE)

    return read


def ack_writer(where: int) -> Callable[[Ack, int], bytes]:
    """Return a function that writes one of the four acknowledgements."""

    def write(packet: Ack, version: int) -> bytes:
        head = short(packet.packet_id)
        if version != MQTT_5 or (not packet.code and packet.properties == NONE):
            return head
        properties = write_properties(packet.properties, where)
        return head + bytes((packet.code,)) + (b"" if properties == b"\0" else properties)

    return write
