"""Send through a reverse proxy, such as API Management: python samples/reverse_proxy.py.

The proxy here is a small one of the standard library's, which passes on what comes below /pubsub.
"""

import os
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import SplitResult, urlsplit

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on to the service, and its answers back."""

    service: SplitResult  # the URL of the service; set by main

    def do_POST(self) -> None:  # the name that http.server calls
        print("the proxy is asked for", self.path.partition("?")[0])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        kind = HTTPSConnection if self.service.scheme == "https" else HTTPConnection
        connection = kind(self.service.netloc, timeout=10)
        connection.request("POST", self.path.removeprefix("/pubsub"), body, headers)
        with connection.getresponse() as answer:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())
        connection.close()

    def log_message(self, *_: object) -> None:
        pass


def main(connection_string: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with WebPubSubServiceClient.from_connection_string(
            connection_string,
            hub="reverse_proxy",
            reverse_proxy_endpoint=f"http://127.0.0.1:{server.server_port}/pubsub",
        ) as service:
            Proxy.service = urlsplit(service.endpoint)

            # Tokens are for the service, whatever is in between.
            service.send_to_all({"hello": "through the proxy"})
            print("the service accepted it")

            # Clients connect to the service itself.
            url = urlsplit(service.get_client_access_token()["url"])
            print("a client connects to the service:", url.netloc == Proxy.service.netloc)
        server.shutdown()


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
