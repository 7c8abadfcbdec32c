"""Who looks at the page: a login by a form, remembered by a cookie that is good for this page only.

The form gives what a Flight client would send in its headers, and the same authenticator looks at it, so failures are
counted, logged and slowed down as there. What the browser keeps is a random name of the login: the token behind it
stays in this process, and is looked at again with each request. So a login ends when the token does, when the user is
removed or gets another password, and when the server stops.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

from engine.rights import ANONYMOUS, Identity
from flight_server.auth.identity import Authenticator
from flight_server.endpoint.status import UnauthenticatedError

__all__ = ["Login", "PageLogins", "Ways"]

_MOST = 10_000  # logins
_MOST_OF_USER = 20


@dataclass(frozen=True)
class Ways:
    """How one may prove who one is; where no way is offered, nobody has to.

    Where there is a `certificate`, everybody has to show one. It says who they are where there is no form for that.
    """

    password: bool = False
    token: bool = False
    certificate: bool = False

    @property
    def form(self) -> bool:
        """Whether one logs in by a form."""
        return self.password or self.token

    @property
    def is_required(self) -> bool:
        """Whether one has to prove who one is."""
        return self.form or self.certificate


@dataclass(frozen=True)
class Login:
    """Who looks, and the word that forms of theirs have to come with."""

    identity: Identity
    form_token: str


@dataclass(frozen=True)
class _PageLogin:
    user: str
    authorization: str


class PageLogins:
    """The logins of browsers. Thread-safe."""

    def __init__(self, authenticator: Authenticator, ways: Ways) -> None:
        self.ways = ways
        self._authenticator = authenticator
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _PageLogin] = OrderedDict()

    def log_in(self, authorization: str, certificate: str | None = None) -> str:
        """A new cookie for who proves something by `authorization`, as it stands in a header.

        Raises UnauthenticatedError, LoginUnavailableError and ResourceExhaustedError as the authenticator does.
        """
        self._check(certificate)
        identity = self._authenticator.identify({"authorization": [authorization]})
        token = self._authenticator.issue_token(identity)
        kept = _PageLogin(identity.name, authorization if token is None else f"Bearer {token}")
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            own = [name for name, other in self._kept.items() if other.user == kept.user]
            for name in own[: max(0, len(own) + 1 - _MOST_OF_USER)]:
                del self._kept[name]
            self._kept[cookie] = kept
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return cookie

    def of(self, cookie: str | None, certificate: str | None = None) -> Login | None:
        """The login behind a cookie, or whom a certificate names; None where one still has to log in.

        Raises UnauthenticatedError where a certificate is missing, and LoginUnavailableError.
        """
        self._check(certificate)
        if not self.ways.form:
            return self._without_form(certificate)
        with self._lock:
            kept = self._kept.get(cookie or "")
        if kept is None or cookie is None:
            return None
        try:
            identity = self._authenticator.identify({"authorization": [kept.authorization]})
        except UnauthenticatedError:
            self.log_out(cookie)
            return None
        return Login(identity, self._form_token(cookie))

    def _check(self, certificate: str | None) -> None:
        if self.ways.certificate and not certificate:
            raise UnauthenticatedError("Show a certificate of the authority that this server trusts.")

    def _without_form(self, certificate: str | None) -> Login:
        if not self.ways.certificate or not certificate:
            return Login(ANONYMOUS, self._form_token(""))
        roles = self._authenticator.identify({}).roles  # of everybody who shows one
        return Login(Identity(certificate, roles), self._form_token(certificate))

    def log_out(self, cookie: str | None) -> None:
        """Forget a login."""
        with self._lock:
            self._kept.pop(cookie or "", None)

    def _form_token(self, cookie: str) -> str:
        return hmac.digest(self._key, cookie.encode(), hashlib.sha256).hex()
