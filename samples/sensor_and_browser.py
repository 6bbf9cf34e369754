"""A sensor that speaks MQTT and a browser that speaks JSON, in one hub: the topics of one are the groups of the other.

Needs paho-mqtt. With Azure, MQTT is a preview of the service.
"""

import json
import queue
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from service import connection_string
from websockets import Subprotocol
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient

WAIT = 10
ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]


class Sensor:
    """An MQTT 5.0 client in a thread of its own; 3.1.1 works as well, without content types."""

    def __init__(self, url: str) -> None:
        self.inbox: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
        self.ready: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="sensor1", protocol=mqtt.MQTTv5, transport="websockets"
        )
        parts = urlsplit(url)
        self.client.ws_set_options(path=f"{parts.path}?{parts.query}")  # the token is in the query
        if parts.scheme == "wss":
            self.client.tls_set()
        self.client.on_connect = lambda client, *_: client.subscribe("lights", qos=1)
        self.client.on_subscribe = lambda *_: self.ready.put(True)
        self.client.on_message = lambda _, __, message: self.inbox.put(message)
        self.client.connect(parts.hostname or "", parts.port or 443)
        self.client.loop_start()
        self.ready.get(timeout=WAIT)

    def publish(self, topic: str, value: object) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = "application/json"  # without it, others get binary data
        self.client.publish(topic, json.dumps(value), qos=1, properties=properties).wait_for_publish(WAIT)

    def print_next(self) -> None:
        message = self.inbox.get(timeout=WAIT)
        print(f"the sensor got {message.payload.decode()!r} on {message.topic}, at QoS {message.qos}")

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


with connection_string() as text, WebPubSubServiceClient.from_connection_string(text, hub="weather") as service:
    page = service.get_client_access_token(user_id="ada", groups=["temperature"], roles=ROLES)
    with connect(page["url"], subprotocols=[Subprotocol("json.webpubsub.azure.v1")]) as browser:
        browser.recv(timeout=WAIT)  # it is connected
        token = service.get_client_access_token(user_id="garden", roles=ROLES, client_protocol="MQTT")
        sensor = Sensor(token["url"])
        sensor.publish("temperature", {"celsius": 21.5})
        frame = json.loads(browser.recv(timeout=WAIT))
        print(f"the browser got {frame['data']} in group {frame['group']}, from {frame['fromUserId']}")
        message = {"type": "sendToGroup", "group": "lights", "dataType": "text", "data": "on"}
        browser.send(json.dumps(message))
        sensor.print_next()
        service.send_to_user("garden", {"every": "minute"})
        sensor.print_next()
        sensor.stop()
