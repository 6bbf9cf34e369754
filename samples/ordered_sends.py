"""Send in order for each group, and to different groups side by side: python samples/ordered_sends.py."""

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from zlib import crc32

from websockets import Subprotocol
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator


class OrderedSender:
    """Sends to groups. What is put for one group is sent in that order."""

    def __init__(self, service: WebPubSubServiceClient, lanes: int = 8) -> None:
        self._service = service
        self._lanes = [ThreadPoolExecutor(1) for _ in range(lanes)]

    def send(self, group: str, message: object) -> Future[None]:
        """Return at once; the future ends when the service has accepted the message, or holds the error."""
        lane = self._lanes[crc32(group.encode()) % len(self._lanes)]
        return lane.submit(self._service.send_to_group, group, message)

    def close(self) -> None:
        """Wait until all that was put is sent."""
        for lane in self._lanes:
            lane.shutdown()


def main(connection_string: str) -> None:
    games = ["chess", "go", "checkers"]
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="ordered_sends") as service,
        connect(
            service.get_client_access_token(groups=games)["url"],
            subprotocols=[Subprotocol("json.webpubsub.azure.v1")],
        ) as client,
    ):
        client.recv(timeout=10)  # it is connected
        sender = OrderedSender(service)
        results = [sender.send(game, move) for move in range(1, 21) for game in games]
        sender.close()
        for result in results:
            result.result()  # raises what a send raised

        received: dict[str, list[int]] = {game: [] for game in games}
        for _ in results:
            frame = json.loads(client.recv(timeout=10))
            received[frame["group"]].append(frame["data"])
        for game, moves in received.items():
            print(f"{game}: moves {moves[0]} to {moves[-1]},", "in order" if moves == sorted(moves) else "mixed up")


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
