"""Events of MQTT clients at event handlers: what they are told, by every way there is, and what is made of answers."""

import base64
import contextlib
import json
import queue
import threading

import pytest
from mqtt_peer import WAIT, MqttPeer, mqtt_url

from azure.messaging.webpubsubservice.emulator import EventHandler, SocketFault, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.hub.mqtt import _packets as mq
from azure.messaging.webpubsubservice.eventhandler import (
    ConnectResponse,
    EventErrorResponse,
    UserEventResponse,
    WebPubSubEventHandler,
)

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
SYSTEM = ["connect", "connected", "disconnected"]
EVENT = "$webpubsub/server/events/"


class Reply:
    def __init__(self, status=204, body=b"", headers=()):
        self.status, self.body, self.headers = status, body, dict(headers)


class Backend:
    """An event handler that answers as it is told to, and puts what it heard into a queue."""

    def __init__(self, answers):
        self.answers = answers
        self.heard = queue.SimpleQueue()

    def __call__(self, method, headers, body):
        self.heard.put((headers["ce-eventName"], dict(headers), body))
        return self.answers.get(headers["ce-eventName"], Reply())

    def next(self):
        return self.heard.get(timeout=WAIT)

    def after_connecting(self):
        """Return the next event that is about something else; 'connected' is on its way beside it, and may be late."""
        while (event := self.next())[0] in ("connect", "connected"):
            pass
        return event


@pytest.fixture
def serve():
    """Starts an emulator with an event handler for the hub, and opens MQTT clients that are in."""
    with contextlib.ExitStack() as stack:

        def make(**answers):
            backend = Backend(answers)
            handler = EventHandler(handler=backend, system_events=SYSTEM)
            emulator = stack.enter_context(WebPubSubEmulator(event_handlers={"chat": handler}))

            def peer(version=5):
                made = MqttPeer(mqtt_url(emulator), version)
                stack.callback(made.close)
                return made

            return emulator, backend, peer

        yield make


def persistent():
    return {"clean_start": False, "properties": mq.Properties(session_expiry_interval=30)}


# Connecting


def test_connect_is_asked_for_each_connect_packet_with_all_that_it_says(serve):
    _, backend, peer = serve()
    peer().connect(
        username="u", password=b"p\xff", clean_start=True, properties=mq.Properties(user_property=(("a", "b"),))
    )
    name, headers, body = backend.next()
    assert name == "connect"
    physical = headers["ce-physicalConnectionId"]
    assert headers["ce-source"] == f"/hubs/chat/client/sensor1/{physical}"
    assert (headers["ce-connectionId"], headers["ce-subprotocol"], headers["ce-userId"]) == ("sensor1", "mqtt", "ada")
    assert "ce-sessionId" not in headers
    told = json.loads(body)
    assert told["mqtt"] == {
        "protocolVersion": 5,
        "username": "u",
        "password": base64.b64encode(b"p\xff").decode(),
        "cleanStart": True,
        "userProperties": [{"name": "a", "value": "b"}],
    }
    assert (told["claims"]["sub"], told["subprotocols"], told["clientCertificates"]) == (["ada"], ["mqtt"], [])
    assert "access_token" not in told["query"]


def test_handler_decides_who_the_client_is_and_what_connack_says(serve):
    granted = {
        "userId": "changed",
        "groups": ["room"],
        "roles": ["webpubsub.sendToGroup.room"],
        "subprotocol": "mqtt",
        "mqtt": {"userProperties": [{"name": "x", "value": "y"}]},
    }
    _, backend, peer = serve(connect=Reply(200, json.dumps(granted).encode()))
    made = peer()
    assert made.connect().properties.user_property == (("x", "y"),)
    made.send(mq.Publish("room", b"hi"))
    assert made.next().payload == b"hi"
    assert [backend.next()[0], backend.next()[1]["ce-userId"]] == ["connect", "changed"]


