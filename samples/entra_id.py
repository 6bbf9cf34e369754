"""Use an identity of Entra ID in place of an access key: python samples/entra_id.py.

With WEBPUBSUB_ENDPOINT, such as https://name.webpubsub.azure.com, and ``pip install azure-identity`` it uses Azure, as
whoever you are there: the role "Web PubSub Service Owner" is needed on the resource. Without, it uses an emulator that
takes any token, and a credential that makes one up.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import time
from typing import Any

from azure.core.credentials import AccessToken, TokenCredential
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient


class MadeUpCredential:
    """Stands for a credential of azure-identity; only an emulator takes its tokens."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        print("a token is asked for", *scopes)
        return AccessToken("made-up", int(time()) + 3600)


@contextmanager
def endpoint_and_credential() -> Iterator[tuple[str, TokenCredential]]:
    """Give a service and an identity that it knows."""
    if endpoint := os.environ.get("WEBPUBSUB_ENDPOINT"):
        from azure.identity import DefaultAzureCredential

        with DefaultAzureCredential() as credential:
            yield endpoint, credential
        return
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator(accept_entra_tokens=True) as emulator:
        yield emulator.endpoint, MadeUpCredential()


with (
    endpoint_and_credential() as (endpoint, credential),
    WebPubSubServiceClient(endpoint, credential, hub="entra_id") as service,
):
    # There is no key to sign with here, so the service mints the client's token: this is a request.
    token = service.get_client_access_token(user_id="ada", groups=["readers"])
    with connect(token["url"]) as ada:
        # The token that the credential gave is kept until it is about to expire.
        service.send_to_group("readers", {"hello": "readers"})
        print("ada received", ada.recv(timeout=10))
