"""MQTT clients in the hub, as values: what each packet sets in motion, sessions, wills, and who gets which message."""

import pytest

from azure.messaging.webpubsubservice.emulator.hub import _events as on
from azure.messaging.webpubsubservice.emulator.hub._frames import JoinGroup, Message, Payload, SendToGroup
from azure.messaging.webpubsubservice.emulator.hub._hub import Hub
from azure.messaging.webpubsubservice.emulator.hub._mqtt_switches import MqttSwitches
from azure.messaging.webpubsubservice.emulator.hub.mqtt import _packets as mq
from azure.messaging.webpubsubservice.emulator.hub.mqtt._admission import ConnectRefused, admit
from azure.messaging.webpubsubservice.emulator.hub.mqtt._codes import connack_code, refusal_code
from azure.messaging.webpubsubservice.emulator.hub.mqtt._outbox import Outbox

ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
SERVER = "$webpubsub/server/messages"


class Scene:
    """A hub, a clock, and what the clients got: per client a list of packets, ``close`` for a closed socket."""

    def __init__(self, **switches):
        self.hub = Hub("chat", mqtt=MqttSwitches(**switches))
        self.now = 1000.0
        self.got = {}
        self.other = []

    def feed(self, event):
        for effect in self.hub.handle(event, self.now):
            if isinstance(effect, on.Reply):
                self.got.setdefault(effect.connection_id, []).append(effect.frame)
            elif isinstance(effect, on.DeliverInSequence):
                for connection_id, number in effect.to:
                    fields = {name: getattr(effect.message, name) for name in mq.Publish.__dataclass_fields__}
                    self.got.setdefault(connection_id, []).append(mq.Publish(**{**fields, "packet_id": number}))
            elif isinstance(effect, on.Deliver):
                for connection_id in effect.to:
                    self.got.setdefault(connection_id, []).append(effect.message)
            elif isinstance(effect, on.Close):
                self.got.setdefault(effect.connection_id, []).append("close")
            elif not isinstance(effect, on.GroupChanged):
                self.other.append(effect)

    def connect(self, client_id="a", version=5, *, user_id="ada", roles=ROLES, groups=(), fits=None, **fields):
        fields.setdefault("keep_alive", 60)
        packet = mq.Connect(client_id, version, **fields)
        admitted = admit(packet, "assigned", self.hub.recovery_seconds, lenient=False)
        session_id = f"session {len(self.other)}"
        self.feed(on.OpenMqtt(admitted, session_id, user_id, groups, roles, fits=fits))
        return self.take(client_id)

    def send(self, client_id, *packets):
        for packet in packets:
            self.feed(on.Received(client_id, packet))
        return self.take(client_id)

    def lose(self, client_id="a"):
        self.feed(on.Lost(client_id, final=False))

    def pass_time(self, seconds):
        self.now += seconds
        if (due := self.hub.next_due()) is not None and due <= self.now:
            self.feed(on.Tick())

    def take(self, client_id):
        return self.got.pop(client_id, [])

    def effects(self, kind):
        found = [each for each in self.other if isinstance(each, kind)]
        self.other = [each for each in self.other if not isinstance(each, kind)]
        return found


@pytest.fixture
def scene():
    return Scene()


def subscribe(*topics, qos=2, identifier=None, **options):
    properties = mq.NONE if identifier is None else mq.Properties(subscription_identifier=(identifier,))
    return mq.Subscribe(1, tuple(mq.Subscription(topic, qos, **options) for topic in topics), properties)


def persistent(seconds=30, **properties):
    return {"clean_start": False, "properties": mq.Properties(session_expiry_interval=seconds, **properties)}


def will(**fields):
    return mq.Will(**{"topic": "lights", "payload": b"out", **fields})


# CONNECT


def test_connack_says_what_the_service_does_not_have(scene):
    (answer,) = scene.connect()
    properties = answer.properties
    assert (answer.session_present, answer.code) == (False, 0)
    assert (properties.retain_available, properties.wildcard_subscription_available) == (0, 0)
    assert (properties.shared_subscription_available, properties.maximum_packet_size) == (0, 1 << 20)
    assert properties.maximum_qos is properties.server_keep_alive is properties.assigned_client_identifier is None
    assert properties.topic_alias_maximum is properties.session_expiry_interval is None


