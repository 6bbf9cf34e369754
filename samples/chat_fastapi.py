"""A chat for the browser with FastAPI: rooms are groups, and the server answers what the page says.

    pip install ".[aio,emulator]" fastapi uvicorn
    python samples/chat_fastapi.py

Needs no Azure account: without WEBPUBSUB_CONNECTION_STRING in the environment it starts an emulator in this process.
With it, the service has to reach this server: in its settings, give the hub "chat" the event handler
https://<public address>/eventhandler with the system events connect, connected and disconnected, and the user
event pattern *.
"""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.routing import Route

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from azure.messaging.webpubsubservice.eventhandler import (
    ConnectedRequest,
    ConnectRequest,
    ConnectResponse,
    DisconnectedRequest,
    EventErrorResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

HUB = "chat"
PROTOCOL = "json.webpubsub.azure.v1"
ROOMS = ["lobby", "garden", "kitchen"]


def make_app(connection_string: str, *, reverse_proxy_endpoint: str | None = None) -> FastAPI:
    """Make the web application: the page, the negotiate URL, the event handler."""
    service = WebPubSubServiceClient.from_connection_string(
        connection_string, hub=HUB, reverse_proxy_endpoint=reverse_proxy_endpoint
    )
    handler = WebPubSubEventHandler(HUB, connection_string=connection_string)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    app = FastAPI(lifespan=lifespan)
    app.router.routes.append(Route("/eventhandler{rest:path}", handler.asgi_app))

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(Path(__file__).with_name("chat.html"))

    @app.get("/negotiate")
    async def negotiate(user: str) -> dict[str, object]:
        token = await service.get_client_access_token(user_id=user)
        return {"url": token["url"], "rooms": ROOMS}

    @handler.on_connect
    def connect(request: ConnectRequest) -> ConnectResponse | EventErrorResponse:
        if not request.user_id or PROTOCOL not in request.subprotocols:
            return EventErrorResponse(400, f"connect with a user id and {PROTOCOL}")
        roles = [f"webpubsub.joinLeaveGroup.{room}" for room in ROOMS]
        return ConnectResponse(groups=ROOMS[:1], roles=roles, subprotocol=PROTOCOL, states={"said": 0})

    @handler.on_connected
    async def connected(request: ConnectedRequest) -> None:
        await service.send_to_group(ROOMS[0], {"text": f"{request.user_id} is here"})

    @handler.on_event("say")
    async def say(request: UserEventRequest) -> UserEventResponse | EventErrorResponse:
        match request.data:
            case {"room": str(room), "text": str(text)} if room in ROOMS and text:
                await service.send_to_group(room, {"user": request.user_id, "text": text})
                said = request.states["said"] + 1
                return UserEventResponse({"said": said}, states={"said": said})
        return EventErrorResponse(400, "say something in a room")

    @handler.on_disconnected
    async def disconnected(request: DisconnectedRequest) -> None:
        await service.send_to_group(ROOMS[0], {"text": f"{request.user_id} left"})

    return app


@contextmanager
def running_service(event_handler: str) -> Iterator[str]:
    """Give the connection string of the service, which sends its events to the URL."""
    if azure := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
        yield azure
        return
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    events = {"url_template": event_handler, "system_events": ["connect", "connected", "disconnected"]}
    with WebPubSubEmulator(event_handlers={HUB: [events]}) as emulator:
        yield emulator.connection_string


def main() -> None:
    with socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000")))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with running_service(f"{address}/eventhandler") as connection_string:
            server = uvicorn.Server(uvicorn.Config(make_app(connection_string), log_level="warning"))
            print(f"Open {address}/", flush=True)
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listener])


if __name__ == "__main__":
    main()
