"""Send a message of their own to many users, and learn for each what came of it: python samples/fan_out.py.

If all get the same message, put them into a group and send once: the service copies it.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator


def send_to_users(
    service: WebPubSubServiceClient, messages: Mapping[str, object], at_once: int = 16
) -> dict[str, Exception | None]:
    """Send each user's message, some at a time; gives for each user the error, or None."""

    def send(user: str) -> Exception | None:
        try:
            service.send_to_user(user, messages[user])
        except Exception as error:  # whatever it is, the others get theirs
            return error
        return None

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(messages, pool.map(send, messages), strict=True))


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="fan_out") as service,
        connect(service.get_client_access_token(user_id="user7")["url"]) as client,
    ):
        messages: dict[str, object] = {f"user{number}": {"your number": number} for number in range(100)}
        messages["a/b"] = {"your number": 100}  # a name that the service cannot address
        results = send_to_users(service, messages)

        print(sum(error is None for error in results.values()), "accepted")
        for user, error in results.items():
            if error:
                print(f"{user}: {type(error).__name__}: {str(error).partition(':')[0]}")
        print("user7 received", client.recv(timeout=10))


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