def test_what_is_granted_differs_from_what_is_asked_for():
    asked = mq.Connect("", 5, keep_alive=0, properties=mq.Properties(session_expiry_interval=3600))
    admitted = admit(asked, "assigned", 30.0, lenient=False)
    granted = admitted.granted
    assert (admitted.packet.client_id, granted.assigned_client_identifier) == ("assigned", "assigned")
    assert (admitted.packet.keep_alive, granted.server_keep_alive) == (180, 180)
    assert (admitted.expiry, granted.session_expiry_interval) == (30.0, 30)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"client_id": "a_b"}, 0x85),
        ({"client_id": "a-b"}, 0x85),
        ({"client_id": "ä"}, 0x85),
        ({"client_id": "a" * 129}, 0x85),
        ({"client_id": "", "version": 4, "clean_start": False}, 0x85),
        ({"version": 4, "keep_alive": 0}, 0x80),
        ({"version": 4, "keep_alive": 181}, 0x80),
        ({"properties": mq.Properties(authentication_method="x")}, 0x8C),
        ({"will": will(retain=True)}, 0x9A),
        ({"will": will(topic=" ")}, 0x90),
        ({"will": will(topic="a" * 1025)}, 0x90),
        ({"will": will(topic="a/#")}, 0x90),
        ({"will": will(topic=SERVER)}, 0x90),
        ({"will": will(payload=b"x" * 2001)}, 0x95),
    ],
)
def test_connect_packet_the_service_does_not_take_is_refused(fields, code):
    packet = mq.Connect(**{"client_id": "a", "keep_alive": 60, **fields})
    with pytest.raises(ConnectRefused) as met:
        admit(packet, "assigned", 30.0, lenient=False)
    assert met.value.code == code


def test_underscore_in_a_client_id_is_taken_under_the_switch_which_the_refusal_names():
    packet = mq.Connect("mqttjs_1-a", keep_alive=60)
    assert admit(packet, "", 30.0, lenient=True).packet.client_id == "mqttjs_1-a"
    with pytest.raises(ConnectRefused, match="mqtt_lenient_client_ids"):
        admit(packet, "", 30.0, lenient=False)


def test_client_without_an_id_gets_one_in_a_clean_session_of_3():
    assert admit(mq.Connect("", 4, keep_alive=60), "assigned", 30.0, lenient=False).packet.client_id == "assigned"


def test_code_of_a_refusal_is_one_of_the_version():
    assert [connack_code(code, 5) for code in (0x85, 0x9A)] == [0x85, 0x9A]
    assert [connack_code(code, 4) for code in (0x84, 0x85, 0x88, 0x86, 0x87)] == [1, 2, 3, 4, 5]
    assert connack_code(0x9A, 4) is None  # the standard closes without an answer then


@pytest.mark.parametrize(
    ("code", "status", "version", "told"),
    [
        (0x8A, 403, 5, 0x8A),
        (0x8E, 403, 5, 0x80),
        (5, 401, 4, 5),
        (0x8A, 403, 4, 3),
        (None, 401, 5, 0x87),
        (None, 401, 4, 5),
        (None, 404, 5, 0x86),
        (None, 404, 4, 4),
        (None, 500, 5, 0x88),
        (None, 503, 4, 3),
    ],
)
def test_refusal_of_the_event_handler_becomes_a_code_of_the_version(code, status, version, told):
    assert refusal_code(code, status, version) == told


def test_id_of_a_connection_without_mqtt_cannot_be_taken(scene):
    scene.feed(on.Open("json1", "json.webpubsub.azure.v1"))
    scene.take("json1")
    assert scene.connect("json1") == []
    (refused,) = scene.effects(on.NotAttached)
    assert refused.code == 0x85


def test_session_of_another_user_cannot_be_taken_up(scene):
    scene.connect(**persistent())
    assert scene.connect(user_id="bob", **persistent()) == []
    assert [each.code for each in scene.effects(on.NotAttached)] == [0x87]
    assert scene.send("a", mq.PingReq()) == [mq.PingResp()]


# Groups


def test_topic_is_a_group_and_subscribing_needs_the_role(scene):
    scene.connect(roles=["webpubsub.joinLeaveGroup.rooms/1"])
    (answer,) = scene.send("a", subscribe("rooms/1", "rooms/2", qos=1))
    assert answer == mq.SubAck(1, (1, 0x87))
    assert list(scene.hub.groups) == ["rooms/1"]
    assert "webpubsub.joinLeaveGroup.rooms/2" in scene.effects(on.Refused)[0].why


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("a/#", 0xA2),
        ("+", 0xA2),
        ("$share/g/a", 0x9E),
        (" ", 0x8F),
        ("a" * 1025, 0x8F),
        ("$webpubsub/other", 0x8F),
        (SERVER, 1),
        ("$webpubsub/server/events/e/succeeded", 1),
    ],
)
def test_topic_nobody_can_subscribe_to_has_its_code(scene, topic, code):
    scene.connect(roles=[])
    assert scene.send("a", subscribe(topic, qos=1)) == [mq.SubAck(1, (code,))]
    assert scene.hub.groups == {}


def test_unsubscribing_leaves_the_group(scene):
    scene.connect(groups=["x", "y"])
    assert scene.send("a", mq.Unsubscribe(7, ("x", "z"))) == [mq.UnsubAck(7, (0, 0x11))]
    assert list(scene.hub.groups) == ["y"]


