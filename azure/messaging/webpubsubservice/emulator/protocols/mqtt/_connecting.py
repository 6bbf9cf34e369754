"""CONNECT, CONNACK, DISCONNECT and AUTH (sections 3.1, 3.2, 3.14 and 3.15)."""

from __future__ import annotations

from ...hub.mqtt._packets import MQTT_3, MQTT_5, NONE, Auth, ConnAck, Connect, Disconnect, Will
from . import _properties as at
from ._fields import PROTOCOL_ERROR, Cursor, MqttError, binary, short, text
from ._properties import read_properties, write_properties

BAD_VERSION = 0x84
_NAME = "MQTT"
_MAX_QOS = 2
_RESERVED, _CLEAN, _WILL, _RETAIN, _PASSWORD, _USERNAME = 0x01, 0x02, 0x04, 0x20, 0x40, 0x80
_WILL_DETAILS = 0x38
_DISCONNECT_CODES = frozenset(
    {0x00, 0x04, *range(0x80, 0x84), 0x87, 0x89, 0x8B, *range(0x8D, 0x91), *range(0x93, 0xA3)}
)
_AUTH_CODES = frozenset({0x00, 0x18, 0x19})


def read_connect(cursor: Cursor) -> Connect:
    """Return a CONNECT packet.

    :raises MqttError: if it is malformed, or of a version that is not known.
    """
    name, version = cursor.text(), cursor.byte()
    if name != _NAME or version not in (MQTT_3, MQTT_5):
        text = "The client speaks neither MQTT 3.1.1 nor 5.0."
        raise MqttError(text, BAD_VERSION, MQTT_5 if name == _NAME and version > MQTT_5 else MQTT_3)
    flags = cursor.byte()
    _check_flags(flags, version)
    keep_alive = cursor.short()
    properties = read_properties(cursor, at.CONNECT) if version == MQTT_5 else NONE
    if properties.authentication_data is not None and properties.authentication_method is None:
        raise MqttError("There is authentication data without a method.", PROTOCOL_ERROR)
    client_id = cursor.text()
    will = _read_will(cursor, flags, version) if flags & _WILL else None
    username = cursor.text() if flags & _USERNAME else None
    password = cursor.binary() if flags & _PASSWORD else None
    return Connect(client_id, version, bool(flags & _CLEAN), keep_alive, username, password, will, properties)


def _check_flags(flags: int, version: int) -> None:
    if flags & _RESERVED:
        raise MqttError("A reserved flag of CONNECT is set.")
    if flags & _WILL_DETAILS and not flags & _WILL:
        raise MqttError("There are flags of a will, but no will.")
    if flags >> 3 & 3 > _MAX_QOS:
        raise MqttError("The will has QoS 3.")
    if version == MQTT_3 and flags & _PASSWORD and not flags & _USERNAME:
        raise MqttError("There is a password without a user name.")


def _read_will(cursor: Cursor, flags: int, version: int) -> Will:
    properties = read_properties(cursor, at.WILL) if version == MQTT_5 else NONE
    return Will(cursor.text(), cursor.binary(), flags >> 3 & 3, bool(flags & _RETAIN), properties)


def write_connect(packet: Connect) -> bytes:
    """Return the body of a CONNECT packet."""
    is_5, will = packet.version == MQTT_5, packet.will
    flags = (
        _CLEAN * packet.clean_start
        | (0 if will is None else _WILL | will.qos << 3 | _RETAIN * will.retain)
        | _USERNAME * (packet.username is not None)
        | _PASSWORD * (packet.password is not None)
    )
    parts = [text(_NAME), bytes((packet.version, flags)), short(packet.keep_alive)]
    if is_5:
        parts.append(write_properties(packet.properties, at.CONNECT))
    parts.append(text(packet.client_id))
    if will is not None:
        if is_5:
            parts.append(write_properties(will.properties, at.WILL))
        parts += (text(will.topic), binary(will.payload))
    if packet.username is not None:
        parts.append(text(packet.username))
    if packet.password is not None:
        parts.append(binary(packet.password))
    return b"".join(parts)


def read_connack(cursor: Cursor, version: int) -> ConnAck:
    """Return a CONNACK packet."""
    flags, code = cursor.byte(), cursor.byte()
    if flags > 1 or (flags and code):
        raise MqttError("A flag of CONNACK is set that must not be.")
    return ConnAck(bool(flags), code, read_properties(cursor, at.CONNACK) if version == MQTT_5 else NONE)


def write_connack(packet: ConnAck, version: int) -> bytes:
    """Return the body of a CONNACK packet."""
    head = bytes((packet.session_present, packet.code))
    return head + write_properties(packet.properties, at.CONNACK) if version == MQTT_5 else head


def read_disconnect(cursor: Cursor, version: int) -> Disconnect:
    """Return a DISCONNECT packet; one without a body says that all is well."""
    if version != MQTT_5 or not cursor.left:
        return Disconnect()
    code = cursor.byte()
    if code not in _DISCONNECT_CODES:
        raise MqttError("The reason code is not one of DISCONNECT.", PROTOCOL_ERROR)
    return Disconnect(code, read_properties(cursor, at.DISCONNECT) if cursor.left else NONE)


def write_disconnect(packet: Disconnect, version: int) -> bytes:
    """Return the body of a DISCONNECT packet."""
    if version != MQTT_5 or (not packet.code and packet.properties == NONE):
        return b""
    properties = write_properties(packet.properties, at.DISCONNECT)
    return bytes((packet.code,)) + (b"" if properties == b"\0" else properties)


def read_auth(cursor: Cursor, version: int) -> Auth:
    """Return an AUTH packet."""
    if version != MQTT_5:
        raise MqttError("MQTT 3.1.1 has no AUTH packet.")
    if not cursor.left:
        return Auth()
    code = cursor.byte()
    if code not in _AUTH_CODES:
        raise MqttError("The reason code is not one of AUTH.", PROTOCOL_ERROR)
    return Auth(code, read_properties(cursor, at.AUTH) if cursor.left else NONE)


def write_auth(packet: Auth, version: int) -> bytes:
    """Return the body of an AUTH packet.

    :raises ValueError: for MQTT 3.1.1, which has none.
    """
    if version != MQTT_5:
        raise ValueError("MQTT 3.1.1 has no AUTH packet")
    if not packet.code and packet.properties == NONE:
        return b""
    return bytes((packet.code,)) + write_properties(packet.properties, at.AUTH)
