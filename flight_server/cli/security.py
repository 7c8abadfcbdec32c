"""Logins, rights and TLS from the configuration."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from engine.rights import Rights
from flight_server.auth import Anonymous, Authenticator
from flight_server.auth.certificates import Certificates
from flight_server.auth.login import Login
from flight_server.auth.rights import RightsFileError, load_rights
from flight_server.auth.users import Users, UsersFileError
from flight_server.endpoint import PeerTls, ServerTls
from flight_server.options import AuthOptions, ConfigError, RuntimeOptions

if TYPE_CHECKING:
    from flight_server.auth.jwt import JwtVerifier

__all__ = ["authenticator", "peer_tls", "rights", "tls"]


def authenticator(options: AuthOptions) -> Authenticator:
    """Who says who calls. Raises ConfigError for files that cannot be used."""
    try:
        users = Users(options.users) if options.users else None
    except UsersFileError as error:
        raise ConfigError(str(error)) from None
    verifier = _verifier(options.jwt_key, options) if options.jwt_key else None
    if users is not None or verifier is not None:
        return Login(users, verifier, token_ttl=options.token_ttl, token_lifetime=options.token_lifetime)
    return Certificates(options.tls_role) if options.tls_client_ca else Anonymous()


def _verifier(key: Path, options: AuthOptions) -> JwtVerifier:
    from flight_server.auth.jwt import JwtKeyError, JwtVerifier, load_keys  # 50 ms of a start that most do without

    try:
        return JwtVerifier(load_keys(key), options.jwt_issuer or "", options.jwt_audience or "")
    except JwtKeyError as error:
        raise ConfigError(str(error)) from None


def rights(options: AuthOptions) -> Rights:
    """What roles may do. Raises ConfigError for a file that cannot be used."""
    try:
        return load_rights(options.rights) if options.rights else Rights()
    except RightsFileError as error:
        raise ConfigError(str(error)) from None


def tls(options: AuthOptions) -> ServerTls | None:
    """The server's TLS, or None. Raises ConfigError for files that cannot be read, or do not belong together."""
    if not options.tls_cert or not options.tls_key:
        return None
    ca = _pem(options.tls_client_ca) if options.tls_client_ca else None
    found = ServerTls(_pem(options.tls_cert), _pem(options.tls_key), ca)
    _require_pair(options.tls_cert, options.tls_key)
    return found


def peer_tls(options: RuntimeOptions) -> PeerTls | None:
    """TLS among the Ray workers, or None. Raises ConfigError for files that cannot be read on this machine."""
    certificate, key, authority = options.worker_tls_cert, options.worker_tls_key, options.worker_tls_ca
    if not certificate or not key or not authority:
        return None
    for path in (certificate, key, authority):
        _pem(path)
    return PeerTls(certificate.absolute(), key.absolute(), authority.absolute())


def _require_pair(certificate: Path, key: Path) -> None:
    """Raise ConfigError where no server can be made of these; gRPC does not tell why."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        why = (error.reason or "they cannot be read").replace("_", " ").lower()
        raise ConfigError(
            f"--tls-key: {str(key)!r} cannot be used with the certificate in {str(certificate)!r}: {why}. It has to be "
            "that certificate's key, without a password, and of a size that is safe."
        ) from None


def _pem(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The file {str(path)!r} cannot be read: {error.strerror}.") from None
    if b"-----BEGIN" not in data:
        raise ConfigError(f"The file {str(path)!r} is no PEM file.")
    return data
