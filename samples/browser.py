"""A page that connects and shows messages; what you type here appears there: python samples/browser.py."""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Messages</title>
<h1>Messages</h1>
<p id="state" role="status">connecting</p>
<ul id="messages"></ul>
<script type="module">
const [state, messages] = [document.querySelector("#state"), document.querySelector("#messages")];
// The server, which knows the access key, mints the URL; the page never sees the key.
const socket = new WebSocket(await (await fetch("negotiate")).text());
socket.onopen = () => { state.textContent = "connected"; };
socket.onclose = () => { state.textContent = "disconnected"; };
socket.onmessage = ({ data }) => {
  const item = document.createElement("li");
  item.textContent = data;  // as text, whatever it is
  messages.append(item);
};
</script>
"""


class Handler(BaseHTTPRequestHandler):
    """Serves the page at "/", and at "/negotiate" a URL to connect to."""

    service: WebPubSubServiceClient  # set by main

    def do_GET(self) -> None:  # the name that http.server calls
        if self.path not in ("/", "/negotiate"):
            self.send_error(404)
            return
        page = self.path == "/"
        body = PAGE if page else self.service.get_client_access_token(user_id="ada", minutes_to_expire=5)["url"]
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8" if page else "text/plain")
        self.send_header("Cache-Control", "no-store")  # a token is for one client
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="browser") as service,
        ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Handler) as server,
    ):
        Handler.service = service
        Thread(target=server.serve_forever, daemon=True).start()
        print(f"Open http://127.0.0.1:{server.server_port}/ and type what it shall show; Ctrl+D ends", flush=True)
        for line in sys.stdin:
            service.send_to_all(line.rstrip("\n"), content_type="text/plain")
        service.close_all_connections(reason="the program has ended")
        server.shutdown()


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
