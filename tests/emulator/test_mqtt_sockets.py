"""MQTT clients at real sockets: handshake, bytes cut anywhere, what is refused how, REST, record, faults, clock."""

import contextlib
import json
import socket
import struct
import subprocess
import sys

import pytest
from emulator_peers import Caller, frame, sign
from mqtt_peer import ROLES, WAIT, MqttPeer, mqtt_url
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import SocketFault, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.hub.mqtt import _packets as mq
from azure.messaging.webpubsubservice.emulator.protocols.mqtt._codec import build_packet
from azure.messaging.webpubsubservice.emulator.server import _links

SERVER = "$webpubsub/server/messages"


@pytest.fixture
def peer(emulator):
    """Opens MQTT sockets that are closed in the end."""
    with contextlib.ExitStack() as stack:

        def make(version=5, *, at=None, url=None, **claims):
            made = MqttPeer(url or mqtt_url(at or emulator, **claims), version)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def client(peer):
    """Opens MQTT clients that are in."""

    def make(client_id="sensor1", version=5, *, at=None, claims=None, **fields):
        made = peer(version, at=at, **(claims or {}))
        made.connack = made.connect(client_id, **fields)
        assert made.connack.code == 0
        return made

    return make


def subscribe(*topics, qos=1):
    return mq.Subscribe(1, tuple(mq.Subscription(topic, qos) for topic in topics))


def subscribed(client, *topics, qos=1):
    assert client.ask(subscribe(*topics, qos=qos)) == mq.SubAck(1, (qos,) * len(topics))
    return client


def persistent(seconds=30):
    return {"clean_start": False, "properties": mq.Properties(session_expiry_interval=seconds)}


# Handshake


def refused(url, **options):
    with pytest.raises(InvalidStatus) as met, connect(url, proxy=None, **{"subprotocols": ["mqtt"], **options}):
        pass
    return met.value.response


def connects(url, **options):
    with connect(url, proxy=None, **options) as found:
        return found.subprotocol == (options["subprotocols"] or [None])[0]


def test_token_is_good_in_the_query_and_in_the_header(emulator, peer):
    url, _, token = mqtt_url(emulator).partition("?access_token=")
    assert peer().connect().code == 0
    made = MqttPeer(url, additional_headers={"Authorization": f"Bearer {token}"})
    assert made.connect("other").code == 0
    made.close()


def test_client_without_a_good_token_gets_401(emulator):
    url = mqtt_url(emulator)
    assert refused(url.partition("?")[0]).status_code == 401
    assert refused(url[:-3]).status_code == 401
    other = emulator.client_url("chat").partition("?access_token=")[2]
    assert refused(f"{url.partition('=')[0]}={other}").status_code == 401


def test_subprotocol_has_to_be_mqtt(emulator):
    assert refused(mqtt_url(emulator), subprotocols=["json.webpubsub.azure.v1"]).status_code == 400
    with connect(mqtt_url(emulator), proxy=None, subprotocols=["other", "MQTT"]) as found:
        assert found.subprotocol == "MQTT"


def test_groups_of_the_token_are_taken_by_either_name(emulator, client):
    aud = f"{emulator.endpoint}/clients/mqtt/hubs/chat"
    claims = {"aud": aud, "group": ["a"], "webpubsub.group": ["b"]}
    made = MqttPeer(f"ws{aud.removeprefix('http')}?access_token={sign(emulator.access_key, **claims)}")
    assert made.connect().code == 0
    rest = Caller(emulator)
    assert [rest("HEAD", f"/api/hubs/chat/groups/{name}").status for name in "ab"] == [200, 200]
    made.close()


