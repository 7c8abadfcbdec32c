"""Tables that are in the coordinator's memory, as workers read them: through its Flight endpoint, under signed tickets.

A ticket names a query, which has a key of its own, and, sealed with that key as JSON, the version and slice of a table
and the columns that are wanted::

    length u16 | query | sealed {"schema", "table", "location", "version", "part", "columns", "limit"}
"""

from __future__ import annotations

import json
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from pyarrow import flight

from engine.cancellation import Cancellation
from engine.errors import WorkerLostError
from engine.operators import TableScanExec
from engine.physical import PhysicalOperator, walk
from engine.storage.memory_tables import KIND
from engine.storage.protocol import ArrowSource, ScanRequest, Source, Split, Storage, TableHandle, TableName
from flight_server.endpoint import BaseHandler, Call, ConnectionPool, ResultStream, TicketError, TicketSigner
from ray_runtime.stages import StageGraph

if TYPE_CHECKING:
    from ray_runtime.task import TaskSpec

__all__ = ["TableHandler", "TaskStorage", "reads_memory"]

_LENGTH = struct.Struct("!H")
_TICKET_SECONDS = 3600.0


def reads_memory(graph: StageGraph) -> bool:
    """Whether a query reads a table that only its coordinator holds."""
    return any(_scans_memory(stage.root) for stage in graph)


def _scans_memory(root: PhysicalOperator) -> bool:
    return any(isinstance(node, TableScanExec) and node.table.kind == KIND for node in walk(root))


class TableHandler(BaseHandler):
    """The coordinator's side: serves slices of memory tables to the tasks of known queries."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queries: dict[str, tuple[TicketSigner, Storage]] = {}

    def add(self, query: str, key: bytes, storage: Storage) -> None:
        """Serve the tasks of a query from here on, with the tables of `storage`."""
        with self._lock:
            self._queries[query] = (TicketSigner(key), storage)

    def remove(self, query: str) -> None:
        """Serve them no longer."""
        with self._lock:
            self._queries.pop(query, None)

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        """The rows that the ticket names, or UNAUTHENTICATED."""
        del call
        storage, data, request = self._open(ticket)
        source = storage.open(data, request)
        if not isinstance(source, ArrowSource) or not isinstance(source.data, pa.Table):
            raise TicketError  # we sealed tickets for memory tables only
        return ResultStream(source.data.to_reader())

    def _open(self, ticket: bytes) -> tuple[Storage, TableHandle | Split, ScanRequest]:
        try:
            (length,) = _LENGTH.unpack_from(ticket)
            query = ticket[_LENGTH.size : _LENGTH.size + length].decode()
        except (struct.error, UnicodeDecodeError):
            raise TicketError from None
        with self._lock:
            known = self._queries.get(query)
        if known is None:
            raise TicketError
        signer, storage = known
        wanted = json.loads(signer.open(ticket[_LENGTH.size + length :], _scope(query)))
        name = TableName(wanted["schema"], wanted["table"])
        table = TableHandle(name, KIND, tuple(wanted["location"]), wanted["version"], None, None)
        data = table if wanted["part"] is None else Split(table, tuple(wanted["part"]))
        return storage, data, ScanRequest(tuple(wanted["columns"]), None, wanted["limit"])


class TaskStorage:
    """A worker's storage as one task sees it: tables in the coordinator's memory are fetched, all others opened."""

    def __init__(self, base: Storage, spec: TaskSpec, pool: ConnectionPool, cancellation: Cancellation) -> None:
        self._base = base
        self._spec = spec
        self._pool = pool
        self._cancellation = cancellation

    @classmethod
    def of(cls, base: Storage, spec: TaskSpec, pool: ConnectionPool, cancellation: Cancellation) -> Storage:
        """The storage for a task; `base` itself where the query reads no memory."""
        return base if spec.tables is None else cast(Storage, cls(base, spec, pool, cancellation))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What the kernel reads; a fetched slice is a Table, which brings its row count."""
        table = data.table if isinstance(data, Split) else data
        if table.kind != KIND:
            return self._base.open(data, request)
        try:
            return ArrowSource(self._fetch(self._seal(data, request)))
        except flight.FlightUnavailableError:
            raise WorkerLostError("The coordinator, which holds a table in memory, cannot be reached.") from None

    def _fetch(self, ticket: bytes) -> pa.Table:
        assert self._spec.tables is not None
        self._cancellation.check()
        with self._pool.client(self._spec.tables) as client:
            stream = client.do_get(flight.Ticket(ticket))
            forget = self._cancellation.on_cancel(stream.cancel)
            try:
                # `read_all` takes a call that is cancelled for an interrupt of this process.
                return pa.Table.from_batches((chunk.data for chunk in stream), stream.schema)
            except (flight.FlightError, pa.ArrowException):
                self._cancellation.check()
                raise
            finally:
                forget()

    def _seal(self, data: TableHandle | Split, request: ScanRequest) -> bytes:
        table, part = (data.table, list(data.part)) if isinstance(data, Split) else (data, None)
        wanted = {
            "schema": table.name.schema,
            "table": table.name.table,
            "location": list(table.location),
            "version": table.version,
            "part": part,
            "columns": list(request.columns),
            "limit": request.limit if request.filter is None else None,
        }
        query = self._spec.task.query
        name = query.encode()
        signer = TicketSigner(self._spec.key)
        sealed = signer.seal(json.dumps(wanted).encode(), _scope(query), time.time() + _TICKET_SECONDS)
        return _LENGTH.pack(len(name)) + name + sealed


def _scope(query: str) -> str:
    return f"table {query}"
