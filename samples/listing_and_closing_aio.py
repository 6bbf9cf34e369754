"""List and close connections with the asynchronous client: python samples/listing_and_closing_aio.py."""

import asyncio
import os
from contextlib import AsyncExitStack

from websockets.asyncio.client import connect

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator


async def main(connection_string: str) -> None:
    async with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="listing_and_closing_aio") as service,
        AsyncExitStack() as stack,
    ):
        clients = []
        for name in ("ada", "bob", "cleo"):
            token = await service.get_client_access_token(user_id=name, groups=["readers"])
            clients.append(await stack.enter_async_context(connect(token["url"])))

        # list_connections is not awaited: its pages are fetched as the loop asks for more.
        names = [member.user_id async for member in service.list_connections("readers", maxpagesize=2)]
        print("readers:", sorted(name or "" for name in names))

        pages = service.list_connections("readers", maxpagesize=2).by_page()
        async for page in pages:
            members = [member async for member in page]
            print(len(members), "members in this page,", "more to come" if pages.continuation_token else "the last")

        await service.close_group_connections("readers", reason="good night")
        await asyncio.wait_for(asyncio.gather(*(client.wait_closed() for client in clients)), timeout=10)
        print("closed with", {client.close_code for client in clients})


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    asyncio.run(main(text))
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        asyncio.run(main(emulator.connection_string))
