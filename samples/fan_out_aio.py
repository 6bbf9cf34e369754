"""Send to many users with the asynchronous client, with a result for each: python samples/fan_out_aio.py.

As fan_out.py, but with tasks in place of threads.
"""

import asyncio
import os
from collections.abc import Mapping

from websockets.asyncio.client import connect

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator


async def send_to_users(
    service: WebPubSubServiceClient, messages: Mapping[str, object], at_once: int = 50
) -> dict[str, Exception | None]:
    """Send each user's message, some at a time; gives for each user the error, or None."""
    limit = asyncio.Semaphore(at_once)

    async def send(user: str) -> Exception | None:
        async with limit:
            try:
                await service.send_to_user(user, messages[user])
            except Exception as error:  # whatever it is, the others get theirs
                return error
            return None

    return dict(zip(messages, await asyncio.gather(*map(send, messages)), strict=True))


async def main(connection_string: str) -> None:
    async with WebPubSubServiceClient.from_connection_string(connection_string, hub="fan_out_aio") as service:
        url = (await service.get_client_access_token(user_id="user7"))["url"]
        async with connect(url) as client:
            messages: dict[str, object] = {f"user{number}": {"your number": number} for number in range(100)}
            messages["a/b"] = {"your number": 100}  # a name that the service cannot address
            results = await send_to_users(service, messages)

            print(sum(error is None for error in results.values()), "accepted")
            for user, error in results.items():
                if error:
                    print(f"{user}: {type(error).__name__}: {str(error).partition(':')[0]}")
            print("user7 received", await asyncio.wait_for(client.recv(), timeout=10))


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    asyncio.run(main(text))
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        asyncio.run(main(emulator.connection_string))
