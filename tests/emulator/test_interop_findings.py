"""What published clients have found in the emulator, without those clients."""

import asyncio
import socket

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")

pytest.importorskip("websockets", reason="websockets is not installed")

from urllib.parse import urlsplit

from websockets.asyncio.client import connect

from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator


class Answer:
    status = 204
    headers = {}  # noqa: RUF012
    body = b""


async def open_reliable_client(emulator):
    """Return the socket of a client that has got its first frame."""
    loop, url = asyncio.get_running_loop(), urlsplit(emulator.client_url("chat"))
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, (url.hostname, url.port))
    head = (
        f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: json.reliable.webpubsub.azure.v1\r\n\r\n"
    )
    await loop.sock_sendall(client, head.encode())
    read = b""
    while b'"connected"' not in read:
        read += await loop.sock_recv(client, 65536)
    return client


def test_session_ends_with_a_normal_close_even_if_the_client_is_gone_before_the_answer():
    # aiohttp's clients may do so: close frame and end of the socket at once, so that what we write meets a reset.
    async def main():
        watcher = EventHandler(handler=lambda *_: Answer(), system_events=["disconnected"])
        async with WebPubSubEmulator(event_handlers={"chat": watcher}) as emulator:
            with await open_reliable_client(emulator) as client:
                # The emulator, in this very loop, sees both at once.
                client.send(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
            # Now, not after the recovery window.
            await emulator.record.wait_for_async(lambda record: len(record.webhooks) == 1)

    asyncio.run(main())


def test_offer_of_compression_is_not_taken_up():
    # JavaScript clients make it.
    async def main():
        async with WebPubSubEmulator() as emulator, connect(emulator.client_url("chat"), proxy=None) as client:
            assert "permessage-deflate" in client.request.headers["Sec-WebSocket-Extensions"]
            assert "Sec-WebSocket-Extensions" not in client.response.headers

    asyncio.run(main())
