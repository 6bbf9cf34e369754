"""JSON Web Tokens, for REST requests and for client access: pure functions, the clock passed in.

Signed with the standard library: a key here is text, and its UTF-8 bytes are the secret.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import timedelta
from hmac import digest
from time import time
from typing import Any, TypedDict
from urllib.parse import unquote

from ._endpoint import Endpoint, parse_connection_string
from ._names import name_list, segment

REST_TOKEN_SECONDS = 300
_NAME_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"

# The path that a client of each protocol connects to, below the endpoint. The keys are compared in lower case.
_CLIENT_PATHS = {
    "default": "/client/hubs/",
    "mqtt": "/clients/mqtt/hubs/",
    "socketio": "/clients/socketio/hubs/",
}
_CLIENT_TYPES = {"default": "Default", "mqtt": "MQTT", "socketio": "SocketIO"}


class ClientAccessToken(TypedDict):
    """What a browser or another client needs to connect."""

    baseUrl: str
    """The WebSocket URL without the token."""
    token: str
    """The client access token: keep it as you would a password."""
    url: str
    """The WebSocket URL with the token in its query."""


class GeneratedToken(TypedDict):
    """What the service answers when it mints a token."""

    token: str
    """The client access token: keep it as you would a password."""


def sign(claims: Mapping[str, Any], key: str, headers: Mapping[str, Any] | None = None) -> str:
    """Return the claims as a JWT signed with HS256.

    :raises ValueError: if ``headers`` would change the algorithm, which the service fixes.
    """
    if not headers:
        head = _PLAIN_HEADER
    elif headers.get("alg", "HS256") != "HS256":
        raise ValueError("jwt_headers must not set 'alg': the service takes HS256 only")
    else:
        head = _encode({"alg": "HS256", "typ": "JWT", **headers})
    text = head + b"." + _encode(claims)
    return (text + b"." + _base64(digest(key.encode(), text, "sha256"))).decode()


def rest_token(url: str, key: str, *, user: str | None = None, now: float) -> str:
    """Return the token for one REST request to ``url``, good for five minutes."""
    claims: dict[str, Any] = {"aud": audience(url), "exp": int(now) + REST_TOKEN_SECONDS}
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
    return "%2F".join(unquote(part) for part in re.split("%2[fF]", path))


def client_access(
    endpoint: Endpoint,
    hub: str,
    key: str,
    *,
    now: float,
    user_id: str | None = None,
    roles: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
    lifetime: timedelta = timedelta(hours=1),
    client_protocol: str = "Default",
    jwt_headers: Mapping[str, Any] | None = None,
) -> ClientAccessToken:
    """Sign a client access token; claims that would be empty are left out.

    :raises ~msrest.exceptions.ValidationError: if ``hub`` is no name of a hub.
    :raises ValueError: if the protocol is not known or the key is empty.
    :raises TypeError: if the user, a role or a group is not text.
    """
    if not key:
        raise ValueError("the access key must not be empty")
    if user_id is not None and not isinstance(user_id, str):
        raise TypeError(f"the user's id must be a str, not {type(user_id).__name__}")
    path = _CLIENT_PATHS[client_type(client_protocol).lower()]
    quoted = segment("hub", hub)
    issued = int(now)
    claims = {
        "aud": f"{endpoint.base}{path}{hub}",
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "sub": user_id,
        "role": name_list("roles", roles),
        "webpubsub.group": name_list("groups", groups),
    }
    token = sign({name: value for name, value in claims.items() if value}, key, jwt_headers)
    return client_url(endpoint.websocket(path + quoted), token)


def client_url(base_url: str, token: str) -> ClientAccessToken:
    """Put a WebSocket URL and a token together."""
    return {"baseUrl": base_url, "token": token, "url": f"{base_url}?access_token={token}"}


def client_base_url(endpoint: Endpoint, hub: str, client_protocol: str) -> str:
    """Return the WebSocket URL that clients of a hub connect to."""
    return endpoint.websocket(_CLIENT_PATHS[client_type(client_protocol).lower()] + segment("hub", hub))


def client_type(client_protocol: str) -> str:
    """Return a protocol as the service spells it.

    :raises ValueError: if there is no such protocol.
    """
    if not isinstance(client_protocol, str) or client_protocol.lower() not in _CLIENT_TYPES:
        raise ValueError(f"client_protocol must be 'Default', 'MQTT' or 'SocketIO', not {client_protocol!r}")
    return _CLIENT_TYPES[client_protocol.lower()]


def minutes(value: int) -> timedelta:
    """Return a lifetime in minutes as a timedelta.

    :raises TypeError: if it is no whole number.
    :raises ValueError: if it is below 1, which the service refuses.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"minutes_to_expire must be a whole number of minutes, not {value!r}")
    if value < 1:
        raise ValueError(f"minutes_to_expire must be at least 1, not {value}")
    try:
        return timedelta(minutes=value)
    except OverflowError:
        raise ValueError("minutes_to_expire is too large") from None


