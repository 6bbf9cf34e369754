"""Where requests go: origins and proxies, taken out of URLs, and how an error names them. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from string import digits, punctuation
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([a-zA-Z]+://[^/?#]*)([^#]*)", re.DOTALL)
_HOST = re.compile(r"[\w.~!$&'()*+,;=%:\[\]-]+")
_PRINTABLE = punctuation + digits  # letters are never quoted


class Origin(NamedTuple):
    """Where requests go."""

    scheme: str
    host: str
    """A name or an address, without brackets."""
    port: int
    url: str
    """The URL up to its path."""


class ProxyUrl(NamedTuple):
    """The URL of a proxy, and what the proxy wants to see of the user."""

    scheme: str
    url: str
    """Without the user name and the password."""
    headers: dict[str, str]


_INVALID = (
    "The URL of the request must start with 'http://' or 'https://' and a host, and hold no user name or password"
)


def split_url(url: str) -> tuple[str, str]:
    """Return a URL's origin and what of it goes into the request line: byte for byte, but for what HTTP forbids there.

    :param str url: Absolute URL. A fragment is left out.
    :raises ValueError: if it is not absolute.
    """
    found = _URL.match(url)
    if found is None:
        raise ValueError(_INVALID)
    origin, target = found.groups()
    target = target if target.startswith("/") else "/" + target
    if not (target.isascii() and target.isprintable()) or " " in target:
        try:
            target = quote(target, safe=_PRINTABLE, errors="surrogateescape")  # as it came, in the head of an answer
        except UnicodeEncodeError:
            target = None
    if target is None:  # not in the handler: that error shows the URL
        raise ValueError(_INVALID)
    return origin, target


def origin_of(origin: str) -> Origin:
    """Return what the origin of a URL says.

    :param str origin: The URL up to its path.
    :raises ValueError: if it is not an http or https URL with a host, and without user name and password.
    """
    parts, host, port = _parse(origin)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc:
        raise ValueError(_INVALID)
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc = f"{netloc}:{port}"
    return Origin(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], f"{parts.scheme}://{netloc}")


def proxy_of(url: str, where: str) -> ProxyUrl:
    """Return what a proxy's URL says.

    :param str url: The URL.
    :param str where: The name of the connection, for an error.
    :raises ValueError: if it is of no kind of proxy, or names no host.
    """
    schemes = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
    parts, host, port = _parse(url)
    if parts is None or parts.scheme not in schemes:
        raise ValueError(f"The proxy's URL must start with one of {', '.join(schemes)}, and name a host: {where}")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None or parts.scheme in _DEFAULT_PORTS:
        netloc = f"{netloc}:{port or _DEFAULT_PORTS[parts.scheme]}"
    headers = {}
    if parts.username:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(user.encode()).decode('ascii')}"
    return ProxyUrl(parts.scheme, f"{parts.scheme}://{netloc}", headers)


def _parse(url: str) -> tuple[SplitResult | None, str, int | None]:
    # Errors are raised by who calls this, outside of the handler: one shows the URL, and so perhaps a password.
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host = host if host.isascii() else host.encode("idna").decode("ascii")
        port = parts.port
    except ValueError:
        return None, "", None
    valid = host and _HOST.fullmatch(parts.netloc.rpartition("@")[2]) and url.isprintable() and " " not in url
    return (parts if valid else None), host, port


def describe(origin: Origin, proxy: str | None) -> str:
    """Name a connection for an error: the origin, and the proxy on the way, without its password."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    where = f"{origin.scheme}://{host}:{origin.port}"
    return f"{where} through the proxy {without_password(proxy)}" if proxy else where


def without_password(url: str) -> str:
    """Return a proxy's URL fit to be shown: ``***`` for user name and password.

    :param str url: URL of the proxy.
    :rtype: str
    """
    scheme, separator, rest = url.partition("://")
    if not scheme.isalnum():  # what comes before may be a part of the password
        scheme, separator, rest = "", "", url
    user, at, host = rest.rpartition("@")
    return f"{scheme}{separator}***@{host}" if at and user else url
