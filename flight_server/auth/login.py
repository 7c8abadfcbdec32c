"""Logins: user and password, our own bearer tokens, and JWTs.

A password costs scrypt's time; a token is what a Handshake gives, so that it costs it once. Each failed login makes
the next answer to the same name slower, up to a bound; of answers that wait there are never more than a few.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.cache import LruCache
from engine.errors import ResourceExhaustedError
from engine.rights import Identity
from flight_server.auth.identity import Headers
from flight_server.auth.users import User, Users, UsersFileError
from flight_server.endpoint.status import LoginUnavailableError, UnauthenticatedError
from flight_server.endpoint.tickets import TicketError, TicketSigner

if TYPE_CHECKING:
    from flight_server.auth.jwt import JwtVerifier

__all__ = ["Login", "basic_credentials"]

log = logging.getLogger(__name__)
_audit = logging.getLogger("grism.audit")

_PREFIX = "grism-"
_SCOPE = "bearer token"
_REMEMBERED = 60.0  # seconds for which a password that was right is not hashed again
_MAX_REMEMBERED = 1000
_MAX_FAILED = 10_000  # names
_MAX_USED = 1000  # tokens of a user
_TOKEN_KEY = 16  # bytes of a token's MAC
_ISSUED = struct.Struct("!8sd")  # a user's fingerprint, and when the token was issued
_FORGIVEN = 300.0  # seconds after which failures are forgotten
_FIRST_DELAY, _MAX_DELAY = 0.1, 2.0
_AT_ONCE = 4  # hashes at a time, of 16 MiB each
_WAITING = 16  # refusals that are held back at a time
_PATIENCE = 5.0  # seconds a login waits for its turn


class Login:
    """An Authenticator over a users file, a JWT verifier, or both.

    A token of ours is good for `token_ttl` seconds after its last use, and for `token_lifetime` at most.
    """

    def __init__(
        self,
        users: Users | None,
        jwt: JwtVerifier | None = None,
        *,
        token_ttl: float = 3600.0,
        token_lifetime: float = 86400.0,
        signer: TicketSigner | None = None,
    ) -> None:
        self._users, self._jwt, self._token_lifetime = users, jwt, token_lifetime
        self._uses = _Uses(token_ttl)
        self._signer = signer or TicketSigner.generate()
        self._passwords = _RecentPasswords()
        self._failures = _Failures()
        self._hashing = threading.BoundedSemaphore(_AT_ONCE)

    def identify(self, headers: Headers) -> Identity:
        """The caller by the header `authorization`.

        Raises UnauthenticatedError, and LoginUnavailableError while the users file cannot be used.
        """
        values = headers.get("authorization", ())
        if len(values) != 1:
            raise UnauthenticatedError("Log in: send user and password, or a bearer token.")
        value = values[0].decode("latin-1") if isinstance(values[0], bytes) else values[0]
        scheme, _, credentials = value.partition(" ")
        with _readable():
            if scheme.lower() == "basic" and self._users is not None:
                return self._password(self._users, *basic_credentials(credentials))
            if scheme.lower() == "bearer":
                return self._bearer(credentials.strip())
        raise UnauthenticatedError("This way to log in is not offered; send user and password, or a bearer token.")

    def issue_token(self, identity: Identity) -> str | None:
        """A token that is `identity` until its time is over, the user is removed or their password changes.

        None for who is no user of this server: drivers that were given a token do a Handshake with it all the same.
        Nor does somebody else's token who has a user's name become that user's.
        """
        with _readable():
            user = self._users.find(identity.name) if self._users is not None else None
        if user is None or _identity(user) != identity:
            return None
        now = time.time()
        payload = _ISSUED.pack(user.fingerprint, now) + user.name.encode()
        sealed = self._signer.seal(payload, _SCOPE, now + self._token_lifetime)
        return _PREFIX + _token_text(sealed)

    # ---- the ways in

    def _password(self, users: Users, name: str, password: str) -> Identity:
        known = users.find(name)
        if known is not None and self._passwords.knows(known, password):
            return _identity(known)
        if not self._hashing.acquire(timeout=_PATIENCE):
            raise ResourceExhaustedError("Too many logins at once; try again later.")
        try:
            user = users.verify(name, password)
        finally:
            self._hashing.release()
        if user is None:
            _audit.warning("login failed", extra={"fields": {"event": "login", "user": name[:64], "status": "failed"}})
            self._failures.hold_back(name)
            raise UnauthenticatedError("User or password is wrong.")
        self._failures.forget(name)
        self._passwords.add(user, password)
        _audit.info("login", extra={"fields": {"event": "login", "user": user.name, "status": "ok"}})
        return _identity(user)

    def _bearer(self, token: str) -> Identity:
        try:
            if token.startswith(_PREFIX) and self._users is not None:
                return self._own(self._users, token.removeprefix(_PREFIX))
            if self._jwt is not None:
                return self._jwt.identify(token)
            raise UnauthenticatedError("The token is not valid or has expired; log in again.")
        except UnauthenticatedError:
            _audit.warning("token refused", extra={"fields": {"event": "token", "status": "failed"}})
            raise

    def _own(self, users: Users, text: str) -> Identity:
        try:
            sealed = _decode(text, b"-_")
            if _token_text(sealed) != text:
                raise TicketError
            payload = self._signer.open(sealed, _SCOPE)
            fingerprint, issued = _ISSUED.unpack_from(payload)
            user = users.find(payload[_ISSUED.size :].decode())
        except (TicketError, binascii.Error, ValueError, struct.error):
            user, fingerprint, issued, sealed = None, b"", 0.0, b""
        known = user is not None and hmac.compare_digest(fingerprint, user.fingerprint)
        if user is None or not known or not self._uses.go_on(user.name, sealed, issued):
            raise UnauthenticatedError("The token is not valid or has expired; log in again.")
        return _identity(user)


@contextmanager
def _readable() -> Iterator[None]:
    """A users file that is broken while the server runs shuts everybody out until it is mended."""
    try:
        yield
    except UsersFileError as error:
        log.error("nobody can log in: %s", error)
        raise LoginUnavailableError(
            "Logins cannot be checked, since the server cannot use its users file; tell an administrator."
        ) from None


def _identity(user: User) -> Identity:
    return Identity(user.name, user.roles)


def basic_credentials(text: str) -> tuple[str, str]:
    """User and password of a Basic header, whose base64 may be unpadded; the password may hold colons."""
    try:
        name, colon, password = _decode(text.strip()).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise UnauthenticatedError("The header is not user and password in base64.")
    return name, password


def _token_text(sealed: bytes) -> str:
    """The one spelling of a token: base64 whose last character has bits to spare has several of one meaning."""
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _decode(text: str, alternatives: bytes | None = None) -> bytes:
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=alternatives, validate=True)


class _RecentPasswords:
    """Passwords that were right a moment ago, as MACs under a key that only this process has."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._macs: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def knows(self, user: User, password: str) -> bool:
        with self._lock:
            mac, until = self._macs.get(user.name, (b"", 0.0))
        return time.monotonic() < until and hmac.compare_digest(mac, self._mac(user, password))

    def add(self, user: User, password: str) -> None:
        with self._lock:
            self._macs[user.name] = (self._mac(user, password), time.monotonic() + _REMEMBERED)
            self._macs.move_to_end(user.name)
            while len(self._macs) > _MAX_REMEMBERED:
                self._macs.popitem(last=False)

    def _mac(self, user: User, password: str) -> bytes:
        return hmac.digest(self._key, user.fingerprint + password.encode(), hashlib.sha256)


