"""Let clients in or not, answer what they say, and remember things about them: python samples/receive_events.py.

Needs fastapi and uvicorn. With WEBPUBSUB_CONNECTION_STRING, the service has to reach this server: in its settings,
give the hub "events" the event handler https://<public address>/eventhandler with the system events connect and
disconnected, and the user event pattern *.
"""

import os
import socket
from threading import Event, Thread

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice import eventhandler as events
from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator


def main(connection_string: str, emulator: WebPubSubEmulator | None = None) -> None:
    handler = events.WebPubSubEventHandler("events", connection_string=connection_string)
    gone = Event()

    @handler.on_connect
    def let_in(request: events.ConnectRequest) -> events.ConnectResponse | events.EventErrorResponse:
        if not request.user_id:
            return events.EventErrorResponse(401, "who are you?")
        return events.ConnectResponse(groups=["lobby"])

    @handler.on_event("message")  # what a client without a subprotocol sends
    async def answer(request: events.UserEventRequest) -> events.UserEventResponse:
        # States belong to the connection: they come with its next event, whichever of your servers gets it.
        number = request.states.get("number", 0) + 1
        return events.UserEventResponse(f"message {number} was {request.data}", states={"number": number})

    @handler.on_disconnected
    def left(request: events.DisconnectedRequest) -> None:
        print(request.user_id, "left after", request.states.get("number"), "messages")
        gone.set()

    app = FastAPI()  # your application
    app.router.routes.append(Route("/eventhandler{rest:path}", handler.asgi_app))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="events") as service,
        socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0")))) as listener,
    ):
        serving = Thread(target=server.run, args=([listener],))
        serving.start()
        if emulator:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/eventhandler"
            emulator.add_event_handler("events", EventHandler(url, system_events=["connect", "disconnected"]))

        with connect(service.get_client_access_token(user_id="ada")["url"]) as ada:
            for text in ("hello", "good-bye"):
                ada.send(text)
                print(ada.recv(timeout=10))
        gone.wait(timeout=30)
        try:
            with connect(service.get_client_access_token()["url"]):
                print("this is not reached")
        except InvalidStatus as error:
            print("without a name:", error.response.status_code)
        server.should_exit = True
        serving.join()


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string, emulator)
