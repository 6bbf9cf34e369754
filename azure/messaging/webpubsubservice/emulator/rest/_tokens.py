"""Tokens: who may call REST, who may connect, and the client tokens the service itself gives out.

Checked with PyJWT, so that the client library's own signing meets an independent judge. Rules: service facts,
Tokens. Rule: the time is passed in; a failure is a :class:`TokenError` whose text is safe to log and send.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

import jwt

SERVICE_ISSUER = "https://webpubsub.azure.com"
_ENTRA_AUDIENCES = frozenset({SERVICE_ISSUER, SERVICE_ISSUER + "/"})
_HMAC_BYTES = 32
_SCHEMES = {"https": "https", "http": "http", "wss": "https", "ws": "http"}
_AUDIENCE = re.compile(r"(?P<scheme>https?|wss?)://(?P<host>[a-z0-9._:[\]-]*)(?P<rest>.*)", re.DOTALL)
_OURS: dict[str, Any] = {
    # Times and audiences are judged below, by the emulator's clock and the service's own rules.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class TokenError(Exception):
    """The token is missing or not good; the text says why and holds nothing of the token but its audience."""


class Tokens:
    """Checks and mints the tokens of one service.

    :param keys: Access keys, the primary one first.
    :keyword float clock_skew: Seconds a token may be used before and after its time.
    :keyword bool accept_entra: Whether tokens that no key of ours has signed are taken for Entra tokens, unvalidated.
    """

    def __init__(self, keys: Sequence[str], *, clock_skew: float, accept_entra: bool) -> None:
        self._keys = tuple(map(signing_key, keys))
        self._clock_skew = clock_skew
        self._accept_entra = accept_entra

    def check_rest(self, token: str | None, now: float, hosts: Collection[str], path: str) -> bool:
        """Return True for a caller with an access key, False for one with an Entra token.

        :param str token: The bearer token, None if there was none.
        :param float now: The time.
        :param hosts: Names (with port) the service goes by, in lower case.
        :param str path: Path of the request, decoded but for encoded slashes.
        :raises TokenError: if the token does not give access to the path.
        """
        if not token:
            raise TokenError("The Authorization header has no bearer token")
        claims = self._signed_claims(token)
        if claims is None:
            if not self._accept_entra:
                raise TokenError("The signature is invalid")
            self._check_entra(token, now)
            return False
        self._check_times(claims, now)
        _check_audience(claims, hosts, path.lower(), resource=True)
        return True

    def check_client(self, token: str | None, now: float, hosts: Collection[str], path: str) -> Mapping[str, Any]:
        """Return the claims of a client's token.

        :param str token: The token, None if there was none.
        :param float now: The time.
        :param hosts: Names (with port) the service goes by, in lower case.
        :param str path: The path the client connects to.
        :raises TokenError: if the token does not give access to the path.
        """
        if not token:
            raise TokenError("There is no access_token in the URL and no bearer token in the Authorization header")
        claims = self._signed_claims(token)
        if claims is None:
            raise TokenError("The signature is invalid")
        self._check_times(claims, now)
        _check_audience(claims, hosts, path.lower(), resource=False)
        return claims

    def mint(
        self,
        audience: str,
        now: float,
        lifetime: float,
        *,
        user_id: str | None = None,
        roles: Iterable[str] = (),
        groups: Iterable[str] = (),
    ) -> str:
        """Return a client token of the shape the service gives out.

        :param str audience: Endpoint and client path.
        :param float now: The time.
        :param float lifetime: Seconds until it expires.
        :keyword str user_id: User id; none makes an anonymous client.
        :keyword roles: Roles.
        :keyword groups: Groups to join.
        """
        issued = int(now)
        claims = {
            "sub": user_id,
            "role": list(roles),
            "webpubsub.group": list(groups),
            "nbf": issued,
            "exp": int(now + lifetime),
            "iat": issued,
            "iss": SERVICE_ISSUER,
            "aud": audience,
        }
        claims = {name: value for name, value in claims.items() if value not in (None, [])}
        headers = {"kid": "s-emulator", "typ": "JWT", "cty": "JWT"}
        return jwt.encode(claims, self._keys[0], algorithm="HS256", headers=headers)

    def _signed_claims(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token that one of our keys has signed; None for one that none has."""
        for key in self._keys:
            claims = self._claims(token, key)
            if claims is not None:
                return claims
        return None

    def _claims(self, token: str, key: bytes) -> Mapping[str, Any] | None:
        try:
            claims: Mapping[str, Any] = jwt.decode(token, key, algorithms=["HS256"], options=_options(signed=True))
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            return None
        except (jwt.PyJWTError, ValueError, RecursionError):
            if self._accept_entra:
                return None
            raise TokenError("The token is malformed") from None
        return claims

    def _check_times(self, claims: Mapping[str, Any], now: float) -> None:
        expires, starts = _seconds(claims, "exp"), _seconds(claims, "nbf")
        if expires is None:
            raise TokenError("The token has no expiration time")
        if expires + self._clock_skew < now:
            raise TokenError(f"The token expired {now - expires:.0f} seconds ago")
        if starts is not None and starts - self._clock_skew > now:
            raise TokenError(f"The token is not valid for another {starts - now:.0f} seconds")

    def _check_entra(self, token: str, now: float) -> None:
        """Look at what an Entra token says of itself; test doubles that are no JWT at all pass."""
        try:
            claims: Mapping[str, Any] = jwt.decode(token, options=_options(signed=False))
        except (jwt.PyJWTError, ValueError, RecursionError):
            return
        audiences = _audiences(claims)
        if audiences and not _ENTRA_AUDIENCES & set(audiences):
            raise TokenError(f"The audience {audiences[0]!r} is invalid, expected {SERVICE_ISSUER!r}")
        if "exp" in claims:
            self._check_times(claims, now)


