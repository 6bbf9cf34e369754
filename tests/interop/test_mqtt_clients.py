"""MQTT clients that we did not write, unmodified, in both versions: paho-mqtt, aiomqtt and MQTT.js."""

import contextlib
import itertools
import json
import socket
import sys

import pytest

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed")
pytest.importorskip("aiomqtt", reason="aiomqtt is not installed")

from interop_driver import WAIT
from mqtt_peers import KINDS, Message, RefusedError, make_peer

from azure.messaging.webpubsubservice.emulator import SocketFault, WebPubSubEmulator

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("kind", KINDS)]

ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
EVENT = "$webpubsub/server/events/echo"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def mqtt_node():
    """The Node process in which MQTT.js runs."""
    from interop_driver import Driver
    from interop_packages import HERE, node_modules

    driver = Driver(["node", str(HERE / "published_mqtt.mjs"), str(node_modules())])
    yield driver
    driver.close()


@pytest.fixture
def mqtt(request, emulator, hub, kind):
    """Makes MQTT clients of the kind in the test's hub, and lets them go in the end."""
    with contextlib.ExitStack() as stack:

        def make(client_id=None, *, at=None, url=None, roles=ROLES, is_in=True, **options):
            client_id = client_id or f"client{next(_numbers)}"
            url = url or (at or emulator).client_url(hub, "ada", roles, client_protocol="MQTT")
            made = make_peer(kind, url, client_id, lambda: request.getfixturevalue("mqtt_node"), **options)
            stack.callback(made.leave)
            if is_in:
                made.connected = made.next("connected")
            return made

        yield make


def is_5(kind):
    return kind.endswith("5")


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_message_goes_round_at_each_qos(mqtt, kind, qos):
    client = mqtt()
    assert client.subscribe("rooms/blue", qos) == qos
    for number in range(3):
        client.publish("rooms/blue", f"hello {number}".encode(), qos)
    assert [client.next()[:3] for _ in range(3)] == [
        ("rooms/blue", f"hello {number}".encode(), qos) for number in range(3)
    ]


def test_properties_of_a_message_go_round(mqtt, kind):
    client = mqtt()
    client.subscribe("room")
    client.publish("room", b"{}", 0, "application/json", b"\x00id", user_properties=[("k", "v")])
    details = ("application/json", (("k", "v"),), b"\x00id") if is_5(kind) else ()
    assert client.next() == Message("room", b"{}", 0, *details)


def test_sensor_browser_and_rest_meet_in_a_group(mqtt, kind, rest, join):
    browser = join("bob", ROLES, ["room"])
    client = mqtt()
    client.subscribe("room", 1)
    client.publish("room", b'{"t":21}', 1, "application/json")
    found = browser.receive()
    assert (found["group"], found["fromUserId"]) == ("room", "ada")
    assert found["data"] == ({"t": 21} if is_5(kind) else "eyJ0IjoyMX0=")
    assert client.next().payload == b'{"t":21}'
    rest.send_to_group("room", "warm", content_type="text/plain")
    assert client.next()[:4] == ("room", b"warm", 1, "text/plain" if is_5(kind) else None)
    rest.send_to_user("ada", {"a": 1})
    assert client.next()[:4] == (
        "$webpubsub/server/messages",
        b'{"a": 1}',
        1,
        "application/json" if is_5(kind) else None,
    )


def test_event_is_answered_on_its_topic(mqtt, kind):
    client = mqtt(roles=())
    client.publish(EVENT, b"ping", 1, "text/plain", b"7")
    answer = client.next()
    assert (answer.topic, answer.payload, answer.qos) == (f"{EVENT}/succeeded", b"ping", 1)
    if is_5(kind):
        assert answer.correlation_data == b"7"
        assert ("azure-status-code", "200") in answer.user_properties


def test_client_without_a_role_is_refused_and_stays(mqtt, kind):
    client = mqtt(roles=("webpubsub.joinLeaveGroup.mine",))
    with pytest.raises(RefusedError):
        client.subscribe("other", 1)
    # 3.1.1 has no word for it, and aiomqtt does not tell.
    says_so = is_5(kind) and not kind.startswith("aiomqtt")
    with pytest.raises(RefusedError) if says_so else contextlib.nullcontext():
        client.publish("mine", b"x", 1)
    assert client.subscribe("mine", 1) == 1


def test_session_survives_a_cut_connection(mqtt, kind, emulator, rest):
    client = mqtt(keep=True)
    client.subscribe("room", 1)
    emulator.inject(SocketFault(user_id="ada", drop=True))
    rest.send_to_group("room", "missed", content_type="text/plain")
    client.next("closed")
    client.next("connected")
    assert client.next().payload == b"missed"


def test_will_of_a_client_that_is_cut_off_is_published(mqtt, kind, emulator):
    witness = mqtt()
    witness.subscribe("lights", 1)
    mqtt("lamp", will=("lights", "out", 1))
    emulator.inject(SocketFault(connection_id="lamp", drop=True))
    assert witness.next().payload == b"out"


def test_client_id_that_is_not_taken_is_refused_with_a_code(mqtt, kind):
    client = mqtt("not_taken", is_in=False)
    # paho and aiomqtt give the code of 5.0 for that of 3.1.1.
    assert client.next("code") in (0x85, 2)


def test_client_that_rest_closes_learns_of_it(mqtt, kind, rest):
    client = mqtt("closing")
    rest.close_connection("closing", reason="enough")
    client.next("closed")


def test_client_answers_pings_of_the_service(mqtt, kind, hub):
    with WebPubSubEmulator(keep_alive_seconds=0.05) as emulator:
        client = mqtt(at=emulator)
        client.subscribe("room", 1)
        _wait_for_pings(emulator, hub, 4)
        client.publish("room", b"still here", 1)
        assert client.next().payload == b"still here"
        assert client.queues["closed"].empty()


def test_user_name_and_password_without_a_token(mqtt, kind, hub):
    seen = []

    def handler(method, headers, body):
        if headers["ce-eventName"] == "connect":
            seen.append(json.loads(body)["mqtt"])
        return type("Answer", (), {"status": 204, "headers": {}, "body": b""})

    handlers = {"_default": {"handler": handler, "system_events": ["connect"]}}
    with WebPubSubEmulator(event_handlers=handlers, allow_anonymous=[hub]) as emulator:
        url = f"ws://127.0.0.1:{emulator.port}/clients/mqtt/hubs/{hub}"
        mqtt("sensor", url=url, login=("u", "p"))
    assert [(each["username"], each["password"]) for each in seen[:1]] == [("u", "cA==")]


def _wait_for_pings(emulator, hub, count):
    """Return once a client that was there last has been sent some pings, and every other one with it."""
    url = emulator.client_url(hub)
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=WAIT) as peer:
        peer.sendall(
            f"GET {url[url.index('/client') :]} HTTP/1.1\r\nHost: 127.0.0.1:{emulator.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in peer.recv(4096):
            pass
        for _ in range(count):
            assert peer.recv(100) == b"\x89\x00"
            peer.sendall(b"\x8a\x80\0\0\0\0")


if sys.platform == "win32":  # pragma: no cover - aiomqtt needs another event loop there
    pytestmark.append(pytest.mark.skip(reason="aiomqtt does not run in the default event loop of Windows"))
