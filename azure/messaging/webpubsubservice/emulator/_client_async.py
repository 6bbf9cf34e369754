"""A WebSocket client for tests to await: what ``emulator.connect(...)`` gives to ``async with``.

The same as the one in ``_client``, in an event loop: the test's, which may be the emulator's own.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ._arrivals import Arrivals, as_bytes, as_json, as_text, check_type, dump_json
from ._client import Client, Place, refusal

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection as Socket

__all__ = ["AsyncWebSocketClient"]


class AsyncWebSocketClient(Client):
    """A client of the emulator to await: what ``async with emulator.connect(...)`` gives.

    Without a subprotocol, a message is bare data. With one, every message is a frame, as JSON or protobuf; the
    ``connected`` frame has been received already.
    """

    def __init__(self, place: Place, address: tuple[Any, ...], connection: Socket) -> None:
        super().__init__(place, address, connection.subprotocol)
        self._socket = connection

    @classmethod
    async def _connect(cls, place: Place) -> AsyncWebSocketClient:
        sock = await _open(place)
        address = sock.getsockname()
        try:
            connection = await connect(place.url, sock=sock, **place.options())
        except InvalidStatus as error:
            raise refusal(error) from None
        try:
            client = cls(place, address, connection)
            if client._is_greeted:
                await client.receive()
                client._arrivals = Arrivals()
        except BaseException:
            await connection.close()
            raise
        return client

    async def receive(self) -> str | bytes:
        """Return the next message: text as ``str``, binary as ``bytes``.

        :raises TimeoutError: if none comes within the client's timeout; the error says what has arrived before.
        :raises ClientClosedError: if the connection is closed.
        """
        try:
            return self._arrivals.note(await asyncio.wait_for(self._socket.recv(), self._place.timeout))
        except (TimeoutError, asyncio.TimeoutError):
            raise self._nothing() from None
        except ConnectionClosed as error:
            raise self._closed(error) from None

    async def receive_json(self) -> Any:
        """Return the value of the next message, which has to be JSON: the data, or a whole frame with a subprotocol.

        :raises ValueError: if it is something else; the error says what.
        :raises TimeoutError: as :meth:`receive`.
        :raises ClientClosedError: as :meth:`receive`.
        """
        return as_json(await self.receive())

    async def receive_text(self) -> str:
        """Return the next message, which has to be text.

        :raises ValueError: if it is binary; the error says what it is.
        :raises TimeoutError: as :meth:`receive`.
        :raises ClientClosedError: as :meth:`receive`.
        """
        return as_text(await self.receive())

    async def receive_bytes(self) -> bytes:
        """Return the next message, which has to be binary.

        :raises ValueError: if it is text; the error says what it is.
        :raises TimeoutError: as :meth:`receive`.
        :raises ClientClosedError: as :meth:`receive`.
        """
        return as_bytes(await self.receive())

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text: the data of an event, or a whole frame with a JSON subprotocol.

        :param value: What ``json.dumps`` takes.
        :raises ClientClosedError: if the connection is closed.
        """
        await self.send_text(dump_json(value))

    async def send_text(self, text: str) -> None:
        """Send a text message.

        :param str text: The message.
        :raises ClientClosedError: if the connection is closed.
        """
        await self._send(check_type(text, str))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        :param bytes data: The message.
        :raises ClientClosedError: if the connection is closed.
        """
        await self._send(check_type(data, bytes))

    async def _send(self, message: str | bytes) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise self._closed(error) from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and return when the service has answered. Does nothing if it is closed already.

        :param int code: Close code: 1000, which ends a session, or 3000 to 4999.
        :param str reason: Reason, at most 123 bytes of UTF-8.
        """
        await self._socket.close(code, reason)


async def _open(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, place.address), place.timeout)
    except BaseException:
        sock.close()
        raise
    return sock
