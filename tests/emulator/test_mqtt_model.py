"""Any order of what MQTT clients, REST and time can do leaves a hub whole: lists agree, nothing goes to who is away."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mqtt_values import packets

from azure.messaging.webpubsubservice.emulator.hub import _events as on
from azure.messaging.webpubsubservice.emulator.hub._frames import Payload
from azure.messaging.webpubsubservice.emulator.hub._hub import Hub
from azure.messaging.webpubsubservice.emulator.hub.mqtt import _packets as mq
from azure.messaging.webpubsubservice.emulator.hub.mqtt._admission import admit

CLIENTS, GROUPS = ["a", "b", "c"], ["x", "y"]
ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
clients, groups, qualities = st.sampled_from(CLIENTS), st.sampled_from(GROUPS), st.integers(0, 2)


class MqttHub(RuleBasedStateMachine):
    """``online`` are the clients with a socket, as the effects say."""

    def __init__(self):
        super().__init__()
        self.hub = Hub("chat")
        self.now = 0.0
        self.online = set()
        self.number = 0

    def feed(self, event):
        for effect in self.hub.handle(event, self.now):
            if isinstance(effect, on.Attached):
                assert effect.connection_id not in self.online, "the old socket is closed first"
                self.online.add(effect.connection_id)
            elif isinstance(effect, on.Close):
                self.online.remove(effect.connection_id)
            elif isinstance(effect, on.Reply):
                assert effect.connection_id in self.online
            elif isinstance(effect, on.DeliverInSequence):
                assert {client for client, _ in effect.to} <= self.online
                assert all(bool(number) == bool(effect.message.qos) for _, number in effect.to)
            elif isinstance(effect, on.Ended):
                assert effect.connection_id not in self.online
                assert effect.ending is not None

    @rule(client=clients, version=st.sampled_from([4, 5]), clean=st.booleans(), data=st.data())
    def connect(self, client, version, clean, data):
        properties = delay = mq.NONE
        if version == 5:
            expiry, most = data.draw(st.sampled_from([0, 5, 60])), data.draw(st.sampled_from([None, 1, 2]))
            properties = mq.Properties(session_expiry_interval=expiry, receive_maximum=most)
            delay = mq.Properties(will_delay_interval=data.draw(st.sampled_from([0, 3, 60])))
        will = st.builds(mq.Will, groups, st.just(b"last"), qualities, properties=st.just(delay))
        last = data.draw(st.none() | will)
        packet = mq.Connect(client, version, clean, 60, will=last, properties=properties)
        self.number += 1
        self.feed(on.OpenMqtt(admit(packet, "", 30.0, lenient=False), str(self.number), "u", ["x"], ROLES))
        assert client in self.online

    @precondition(lambda self: self.online)
    @rule(data=st.data(), version=st.sampled_from([4, 5]))
    def any_packet(self, data, version):
        client = data.draw(st.sampled_from(sorted(self.online)))
        self.feed(on.Received(client, data.draw(packets.of_client(version))))

    @rule(client=clients, group=groups, qos=qualities, no_local=st.booleans())
    def subscribe(self, client, group, qos, no_local):
        self.feed(on.Received(client, mq.Subscribe(1, (mq.Subscription(group, qos, no_local),))))

    @rule(client=clients, group=groups, qos=qualities, number=st.integers(1, 3))
    def publish(self, client, group, qos, number):
        self.feed(on.Received(client, mq.Publish(group, b"x", qos, packet_id=number if qos else 0)))

    @rule(
        client=clients,
        number=st.integers(1, 4),
        kind=st.sampled_from([mq.PubAck, mq.PubRec, mq.PubRel, mq.PubComp]),
    )
    def acknowledge(self, client, number, kind):
        self.feed(on.Received(client, kind(number)))

    @rule(client=clients)
    def lose(self, client):
        if client in self.online:
            self.online.remove(client)
        self.feed(on.Lost(client, final=False))

    @rule(client=clients)
    def misbehave(self, client):
        if client in self.online:
            self.feed(on.Misbehaved(client, "why", 0x82))

    @rule(seconds=st.sampled_from([1, 4, 40]))
    def pass_time(self, seconds):
        self.now += seconds
        due = self.hub.next_due()
        if due is not None and due <= self.now:
            self.feed(on.Tick())
        due = self.hub.next_due()
        assert due is None or due > self.now

    @rule(group=st.none() | groups)
    def send_by_rest(self, group):
        self.feed(on.Publish(on.Audience(group=group), Payload("text", b"x"), 3))

    @rule(client=clients, group=groups, adds=st.booleans())
    def change_groups_by_rest(self, client, group, adds):
        self.feed((on.AddToGroups if adds else on.RemoveFromGroups)(on.Audience(connection_id=client), [group]))

    @rule(client=clients)
    def close_by_rest(self, client):
        self.feed(on.Disconnect(on.Audience(connection_id=client), "closed"))
        assert client not in self.hub.connections

    @invariant()
    def lists_agree(self):
        assert self.online <= set(self.hub.connections)
        for group, members in self.hub.groups.items():
            assert members
            assert all(group in each.groups for each in members.values())
        away = set(self.hub.connections) - self.online
        assert (self.hub.next_due() is not None) == bool(away)


MqttHub.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestMqttHub = MqttHub.TestCase
