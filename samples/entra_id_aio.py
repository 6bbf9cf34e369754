"""Use an identity of Entra ID with the asynchronous client: python samples/entra_id_aio.py.

As in entra_id.py: WEBPUBSUB_ENDPOINT and azure-identity for Azure, otherwise an emulator and a made-up token.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient


class MadeUpCredential(AsyncTokenCredential):
    """Stands for a credential of azure.identity.aio; only an emulator takes its tokens."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        print("a token is asked for", *scopes)
        return AccessToken("made-up", int(time()) + 3600)


@asynccontextmanager
async def endpoint_and_credential() -> AsyncIterator[tuple[str, AsyncTokenCredential]]:
    """Give a service and an identity that it knows."""
    if endpoint := os.environ.get("WEBPUBSUB_ENDPOINT"):
        from azure.identity.aio import DefaultAzureCredential

        async with DefaultAzureCredential() as credential:
            yield endpoint, credential
        return
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    async with WebPubSubEmulator(accept_entra_tokens=True) as emulator:
        yield emulator.endpoint, MadeUpCredential()


async def main() -> None:
    async with (
        endpoint_and_credential() as (endpoint, credential),
        WebPubSubServiceClient(endpoint, credential, hub="entra_id_aio") as service,
    ):
        token = await service.get_client_access_token(user_id="ada")
        print("a client connects to", token["baseUrl"].partition("/client")[2])
        await asyncio.gather(*(service.send_to_all({"number": n}) for n in range(10)))
        print("10 sent")


asyncio.run(main())
