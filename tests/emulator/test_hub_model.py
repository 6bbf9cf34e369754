"""A hub driven at random beside a model so simple that it is right on sight."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from azure.messaging.webpubsubservice.emulator.hub import _events as on
from azure.messaging.webpubsubservice.emulator.hub._frames import (
    Ack,
    Connected,
    JoinGroup,
    LeaveGroup,
    Message,
    Payload,
    SendToGroup,
    SequenceAck,
)
from azure.messaging.webpubsubservice.emulator.hub._hub import Hub

GROUPS = st.sampled_from(["g", "h", "G"])
USERS = st.sampled_from([None, "ann", "bob"])
ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


class Client:
    """What the model knows of one client, and what the client has got."""

    def __init__(self, user, groups, reliable):
        self.user = user
        self.groups = set(groups)
        self.reliable = reliable
        self.online = True
        self.got = []
        self.due = []
        self.last_sequence_id = 0
        self.confirmed = 0
        self.acks = []
        self.asked = []


class HubMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.hub = Hub("chat")
        self.now = 0.0
        self.clients = {}
        self.gone = set()
        self.numbers = itertools.count(1)

    def names(self, **wanted):
        return [
            name
            for name, client in self.clients.items()
            if all(getattr(client, field) == value for field, value in wanted.items())
        ]

    def do(self, event):
        for effect in self.hub.handle(event, self.now):
            if isinstance(effect, on.Deliver):
                for name in effect.to:
                    self.take(name, effect.message, None)
            elif isinstance(effect, on.DeliverInSequence):
                for name, number in effect.to:
                    self.take(name, effect.message, number)
            elif isinstance(effect, on.Reply):
                self.take_reply(effect)
            elif isinstance(effect, on.Ended):
                self.gone.add(effect.connection_id)
                self.clients.pop(effect.connection_id, None)

    def take_reply(self, effect):
        client = self.clients[effect.connection_id]
        if isinstance(effect.frame, Ack):
            assert effect.frame.error_name is None
            client.acks.append(effect.frame.ack_id)
        elif isinstance(effect.frame, Message):
            self.take(effect.connection_id, effect.frame, effect.frame.sequence_id)
        else:
            assert isinstance(effect.frame, Connected)

    def take(self, name, message, number):
        assert name not in self.gone, "a message to a connection that left"
        client = self.clients[name]
        assert client.online, "a message to a socket that is not there"
        assert (number is not None) is client.reliable
        if number is not None:
            if number <= client.last_sequence_id:
                return  # sent again, as after any recovery: clients pass it over
            assert number == client.last_sequence_id + 1, "a gap in the sequence ids"
            client.last_sequence_id = number
        client.got.append(message.payload.data)

    def expect(self, data, names):
        for name in names:
            self.clients[name].due.append(data)

    @initialize()
    def begin(self):
        for user, kind in (("ann", "reliable"), (None, "reliable"), ("ann", "json"), ("bob", "simple")):
            self.open(user, ["g"], kind)

    @rule(user=USERS, groups=st.lists(GROUPS, max_size=2), kind=st.sampled_from(["simple", "json", "reliable"]))
    def open(self, user, groups, kind):
        name = f"c{next(self.numbers)}"
        self.clients[name] = Client(user, groups, kind == "reliable")
        token = name if kind == "reliable" else None
        self.do(on.Open(name, None if kind == "simple" else kind, user, groups, ROLES, token))

    @precondition(lambda self: self.names(online=True))
    @rule(data=st.data(), group=GROUPS, joins=st.booleans())
    def join_or_leave(self, data, group, joins):
        name = data.draw(st.sampled_from(self.names(online=True)))
        client, number = self.clients[name], next(self.numbers)
        (client.groups.add if joins else client.groups.discard)(group)
        client.asked.append(number)
        self.do(on.Received(name, (JoinGroup if joins else LeaveGroup)(group, number)))

    @precondition(lambda self: self.names(online=True))
    @rule(data=st.data(), group=GROUPS, no_echo=st.booleans())
    def publish(self, data, group, no_echo):
        name = data.draw(st.sampled_from(self.names(online=True)))
        number = next(self.numbers)
        payload = b"%d" % number
        self.expect(
            payload,
            [
                each
                for each, client in self.clients.items()
                if group in client.groups and not (no_echo and each == name)
            ],
        )
        self.clients[name].asked.append(number)
        self.do(on.Received(name, SendToGroup(group, Payload("text", payload), number, no_echo)))

    # Twice among the rules, for all the others change who is there and this one tells who gets it.
    @rule(data=st.data(), group=st.none() | GROUPS, user=USERS)
    def send_again(self, data, group, user):
        self.send(data, group, user)

    @rule(data=st.data(), group=st.none() | GROUPS, user=USERS)
    def send(self, data, group, user):
        payload = b"%d" % next(self.numbers)
        excluded = data.draw(st.frozensets(st.sampled_from(sorted(self.clients) or ["x"]), max_size=2))
        if group is not None:
            user = None
        self.expect(
            payload,
            [
                name
                for name, client in self.clients.items()
                if (group is None or group in client.groups)
                and (user is None or client.user == user)
                and name not in excluded
            ],
        )
        self.do(on.Publish(on.Audience(group, user, None, excluded), Payload("text", payload)))

    @rule(user=st.sampled_from(["ann", "bob"]), group=GROUPS)
    def add_user(self, user, group):
        for client in self.clients.values():
            if client.user == user:
                client.groups.add(group)
        self.do(on.AddToGroups(on.Audience(user_id=user), [group]))

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def remove_from_all_groups(self, data):
        name = data.draw(st.sampled_from(sorted(self.clients)))
        self.clients[name].groups.clear()
        self.do(on.RemoveFromGroups(on.Audience(connection_id=name), None))

    @precondition(lambda self: self.names(online=True, reliable=True))
    @rule(data=st.data())
    def confirm(self, data):
        name = data.draw(st.sampled_from(self.names(online=True, reliable=True)))
        client = self.clients[name]
        number = data.draw(st.integers(0, client.last_sequence_id))
        client.confirmed = max(client.confirmed, number)
        self.do(on.Received(name, SequenceAck(number)))

    @precondition(lambda self: self.names(online=True))
    @rule(data=st.data(), final=st.booleans(), unseen=st.integers(0, 2))
    def lose(self, data, final, unseen):
        name = data.draw(st.sampled_from(self.names(online=True)))
        client = self.clients[name]
        client.online = False
        if client.reliable and not final:
            # The last frames were on their way when the socket broke. Confirmed ones had arrived.
            for _ in range(min(unseen, client.last_sequence_id - client.confirmed)):
                client.got.pop()
                client.last_sequence_id -= 1
        self.do(on.Lost(name, final))
        assert (name in self.clients) is (client.reliable and not final)

    @precondition(lambda self: self.names(online=False))
    @rule(data=st.data())
    def recover(self, data):
        name = data.draw(st.sampled_from(self.names(online=False)))
        self.clients[name].online = True
        self.do(on.Recover(name, name))

    @rule(seconds=st.sampled_from([1.0, 12.0, 31.0]))
    def wait(self, seconds):
        self.now += seconds
        self.do(on.Tick())

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def close(self, data):
        name = data.draw(st.sampled_from(sorted(self.clients)))
        del self.clients[name]
        self.gone.add(name)
        effects = self.hub.handle(on.Disconnect(on.Audience(connection_id=name)), self.now)
        assert effects[-1] == on.Ended(name, "closed by a REST call")

    @invariant()
    def nothing_is_lost_and_nothing_is_repeated(self):
        for client in self.clients.values():
            if client.online:
                assert client.got == client.due

    @invariant()
    def every_operation_was_acknowledged_once(self):
        for client in self.clients.values():
            assert client.acks == client.asked

    @invariant()
    def the_hub_knows_who_is_where(self):
        assert set(self.hub.connections) == set(self.clients)
        for group in ("g", "h", "G"):
            members = {name for name, client in self.clients.items() if group in client.groups}
            assert set(self.hub.groups.get(group, ())) == members
        users = {client.user for client in self.clients.values()} - {None}
        assert set(self.hub.users) == users


TestHubModel = HubMachine.TestCase
TestHubModel.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
