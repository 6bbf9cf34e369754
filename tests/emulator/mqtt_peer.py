"""An MQTT client by hand, for what no library would do: packets cut anywhere, wrong ones, and nothing by itself."""

import contextlib
from collections import deque

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator.hub.mqtt import _packets as mq
from azure.messaging.webpubsubservice.emulator.protocols.mqtt._codec import build_packet, parse_packet
from azure.messaging.webpubsubservice.emulator.protocols.mqtt._fields import Cursor

WAIT = 5
ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]


def mqtt_url(emulator, hub="chat", user_id="ada", *, roles=ROLES, groups=None):
    return emulator.client_url(hub, user_id, roles, groups, client_protocol="MQTT")


class MqttPeer:
    """A WebSocket that speaks MQTT."""

    def __init__(self, url, version=5, **options):
        self.version = version
        self._stack = contextlib.ExitStack()
        self.socket = self._stack.enter_context(
            connect(url, subprotocols=["mqtt"], proxy=None, close_timeout=1, max_size=None, **options)
        )
        self._waiting = deque()
        self._buffer = b""

    def send(self, *packets, sizes=None):
        """Send packets in one message, or in messages of these sizes."""
        self.send_bytes(b"".join(build_packet(packet, self.version) for packet in packets), sizes=sizes)

    def send_bytes(self, data, sizes=None):
        for size in sizes or [len(data)]:
            self.socket.send(data[:size])
            data = data[size:]
        assert not data

    def next(self):
        """Return the next packet, or the close code."""
        while not self._waiting:
            try:
                self._buffer += self.socket.recv(timeout=WAIT)
            except ConnectionClosed:
                return self.socket.close_code
            self._take_apart()
        return self._waiting.popleft()

    def _take_apart(self):
        while len(self._buffer) >= 2:
            cursor = Cursor(self._buffer[1:])
            size = cursor.varint()
            assert cursor.left >= size, "the service sends whole packets"
            self._waiting.append(parse_packet(self._buffer[0], cursor.take(size), self.version))
            self._buffer = cursor.rest()

    def connect(self, client_id="sensor1", **fields):
        """Send CONNECT and return what comes."""
        self.send(mq.Connect(client_id, self.version, **{"keep_alive": 60, **fields}))
        return self.next()

    def ask(self, packet):
        self.send(packet)
        return self.next()

    def close(self):
        self._stack.close()