def test_unsubscribing_needs_the_role(scene):
    scene.connect(roles=[], groups=["x"])
    assert scene.send("a", mq.Unsubscribe(7, ("x",))) == [mq.UnsubAck(7, (0x87,))]
    assert list(scene.hub.groups) == ["x"]


# Publishing


@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
def test_message_goes_at_the_lower_qos(scene, published, granted):
    scene.connect("a")
    scene.connect("b")
    scene.send("b", subscribe("room", qos=granted))
    scene.send("a", mq.Publish("room", b"x", published, packet_id=9 if published else 0))
    (message,) = scene.take("b")
    assert (message.topic, message.payload, message.qos) == ("room", b"x", min(published, granted))
    assert bool(message.packet_id) == bool(message.qos)


def test_publisher_gets_its_own_message_unless_it_asks_not_to(scene):
    scene.connect()
    scene.send("a", subscribe("room", qos=0))
    assert scene.send("a", mq.Publish("room", b"x")) == [mq.Publish("room", b"x")]
    scene.send("a", subscribe("room", qos=0, no_local=True))
    assert scene.send("a", mq.Publish("room", b"x")) == []


def test_properties_of_a_message_pass_from_client_to_client(scene):
    properties = mq.Properties(
        payload_format_indicator=1,
        message_expiry_interval=60,
        content_type="text/plain",
        response_topic="answers",
        correlation_data=b"1",
        user_property=(("k", "v"), ("k", "w")),
    )
    scene.connect("a")
    scene.connect("b")
    scene.send("b", subscribe("room", qos=0))
    scene.send("a", mq.Publish("room", b"x", properties=properties))
    assert scene.take("b") == [mq.Publish("room", b"x", properties=properties)]


def test_subscription_identifier_comes_with_every_message(scene):
    for client, identifier in (("a", 5), ("b", None), ("c", 7)):
        scene.connect(client)
        scene.send(client, subscribe("room", qos=0, identifier=identifier))
    scene.feed(on.Received("a", mq.Publish("room", b"x")))
    found = {client: scene.take(client)[0].properties.subscription_identifier for client in "abc"}
    assert found == {"a": (5,), "b": (), "c": (7,)}


@pytest.mark.parametrize("version", [4, 5])
def test_publishing_without_the_role_at_qos_0_closes_the_connection(scene, version):
    scene.connect(version=version, roles=[])
    got = scene.send("a", mq.Publish("room", b"x"))
    assert got[-1] == "close"
    assert [each.code for each in got[:-1]] == ([0x87] if version == 5 else [])
    assert "webpubsub.sendToGroup.room" in scene.effects(on.Refused)[0].why


def test_publishing_without_the_role_above_qos_0_is_answered_and_the_client_stays(scene):
    scene.connect(roles=[])
    one, two = mq.Publish("room", b"x", 1, packet_id=4), mq.Publish("room", b"x", 2, packet_id=5)
    assert scene.send("a", one, two) == [mq.PubAck(4, 0x87), mq.PubRec(5, 0x87)]
    assert scene.send("a", mq.PingReq()) == [mq.PingResp()]


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (mq.Publish("room", b"", retain=True), 0x9A),
        (mq.Publish("", b"", properties=mq.Properties(topic_alias=1)), 0x94),
        (mq.Publish("room", b"", properties=mq.Properties(subscription_identifier=(1,))), 0x82),
        (mq.Publish(SERVER, b""), 0x90),
        (mq.Publish("$webpubsub/server/events/9bad name", b""), 0x90),
        (mq.Publish("a" * 1025, b""), 0x90),
        (mq.Auth(0x18), 0x82),
    ],
)
def test_what_is_not_supported_ends_the_connection_with_its_code(scene, packet, code):
    scene.connect()
    farewell, close = scene.send("a", packet)
    assert (type(farewell), farewell.code, close) == (mq.Disconnect, code, "close")
    assert scene.hub.connections == {}


def test_message_at_qos_2_is_delivered_once(scene):
    scene.connect("a")
    scene.connect("b")
    scene.send("b", subscribe("room", qos=0))
    packet = mq.Publish("room", b"x", 2, packet_id=3)
    again = mq.Publish("room", b"x", 2, dup=True, packet_id=3)
    assert scene.send("a", packet, again) == [mq.PubRec(3), mq.PubRec(3)]
    assert len(scene.take("b")) == 1
    assert scene.send("a", mq.PubRel(3), mq.PubRel(3)) == [mq.PubComp(3), mq.PubComp(3, 0x92)]
    assert scene.send("a", mq.Publish("room", b"y", 2, packet_id=3)) == [mq.PubRec(3)]
    assert len(scene.take("b")) == 1


