"""The managed identity of the emulator: it signs tokens for event handlers, as Microsoft Entra does for the service.

The issuer is the emulator itself; a handler validates its tokens by the OpenID metadata and the keys that it serves.
The key is made when it is first needed, by the package cryptography, and lives as long as the emulator.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["ISSUER_PATH", "ManagedIdentity", "can_sign"]

ISSUER_PATH = "/managed-identity"
_METADATA_PATH = f"{ISSUER_PATH}/.well-known/openid-configuration"
_KEYS_PATH = f"{ISSUER_PATH}/discovery/keys"
_LIFETIME = 3600
_KEY_SIZE = 2048
_KEY_ID = "emulator"
# Entra's tokens carry ids of a tenant, an application and an object; these stand for none of them.
_TENANT = "00000000-0000-0000-0000-000000000001"
_APPLICATION = "00000000-0000-0000-0000-000000000002"
_OBJECT = "00000000-0000-0000-0000-000000000003"


def can_sign() -> bool:
    """Return whether the package is there that makes the key."""
    return find_spec("cryptography") is not None


class ManagedIdentity:
    """Signs tokens for event handlers, and serves what validates them.

    :param endpoint: Gives the endpoint of the emulator, which the issuer is named by.
    """

    def __init__(self, endpoint: Callable[[], str]) -> None:
        self._endpoint = endpoint
        self._key: RSAPrivateKey | None = None

    @property
    def issuer(self) -> str:
        """The issuer in the tokens."""
        return self._endpoint() + ISSUER_PATH

    def token(self, resource: str, now: float) -> str:
        """Return a token for a resource, good for an hour.

        :param str resource: The audience.
        :param float now: Seconds since 1970.
        """
        claims = {
            "aud": resource,
            "iss": self.issuer,
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + _LIFETIME,
            "appid": _APPLICATION,
            "appidacr": "2",
            "idp": self.issuer,
            "idtyp": "app",
            "oid": _OBJECT,
            "sub": _OBJECT,
            "tid": _TENANT,
            "ver": "1.0",
        }
        return jwt.encode(claims, self._private_key(), algorithm="RS256", headers={"kid": _KEY_ID})

    def document(self, path: str, url: str) -> bytes | None:
        """Return the JSON text that is served at a path; None if nothing is.

        :param str path: Path of the request.
        :param str url: Endpoint by which the request came; the keys are to be had there.
        """
        if path == _METADATA_PATH:
            return _dump(
                {
                    "issuer": self.issuer,
                    "jwks_uri": url + _KEYS_PATH,
                    "response_types_supported": ["id_token"],
                    "subject_types_supported": ["pairwise"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )
        if path == _KEYS_PATH and can_sign():
            key = jwt.algorithms.RSAAlgorithm.to_jwk(self._private_key().public_key(), as_dict=True)
            return _dump({"keys": [{**key, "use": "sig", "alg": "RS256", "kid": _KEY_ID}]})
        return None

    def _private_key(self) -> RSAPrivateKey:
        if self._key is None:
            from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

            self._key = generate_private_key(65537, _KEY_SIZE)
        return self._key


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
