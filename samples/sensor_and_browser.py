"""A sensor that speaks MQTT and a browser that speaks JSON, in one hub: the topics of one are the groups of the other.

Needs paho-mqtt. With Azure, MQTT is a preview of the service.
"""

import json
import os
import queue
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from websockets import Subprotocol
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]


def start_sensor(url: str, inbox: "queue.Queue[mqtt.MQTTMessage | None]") -> mqtt.Client:
    """Connect an MQTT 5.0 client, in a thread of its own; puts None into the inbox when it has subscribed."""
    sensor = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="sensor1", protocol=mqtt.MQTTv5, transport="websockets")
    parts = urlsplit(url)
    sensor.ws_set_options(path=f"{parts.path}?{parts.query}")  # the token is in the query
    if parts.scheme == "wss":
        sensor.tls_set()
    sensor.on_connect = lambda client, *_: client.subscribe("lights", qos=1)
    sensor.on_subscribe = lambda *_: inbox.put(None)
    sensor.on_message = lambda _, __, message: inbox.put(message)
    sensor.connect(parts.hostname or "", parts.port or 443)
    sensor.loop_start()
    return sensor


def print_next(inbox: "queue.Queue[mqtt.MQTTMessage | None]") -> None:
    """Print what the sensor gets next."""
    if message := inbox.get(timeout=10):
        print(f"the sensor got {message.payload.decode()!r} on {message.topic}, at QoS {message.qos}")


def main(connection_string: str) -> None:
    with WebPubSubServiceClient.from_connection_string(connection_string, hub="weather") as service:
        inbox: queue.Queue[mqtt.MQTTMessage | None] = queue.Queue()
        page = service.get_client_access_token(user_id="ada", groups=["temperature"], roles=ROLES)
        with connect(page["url"], subprotocols=[Subprotocol("json.webpubsub.azure.v1")]) as browser:
            browser.recv(timeout=10)  # it is connected
            token = service.get_client_access_token(user_id="garden", roles=ROLES, client_protocol="MQTT")
            sensor = start_sensor(token["url"], inbox)
            inbox.get(timeout=10)  # it has subscribed

            as_json = Properties(PacketTypes.PUBLISH)
            as_json.ContentType = "application/json"  # without it, and in MQTT 3.1.1, others get binary data
            sensor.publish("temperature", '{"celsius": 21.5}', qos=1, properties=as_json).wait_for_publish(10)
            frame = json.loads(browser.recv(timeout=10))
            print(f"the browser got {frame['data']} in group {frame['group']}, from {frame['fromUserId']}")

            browser.send(json.dumps({"type": "sendToGroup", "group": "lights", "dataType": "text", "data": "on"}))
            print_next(inbox)
            service.send_to_user("garden", {"every": "minute"})
            print_next(inbox)
        sensor.disconnect()
        sensor.loop_stop()


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
