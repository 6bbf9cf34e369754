"""A chat for the browser with FastAPI: rooms, and who is in them. Rooms are groups.

    pip install ".[aio,emulator]" fastapi uvicorn
    python samples/chat_fastapi.py

Needs no Azure account: without WEBPUBSUB_CONNECTION_STRING in the environment it starts an emulator in this process.
With it, the service has to reach this server: in its settings, give the hub "chat" the event handler
https://<public address>/eventhandler with the system event connect, the group events joined and left, and the user
event pattern *.
"""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.routing import Route

from azure.messaging.webpubsubservice import eventhandler as events
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

HUB = "chat"
PROTOCOL = "json.reliable.webpubsub.azure.v1"
ROOMS = ["lobby", "garden", "kitchen"]


def make_app(connection_string: str, *, reverse_proxy_endpoint: str | None = None) -> FastAPI:
    """Make the web application: the page, the URL to connect with, the event handler."""
    service = WebPubSubServiceClient.from_connection_string(
        connection_string, hub=HUB, reverse_proxy_endpoint=reverse_proxy_endpoint
    )
    handler = events.WebPubSubEventHandler(HUB, connection_string=connection_string)
    handle_events(handler, service)

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

    return app


def handle_events(handler: events.WebPubSubEventHandler, service: WebPubSubServiceClient) -> None:
    """Say what happens when a client connects, says something, enters a room and leaves it."""

    @handler.on_connect
    def connect(request: events.ConnectRequest) -> events.ConnectResponse | events.EventErrorResponse:
        if not request.user_id or PROTOCOL not in request.subprotocols:
            return events.EventErrorResponse(400, f"connect with a user id and {PROTOCOL}")
        roles = [f"webpubsub.joinLeaveGroup.{room}" for room in ROOMS]
        return events.ConnectResponse(roles=roles, subprotocol=PROTOCOL)

    @handler.on_event("say")
    async def say(request: events.UserEventRequest) -> events.EventErrorResponse | None:
        match request.data:
            case {"room": str(room), "text": str(text)} if room in ROOMS and text:
                await service.send_to_group(room, {"user": request.user_id, "text": text})
                return None
        return events.EventErrorResponse(400, "say something in a room")

    async def tell(room: str, text: str) -> None:
        # The service knows who is there, so any number of servers may do this.
        people = sorted({str(member.user_id) async for member in service.list_connections(room)})
        await service.send_to_group(room, {"people": people, "text": text})

    @handler.on_group_joined
    async def joined(request: events.GroupJoinedRequest) -> None:
        await tell(request.group, f"{request.user_id} is here")

    @handler.on_group_left
    async def left(request: events.GroupLeftRequest) -> None:
        await tell(request.group, f"{request.user_id} left")


if __name__ == "__main__":
    with ExitStack() as stack, socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000")))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        text = os.environ.get("WEBPUBSUB_CONNECTION_STRING")
        if not text:  # no Azure account: the emulator, in this process
            from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator

            here = EventHandler(
                f"{address}/eventhandler", system_events=["connect"], group_presence_events=["joined", "left"]
            )
            text = stack.enter_context(WebPubSubEmulator(event_handlers={HUB: here})).connection_string
        print(f"Open {address}/", flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(make_app(text), log_level="warning")).run([listener])