@pytest.mark.parametrize("protocol", ["mqtt", "json.webpubsub.azure.v1", None])
def test_hub_that_allows_it_lets_clients_in_without_a_token(protocol):
    path = "/clients/mqtt/hubs/" if protocol == "mqtt" else "/client/hubs/"
    with WebPubSubEmulator(allow_anonymous=["Open"]) as emulator:
        base = f"ws://127.0.0.1:{emulator.port}{path}"
        options = {"subprotocols": [protocol] if protocol else None}
        assert connects(base + "open", **options)
        assert refused(base + "chat", **options).status_code == 401
        assert refused(base + "open?access_token=x", **options).status_code == 401
    with WebPubSubEmulator(allow_anonymous=True) as emulator:
        base = f"ws://127.0.0.1:{emulator.port}{path}"
        assert connects(base + "chat", **options)


def test_wrong_word_for_anonymous_hubs_is_an_error():
    with pytest.raises(ValueError, match="allow_anonymous"):
        WebPubSubEmulator(allow_anonymous=["no hub!"])
    with pytest.raises(ValueError, match="allow_anonymous"):
        WebPubSubEmulator(allow_anonymous=3)
    with pytest.raises(ValueError, match="mqtt_default_qos"):
        WebPubSubEmulator(mqtt_default_qos=3)


def test_client_url_and_connect_say_what_they_cannot_do(emulator):
    with pytest.raises(ValueError, match="client_protocol"):
        emulator.client_url("chat", client_protocol="SocketIO")
    with pytest.raises(ValueError, match="paho-mqtt"):
        emulator.connect("chat", subprotocol="mqtt")


# Bytes


@pytest.mark.parametrize("version", [4, 5])
def test_packets_are_cut_and_joined_in_any_way(peer, version):
    made = peer(version)
    packets = [
        mq.Connect("sensor1", version, keep_alive=60),
        subscribe("room"),
        mq.Publish("room", b"hello", 1, packet_id=2),
        mq.PingReq(),
    ]
    size = sum(len(build_packet(packet, version)) for packet in packets)
    made.send(*packets, sizes=[1] * size)
    found = [made.next() for _ in range(5)]
    assert [type(each).__name__ for each in found] == ["ConnAck", "SubAck", "PubAck", "Publish", "PingResp"]
    again = peer(version)
    again.send(*packets)  # all in one message, before anything was answered
    assert [type(again.next()).__name__ for _ in range(5)] == [type(each).__name__ for each in found]


def test_text_message_ends_the_connection(client, peer):
    made = client()
    made.socket.send("text")
    assert (made.next().code, made.next()) == (0x82, 1000)
    waiting = peer()
    waiting.socket.send("text")
    assert waiting.next() == 1000


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00", mq.ConnAck(False, 1)),
        (b"\x10\x0c\x00\x04MQTT\x03\x02\x00\x3c\x00\x00", mq.ConnAck(False, 1)),
        (b"\xc0\x00", 1000),
        (b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x3c\x00\x00", 1000),
        (b"\x00\xff", 1000),
    ],
    ids=["3.1", "level 3", "no CONNECT", "malformed", "garbage"],
)
def test_wrong_beginning_is_refused(peer, data, answer):
    made = peer(4)
    made.send_bytes(data)
    assert made.next() == answer
    if answer != 1000:
        assert made.next() == 1000


