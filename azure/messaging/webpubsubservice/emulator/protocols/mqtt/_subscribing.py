"""SUBSCRIBE, UNSUBSCRIBE and their acknowledgements (sections 3.8 to 3.11)."""

from __future__ import annotations

from ...hub.mqtt._packets import MQTT_5, NONE, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from . import _properties as at
from ._fields import PROTOCOL_ERROR, Cursor, MqttError, short, text
from ._properties import read_properties, write_properties

_MAX_QOS, _MAX_RETAIN_HANDLING = 2, 2
_NO_LOCAL, _RETAIN_AS_PUBLISHED = 0x04, 0x08


def read_subscribe(cursor: Cursor, version: int) -> Subscribe:
    """Return a SUBSCRIBE packet.

    :raises MqttError: if it is malformed, or subscribes to nothing.
    """
    packet_id = cursor.packet_id()
    properties = read_properties(cursor, at.SUBSCRIBE) if version == MQTT_5 else NONE
    subscriptions = [_read_subscription(cursor, version)]
    while cursor.left:
        subscriptions.append(_read_subscription(cursor, version))
    return Subscribe(packet_id, tuple(subscriptions), properties)


def _read_subscription(cursor: Cursor, version: int) -> Subscription:
    topic = _read_topic(cursor)
    options = cursor.byte()
    qos, retain_handling = options & 3, options >> 4 & 3
    if qos > _MAX_QOS or options & (0xC0 if version == MQTT_5 else 0xFC):
        raise MqttError("The options of a subscription are malformed.")
    no_local = bool(options & _NO_LOCAL)
    if retain_handling > _MAX_RETAIN_HANDLING or (no_local and topic.startswith("$share/")):
        raise MqttError("The options of a subscription contradict each other.", PROTOCOL_ERROR)
    return Subscription(topic, qos, no_local, bool(options & _RETAIN_AS_PUBLISHED), retain_handling)


def _read_topic(cursor: Cursor) -> str:
    if not cursor.left:
        raise MqttError("There is no topic in the packet.", PROTOCOL_ERROR)
    topic = cursor.text()
    if not topic:
        raise MqttError("A topic is empty.")
    return topic


def write_subscribe(packet: Subscribe, version: int) -> bytes:
    """Return the body of a SUBSCRIBE packet."""
    parts = [short(packet.packet_id)]
    if version == MQTT_5:
        parts.append(write_properties(packet.properties, at.SUBSCRIBE))
    for each in packet.subscriptions:
        options = each.qos
        if version == MQTT_5:
            options |= _NO_LOCAL * each.no_local | _RETAIN_AS_PUBLISHED * each.retain_as_published
            options |= each.retain_handling << 4
        parts += (text(each.topic), bytes((options,)))
    return b"".join(parts)


def read_suback(cursor: Cursor, version: int) -> SubAck:
    """Return a SUBACK packet."""
    packet_id = cursor.packet_id()
    properties = read_properties(cursor, at.SUBACK) if version == MQTT_5 else NONE
    return SubAck(packet_id, tuple(cursor.rest()), properties)


def write_suback(packet: SubAck, version: int) -> bytes:
    """Return the body of a SUBACK packet; MQTT 3.1.1 has one code for every refusal."""
    if version == MQTT_5:
        return short(packet.packet_id) + write_properties(packet.properties, at.SUBACK) + bytes(packet.codes)
    return short(packet.packet_id) + bytes(min(code, 0x80) for code in packet.codes)


def read_unsubscribe(cursor: Cursor, version: int) -> Unsubscribe:
    """Return an UNSUBSCRIBE packet.

    :raises MqttError: if it is malformed, or names no topic.
    """
    packet_id = cursor.packet_id()
    properties = read_properties(cursor, at.UNSUBSCRIBE) if version == MQTT_5 else NONE
    topics = [_read_topic(cursor)]
    while cursor.left:
        topics.append(_read_topic(cursor))
    return Unsubscribe(packet_id, tuple(topics), properties)


def write_unsubscribe(packet: Unsubscribe, version: int) -> bytes:
    """Return the body of an UNSUBSCRIBE packet."""
    properties = write_properties(packet.properties, at.UNSUBSCRIBE) if version == MQTT_5 else b""
    return short(packet.packet_id) + properties + b"".join(map(text, packet.topics))


def read_unsuback(cursor: Cursor, version: int) -> UnsubAck:
    """Return an UNSUBACK packet."""
    packet_id = cursor.packet_id()
    if version != MQTT_5:
        return UnsubAck(packet_id)
    properties = read_properties(cursor, at.UNSUBACK)
    return UnsubAck(packet_id, tuple(cursor.rest()), properties)


def write_unsuback(packet: UnsubAck, version: int) -> bytes:
    """Return the body of an UNSUBACK packet."""
    head = short(packet.packet_id)
    if version != MQTT_5:
        return head
    return head + write_properties(packet.properties, at.UNSUBACK) + bytes(packet.codes)
