"""urllib3's connections and pools, with a deadline over all waits of a call, and a stricter reading of answers' heads.

urllib3 and http.client limit each wait: a name with several addresses, a proxy or a head that drips take many times as
long. Here each wait ends, at the latest, when the call has to be over.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse, parse_headers
from math import inf
from threading import TIMEOUT_MAX
from time import monotonic
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.connection import allowed_gai_family

from ._connection_options import KEEPALIVE_SECONDS

_MAX_INTERIM = 100
_MAX_DIGITS = 18
_PIECE = 1 << 16
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200


class Call:
    """What urllib3 has no way to hand on to the connection that it chooses for a call.

    :param str target: What goes into the request line; urllib3 would write some escapes anew.
    :param bytes body: The body, which goes out with the head: one write, and one packet, in place of two.
    :param float connection_timeout: Seconds for connecting.
    :param float read_timeout: Seconds for each wait after that.
    :param float deadline: When all has to be over, as ``time.monotonic()`` counts; infinity for no such time.
    """

    __slots__ = (
        *("_connected_by", "_connection_timeout", "_read_timeout", "_started"),
        *("body", "deadline", "is_sent", "target"),
    )

    def __init__(
        self, target: str, body: bytes, *, connection_timeout: float, read_timeout: float, deadline: float
    ) -> None:
        self.target = target
        self.body = body
        self.deadline = deadline
        self.is_sent = False
        """Whether some of the request may have reached the service."""
        self._connection_timeout = connection_timeout
        self._read_timeout = read_timeout
        self._connected_by = inf
        self._started = monotonic()

    def connecting(self) -> None:
        """Note that connecting begins."""
        self._connected_by = monotonic() + self._connection_timeout

    def wait(self) -> float:
        """Return the seconds that the next wait may take.

        :raises TimeoutError: if there is no time left.
        """
        now = monotonic()
        left = min(self.deadline - now, self._read_timeout if self.is_sent else self._connected_by - now)
        if left <= 0:
            raise TimeoutError("the time is over")
        return left

    @property
    def pool_timeout(self) -> Any:
        """The seconds to wait for a free connection, which urllib3 declares as a whole number."""
        return max(min(self.deadline - monotonic(), TIMEOUT_MAX), 0.0)

    @property
    def seconds(self) -> float:
        """The limit that ran out, for an error."""
        if monotonic() >= self.deadline:
            return max(self.deadline - self._started, 0.0)
        return self._read_timeout if self.is_sent else self._connection_timeout


CALL: ContextVar[Call] = ContextVar("call")
"""The call that this thread is making."""


class _Incoming(io.RawIOBase):
    """The incoming half of a socket."""

    def __init__(self, connected: Any, call: Call) -> None:
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._call = call
        self.is_over = False
        """Whether nothing more is to be read from the socket."""
        self.has_ended = False
        """Whether the other end has closed the connection."""

    def makefile(self, _: str) -> io.BufferedReader:
        """Be what http.client's response takes for a socket."""
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


class _Answer(HTTPResponse):
    """http.client's response: answers of the 100s are passed over, and a head that is none is refused."""

    def __init__(self, connection: Connection, connected: Any, **options: Any) -> None:
        self._connection = connection
        self._incoming = _Incoming(connected, connection.call)
        super().__init__(self._incoming, **options)  # type: ignore[arg-type]  # makefile is all it uses

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if line[1] >= _FIRST_FINAL_STATUS or line[1] == _SWITCHING_PROTOCOLS:
                return line
            parse_headers(self.fp)
        raise HTTPException("the answer does not come")

    def begin(self) -> None:
        super().begin()
        if self._incoming.has_ended:
            raise HTTPException("the connection ended within the headers")
        length, coding = self.headers.get("content-length"), self.headers.get("transfer-encoding")
        if self.headers.defects or (coding is not None and not self.chunked):
            raise HTTPException("a line of the headers is none")
        if self.status == _SWITCHING_PROTOCOLS or (self.chunked and length is not None):
            # Who sends both headers may be two that do not agree where the body ends.
            self.will_close = True
        elif length is not None and not (length.isascii() and length.isdigit() and len(length) <= _MAX_DIGITS):
            raise HTTPException("Content-Length is no number")

    def _close_conn(self) -> None:
        self._incoming.is_over = True
        surplus = self.fp.peek(1)
        super()._close_conn()  # type: ignore[misc]
        if surplus:
            self._connection.close()
        self._connection.fresh_until = monotonic() + KEEPALIVE_SECONDS


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
    def response_class(self) -> Callable[..., Any]:  # type: ignore[override]
        """What reads an answer."""
        return lambda connected, **options: _Answer(self, connected, **options)

    def connect(self) -> None:
        """Connect, in time."""
        self.call = CALL.get()
        self.call.connecting()
        self.fresh_until = inf
        super().connect()

    def _new_conn(self) -> socket.socket:
        """Connect to one of the addresses, each of which has its share of the time that is left."""
        addresses = socket.getaddrinfo(self._dns_host.strip("[]"), self.port, allowed_gai_family(), socket.SOCK_STREAM)
        failure: OSError | None = None
        for number, (family, kind, protocol, _, address) in enumerate(addresses):
            connected = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    connected.setsockopt(*option)
                connected.settimeout(self.call.wait() / (len(addresses) - number))
                connected.connect(address)
                connected.settimeout(self.call.wait())  # for the TLS handshake
            except OSError as error:
                failure = error
                connected.close()
            except BaseException:
                connected.close()
                raise
            else:
                return connected
        raise failure or OSError("the name has no address")

    def _tunnel(self) -> None:
        super()._tunnel()
        self.sock.settimeout(self.call.wait())

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ARG002 - the call has it
        """Begin a request: from here on it may have been sent."""
        self.call = CALL.get()
        self.call.wait()
        self.call.is_sent = True
        super().putrequest(method, self.call.target, *args, **options)

    def send(self, data: Any) -> None:
        """Write bytes, each piece in the time of one wait; the body goes with the head."""
        call = self.call
        if call.is_sent:  # else they are for a proxy
            data += call.body
        for start in range(0, len(data), _PIECE):
            self.sock.settimeout(call.wait())
            super().send(data if len(data) <= _PIECE else data[start : start + _PIECE])


class _ToProxy:
    """The TLS socket to a proxy, as the TLS within it uses it: it waits anew for each byte that comes."""

    def __init__(self, connected: Any, connection: Connection) -> None:
        self._socket = connected
        self._connection = connection

    def recv(self, *args: Any) -> bytes:
        """Receive some bytes, in time."""
        self._socket.settimeout(self._connection.call.wait())
        data: bytes = self._socket.recv(*args)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class TlsConnection(Connection, HTTPSConnection):
    """The same over TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        connected = super()._connect_tls_proxy(hostname, sock)
        return _ToProxy(connected, self) if self.proxy_is_tunneling else connected


class Pool(HTTPConnectionPool):
    """Connections of one origin."""

    ConnectionCls = Connection

    def _validate_conn(self, conn: Any) -> None:
        # Not with the request, where urllib3 passes over errors of a peer that may have answered.
        if conn.is_closed:
            conn.connect()


class TlsPool(HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = TlsConnection

    def _validate_conn(self, conn: Any) -> None:
        if conn.is_closed:
            conn.connect()
