"""What published clients have found in the emulator, without those clients."""

import socket
import struct

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")

from urllib.parse import urlsplit

from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator

WAIT = 10


class Answer:
    status = 204
    headers = {}  # noqa: RUF012
    body = b""


def open_reliable_client(emulator):
    """Return the socket of a client that has got its first frame."""
    url = urlsplit(emulator.client_url("chat"))
    client = socket.create_connection((url.hostname, url.port), WAIT)
    head = (
        f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: json.reliable.webpubsub.azure.v1\r\n\r\n"
    )
    client.sendall(head.encode())
    read = b""
    while b'"connected"' not in read:
        read += client.recv(65536)
    return client


def test_session_ends_with_a_normal_close_even_if_the_client_is_gone_before_the_answer():
    # aiohttp's clients do so: close frame, then the end of the socket with bytes unread, which resets the connection.
    watcher = EventHandler(handler=lambda *_: Answer(), system_events=["disconnected"])
    with WebPubSubEmulator(event_handlers={"chat": watcher}) as emulator:
        for number in range(1, 21):
            with open_reliable_client(emulator) as client:
                client.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # At once, not after the recovery window.
            emulator.record.wait_for(lambda record, number=number: len(record.webhooks) == number)
