"""Send every kind of message, to every kind of receiver, and print what arrives: python samples/sending.py."""

import io
import json
import os

from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.filters import odata


def show(name: str, client: ClientConnection) -> None:
    """Print each frame as it came, up to the one that says it is the last."""
    print(f"{name} received:")
    while "that is all" not in str(frame := client.recv(timeout=10)):
        print(f"    {frame!r}")


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="sending") as service,
        # Ada's client speaks the JSON subprotocol: it receives JSON frames, and is told its connection id.
        connect(
            service.get_client_access_token(user_id="ada", groups=["cats"])["url"],
            subprotocols=[Subprotocol("json.webpubsub.azure.v1")],
        ) as ada,
        # Bob's speaks none: it receives the bare message, as a text or binary frame.
        connect(service.get_client_access_token(user_id="bob")["url"]) as bob,
    ):
        ada_id = json.loads(ada.recv(timeout=10))["connectionId"]

        # Any value that has a JSON form goes as JSON: a str becomes a JSON string, with its quotes.
        service.send_to_all({"hello": "everyone"})
        service.send_to_all("a JSON string")
        # Text without quotes needs its content type; bytes and binary streams go as binary by themselves.
        service.send_to_all("plain text", content_type="text/plain")
        service.send_to_all(b"\x00\x01")
        service.send_to_all(io.BytesIO(b"a stream"))

        # To a group, a user, a connection.
        service.send_to_group("cats", {"hello": "cats"})
        service.send_to_user("bob", {"hello": "Bob"})
        service.send_to_connection(ada_id, {"hello": "Ada's connection"})

        # To some of them: all but these connections, or those that a filter picks.
        service.send_to_all({"hello": "all but Ada"}, excluded=[ada_id])
        service.send_to_all({"hello": "Ada alone"}, filter=odata("userId eq {user}", user="ada"))

        # For clients of a reliable subprotocol that are away: drop it if it cannot be delivered within a minute.
        service.send_to_user("ada", {"hello": "within a minute"}, message_ttl_seconds=60)

        service.send_to_all("that is all")
        show("ada", ada)
        show("bob", bob)


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
