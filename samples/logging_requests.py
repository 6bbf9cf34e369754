"""See in the log what is sent and answered, without its secrets: python samples/logging_requests.py.

The library logs as azure-core does, to loggers below "azure": a line or two a request at INFO, and headers and bodies
at DEBUG where ``logging_enable`` is set. Keys and tokens are not in it.
"""

import logging
import os
import sys

from azure.core.exceptions import ResourceNotFoundError

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

# Your own program's handler; the emulator's and other libraries' messages are left out below WARNING.
logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(levelname)s %(message)s")
azure = logging.getLogger("azure.core")


def main(connection_string: str) -> None:
    with WebPubSubServiceClient.from_connection_string(connection_string, hub="logging") as service:
        print("== INFO: each request and its answer")
        azure.setLevel(logging.INFO)
        service.send_to_all("hello", headers={"x-secret": "not shown"})

        print("== DEBUG, for one call: headers and bodies too; the token is REDACTED")
        azure.setLevel(logging.DEBUG)
        service.send_to_all({"hello": "log"}, logging_enable=True)

        print("== what the service said, in the error that it became")
        azure.setLevel(logging.WARNING)
        try:
            service.add_connection_to_group("lobby", "not-there", request_id="my-own-id")
        except ResourceNotFoundError as error:
            print(error.status_code, error.reason)
            print(error.error.code, error.error.message)
            print("asked as", error.response.request.headers["x-ms-client-request-id"])


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
