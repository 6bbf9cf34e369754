"""What every sample starts with: the service of ``WEBPUBSUB_CONNECTION_STRING``, or an emulator in this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def connection_string() -> Iterator[str]:
    """Give the connection string of a service that runs as long as the ``with`` block."""
    azure = os.environ.get("WEBPUBSUB_CONNECTION_STRING")
    if azure:
        yield azure
        return
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator() as emulator:
        yield emulator.connection_string
