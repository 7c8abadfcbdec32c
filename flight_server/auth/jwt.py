"""JSON Web Tokens of others: HS256, RS256 or ES256, for one issuer and one audience.

A key says which algorithm it is for, never the token: so a public key cannot be passed off as a secret, and ``none``
has no key at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from engine.rights import Identity
from flight_server.endpoint.status import UnauthenticatedError

__all__ = ["JwtKeyError", "JwtVerifier", "load_keys"]

_MIN_SECRET = 32  # bytes, for HS256
_MIN_RSA = 2048  # bits
_LEEWAY = 30.0  # seconds that clocks may differ
_MAX_TOKEN = 16_384


class JwtKeyError(Exception):
    """The key file cannot be used. The message is one line for the administrator."""


@dataclass(frozen=True)
class Key:
    """One key, the one algorithm that it verifies, and its id."""

    algorithm: str
    value: Any
    id: str | None = None

    def __repr__(self) -> str:
        return f"Key({self.algorithm}, id={self.id!r})"


@dataclass(frozen=True)
class JwtVerifier:
    """Takes tokens that one of `keys` signed. `name_claim` is the user, `roles_claim` a role or a list of roles."""

    keys: Sequence[Key]
    issuer: str
    audience: str
    name_claim: str = "sub"
    roles_claim: str = "roles"

    def identify(self, token: str) -> Identity:
        """The identity in a token; raises UnauthenticatedError, which does not say what was wrong with it."""
        claims = self._claims(token) if len(token) <= _MAX_TOKEN else None
        name = (claims or {}).get(self.name_claim)
        if claims is None or not isinstance(name, str) or not name:
            raise UnauthenticatedError("The token is not valid or has expired; log in again.")
        roles = claims.get(self.roles_claim, [])
        roles = [roles] if isinstance(roles, str) else roles if isinstance(roles, list) else []
        return Identity(name, frozenset(role for role in roles if isinstance(role, str)))

    def _claims(self, token: str) -> dict[str, Any] | None:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return None
        for key in self.keys:
            if key.algorithm != header.get("alg") or (key.id and header.get("kid") not in (None, key.id)):
                continue
            try:
                return jwt.decode(
                    token,
                    key.value,
                    algorithms=[key.algorithm],
                    issuer=self.issuer,
                    audience=self.audience,
                    leeway=_LEEWAY,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except (jwt.InvalidTokenError, jwt.InvalidKeyError):
                continue
        return None


def load_keys(path: Path) -> list[Key]:
    """The keys of a file: a JWKS document, a public key in PEM, or else a secret of at least 32 bytes."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JwtKeyError(f"The JWT key file {str(path)!r} cannot be read: {error.strerror}.") from None
    try:
        if data.lstrip().startswith(b"{"):
            keys = [_from_jwk(jwk) for jwk in json.loads(data)["keys"]]
        elif b"-----BEGIN" in data:
            keys = [_public(load_pem_public_key(data), None)]
        else:
            keys = [_secret(data.strip(), None)]
    except (ValueError, KeyError, TypeError, UnsupportedAlgorithm, jwt.PyJWTError):
        raise JwtKeyError(
            f"The JWT key file {str(path)!r} is none: it takes a JWKS document, a public key in PEM (RSA from "
            f"{_MIN_RSA} bits, or P-256), or a secret from {_MIN_SECRET} bytes."
        ) from None
    if not keys:
        raise JwtKeyError(f"The JWT key file {str(path)!r} has no key.")
    return keys


def _from_jwk(jwk: dict[str, Any]) -> Key:
    parsed = jwt.PyJWK(jwk, algorithm={"oct": "HS256", "RSA": "RS256", "EC": "ES256"}[jwk["kty"]])
    if jwk["kty"] == "oct":
        return _secret(parsed.key, jwk.get("kid"))
    return _public(parsed.key, jwk.get("kid"))


def _secret(secret: bytes, key_id: str | None) -> Key:
    if len(secret) < _MIN_SECRET:
        raise ValueError("too short")
    return Key("HS256", secret, key_id)


def _public(key: object, key_id: str | None) -> Key:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA:
        return Key("RS256", key, key_id)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return Key("ES256", key, key_id)
    raise ValueError("not a key for RS256 or ES256")
