"""Send messages of every kind to real WebSocket clients and print what each of them received.

    pip install ".[emulator]"
    python samples/quickstart.py

Needs no Azure account: without WEBPUBSUB_CONNECTION_STRING in the environment it starts an emulator in this process.
"""

import json
from base64 import b64decode

from service import connection_string
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.rest import (
    build_send_to_all_request,
    build_send_to_connection_request,
    build_send_to_group_request,
    build_send_to_user_request,
)

HUB = "quickstart"
PROTOCOL = Subprotocol("json.webpubsub.azure.v1")


def url(service: WebPubSubServiceClient, user_id: str, groups: list[str]) -> str:
    """Mint the URL with which a browser would connect."""
    return service.get_client_access_token(user_id=user_id, groups=groups)["url"]


def connection_id(client: ClientConnection) -> str:
    """Read the service's first frame, which tells a client its connection id."""
    return json.loads(client.recv(timeout=10))["connectionId"]


def show(user_id: str, client: ClientConnection) -> None:
    """Print what a client received, up to the message that says it was the last."""
    print(f"{user_id} received:")
    while True:
        message = json.loads(client.recv(timeout=10))
        if message["data"] == "that is all":
            return
        sender = f"group {message['group']}" if message["from"] == "group" else message["from"]
        data = b64decode(message["data"]) if message["dataType"] == "binary" else message["data"]
        print(f"    {message['dataType']:<7}from {sender:<12}{data}")


with (
    connection_string() as text,
    WebPubSubServiceClient.from_connection_string(text, hub=HUB) as service,
    connect(url(service, "ada", groups=["cats"]), subprotocols=[PROTOCOL]) as ada,
    connect(url(service, "bob", groups=[]), subprotocols=[PROTOCOL]) as bob,
):
    ada_id, bob_id = connection_id(ada), connection_id(bob)

    print("operation methods: JSON, text and bytes to all, a group, a user, a connection")
    service.send_to_all({"hello": "everyone"})
    service.send_to_group("cats", "hello cats", content_type="text/plain")
    service.send_to_user("bob", b"hello bob")
    service.send_to_connection(ada_id, ["hello", "ada's connection"])

    print("builders: the same, each request made first and sent after")
    for request in (
        build_send_to_all_request(HUB, content="hello everyone", content_type="text/plain"),
        build_send_to_group_request(HUB, "cats", content=b"hello cats"),
        build_send_to_user_request(HUB, "bob", json={"hello": "bob"}),
        build_send_to_connection_request(HUB, bob_id, content="hello bob's connection"),
    ):
        response = service.send_request(request)
        print(f"    {request} -> {response.status_code}")
        response.raise_for_status()

    service.send_to_all("that is all")
    show("ada", ada)
    show("bob", bob)
