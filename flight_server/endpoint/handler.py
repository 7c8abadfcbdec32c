"""What an endpoint serves, as a protocol, and a base that refuses everything."""

# ruff: noqa: ARG002 - the base names arguments that only its subclasses use

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import pyarrow as pa
from pyarrow import flight

from engine.errors import UnsupportedError
from flight_server.endpoint.calls import Call
from flight_server.endpoint.incoming_data import IncomingData
from flight_server.endpoint.streams import ResultStream

__all__ = ["BaseHandler", "Handler"]


class Handler(Protocol):
    """What an endpoint serves. Methods run in gRPC's threads, many at a time, and raise the errors of engine.errors."""

    def list_flights(self, call: Call, criteria: bytes) -> Iterable[flight.FlightInfo]:
        """The flights that match."""

    def get_flight_info(self, call: Call, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        """Schema and endpoints of one flight."""

    def get_schema(self, call: Call, descriptor: flight.FlightDescriptor) -> pa.Schema:
        """Schema of one flight."""

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        """The rows behind a ticket."""

    def do_put(self, call: Call, descriptor: flight.FlightDescriptor, reader: IncomingData) -> bytes:
        """Take an upload; gives its answer. `reader.schema` may only be touched where the client sent one."""

    def do_exchange(
        self,
        call: Call,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.MetadataRecordBatchWriter,
    ) -> None:
        """Rows in, rows out."""

    def do_action(self, call: Call, name: str, body: bytes) -> Iterable[bytes]:
        """Run an action; gives the bodies of its results."""

    def list_actions(self, call: Call) -> Iterable[tuple[str, str]]:
        """Name and description of each action."""


class BaseHandler:
    """A Handler that refuses everything; override what is offered."""

    def list_flights(self, call: Call, criteria: bytes) -> Iterable[flight.FlightInfo]:
        raise self._refuse(call)

    def get_flight_info(self, call: Call, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        raise self._refuse(call)

    def get_schema(self, call: Call, descriptor: flight.FlightDescriptor) -> pa.Schema:
        return self.get_flight_info(call, descriptor).schema

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        raise self._refuse(call)

    def do_put(self, call: Call, descriptor: flight.FlightDescriptor, reader: IncomingData) -> bytes:
        raise self._refuse(call)

    def do_exchange(
        self,
        call: Call,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.MetadataRecordBatchWriter,
    ) -> None:
        raise self._refuse(call)

    def do_action(self, call: Call, name: str, body: bytes) -> Iterable[bytes]:
        raise UnsupportedError(f"There is no action {name!r} here; ListActions names those that are.")

    def list_actions(self, call: Call) -> Iterable[tuple[str, str]]:
        return ()

    @staticmethod
    def _refuse(call: Call) -> UnsupportedError:
        return UnsupportedError(f"This endpoint does not offer {call.method}.")
