"""Put users and connections into groups, and ask who is there: python samples/groups_and_users.py."""

import json

from service import connection_string
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.filters import odata


def open_client(user_id: str) -> ClientConnection:
    """Connect as a browser of the user would."""
    url = service.get_client_access_token(user_id=user_id)["url"]
    return connect(url, subprotocols=[Subprotocol("json.webpubsub.azure.v1")])


def members(group: str) -> list[str]:
    """List the users of a group, one for each connection."""
    return sorted(member.user_id or "anonymous" for member in service.list_connections(group))


with (
    connection_string() as text,
    WebPubSubServiceClient.from_connection_string(text, hub="groups_and_users") as service,
    # A user has a connection for every device and tab.
    open_client("ada") as phone,
    open_client("ada") as laptop,
    open_client("bob") as desktop,
):
    phone_id, _, desktop_id = (json.loads(each.recv(timeout=10))["connectionId"] for each in (phone, laptop, desktop))

    print("Ada is here:", service.user_exists("ada"))
    print("Cleo is here:", service.user_exists("cleo"))
    print("the team is there:", service.group_exists("team"))

    # A group is there as long as somebody is in it; nothing creates or deletes it.
    service.add_user_to_group("team", "ada")
    print("the team, with Ada's connections:", members("team"))
    service.add_connection_to_group("team", desktop_id)
    print("with Bob's connection:", members("team"))
    service.remove_connection_from_group("team", phone_id)
    print("without Ada's phone:", members("team"))

    # Many at a time: whoever the filter picks joins, or leaves, each of the groups.
    service.add_connections_to_groups(["news", "weather"], odata("{group} in groups", group="team"))
    print("the team reads the news:", members("news"))
    service.remove_connections_from_groups(["news", "weather"], odata("userId eq {user}", user="bob"))
    print("but not Bob:", members("news"))

    service.remove_user_from_all_groups("ada")
    service.remove_connection_from_all_groups(desktop_id)
    print("the team is there:", service.group_exists("team"))