def test_client_keeps_to_the_receive_maximum_of_the_service(scene):
    (answer,) = scene.connect()
    most = answer.properties.receive_maximum
    for number in range(1, most + 1):
        assert scene.send("a", mq.Publish("room", b"", 2, packet_id=number)) == [mq.PubRec(number)]
    farewell, _ = scene.send("a", mq.Publish("room", b"", 2, packet_id=most + 1))
    assert farewell.code == 0x93


def test_publish_is_noted_with_its_sender(scene):
    scene.connect()
    scene.send("a", mq.Publish("room", b"x", properties=mq.Properties(message_expiry_interval=9)))
    (sent,) = scene.effects(on.Published)
    assert (sent.connection_id, sent.message.group, sent.message.payload.data, sent.ttl_seconds) == (
        "a",
        "room",
        b"x",
        9,
    )


# Delivery at QoS 1 and 2


def receiver(scene, qos=2, **fields):
    scene.connect("r", **fields)
    scene.send("r", subscribe("room", qos=qos))
    scene.connect("s")


def publish(scene, *payloads, qos=2, **properties):
    for number, payload in enumerate(payloads, start=1):
        packet_id = 100 + number if qos else 0
        found = mq.Properties(**properties) if properties else mq.NONE
        scene.send("s", mq.Publish("room", payload, qos, packet_id=packet_id, properties=found), mq.PubRel(packet_id))
    scene.take("s")


def test_message_at_qos_2_goes_through_its_four_steps(scene):
    receiver(scene)
    publish(scene, b"x")
    (message,) = scene.take("r")
    number = message.packet_id
    assert scene.send("r", mq.PubRec(number)) == [mq.PubRel(number)]
    assert scene.send("r", mq.PubComp(number)) == []
    assert scene.send("r", mq.PubRec(number)) == [mq.PubRel(number, 0x92)]


def test_client_gets_no_more_at_once_than_it_takes(scene):
    receiver(scene, qos=1, properties=mq.Properties(receive_maximum=2))
    publish(scene, b"1", b"2", b"3", b"4")
    first = scene.take("r")
    assert [each.payload for each in first] == [b"1", b"2"]
    (third,) = scene.send("r", mq.PubAck(first[0].packet_id))
    assert third.payload == b"3"
    (fourth,) = scene.send("r", mq.PubAck(third.packet_id))
    assert fourth.payload == b"4"
    assert scene.send("r", mq.PubAck(first[1].packet_id), mq.PubAck(fourth.packet_id)) == []


def test_message_that_waits_at_qos_2_follows_the_one_that_is_complete_or_refused(scene):
    receiver(scene, properties=mq.Properties(receive_maximum=1))
    publish(scene, b"1", b"2", b"3")
    (first,) = scene.take("r")
    assert scene.send("r", mq.PubRec(first.packet_id)) == [mq.PubRel(first.packet_id)]
    (second,) = scene.send("r", mq.PubComp(first.packet_id))
    (third,) = scene.send("r", mq.PubRec(second.packet_id, 0x80))
    assert (second.payload, third.payload) == (b"2", b"3")


def test_wrong_kind_of_acknowledgement_changes_nothing(scene):
    receiver(scene, properties=mq.Properties(receive_maximum=1))
    publish(scene, b"1", b"2")
    (first,) = scene.take("r")
    assert scene.send("r", mq.PubAck(first.packet_id), mq.PubComp(first.packet_id), mq.PubAck(999)) == []
    assert scene.send("r", mq.PubRec(first.packet_id)) == [mq.PubRel(first.packet_id)]


def test_message_larger_than_the_client_takes_is_not_sent(scene):
    scene.connect("r", fits=lambda packet: len(packet.payload) <= 3)
    scene.send("r", subscribe("room", qos=1))
    scene.connect("s")
    publish(scene, b"long one", b"one", qos=1)
    assert [each.payload for each in scene.take("r")] == [b"one"]


def test_client_that_acknowledges_nothing_is_cut_off_in_the_end(scene):
    receiver(scene, qos=1)
    publish(scene, *[b"x"] * 1001, qos=1)
    got = scene.take("r")
    assert (len(got), got[-2].code, got[-1]) == (1002, 0x97, "close")
    assert "r" not in scene.hub.connections


def test_packet_numbers_come_round_and_skip_what_is_under_way():
    outbox, packet = Outbox(2), mq.Publish("room", b"", 1)
    assert outbox.offer(packet, None, is_online=True) == 1
    seen = []
    for _ in range(65535):
        seen.append(outbox.offer(packet, None, is_online=True))
        outbox.acknowledge(seen[-1])
    assert seen == [*range(2, 65536), 2]


# Sessions


