"""The asynchronous client, on asyncio alone: it needs nothing that the synchronous one does not."""

from ._client import WebPubSubServiceClient

__all__ = ["WebPubSubServiceClient"]