@pytest.mark.parametrize(
    ("answer", "version", "code", "told"),
    [
        (
            Reply(403, b'{"mqtt":{"code":138,"reason":"banned","userProperties":[{"name":"x","value":"y"}]}}'),
            5,
            0x8A,
            ("banned", (("x", "y"),)),
        ),
        (Reply(401, b'{"mqtt":{"code":5,"reason":"no"}}'), 4, 5, (None, ())),
        (Reply(401), 5, 0x87, (None, ())),
        (Reply(401), 4, 5, (None, ())),
        (Reply(404, b"no JSON"), 5, 0x86, (None, ())),
        (Reply(200, b'{"subprotocol":"other"}'), 5, 0x88, (None, ())),
        (Reply(200, b'{"mqtt":3}'), 4, 3, (None, ())),
    ],
)
def test_client_that_is_refused_is_told_why(serve, answer, version, code, told):
    reason, pairs = told
    _, _, peer = serve(connect=answer)
    made = peer(version)
    connack = made.connect()
    assert (connack.session_present, connack.code, made.next()) == (False, code, 1000)
    assert connack.properties.user_property == pairs
    assert reason is None or connack.properties.reason_string == reason


def test_words_of_a_handler_that_mqtt_cannot_say_are_made_to_fit(serve):
    words = {"code": 0x87, "reason": "\0\ud800" + "ä" * 40_000, "userProperties": [{"name": "\ud800", "value": "v"}]}
    _, _, peer = serve(
        connect=Reply(403, json.dumps({"mqtt": words}).encode()),
    )
    properties = peer().connect().properties
    assert properties.reason_string == "?" + "ä" * 32_767
    assert properties.user_property == (("?", "v"),)


def test_headers_of_a_handler_that_mqtt_cannot_say_are_made_to_fit(serve):
    headers = {"Content-Type": "text/plain; x=" + "y" * 70_000, "mqtt-k": "v\0" + "w" * 70_000}
    _, _, peer = serve(greet=Reply(200, b"x", headers))
    made = peer()
    made.connect()
    properties = made.ask(mq.Publish(EVENT + "greet", b"")).properties
    assert len(properties.content_type) == 65535
    assert properties.user_property[0] == ("k", "v" + "w" * 65534)


def test_what_a_client_is_told_of_a_refusal_is_the_handler_s_own_words(serve):
    _, _, peer = serve(connect=Reply(401))
    made = peer()
    assert made.connect().properties == mq.NONE


@pytest.mark.parametrize("count", [2, 500])
def test_packets_that_come_while_the_handler_is_asked_wait(serve, count):
    _, _, peer = serve()
    made = peer()
    made.send(mq.Connect("sensor1", keep_alive=60), *[mq.PingReq()] * count)
    assert [type(made.next()) for _ in range(count + 1)] == [mq.ConnAck, *[mq.PingResp] * count]


def test_handler_may_take_longer_than_the_connect_packet():
    asked, other_is_closed = threading.Event(), threading.Event()

    def handler(method, headers, body):
        asked.set()
        assert other_is_closed.wait(WAIT)
        return Reply()

    handlers = {"chat": {"handler": handler, "system_events": ["connect"]}}
    with WebPubSubEmulator(event_handlers=handlers, request_seconds=0.05) as emulator, contextlib.ExitStack() as stack:
        made = MqttPeer(mqtt_url(emulator))
        stack.callback(made.close)
        made.send(mq.Connect("sensor1", keep_alive=60))
        assert asked.wait(WAIT)
        other = MqttPeer(mqtt_url(emulator))
        stack.callback(other.close)
        assert other.next() == 1000  # it sent no CONNECT packet, and began to wait later
        other_is_closed.set()
        assert made.next().code == 0


def test_events_beyond_the_queue_of_the_handler_wait_and_none_is_lost():
    release = threading.Event()
    count = 300

    class Slow(Backend):
        def __call__(self, method, headers, body):
            assert release.wait(WAIT)
            return super().__call__(method, headers, body)

    backend = Slow({})
    with WebPubSubEmulator(event_handlers={"chat": backend}) as emulator:
        made = MqttPeer(mqtt_url(emulator))
        made.connect()
        made.send(*[mq.Publish(EVENT + "greet", str(number).encode()) for number in range(count)])
        release.set()
        assert [int(backend.next()[2]) for _ in range(count)] == list(range(count))
        made.close()


