"""A backend on a real server in the event loop of its test: its lifespan runs, and what that opens is there for events.

An emulator asks EventHandler(app=...) in its own event loop, and without a lifespan: good for an application that has
none and brings nothing asynchronous with it. This is for all others.
"""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import EventHandler
from azure.messaging.webpubsubservice.eventhandler import ConnectedRequest, WebPubSubEventHandler
from fastapi import FastAPI
from starlette.routing import Route

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def create_app(connection_string: str, hub: str) -> FastAPI:
    """Make a backend with a lifespan, in which its client is open."""
    service = WebPubSubServiceClient.from_connection_string(connection_string, hub=hub)
    handler = WebPubSubEventHandler(hub, connection_string=connection_string)

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        async with service:
            app.state.greeting = "welcome"
            yield

    app = FastAPI(lifespan=lifespan)
    app.router.routes.append(Route("/eventhandler{rest:path}", handler.asgi_app))

    @handler.on_connected
    async def greet(request: ConnectedRequest) -> None:
        await service.send_to_user(request.user_id, {app.state.greeting: request.user_id})

    return app


@asynccontextmanager
async def served(app):
    """Serve an application in this event loop; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def test_readers_are_greeted(webpubsub_emulator_async, webpubsub_hub):
    emulator = webpubsub_emulator_async  # runs in this event loop; async with WebPubSubEmulator() does the same
    async with served(create_app(emulator.connection_string, webpubsub_hub)) as address:
        events = EventHandler(f"{address}/eventhandler", system_events=["connected"])
        emulator.add_event_handler(webpubsub_hub, events)
        async with emulator.connect(webpubsub_hub, "ada") as ada:
            assert await ada.receive_json() == {"welcome": "ada"}
