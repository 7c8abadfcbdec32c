"""The Flight endpoint that the service and the workers share: server, calls, tickets, streams, errors, connections.

Nothing here knows SQL. A user gives `Endpoint` a `Handler`; the handler raises the errors of `engine.errors` and
answers `do_get` with a `ResultStream`; the endpoint does the rest.
"""

from __future__ import annotations

from flight_server.endpoint.calls import Call
from flight_server.endpoint.client import ClientTls, ConnectionPool
from flight_server.endpoint.handler import BaseHandler, Handler
from flight_server.endpoint.server import Endpoint, ServerTls
from flight_server.endpoint.status import UnauthenticatedError, flight_errors
from flight_server.endpoint.streams import ResultStream
from flight_server.endpoint.tickets import TicketError, TicketSigner
from flight_server.endpoint.tls import PeerTls

__all__ = [
    "BaseHandler",
    "Call",
    "ClientTls",
    "ConnectionPool",
    "Endpoint",
    "Handler",
    "PeerTls",
    "ResultStream",
    "ServerTls",
    "TicketError",
    "TicketSigner",
    "UnauthenticatedError",
    "flight_errors",
]
