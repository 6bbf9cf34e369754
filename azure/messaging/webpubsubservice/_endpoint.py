"""Where the service is: endpoint, connection string and reverse proxy, parsed once and joined by their parts.

Pure functions on text. No error shows a connection string or a key. A plain endpoint is recognised by one regular
expression; only for another one urllib.parse is loaded, which takes as long as half of this package.
"""

from __future__ import annotations

import re
from typing import Any

_EXAMPLE = "https://name.webpubsub.azure.com"
_PLAIN = re.compile(r"(https?)://([a-z0-9.-]*[a-z0-9])(?::([1-9][0-9]{0,3}|[1-5][0-9]{4}))?(/?)")
_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535


class Endpoint:
    """The address of a service, or of a reverse proxy before it."""

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
        scheme, host, own_port, path = plain.groups() if plain else _take_apart(text.strip(), parameter)
        number = own_port if port is None else _port(port)
        netloc = (f"[{host}]" if ":" in host else host) + ("" if number is None else f":{number}")
        self.host: str = host
        """Name of the host in lower case, without port."""
        self._origin = (scheme, host, int(number or _PORTS[scheme]))
        self._path: str = path.rstrip("/")
        self.base = f"{scheme}://{netloc}{self._path}"
        """The whole as a URL without a slash at its end."""

    def join(self, url: str) -> str:
        """Return ``url`` as an absolute URL: below this endpoint if it is relative, else as it is."""
        if url.startswith("/"):
            return self.base + url
        scheme, mark, _ = url.partition("://")
        return url if mark and scheme.isalnum() else f"{self.base}/{url}"

    def below(self, url: str) -> str | None:
        """Return what comes after this endpoint in a whole URL; None for one elsewhere, which sees no credentials."""
        if url.startswith(self.base) and url[len(self.base) : len(self.base) + 1] in ("/", "?", ""):
            return url[len(self.base) :]
        text, mark, query = url.partition("?")
        text = text.partition("#")[0]
        if " " in text or not text.isprintable():
            return None  # parsers drop or keep such characters as they like: nobody can say whose host this is
        try:
            other = Endpoint(text)
        except ValueError:
            return None
        if other._origin != self._origin or not f"{other._path}/".startswith(f"{self._path}/"):
            return None
        return other._path[len(self._path) :] + mark + query

    def websocket(self, path: str) -> str:
        """Return the ``ws`` or ``wss`` URL of a client path."""
        return f"ws{self.base.removeprefix('http')}{path}"


def _take_apart(text: str, parameter: str) -> tuple[Any, ...]:
    """Return scheme, host, port and path of an endpoint."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port  # which is checked when it is read
        broken = "[" in parts.netloc and ":" not in host  # Python 3.10 takes it
    except ValueError:
        broken = True  # the error is made outside of the handler, so that it carries nothing of the text
    if broken:
        raise ValueError(f"{parameter} is not a URL such as '{_EXAMPLE}': look at its brackets and its port")
    if "@" in parts.netloc:
        raise ValueError(f"{parameter} must not hold a user name or password: give the key as the credential")
    if parts.scheme not in _PORTS or not host:
        raise ValueError(
            f"{parameter} must start with 'https://' or 'http://' and name a host, such as '{_EXAMPLE}'"
            f" (for a connection string use from_connection_string)"
        )
    named = parts.netloc + parts.path
    if parts.query or parts.fragment or not named.isprintable() or " " in named:
        raise ValueError(f"{parameter} must hold nothing after its path, and no spaces or control characters")
    return parts.scheme, host, port, parts.path


def _port(port: int | str) -> int:
    if not re.fullmatch("[0-9]{1,5}", str(port)) or not 0 < int(port) <= _HIGHEST_PORT:
        raise ValueError(f"port must be a number from 1 to {_HIGHEST_PORT}, not {port!r}")
    return int(port)


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

    def __init__(self, endpoint: str, access_key: str, port: str | None) -> None:
        self.endpoint, self.access_key, self.port = endpoint, access_key, port

    def __repr__(self) -> str:
        return f"<ConnectionString endpoint:{self.endpoint!r}>"


def parse_connection_string(text: str) -> ConnectionString:
    """Take a connection string apart: ``Endpoint=https://...;AccessKey=...;Version=1.0;`` and perhaps ``Port=...``.

    Keys may come in any order and letter case, with spaces around them; fields that are not known are passed over.
    """
    if not isinstance(text, str):
        raise TypeError(f"connection_string must be a str, not {type(text).__name__}")
    fields: dict[str, str] = {}
    for number, field in enumerate(text.split(";"), start=1):
        name, mark, value = (part.strip() for part in field.partition("="))
        # The text itself may be half of a key, so only its place is told.
        if bool(name) != bool(mark):
            raise ValueError(f"connection_string is broken: field {number} is not of the form Name=value")
        if name.lower() in fields:
            raise ValueError(f"connection_string is broken: field {number} repeats a name that stands before it")
        if name:
            fields[name.lower()] = value
    for name in ("Endpoint", "AccessKey"):
        if not fields.get(name.lower()):
            raise ValueError(
                f"connection_string has no {name}: it must look like 'Endpoint=https://...;AccessKey=...;Version=1.0;'"
            )
    return ConnectionString(fields["endpoint"], fields["accesskey"], fields.get("port") or None)
