"""Which way a request goes: the ways that a transport has found, by origin and by what a call asks for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from ._connection_options import Certificate, ConnectionOptions, Verify
from ._urls import is_for_the_wire, normal_url, origin_of

_MAX_ROUTES = 64


class Closing(Protocol):
    """A way that can be closed."""

    def close(self) -> None:
        """Close its connections."""


RouteT = TypeVar("RouteT", bound=Closing)


class RouteTable(Generic[RouteT]):
    """The ways to the origins that requests have gone to, a limited number.

    :param options: The transport's options.
    :type options: ConnectionOptions
    :param make: Makes the way to an origin from the options, for a call's own ``proxies``, ``verify`` and ``cert``.
    :type make: Callable[..., RouteT]
    :param str block: How a client's block begins, for an error.
    """

    __slots__ = ("_block", "_closed", "_make", "_options", "routes")

    def __init__(
        self,
        options: ConnectionOptions,
        make: Callable[..., RouteT],
        block: str,
    ) -> None:
        self._options = options
        self._make = make
        self._block = block
        self._closed = False
        self.routes: dict[Any, RouteT] = {}

    def find(
        self, url: str, proxies: Mapping[str, str] | None, verify: Verify | None, cert: Certificate | None
    ) -> tuple[RouteT, str]:
        """Return the way to a URL's origin, and what of the URL goes into the request line.

        :raises ImportError: if it leads through a SOCKS proxy and PySocks is not installed.
        :raises ValueError: if the transport was closed, or the URL or that of the proxy is not valid.
        """
        slash = url.find("/", len("https://"))
        origin = url[:slash]
        if slash < 0 or "?" in origin or not is_for_the_wire(url):
            url, slash = normal_url(url)
            origin = url[:slash]
        key: Any = origin
        if proxies or not self._options.same_tls(verify, cert):
            key = (origin, tuple(sorted(proxies.items())) if proxies else None, verify, cert)
        route = self.routes.get(key)
        if route is None:
            self.check_open()
            route = self._make(self._options, origin_of(url), proxies=proxies, verify=verify, cert=cert)
            if len(self.routes) >= _MAX_ROUTES:
                self.forget()
            route = self.routes.setdefault(key, route)
        return route, url[slash:]

    def check_open(self) -> None:
        """Say so if the transport was closed.

        :raises ValueError: if it was.
        """
        if self._closed:
            raise ValueError(f"This client was closed: make a new one, or send inside of its '{self._block}' block")

    def forget(self) -> None:
        """Close the ways, and find them anew when they are needed."""
        with suppress(KeyError):
            while True:
                self.routes.popitem()[1].close()

    def close(self) -> None:
        """Close the ways, and find no other."""
        self._closed = True
        self.forget()
