"""Flight clients, kept open and shared: connecting costs more than most calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyarrow import flight

__all__ = ["ClientTls", "ConnectionPool"]


@dataclass(frozen=True)
class ClientTls:
    """PEM texts: whom to trust, and, for mutual TLS, who we are."""

    root_certificates: bytes
    certificate: bytes | None = None
    private_key: bytes | None = None


@dataclass
class _Connection:
    client: flight.FlightClient
    users: int = 0
    kept: bool = True


class ConnectionPool:
    """FlightClients by location. One client serves any number of threads and calls at once.

    At most `max_idle` clients that nobody uses stay open; those unused for the longest go first. `tls` holds for every
    location that begins with ``grpc+tls``.
    """

    def __init__(self, tls: ClientTls | None = None, max_idle: int = 64) -> None:
        self._tls = tls
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._connections: dict[str, _Connection] = {}  # in the order of their last use
        self._closed = False

    def __len__(self) -> int:
        return len(self._connections)

    @contextmanager
    def client(self, location: str) -> Iterator[flight.FlightClient]:
        """The client for `location`, open at least until the block ends.

        Where the block fails because the server cannot be reached, the pool forgets the client and the next user
        connects anew.
        """
        connection = self._take(location)
        try:
            yield connection.client
        except flight.FlightUnavailableError:
            with self._lock:
                self._forget(location, connection)
            raise
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close every client; those in use as soon as they are given back."""
        with self._lock:
            self._closed = True
            connections = list(self._connections.values())
            self._connections.clear()
            for connection in connections:
                connection.kept = False
        for connection in connections:
            if not connection.users:
                connection.client.close()

    def __enter__(self) -> ConnectionPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, location: str) -> _Connection:
        with self._lock:
            if self._closed:
                raise RuntimeError("the connection pool is closed")
            connection = self._connections.pop(location, None)
            if connection is None:
                connection = _Connection(self._connect(location))  # returns at once: gRPC connects when first used
            self._connections[location] = connection
            connection.users += 1
            return connection

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            connection.users -= 1
            unused = [] if connection.kept or connection.users else [connection]
            idle = [(where, c) for where, c in self._connections.items() if not c.users]
            for where, surplus in idle[: max(0, len(idle) - self._max_idle)]:
                self._forget(where, surplus)
                unused.append(surplus)
        for surplus in unused:
            surplus.client.close()

    def _forget(self, location: str, connection: _Connection) -> None:
        connection.kept = False
        if self._connections.get(location) is connection:
            del self._connections[location]

    def _connect(self, location: str) -> flight.FlightClient:
        if self._tls is None or not location.startswith("grpc+tls"):
            return flight.FlightClient(location)
        return flight.FlightClient(
            location,
            tls_root_certs=self._tls.root_certificates.decode(),
            cert_chain=_text(self._tls.certificate),
            private_key=_text(self._tls.private_key),
        )


def _text(pem: bytes | None) -> str | None:
    return None if pem is None else pem.decode()
