"""The Authenticator contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.rights import ANONYMOUS, Identity

__all__ = ["Anonymous", "Authenticator", "Headers"]

Headers = Mapping[str, Sequence[str | bytes]]


class Authenticator(Protocol):
    """Tells from a call's headers who calls."""

    def identify(self, headers: Headers) -> Identity:
        """The caller; raises UnauthenticatedError where the headers prove nobody."""

    def issue_token(self, identity: Identity) -> str | None:
        """A bearer token for `identity`, the answer to a Handshake; None where it goes on with what it came with."""


class Anonymous:
    """Everybody is the same; whatever user, password or token a client sends is not looked at."""

    def identify(self, headers: Headers) -> Identity:
        del headers
        return ANONYMOUS

    def issue_token(self, identity: Identity) -> str:
        """A word that proves nothing: drivers that were given a user and a password insist on a token."""
        return identity.name
