"""The asynchronous client, on aiohttp: ``pip install "azure-messaging-webpubsubservice[aio]"``."""

from ._client import WebPubSubServiceClient

__all__ = ["WebPubSubServiceClient"]