def test_version_that_is_not_there_yet_is_told_in_the_form_of_5(peer):
    made = peer(5)
    made.send_bytes(b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x00\x00")
    answer = made.next()
    assert (answer.code, made.next()) == (0x84, 1000)


@pytest.mark.parametrize(("version", "code"), [(4, 2), (5, 0x85)])
def test_client_id_that_is_refused_has_the_code_of_the_version(peer, caplog, version, code):
    with caplog.at_level("INFO"):
        made = peer(version)
        answer = made.connect("mqttjs_1")
        assert (answer.code, made.next()) == (code, 1000)
    assert "mqtt_lenient_client_ids" in caplog.text
    assert version == 4 or "letters and digits" in answer.properties.reason_string


def test_lenient_client_ids_are_taken_under_the_switch(peer):
    with WebPubSubEmulator(mqtt_lenient_client_ids=True) as emulator:
        assert peer(4, at=emulator).connect("mqttjs_1-x").code == 0


def test_client_of_3_that_no_code_fits_is_closed_without_an_answer(peer):
    assert peer(4).connect(keep_alive=0) == 1000


def test_client_without_an_id_gets_one(peer):
    made = peer()
    assigned = made.connect("").properties.assigned_client_identifier
    assert assigned.isalnum()
    assert 1 <= len(assigned) <= 128


def test_client_that_sends_no_connect_is_cut_off(peer):
    with WebPubSubEmulator(request_seconds=0.05) as emulator:
        assert peer(at=emulator).next() == 1000


def test_client_that_is_silent_for_too_long_is_told_and_closed(client):
    made = client(keep_alive=1)
    farewell = made.next()
    assert (farewell.code, made.next()) == (0x8D, 1000)
    assert farewell.properties.reason_string == "No packet has been received for 1.5 times the Keepalive time."


def test_packet_that_is_too_large_is_told(client):
    made = client()
    made.send(mq.Publish("room", b"x" * (1 << 20)))
    assert (made.next().code, made.next()) == (0x95, 1000)
    made = client()
    made.send_bytes(b"\x30\xff\xff\xff\x7f" + b"x" * (2 << 20))
    assert (made.next().code, made.next()) == (0x95, 1000)


def test_largest_packet_arrives(client):
    made = subscribed(client(), "room", qos=0)
    payload = b"x" * ((1 << 20) - 100)
    assert made.ask(mq.Publish("room", payload)).payload == payload


def test_client_s_own_limit_is_kept(client):
    properties = mq.Properties(maximum_packet_size=60)
    made = subscribed(client(properties=properties), "room", qos=0)
    made.send(mq.Publish("room", b"x" * 60), mq.Publish("room", b"short"))
    assert made.next().payload == b"short"


@pytest.mark.parametrize(
    "data", [b"\x00\x00", bytes(range(0x41, 0x91)), b"\x30\xff\xff\xff\xff\xff", b"\x82\x02\x00\x01"]
)
def test_hostile_bytes_end_one_connection_and_disturb_no_other(client, data):
    bystander = subscribed(client("bystander"), "room")
    made = client()
    made.send_bytes(data)
    while not isinstance(made.next(), int):
        pass
    bystander.send(mq.Publish("room", b"still here"))
    assert bystander.next().payload == b"still here"


# Frames of a client that masks no control frames


def raw_client(emulator):
    url = mqtt_url(emulator)
    target = url[url.index("/clients") :]
    made = socket.create_connection(("127.0.0.1", emulator.port), timeout=WAIT)
    made.sendall(
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{emulator.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\n\r\n".encode()
    )
    while b"\r\n\r\n" not in made.recv(4096):
        pass
    packet = build_packet(mq.Connect("sensor1", 4, keep_alive=60), 4)
    made.sendall(bytes((0x82, 0x80 | len(packet))) + b"\0\0\0\0" + packet)
    assert made.recv(100) == b"\x82\x04\x20\x02\x00\x00"
    return made


def test_unmasked_pong_and_close_are_taken_on_mqtt_sockets(emulator):
    with raw_client(emulator) as made:
        made.sendall(b"\x8a\x00" + b"\x82\x82\0\0\0\0\xc0\x00")
        assert made.recv(100) == b"\x82\x02\xd0\x00"  # PINGRESP: it is still there
        made.sendall(b"\x88\x02" + struct.pack("!H", 1001))
        assert made.recv(100) == b"\x88\x02" + struct.pack("!H", 1001)
        assert made.recv(100) == b""


def test_unmasked_answer_to_a_close_frame_ends_the_connection_at_once(emulator, monkeypatch):
    monkeypatch.setattr(_links, "CLOSE_SECONDS", 10 * WAIT)
    with raw_client(emulator) as made:
        assert Caller(emulator)("DELETE", "/api/hubs/chat/connections/sensor1").status == 204
        closing = b"\x88\x02" + struct.pack("!H", 1000)
        assert made.recv(100) == closing
        made.sendall(closing)
        assert made.recv(100) == b""


def test_unmasked_data_is_refused_on_mqtt_sockets_too(emulator):
    with raw_client(emulator) as made:
        made.sendall(b"\x82\x02\xc0\x00")
        assert made.recv(100)[:1] == b"\x88"  # no PINGRESP


# With the others


def test_rest_reaches_mqtt_clients(emulator, client):
    rest = Caller(emulator)
    made = subscribed(client(), "room", qos=2)
    for path, body, content_type in (
        ("/api/hubs/chat/:send", b'{"a":1}', "application/json"),
        ("/api/hubs/chat/users/ada/:send", b"text", "text/plain"),
        ("/api/hubs/chat/connections/sensor1/:send", b"\x00", "application/octet-stream"),
        ("/api/hubs/chat/groups/room/:send?messageTtlSeconds=30", b"hi", "text/plain"),
    ):
        assert rest("POST", path, body, content_type).status == 202
        message = made.next()
        assert (message.payload, message.qos, message.properties.content_type) == (body, 1, content_type)
        assert message.topic == ("room" if "groups" in path else SERVER)
        made.send(mq.PubAck(message.packet_id))
    assert message.properties.message_expiry_interval == 30


def test_rest_knows_sessions_and_ends_them(emulator, client):
    rest = Caller(emulator)
    client(**persistent())
    emulator.inject(SocketFault(connection_id="sensor1", drop=True))
    assert rest("HEAD", "/api/hubs/chat/connections/sensor1").status == 200
    assert rest("PUT", "/api/hubs/chat/groups/g/connections/sensor1").status == 200
    members = rest("GET", "/api/hubs/chat/groups/g/connections").json()["value"]
    assert members == [{"connectionId": "sensor1", "userId": "ada"}]
    here = client(**persistent())
    assert here.connack.session_present
    assert rest("DELETE", "/api/hubs/chat/connections/sensor1?reason=enough").status == 204
    farewell = here.next()
    assert (farewell.code, farewell.properties.reason_string, here.next()) == (0x98, "enough", 1000)
    assert rest("HEAD", "/api/hubs/chat/connections/sensor1").status == 404


def test_what_mqtt_cannot_say_is_left_out(emulator, client):
    rest = Caller(emulator)
    made = client()
    assert rest("PUT", "/api/hubs/chat/groups/a%00b/connections/sensor1").status == 200
    assert rest("POST", "/api/hubs/chat/groups/a%00b/:send", b"x", "text/plain").status == 202
    assert rest("POST", "/api/hubs/chat/:send", b"y", "text/plain").status == 202
    assert made.next().payload == b"y"
    assert rest("DELETE", "/api/hubs/chat/connections/sensor1?reason=a%00b%FF").status == 204
    assert (made.next().properties.reason_string, made.next()) == ("ab\ufffd", 1000)


def test_filters_and_exclusions_choose_mqtt_clients(emulator, client):
    rest = Caller(emulator)
    one, two = client("one"), client("two")
    rest("POST", "/api/hubs/chat/:send?excluded=one", b"x", "text/plain")
    rest("POST", "/api/hubs/chat/:send?filter=connectionId%20eq%20'one'", b"y", "text/plain")
    assert (two.next().payload, one.next().payload) == (b"x", b"y")


@pytest.mark.parametrize("version", [4, 5])
def test_browser_and_sensor_meet_in_a_group(open_socket, client, version):
    browser = open_socket(roles=ROLES, groups=["room"])
    sensor = subscribed(client(version=version), "room")
    content = mq.Properties(content_type="application/json") if version == 5 else mq.NONE
    sensor.send(mq.Publish("room", b'{"t": 21.50}', 1, packet_id=1, properties=content))
    found = frame(browser)
    assert (found["fromUserId"], found["group"]) == ("ada", "room")
    if version == 5:
        assert (found["dataType"], found["data"]) == ("json", {"t": 21.5})
    else:
        assert found["dataType"] == "binary"
    assert {type(sensor.next()), type(sensor.next())} == {mq.PubAck, mq.Publish}
    message = {"type": "sendToGroup", "group": "room", "dataType": "text", "data": "on"}
    browser.send(json.dumps(message))
    got = sensor.next()
    assert (got.topic, got.payload, got.qos) == ("room", b"on", 1)


# Sessions, faults, clock, record


def test_session_is_taken_over_on_another_socket(client):
    first = subscribed(client(**persistent()), "room")
    second = client(**persistent())
    assert second.connack.session_present
    assert (first.next().code, first.next()) == (0x8E, 1000)
    second.send(mq.Publish("room", b"x", 0))
    assert second.next().payload == b"x"


def test_session_ends_with_the_clock_and_not_before(emulator, client):
    rest = Caller(emulator)
    subscribed(client(**persistent(20)), "room")
    emulator.inject(SocketFault(connection_id="sensor1", drop=True))
    emulator.clock.advance(19)
    assert rest("POST", "/api/hubs/chat/groups/room/:send", b"missed", "text/plain").status == 202
    back = client(**persistent(20))
    assert back.connack.session_present
    assert back.next().payload == b"missed"
    back.send(mq.Disconnect(4))
    assert back.next() == 1000
    emulator.clock.advance(21)
    assert not client(**persistent(20)).connack.session_present


def test_will_is_published_when_a_fault_cuts_the_connection(emulator, client):
    witness = subscribed(client("witness"), "lights")
    client(will=mq.Will("lights", b"out"))
    emulator.inject(SocketFault(connection_id="sensor1", drop=True))
    assert witness.next().payload == b"out"


def test_record_has_packets_and_sends_and_no_password(emulator, client):
    made = client(username="u", password=b"secret", version=4)
    made.send(mq.Publish("room", b"x", 1, packet_id=7))
    made.next()
    emulator.record.wait_for(lambda record: len(record.sends) == 1)
    (send,) = emulator.record.sends
    assert (send.hub, send.group, send.data, send.data_type, send.sender) == ("chat", "room", b"x", "binary", "sensor1")
    found = [(each.direction, each.connection_ids[0], type(each.frame)) for each in emulator.record.frames]
    assert found == [
        ("received", "sensor1", mq.Connect),
        ("sent", "sensor1", mq.ConnAck),
        ("received", "sensor1", mq.Publish),
        ("sent", "sensor1", mq.PubAck),
    ]
    assert emulator.record.frames[0].frame.username == "u"
    assert emulator.record.frames[0].frame.password is None


@pytest.mark.parametrize("version", [4, 5])
def test_stop_tells_clients_that_the_service_goes_away(peer, version):
    with WebPubSubEmulator() as emulator:
        made = peer(version, at=emulator)
        made.connect()
        waiting = peer(version, at=emulator)
    assert version == 4 or made.next().code == 0x8B
    assert made.next() == 1001
    assert waiting.next() == 1001


def test_reset_forgets_sessions(emulator, client):
    client(**persistent())
    emulator.reset()
    assert not client(**persistent()).connack.session_present


def test_json_clients_load_nothing_of_mqtt_and_of_previews():
    script = """
import sys
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from websockets.sync.client import connect
with WebPubSubEmulator() as emulator:
    with connect(emulator.client_url("chat"), subprotocols=["json.webpubsub.azure.v1"], proxy=None) as client:
        client.recv(timeout=5)
        with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as service:
            service.send_to_all("x")
        client.recv(timeout=5)
print([name for name in sys.modules if "mqtt" in name or "previews" in name])
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "['azure.messaging.webpubsubservice.emulator.hub._mqtt_switches']"
