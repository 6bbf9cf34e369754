"""A WebSocket client for tests that waits: what ``emulator.connect(...)`` gives to ``with``.

A real client on a real socket, so what it receives is what a browser would. It knows the service from outside, but for
what :class:`Place` tells of the emulator: who the client is, and what was sent meanwhile. What it shares with
``_client_async`` stands here.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from ._arrivals import (
    LOST,
    Arrivals,
    ClientClosedError,
    ClientRefusedError,
    as_bytes,
    as_json,
    as_text,
    check_type,
    dump_json,
)

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection as Socket
    from websockets.typing import Subprotocol

    from ._record import RecordedSend

__all__ = ["Client", "Identity", "Place", "WebSocketClient", "refusal"]

# At DEBUG, websockets logs the URL of a connection, and with it the token.
_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator.client")
_LOGGER.setLevel(logging.INFO)


class Identity(NamedTuple):
    """Who a client is, as the service knows it; ``is_greeted`` if a ``connected`` frame comes first."""

    connection_id: str
    user_id: str | None
    is_greeted: bool


@dataclass(frozen=True)
class Place:
    """Where and as what a client connects, and whom to ask about it."""

    url: str = field(repr=False)
    address: tuple[str, int]
    hub: str
    subprotocol: str | None
    timeout: float
    #: Tells who the client at a local address is; None if it is not connected (any more).
    identify: Callable[[tuple[Any, ...]], Identity | None]
    #: Tells what the service was given to send.
    sends: Callable[[], Sequence[RecordedSend]]
    #: Tells whether waiting in the calling thread would stop the emulator.
    must_not_wait: Callable[[], bool]

    def options(self) -> dict[str, Any]:
        """Return what both clients of ``websockets`` are told; messages wait in memory until they are received."""
        offer: list[Subprotocol] | None = [self.subprotocol] if self.subprotocol else None  # type: ignore[list-item]
        return {
            "subprotocols": offer,
            "compression": None,
            "max_size": None,
            "max_queue": None,
            "open_timeout": self.timeout,
            "close_timeout": self.timeout,
            "logger": _LOGGER,
        }


class Client:
    """What both clients know, and how they read and tell what has arrived."""

    def __init__(self, place: Place, address: tuple[Any, ...], subprotocol: str | None) -> None:
        identity = place.identify(address)
        if identity is None:
            raise ClientClosedError(LOST, "", "It was open for a moment only: the emulator's log says why, at INFO.")
        #: Id of the connection.
        self.connection_id: str = identity.connection_id
        #: Id of the user, None for an anonymous client.
        self.user_id: str | None = identity.user_id
        #: Subprotocol that was agreed on, None for a simple client.
        self.subprotocol: str | None = subprotocol
        self._place = place
        self._is_greeted = identity.is_greeted
        self._arrivals = Arrivals()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} user_id:{self.user_id!r} connection_id:{self.connection_id!r}>"

    def _nothing(self) -> TimeoutError:
        return TimeoutError(f"nothing arrived at {self!r} within {self._place.timeout:g} s. {self._story()}")

    def _closed(self, error: ConnectionClosed) -> ClientClosedError:
        # The words of the side that closed first; none when the connection was lost.
        frame = error.rcvd if error.rcvd_then_sent else error.sent or error.rcvd
        return ClientClosedError(frame.code if frame else LOST, frame.reason if frame else "", self._story())

    def _story(self) -> str:
        hub = self._place.hub.lower()
        return self._arrivals.story([each for each in self._place.sends() if each.hub == hub])


class WebSocketClient(Client):
    """A client of the emulator that waits: what ``with emulator.connect(...)`` gives.

    Without a subprotocol, a message is bare data. With one, every message is a frame, as JSON or protobuf; the
    ``connected`` frame has been received already.
    """

    def __init__(self, place: Place) -> None:
        # To a socket of its own, neither proxies of the environment nor the name in the URL say where it leads.
        sock = socket.create_connection(place.address, timeout=place.timeout)
        # The time limit is for connecting; later it would end a connection that is silent for as long.
        sock.settimeout(None)
        address = sock.getsockname()
        try:
            # Entered, not called: websockets 17 wants it so. Closing it is what leaving would do.
            self._socket: Socket = connect(place.url, sock=sock, **place.options()).__enter__()
        except InvalidStatus as error:
            raise refusal(error) from None
        try:
            super().__init__(place, address, self._socket.subprotocol)
            if self._is_greeted:
                self.receive()
                self._arrivals = Arrivals()
        except BaseException:
            self._socket.close()
            raise

    def receive(self) -> str | bytes:
        """Return the next message: text as ``str``, binary as ``bytes``.

        :raises TimeoutError: if none comes within the client's timeout; the error says what has arrived before.
        :raises ClientClosedError: if the connection is closed.
        """
        try:
            return self._arrivals.note(self._socket.recv(timeout=self._place.timeout))
        except TimeoutError:
            raise self._nothing() from None
        except ConnectionClosed as error:
            raise self._closed(error) from None

    def receive_json(self) -> Any:
        """Return the value of the next message, which has to be JSON: the data, or a whole frame with a subprotocol.

        :raises ValueError: if it is something else; the error says what.
        :raises TimeoutError: as :meth:`receive`.
        :raises ClientClosedError: as :meth:`receive`.
        """
        return as_json(self.receive())

    def receive_text(self) -> str:
        """Return the next message, which has to be text.

        :raises ValueError: if it is binary; the error says what it is.
        :raises TimeoutError: as :meth:`receive`.
        :raises ClientClosedError: as :meth:`receive`.
        """
        return as_text(self.receive())

    def receive_bytes(self) -> bytes:
        """Return the next message, which has to be binary.

        :raises ValueError: if it is text; the error says what it is.
        :raises TimeoutError: as :meth:`receive`.
        :raises ClientClosedError: as :meth:`receive`.
        """
        return as_bytes(self.receive())

    def send_json(self, value: Any) -> None:
        """Send a value as JSON text: the data of an event, or a whole frame with a JSON subprotocol.

        :param value: What ``json.dumps`` takes.
        :raises ClientClosedError: if the connection is closed.
        """
        self.send_text(dump_json(value))

    def send_text(self, text: str) -> None:
        """Send a text message.

        :param str text: The message.
        :raises ClientClosedError: if the connection is closed.
        """
        self._send(check_type(text, str))

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        :param bytes data: The message.
        :raises ClientClosedError: if the connection is closed.
        """
        self._send(check_type(data, bytes))

    def _send(self, message: str | bytes) -> None:
        try:
            self._socket.send(message)
        except ConnectionClosed as error:
            raise self._closed(error) from None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and return when the service has answered. Does nothing if it is closed already.

        :param int code: Close code: 1000, which ends a session, or 3000 to 4999.
        :param str reason: Reason, at most 123 bytes of UTF-8.
        """
        self._socket.close(code, reason)


def refusal(error: InvalidStatus) -> ClientRefusedError:
    """Return what an answer other than the upgrade means."""
    return ClientRefusedError(error.response.status_code, bytes(error.response.body or b"").decode("utf-8", "replace"))
