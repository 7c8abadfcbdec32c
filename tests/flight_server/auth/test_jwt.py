"""JWTs: the three algorithms, and tokens that must not pass."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.rights import Identity
from flight_server.auth.jwt import JwtKeyError, JwtVerifier, load_keys
from flight_server.endpoint.status import UnauthenticatedError

SECRET = "s" * 48
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> bytes:
    public: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public


def claims(**changed: Any) -> dict[str, Any]:
    base = {"sub": "alice", "iss": "us", "aud": "grism", "exp": time.time() + 60, "roles": ["reader"]}
    return {k: v for k, v in (base | changed).items() if v is not None}


def verifier(tmp_path: Path, key: bytes) -> JwtVerifier:
    file = tmp_path / "key"
    file.write_bytes(key)
    return JwtVerifier(load_keys(file), "us", "grism")


def unsigned(algorithm: str, mac: bytes = b"", key: bytes | None = None) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    body = ".".join(part(json.dumps(p).encode()) for p in ({"alg": algorithm, "typ": "JWT"}, claims()))
    return body + "." + part(mac if key is None else hmac.digest(key, body.encode(), hashlib.sha256))


@pytest.mark.parametrize(
    ("key", "public", "algorithm"),
    [(SECRET, SECRET.encode(), "HS256"), (RSA, pem(RSA), "RS256"), (EC, pem(EC), "ES256")],
    ids=["HS256", "RS256", "ES256"],
)
def test_the_three_algorithms(tmp_path: Path, key: Any, public: bytes, algorithm: str) -> None:
    checked = verifier(tmp_path, public)
    token = jwt.encode(claims(), key, algorithm)
    assert checked.identify(token) == Identity("alice", frozenset({"reader"}))
    for wrong in (
        claims(exp=time.time() - 60),
        claims(exp=None),
        claims(iss="them"),
        claims(iss=None),
        claims(aud="other"),
        claims(aud=None),
        claims(sub=None),
        claims(nbf=time.time() + 600),
    ):
        with pytest.raises(UnauthenticatedError):
            checked.identify(jwt.encode(wrong, key, algorithm))


@pytest.mark.parametrize("public", [SECRET.encode(), pem(RSA), pem(EC)], ids=["secret", "RSA", "EC"])
def test_no_algorithm_and_the_wrong_one(tmp_path: Path, public: bytes) -> None:
    checked = verifier(tmp_path, public)
    others = (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()))
    tokens = [unsigned(name) for name in ("none", "None", "NONE", "")]
    tokens += [jwt.encode(claims(), others[0], "RS256"), jwt.encode(claims(), others[1], "ES256")]
    tokens += [jwt.encode(claims(), "x" * 48, "HS256"), jwt.encode(claims(), SECRET, "HS384"), "", "a.b.c", "x" * 99999]
    if public != SECRET.encode():  # the public key as the secret of an HMAC
        tokens += [unsigned("HS256", key=public), unsigned("HS256", key=public.strip()), unsigned("RS256", key=public)]
    for token in tokens:
        with pytest.raises(UnauthenticatedError):
            checked.identify(token)


def test_jwks_with_key_ids(tmp_path: Path) -> None:
    algorithms = jwt.algorithms.get_default_algorithms()
    keys = [
        {**algorithms["RS256"].to_jwk(RSA.public_key(), as_dict=True), "kid": "r"},
        {**algorithms["ES256"].to_jwk(EC.public_key(), as_dict=True), "kid": "e"},
    ]
    checked = verifier(tmp_path, json.dumps({"keys": keys}).encode())
    assert checked.identify(jwt.encode(claims(), RSA, "RS256", headers={"kid": "r"})).name == "alice"
    assert checked.identify(jwt.encode(claims(), EC, "ES256", headers={"kid": "e"})).name == "alice"
    with pytest.raises(UnauthenticatedError):
        checked.identify(jwt.encode(claims(), RSA, "RS256", headers={"kid": "e"}))


@pytest.mark.parametrize(
    "content", [b"", b"short", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "x"}]}', b"-----BEGIN X"]
)
def test_key_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(JwtKeyError):
        verifier(tmp_path, content)
