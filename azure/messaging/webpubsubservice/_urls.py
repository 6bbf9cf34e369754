"""URLs of requests and proxies, taken apart for the transports.

urllib3 does it, but is not asked, and so not imported, for a URL that is as simple as nearly all are: its package takes
longer to import than all that an async client needs besides azure-core.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from ._connection_options import INVALID_URL

if TYPE_CHECKING:
    from urllib3.util import Url

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65535
_PLAIN_ORIGIN = re.compile(r"(https?)://((?:[a-z0-9_-]+\.)*[a-z0-9_-]+)(?::([1-9][0-9]{0,4}))?")


class Origin(NamedTuple):
    """Where requests go."""

    scheme: str
    host: str
    """A name or an address, without brackets."""
    port: int
    authority: str
    """Host and port as they stand in the URL."""

    @property
    def url(self) -> str:
        """The URL up to its path."""
        return f"{self.scheme}://{self.authority}"


class ProxyUrl(NamedTuple):
    """The URL of a proxy."""

    scheme: str
    host: str
    port: int | None
    headers: list[tuple[str, str]]
    """What the proxy wants to see of the user."""


def origin_of(url: str) -> Origin:
    """Return the origin of a URL.

    :param str url: Absolute URL.
    :raises ValueError: if it is not an http or https URL with a host, and without user name and password.
    """
    slash = url.find("/", len("https://"))
    plain = _PLAIN_ORIGIN.fullmatch(url[:slash] if slash >= 0 else url)
    if plain is not None:
        scheme, host, port = plain[1], plain[2], int(plain[3] or _DEFAULT_PORTS[plain[1]])
        if port <= _MAX_PORT:
            return Origin(scheme, host, port, f"{host}:{port}" if plain[3] else host)
    parts = _checked(url)
    scheme = str(parts.scheme)
    return Origin(scheme, str(parts.host).strip("[]"), parts.port or _DEFAULT_PORTS[scheme], str(parts.netloc))


def is_for_the_wire(url: str) -> bool:
    """Say whether a URL goes on the wire as it is: it has no fragment, and nothing that is to be percent-encoded."""
    return url.isascii() and url.isprintable() and " " not in url and "#" not in url


def normal_url(url: str) -> tuple[str, int]:
    """Return a URL as it goes on the wire, without its fragment, and where its path begins.

    :param str url: Absolute URL.
    :raises ValueError: if it is not an http or https URL with a host, and without user name and password.
    """
    parts = _checked(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin + parts.request_uri, len(origin)


def proxy_of(url: str, where: str, schemes: tuple[str, ...]) -> ProxyUrl:
    """Return what a proxy's URL says.

    :param str url: The URL.
    :param str where: The name of the connection, for an error.
    :param schemes: Those that a proxy may have.
    :type schemes: tuple[str, ...]
    :raises ValueError: if it starts with another, or names no host.
    """
    parts = _parse(url)
    if parts is None or not parts.host or parts.scheme not in schemes:
        raise ValueError(f"The proxy's URL must start with one of {', '.join(schemes)}, and name a host: {where}")
    user, _, password = (parts.auth or "").partition(":")
    headers = []
    if user:
        basic = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")
        headers.append(("Proxy-Authorization", f"Basic {basic}"))
    return ProxyUrl(parts.scheme, parts.host.strip("[]"), parts.port or _DEFAULT_PORTS.get(parts.scheme), headers)


def _checked(url: str) -> Url:
    parts = _parse(url)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or not parts.host or parts.auth is not None:
        raise ValueError(INVALID_URL)
    return parts


def _parse(url: str) -> Url | None:
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    # Errors are raised by who calls this, outside of the handler: urllib3's shows the URL, and so perhaps a password.
    try:
        return parse_url(url)
    except LocationParseError:
        return None