def check_key(name: str, access_key: object) -> str:
    """Return an access key that tokens and events can be signed with. No error shows it.

    :raises TypeError: if it is not text.
    :raises ValueError: if it is empty, so that anybody could sign, or UTF-8 cannot carry it.
    """
    if not isinstance(access_key, str):
        raise TypeError(f"'{name}' must be a str, not {type(access_key).__name__}")
    if not access_key.strip():
        raise ValueError(f"'{name}' must not be empty")
    if any("\ud800" <= character <= "\udfff" for character in access_key):
        raise ValueError(f"'{name}' holds a character that UTF-8 cannot carry: copy the key again")
    return access_key


def signing_key(access_key: str) -> bytes:
    """Return the bytes an access key stands for.

    HMAC fills a short key up with zeros. Done here, it keeps PyJWT from warning of the length of somebody else's key.
    """
    return access_key.encode("utf-8").ljust(_HMAC_BYTES, b"\0")


def _options(*, signed: bool) -> Any:
    # Any, since PyJWT's own type for this differs from version to version.
    return {**_OURS, "verify_signature": signed}


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim that is a time, or None if it is none."""
    value = claims.get(name)
    if not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:  # an integer of JSON has no bound
        seconds = math.inf
    if not math.isfinite(seconds):
        raise TokenError(f"The time in the claim '{name}' is not a date")
    return seconds


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    value = claims.get("aud")
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def _check_audience(claims: Mapping[str, Any], hosts: Collection[str], path: str, *, resource: bool) -> None:
    """Compare without scheme and case. A REST audience may go on after the path, with ``?`` or ``/``."""
    audiences = _audiences(claims)
    others: list[str] = []
    for audience in audiences:
        for form in (audience, unquote_plus(audience)):
            match = _AUDIENCE.fullmatch(form.lower())
            if match is None:
                continue
            rest = match["rest"] if resource else match["rest"].partition("?")[0]
            if rest == path or (resource and rest.startswith((f"{path}?", f"{path}/"))):
                if match["host"] in hosts:
                    return
                others.append(f"{_SCHEMES[match['scheme']]}://{match['host']}")
    shown = f"The audience {audiences[0]!r} is invalid" if audiences else "The token has no audience"
    text = f"{shown}, expected 'http(s)://{next(iter(hosts))}{path}'"
    if others:
        text += f". If a proxy stands between, tell the emulator its name: --endpoint {others[0]} (endpoint=...)"
    raise TokenError(text)
