"""Send with the asynchronous client while other tasks receive: python samples/sending_aio.py."""

import asyncio
import json
import os

from websockets.asyncio.client import ClientConnection, connect

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator


async def receive(name: str, client: ClientConnection) -> None:
    """Print what a client receives, up to the message that says it is the last."""
    received = []
    async for frame in client:
        if frame == "bye":
            break
        received.append(frame)
    # Sends that run at the same time arrive in any order.
    numbers = sorted(json.loads(frame)["number"] for frame in received if "number" in str(frame))
    others = [frame for frame in received if "number" not in str(frame)]
    print(f"{name} received {others} and the numbers {numbers}")


async def main(connection_string: str) -> None:
    async with WebPubSubServiceClient.from_connection_string(connection_string, hub="sending_aio") as service:
        ada_url = (await service.get_client_access_token(user_id="ada", groups=["cats"]))["url"]
        bob_url = (await service.get_client_access_token(user_id="bob"))["url"]
        async with connect(ada_url) as ada, connect(bob_url) as bob:
            receivers = [asyncio.create_task(receive(*each)) for each in (("ada", ada), ("bob", bob))]

            await service.send_to_group("cats", "hello cats", content_type="text/plain")
            await service.send_to_user("bob", b"hello bob")
            # Many at a time: one client serves all the tasks of an event loop.
            await asyncio.gather(*(service.send_to_all({"number": n}) for n in range(5)))

            await service.send_to_all("bye", content_type="text/plain")
            for receiver in receivers:
                await asyncio.wait_for(receiver, timeout=10)


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    asyncio.run(main(text))
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        asyncio.run(main(emulator.connection_string))
