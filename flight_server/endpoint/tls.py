"""Mutual TLS among processes that are each other's servers and clients, as the workers of a cluster are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flight_server.endpoint.client import ClientTls
from flight_server.endpoint.server import ServerTls

__all__ = ["PeerTls"]


@dataclass(frozen=True)
class PeerTls:
    """Paths of PEM files, which each process reads on its own machine: keys do not travel.

    Who shows no certificate of the authority is neither served nor believed. A process's certificate has to name the
    address at which the others reach it, as an alternative name.
    """

    certificate: Path
    private_key: Path
    authority: Path

    def server(self) -> ServerTls:
        """For the endpoint; raises OSError for files that cannot be read."""
        return ServerTls(self.certificate.read_bytes(), self.private_key.read_bytes(), self.authority.read_bytes())

    def client(self) -> ClientTls:
        """For connections to the others; raises OSError for files that cannot be read."""
        return ClientTls(self.authority.read_bytes(), self.certificate.read_bytes(), self.private_key.read_bytes())
