"""Tickets that only their issuer can make: a payload under a MAC, bound to one audience, with an end.

Layout, in network byte order::

    version  u8       1
    key id   4 bytes  which key signed
    expiry   u64      milliseconds since 1970
    payload  n bytes  in the clear: signed, not encrypted
    mac      32 bytes keyed BLAKE2b (RFC 7693) over all of the above and the scope

The scope (a query, an identity) is signed and not sent: whoever opens a ticket names the scope that they expect.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import time
from typing import ClassVar

from flight_server.endpoint.status import UnauthenticatedError

__all__ = ["TicketError", "TicketExpiredError", "TicketSigner"]

_VERSION = 1
_HEADER = struct.Struct("!B4sQ")
_MAC_SIZE = 32
_MIN_KEY_SIZE = 16
_MAX_KEY_SIZE = hashlib.blake2b.MAX_KEY_SIZE


class TicketError(UnauthenticatedError):
    """The ticket is not one of ours, or not for this scope. Which of these is not told."""

    text: ClassVar[str] = "The ticket is not valid; ask for a new one."

    def __init__(self) -> None:
        super().__init__(self.text)

    def __reduce__(self) -> tuple[type[TicketError], tuple[()]]:
        return type(self), ()


class TicketExpiredError(TicketError):
    """The ticket was good for this scope, and is past its end."""

    text = "The ticket has expired; ask for a new one, and renew it in time where it is needed for longer."


class TicketSigner:
    """Makes and opens tickets under one secret key of 16 to 64 bytes."""

    def __init__(self, key: bytes) -> None:
        if not _MIN_KEY_SIZE <= len(key) <= _MAX_KEY_SIZE:
            raise ValueError(f"A ticket key has {len(key)} bytes; {_MIN_KEY_SIZE} to {_MAX_KEY_SIZE} are needed.")
        self._key = bytes(key)
        self._key_id = self._sign(b"id")[:4]

    @classmethod
    def generate(cls) -> TicketSigner:
        """A signer with a new random key."""
        return cls(secrets.token_bytes(32))

    def __repr__(self) -> str:
        return f"TicketSigner(key_id={self._key_id.hex()})"

    def seal(self, payload: bytes, scope: str, expires_at: float) -> bytes:
        """A ticket that carries `payload`, opens under `scope` only, until `expires_at` (seconds since 1970)."""
        body = _HEADER.pack(_VERSION, self._key_id, int(expires_at * 1000)) + payload
        return body + self._mac(body, scope)

    def open(self, ticket: bytes, scope: str) -> bytes:
        """The payload. Raises TicketError for whatever `seal` did not give under this key and scope, and
        TicketExpiredError for what has ended.
        """
        body, mac = ticket[:-_MAC_SIZE], ticket[-_MAC_SIZE:]
        if len(body) < _HEADER.size or not hmac.compare_digest(mac, self._mac(body, scope)):
            raise TicketError
        version, key_id, expiry = _HEADER.unpack_from(body)
        if version != _VERSION or key_id != self._key_id:
            raise TicketError
        if expiry <= time.time() * 1000:
            raise TicketExpiredError
        return bytes(body[_HEADER.size :])

    def _mac(self, body: bytes, scope: str) -> bytes:
        return self._sign(b"ticket", scope.encode(), body)

    def _sign(self, *parts: bytes) -> bytes:
        # OpenSSL looks its HMAC up anew for each, which takes longer than to compute this (docs/benchmarks.md).
        mac = hashlib.blake2b(key=self._key, digest_size=_MAC_SIZE)
        for part in parts:
            mac.update(len(part).to_bytes(8, "big"))
            mac.update(part)
        return mac.digest()
