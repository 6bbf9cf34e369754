"""aiohttp's connections, with a limit over all that connecting takes, and none used again that is not as it was."""

from __future__ import annotations

import asyncio
import sys
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._connection_options import socket_options

try:
    from aiohttp import ClientTimeout, TCPConnector
    from aiohttp.client_proto import ResponseHandler
except ImportError as missing:
    raise ImportError(
        "The asynchronous client needs aiohttp, which is not installed:"
        ' pip install "azure-messaging-webpubsubservice[aio]"'
    ) from missing

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout  # type: ignore[import-not-found,unused-ignore]  # aiohttp's

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_IDLE_SECONDS = 1.0
WRITE_BUFFER = 1 << 16
"""How much of a request may wait to be written before its sender does."""

limited = timeout
"""Limits a block to so many seconds."""


class Call:
    """What is to be known of a call when aiohttp gives no answer."""

    __slots__ = ("deadline", "is_sent", "limits", "started")

    def __init__(self, limits: ClientTimeout, deadline: float | None) -> None:
        self.limits = limits
        self.started = monotonic()
        if deadline is None:
            # aiohttp sets no limit to a peer that does not read.
            deadline = self.started + (limits.sock_connect or 0.0) + (limits.sock_read or 0.0)
        self.deadline: float = deadline
        self.is_sent = False
        """Whether some of the request may have reached the service."""

    def seconds(self) -> float | None:
        """Return the limit that ran out, for an error."""
        if monotonic() >= self.deadline:
            return max(self.deadline - self.started, 0.0)
        return self.limits.sock_read if self.is_sent else self.limits.sock_connect


CALL: ContextVar[Call] = ContextVar("call")
"""The call that this task is making."""


class _Protocol(ResponseHandler):
    """aiohttp's end of a connection; it leaves who reads a body waiting when what comes is no HTTP any more."""

    def set_exception(self, exc: Any, *cause: Any) -> None:
        """Give an error to who waits for an answer, and to who reads its body."""
        payload = self._payload
        super().set_exception(exc, *cause)
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(exc)

    def close(self) -> None:
        """Close the connection at once: TLS waits for the other end's goodbye, perhaps longer than the loop runs."""
        transport = self.transport
        super().close()
        if transport is not None:
            transport.abort()


class Connector(TCPConnector):
    """aiohttp's connections, with a limit over all that connecting takes, and none used again that is not as it was."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._factory = partial(_Protocol, loop=asyncio.get_running_loop())  # type: ignore[assignment]  # invariant
        self._used = 0.0

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        """Return a connection, after which the request may be sent."""
        now = monotonic()
        if now > self._used + _IDLE_SECONDS:
            # The loop may not have run since: let it see what happened to its sockets, with TLS in a few steps.
            for _ in range(5):
                await asyncio.sleep(0)
        self._used = now
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close:
                CALL.get().is_sent = True
                return connection
            connection.close()  # something came that nobody asked for: it would be taken for the answer

    async def _create_connection(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Any:
        async with limited(timeout.sock_connect):
            protocol = await super()._create_connection(req, traces, timeout)
        transport = protocol.transport
        connected = None if transport is None else transport.get_extra_info("socket")
        if transport is not None and connected is not None:
            # With TLS it would be eight times that: the wait for the answer begins when it is written so far.
            transport.set_write_buffer_limits(WRITE_BUFFER)
            for option in socket_options():
                connected.setsockopt(*option)
        return protocol
