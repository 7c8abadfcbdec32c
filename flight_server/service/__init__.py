"""Flight SQL and plain Flight on the endpoint: `FlightSqlService` is the handler, the modules beside it its parts."""

from __future__ import annotations

from flight_server.service.service import FlightSqlService
from flight_server.service.wire import BadRequestError

__all__ = ["BadRequestError", "FlightSqlService"]