class _Uses:
    """When tokens were last used: one that nobody has used for `ttl` seconds is good for nothing any more.

    Of each user the last of their tokens are known. One that is not counts from when it was issued.
    """

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._lock = threading.Lock()
        self._used: dict[str, LruCache[bytes, float]] = {}

    def go_on(self, user: str, token: bytes, issued: float) -> bool:
        """Whether a token that is known to be ours is still good; it is used with that."""
        with self._lock:
            used = self._used.setdefault(user, LruCache(_MAX_USED))
        key, now = token[-_TOKEN_KEY:], time.time()
        if now - max(issued, used.get(key) or 0.0) >= self._ttl:
            return False
        used.put(key, now)
        return True


class _Failures:
    """Failed logins by name, and the pause that each costs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = threading.BoundedSemaphore(_WAITING)
        self._never = threading.Event()

    def hold_back(self, name: str) -> None:
        """Count a failure and let its answer wait; where too many wait already, refuse at once."""
        now = time.monotonic()
        with self._lock:
            count, last = self._failed.pop(name, (0, now))
            count = 1 if now - last > _FORGIVEN else count + 1
            self._failed[name] = (count, now)
            while len(self._failed) > _MAX_FAILED:
                self._failed.popitem(last=False)
        if not self._waiting.acquire(blocking=False):
            raise ResourceExhaustedError("Too many logins fail at once; try again later.")
        try:
            self._never.wait(min(_MAX_DELAY, _FIRST_DELAY * 2 ** min(count - 1, 10)))
        finally:
            self._waiting.release()

    def forget(self, name: str) -> None:
        with self._lock:
            self._failed.pop(name, None)
