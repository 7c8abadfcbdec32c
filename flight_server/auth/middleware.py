"""Identity in pyarrow's terms: headers are read for every call, and Handshake answers with a bearer token.

Handshake works only where the server has an auth handler, so one stands there that does nothing; the headers that come
with the Handshake say who calls, as with every other call, and its answer is the header `authorization`.
"""

from __future__ import annotations

from typing import Any

from pyarrow import flight

from engine.rights import Identity
from flight_server.auth.identity import Authenticator
from flight_server.endpoint.status import flight_errors

__all__ = ["IDENTITY_KEY", "HandshakeHandler", "IdentityFactory", "IdentityMiddleware"]

IDENTITY_KEY = "grism.identity"


class HandshakeHandler(flight.ServerAuthHandler):
    """Lets every Handshake through; `IdentityFactory` has looked at its headers before."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        del outgoing, incoming

    def is_valid(self, token: bytes) -> bytes:
        del token
        return b""


class IdentityMiddleware(flight.ServerMiddleware):
    """One call's identity; on Handshake also the token that it is given."""

    def __init__(self, identity: Identity, token: str | None) -> None:
        self.identity = identity
        self._token = token

    def sending_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"} if self._token is not None else {}


class IdentityFactory(flight.ServerMiddlewareFactory):
    """Asks the authenticator at the start of every call."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def start_call(self, info: flight.CallInfo, headers: dict[str, list[str | bytes]]) -> IdentityMiddleware:
        with flight_errors():
            identity = self._authenticator.identify(headers)
            handshake = info.method == flight.FlightMethod.HANDSHAKE
            return IdentityMiddleware(identity, self._authenticator.issue_token(identity) if handshake else None)