@pytest.mark.parametrize(("version", "fields"), [(4, {"clean_start": False}), (5, persistent())], ids=["3.1.1", "5.0"])
def test_session_is_taken_up_with_what_was_missed(scene, version, fields):
    scene.connect("r", version, **fields)
    scene.send("r", subscribe("room"))
    scene.connect("s")
    publish(scene, b"seen", b"released")
    seen, released = scene.take("r")
    scene.send("r", mq.PubRec(released.packet_id))
    scene.lose("r")
    assert "r" in scene.hub.connections
    publish(scene, b"dropped", qos=0)
    publish(scene, b"missed", qos=1)
    scene.pass_time(29.9)
    answer, *again = scene.connect("r", version, **fields)
    assert answer.session_present
    assert [type(each) for each in again] == [mq.Publish, mq.PubRel, mq.Publish]
    assert (again[0].payload, again[0].dup, again[0].packet_id) == (b"seen", True, seen.packet_id)
    assert again[1].packet_id == released.packet_id
    assert (again[2].payload, again[2].dup, again[2].qos) == (b"missed", False, 1)
    assert scene.effects(on.Ended) == []
    assert [each.is_new for each in scene.effects(on.Attached)] == [True, True, False]


def test_session_ends_when_its_time_is_over(scene):
    scene.connect(**persistent(10))
    scene.send("a", subscribe("room"))
    scene.lose()
    scene.pass_time(9.9)
    assert scene.effects(on.Ended) == []
    scene.pass_time(0.2)
    (ended,) = scene.effects(on.Ended)
    assert (ended.connection_id, ended.ending.by_client, ended.ending.code) == ("a", True, None)
    assert (scene.hub.connections, scene.hub.groups, scene.hub.next_due()) == ({}, {}, None)
    (answer,) = scene.connect(**persistent(10))
    assert not answer.session_present


def test_session_outlives_its_connection_by_half_a_minute_at_most(scene):
    (answer,) = scene.connect(**persistent(0xFFFFFFFF))
    assert answer.properties.session_expiry_interval == 30
    scene.lose()
    scene.pass_time(30.1)
    assert scene.hub.connections == {}


def test_clean_session_ends_with_its_connection(scene):
    scene.connect(version=4, clean_start=True)
    scene.lose()
    assert [each.connection_id for each in scene.effects(on.Ended)] == ["a"]


def test_clean_start_ends_the_session_before(scene):
    scene.connect(**persistent())
    scene.send("a", subscribe("room"))
    farewell, close, answer = scene.connect(clean_start=True)
    assert (farewell.code, close, answer.session_present) == (0x8E, "close", False)
    assert [each.connection_id for each in scene.effects(on.Ended)] == ["a"]
    assert scene.hub.groups == {}


def test_session_that_is_taken_over_goes_on_in_the_new_connection(scene):
    scene.connect(**persistent())
    scene.send("a", subscribe("room", qos=0))
    farewell, close, answer = scene.connect(**persistent())
    assert (farewell.code, close, answer.session_present) == (0x8E, "close", True)
    assert scene.effects(on.Ended) == []
    assert scene.send("a", mq.Publish("room", b"x")) == [mq.Publish("room", b"x")]


def test_session_without_expiry_is_not_taken_up(scene):
    scene.connect(clean_start=True)
    *_, answer = scene.connect(clean_start=False)
    assert not answer.session_present
    assert len(scene.effects(on.Ended)) == 1


def test_identity_of_a_taken_up_session_stays_as_it_was(scene):
    scene.connect(groups=["x"], roles=["webpubsub.sendToGroup.x"], **persistent())
    scene.lose()
    scene.connect(groups=["y"], roles=ROLES, **persistent())
    assert scene.hub.connections["a"].groups == {"x"}
    assert not scene.hub.connections["a"].permissions.allows("sendToGroup", "y")


def test_message_that_has_expired_is_not_sent_and_another_says_how_long_it_lives(scene):
    receiver(scene, qos=1, **persistent())
    scene.lose("r")
    publish(scene, b"short", message_expiry_interval=5)
    publish(scene, b"long", message_expiry_interval=60)
    scene.pass_time(20)
    _, message = scene.connect("r", **persistent())
    assert (message.payload, message.properties.message_expiry_interval) == (b"long", 40)


def test_disconnect_may_shorten_the_session_but_not_begin_one(scene):
    scene.connect("a", **persistent())
    assert scene.send("a", mq.Disconnect(0, mq.Properties(session_expiry_interval=0))) == ["close"]
    assert "a" not in scene.hub.connections
    scene.connect("b")
    farewell, _ = scene.send("b", mq.Disconnect(0, mq.Properties(session_expiry_interval=9)))
    assert farewell.code == 0x82


