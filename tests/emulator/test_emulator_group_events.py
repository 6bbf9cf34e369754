"""``joined`` and ``left``: raised where settings ask for them, on every way into a group and out of it."""

import contextlib
import json
import threading

import pytest
from emulator_peers import WAIT, Caller, frame, tell
from test_emulator_names import serve  # noqa: F401  (a fixture)
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator._settings import SettingsError, read_event_handlers
from azure.messaging.webpubsubservice.emulator._settings_file import Settings
from azure.messaging.webpubsubservice.emulator.webhooks._cloudevents import (
    ConnectionContext,
    GroupEvent,
    event_headers,
)
from azure.messaging.webpubsubservice.emulator.webhooks._event_desk import QUEUE_LIMIT
from azure.messaging.webpubsubservice.eventhandler import WebPubSubEventHandler

JSON = "json.webpubsub.azure.v1"
BOTH = ("joined", "left")
ROLES = ["webpubsub.joinLeaveGroup"]


class Backend:
    """Keeps what it hears, and says 204."""

    status, headers, body = 204, (), b""

    def __init__(self):
        self.heard = []

    def __call__(self, _method, headers, body):
        self.heard.append((headers, body))
        return self

    def groups(self):
        """What happened in groups, in order; then the end."""
        return [
            (headers["ce-eventName"], json.loads(body).get("group"))
            for headers, body in self.heard
            if headers["ce-eventName"] != "connected"
        ]


@pytest.fixture
def backend():
    return Backend()


@contextlib.contextmanager
def client_of(emulator, **claims):
    url = emulator.client_url("chat", roles=ROLES, **claims)
    with connect(url, subprotocols=[JSON], proxy=None, close_timeout=1) as client:
        client.connection_id = frame(client)["connectionId"]
        yield client


def wait_for(emulator, event, count=1):
    emulator.record.wait_for(lambda record: sum(each.event == event for each in record.webhooks) >= count, WAIT)


def test_request_of_a_group_event_is_that_of_the_service():
    event = GroupEvent(ConnectionContext("chat", "c1", "ann", JSON, "c3RhdGU=", 3, "host"), "joined", 'a"b')
    headers = event_headers(event, keys=["k"], now=0.0)
    assert headers["ce-type"] == "azure.webpubsub.gp.joined"
    assert headers["ce-eventName"] == "joined"
    assert headers["ce-source"] == "/hubs/chat/client/c1"
    assert headers["ce-userId"] == "ann"
    assert headers["ce-connectionState"] == "c3RhdGU="
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(event.body()) == {"group": 'a"b'}


def test_every_way_into_a_group_and_out_of_it_is_told_in_order(backend):
    handler = EventHandler(
        handler=backend,
        system_events=["connected", "disconnected"],
        group_presence_events=BOTH,
        user_event_pattern=None,
    )
    with WebPubSubEmulator(event_handlers={"chat": handler}) as emulator:
        rest = Caller(emulator)
        with client_of(emulator, user_id="ann", groups=["token"]) as client:
            tell(client, type="joinGroup", group="frame", ackId=1)
            tell(client, type="joinGroup", group="frame", ackId=2)
            tell(client, type="leaveGroup", group="frame", ackId=3)
            assert [frame(client)["ackId"] for _ in range(3)] == [1, 2, 3]
            one = f"/api/hubs/chat/groups/one/connections/{client.connection_id}"
            assert rest("PUT", one).status == 200
            assert rest("PUT", "/api/hubs/chat/users/ann/groups/user").status == 200
            body = b'{"groups":["bulk"],"filter":"userId eq \'ann\'"}'
            assert rest("POST", "/api/hubs/chat/:addToGroups", body, "application/json").status == 200
            assert rest("POST", "/api/hubs/chat/:removeFromGroups", body, "application/json").status == 200
            assert rest("DELETE", one).status == 204
        wait_for(emulator, "disconnected")
        assert backend.groups() == [
            ("joined", "token"),
            ("joined", "frame"),
            ("left", "frame"),
            ("joined", "one"),
            ("joined", "user"),
            ("joined", "bulk"),
            ("left", "bulk"),
            ("left", "one"),
            ("left", "token"),
            ("left", "user"),
            ("disconnected", None),
        ]
        ids = [int(headers["ce-id"]) for headers, _ in backend.heard]
        assert ids == list(range(1, 13))
        assert {headers["ce-connectionId"] for headers, _ in backend.heard} == {client.connection_id}
        assert {headers["ce-type"].rpartition(".")[0] for headers, _ in backend.heard} == {
            "azure.webpubsub.sys",
            "azure.webpubsub.gp",
        }


