"""aiohttp's connections, with a limit over all that connecting takes, and none used again that is not as it was."""

from __future__ import annotations

import asyncio
import sys
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any

from aiohttp import ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler

from .._connection_options import SOCKET_OPTIONS
from .._either_transport import Call

if sys.version_info >= (3, 11):
    from asyncio import timeout as within
    from asyncio import timeout_at as until
else:
    from async_timeout import timeout as within  # aiohttp brings it
    from async_timeout import timeout_at as until

__all__ = ["CALL", "WHOLE_BODY", "Connector", "until", "within"]

WHOLE_BODY = 1 << 16
"""Larger bodies aiohttp is to write piece by piece: asyncio hides how much still waits to be sent, and the time of
sending would be taken for the service's."""
_IDLE_SECONDS = 1.0

CALL: ContextVar[Call] = ContextVar("call")
"""The call that this task is making."""


class _Outgoing:
    """asyncio's transport; the head takes a small body along: aiohttp's task for it costs a tenth of a send."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        call = CALL.get(None)
        if call is not None and call.is_sent and call.with_head:  # before it is sent, a proxy is spoken to
            data, call.with_head = data + call.with_head, b""  # once, and not again below TLS
        self._transport.write(data)


class _Protocol(ResponseHandler):
    """aiohttp's end of a connection; it leaves who reads a body waiting when what comes is no HTTP any more."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Outgoing(transport))  # type: ignore[arg-type]

    def set_exception(self, exc: Any, *cause: Any) -> None:
        """Give an error to who waits for an answer, and to who reads its body."""
        payload = self._payload
        super().set_exception(exc, *cause)
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(exc)

    def close(self) -> None:
        """Close the connection at once: TLS waits for the other end's goodbye, perhaps longer than the loop runs."""
        self.abort()


class Connector(TCPConnector):
    """Makes, keeps and hands out the connections."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._factory: Any = partial(_Protocol, loop=asyncio.get_running_loop())
        self._used = 0.0

    async def connect(self, req: Any, traces: Any, timeout: ClientTimeout) -> Any:
        """Return a connection, after which the request may be sent."""
        now = monotonic()
        if now > self._used + _IDLE_SECONDS:
            # The loop may not have run since: let it see what happened to its sockets, with TLS in a few steps.
            for _ in range(5):
                await asyncio.sleep(0)
        self._used = now
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is not None and not connection.protocol.should_close:
                CALL.get().is_sent = True
                return connection
            connection.close()  # something came that nobody asked for: it would be taken for the answer

    async def _create_connection(self, req: Any, traces: Any, timeout: ClientTimeout) -> Any:
        async with within(timeout.sock_connect):
            protocol = await super()._create_connection(req, traces, timeout)
        if protocol.transport is not None:
            protocol.transport.set_write_buffer_limits(WHOLE_BODY)
            for option in SOCKET_OPTIONS:
                protocol.transport.get_extra_info("socket").setsockopt(*option)
        return protocol
