"""urllib3's connections and pools, with a deadline over all waits of a call.

urllib3 limits each wait: a name with several addresses, or a proxy or a head that drips, take that many times as long.
Here each wait ends, at the latest, when the call has to be over.
"""

from __future__ import annotations

import io
import socket
from collections import deque
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from functools import partial
from math import inf
from time import monotonic
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError
from urllib3.util import SKIP_HEADER
from urllib3.util.connection import create_connection

from ._connection_options import KEEPALIVE_SECONDS
from ._either_transport import Call

_PIECE = 1 << 16
_MAX_INTERIM = 100
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200

CALL: ContextVar[Call] = ContextVar("call")
"""The call that this thread is making: urllib3 has no way to hand it on to the connection that it chooses.

Its target, since urllib3 would write some escapes anew, and the token in the request is for this one; its body, since
that goes out with the head, in one packet in place of two; and its limits.
"""


class _Incoming(io.RawIOBase):
    """The incoming half of a socket: what http.client's response takes for the socket itself."""

    has_ended = False
    """Whether the other end has closed the connection."""
    is_over = False
    """Whether nothing more is to be read."""

    def __init__(self, connected: Any, call: Call) -> None:
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._call = call

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_over:
            return None
        self._socket.settimeout(self._call.wait())
        size: int = self._raw.readinto(buffer)
        self.has_ended = not size
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


_HttpResponse: Any = HTTPConnection.response_class


class _Answer(_HttpResponse):  # type: ignore[misc]
    """http.client's response; answers of the 100s are passed over, and a head that is none is refused."""

    def __init__(self, connection: Connection, connected: Any, **options: Any) -> None:
        self._connection = connection
        self._incoming = _Incoming(connected, connection.call)
        super().__init__(self._incoming, **options)

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            line: tuple[str, int, str] = super()._read_status()
            if line[1] >= _FIRST_FINAL_STATUS or line[1] == _SWITCHING_PROTOCOLS:
                return line
            while self.fp.readline(_PIECE).strip():
                pass
        raise ProtocolError("the answer does not come")

    def begin(self) -> None:
        super().begin()
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if self._incoming.has_ended or self.headers.defects or (coding is not None and not self.chunked):
            raise ProtocolError("the head of the answer is none")
        if self.status == _SWITCHING_PROTOCOLS or (self.chunked and length is not None):
            self.will_close = True  # who sends both headers may be two that do not agree where the body ends
        elif length is not None and not (length.isascii() and length.isdigit()):
            raise ProtocolError("Content-Length is no number")

    def _close_conn(self) -> None:
        self._incoming.is_over = True
        surplus = self.fp.peek(1)  # what came with the answer, and is none of it, is nobody's
        super()._close_conn()
        if surplus:
            self._connection.close()


class Connection(HTTPConnection):
    """A connection whose waits are those of the call that uses it."""

    call: Call
    fresh_until = inf
    """When it has rested too long to be used again."""

    @property
    def is_connected(self) -> bool:
        """Whether another request may be written to it, as far as this end can know."""
        return monotonic() < self.fresh_until and super().is_connected

    @property
    def response_class(self) -> Any:  # type: ignore[override]
        """What reads an answer."""
        return partial(_Answer, self)

    def connect(self) -> None:
        """Connect, in time."""
        self.call = CALL.get()
        self.call.connected_by = monotonic() + self.call.connection_timeout
        super().connect()

    def _new_conn(self) -> Any:
        """Connect to one of the addresses, each of which has its share of the time that is left."""
        addresses = socket.getaddrinfo(self._dns_host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        for left in range(len(addresses), 0, -1):
            with suppress(OSError) if left > 1 else nullcontext():  # the last one's error is that of all
                address = (str(addresses[-left][4][0]), self.port)
                connected = create_connection(address, self.call.wait() / left, socket_options=self.socket_options)
                connected.settimeout(self.call.wait())  # for the TLS handshake
                return connected
        raise OSError("the name has no address")

    def _tunnel(self) -> None:
        super()._tunnel()
        self.sock.settimeout(self.call.wait())

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ARG002 - see CALL
        """Begin a request: from here on it may have been sent."""
        self.call = CALL.get()
        self.call.wait()
        self.call.is_sent = True
        self.fresh_until = inf
        super().putrequest(method, self.call.target, *args, **options)

    def putheader(self, header: str, *values: str) -> None:  # type: ignore[override]
        """Write a header.

        All are checked before the call begins; that http.client and urllib3 check each again is a tenth of a send.
        """
        if values[0] is not SKIP_HEADER:
            self._output(f"{header}: {values[0]}".encode("latin-1"))  # type: ignore[attr-defined]

    def send(self, data: Any) -> None:
        """Write bytes, each piece in the time of one wait; the body goes with the head."""
        if self.call.is_sent:  # else they are for a proxy
            data += self.call.body or b""
        for start in range(0, len(data), _PIECE):
            self.sock.settimeout(self.call.wait())
            super().send(data if len(data) <= _PIECE else data[start : start + _PIECE])


class TlsConnection(Connection, HTTPSConnection):
    """The same over TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: Any) -> Any:
        connected: Any = super()._connect_tls_proxy(hostname, sock)
        receive = connected.recv

        def receive_in_time(*args: Any) -> Any:  # for the TLS within it, whose handshake may drip
            connected.settimeout(self.call.wait())
            return receive(*args)

        connected.recv = receive_in_time
        return connected


class Pool(HTTPConnectionPool):
    """Connections of one origin."""

    ConnectionCls = Connection

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.abandoned: deque[Any] = deque()
        """Answers that nobody has closed: each holds a place still."""

    def _get_conn(self, timeout: Any = None) -> Any:
        while self.abandoned:
            with suppress(IndexError):  # another thread was faster
                self.abandoned.pop().release_conn()
        return super()._get_conn(timeout)

    def _validate_conn(self, conn: Any) -> None:
        # Not with the request, where urllib3 passes over errors of a peer that may have answered.
        if conn.is_closed:
            conn.connect()

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.fresh_until = monotonic() + KEEPALIVE_SECONDS
        super()._put_conn(conn)


class TlsPool(Pool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = TlsConnection


POOLS: dict[str, type] = {"http": Pool, "https": TlsPool}
