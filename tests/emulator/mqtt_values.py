"""Packets of MQTT for hypothesis, and the same packets as paho packs them."""

from types import SimpleNamespace

import paho.mqtt.client as paho
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from azure.messaging.webpubsubservice.emulator.hub.mqtt import _packets as mq

numbers = st.integers(1, 65535)
shorts = st.integers(0, 65535)
longs = st.integers(0, 2**32 - 1)
bits = st.integers(0, 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
topics = st.text(st.characters(codec="utf-8", exclude_characters="\0+#$"), min_size=1, max_size=20)
blobs = st.binary(max_size=30)

ANY = frozenset({0, *range(1, 12), 14, 15})
MESSAGE, LOGIN = {0, 3}, {1, 2}
# name in our values: what may stand there, where, name in paho's
TABLE = {
    "payload_format_indicator": (bits, MESSAGE, "PayloadFormatIndicator"),
    "message_expiry_interval": (longs, MESSAGE, "MessageExpiryInterval"),
    "content_type": (texts, MESSAGE, "ContentType"),
    "response_topic": (topics, MESSAGE, "ResponseTopic"),
    "correlation_data": (blobs, MESSAGE, "CorrelationData"),
    "subscription_identifier": (
        st.lists(st.integers(1, 2**28 - 1), max_size=1).map(tuple),
        {3, 8},
        "SubscriptionIdentifier",
    ),
    "session_expiry_interval": (longs, {1, 2, 14}, "SessionExpiryInterval"),
    "assigned_client_identifier": (texts, {2}, "AssignedClientIdentifier"),
    "server_keep_alive": (shorts, {2}, "ServerKeepAlive"),
    "authentication_method": (texts, {1, 2, 15}, "AuthenticationMethod"),
    "authentication_data": (blobs, {1, 2, 15}, "AuthenticationData"),
    "request_problem_information": (bits, {1}, "RequestProblemInformation"),
    "will_delay_interval": (longs, {0}, "WillDelayInterval"),
    "request_response_information": (bits, {1}, "RequestResponseInformation"),
    "response_information": (texts, {2}, "ResponseInformation"),
    "server_reference": (texts, {2, 14}, "ServerReference"),
    "reason_string": (texts, ANY - {0, 1, 3, 8, 10}, "ReasonString"),
    "receive_maximum": (numbers, LOGIN, "ReceiveMaximum"),
    "topic_alias_maximum": (shorts, LOGIN, "TopicAliasMaximum"),
    "topic_alias": (numbers, {3}, "TopicAlias"),
    "maximum_qos": (bits, {2}, "MaximumQoS"),
    "retain_available": (bits, {2}, "RetainAvailable"),
    "user_property": (st.lists(st.tuples(texts, texts), max_size=3).map(tuple), ANY, "UserProperty"),
    "maximum_packet_size": (st.integers(1, 2**28 - 1), LOGIN, "MaximumPacketSize"),
    "wildcard_subscription_available": (bits, {2}, "WildcardSubscriptionAvailable"),
    "subscription_identifiers_available": (bits, {2}, "SubscriptionIdentifierAvailable"),
    "shared_subscription_available": (bits, {2}, "SharedSubscriptionAvailable"),
}


@st.composite
def properties(draw, where):
    """Properties that may stand in a packet of the type."""
    allowed = {name: values for name, (values, places, _) in TABLE.items() if where in places}
    chosen = draw(st.sets(st.sampled_from(sorted(allowed)))) if allowed else set()
    if "authentication_data" in chosen:
        chosen.add("authentication_method")
    return mq.Properties(**{name: draw(allowed[name]) for name in sorted(chosen)})


def paho_properties(name, ours):
    """Our properties as paho's."""
    theirs = PahoProperties(getattr(PacketTypes, name))
    for field, (_, _, their_name) in TABLE.items():
        value = getattr(ours, field)
        if value in (None, ()):
            continue
        if field == "user_property":
            value = list(value)
        elif field == "subscription_identifier":
            value = value[0]
        setattr(theirs, their_name, value)
    return theirs


def _none_if(version, strategy):
    return strategy if version == 5 else st.just(mq.NONE)


@st.composite
def connect(draw, version):
    will = None
    if draw(st.booleans()):
        retain, qos = draw(st.booleans()), draw(st.integers(0, 2))
        will = mq.Will(draw(topics), draw(blobs), qos, retain, draw(_none_if(version, properties(0))))
    username = draw(st.none() | texts)
    password = draw(st.none() | blobs) if username is not None else None
    found = draw(_none_if(version, properties(1)))
    return mq.Connect(draw(texts), version, draw(st.booleans()), draw(shorts), username, password, will, found)


@st.composite
def publish(draw, version):
    qos = draw(st.integers(0, 2))
    found = draw(_none_if(version, properties(3)))
    number = draw(numbers) if qos else 0
    dup = draw(st.booleans()) if qos else False
    return mq.Publish(draw(topics), draw(blobs), qos, draw(st.booleans()), dup, number, found)


@st.composite
def subscription(draw, version):
    if version == 4:
        return mq.Subscription(draw(topics), draw(st.integers(0, 2)))
    flags = [draw(st.booleans()) for _ in range(2)]
    return mq.Subscription(draw(topics), draw(st.integers(0, 2)), *flags, draw(st.integers(0, 2)))


@st.composite
def subscribe(draw, version):
    found = draw(st.lists(subscription(version), min_size=1, max_size=3))
    return mq.Subscribe(draw(numbers), tuple(found), draw(_none_if(version, properties(8))))


@st.composite
def unsubscribe(draw, version):
    found = draw(st.lists(topics, min_size=1, max_size=3))
    return mq.Unsubscribe(draw(numbers), tuple(found), draw(_none_if(version, properties(10))))


@st.composite
def disconnect(draw, version):
    if version == 4:
        return mq.Disconnect()
    return mq.Disconnect(draw(st.sampled_from([0, 4, 0x80, 0x81, 0x82, 0x98])), draw(properties(14)))


@st.composite
def ack(draw, version):
    kind, where = draw(st.sampled_from([(mq.PubAck, 4), (mq.PubRec, 5), (mq.PubRel, 6), (mq.PubComp, 7)]))
    if version == 4:
        return kind(draw(numbers))
    code = draw(st.sampled_from([0, 0x80, 0x87] if where < 6 else [0, 0x92]))
    return kind(draw(numbers), code, draw(properties(where)))


@st.composite
def auth(draw):
    return mq.Auth(draw(st.sampled_from([0, 0x18, 0x19])), draw(properties(15)))


@st.composite
def of_server(draw, version):
    kind = draw(st.sampled_from(["connack", "suback", "unsuback", "pingresp"]))
    if kind == "pingresp":
        return mq.PingResp()
    if kind == "connack":
        present = draw(st.booleans())
        code = 0 if present else draw(st.sampled_from([0, 1, 5] if version == 4 else [0, 0x84, 0x87]))
        return mq.ConnAck(present, code, draw(_none_if(version, properties(2))))
    codes = draw(
        st.lists(st.sampled_from([0, 1, 2, 0x80] if version == 4 else [0, 1, 2, 0x87]), min_size=1, max_size=3)
    )
    if kind == "suback":
        return mq.SubAck(draw(numbers), tuple(codes), draw(_none_if(version, properties(9))))
    return mq.UnsubAck(draw(numbers), () if version == 4 else tuple(codes), draw(_none_if(version, properties(11))))


def of_client(version):
    """Any packet that follows CONNECT."""
    common = [publish(version), subscribe(version), unsubscribe(version), disconnect(version), ack(version)]
    return st.one_of(st.just(mq.PingReq()), *common, *([auth()] if version == 5 else []))


def examples(version):
    """One packet of each type that a client sends, with every part that it can have."""
    full = {where: mq.Properties(user_property=(("a", "b"),)) if version == 5 else mq.NONE for where in ANY}
    will = mq.Will("last/words", b"bye", 1, True, full[0])
    found = [
        mq.Connect("me", version, False, 60, "user", b"password", will, full[1]),
        mq.Publish("a", b"zero", properties=full[3]),
        mq.Publish("a", b"one", 1, False, True, 1, full[3]),
        mq.Publish("a", b"two", 2, True, False, 2, full[3]),
        mq.PubAck(1, 0, full[4]),
        mq.PubRec(2, 0, full[5]),
        mq.PubRel(2, 0, full[6]),
        mq.PubComp(2, 0, full[7]),
        mq.Subscribe(3, (mq.Subscription("a", 1), mq.Subscription("b", 2)), full[8]),
        mq.Unsubscribe(4, ("a", "b"), full[10]),
        mq.PingReq(),
    ]
    return [*found, *([mq.Auth(0x18, full[15])] if version == 5 else []), mq.Disconnect(0, full[14])]


packets = SimpleNamespace(
    any=lambda version: st.one_of(connect(version), of_client(version), of_server(version)),
    connect=connect,
    disconnect=disconnect,
    examples=examples,
    of_client=of_client,
    publish=publish,
    subscribe=subscribe,
    unsubscribe=unsubscribe,
)


class Paho(paho.Client):
    """A client of paho that keeps what it packs."""

    def __init__(self, version):
        super().__init__(paho.CallbackAPIVersion.VERSION2, client_id="x", protocol=paho.MQTTProtocolVersion(version))
        self.version = version
        self.packed = b""

    def _packet_queue(self, command, packet, mid, qos, info=None):
        self.packed += bytes(packet)
        return paho.MQTT_ERR_SUCCESS

    def _take(self):
        packed, self.packed = self.packed, b""
        return packed

    def _its(self, name, ours):
        return paho_properties(name, ours) if self.version == 5 else None

    def connect(self, packet):
        self._client_id = packet.client_id.encode()
        self._clean_session = self._clean_start = packet.clean_start
        self._username = None if packet.username is None else packet.username.encode()
        self._password = packet.password
        self._connect_properties = self._its("CONNECT", packet.properties)
        if packet.will is not None:
            self._will, will = True, packet.will
            self._will_topic, self._will_payload = will.topic.encode(), will.payload
            self._will_qos, self._will_retain = will.qos, will.retain
            self._will_properties = self._its("WILLMESSAGE", will.properties)
        self._send_connect(packet.keep_alive)
        return self._take()

    def publish(self, packet):
        theirs = self._its("PUBLISH", packet.properties)
        self._sock = self  # it packs nothing without a socket
        self._send_publish(
            packet.packet_id,
            packet.topic.encode(),
            packet.payload,
            packet.qos,
            packet.retain,
            packet.dup,
            properties=theirs,
        )
        self._sock = None
        return self._take()

    def subscribe(self, packet):
        if self.version == 5:
            found = [
                (
                    each.topic.encode(),
                    SubscribeOptions(each.qos, each.no_local, each.retain_as_published, each.retain_handling),
                )
                for each in packet.subscriptions
            ]
        else:
            found = [(each.topic.encode(), each.qos) for each in packet.subscriptions]
        self._mid_generate = lambda: packet.packet_id
        self._send_subscribe(False, found, self._its("SUBSCRIBE", packet.properties))
        return self._take()

    def unsubscribe(self, packet):
        self._mid_generate = lambda: packet.packet_id
        self._send_unsubscribe(
            False, [topic.encode() for topic in packet.topics], self._its("UNSUBSCRIBE", packet.properties)
        )
        return self._take()

    def acks(self, number):
        self._send_puback(number)
        self._send_pubrec(number)
        self._send_pubrel(number)
        self._send_pubcomp(number)
        self._send_pingreq()
        return self._take()

    def disconnect(self, packet):
        code = ReasonCode(PacketTypes.DISCONNECT, identifier=packet.code) if self.version == 5 else None
        self._send_disconnect(code, self._its("DISCONNECT", packet.properties))
        return self._take()

    def close(self):
        pass
