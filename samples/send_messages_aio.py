"""Build requests and send them with the asynchronous client: python samples/send_messages_aio.py."""

import asyncio

from service import connection_string

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from azure.messaging.webpubsubservice.rest import build_send_to_all_request, build_send_to_group_request


async def main() -> None:
    with connection_string() as text:
        async with WebPubSubServiceClient.from_connection_string(text) as client:
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


asyncio.run(main())
