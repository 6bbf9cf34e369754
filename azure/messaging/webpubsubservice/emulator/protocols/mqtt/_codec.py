"""Whole packets: the fixed header (section 2.1), and which module reads and writes each type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ...hub.mqtt._packets import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PingReq,
    PingResp,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
)
from . import _connecting, _publishing, _subscribing
from . import _properties as at
from ._fields import Cursor, MqttError, short, varint

PUBLISH = at.PUBLISH
_PINGREQ, _PINGRESP = 12, 13


class _Form(NamedTuple):
    type: int
    read: Callable[[Cursor, int], Packet]
    write: Callable[[Any, int], bytes]
    flags: int = 0


_FORMS: dict[type[Packet], _Form] = {
    Connect: _Form(
        at.CONNECT,
        lambda cursor, _: _connecting.read_connect(cursor),
        lambda packet, _: _connecting.write_connect(packet),
    ),
    ConnAck: _Form(at.CONNACK, _connecting.read_connack, _connecting.write_connack),
    PubAck: _Form(at.PUBACK, _publishing.ack_reader(PubAck, at.PUBACK), _publishing.ack_writer(at.PUBACK)),
    PubRec: _Form(at.PUBREC, _publishing.ack_reader(PubRec, at.PUBREC), _publishing.ack_writer(at.PUBREC)),
    PubRel: _Form(at.PUBREL, _publishing.ack_reader(PubRel, at.PUBREL), _publishing.ack_writer(at.PUBREL), 2),
    PubComp: _Form(at.PUBCOMP, _publishing.ack_reader(PubComp, at.PUBCOMP), _publishing.ack_writer(at.PUBCOMP)),
    Subscribe: _Form(at.SUBSCRIBE, _subscribing.read_subscribe, _subscribing.write_subscribe, 2),
    SubAck: _Form(at.SUBACK, _subscribing.read_suback, _subscribing.write_suback),
    Unsubscribe: _Form(at.UNSUBSCRIBE, _subscribing.read_unsubscribe, _subscribing.write_unsubscribe, 2),
    UnsubAck: _Form(at.UNSUBACK, _subscribing.read_unsuback, _subscribing.write_unsuback),
    PingReq: _Form(_PINGREQ, lambda *_: PingReq(), lambda *_: b""),
    PingResp: _Form(_PINGRESP, lambda *_: PingResp(), lambda *_: b""),
    Disconnect: _Form(at.DISCONNECT, _connecting.read_disconnect, _connecting.write_disconnect),
    Auth: _Form(at.AUTH, _connecting.read_auth, _connecting.write_auth),
}
_BY_TYPE = {form.type: form for form in _FORMS.values()}


def parse_packet(first: int, body: bytes, version: int) -> Packet:
    """Return one packet.

    :param int first: Its first byte: type and flags.
    :param bytes body: What follows the fixed header.
    :param int version: Version of the protocol, 4 or 5; CONNECT says itself which it is.
    :raises MqttError: if it is malformed.
    """
    kind, flags = first >> 4, first & 0x0F
    cursor = Cursor(body)
    packet: Packet
    if kind == PUBLISH:
        packet = _publishing.read_publish(cursor, flags, version)
    else:
        form = _BY_TYPE.get(kind)
        if form is None or flags != form.flags:
            raise MqttError("The type or the flags of a packet are malformed.")
        packet = form.read(cursor, version)
    if cursor.left:
        raise MqttError("Something follows the last field of a packet.")
    return packet


def build_packet(packet: Packet, version: int) -> bytes:
    """Return a packet as bytes; what the version cannot say is left out.

    :raises ValueError: if a field does not fit into its place.
    """
    if isinstance(packet, Publish):
        kind, flags, body = PUBLISH, _publishing.publish_flags(packet), _publishing.write_publish(packet, version)
    else:
        form = _FORMS[type(packet)]
        kind, flags, body = form.type, form.flags, form.write(packet, version)
    return bytes((kind << 4 | flags,)) + varint(len(body)) + body


def publish_writer(packet: Publish, version: int) -> Callable[[int], tuple[bytes, ...]]:
    """Return a function that gives a message under a packet identifier, in parts: all but that is written once."""
    if not packet.qos:
        whole = build_packet(packet, version)
        return lambda _: (whole,)
    topic, tail = _publishing.publish_parts(packet, version)
    first = bytes((PUBLISH << 4 | _publishing.publish_flags(packet),))
    head = first + varint(len(topic) + 2 + len(tail)) + topic
    return lambda packet_id: (head, short(packet_id), tail)
