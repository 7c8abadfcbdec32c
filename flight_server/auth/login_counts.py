"""How many logins were refused."""

from __future__ import annotations

from engine.rights import Identity
from flight_server.auth.identity import Authenticator, Headers
from flight_server.endpoint.status import UnauthenticatedError

__all__ = ["CountedLogins"]


class CountedLogins:
    """An authenticator that counts in `refused` the passwords, tokens and certificates that prove nobody."""

    def __init__(self, inner: Authenticator) -> None:
        self._inner = inner
        self.refused = 0

    def identify(self, headers: Headers) -> Identity:
        """See `Authenticator.identify`."""
        try:
            return self._inner.identify(headers)
        except UnauthenticatedError:
            self.refused += 1
            raise

    def issue_token(self, identity: Identity) -> str | None:
        """See `Authenticator.issue_token`."""
        return self._inner.issue_token(identity)
