"""Put users and connections into groups, and ask who is there: python samples/groups_and_users.py."""

import json
import os
from contextlib import AbstractContextManager

from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.filters import odata


def browser(service: WebPubSubServiceClient, user_id: str) -> AbstractContextManager[ClientConnection]:
    """Connect as a browser of the user would."""
    url = service.get_client_access_token(user_id=user_id)["url"]
    return connect(url, subprotocols=[Subprotocol("json.webpubsub.azure.v1")])


def members(service: WebPubSubServiceClient, group: str) -> list[str]:
    """List the users of a group, one for each connection."""
    return sorted(member.user_id or "anonymous" for member in service.list_connections(group))


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="groups_and_users") as service,
        # A user has a connection for every device and tab.
        browser(service, "ada") as phone,
        browser(service, "ada") as laptop,
        browser(service, "bob") as desktop,
    ):
        phone_id, _, desktop_id = (json.loads(each.recv(10))["connectionId"] for each in (phone, laptop, desktop))
        print("Ada is here:", service.user_exists("ada"))
        print("Cleo is here:", service.user_exists("cleo"))
        print("the team is there:", service.group_exists("team"))

        # A group is there as long as somebody is in it; nothing creates or deletes it.
        service.add_user_to_group("team", "ada")
        print("the team, with Ada's connections:", members(service, "team"))
        service.add_connection_to_group("team", desktop_id)
        print("with Bob's connection:", members(service, "team"))
        service.remove_connection_from_group("team", phone_id)
        print("without Ada's phone:", members(service, "team"))

        # Many at a time: whoever the filter picks joins, or leaves, each of the groups.
        service.add_connections_to_groups(["news", "weather"], odata("{group} in groups", group="team"))
        print("the team reads the news:", members(service, "news"))
        service.remove_connections_from_groups(["news", "weather"], odata("userId eq {user}", user="bob"))
        print("but not Bob:", members(service, "news"))

        service.remove_user_from_all_groups("ada")
        service.remove_connection_from_all_groups(desktop_id)
        print("the team is there:", service.group_exists("team"))


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
