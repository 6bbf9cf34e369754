"""List the connections of a group, page by page, and close some of them: python samples/listing_and_closing.py."""

import json
import os
from contextlib import ExitStack

from websockets import ConnectionClosed, Subprotocol
from websockets.sync.client import ClientConnection, connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

HUB = "listing_and_closing"


def show_end(name: str, client: ClientConnection) -> None:
    """Print what a client is told when the service closes its connection."""
    try:
        while True:
            frame = json.loads(client.recv(timeout=10))
            if frame.get("event") == "disconnected":
                print(f"    {name} is told: {frame['message']}")
    except ConnectionClosed as closed:
        print(f"    {name} is closed, with code {closed.rcvd.code if closed.rcvd else None}")


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub=HUB) as service,
        ExitStack() as stack,
    ):
        clients = {}
        for name in ("ada", "bob", "cleo", "dora", "emil"):
            url = service.get_client_access_token(user_id=name, groups=["readers"])["url"]
            clients[name] = stack.enter_context(connect(url, subprotocols=[Subprotocol("json.webpubsub.azure.v1")]))

        # Fetched page by page, as the loop asks for more.
        print("readers:", sorted(member.user_id or "" for member in service.list_connections("readers", maxpagesize=2)))
        print("three of them:", len(list(service.list_connections("readers", top=3))))

        # Page by page, to go on later: in another process, or with the next click of somebody who reads the list.
        pages = service.list_connections("readers", maxpagesize=2).by_page()
        first = [member.connection_id for member in next(pages)]
        rest = service.list_connections("readers", maxpagesize=2).by_page(pages.continuation_token)
        print("members of each page:", [len(first), *(len(list(page)) for page in rest)])

        ids = {member.user_id: member.connection_id for member in service.list_connections("readers")}
        print("one connection:")
        service.close_connection(ids["ada"], reason="good night, Ada")
        show_end("ada", clients["ada"])
        print("all of a user:")
        service.close_user_connections("bob", reason="good night, Bob")
        show_end("bob", clients["bob"])
        print("all of a group but one:")
        service.close_group_connections("readers", excluded=[ids["cleo"]], reason="good night, readers")
        show_end("dora", clients["dora"])
        show_end("emil", clients["emil"])
        print("all of the hub:")
        service.close_all_connections(reason="good night")
        show_end("cleo", clients["cleo"])
        print("ada is here:", service.connection_exists(ids["ada"]))


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
