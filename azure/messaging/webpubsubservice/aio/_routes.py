"""Ways to origins: connections of an event loop's, how they are made, and those that are kept between requests.

The asyncio twin of the sync transport's ``_routes``. Connecting and sending are two steps with two kinds of errors
here, because a publisher has to know whether a failed request was sent.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from .._connection_options import Certificate, ConnectionOptions, Verify, describe, not_sent
from .._http1 import request_head
from .._limits import Limits
from .._urls import Origin, ProxyUrl, proxy_of
from ._connecting import connect_socket, end_task
from ._connection import Connection

_PROXY_SCHEMES = ("http", "https")
# After a rest as long as this, the loop is given the time to see what became of a connection meanwhile.
_IDLE_SECONDS = 0.05
_TLS_WITHIN_TLS = (3, 11)


class Route:
    """One way to one origin: how to connect, and the open connections that wait for their next request.

    There are as many connections as there are requests under way; the one used last is taken first, so that the others
    may rest, and close.

    :param connections: Takes note of all connections that are open, or on their way.
    :type connections: set[Connection]
    :param origin: Where it leads.
    :type origin: Origin
    :param str where: Its name in errors.
    :keyword tls: The TLS context for the origin, None without TLS.
    :paramtype tls: ~ssl.SSLContext or None
    :keyword proxy: The proxy on the way, None for none.
    :paramtype proxy: ProxyUrl or None
    :keyword proxy_tls: The TLS context for the proxy, None without TLS.
    :paramtype proxy_tls: ~ssl.SSLContext or None
    """

    __slots__ = (
        "_connections",
        "_idle",
        "_origin",
        "_proxy",
        "_proxy_tls",
        "_tls",
        "closed",
        "forward",
        "headers",
        "where",
    )

    def __init__(
        self,
        connections: set[Connection],
        origin: Origin,
        where: str,
        *,
        tls: ssl.SSLContext | None,
        proxy: ProxyUrl | None = None,
        proxy_tls: ssl.SSLContext | None = None,
    ) -> None:
        forwards = proxy is not None and tls is None
        self._connections = connections
        self._origin = origin
        self._tls = tls
        self._proxy = proxy
        self._proxy_tls = proxy_tls
        self._idle: list[Connection] = []
        self.closed: bool = False
        self.where: str = where
        self.forward: str = origin.url if forwards else ""
        """What precedes the path in the request line: the origin, for a proxy that forwards; else nothing."""
        self.headers: list[tuple[str, str]] = [("Host", origin.authority)]
        """Headers that every request on this way has."""
        if forwards and proxy is not None:
            self.headers += proxy.headers

    def take(self) -> Connection | None:
        """Return a connection that was used just now, None if there is none."""
        idle = self._idle
        if idle and idle[-1].rested() < _IDLE_SECONDS:
            return idle.pop()
        return None

    async def obtain(self, loop: asyncio.AbstractEventLoop, seconds: float) -> Connection:
        """Return a connection that is open as far as this end can know.

        :param loop: The running event loop.
        :type loop: ~asyncio.AbstractEventLoop
        :param float seconds: How long connecting may take.
        :return: The connection.
        :rtype: Connection
        :raises ~azure.core.exceptions.ServiceRequestError: if there is none to be had.
        """
        if self._idle:
            # The loop may not have run since they were used, as in a notebook: let it see which were closed meanwhile.
            await asyncio.sleep(0)  # looks at the sockets
            await asyncio.sleep(0)  # and reads the end of a connection
            while self._idle:
                connection = self._idle.pop()
                if connection.is_usable:
                    return connection
                connection.abort()
        return await self._connect(loop, seconds)

    async def _connect(self, loop: asyncio.AbstractEventLoop, seconds: float) -> Connection:
        connection = Connection(loop, self.forget)
        self._connections.add(connection)
        # In a task, which ends by itself or is ended here: the limits of a wait_for lose a connection that comes when
        # the caller is cancelled.
        task = loop.create_task(self._open(loop, connection, seconds))
        try:
            done, _ = await asyncio.wait((task,), timeout=max(seconds, 0))
            error = task.exception() if done else None
            if done and error is None and connection.is_open:
                return connection
        except BaseException:
            try:
                await end_task(task)
            finally:
                self._drop(connection)  # also when the wait is cancelled, as anyio does again and again
            raise
        await end_task(task)
        self._drop(connection)
        if not done:
            raise not_sent(self.where, "", None, seconds)
        if isinstance(error, TimeoutError):
            raise not_sent(self.where, "", error, seconds) from error
        if isinstance(error, (OSError, HTTPException, UnicodeError)):
            raise not_sent(self.where, error, error) from error
        raise error or not_sent(self.where, "it was closed at once", None)

    async def _open(self, loop: asyncio.AbstractEventLoop, connection: Connection, seconds: float) -> None:
        first: Origin | ProxyUrl = self._proxy or self._origin
        tls = self._tls if self._proxy is None else self._proxy_tls
        connected = await connect_socket(loop, first.host, first.port or 0)
        if tls is None and isinstance(loop, asyncio.SelectorEventLoop):  # which closes it after connection_lost
            connection.last_words_of = connected
        await loop.create_connection(
            lambda: connection, sock=connected, ssl=tls, **_tls_options(tls, first.host, seconds)
        )
        if self._proxy is not None and self._tls is not None:
            await self._tunnel(connection, self._proxy, seconds)
            connection.last_words_of = None
            tls_options = _tls_options(self._tls, self._origin.host, seconds)
            connection.transport = await loop.start_tls(connection.transport, connection, self._tls, **tls_options)

    async def _tunnel(self, connection: Connection, proxy: ProxyUrl, seconds: float) -> None:
        host, port = self._origin.host, self._origin.port
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = request_head("CONNECT", target, [("Host", target), *proxy.headers])
        limits = Limits(seconds, None)
        answer = await connection.exchange(head, None, limits, chunked=False, bodiless=True)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise HTTPException(f"the proxy says {answer.status} {answer.reason}")
        if connection.take(1):
            raise HTTPException("the proxy says more than it should")

    def release(self, connection: Connection, *, keep_alive: bool) -> None:
        """Keep a connection whose answer was read to its end for the next request, or close it."""
        if self.closed or not keep_alive:
            connection.abort()
        elif connection.rest():
            self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Do not use a connection again that has come to its end."""
        with suppress(ValueError):
            self._idle.remove(connection)
        if connection.is_lost:
            self._connections.discard(connection)

    def _drop(self, connection: Connection) -> None:
        connection.abort()
        self._connections.discard(connection)

    def close(self) -> None:
        """Close the waiting connections; those in use are closed when they come back."""
        self.closed = True
        for connection in list(self._idle):
            connection.abort()


