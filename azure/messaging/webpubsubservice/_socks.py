"""The way through a SOCKS proxy: urllib3's, with the waits of the call. Needs PySocks."""

from __future__ import annotations

import socket
from typing import Any

from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection, SOCKSProxyManager

from ._connections import Connection, Pool, TlsPool


class _SocksConnection(Connection, SOCKSConnection):
    def _new_conn(self) -> socket.socket:
        # PySocks' limit is one for each of the few messages that it exchanges with the proxy.
        self.timeout = self.call.wait()
        connected: socket.socket = SOCKSConnection._new_conn(self)  # noqa: SLF001 - what this class is for
        connected.settimeout(self.call.wait())  # for the TLS handshake
        return connected


class _SocksTlsConnection(_SocksConnection, SOCKSHTTPSConnection):
    pass


class _SocksPool(Pool):
    ConnectionCls: Any = _SocksConnection


class _SocksTlsPool(TlsPool):
    ConnectionCls: Any = _SocksTlsConnection


class SocksManager(SOCKSProxyManager):
    """Makes pools of connections through a SOCKS proxy.

    :param str proxy_url: The proxy's URL, with user name and password where it wants some.
    """

    def __init__(self, proxy_url: str, **settings: Any) -> None:
        super().__init__(proxy_url, **settings)
        self.pool_classes_by_scheme = {"http": _SocksPool, "https": _SocksTlsPool}
