"""Send messages of every kind to real WebSocket clients and print what each of them received.

    pip install ".[emulator]"
    python samples/quickstart.py

Needs no Azure account: without WEBPUBSUB_CONNECTION_STRING in the environment it starts an emulator in this process.
"""

import json
import os
from base64 import b64decode

from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.rest import build_send_to_all_request, build_send_to_user_request

JSON = Subprotocol("json.webpubsub.azure.v1")


def show(user_id: str, client: ClientConnection) -> None:
    """Print what a client received, up to the message that says it was the last."""
    print(f"{user_id} received:")
    while (message := json.loads(client.recv(timeout=10)))["data"] != "that is all":
        sender = f"group {message['group']}" if message["from"] == "group" else message["from"]
        data = b64decode(message["data"]) if message["dataType"] == "binary" else message["data"]
        print(f"    {message['dataType']:<7}from {sender:<12}{data}")


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="quickstart") as service,
        # Clients connect with a URL that the backend mints for them.
        connect(service.get_client_access_token(user_id="ada", groups=["cats"])["url"], subprotocols=[JSON]) as ada,
        connect(service.get_client_access_token(user_id="bob")["url"], subprotocols=[JSON]) as bob,
    ):
        # The service's first frame tells a client its connection id.
        ada_id, _ = (json.loads(client.recv(timeout=10))["connectionId"] for client in (ada, bob))

        print("operation methods: JSON, text and bytes to all, a group, a user, a connection")
        service.send_to_all({"hello": "everyone"})
        service.send_to_group("cats", "hello cats", content_type="text/plain")
        service.send_to_user("bob", b"hello bob")
        service.send_to_connection(ada_id, ["hello", "ada's connection"])

        print("builders: a request is made first, and sent after")
        for request in (
            build_send_to_all_request("quickstart", content="hello everyone", content_type="text/plain"),
            build_send_to_user_request("quickstart", "bob", json={"hello": "bob"}),
        ):
            response = service.send_request(request)
            print(f"    {request} -> {response.status_code}")
            response.raise_for_status()

        service.send_to_all("that is all")
        show("ada", ada)
        show("bob", bob)


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
