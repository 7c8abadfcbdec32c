"""Identities from TLS certificates."""

from __future__ import annotations

from engine.rights import Identity
from flight_server.auth.identity import Headers
from flight_server.endpoint.calls import Call
from flight_server.endpoint.status import UnauthenticatedError

__all__ = ["CERTIFICATE", "Certificates", "identity_of"]

CERTIFICATE = Identity("")
"""Stands for whoever the certificate says; only the call itself knows it, not its headers."""


class Certificates:
    """An Authenticator that leaves it to TLS, which has let in only who shows a certificate of the authority."""

    def __init__(self, role: str) -> None:
        self.role = role

    def identify(self, headers: Headers) -> Identity:
        """Whoever the certificate says, in the one role that there is for them."""
        del headers
        return Identity(CERTIFICATE.name, frozenset({self.role}))

    def issue_token(self, identity: Identity) -> str:
        """A word that proves nothing, for drivers that were given a user and a password: the certificate says it."""
        del identity
        return "certificate"


def identity_of(call: Call, identity: Identity) -> Identity:
    """`identity`, with the certificate's name where it is the one that stands for that."""
    if identity.name != CERTIFICATE.name:
        return identity
    name = call.identity
    if not name:
        raise UnauthenticatedError("The certificate has no name.")
    return Identity(name, identity.roles)
