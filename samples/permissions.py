"""Let clients join groups and publish to them, by roles and by permissions: python samples/permissions.py."""

import json
import os
from itertools import count
from typing import Any

from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

JSON = Subprotocol("json.webpubsub.azure.v1")
ack_ids = count(1)


def ask(client: ClientConnection, kind: str, **fields: Any) -> None:
    """Send a client's request and print how the service acknowledges it."""
    client.send(json.dumps({"type": kind, "ackId": next(ack_ids), **fields}))
    while (frame := json.loads(client.recv(timeout=10)))["type"] != "ack":
        pass
    print(f"    {kind} {fields['group']}:", "done" if frame["success"] else frame["error"]["name"])


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="permissions") as service,
    ):
        print("without a role or a permission:")
        with connect(service.get_client_access_token(user_id="ada")["url"], subprotocols=[JSON]) as ada:
            ada_id = json.loads(ada.recv(timeout=10))["connectionId"]
            ask(ada, "joinGroup", group="lobby")

            print("with a permission to join and leave the lobby:")
            service.grant_permission("joinLeaveGroup", ada_id, target_name="lobby")
            print("    has it:", service.has_permission("joinLeaveGroup", ada_id, target_name="lobby"))
            ask(ada, "joinGroup", group="lobby")
            ask(ada, "sendToGroup", group="lobby", dataType="text", data="hello")

            print("with a permission to send to the lobby, too:")
            service.grant_permission("sendToGroup", ada_id, target_name="lobby")
            ask(ada, "sendToGroup", group="lobby", dataType="text", data="hello")

            print("with that one revoked:")
            service.revoke_permission("sendToGroup", ada_id, target_name="lobby")
            print("    has it:", service.has_permission("sendToGroup", ada_id, target_name="lobby"))
            ask(ada, "sendToGroup", group="lobby", dataType="text", data="hello")

        print("with roles in the token: one group, then every group of a pattern")
        roles = ["webpubsub.joinLeaveGroup.lobby", "webpubsub.sendToGroups.room.*"]
        with connect(service.get_client_access_token(user_id="bob", roles=roles)["url"], subprotocols=[JSON]) as bob:
            ask(bob, "joinGroup", group="lobby")
            ask(bob, "joinGroup", group="kitchen")
            ask(bob, "sendToGroup", group="room.1", dataType="text", data="hello")
            ask(bob, "sendToGroup", group="lobby", dataType="text", data="hello")


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
