"""JSON Web Tokens, for REST requests and for client access: pure functions, the clock passed in.

Signed with the standard library: a key here is text, and its UTF-8 bytes are the secret.
"""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hmac import digest
from time import time
from typing import Any

from . import _types as types
from ._endpoint import Endpoint, parse_connection_string
from ._names import name_list, segment, text

REST_TOKEN_SECONDS = 300
_ONE_HOUR = "PT1H"
_NAME_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"

# The path that a client of each protocol connects to, below the endpoint.
_CLIENT_PATHS = {"Default": "/client/hubs/", "MQTT": "/clients/mqtt/hubs/", "SocketIO": "/clients/socketio/hubs/"}


def sign(claims: Mapping[str, Any], key: str, headers: Mapping[str, Any] | None = None) -> str:
    """Return the claims as a JWT signed with HS256."""
    if headers and headers.get("alg", "HS256") != "HS256":
        raise ValueError("jwt_headers must not set 'alg': the service takes HS256 only")
    signed = (_encode({"alg": "HS256", "typ": "JWT", **headers}) if headers else _PLAIN_HEAD) + b"." + _encode(claims)
    return (signed + b"." + _base64(digest(key.encode(), signed, "sha256"))).decode()


@lru_cache(32)  # within a second nothing in it changes, and to sign it is a twentieth of a send
def rest_token(url: str, key: str, *, user: str | None = None, now: int) -> str:
    """Return the token for one REST request to ``url``, good for five minutes."""
    claims: dict[str, Any] = {"aud": audience(url), "exp": now + REST_TOKEN_SECONDS}
    if user:
        claims[_NAME_CLAIM] = user
    return sign(claims, key)


def audience(url: str) -> str:
    """Return what a token for ``url`` names as its audience.

    The service compares with a path in which every escape but ``%2F`` is decoded, so an escaped URL is named in that
    form, without its query; a plain one is named as it is.
    """
    path, _, _ = url.partition("?")
    if "%" not in path:
        return url
    from urllib.parse import unquote

    return "%2F".join(unquote(part) for part in re.split("%2[fF]", path))


def client_access(
    endpoint: Endpoint,
    hub: str,
    key: str,
    protocol: str = "Default",
    *,
    now: float,
    seconds: int,
    user_id: str | None = None,
    roles: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
    headers: Mapping[str, Any] | None = None,
) -> types.ClientAccessToken:
    """Sign a client access token; claims that would be empty are left out."""
    if not key:
        raise ValueError("the access key must not be empty")
    if user_id is not None and not isinstance(user_id, str):
        raise TypeError(f"the user's id must be a str, not {type(user_id).__name__}")
    issued = int(now)
    claims = {
        "aud": f"{endpoint.base}{_CLIENT_PATHS[protocol]}{text(hub)}",
        "iat": issued,
        "exp": issued + seconds,
        "sub": text(user_id),
        "role": name_list("roles", roles),
        "webpubsub.group": name_list("groups", groups),
    }
    token = sign({name: value for name, value in claims.items() if value}, key, headers)
    return client_url(endpoint, hub, protocol, token)


def client_url(endpoint: Endpoint, hub: str, protocol: str, token: str) -> types.ClientAccessToken:
    """Return a token, and the WebSocket URL that clients of a hub connect to."""
    base_url = endpoint.websocket(_CLIENT_PATHS[protocol] + segment("hub", hub))
    return {"baseUrl": base_url, "token": token, "url": f"{base_url}?access_token={token}"}


def protocol_of(client_protocol: str) -> str:
    """Return a protocol as the service spells it."""
    for protocol in _CLIENT_PATHS:
        if isinstance(client_protocol, str) and client_protocol.lower() == protocol.lower():
            return protocol
    raise ValueError(f"client_protocol must be 'Default', 'MQTT' or 'SocketIO', not {client_protocol!r}")


def build_authentication_token(
    endpoint: str,
    hub: str,
    *,
    accesskey: str | None = None,
    user: str | None = None,
    roles: list[str] | None = None,
    groups: list[str] | None = None,
    ttl: types.timedelta | str = _ONE_HOUR,
) -> types.ClientAccessToken:
    """Make the URL and token with which a client connects to a hub, without a client object.

    Example::

        from azure.messaging.webpubsubservice import build_authentication_token

        key = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
        token = build_authentication_token("http://localhost:8080", "chat", accesskey=key, ttl="PT30M")
        assert token["baseUrl"] == "ws://localhost:8080/client/hubs/chat"

    :param str endpoint: The service's endpoint; without ``accesskey``, a connection string.
    :param str hub: Name of the hub.
    :keyword str accesskey: The access key.
    :keyword str user: The user that the client will be (claim ``sub``).
    :keyword list[str] roles: Roles of the client, such as ``webpubsub.sendToGroup.chat``.
    :keyword list[str] groups: Groups that the client is in from the start.
    :keyword ttl: Lifetime: a timedelta, or an ISO 8601 duration such as ``"PT30M"``. Default one hour.
    :raises ValueError: if the endpoint, the connection string or the lifetime is wrong; the text shows no key.
    :raises ~msrest.exceptions.ValidationError: if ``hub`` is no name of a hub.
    """
    port = None
    if accesskey is None:
        parsed = parse_connection_string(endpoint)
        endpoint, accesskey, port = parsed.endpoint, parsed.access_key, parsed.port
    where, seconds = Endpoint(endpoint, port=port), _seconds(ttl)
    claims: dict[str, Any] = {"user_id": user, "roles": roles, "groups": groups}
    return client_access(where, hub, accesskey, now=time(), seconds=seconds, **claims)


def _seconds(ttl: types.timedelta | str) -> int:
    if ttl is _ONE_HOUR:
        return 3600  # the parsers of dates and durations take longer to load than all else here
    from datetime import datetime, timedelta, timezone

    length: Any = ttl
    if isinstance(ttl, str):
        from isodate import ISO8601Error, parse_duration

        try:
            length = parse_duration(ttl)
            if not isinstance(length, timedelta):
                # Months and years have a length only from a given day on.
                length = length.totimedelta(start=datetime.now(timezone.utc))
        except (ISO8601Error, ValueError, OverflowError) as error:
            raise ValueError(f"ttl {ttl!r} is not an ISO 8601 duration such as 'PT30M': {error}") from None
    if not isinstance(length, timedelta):
        raise TypeError(f"ttl must be a timedelta or an ISO 8601 duration such as 'PT30M', not {ttl!r}")
    if length < timedelta(seconds=1):
        raise ValueError(f"ttl must be at least a second, not {length}")
    return int(length.total_seconds())


def _encode(value: Mapping[str, Any]) -> bytes:
    return _base64(_JSON_ENCODER.encode(value).encode())


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_URL_SAFE)


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_JSON_ENCODER = json.JSONEncoder(separators=(",", ":"))
_PLAIN_HEAD = _encode({"alg": "HS256", "typ": "JWT"})
digest(b"key", b"", "sha256")  # OpenSSL looks for the algorithm once, under a lock that a fork would find taken