def test_session_has_one_connected_and_one_disconnected_whatever_its_connections(serve):
    emulator, backend, peer = serve()
    peer().connect(**persistent())
    emulator.inject(SocketFault(drop=True))
    back = peer()
    assert back.connect(**persistent()).session_present
    back.send(mq.Disconnect(4, mq.Properties(session_expiry_interval=0, user_property=(("k", "v"),))))
    heard = [backend.next() for _ in range(4)]
    heard.sort(key=lambda event: event[0])  # 'connected' is on its way beside the others
    assert [name for name, _, _ in heard] == ["connect", "connect", "connected", "disconnected"]
    (_, first, _), (_, second, _), (_, connected, body), (_, last, goodbye) = heard
    assert json.loads(body) == {}
    assert connected["ce-sessionId"] == last["ce-sessionId"]
    assert first["ce-physicalConnectionId"] == connected["ce-physicalConnectionId"]
    assert second["ce-physicalConnectionId"] == last["ce-physicalConnectionId"] != first["ce-physicalConnectionId"]
    assert json.loads(goodbye)["mqtt"] == {
        "initiatedByClient": True,
        "disconnectPacket": {"code": 4, "userProperties": [{"name": "k", "value": "v"}]},
    }


@pytest.mark.parametrize(
    ("version", "how", "told"),
    [
        (4, "goodbye", {"initiatedByClient": True, "disconnectPacket": {"code": 0, "userProperties": []}}),
        (5, "lost", {"initiatedByClient": True, "disconnectPacket": None}),
        (5, "wrong", {"initiatedByClient": False, "disconnectPacket": {"code": 0x9A, "userProperties": None}}),
        (4, "wrong", {"initiatedByClient": False, "disconnectPacket": None}),
    ],
)
def test_disconnected_says_how_the_client_was_lost(serve, version, how, told):
    emulator, backend, peer = serve()
    made = peer(version)
    made.connect()
    if how == "lost":
        emulator.inject(SocketFault(drop=True))
    else:
        made.send(mq.Disconnect() if how == "goodbye" else mq.Publish("room", b"", retain=True))
    name, _, body = backend.after_connecting()
    assert (name, json.loads(body)["mqtt"]) == ("disconnected", told)


def test_session_that_is_begun_anew_under_its_id_is_another_one(serve):
    _, backend, peer = serve()
    peer().connect()
    peer().connect()
    names = sorted(backend.next()[0] for _ in range(5))
    assert names == ["connect", "connect", "connected", "connected", "disconnected"]


# User events


def test_event_goes_to_the_handler_with_content_type_and_user_properties(serve):
    answer = Reply(200, b"answer", {"Content-Type": "text/plain", "mqtt-x": "y"})
    _, backend, peer = serve(greet=answer)
    made = peer()
    made.connect()
    properties = mq.Properties(
        content_type="image/png", user_property=(("k", "v"), ("k", "w"), ("bad name", "z")), correlation_data=b"7"
    )
    made.send(mq.Publish(EVENT + "greet", b"\x89PNG", 1, packet_id=5, properties=properties))
    _, headers, body = backend.after_connecting()
    assert (headers["ce-type"], headers["Content-Type"], body) == (
        "azure.webpubsub.user.greet",
        "image/png",
        b"\x89PNG",
    )
    assert {name: value for name, value in headers.items() if name.startswith("mqtt-")} == {"mqtt-k": "v, w"}
    assert {"ce-sessionId", "ce-physicalConnectionId"} <= set(headers)
    acknowledged, message = made.next(), made.next()
    assert acknowledged == mq.PubAck(5)
    assert (message.topic, message.payload, message.qos) == (EVENT + "greet/succeeded", b"answer", 1)
    assert message.properties == mq.Properties(
        content_type="text/plain", correlation_data=b"7", user_property=(("x", "y"), ("azure-status-code", "200"))
    )


@pytest.mark.parametrize("content_type", [None, "no media type", "a/b\r\nX: y"])
def test_event_without_a_good_content_type_is_binary(serve, content_type):
    _, backend, peer = serve()
    made = peer()
    made.connect()
    made.send(mq.Publish(EVENT + "greet", b"x", properties=mq.Properties(content_type=content_type)))
    _, headers, _ = backend.after_connecting()
    assert headers["Content-Type"] == "application/octet-stream"
    assert "X" not in headers


