"""Send from many threads through one client: python samples/many_threads.py.

A client keeps as many connections as there are threads that use it, and closes them at the end of the ``with`` block.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

THREADS = 8
MESSAGES = 400


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="many_threads") as service,
        connect(service.get_client_access_token(user_id="ada")["url"], max_queue=None) as ada,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        started = perf_counter()
        # map() gives each call's result, or raises what the call raised: no failed send goes unnoticed.
        for _ in pool.map(lambda number: service.send_to_all(str(number), content_type="text/plain"), range(MESSAGES)):
            pass
        received = [int(ada.recv(timeout=10)) for _ in range(MESSAGES)]
        seconds = perf_counter() - started

        print(f"{THREADS} threads sent {MESSAGES} messages, {len(set(received))} different ones arrived, in any order")
        print(f"{MESSAGES / seconds:.0f} messages a second, each a request of its own")


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
