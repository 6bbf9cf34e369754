"""Cookies that event handlers set, one jar a connection.

A handler behind several machines keeps a connection on one of them this way (service facts, Events and headers).
"""

from __future__ import annotations

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import CookieJar

_MAX_COOKIES = 100


class ConnectionCookies:
    """The jars of all connections; one is made when a handler sets the first cookie."""

    def __init__(self) -> None:
        self._jars: dict[str, CookieJar] = {}

    def header(self, connection_id: str, url: str | None) -> dict[str, str]:
        """Return the ``Cookie`` header for a request, empty if there are no cookies for it."""
        jar = self._jars.get(connection_id)
        if jar is None or url is None:
            return {}
        from yarl import URL

        cookies = jar.filter_cookies(URL(url, encoded=True))
        text = "; ".join(f"{cookie.key}={cookie.coded_value}" for cookie in cookies.values())
        return {"Cookie": text} if text else {}

    def keep(self, connection_id: str, url: str | None, headers: Iterable[tuple[str, str]]) -> None:
        """Keep what the headers of an answer set; what is no cookie is passed over."""
        values = [value for name, value in headers if name.lower() == "set-cookie"]
        if not values or url is None:
            return
        from aiohttp import CookieJar
        from yarl import URL

        jar = self._jars.get(connection_id)
        if jar is None:
            jar = self._jars[connection_id] = CookieJar(unsafe=True)  # handlers have addresses for names here
        for value in values:
            jar.update_cookies(_parse(value), URL(url, encoded=True))
        if len(jar) > _MAX_COOKIES:
            jar.clear()

    def forget(self, connection_id: str) -> None:
        """Forget the cookies of a connection."""
        self._jars.pop(connection_id, None)

    def __len__(self) -> int:
        return len(self._jars)


def _parse(value: str) -> SimpleCookie:
    try:
        return SimpleCookie(value)
    except CookieError:
        return SimpleCookie()
