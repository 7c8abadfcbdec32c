"""Who calls: identities, and how a call proves that it comes from one."""

from __future__ import annotations

from flight_server.auth.identity import ANONYMOUS, Anonymous, Authenticator, Identity
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
