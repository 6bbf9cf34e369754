"""The codec of MQTT against paho's own packing, against itself, packets split at every byte, and hostile bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_values import Paho, packets, paho_properties, properties, texts

from azure.messaging.webpubsubservice.emulator.hub.mqtt import _packets as mq
from azure.messaging.webpubsubservice.emulator.protocols.mqtt._codec import build_packet, parse_packet, publish_writer
from azure.messaging.webpubsubservice.emulator.protocols.mqtt._fields import Cursor, MqttError
from azure.messaging.webpubsubservice.emulator.protocols.mqtt._properties import (
    CONNACK,
    CONNECT,
    PUBACK,
    PUBLISH,
    WILL,
    read_properties,
    write_properties,
)
from azure.messaging.webpubsubservice.emulator.protocols.mqtt._reader import PacketReader

MAX = 1 << 20
WHERE = {
    "CONNECT": 1,
    "CONNACK": 2,
    "PUBLISH": 3,
    "PUBACK": 4,
    "PUBREC": 5,
    "PUBREL": 6,
    "PUBCOMP": 7,
    "SUBSCRIBE": 8,
    "SUBACK": 9,
    "UNSUBSCRIBE": 10,
    "UNSUBACK": 11,
    "DISCONNECT": 14,
    "AUTH": 15,
    "WILLMESSAGE": 0,
}


def read(data, version=0):
    """Return the packets of some bytes; with a version, as those of a client that has said which it speaks."""
    reader = PacketReader(MAX)
    reader.version = version
    found, error = reader.feed(data)
    if error is not None:
        raise error
    return found


def parse(data, version):
    """Return one packet, whoever sends such."""
    cursor = Cursor(data[1:])
    body = cursor.take(cursor.varint())
    assert not cursor.left
    return parse_packet(data[0], body, version)


# Against paho


@given(st.data(), st.sampled_from([4, 5]))
def test_connect_of_paho_is_read(data, version):
    wanted = data.draw(packets.connect(version))
    assert read(Paho(version).connect(wanted)) == [wanted]


@given(st.data(), st.sampled_from([4, 5]))
def test_message_of_paho_is_read(data, version):
    wanted = data.draw(packets.publish(version))
    assert read(Paho(version).publish(wanted), version) == [wanted]


@given(st.data(), st.sampled_from([4, 5]))
def test_subscribing_of_paho_is_read(data, version):
    wanted = [data.draw(packets.subscribe(version)), data.draw(packets.unsubscribe(version))]
    paho = Paho(version)
    assert read(paho.subscribe(wanted[0]) + paho.unsubscribe(wanted[1]), version) == wanted


@given(st.data(), st.sampled_from([4, 5]), st.integers(1, 65535))
def test_acknowledgements_and_goodbye_of_paho_are_read(data, version, number):
    paho = Paho(version)
    wanted = [mq.PubAck(number), mq.PubRec(number), mq.PubRel(number), mq.PubComp(number), mq.PingReq()]
    goodbye = data.draw(packets.disconnect(version))
    assert read(paho.acks(number) + paho.disconnect(goodbye), version) == [*wanted, goodbye]


@pytest.mark.parametrize("name", WHERE)
@given(st.data())
def test_properties_are_read_and_written_as_paho_does(name, data):
    where = WHERE[name]
    wanted = data.draw(properties(where))
    theirs = paho_properties(name, wanted)
    assert read_properties(Cursor(theirs.pack()), where) == wanted
    written = write_properties(wanted, where)
    back, size = type(theirs)(theirs.packetType).unpack(written)
    assert size == len(written)
    assert sorted(vars(back).items()) == sorted(vars(theirs).items())


# Against itself


@given(st.data(), st.sampled_from([4, 5]))
def test_what_is_written_is_read_back(data, version):
    packet = data.draw(packets.any(version))
    assert parse(build_packet(packet, version), version) == packet


@given(st.data(), st.sampled_from([4, 5]), st.integers(1, 65535))
def test_message_under_a_number_is_the_message_with_that_number(data, version, number):
    packet = data.draw(packets.publish(version))
    written = b"".join(publish_writer(packet, version)(number))
    numbered = mq.Publish(
        packet.topic,
        packet.payload,
        packet.qos,
        packet.retain,
        packet.dup,
        number if packet.qos else 0,
        packet.properties,
    )
    assert written == build_packet(numbered, version)


@given(st.data(), st.sampled_from([4, 5]))
def test_packets_may_be_cut_anywhere(data, version):
    wanted = [data.draw(packets.connect(version)), *data.draw(st.lists(packets.of_client(version), max_size=4))]
    whole = b"".join(build_packet(packet, version) for packet in wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reader = PacketReader(MAX)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        some, error = reader.feed(whole[start:end])
        assert error is None
        found += some
    assert found == wanted


@pytest.mark.parametrize("version", [4, 5])
def test_every_packet_is_read_byte_by_byte(version):
    wanted = packets.examples(version)
    whole = b"".join(build_packet(packet, version) for packet in wanted)
    reader = PacketReader(MAX)
    found = []
    for index in range(len(whole)):
        some, error = reader.feed(whole[index : index + 1])
        assert error is None
        found += some
    assert found == wanted


@pytest.mark.parametrize("version", [4, 5])
def test_packet_that_lacks_its_end_is_refused_wherever_it_is_cut(version):
    for packet in packets.examples(version):
        whole = build_packet(packet, version)
        head = 2
        assert whole[1] < 128, "the examples are short"
        for end in range(head, len(whole)):
            body = whole[head:end]
            try:
                found = parse_packet(whole[0], body, version)
            except MqttError:
                continue
            # Some packets end earlier by right: a message has less data, an acknowledgement no code.
            assert build_packet(found, version) != whole


# What is malformed

UTF8 = b"\x00\x04MQTT"
OPEN_5 = build_packet(mq.Connect("a", 5), 5)
OPEN_4 = build_packet(mq.Connect("a", 4), 4)


def framed(first, body):
    return bytes((first, len(body))) + body


BAD = {
    "first packet is no CONNECT": (b"\xc0\x00", 0x82),
    "second CONNECT": (OPEN_5 + OPEN_5, 0x82),
    "packet of a server": (OPEN_5 + b"\xd0\x00", 0x82),
    "CONNACK": (OPEN_5 + framed(0x20, b"\0\0\0"), 0x82),
    "type 0": (OPEN_5 + b"\x00\x00", 0x81),
    "AUTH in 3.1.1": (OPEN_4 + b"\xf0\x00", 0x81),
    "other protocol": (framed(0x10, b"\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a"), 0x84),
    "version 3": (framed(0x10, UTF8 + b"\x03\x02\x00\x3c\x00\x01a"), 0x84),
    "version 6": (framed(0x10, UTF8 + b"\x06\x02\x00\x3c\x00\x00\x01a"), 0x84),
    "reserved flag of CONNECT": (framed(0x10, UTF8 + b"\x04\x03\x00\x3c\x00\x01a"), 0x81),
    "flags of CONNECT": (framed(0x11, UTF8 + b"\x04\x02\x00\x3c\x00\x01a"), 0x82),
    "will QoS without a will": (framed(0x10, UTF8 + b"\x04\x0a\x00\x3c\x00\x01a"), 0x81),
    "will retain without a will": (framed(0x10, UTF8 + b"\x04\x22\x00\x3c\x00\x01a"), 0x81),
    "will QoS 3": (framed(0x10, UTF8 + b"\x04\x1e\x00\x3c\x00\x01a\x00\x01t\x00\x00"), 0x81),
    "password without a user name in 3.1.1": (framed(0x10, UTF8 + b"\x04\x42\x00\x3c\x00\x01a\x00\x01p"), 0x81),
    "something follows": (framed(0x10, UTF8 + b"\x04\x02\x00\x3c\x00\x01aX"), 0x81),
    "length of five bytes": (OPEN_4 + b"\x30\x80\x80\x80\x80\x01", 0x81),
    "length longer than needed": (OPEN_4 + b"\xc0\x80\x00", 0x81),
    "flags of PUBACK": (OPEN_4 + framed(0x41, b"\0\1"), 0x81),
    "flags of PUBREL": (OPEN_4 + framed(0x60, b"\0\1"), 0x81),
    "flags of SUBSCRIBE": (OPEN_4 + framed(0x80, b"\0\1\0\1a\0"), 0x81),
    "QoS 3": (OPEN_4 + framed(0x36, b"\0\1a\0\1"), 0x81),
    "DUP at QoS 0": (OPEN_4 + framed(0x38, b"\0\1a"), 0x81),
    "packet id 0": (OPEN_4 + framed(0x32, b"\0\1a\0\0"), 0x82),
    "acknowledged id 0": (OPEN_4 + framed(0x40, b"\0\0"), 0x82),
    "wildcard in a topic": (OPEN_4 + framed(0x30, b"\0\1#x"), 0x90),
    "no topic": (OPEN_4 + framed(0x30, b"\0\0x"), 0x82),
    "wildcard in the response topic": (OPEN_5 + framed(0x30, b"\0\1a\x05\x08\0\2a+"), 0x82),
    "not UTF-8": (OPEN_4 + framed(0x30, b"\0\1\xffx"), 0x81),
    "surrogate": (OPEN_4 + framed(0x30, b"\0\3\xed\xa0\x80x"), 0x81),
    "zero in a text": (OPEN_4 + framed(0x30, b"\0\2a\0x"), 0x81),
    "nothing to subscribe to": (OPEN_4 + framed(0x82, b"\0\1"), 0x82),
    "nothing to unsubscribe from": (OPEN_4 + framed(0xA2, b"\0\1"), 0x82),
    "empty topic": (OPEN_4 + framed(0x82, b"\0\1\0\0\0"), 0x81),
    "subscription at QoS 3": (OPEN_4 + framed(0x82, b"\0\1\0\1a\3"), 0x81),
    "options of 5.0 in 3.1.1": (OPEN_4 + framed(0x82, b"\0\1\0\1a\4"), 0x81),
    "reserved option": (OPEN_5 + framed(0x82, b"\0\1\0\0\1a\x40"), 0x81),
    "retain handling 3": (OPEN_5 + framed(0x82, b"\0\1\0\0\1a\x30"), 0x82),
    "shared and no local": (OPEN_5 + framed(0x82, b"\0\1\0\0\x0a$share/a/b\x04"), 0x82),
    "unknown property": (OPEN_5 + framed(0x30, b"\0\1a\2\x7f\0"), 0x81),
    "property of another packet": (OPEN_5 + framed(0x30, b"\0\1a\3\x21\0\1"), 0x81),
    "property that stands twice": (OPEN_5 + framed(0x30, b"\0\1a\4\1\1\1\1"), 0x82),
    "two subscription identifiers": (OPEN_5 + framed(0x82, b"\0\1\4\x0b\1\x0b\2\0\1a\0"), 0x82),
    "subscription identifier 0": (OPEN_5 + framed(0x82, b"\0\1\2\x0b\0\0\1a\0"), 0x82),
    "topic alias 0": (OPEN_5 + framed(0x30, b"\0\1a\3\x23\0\0"), 0x82),
    "receive maximum 0": (framed(0x10, UTF8 + b"\x05\2\0\0\3\x21\0\0\0\1a"), 0x82),
    "maximum packet size 0": (framed(0x10, UTF8 + b"\x05\2\0\0\5\x27\0\0\0\0\0\1a"), 0x82),
    "format indicator 2": (OPEN_5 + framed(0x30, b"\0\1a\2\1\2"), 0x82),
    "authentication data alone": (framed(0x10, UTF8 + b"\x05\2\0\0\4\x16\0\1x\0\1a"), 0x82),
    "properties longer than the packet": (OPEN_5 + framed(0x30, b"\0\1a\x7f"), 0x81),
    "property longer than the properties": (OPEN_5 + framed(0x30, b"\0\1a\2\3\0\1x"), 0x81),
    "long form of a length": (OPEN_5 + framed(0x30, b"\0\1a\x80\0"), 0x81),
    "code that PUBACK has not": (OPEN_5 + framed(0x40, b"\0\1\x04"), 0x82),
    "code that PUBREL has not": (OPEN_5 + framed(0x62, b"\0\1\x80"), 0x82),
    "code that DISCONNECT has not": (OPEN_5 + framed(0xE0, b"\x01"), 0x82),
    "body of DISCONNECT in 3.1.1": (OPEN_4 + framed(0xE0, b"\x00"), 0x81),
    "body of PINGREQ": (OPEN_4 + framed(0xC0, b"\x00"), 0x81),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_packet_is_refused_with_its_code(name):
    data, code = BAD[name]
    for size in (1, len(data)):
        reader, errors = PacketReader(MAX), []
        for at in range(0, len(data), size):
            _, error = reader.feed(data[at : at + size])
            if error is not None:
                errors.append(error)
                break
        assert [error.code for error in errors] == [code]


def test_packet_over_the_bound_is_refused_before_it_has_come():
    reader = PacketReader(100)
    assert reader.feed(build_packet(mq.Connect("a" * 80, 4), 4))[1] is None
    assert reader.feed(b"\x30\x62")[1] is None  # 98 and two bytes
    reader = PacketReader(100)
    reader.version = 4
    assert reader.feed(b"\x30\x63")[1].code == 0x95


def test_packets_before_an_error_are_not_lost():
    found, error = PacketReader(MAX).feed(OPEN_4 + b"\xc0\x00" + b"\x00\x00")
    assert found == [mq.Connect("a", 4), mq.PingReq()]
    assert error.code == 0x81


@given(st.binary(max_size=300), st.sampled_from([b"", OPEN_4, OPEN_5]))
def test_hostile_bytes_are_packets_or_an_error(data, before):
    found, error = PacketReader(MAX).feed(before + data)
    assert error is None or 0x80 < error.code < 0xA3
    for packet in found:
        version = 4 if before == OPEN_4 else 5
        assert parse(build_packet(packet, version), version) == packet or isinstance(packet, mq.Connect)


@given(st.data(), st.sampled_from([4, 5]), st.integers(0, 255))
def test_one_wrong_byte_gives_packets_or_an_error(data, version, byte):
    whole = bytearray(build_packet(data.draw(packets.connect(version)), version))
    for packet in data.draw(st.lists(packets.of_client(version), min_size=1, max_size=3)):
        whole += build_packet(packet, version)
    whole[data.draw(st.integers(0, len(whole) - 1))] = byte
    _, error = PacketReader(MAX).feed(bytes(whole))
    assert error is None or 0x80 < error.code < 0xA3


# What cannot be written


@pytest.mark.parametrize(
    ("packet", "version"),
    [
        (mq.Auth(), 4),
        (mq.Publish("a\0b", b""), 5),
        (mq.Publish("a" * 65536, b""), 5),
        (mq.PubAck(1, 0x80, mq.Properties(topic_alias=1)), 5),
        (mq.Publish("a", b"", properties=mq.Properties(subscription_identifier=(1 << 28,))), 5),
    ],
)
def test_what_has_no_form_is_an_error(packet, version):
    with pytest.raises(ValueError, match=r".+"):
        build_packet(packet, version)


def test_version_3_is_told_what_it_understands():
    details = mq.Properties(reason_string="no")
    assert build_packet(mq.ConnAck(True, 0, details), 4) == b"\x20\x02\x01\x00"
    assert build_packet(mq.SubAck(1, (0, 2, 0x87), details), 4) == b"\x90\x05\x00\x01\x00\x02\x80"
    assert build_packet(mq.PubAck(1, 0x87, details), 4) == b"\x40\x02\x00\x01"
    assert build_packet(mq.UnsubAck(1, (0x11,), details), 4) == b"\xb0\x02\x00\x01"
    assert build_packet(mq.Publish("a", b"x", properties=mq.Properties(content_type="t")), 4) == b"\x30\x04\x00\x01ax"


@given(texts)
def test_repr_of_properties_shows_no_secret(secret):
    shown = repr(mq.Properties(authentication_data=secret.encode(), reason_string="why"))
    assert shown == "Properties(reason_string='why')"
    assert secret.encode() == b"" or repr(secret.encode()) not in shown
    assert "hunter2" not in repr(mq.Connect("a", password=b"hunter2"))


def test_places_of_properties_are_the_numbers_of_packets():
    assert (WILL, CONNECT, CONNACK, PUBLISH, PUBACK) == (0, 1, 2, 3, 4)
    assert len(mq.NAMES) == 27
