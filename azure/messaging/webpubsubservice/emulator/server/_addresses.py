"""Addresses of this machine and around it: which ones to listen on, and who is near.

Rule: nothing is decided in here on who may do what.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache

# Written out: what ipaddress calls private has more in it, such as ways from the internet through IPv6.
_NEAR = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/32",
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "100.64.0.0/10",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
_ANY = ("0.0.0.0", "::")  # noqa: S104  (all addresses of the machine, if somebody asks for them)
_SAME_PORT_TRIES = 20
_REMEMBERED = 256  # every request asks, and nearly all ask the same


@lru_cache(_REMEMBERED)
def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a literal is, with or without brackets; None if it is none."""
    try:
        address = ipaddress.ip_address(text.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(_REMEMBERED)
def is_near(text: str) -> bool:
    """Return True for a loopback, private or link-local address."""
    address = parse_address(text)
    return address is not None and any(address in network for network in _NEAR)


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach the host."""
    address = parse_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def host_of_url(host: str) -> str:
    """Return how a URL names an address that is listened on; for all addresses of the machine, its own."""
    bare = host.strip("[]")
    if bare in _ANY:
        return "localhost"
    return f"[{bare}]" if ":" in bare else bare.lower()


def bind(host: str, port: int) -> list[socket.socket]:
    """Return sockets bound to one port on every address that ``host`` stands for.

    :param str host: An address, or ``localhost``, ``0.0.0.0`` or ``::``, which mean IPv4 and IPv6 where there are both.
    :param int port: Port; 0 for a free one.
    :raises OSError: if the port is in use.
    """
    for attempt in range(_SAME_PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for family, address in _addresses(host):
                shared = sockets[0].getsockname()[1] if sockets else port
                sockets.append(socket.create_server((address, shared), family=family))
        except OSError:
            for each in sockets:
                each.close()
            # A free port of 127.0.0.1 may be taken on ::1; another one will do.
            if not sockets or port or attempt == _SAME_PORT_TRIES - 1:
                raise
        else:
            return sockets
    raise AssertionError("unreachable")


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    address = host.strip("[]")
    if address.lower() != "localhost" and address not in _ANY:
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, address)]
    first, second = ("127.0.0.1", "::1") if address.lower() == "localhost" else _ANY
    ipv6 = [(socket.AF_INET6, second)] if _has_ipv6() else []
    return [(socket.AF_INET, first), *ipv6]


def _has_ipv6() -> bool:
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
