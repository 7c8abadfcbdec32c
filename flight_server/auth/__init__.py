"""Who calls: identities, and how a call proves that it comes from one."""

from __future__ import annotations

from engine.rights import ANONYMOUS, Identity
from flight_server.auth.identity import Anonymous, Authenticator
from flight_server.auth.middleware import IDENTITY_KEY, HandshakeHandler, IdentityFactory

__all__ = [
    "ANONYMOUS",
    "IDENTITY_KEY",
    "Anonymous",
    "Authenticator",
    "HandshakeHandler",
    "Identity",
    "IdentityFactory",
]
