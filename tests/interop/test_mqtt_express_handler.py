"""MQTT clients behind the published JavaScript handler and behind ours: both see, and are told, the same."""

import base64
import contextlib
import json
import queue
import subprocess
import threading

import pytest

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed")
pytest.importorskip("aiomqtt", reason="aiomqtt is not installed")

from interop_packages import HERE, node_modules
from mqtt_peers import PahoPeer

from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.eventhandler import (
    ConnectResponse,
    EventErrorResponse,
    UserEventResponse,
    WebPubSubEventHandler,
)

pytestmark = pytest.mark.interop

WAIT = 20
EVENT = "$webpubsub/server/events/"
SYSTEM = ["connect", "connected", "disconnected"]


@contextlib.contextmanager
def theirs(told):
    """Run the JavaScript handler; gives where it is."""
    script = HERE / "mqtt_express_handler.cjs"
    with subprocess.Popen(["node", str(script), str(node_modules())], stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=lambda: [told.put(json.loads(line)) for line in process.stdout])
        reader.start()
        try:
            yield {"url_template": f"http://127.0.0.1:{told.get(timeout=WAIT)}/eventhandler"}
        finally:
            process.terminate()
            process.wait(WAIT)
            reader.join(WAIT)


@contextlib.contextmanager
def ours(told):
    """The same handler, written with this package; gives where it is."""
    handler = WebPubSubEventHandler("chat", allowed_endpoints=["http://127.0.0.1"], verify_signatures=False)

    @handler.on_connect
    def decide(request):
        mqtt = request.mqtt
        password = None if mqtt.password is None else base64.b64encode(mqtt.password).decode()
        pairs = [list(pair) for pair in mqtt.user_properties]
        told.put(["connect", mqtt.protocol_version, mqtt.username, password, pairs])
        if mqtt.username == "banned":
            return EventErrorResponse(403, "banned", 0x8A if mqtt.protocol_version == 5 else 5)
        if mqtt.username == "wrong":
            return EventErrorResponse(401, "no")
        roles = ["webpubsub.sendToGroup.room"]
        return ConnectResponse(mqtt.username, ["room"], roles, mqtt_user_properties=[("x", "y")])

    @handler.on_connected
    def connected(request):
        told.put(["connected", request.user_id, request.context.mqtt.session_id is not None])

    @handler.on_disconnected
    def disconnected(request):
        told.put(["disconnected", request.mqtt.code])

    @handler.on_event
    def count(request):
        number = request.states.get("count", 0) + 1
        return UserEventResponse({"count": number}, states={"count": number})

    @handler.on_event("refuse")
    def refuse(request):
        return EventErrorResponse(400, "no")

    yield {"handler": handler}


def converse(version, place, told):
    """Return what clients see, and what the handler is told."""
    seen = []
    handler = EventHandler(**place, system_events=SYSTEM)
    with WebPubSubEmulator(event_handlers={"chat": handler}, allow_anonymous=["chat"]) as emulator:
        url = f"ws://127.0.0.1:{emulator.port}/clients/mqtt/hubs/chat"
        for name in ("banned", "wrong"):
            refused = PahoPeer(version, url, name, login=(name, "p"))
            seen.append((name, refused.next("code")))
            refused.leave()
        client = PahoPeer(version, url, "sensor", login=("ann", "p"))
        seen.append(client.next("connected"))
        client.publish("room", b"hello", 1)
        seen.append(client.next())
        for event in ("count", "count", "refuse"):
            client.publish(EVENT + event, b"x", 1, "text/plain", b"id")
            answer = client.next()
            payload = json.loads(answer.payload) if event == "count" else answer.payload
            # Of a refusal, only ours says that it is text.
            media_type = (answer.content_type or "").partition(";")[0] if event == "count" else ""
            seen.append((answer.topic, payload, media_type, answer.correlation_data, answer.user_properties))
        client.leave()
        heard = [told.get(timeout=WAIT) for _ in range(5)]
    return seen, heard


@pytest.mark.parametrize("version", [4, 5])
def test_mqtt_clients_and_handlers_are_told_the_same_behind_either_handler(version):
    found = []
    for make in (theirs, ours):
        told = queue.SimpleQueue()
        with make(told) as place:
            found.append(converse(version, place, told))
    assert found[0] == found[1]
    seen, heard = found[0]
    assert [event[0] for event in heard] == ["connect", "connect", "connect", "connected", "disconnected"]
    assert seen[0] == ("banned", 0x8A if version == 5 else 0x87)
    assert [answer[1] for answer in seen[4:6]] == [{"count": 1}, {"count": 2}]
