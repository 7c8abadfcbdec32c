"""What a reader asks of a worker: a range of partitions of some outputs of one stage, with the rows of each.

Ticket, in network byte order; the part after the query's name is sealed with the query's key::

    length   u16        of the query's name in UTF-8
    query    bytes      names the key
    sealed:
      stage       u32
      partitions  u32 u32     first, and the one after the last
      client      bool        who reads is a client of the service
      outputs     u32         how many, then for each
        task u32, attempt u32, rows u64
      origins     bytes       JSON for a client: the tables that columns come from, and of each column which of these

A reader that knows the rows of what it asks for can tell an empty output from an absent and a truncated one.
"""

from __future__ import annotations

import json
import struct
import threading
import time
from dataclasses import dataclass

from engine.storage.protocol import Origins, TableName
from flight_server.endpoint.tickets import TicketError, TicketSigner
from ray_runtime.exchange.identity import OutputKey

__all__ = ["OutputRef", "QueryKeys", "ReadRequest"]

_LENGTH = struct.Struct("!H")
_HEADER = struct.Struct("!III?I")
_OUTPUT = struct.Struct("!IIQ")
TICKET_SECONDS = 3600.0


@dataclass(frozen=True)
class OutputRef:
    """One output of the stage, and its rows within the partitions that are asked for."""

    task: int
    attempt: int
    rows: int


@dataclass(frozen=True)
class ReadRequest:
    """Rows of `partitions` (a range of step 1) of `outputs`, in that order; `for_client` says that no worker reads.

    A client is told by the fields that it gets of the `origins` of their columns.
    """

    query: str
    stage: int
    partitions: range
    outputs: tuple[OutputRef, ...]
    for_client: bool = False
    origins: Origins = ()

    @property
    def rows(self) -> int:
        """All rows that are asked for."""
        return sum(output.rows for output in self.outputs)

    @property
    def keys(self) -> tuple[OutputKey, ...]:
        """The outputs by their full names."""
        return tuple(OutputKey(self.query, self.stage, output.task, output.attempt) for output in self.outputs)

    def seal(self, key: bytes, seconds: float = TICKET_SECONDS) -> bytes:
        """The ticket for this request, under the query's key, valid for `seconds`."""
        first, stop = self.partitions.start, self.partitions.stop
        payload = _HEADER.pack(self.stage, first, stop, self.for_client, len(self.outputs))
        payload += b"".join(_OUTPUT.pack(output.task, output.attempt, output.rows) for output in self.outputs)
        payload += _encode_origins(self.origins)
        name = self.query.encode()
        sealed = TicketSigner(key).seal(payload, _scope(self.query), time.time() + seconds)
        return _LENGTH.pack(len(name)) + name + sealed


class QueryKeys:
    """The keys of the queries that a worker serves. A query that is not, or no longer, known opens no ticket."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signers: dict[str, TicketSigner] = {}

    def add(self, query: str, key: bytes) -> None:
        """Serve a query from here on."""
        with self._lock:
            self._signers[query] = TicketSigner(key)

    def remove(self, query: str) -> None:
        """Serve it no longer; none there is fine."""
        with self._lock:
            self._signers.pop(query, None)

    def open(self, ticket: bytes) -> ReadRequest:
        """The request in a ticket. Raises TicketError for whatever `seal` did not give under a known query's key."""
        try:
            (length,) = _LENGTH.unpack_from(ticket)
            query = ticket[_LENGTH.size : _LENGTH.size + length].decode()
        except (struct.error, UnicodeDecodeError):
            raise TicketError from None
        with self._lock:
            signer = self._signers.get(query)
        if signer is None:
            raise TicketError
        return _parse(query, signer.open(ticket[_LENGTH.size + length :], _scope(query)))


def _scope(query: str) -> str:
    return f"exchange {query}"


def _parse(query: str, payload: bytes) -> ReadRequest:
    if len(payload) < _HEADER.size:
        raise TicketError
    stage, first, stop, for_client, count = _HEADER.unpack_from(payload)
    end = _HEADER.size + count * _OUTPUT.size
    if len(payload) < end or not first < stop:
        raise TicketError
    outputs = tuple(OutputRef(*fields) for fields in _OUTPUT.iter_unpack(payload[_HEADER.size : end]))
    return ReadRequest(query, stage, range(first, stop), outputs, for_client, _decode_origins(payload[end:]))


def _encode_origins(origins: Origins) -> bytes:
    if not any(origins):
        return b""
    tables = list(dict.fromkeys(origins))
    places = {table: place for place, table in enumerate(tables)}
    named = [None if table is None else (table.schema, table.table) for table in tables]
    return json.dumps([named, [places[origin] for origin in origins]], separators=(",", ":")).encode()


def _decode_origins(written: bytes) -> Origins:
    if not written:
        return ()
    try:
        named, places = json.loads(written)
        tables = [None if name is None else TableName(*name) for name in named]
        return tuple(tables[place] for place in places)
    except (ValueError, TypeError, IndexError):
        raise TicketError from None