def test_goodbye_of_a_client_is_told_with_code_and_properties(scene):
    scene.connect()
    goodbye = mq.Disconnect(0x04, mq.Properties(reason_string="bye", user_property=(("k", "v"),)))
    assert scene.send("a", goodbye) == ["close"]
    (ended,) = scene.effects(on.Ended)
    assert (ended.reason, ended.ending.by_client, ended.ending.code) == ("bye", True, 4)
    assert ended.ending.user_properties == (("k", "v"),)


def test_client_that_is_too_silent_is_told_and_its_session_stays(scene):
    scene.connect(**persistent())
    text = "No packet has been received for 1.5 times the Keepalive time."
    scene.feed(on.Misbehaved("a", text, 0x8D))
    farewell, close = scene.take("a")
    assert (farewell.code, close) == (0x8D, "close")
    assert "a" in scene.hub.connections
    scene.pass_time(31)
    (ended,) = scene.effects(on.Ended)
    assert (ended.reason, ended.ending.by_client, ended.ending.code) == (text, False, 0x8D)


def test_packets_after_the_end_are_not_heard(scene):
    scene.connect(**persistent())
    assert scene.send("a", mq.Disconnect(), mq.Publish("room", b"x"), mq.PingReq()) == ["close"]
    assert scene.effects(on.Published) == []


# Wills


def witness(scene):
    scene.connect("w")
    scene.send("w", subscribe("lights", qos=1))


def test_will_is_published_when_the_client_is_lost(scene):
    witness(scene)
    scene.connect(will=will(qos=1, properties=mq.Properties(content_type="text/plain", will_delay_interval=0)))
    scene.lose()
    (message,) = scene.take("w")
    assert (message.topic, message.payload, message.qos) == ("lights", b"out", 1)
    assert message.properties == mq.Properties(content_type="text/plain")


@pytest.mark.parametrize(("code", "count"), [(0, 0), (4, 1)])
def test_will_is_not_published_after_a_goodbye_unless_it_asks_for_it(scene, code, count):
    witness(scene)
    scene.connect(will=will())
    scene.send("a", mq.Disconnect(code))
    assert len(scene.take("w")) == count


def test_will_waits_for_its_delay_and_not_beyond_the_session(scene):
    witness(scene)
    for delay, expected in ((5, 5), (50, 30)):
        scene.connect(will=will(properties=mq.Properties(will_delay_interval=delay)), **persistent())
        scene.lose()
        scene.pass_time(expected - 0.1)
        assert scene.take("w") == []
        scene.pass_time(0.2)
        assert len(scene.take("w")) == 1
        scene.pass_time(60)
        assert scene.take("w") == []


def test_will_is_off_once_the_client_is_back(scene):
    witness(scene)
    scene.connect(will=will(properties=mq.Properties(will_delay_interval=5)), **persistent())
    scene.lose()
    scene.pass_time(1)
    scene.connect(**persistent())
    scene.lose()
    scene.pass_time(60)
    assert scene.take("w") == []


def test_will_of_a_connection_that_is_taken_over_is_published_unless_it_was_to_wait(scene):
    witness(scene)
    delayed = will(properties=mq.Properties(will_delay_interval=5))
    for chosen, count in ((will(), 1), (delayed, 0)):
        scene.connect(will=chosen, **persistent())
        scene.take("w")
        scene.connect(**persistent())
        assert len(scene.take("w")) == count


def test_will_needs_the_role(scene):
    witness(scene)
    scene.connect(will=will(), roles=[])
    scene.lose()
    assert scene.take("w") == []
    assert "the will" in scene.effects(on.Refused)[0].why


# REST


def rest_publish(scene, payload=None, **where):
    scene.feed(on.Publish(on.Audience(**where), payload or Payload("json", b"{}")))


def test_rest_sends_to_a_group_at_qos_1_or_what_was_granted(scene):
    for client, qos in (("a", 2), ("b", 0)):
        scene.connect(client)
        scene.send(client, subscribe("room", qos=qos))
    rest_publish(scene, group="room")
    assert [(each.topic, each.qos) for each in scene.take("a") + scene.take("b")] == [("room", 1), ("room", 0)]


@pytest.mark.parametrize("where", [{}, {"user_id": "ada"}, {"connection_id": "a"}])
def test_rest_sends_to_clients_on_the_server_topic_subscribed_or_not(scene, where):
    scene.connect()
    rest_publish(scene, **where)
    (message,) = scene.take("a")
    assert (message.topic, message.qos) == (SERVER, 1)
    scene.send("a", subscribe(SERVER, qos=0, identifier=3))
    rest_publish(scene, **where)
    (message,) = scene.take("a")
    assert (message.topic, message.qos, message.properties.subscription_identifier) == (SERVER, 0, (3,))


