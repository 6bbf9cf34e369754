"""Build requests and send them, as the library's first README did: python samples/send_messages.py."""

import os
import tempfile
from pathlib import Path

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.rest import build_send_to_all_request, build_send_to_group_request


def main(connection_string: str) -> None:
    with WebPubSubServiceClient.from_connection_string(connection_string) as client:
        print(client)

        # JSON: any value that has a JSON form.
        request = build_send_to_all_request("default", json={"Hello": "webpubsub!"})
        print(request)
        response = client.send_request(request)
        print(response.status_code, response.reason)

        # A file, sent as it is under the type that you name.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "file.json")
            path.write_text('{"Hello": "from a file"}', encoding="utf-8")
            with path.open(encoding="utf-8") as file:
                request = build_send_to_all_request("ahub", content=file, content_type="application/json")
        print(client.send_request(request).status_code)

        # Text and bytes know their types by themselves.
        for content in ("a text", b"\x00\x01 some bytes"):
            request = build_send_to_group_request("default", "readers", content=content)
            print(request.headers["Content-Type"], client.send_request(request).status_code)

        # The operation methods do the same in one call, and raise where the service refuses.
        client.send_to_all({"Hello": "webpubsub!"}, hub="default")


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