@pytest.mark.parametrize("rest", ["DELETE /api/hubs/chat/connections/{}", "POST /api/hubs/chat/:closeConnections"])
def test_connection_that_is_closed_by_rest_has_left_its_groups(backend, rest):
    handler = EventHandler(handler=backend, system_events=["disconnected"], group_presence_events=["left"])
    with WebPubSubEmulator(event_handlers={"chat": handler}) as emulator, client_of(emulator, groups=["g"]) as client:
        method, path = rest.format(client.connection_id).split()
        assert Caller(emulator)(method, path).status == 204
        wait_for(emulator, "disconnected")
    assert backend.groups() == [("left", "g"), ("disconnected", None)]


def test_only_what_was_asked_for_is_told(backend):
    handlers = [
        EventHandler(handler=backend, group_presence_events=["left"], group_filters=["room-?", "*.x"]),
        EventHandler(handler=lambda *_: pytest.fail("it did not ask"), system_events=["connect"][:0]),
    ]
    with WebPubSubEmulator(event_handlers={"chat": handlers}) as emulator:
        with client_of(emulator, groups=["room-1", "room-12", "a.x", "a.b.x", "lobby"]):
            pass
        wait_for(emulator, "left", 2)
    assert backend.groups() == [("left", "a.x"), ("left", "room-1")]


def test_nobody_is_told_who_did_not_ask(backend):
    handler = EventHandler(handler=backend, system_events=["disconnected"])
    with WebPubSubEmulator(event_handlers={"chat": handler}) as emulator:
        with client_of(emulator, groups=["g"]):
            pass
        wait_for(emulator, "disconnected")
    assert backend.groups() == [("disconnected", None)]


def test_slow_handler_of_group_events_holds_no_user_event_up():
    may_go = threading.Event()

    class Slow(Backend):
        def __call__(self, method, headers, body):
            if headers["ce-eventName"] == "joined":
                may_go.wait(WAIT)
            return super().__call__(method, headers, body)

    backend = Slow()
    handler = EventHandler(handler=backend, system_events=["disconnected"], group_presence_events=BOTH)
    with WebPubSubEmulator(event_handlers={"chat": handler}) as emulator:
        with client_of(emulator, groups=["g"]) as client:
            tell(client, type="event", event="e", data=1, ackId=1)
            assert frame(client)["success"]
        may_go.set()
        wait_for(emulator, "disconnected")
    names = [headers["ce-eventName"] for headers, _ in backend.heard]
    assert names == ["e", "joined", "left", "disconnected"]


