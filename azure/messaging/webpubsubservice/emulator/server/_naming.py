"""How a request came in: what it asks for, which host it speaks to, and by which name its client knows the service.

The emulator knows the addresses it listens on. Its name is what clients call it: a name of Docker's, of a proxy, of a
tunnel. ``endpoint=`` settles it; without that, what a proxy near by says counts, and then what the request itself says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..rest._origin import Origin, authority, spellings
from ._addresses import is_near

_ABSOLUTE = re.compile(
    r"(?P<scheme>https?|wss?)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(#.*)?", re.IGNORECASE | re.DOTALL
)
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Arrival(NamedTuple):
    """A request as it came in.

    ``target`` begins with a slash. ``host`` is the one that the request names, with its port: None if it is malformed,
    empty if the request names none, as HTTP/1.0 may.
    """

    target: str
    host: str | None
    origin: Origin


class Names:
    """The names of one emulator.

    :param listening: Host and port of each address it listens on, the one it calls itself by first.
    :param endpoint: Scheme and host, with its port, by which all clients know it, if somebody has said so.
    """

    def __init__(self, listening: Sequence[str], endpoint: tuple[str, str] | None = None) -> None:
        self._listening = tuple(each.lower() for each in listening)
        self._endpoint = endpoint

    def arrival(self, target: str, headers: Mapping[str, str], peer: str | None) -> Arrival:
        """Return how a request came in.

        :param str target: Request target, as it was sent.
        :param headers: Headers; their names match in any case.
        :param peer: Address the request came from.
        """
        # RFC 9112, 3.2.2: a target in absolute form goes before the Host header.
        absolute = _ABSOLUTE.fullmatch(target)
        text = headers.get("Host", "") if absolute is None else absolute["authority"]
        host = authority(text) if text else ""
        scheme = "http" if absolute is None else _SCHEMES[absolute["scheme"].lower()]
        if absolute is not None:
            target = absolute["target"]
            target = target if target.startswith("/") else f"/{target}"
        if self._endpoint is not None:
            scheme, name = self._endpoint
        else:
            name = host or self._listening[0]
            if peer is not None and is_near(peer):
                name = authority(_first(headers.get("X-Forwarded-Host"))) or name
                scheme = _SCHEMES.get(_first(headers.get("X-Forwarded-Proto")).lower(), scheme)
        known = (name, host, *self._listening) if host else (name, *self._listening)
        return Arrival(target, host, Origin(scheme, name, spellings(known)))


def _first(value: str | None) -> str:
    """Return the first of several values; each proxy on the way puts its own behind it."""
    return (value or "").partition(",")[0].strip()