@pytest.mark.parametrize(
    ("data_type", "content_type", "indicator"),
    [
        ("json", "application/json", 1),
        ("text", "text/plain", 1),
        ("binary", "application/octet-stream", None),
        ("protobuf", "application/x-protobuf", None),
    ],
)
def test_data_type_becomes_a_content_type(scene, data_type, content_type, indicator):
    scene.connect()
    rest_publish(scene, Payload(data_type, b'"x"'))
    (message,) = scene.take("a")
    found = (message.properties.content_type, message.properties.payload_format_indicator, message.payload)
    assert found == (content_type, indicator, b'"x"')


@pytest.mark.parametrize(
    ("content_type", "payload", "data_type"),
    [
        ("application/json", b'{"a": 1}', "json"),
        ("application/json; charset=utf-8", b"1", "json"),
        ("application/json", b"no json", "binary"),
        ("text/plain", "ä".encode(), "text"),
        ("TEXT/PLAIN", b"x", "text"),
        ("text/plain; charset=latin-1", b"\xe4", "binary"),
        ("text/plain", b"\xff", "binary"),
        ("application/x-protobuf", b"\x00", "protobuf"),
        ("application/octet-stream", b"x", "binary"),
        ("image/png", b"x", "binary"),
        (None, b"x", "binary"),
    ],
)
def test_content_type_becomes_a_data_type(scene, content_type, payload, data_type):
    scene.connect()
    scene.feed(on.Open("json1", "json.webpubsub.azure.v1", groups=["room"]))
    scene.take("json1")
    scene.send("a", mq.Publish("room", payload, properties=mq.Properties(content_type=content_type)))
    (message,) = scene.take("json1")
    assert (message.payload, message.group, message.from_user_id) == (Payload(data_type, payload), "room", "ada")


def test_json_client_and_mqtt_client_meet_in_a_group(scene):
    scene.connect()
    scene.send("a", subscribe("room"))
    scene.feed(on.Open("json1", "json.webpubsub.azure.v1", roles=ROLES))
    scene.feed(on.Received("json1", JoinGroup("room")))
    scene.feed(on.Received("json1", SendToGroup("room", Payload("text", b"hi"), ttl_seconds=20)))
    (to_mqtt,) = scene.take("a")
    assert (to_mqtt.payload, to_mqtt.qos, to_mqtt.properties.message_expiry_interval) == (b"hi", 1, 20)
    scene.take("json1")
    scene.send("a", mq.Publish("room", b"yes", 2, packet_id=1))
    (to_json,) = scene.take("json1")
    assert isinstance(to_json, Message)


def test_reliable_client_gets_numbered_messages_from_mqtt(scene):
    scene.connect()
    scene.feed(on.Open("json1", "json.reliable.webpubsub.azure.v1", groups=["room"], reconnection_token="t"))
    effects = scene.hub.handle(on.Received("a", mq.Publish("room", b"x")), scene.now)
    (delivery,) = [each for each in effects if isinstance(each, on.DeliverInSequence)]
    assert list(delivery.to) == [("json1", 1)]


def test_group_joined_by_rest_has_default_options_until_it_is_left(scene):
    scene.connect()
    scene.send("a", subscribe("room", qos=0, identifier=9))
    scene.feed(on.RemoveFromGroups(on.Audience(connection_id="a"), ["room"]))
    scene.feed(on.AddToGroups(on.Audience(connection_id="a"), ["room"]))
    rest_publish(scene, group="room")
    (message,) = scene.take("a")
    assert (message.qos, message.properties.subscription_identifier) == (1, ())


def test_qos_of_groups_without_a_subscription_has_a_switch():
    scene = Scene(default_qos=0)
    scene.connect(groups=["room"])
    rest_publish(scene, group="room")
    rest_publish(scene)
    assert [each.qos for each in scene.take("a")] == [0, 1]


def test_metadata_goes_to_mqtt_clients_under_a_switch_only():
    for switched, pairs in ((False, ()), (True, (("k", "v"),))):
        scene = Scene(metadata_as_user_properties=switched)
        scene.connect()
        scene.feed(on.Publish(on.Audience(), Payload("text", b"x"), metadata={"k": "v"}))
        (message,) = scene.take("a")
        assert message.properties.user_property == pairs


def test_closing_by_rest_ends_session_and_connection_with_the_reason(scene):
    scene.connect("a", **persistent())
    scene.connect("b", 4)
    scene.connect("c", **persistent())
    scene.lose("c")
    scene.feed(on.Disconnect(on.Audience(), "maintenance"))
    farewell, close = scene.take("a")
    assert (farewell.code, farewell.properties.reason_string, close) == (0x98, "maintenance", "close")
    assert scene.take("b") == ["close"]
    assert scene.take("c") == []
    assert [(each.connection_id, each.reason) for each in scene.effects(on.Ended)] == [
        ("a", "maintenance"),
        ("b", "maintenance"),
        ("c", "maintenance"),
    ]
    assert scene.hub.connections == {}


