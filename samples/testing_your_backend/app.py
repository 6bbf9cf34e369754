"""A backend that publishes: readers of a topic get its news, and may ask how much there was.

    pip install fastapi uvicorn && WEBPUBSUB_CONNECTION_STRING="Endpoint=..." uvicorn --factory app:main

Its tests: test_app.py with pytest, test_app_unittest.py with unittest.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from azure.core.exceptions import AzureError
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.eventhandler import (
    ConnectRequest,
    EventErrorResponse,
    UserEventRequest,
    WebPubSubEventHandler,
)
from fastapi import Body, FastAPI, HTTPException
from starlette.routing import Route


def create_app(connection_string: str, hub: str = "news") -> FastAPI:
    """Make the backend for a service: Azure's, the emulator, or that of a test."""
    service = WebPubSubServiceClient.from_connection_string(connection_string, hub=hub)
    handler = WebPubSubEventHandler(hub, connection_string=connection_string)
    published: Counter[str] = Counter()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with service:
            yield

    app = FastAPI(lifespan=lifespan)
    app.router.routes.append(Route("/eventhandler{rest:path}", handler.asgi_app))

    @app.get("/negotiate")
    def negotiate(topic: str, user: str) -> dict[str, str]:
        return {"url": service.get_client_access_token(user_id=user, groups=[topic])["url"]}

    @app.post("/news/{topic}", status_code=202)
    def publish(topic: str, text: Annotated[str, Body(embed=True, min_length=1)]) -> None:
        try:
            service.send_to_group(topic, {"topic": topic, "text": text})
        except AzureError as error:
            raise HTTPException(502, "the news could not be sent") from error
        published[topic] += 1

    @handler.on_connect
    def connect(request: ConnectRequest) -> EventErrorResponse | None:
        return None if request.user_id else EventErrorResponse(401, "readers have a name")

    @handler.on_event("message")
    def count(request: UserEventRequest) -> str:
        return f"{request.user_id}, there were {published[request.data]} about {request.data}"

    return app


def main() -> FastAPI:
    """Make the backend for the service that the environment names."""
    return create_app(os.environ["WEBPUBSUB_CONNECTION_STRING"])
