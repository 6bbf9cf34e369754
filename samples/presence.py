"""Keep a list of who is in a group, by the events "joined" and "left": python samples/presence.py.

With WEBPUBSUB_CONNECTION_STRING, the service has to reach this server: in its settings, give the hub "presence" the
event handler https://<public address>/eventhandler with the group events joined and left.
"""

import os
from queue import Queue
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.eventhandler import GroupJoinedRequest, GroupLeftRequest, WebPubSubEventHandler


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main(connection_string: str, emulator: WebPubSubEmulator | None = None) -> None:
    handler = WebPubSubEventHandler("presence", connection_string=connection_string)
    here: dict[str, str | None] = {}  # by connection id: a user is here until the last connection ends
    changes: Queue[str] = Queue()

    @handler.on_group_joined
    def joined(request: GroupJoinedRequest) -> None:
        here[request.connection_id] = request.user_id
        changes.put(f"{request.user_id} joined")

    @handler.on_group_left
    def left(request: GroupLeftRequest) -> None:
        here.pop(request.connection_id, None)
        changes.put(f"{request.user_id} left")

    def show() -> None:
        print(f"{changes.get(timeout=30)}; here: {', '.join(sorted({str(user) for user in here.values()}))}")

    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="presence") as service,
        make_server("127.0.0.1", int(os.environ.get("PORT", "0")), handler.wsgi_app, handler_class=Quiet) as server,
    ):
        Thread(target=server.serve_forever, daemon=True).start()
        if emulator:
            url = f"http://127.0.0.1:{server.server_port}/eventhandler"
            emulator.add_event_handler("presence", EventHandler(url, group_presence_events=["joined", "left"]))

        # Those who are there already; and again from time to time, for an event may be lost while the server restarts.
        here.update((member.connection_id, member.user_id) for member in service.list_connections("lobby"))
        print("at the start:", len(here))

        urls = [service.get_client_access_token(user_id=user, groups=["lobby"])["url"] for user in ("ada", "bob")]
        with connect(urls[0]):
            show()
            with connect(urls[1]):
                show()
                with connect(urls[0]):  # Ada, in a second tab
                    show()
                show()
            show()
        show()
        server.shutdown()


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string, emulator)