def test_permission_granted_and_revoked_at_run_time_counts(scene):
    scene.connect(roles=[])
    scene.feed(on.Allow("a", "sendToGroup", "room", allowed=True))
    assert scene.send("a", mq.Publish("room", b"", 1, packet_id=1)) == [mq.PubAck(1)]
    scene.feed(on.Allow("a", "sendToGroup", "room", allowed=False))
    assert scene.send("a", mq.Publish("room", b"", 1, packet_id=2)) == [mq.PubAck(2, 0x87)]


# Events

EVENT = "$webpubsub/server/events/greet"


def test_publishing_to_the_topic_of_an_event_raises_it_without_a_role(scene):
    scene.connect(roles=[])
    packet = mq.Publish(EVENT, b"{}", 1, packet_id=8, properties=mq.Properties(content_type="application/json"))
    assert scene.send("a", packet) == [mq.PubAck(8)]
    (raised,) = scene.effects(on.RaiseEvent)
    assert (raised.event, raised.payload, raised.packet) == ("greet", Payload("json", b"{}"), packet)


def test_event_needs_a_role_under_the_switch():
    scene = Scene(events_need_role=True)
    scene.connect(roles=[])
    assert scene.send("a", mq.Publish(EVENT, b"", 1, packet_id=8)) == [mq.PubAck(8, 0x87)]
    scene.connect("b", roles=["webpubsub.sendToGroup." + EVENT])
    assert scene.send("b", mq.Publish(EVENT, b"", 1, packet_id=8)) == [mq.PubAck(8)]


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "succeeded"), (204, "succeeded"), (404, "failed"), (500, "failed")]
)
def test_answer_to_an_event_comes_on_its_topic(scene, status, outcome):
    scene.connect()
    request = mq.Publish(EVENT, b"", 1, packet_id=8, properties=mq.Properties(correlation_data=b"id"))
    answer = on.MqttAnswer(status, b"body", "text/plain", (("k", "v"),))
    scene.feed(on.Handled("a", None, packet=request, answer=answer))
    (message,) = scene.take("a")
    assert (message.topic, message.payload, message.qos) == (f"{EVENT}/{outcome}", b"body", 1)
    assert message.properties == mq.Properties(
        content_type="text/plain",
        correlation_data=b"id",
        user_property=(("k", "v"), ("azure-status-code", str(status))),
    )


def test_answer_to_an_event_of_3_is_topic_and_payload(scene):
    scene.connect(version=4)
    request = mq.Publish(EVENT, b"")
    scene.feed(on.Handled("a", None, packet=request, answer=on.MqttAnswer(200, b"body", "text/plain", (("k", "v"),))))
    assert scene.take("a") == [mq.Publish(f"{EVENT}/succeeded", b"body")]


def test_answers_that_are_not_acknowledged_are_bounded_too(scene):
    scene.connect()
    request = mq.Publish(EVENT, b"", 1, packet_id=8)
    handled = on.Handled("a", None, packet=request, answer=on.MqttAnswer(200, b"body"))
    for _ in range(1000):
        scene.feed(handled)
    assert len(scene.take("a")) == 1000
    scene.feed(handled)
    farewell, close = scene.take("a")
    assert (farewell.code, close) == (0x97, "close")
    assert scene.hub.connections == {}


def test_answer_for_a_client_that_is_away_waits_for_it(scene):
    scene.connect(**persistent())
    scene.lose()
    request = mq.Publish(EVENT, b"", 1, packet_id=8)
    scene.feed(on.Handled("a", None, packet=request, answer=on.MqttAnswer(200, b"body")))
    _, message = scene.connect(**persistent())
    assert message.payload == b"body"


# Bounds


def test_session_for_which_too_much_is_kept_ends_also_while_the_client_is_away(scene):
    for client_id in ("here", "away"):
        scene.connect(client_id, **persistent())
        scene.send(client_id, subscribe("lights"))
    scene.lose("away")
    scene.feed(on.Publish(on.Audience(group="lights"), Payload("text", b"x" * 1000)))
    assert scene.hub.newly_kept == 1000
    kept = scene.hub.kept()
    assert sorted((client_id, len(pairs), pairs[0][1] >= 1000) for client_id, pairs in kept.items()) == [
        ("away", 1, True),
        ("here", 1, True),
    ]
    assert kept["here"][0][0] is kept["away"][0][0]
    scene.take("here")
    for client_id in ("here", "away", "here"):
        scene.feed(on.GiveUp(client_id))
    goodbye, close = scene.take("here")
    assert (goodbye.code, close) == (0x97, "close")
    assert [effect.connection_id for effect in scene.effects(on.Ended)] == ["here", "away"]
    assert scene.hub.kept() == scene.hub.connections == {}
