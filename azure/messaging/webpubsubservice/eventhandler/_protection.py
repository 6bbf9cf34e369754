"""Who may ask and who may send: allowed origins and signatures. Pure functions over text.

Both fail closed: no origin is allowed that was not named, and an empty key is an error, never a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

ANY_ORIGIN = "*"

_AUTHORITY = r"(?:[a-z][a-z0-9+.-]*://)?(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?"
_ENDPOINT = _AUTHORITY + r"(?:[/?#][^\r\n]*)?"


def host_name(text: str) -> str:
    """Return the host name, in lower case, of a host name, a host with a port, or a URL; empty if it is none."""
    match = re.fullmatch(_ENDPOINT, text.strip(), re.IGNORECASE)
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


def check_keys(keys: str | Iterable[str]) -> tuple[bytes, ...]:
    """Return access keys as the bytes that sign.

    :raises TypeError: if one of them is no str
    :raises ValueError: if one of them is empty: anyone could sign with it
    """
    named = (keys,) if isinstance(keys, str) else tuple(keys)
    if not all(isinstance(key, str) for key in named):
        raise TypeError("access_key must be a str or a list of str")
    if not all(key.strip() for key in named):
        raise ValueError("access_key must not be empty; leave it out to accept events without a signature check")
    return tuple(key.encode() for key in named)


def parse_connection_string(connection_string: str) -> tuple[str, str | None]:
    """Return the host name and the access key, None if there is none, of a connection string.

    :raises ValueError: if it names no endpoint; the message does not repeat the text, which may hold a key
    """
    fields = {}
    for part in connection_string.split(";"):
        name, _, value = part.partition("=")
        fields[name.strip().lower()] = value.strip()
    host = host_name(fields.get("endpoint", ""))
    if not host:
        raise ValueError("connection_string must have the form 'Endpoint=https://...;AccessKey=...;Version=1.0;'")
    return host, fields.get("accesskey") or None


def allowed_origins(asked: Sequence[str], allowed: frozenset[str]) -> list[str]:
    """Return those of the origins asked for that are allowed; ``*`` alone if all are.

    What is returned goes into a response header, so nothing but a host name with an optional scheme and port passes.
    """
    if ANY_ORIGIN in allowed and asked:
        return [ANY_ORIGIN]
    return [
        origin for origin in asked if re.fullmatch(_AUTHORITY, origin, re.IGNORECASE) and host_name(origin) in allowed
    ]


def sign(key: bytes, connection_id: str) -> str:
    """Return the signature the service sends with an event of this connection."""
    import hmac

    return "sha256=" + hmac.new(key, connection_id.encode("utf-8", "surrogateescape"), "sha256").hexdigest()


def has_valid_signature(keys: Sequence[bytes], connection_id: str, signatures: Iterable[str]) -> bool:
    """Tell whether one of the signatures was made with one of the keys, in a time that does not tell which.

    :param signatures: The values of ``ce-signature``; the service sends one for each of its keys.
    """
    import hmac

    given = [signature.lower().encode("utf-8", "surrogateescape") for text in signatures for signature in text.split()]
    expected = [sign(key, connection_id).encode() for key in keys]
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    return any(matches)
