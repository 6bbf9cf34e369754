"""By which name a request came in, and every name under which the service is known.

Rule: values, and the grammar of hosts; how a request says it, and who is believed, is decided in ``server/_naming``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

#: ``host`` or ``host:port``; an underscore is in names of containers.
_AUTHORITY = re.compile(r"(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{0,5}))?", re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_MAX_PORT = 65535
_MAX_LENGTH = 300
_REMEMBERED = 256  # every request has one, and nearly all have the same


class Origin(NamedTuple):
    """Where a request came in.

    ``scheme`` and ``host`` (with its port) are those by which the client knows the service; ``hosts`` are all names by
    which it may be called in the audience of a token, ``host`` being the first.
    """

    scheme: str
    host: str
    hosts: Collection[str]

    @property
    def url(self) -> str:
        """Endpoint as the client knows it, such as ``http://localhost:8080``."""
        return f"{self.scheme}://{self.host}"

    @property
    def name(self) -> str:
        """Host name alone, which is what event handlers are told."""
        return host_name(self.host)


def authority(text: str) -> str | None:
    """Return ``host`` or ``host:port`` in lower case, None if the text is neither."""
    # ASCII first: other letters become one of ASCII in lower case, such as the sign of the kelvin.
    return _authority(text.strip().lower()) if len(text) <= _MAX_LENGTH and text.isascii() else None


@lru_cache(_REMEMBERED)
def _authority(text: str) -> str | None:
    match = _AUTHORITY.fullmatch(text)
    if match is None or int(match["port"] or 0) > _MAX_PORT:
        return None
    return f"{match['host']}:{match['port']}" if match["port"] else match["host"]


def host_name(authority: str) -> str:
    """Return the host of ``host:port``."""
    match = _AUTHORITY.fullmatch(authority)
    return (match["host"] if match else authority).rstrip(".")


@lru_cache(_REMEMBERED)
def spellings(authorities: tuple[str, ...]) -> tuple[str, ...]:
    """Return each authority once, as clients may write it: a default port can stand there or not."""
    found: dict[str, None] = {}
    for each in authorities:
        host, port = _split(each)
        found[each] = None
        if port in ("", *_DEFAULT_PORTS.values()):
            found.update(dict.fromkeys([host, *(f"{host}:{default}" for default in _DEFAULT_PORTS.values())]))
    return tuple(found)


def parse_endpoint(endpoint: str) -> tuple[str, str]:
    """Return scheme and authority of an endpoint; a default port is left out, as clients do.

    :raises ValueError: if it is not of the form ``https://name`` or ``https://name:port``.
    """
    wrong = ValueError(f"endpoint {endpoint!r}: it must be of the form 'https://name' or 'http://name:port'")
    try:
        parts = urlsplit(endpoint)
    except (ValueError, TypeError, AttributeError):
        raise wrong from None
    found = authority(parts.netloc)
    if parts.scheme not in _DEFAULT_PORTS or found is None or parts.path not in ("", "/") or parts.query:
        raise wrong
    host, port = _split(found)
    return parts.scheme, host if port == _DEFAULT_PORTS[parts.scheme] else found


def _split(authority: str) -> tuple[str, str]:
    match = _AUTHORITY.fullmatch(authority)
    return (match["host"], match["port"] or "") if match else (authority, "")
