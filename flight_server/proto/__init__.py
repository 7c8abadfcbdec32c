"""The wire messages of Flight and Flight SQL, generated from the `.proto` files beside this module by `make proto`.

They live in a descriptor pool of their own, so that a client library in the same process may bring its own copy.
"""

from __future__ import annotations

from flight_server.proto import flight_pb2 as flight
from flight_server.proto import flight_sql_pb2 as sql

__all__ = ["flight", "sql"]
