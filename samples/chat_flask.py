"""A chat for the browser with Flask: rooms, and who is in them. Rooms are groups.

    pip install ".[emulator]" flask waitress
    python samples/chat_flask.py

Needs no Azure account: without WEBPUBSUB_CONNECTION_STRING in the environment it starts an emulator in this process.
With it, the service has to reach this server: in its settings, give the hub "chat" the event handler
https://<public address>/eventhandler with the system event connect, the group events joined and left, and the user
event pattern *.
"""

import os
import socket
from contextlib import ExitStack

import waitress
from flask import Flask, Response, request, send_file
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice import eventhandler as events

HUB = "chat"
PROTOCOL = "json.reliable.webpubsub.azure.v1"
ROOMS = ["lobby", "garden", "kitchen"]


def make_app(connection_string: str) -> Flask:
    """Make the web application: the page, the URL to connect with, the event handler."""
    service = WebPubSubServiceClient.from_connection_string(connection_string, hub=HUB)
    handler = events.WebPubSubEventHandler(HUB, connection_string=connection_string)
    handle_events(handler, service)
    app = Flask(__name__)
    mounted = DispatcherMiddleware(app.wsgi_app, {"/eventhandler": handler.wsgi_app})
    app.wsgi_app = mounted  # type: ignore[method-assign]  # the way Flask's documentation adds middleware

    @app.get("/")
    def page() -> Response:
        return send_file("chat.html")

    @app.get("/negotiate")
    def negotiate() -> dict[str, object]:
        token = service.get_client_access_token(user_id=request.args["user"])
        return {"url": token["url"], "rooms": ROOMS}

    return app


def handle_events(handler: events.WebPubSubEventHandler, service: WebPubSubServiceClient) -> None:
    """Say what happens when a client connects, says something, enters a room and leaves it."""

    @handler.on_connect
    def connect(event: events.ConnectRequest) -> events.ConnectResponse | events.EventErrorResponse:
        if not event.user_id or PROTOCOL not in event.subprotocols:
            return events.EventErrorResponse(400, f"connect with a user id and {PROTOCOL}")
        roles = [f"webpubsub.joinLeaveGroup.{room}" for room in ROOMS]
        return events.ConnectResponse(roles=roles, subprotocol=PROTOCOL)

    @handler.on_event("say")
    def say(event: events.UserEventRequest) -> events.EventErrorResponse | None:
        match event.data:
            case {"room": str(room), "text": str(text)} if room in ROOMS and text:
                service.send_to_group(room, {"user": event.user_id, "text": text})
                return None
        return events.EventErrorResponse(400, "say something in a room")

    def tell(room: str, text: str) -> None:
        # The service knows who is there, so any number of servers may do this.
        people = sorted({str(member.user_id) for member in service.list_connections(room)})
        service.send_to_group(room, {"people": people, "text": text})

    @handler.on_group_joined
    def joined(event: events.GroupJoinedRequest) -> None:
        tell(event.group, f"{event.user_id} is here")

    @handler.on_group_left
    def left(event: events.GroupLeftRequest) -> None:
        tell(event.group, f"{event.user_id} left")


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
        waitress.serve(make_app(text), sockets=[listener])