def test_client_that_comes_and_goes_faster_than_the_handler_answers_is_not_read(backend):
    may_go = threading.Event()

    class Slow(Backend):
        def __call__(self, method, headers, body):
            may_go.wait(WAIT)
            return super().__call__(method, headers, body)

    backend = Slow()
    handler = EventHandler(handler=backend, group_presence_events=BOTH)
    with WebPubSubEmulator(event_handlers={"chat": handler}) as emulator, client_of(emulator) as client:
        acks = 0
        with contextlib.suppress(TimeoutError):
            while acks < 100:  # one after the other, so that what is not read is not in a buffer either
                tell(client, type="leaveGroup" if acks % 2 else "joinGroup", group="g", ackId=acks + 1)
                assert json.loads(client.recv(timeout=0.5))["ackId"] == acks + 1
                acks += 1
        assert acks <= QUEUE_LIMIT + 1
        may_go.set()
        assert frame(client)["ackId"] == acks + 1
        wait_for(emulator, "joined", acks // 2 + 1)
    heard = backend.groups()
    assert heard == [("left" if index % 2 else "joined", "g") for index in range(len(heard))]


def test_own_handler_hears_who_joined_and_left(serve):  # noqa: F811
    heard = []
    with WebPubSubEmulator() as keys:
        handler = WebPubSubEventHandler("chat", connection_string=keys.connection_string)

    @handler.on_group_joined
    def joined(request):
        heard.append(("joined", request.group, request.context.user_id))

    @handler.on_group_left
    def left(request):
        heard.append(("left", request.group, request.context.user_id))

    over_http = EventHandler(serve(handler), group_presence_events=BOTH)
    for each in (over_http, EventHandler(handler=handler, group_presence_events=BOTH)):
        with WebPubSubEmulator(event_handlers={"chat": each}) as emulator:
            with client_of(emulator, user_id="ann", groups=["g"]):
                wait_for(emulator, "joined")
            wait_for(emulator, "left")
            assert {call.status for call in emulator.record.webhooks} <= {200, 204}
    assert heard == [("joined", "g", "ann"), ("left", "g", "ann")] * 2


def test_settings_file_may_ask_for_them():
    url = "http://localhost:3000/"
    events = {"EventNames": ["joined", "Left"], "GroupFilters": ["group1", "group2*"]}
    handler = {"UrlTemplate": url, "GroupPresenceEvents": events}
    for text in (
        json.dumps({"WebPubSub": {"Hubs": {"chat": {"EventHandlers": [handler]}}}}),
        json.dumps(
            {
                "webpubsub:hubs:chat:eventhandlers:0:urltemplate": url,
                "webpubsub:hubs:chat:eventhandlers:0:groupPresenceEvents:eventNames": ["joined", "left"],
                "webpubsub:hubs:chat:eventhandlers:0:groupPresenceEvents:groupFilters": ["group1", "group2*"],
            }
        ),
    ):
        found = Settings.parse(text, "f.json")
        assert found.ignored == ()
        (made,) = found.event_handlers["chat"]
        assert made.group_presence_events == {"joined", "left"}
        groups = ("group1", "group12", "group2", "group23", "group2.3")
        assert [group for group in groups if made.takes_group_event("left", group)] == ["group1", "group2", "group23"]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ({"EventNames": ["came"]}, "GroupPresenceEvents:EventNames has ['came']; there are joined, left"),
        ({"EventNames": "joined"}, "GroupPresenceEvents:EventNames must be a list of strings"),
        ({"EventNames": ["joined"], "GroupFilters": ["a\\"]}, "GroupPresenceEvents:GroupFilters has 'a\\\\'"),
        ("joined", "GroupPresenceEvents must be an object with EventNames and GroupFilters"),
    ],
)
def test_wrong_setting_says_what_to_write(events, words):
    handler = {"UrlTemplate": "http://localhost:3000/", "GroupPresenceEvents": events}
    with pytest.raises(SettingsError) as caught:
        Settings.parse(json.dumps({"WebPubSub": {"Hubs": {"chat": {"EventHandlers": [handler]}}}}), "f.json")
    assert words in str(caught.value)


@pytest.mark.parametrize("wrong", [{"group_presence_events": "joined"}, {"group_filters": "g"}, {"group_filters": [1]}])
def test_wrong_keyword_is_refused(wrong):
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        EventHandler("http://localhost/", **wrong)
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        read_event_handlers({"chat": {"url_template": "http://localhost/", **wrong}})
