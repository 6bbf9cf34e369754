"""Who may ask and who may send: allowed origins and signatures. Pure functions over text.

Both fail closed: no origin is allowed that was not named, and an empty key is an error, never a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .._endpoint import ConnectionString, Endpoint

ANY_ORIGIN = "*"

_AUTHORITY = r"(?:[a-z][a-z0-9+.-]*://)?(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?"
# Without ASCII, the Kelvin sign would be a k.
_ASCII = re.IGNORECASE | re.ASCII
_ENDPOINT = _AUTHORITY + r"(?:[/?#][^\r\n]*)?"


def host_name(text: str) -> str:
    """Return the host name, in lower case, of a host name, a host with a port, or a URL; empty if it is none."""
    match = re.fullmatch(_ENDPOINT, text.strip(), _ASCII)
    return match["host"].lower().rstrip(".") if match else ""


def check_endpoints(endpoints: str | Iterable[str]) -> frozenset[str]:
    """Return the host names of allowed endpoints: host names, URLs or ``*``.

    :raises TypeError: if one of them is no str
    :raises ValueError: if one of them has no host name
    """
    named = (endpoints,) if isinstance(endpoints, str) else tuple(endpoints)
    hosts = set()
    for endpoint in named:
        if not isinstance(endpoint, str):
            raise TypeError(f"allowed_endpoints must hold str, not {type(endpoint).__name__}")
        host = ANY_ORIGIN if endpoint.strip() == ANY_ORIGIN else host_name(endpoint)
        if not host:
            raise ValueError(
                f"allowed_endpoints holds {endpoint!r}, which has no host name; give 'name.webpubsub.azure.com'"
            )
        hosts.add(host)
    return frozenset(hosts)


def endpoint_hosts(services: Iterable[ConnectionString]) -> frozenset[str]:
    """Return the host names of the endpoints of connection strings.

    :raises ValueError: if an endpoint is no URL
    """
    where = "Endpoint of connection_string"
    hosts = [host_name(Endpoint(service.endpoint, parameter=where).base) for service in services]
    if not all(hosts):
        raise ValueError(f"{where} must name a host in ASCII, such as 'name.webpubsub.azure.com'")
    return frozenset(hosts)


def check_keys(keys: str | Iterable[str]) -> tuple[bytes, ...]:
    """Return access keys as the bytes that sign. No error shows a key.

    :raises TypeError: if one of them is no str
    :raises ValueError: if there is none, one is empty (anyone could sign with it), or UTF-8 cannot carry one
    """
    if not isinstance(keys, (str, Iterable)):
        raise TypeError(f"access_key must be a str or a list of str, not {type(keys).__name__}")
    named = (keys,) if isinstance(keys, str) else tuple(keys)
    if not all(isinstance(key, str) for key in named):
        raise TypeError("access_key must be a str or a list of str")
    if not named or not all(key.strip() for key in named):
        raise ValueError(
            "access_key must not be empty: give the key that signs the events, or say verify_signatures=False to take "
            "events from anyone"
        )
    encoded = tuple(key.encode("utf-8", "surrogatepass") for key in named)
    # Compared so, for the error of a strict encoding holds the key.
    if any(key.decode("utf-8", "replace") != text for key, text in zip(encoded, named, strict=True)):
        raise ValueError("access_key holds a character that UTF-8 cannot carry: copy the key again")
    return encoded


def is_same_hub(name: str, other: str) -> bool:
    """Compare the names of hubs, which are ASCII and do not depend on letter case."""
    return name.isascii() and name.lower() == other.lower()


def allowed_origins(asked: Sequence[str], allowed: frozenset[str]) -> list[str]:
    """Return those of the origins asked for that are allowed; ``*`` alone if all are.

    What is returned goes into a response header, so nothing but a host name with an optional scheme and port passes.
    """
    if ANY_ORIGIN in allowed and asked:
        return [ANY_ORIGIN]
    return [origin for origin in asked if re.fullmatch(_AUTHORITY, origin, _ASCII) and host_name(origin) in allowed]


def sign(key: bytes, connection_id: str) -> str:
    """Return the signature the service sends with an event of this connection."""
    import hmac

    return "sha256=" + hmac.new(key, connection_id.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def has_valid_signature(keys: Sequence[bytes], connection_id: str, signatures: Iterable[str]) -> bool:
    """Tell whether one of the signatures was made with one of the keys, in a time that does not tell which.

    :param signatures: The values of ``ce-signature``; the service sends one for each of its keys.
    """
    import hmac

    given = [signature.lower().encode("utf-8", "surrogatepass") for text in signatures for signature in text.split()]
    expected = [sign(key, connection_id).encode() for key in keys]
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    return any(matches)