def make_route(
    connections: set[Connection],
    options: ConnectionOptions,
    origin: Origin,
    *,
    proxies: Mapping[str, str] | None = None,
    verify: Verify | None = None,
    cert: Certificate | None = None,
) -> Route:
    """Return the way to an origin for these settings; None stands for the transport's own.

    :param connections: Takes note of all connections that are open, or on their way.
    :type connections: set[Connection]
    :param options: The transport's options.
    :type options: ConnectionOptions
    :param origin: Where it leads.
    :type origin: Origin
    :keyword proxies: The call's proxies.
    :paramtype proxies: Mapping[str, str] or None
    :keyword verify: The call's ``connection_verify``.
    :paramtype verify: bool or str or None
    :keyword cert: The call's ``connection_cert``.
    :paramtype cert: str or tuple[str, str] or None
    :return: The way, without a connection yet.
    :rtype: Route
    :raises ValueError: if the proxy's URL is not valid, or the proxy of a kind that there is no way through.
    """
    url = options.proxy_for(origin.scheme, origin.host, origin.port, proxies)
    where = describe(origin.scheme, origin.host, origin.port, url)
    tls = options.tls_context(verify, cert) if origin.scheme == "https" else None
    if url is None:
        return Route(connections, origin, where, tls=tls)
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError(f"The async client's proxies must start with http or https: {where}")
    proxy = proxy_of(url, where, _PROXY_SCHEMES)
    proxy_tls = options.tls_context(verify) if proxy.scheme == "https" else None
    if tls and proxy_tls and sys.version_info < _TLS_WITHIN_TLS:
        raise ValueError(
            f"The async client reaches https through a proxy that is https itself from Python 3.11 on: {where}"
        )
    return Route(connections, origin, where, tls=tls, proxy=proxy, proxy_tls=proxy_tls)


def _tls_options(tls: ssl.SSLContext | None, host: str, seconds: float) -> dict[str, Any]:
    # The handshake's own limit is later than ours, so that it is never the one that ends it.
    return {} if tls is None else {"server_hostname": host.rstrip("."), "ssl_handshake_timeout": seconds + 1}
