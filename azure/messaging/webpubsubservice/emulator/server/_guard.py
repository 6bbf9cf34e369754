"""The door, while anybody can have a token: which web pages may speak to the emulator, and by which names.

Every page that a developer has open could mint a token with the public access key, connect as anybody and have signed
events sent to the developer's own backend. A browser says where a page is from (``Origin``), and, since a page's own
name can be made to lead here (DNS rebinding), to whom it believes to speak (``Host``). With an access key of one's own
no guard is needed: no page can have a token then. Rule: text in, a reason out; no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import urlsplit

from ..rest._origin import authority, host_name
from ._addresses import is_near, parse_address

_CONTAINER_HOSTS = frozenset({"host.docker.internal", "host.containers.internal"})
_MAX_SHOWN = 200


class Weakness(NamedTuple):
    """Why anybody can have a token, and what ends that."""

    text: str
    cure: str


PUBLIC_KEY = Weakness("the access key is the one that everybody knows", "give it an access key of your own")
UNREAD_TOKENS = Weakness("Entra tokens are accepted unread", "do without them")
NO_TOKENS = Weakness("clients may come in without a token", "let no anonymous clients in")


class Guard:
    """Judges the headers ``Host`` and ``Origin``.

    :param weakness: Why there has to be a guard.
    :param hosts: Host names that are good beside those of any machine; ``*`` in one stands for anything.
    :param origins: Origins that are good beside those of such hosts; ``*`` in one stands for anything.
    """

    def __init__(self, weakness: Weakness, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._weakness = weakness
        self._hosts = [_without_port(each) for each in hosts]
        self._origins = [each.lower() for each in origins]

    def refusal(self, host: str | None, origin: str | None, known_as: str) -> str | None:
        """Return why a request is refused and what would let it in, or None.

        :param host: Host that the request names, with its port: None if malformed, empty if it names none.
        :param origin: The header ``Origin``, which browsers send; None if there is none.
        :param str known_as: Host, with its port, by which the client knows the emulator.
        """
        if host is None:
            return "the Host header is malformed"
        name = host_name(host)
        # A name can be made to lead here, an address cannot.
        if name and parse_address(name) is None and not self._is_of_here(name):
            return self._words(f"{_shown(name)} is no name of this machine", f"--allow-host {_shown(name)}", "hosts")
        if origin is not None and not self._may_ask(origin, known_as):
            return self._words(f"a web page of {_shown(origin)} asks", f"--allow-origin {_shown(origin)}", "origins")
        return None

    def _is_of_here(self, name: str) -> bool:
        """Return True for a name that a stranger's page cannot have."""
        return (
            "." not in name  # a service of Docker Compose, a machine of the house: such names are not sold
            or name.endswith(".localhost")
            or name in _CONTAINER_HOSTS
            or any(fnmatchcase(name, pattern) for pattern in self._hosts)
        )

    def _may_ask(self, origin: str, known_as: str) -> bool:
        if not origin.isascii():
            return False
        origin = origin.lower()
        if any(fnmatchcase(origin, pattern) for pattern in self._origins):
            return True
        try:
            found = authority(urlsplit(origin).netloc)
        except ValueError:
            return False
        if found is None:
            return False  # such as "null", which any page can have
        name = host_name(found)
        # Of addresses only those near by: a page can come from any other as well as from a name.
        is_good = self._is_of_here(name) if parse_address(name) is None else is_near(name)
        return is_good or name == host_name(known_as)

    def _words(self, what: str, option: str, keyword: str) -> str:
        cure = f"allow it with {option} (allowed_{keyword}=[...]), or {self._weakness.cure}"
        return f"{what}, and {self._weakness.text}: {cure}"


def check_hosts(hosts: Sequence[str]) -> list[str]:
    """Return allowed hosts.

    :raises TypeError: if they are no list.
    :raises ValueError: if one is more than a host name.
    """
    if isinstance(hosts, str):
        raise TypeError(f"'allowed_hosts' must be a list of host names, such as [{hosts!r}]")
    for each in hosts:
        if not each or "/" in each:
            raise ValueError(f"allowed host {each!r}: write the host name alone, such as 'app.example.com'")
    return list(hosts)


def check_origins(origins: Sequence[str]) -> list[str]:
    """Return allowed origins.

    :raises TypeError: if they are no list.
    :raises ValueError: if one is not written as browsers send it.
    """
    if isinstance(origins, str):
        raise TypeError(f"'allowed_origins' must be a list of origins, such as [{origins!r}]")
    for each in origins:
        if each not in ("*", "null") and ("://" not in each or each.endswith("/")):
            raise ValueError(f"allowed origin {each!r}: write it as browsers do, such as 'https://app.example.com'")
    return list(origins)


def _without_port(host: str) -> str:
    found = authority(host)
    return host_name(found) if found else host.lower()


def _shown(text: str) -> str:
    return ascii(text[:_MAX_SHOWN])
