"""Ways to origins: urllib3's connections, kept open between requests, and what is written to and read from them.

Connecting and sending are two steps with two kinds of errors here, because a publisher has to know whether a failed
request was sent. That is why requests go to urllib3's connections directly and not through its pools, which mix the
two; it also saves half of the time.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from ._connection_options import (
    Certificate,
    ConnectionOptions,
    Verify,
    describe,
    not_answered,
    not_sent,
)
from ._exchange import Answer, write_request
from ._limits import Limits
from ._urls import Origin, proxy_of

_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_SECONDS_BETWEEN_SWEEPS = 30.0
Headers = list[tuple[str, str]]


class Route:
    """One way to one origin: how to connect, and the open connections that wait for their next request.

    The list of waiting connections has no limit, so it grows to the number of threads in use; the one used last is
    taken first, so the others may rest and be closed by the service. Its single operations are atomic: no lock, and
    thus none that a fork could catch held.
    """

    __slots__ = ("_idle", "_next_sweep", "_pool", "_tunnel", "closed", "forward", "headers", "where")

    def __init__(
        self, pool: urllib3.HTTPConnectionPool, where: str, *, tunnel: bool, authority: str, forward: str
    ) -> None:
        self._pool = pool
        self._tunnel = tunnel
        self._idle: list[HTTPConnection] = []
        self._next_sweep = 0.0
        self.closed = False
        self.where = where
        self.forward = forward
        """What precedes the path in the request line: the origin, for a proxy that forwards; else nothing."""
        self.headers: Headers = [("Host", authority), *(pool.proxy_headers.items() if forward else ())]
        """Headers that every request on this way has."""

    def take(self, connection_timeout: float) -> HTTPConnection:
        """Return a connection that is open as far as this end can know."""
        idle = self._idle
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread was faster
                break
            if connection.is_connected:
                return connection
            connection.close()
        return self._connect(connection_timeout)

    def _connect(self, connection_timeout: float) -> HTTPConnection:
        # urllib3 offers no public way to open a pool's connection without a request on it.
        connection: HTTPConnection = self._pool._new_conn()  # type: ignore[assignment] # noqa: SLF001
        connection.timeout = connection_timeout
        try:
            if self._tunnel:
                self._pool._prepare_proxy(connection)  # noqa: SLF001
            else:
                connection.connect()
        except (OSError, HTTPError, HTTPException) as error:
            connection.close()
            # A refused connection is a NewConnectionError, which to urllib3 is a kind of ConnectTimeoutError.
            late = isinstance(error, (TimeoutError, ConnectTimeoutError)) and not isinstance(error, NewConnectionError)
            reason = error.__cause__ if isinstance(error, HTTPError) and error.__cause__ else error
            raise not_sent(self.where, reason, error, connection_timeout if late else None) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def give_back(self, connection: HTTPConnection) -> None:
        """Keep a connection whose answer was read to its end for the next request."""
        self._idle.append(connection)
        if self.closed:
            self.close()
        elif len(self._idle) > 1 and time.monotonic() > self._next_sweep:
            self._sweep()

    def _sweep(self) -> None:
        """Close what the other end has closed among the connections that rested longest."""
        self._next_sweep = time.monotonic() + _SECONDS_BETWEEN_SWEEPS
        for connection in list(self._idle):
            if not connection.is_connected:
                try:
                    self._idle.remove(connection)
                except ValueError:  # another thread has it, and will see for itself
                    continue
                connection.close()

    def close(self) -> None:
        """Close the waiting connections; those in use are closed when they come back."""
        self.closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def exchange(
        self, connection: HTTPConnection, method: str, head: bytes, body: Any, *, chunked: bool, limits: Limits
    ) -> Answer:
        """Write a request to a connection and read the head of its answer."""
        broken: OSError | None = None
        try:
            broken = write_request(connection.sock, head, body, chunked=chunked, limits=limits)
            return Answer(connection.sock, method, limits)
        except (OSError, HTTPException) as error:
            late = limits.seconds if isinstance(error, TimeoutError) else None
            raise not_answered(self.where, broken or error, error, late) from error


def make_route(
    options: ConnectionOptions,
    origin: Origin,
    *,
    proxies: Mapping[str, str] | None = None,
    verify: Verify | None = None,
    cert: Certificate | None = None,
) -> Route:
    """Return the way to an origin for these settings; None stands for the transport's own.

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
    :raises ImportError: if it leads through a SOCKS proxy and PySocks is not installed.
    :raises ValueError: if the proxy's URL is not valid.
    """
    scheme, host, port, authority = origin
    proxy = options.proxy_for(scheme, host, port, proxies)
    pool_options: dict[str, Any] = {
        # Also behind a proxy, where urllib3 would let the body wait for the head's acknowledgement.
        "socket_options": HTTPConnection.default_socket_options,
    }
    if scheme == "https" or (proxy or "").lower().startswith("https:"):
        pool_options["ssl_context"] = options.tls_context(verify, cert)
    manager: urllib3.PoolManager
    where = describe(scheme, host, port, proxy)
    forwards = False
    if proxy is None:
        manager = urllib3.PoolManager()
    else:
        manager = _proxy_manager(proxy, where, options, verify)
        forwards = scheme == "http" and isinstance(manager, urllib3.ProxyManager)
    pool = manager.connection_from_host(f"[{host}]" if ":" in host else host, port, scheme, pool_kwargs=pool_options)
    tunnel = pool.proxy is not None and scheme == "https"
    return Route(pool, where, tunnel=tunnel, authority=authority, forward=origin.url if forwards else "")


def _socks_manager(proxy: str) -> urllib3.PoolManager:
    if importlib.util.find_spec("socks") is None:
        raise ImportError('A SOCKS proxy needs PySocks, which is not installed: pip install "PySocks"')
    from urllib3.contrib.socks import SOCKSProxyManager

    return SOCKSProxyManager(proxy)


def _proxy_manager(proxy: str, where: str, options: ConnectionOptions, verify: Verify | None) -> urllib3.PoolManager:
    parts = proxy_of(proxy, where, _PROXY_SCHEMES)
    if parts.scheme not in ("http", "https"):
        return _socks_manager(proxy)
    context = options.tls_context(verify) if parts.scheme == "https" else None
    return urllib3.ProxyManager(proxy, proxy_headers=dict(parts.headers), proxy_ssl_context=context)