def build_authentication_token(
    endpoint: str,
    hub: str,
    *,
    accesskey: str | None = None,
    user: str | None = None,
    roles: list[str] | None = None,
    groups: list[str] | None = None,
    ttl: timedelta | str = timedelta(hours=1),
) -> ClientAccessToken:
    """Make the URL and token with which a client connects to a hub, without a client object.

    .. code-block:: python

        from azure.messaging.webpubsubservice import build_authentication_token

        key = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
        token = build_authentication_token(
            "http://localhost:8080", "chat", accesskey=key, user="ada", ttl="PT30M"
        )
        assert token["baseUrl"] == "ws://localhost:8080/client/hubs/chat"

    :param str endpoint: The service's endpoint; without ``accesskey``, a connection string.
    :param str hub: Name of the hub.
    :keyword str accesskey: The access key.
    :keyword str user: The user that the client will be (claim ``sub``).
    :keyword roles: Roles of the client, such as ``webpubsub.sendToGroup.chat``.
    :paramtype roles: list[str] or None
    :keyword groups: Groups that the client is in from the start.
    :paramtype groups: list[str] or None
    :keyword ttl: Lifetime: a timedelta, or an ISO 8601 duration such as ``"PT30M"``. Default one hour.
    :paramtype ttl: ~datetime.timedelta or str
    :raises ValueError: if the endpoint, the connection string or the lifetime is wrong; the text shows no key.
    :raises ~msrest.exceptions.ValidationError: if ``hub`` is no name of a hub.
    :rtype: ~azure.messaging.webpubsubservice.ClientAccessToken
    """
    port = None
    if accesskey is None:
        endpoint, accesskey, port = parse_connection_string(endpoint)
    return client_access(
        Endpoint(endpoint, port=port),
        hub,
        accesskey,
        now=time(),
        user_id=user,
        roles=roles,
        groups=groups,
        lifetime=_lifetime(ttl),
    )


def _lifetime(ttl: timedelta | str) -> timedelta:
    length = ttl if isinstance(ttl, timedelta) else _duration(ttl)
    if length < timedelta(seconds=1):
        raise ValueError(f"ttl must be at least a second, not {length}")
    return length


def _duration(ttl: str) -> timedelta:
    if not isinstance(ttl, str):
        raise TypeError(f"ttl must be a timedelta or an ISO 8601 duration such as 'PT30M', not {ttl!r}")
    from datetime import datetime, timezone

    from isodate import ISO8601Error, parse_duration

    try:
        duration = parse_duration(ttl)
        if isinstance(duration, timedelta):
            return duration
        # Months and years have a length only from a given day on.
        length: timedelta = duration.totimedelta(start=datetime.now(timezone.utc))
    except (ISO8601Error, ValueError, OverflowError) as error:
        raise ValueError(f"ttl {ttl!r} is not an ISO 8601 duration such as 'PT30M': {error}") from None
    return length


def _encode(value: Mapping[str, Any]) -> bytes:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


_PLAIN_HEADER = _encode({"alg": "HS256", "typ": "JWT"})
