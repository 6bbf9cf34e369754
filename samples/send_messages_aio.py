"""Build requests and send them with the asynchronous client: python samples/send_messages_aio.py."""

import asyncio
import os

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.rest import build_send_to_all_request, build_send_to_group_request


async def main(connection_string: str) -> None:
    async with WebPubSubServiceClient.from_connection_string(connection_string) as client:
        print(client)

        request = build_send_to_all_request("default", json={"Hello": "webpubsub!"})
        print(request)
        response = await client.send_request(request)
        print(response.status_code, response.reason)

        for content in ("a text", b"\x00\x01 some bytes"):
            request = build_send_to_group_request("default", "readers", content=content)
            print(request.headers["Content-Type"], (await client.send_request(request)).status_code)

        # Many at a time: one client serves all the tasks of an event loop.
        await asyncio.gather(*(client.send_to_all({"number": n}, hub="default") for n in range(10)))
        print("10 more sent")


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    asyncio.run(main(text))
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        asyncio.run(main(emulator.connection_string))
