"""The users file: a line for each user, with roles and a scrypt hash.

::

    alice:reader,writer:scrypt$16384$8$1$<salt>$<hash>

Only its owner may read it. It is rewritten whole and renamed into place, so a server that reads it sees the old file
or the new one; it looks for a new one at every login and every use of a token.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["User", "Users", "UsersFileError", "add_user", "remove_user"]

_N, _R, _P = 1 << 14, 8, 1  # 16 MiB and some 60 ms for a password
_MAX_MEMORY = 64 << 20
_MAX_PASSWORD = 1024  # bytes
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_HASH = re.compile(r"scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")


class UsersFileError(Exception):
    """The users file cannot be used, or a user cannot be added. The message is one line for the administrator."""


@dataclass(frozen=True)
class User:
    """One line of the file. `hashed` is no part of the repr."""

    name: str
    roles: frozenset[str]
    hashed: str

    def __repr__(self) -> str:
        return f"User({self.name!r}, {sorted(self.roles)})"

    @property
    def fingerprint(self) -> bytes:
        """Changes with the password; tells nothing about it."""
        return hashlib.sha256(self.hashed.encode()).digest()[:8]


class Users:
    """The users of a file, read again whenever it changes. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._users: Mapping[str, User] = {}
        self._nobody = User("", frozenset(), _hash(secrets.token_hex(16)))
        self.all()

    def all(self) -> Mapping[str, User]:
        """Every user by name. Raises UsersFileError where the file is unreadable, or readable for others."""
        with self._lock:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._users, self._stamp = _read(self._path), stamp
            return self._users

    def find(self, name: str) -> User | None:
        """The user of that name."""
        return self.all().get(name)

    def verify(self, name: str, password: str) -> User | None:
        """The user, where the password is theirs. For a name that is unknown it takes as long as for a known one."""
        user = self.find(name)
        correct = _matches(password, (user or self._nobody).hashed)
        return user if correct else None


def add_user(path: Path, name: str, password: str, roles: frozenset[str]) -> None:
    """Add a user, or give one a new password and new roles; makes the file where there is none."""
    if not _NAME.fullmatch(name):
        raise UsersFileError("A user's name has 1 to 64 letters, digits or _ . @ - and begins with a letter or digit.")
    wrong = [role for role in roles if not _NAME.fullmatch(role)]
    if wrong:
        raise UsersFileError(f"{wrong[0]!r} cannot be a role: letters, digits and _ . @ - are allowed.")
    if not 8 <= len(password.encode()) <= _MAX_PASSWORD:
        raise UsersFileError(f"A password has 8 to {_MAX_PASSWORD} bytes.")
    with _lock(path):
        users = dict(_read(path)) if path.exists() else {}
        users[name] = User(name, roles, _hash(password))
        _write(path, users)


def remove_user(path: Path, name: str) -> None:
    """Remove a user; UsersFileError where there is none of that name."""
    with _lock(path):
        users = dict(_read(path))
        if users.pop(name, None) is None:
            raise UsersFileError(f"There is no user {name!r}.")
        _write(path, users)


def _hash(password: str) -> str:
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _matches(password: str, hashed: str) -> bool:
    found = _HASH.fullmatch(hashed)
    if found is None or len(password.encode()) > _MAX_PASSWORD:
        return False
    n, r, p = int(found[1]), int(found[2]), int(found[3])
    try:
        digest, known = _scrypt(password, base64.b64decode(found[4]), n, r, p), base64.b64decode(found[5])
    except ValueError:  # numbers or texts that are not what `_hash` writes
        raise UsersFileError("The users file has a hash that is none.") from None
    return hmac.compare_digest(digest, known)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise UsersFileError(f"The users file {str(path)!r} cannot be read: {error.strerror}.") from None
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UsersFileError(f"The users file {str(path)!r} is open to others; chmod 600 it.")
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> Mapping[str, User]:
    _stamp(path)
    users = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsersFileError(f"The users file {str(path)!r} cannot be read.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        roles, _, hashed = rest.partition(":")
        if not _NAME.fullmatch(name) or not _HASH.fullmatch(hashed):
            raise UsersFileError(f"The users file {str(path)!r} has a line {number} that is no user.")
        users[name] = User(name, frozenset(role for role in roles.split(",") if role), hashed)
    return users


def _write(path: Path, users: Mapping[str, User]) -> None:
    lines = [f"{user.name}:{','.join(sorted(user.roles))}:{user.hashed}\n" for _, user in sorted(users.items())]
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One writer at a time."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise UsersFileError(f"The folder of {str(path)!r} cannot be opened: {error.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
