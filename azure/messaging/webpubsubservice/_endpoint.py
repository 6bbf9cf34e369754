"""Where the service is: endpoint, connection string and reverse proxy, parsed once and joined by their parts.

Pure functions on text. No error shows a connection string or a key. A plain endpoint is recognised by one regular
expression; only for another one urllib.parse is loaded, which takes as long as half of this package.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_EXAMPLE = "https://name.webpubsub.azure.com"
_PLAIN = re.compile(r"(https?)://([a-z0-9.-]*[a-z0-9])(?::([1-9][0-9]{0,3}))?/?")
_HIGHEST_PORT = 65535
_WEBSOCKET = {"http": "ws", "https": "wss"}


class Endpoint:
    """The address of a service, or of a reverse proxy before it.

    :raises ValueError: if the text is no such URL.
    """

    __slots__ = ("base", "host", "scheme")

    def __init__(self, text: str, *, parameter: str = "endpoint", port: int | str | None = None) -> None:
        if text is None:
            raise ValueError(f"{parameter} must not be None: give a URL such as '{_EXAMPLE}'")
        if not isinstance(text, str):
            raise TypeError(f"{parameter} must be a URL such as '{_EXAMPLE}', not {type(text).__name__}")
        # The text is not shown, neither here nor below, nor what urlsplit says, which quotes it: it may be a connection
        # string that was put in the wrong place.
        if ";" in text:
            raise ValueError(f"{parameter} must hold no ';' (for a connection string use from_connection_string)")
        plain = _PLAIN.fullmatch(text)
        if plain:
            scheme, host, path = plain[1], plain[2], ""
            own_port = int(plain[3]) if plain[3] else None
        else:
            scheme, host, own_port, path = _take_apart(text.strip(), parameter)
        number = own_port if port is None else _port(port)
        netloc = f"[{host}]" if ":" in host else host
        if number is not None:
            netloc = f"{netloc}:{number}"
        self.scheme: str = scheme
        """``http`` or ``https``."""
        self.host: str = host
        """Name of the host in lower case, without port."""
        self.base: str = f"{scheme}://{netloc}{path.rstrip('/')}"
        """The whole as a URL without a slash at its end."""

    def join(self, url: str) -> str:
        """Return ``url`` as an absolute URL: below this endpoint if it is relative, else as it is."""
        if url.startswith("/"):
            return self.base + url
        scheme, mark, _ = url.partition("://")
        if mark and scheme.isalnum():
            return url
        return f"{self.base}/{url}"

    def covers(self, url: str) -> bool:
        """Say whether an absolute URL lies below this endpoint, so that it may see credentials."""
        return self.below(url) is not None

    def below(self, url: str) -> str | None:
        """Return what comes after this endpoint in an absolute URL, or None if the URL lies elsewhere."""
        if url.startswith(self.base) and url[len(self.base) : len(self.base) + 1] in ("/", "?", ""):
            return url[len(self.base) :]
        text = url.partition("?")[0].partition("#")[0]
        if any(c.isspace() or not c.isprintable() for c in text):
            return None  # parsers drop or keep such characters as they like: nobody can say whose host this is
        try:
            normal = Endpoint(text)
        except ValueError:
            return None
        if not _with_port(normal).startswith(_with_port(self)):
            return None
        rest = _with_port(normal)[len(_with_port(self)) :]
        if rest[:1] not in ("/", ""):
            return None
        return rest + url[len(url.partition("?")[0]) :]

    def websocket(self, path: str) -> str:
        """Return the ``ws`` or ``wss`` URL of a client path."""
        return f"{_WEBSOCKET[self.scheme]}{self.base[len(self.scheme) :]}{path}"


def _take_apart(text: str, parameter: str) -> tuple[str, str, int | None, str]:
    """Return scheme, host, port and path of an endpoint.

    :raises ValueError: if the text is none.
    """
    parsed = _parse(text)
    if parsed is None:
        raise ValueError(f"{parameter} is not a URL such as '{_EXAMPLE}': look at its brackets and its port")
    parts, host, port = parsed
    if "[" in parts.netloc and ":" not in (host or ""):  # Python 3.10 takes it
        raise ValueError(f"{parameter} is not a URL: only an IPv6 address stands in brackets")
    if "@" in parts.netloc:
        raise ValueError(f"{parameter} must not hold a user name or password: give the key as the credential")
    if parts.scheme not in _WEBSOCKET or not host:
        raise ValueError(
            f"{parameter} must start with 'https://' or 'http://' and name a host, such as '{_EXAMPLE}'"
            f" (for a connection string use from_connection_string)"
        )
    if parts.query or parts.fragment or any(c.isspace() or not c.isprintable() for c in parts.netloc + parts.path):
        raise ValueError(f"{parameter} must hold nothing after its path, and no spaces or control characters")
    return parts.scheme, host, port, parts.path


def _parse(text: str) -> tuple[SplitResult, str | None, int | None] | None:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        port = parts.port  # reading it checks it
    except ValueError:
        return None
    return parts, parts.hostname, port


def _with_port(endpoint: Endpoint) -> str:
    """Return the base with its port written out, so that ``https://h`` and ``https://h:443`` compare equal."""
    from urllib.parse import urlsplit

    parts = urlsplit(endpoint.base)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path}"


def _port(port: int | str) -> int:
    try:
        number = int(port) if type(port) in (int, str) else 0
    except ValueError:
        number = 0
    if not 0 < number <= _HIGHEST_PORT:
        raise ValueError(f"port must be a number from 1 to {_HIGHEST_PORT}, not {port!r}")
    return number


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, as the emulator's is."""
    from ipaddress import ip_address

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class ConnectionString:
    """What a client needs of a connection string. Its repr shows no key."""

    __slots__ = ("access_key", "endpoint", "port")

    def __init__(self, endpoint: str, access_key: str, port: str | None) -> None:
        self.endpoint = endpoint
        self.access_key = access_key
        self.port = port

    def __repr__(self) -> str:
        return f"<ConnectionString endpoint:{self.endpoint!r}>"


def parse_connection_string(text: str) -> ConnectionString:
    """Take a connection string apart: ``Endpoint=https://...;AccessKey=...;Version=1.0;`` and perhaps ``Port=...``.

    Keys may come in any order and letter case, with spaces around them; fields that are not known are passed over.

    :raises TypeError: if it is not text.
    :raises ValueError: if a field has no ``=`` or comes twice, or the endpoint or the key is missing.
    """
    if not isinstance(text, str):
        raise TypeError(f"connection_string must be a str, not {type(text).__name__}")
    fields: dict[str, str] = {}
    for number, field in enumerate(text.split(";"), start=1):
        if not field.strip():
            continue
        name, mark, value = field.partition("=")
        name = name.strip().lower()
        if not mark or not name:
            # The text itself may be half of a key, so only its place is told.
            raise ValueError(f"connection_string is broken: field {number} is not of the form Name=value")
        if name in fields:
            raise ValueError(f"connection_string is broken: field {number} repeats a name that stands before it")
        fields[name] = value.strip()
    for wanted, shown in (("endpoint", "Endpoint"), ("accesskey", "AccessKey")):
        if not fields.get(wanted):
            raise ValueError(
                f"connection_string has no {shown}: it must look like 'Endpoint=https://...;AccessKey=...;Version=1.0;'"
            )
    return ConnectionString(fields["endpoint"], fields["accesskey"], fields.get("port") or None)
