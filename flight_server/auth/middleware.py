"""Identity in pyarrow's terms: headers are read for every call, and Handshake answers with a bearer token.

Handshake works only where the server has an auth handler. The headers that come with it say who calls, as with every
other call, and its answer is the header `authorization` beside one message without content. Where they say nothing,
user and password stand in its message (Flight's BasicAuth), and the token in that of the answer; such a client sends
the token as `auth-token-bin` from then on.
"""

from __future__ import annotations

import base64
import threading
from typing import Any

import pyarrow as pa
from pyarrow import flight

from engine.errors import ResourceExhaustedError
from engine.rights import ANONYMOUS, Identity
from flight_server.auth.identity import Authenticator, Headers
from flight_server.endpoint.status import UnauthenticatedError, flight_errors
from flight_server.endpoint.thread_state import hold_thread_state

__all__ = ["IDENTITY_KEY", "HandshakeHandler", "IdentityFactory", "IdentityMiddleware"]

IDENTITY_KEY = "grism.identity"
_WAITING = 16  # Handshakes whose message is awaited at a time


_pending: set[int] = set()
"""The threads whose Handshake is still to say who calls. gRPC takes a call through one thread."""


class HandshakeHandler(flight.ServerAuthHandler):
    """Answers a Handshake that `IdentityFactory` has let through, or that has its login in its message."""

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__()
        self._authenticator = authenticator
        self._waiting = threading.BoundedSemaphore(_WAITING)

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        """Write the one answer. A client that has logged in by headers may send no message, so none is awaited."""
        thread = threading.get_ident()
        pending = thread in _pending
        _pending.discard(thread)
        with flight_errors():
            outgoing.write(self._token(incoming).encode() if pending else b"")

    def is_valid(self, token: bytes) -> bytes:
        """Nothing: `IdentityFactory` looks at tokens. It is where a call enters Python first."""
        del token
        hold_thread_state()
        return b""

    def _token(self, incoming: Any) -> str:
        if not self._waiting.acquire(blocking=False):  # nobody knows them, and they may send nothing for long
            raise ResourceExhaustedError("Too many logins at once; try again later.")
        try:
            login = flight.BasicAuth.deserialize(incoming.read())
        except (pa.ArrowException, OSError, ValueError):
            login = None
        finally:
            self._waiting.release()
        if login is None or not login.username:
            self._authenticator.identify({})
            raise UnauthenticatedError("Log in: send user and password, or a bearer token.")
        pair = base64.b64encode(login.username + b":" + login.password).decode()
        identity = self._authenticator.identify({"authorization": [f"Basic {pair}"]})
        return self._authenticator.issue_token(identity) or ""


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
        handshake = info.method == flight.FlightMethod.HANDSHAKE
        _pending.discard(threading.get_ident())
        with flight_errors():
            try:
                identity = self._authenticator.identify(_with_token(headers))
            except UnauthenticatedError:
                if not handshake or headers.get("authorization"):
                    raise
                _pending.add(threading.get_ident())
                return IdentityMiddleware(ANONYMOUS, None)
            return IdentityMiddleware(identity, self._authenticator.issue_token(identity) if handshake else None)


def _with_token(headers: dict[str, list[str | bytes]]) -> Headers:
    """The headers, where a token that came in the message of a Handshake stands as any other."""
    tokens = headers.get("auth-token-bin", ())
    if headers.get("authorization") or not any(tokens):
        return headers
    return {**headers, "authorization": [b"Bearer " + _bytes(token) for token in tokens]}


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
