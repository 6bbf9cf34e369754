"""Send to the rooms of Web PubSub for Socket.IO, in serverless mode: python samples/socketio_rooms.py.

A room is a group whose name has a certain form, and a message is a Socket.IO packet, as text. With Azure, give the
connection string of a Web PubSub for Socket.IO resource. The emulator has no Socket.IO clients: it shows what it sent.
"""

import json
import os
from base64 import urlsafe_b64encode

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.filters import odata


def room_group(room: str = "", namespace: str = "/") -> str:
    """The group of a room; without a room, of all sockets of the namespace. A socket's id is a room, too."""

    def part(text: str) -> str:
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    return f"0~{part(namespace)}~{part(room)}"


def event_packet(name: str, *arguments: object, namespace: str = "/") -> str:
    """An event, as Engine.IO (4: message) and Socket.IO (2: event) write it."""
    where = "" if namespace == "/" else f"{namespace},"
    return f"42{where}{json.dumps([name, *arguments])}"


def main(connection_string: str) -> None:
    with WebPubSubServiceClient.from_connection_string(connection_string, hub="socketio") as service:

        def emit(group: str, packet: str) -> None:
            service.send_to_group(group, packet, content_type="text/plain")
            print(f"{group} <- {packet}")

        emit(room_group(), event_packet("news", {"text": "hello everyone"}))  # io.emit("news", ...)
        emit(room_group("lobby"), event_packet("news", {"text": "hello lobby"}))  # io.to("lobby").emit("news", ...)
        emit(room_group("lobby", "/admin"), event_packet("alarm", 1, namespace="/admin"))

        # A socket joins and leaves a room: a filter finds it by its own group.
        socket = odata("{group} in groups", group=room_group("the-socket-id"))
        service.add_connections_to_groups([room_group("lobby")], socket)
        service.remove_connections_from_groups([room_group("lobby")], socket)


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
