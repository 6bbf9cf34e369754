"""Pick the receivers of a message by what is known of them: python samples/filters.py.

Filters are OData expressions about ``userId``, ``connectionId`` and ``groups``. ``odata`` puts values into them, each
quoted by its type, so that no user name can change what a filter means.
"""

import os

from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.filters import odata

PEOPLE = {"ada": ["cats", "staff"], "bob": ["cats"], "o'neil": ["dogs"], None: ["cats"]}
FILTERS = [
    odata("userId eq {user}", user="o'neil"),
    odata("userId ne {nobody}", nobody=None),
    odata("userId in ({first}, {second})", first="ada", second="bob"),
    odata("{group} in groups", group="cats"),
    odata("{group} in groups and not ({other} in groups)", group="cats", other="staff"),
    odata("startswith(userId, {start}) or length(groups) gt {number}", start="b", number=1),
]


def main(connection_string: str) -> None:
    with WebPubSubServiceClient.from_connection_string(connection_string, hub="filters") as service:
        clients = {
            user or "anonymous": connect(service.get_client_access_token(user_id=user, groups=groups)["url"])
            for user, groups in PEOPLE.items()
        }
        for expression in FILTERS:
            service.send_to_all(expression, filter=expression, content_type="text/plain")
        service.send_to_all("that is all", content_type="text/plain")

        receivers: dict[str, list[str]] = {expression: [] for expression in FILTERS}
        for name, client in clients.items():
            with client:
                while (frame := str(client.recv(timeout=10))) != "that is all":
                    receivers[frame].append(name)
        for expression, names in receivers.items():
            print(f"{expression}\n    -> {', '.join(names)}")


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