def test_handler_that_refuses_an_event_is_quoted(serve):
    _, _, peer = serve(greet=Reply(400, b'{"why":1}', {"Content-Type": "application/json"}))
    made = peer()
    made.connect()
    message = made.ask(mq.Publish(EVENT + "greet", b""))
    assert (message.topic, message.payload) == (EVENT + "greet/failed", b'{"why":1}')
    assert message.properties.user_property == (("azure-status-code", "400"),)


def test_event_that_no_handler_takes_fails():
    with WebPubSubEmulator() as emulator:
        made = MqttPeer(mqtt_url(emulator), 4)
        made.connect()
        assert made.ask(mq.Publish(EVENT + "greet", b"")).topic == EVENT + "greet/failed"
        made.close()


def test_handler_that_is_added_later_hears_of_clients_that_are_there():
    with WebPubSubEmulator() as emulator:
        made = MqttPeer(mqtt_url(emulator))
        made.connect()
        backend = Backend({})
        emulator.add_event_handler("chat", backend)
        made.send(mq.Publish(EVENT + "greet", b""))
        _, headers, _ = backend.next()
        assert {"ce-sessionId", "ce-physicalConnectionId"} <= set(headers)
        made.close()


# Our own event handler, by every way


def make_handler(seen):
    handler = WebPubSubEventHandler("chat", access_key=KEY, allowed_endpoints="127.0.0.1")

    @handler.on_connect
    def decide(request):
        seen.put(("connect", request.mqtt.username, request.mqtt.password, request.context.mqtt.session_id))
        if request.mqtt.username == "banned":
            return EventErrorResponse(403, "banned by the server", 0x8A if request.mqtt.protocol_version == 5 else 5)
        return ConnectResponse(user_id=request.mqtt.username, mqtt_user_properties=[("x", "y")])

    @handler.on_connected
    def connected(request):
        seen.put(("connected", request.user_id, request.context.mqtt.session_id is not None))

    @handler.on_disconnected
    def disconnected(request):
        seen.put(("disconnected", request.mqtt.initiated_by_client, request.mqtt.code))

    @handler.on_event("count")
    def count(request):
        number = request.states.get("count", 0) + 1
        return UserEventResponse({"count": number}, states={"count": number})

    return handler


@contextlib.contextmanager
def over_http(handler):
    import socket

    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(handler.asgi_app, log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield {"url_template": f"http://127.0.0.1:{listener.getsockname()[1]}/eventhandler"}
        finally:
            server.should_exit = True
            thread.join(WAIT)


WAYS = {
    "HTTP": over_http,
    "ASGI": lambda handler: contextlib.nullcontext({"app": handler.asgi_app}),
    "in process": lambda handler: contextlib.nullcontext({"handler": handler}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", [4, 5])
def test_our_own_handler_has_the_mqtt_side_of_every_event(way, version):
    seen = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(WAYS[way](make_handler(seen)))
        handler = EventHandler(**place, system_events=SYSTEM)
        emulator = stack.enter_context(
            WebPubSubEmulator(event_handlers={"chat": handler}, allow_anonymous=True, access_key=KEY)
        )
        url = mqtt_url(emulator).partition("?")[0]  # user name and password instead of a token
        banned = MqttPeer(url, version)
        stack.callback(banned.close)
        connack = banned.connect(username="banned", password=b"p")
        assert connack.code == (0x8A if version == 5 else 5)
        assert version == 4 or connack.properties.reason_string == "banned by the server"
        made = MqttPeer(url, version)
        stack.callback(made.close)
        connack = made.connect(username="ann", password=b"p")
        assert version == 4 or connack.properties.user_property == (("x", "y"),)
        for number in (1, 2):
            message = made.ask(mq.Publish(EVENT + "count", b""))
            assert (message.topic, json.loads(message.payload)) == (EVENT + "count/succeeded", {"count": number})
        made.send(mq.Disconnect())
        assert [seen.get(timeout=WAIT) for _ in range(4)] == [
            ("connect", "banned", b"p", None),
            ("connect", "ann", b"p", None),
            ("connected", "ann", True),
            ("disconnected", True, 0),
        ]
