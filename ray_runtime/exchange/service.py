"""The worker's side of an exchange: its Flight endpoint hands out what its store holds, against tickets."""

from __future__ import annotations

import pyarrow as pa

from engine.errors import ExecutionError
from flight_server.column_metadata import annotate
from flight_server.endpoint import BaseHandler, Call, ResultStream
from ray_runtime.exchange.protocol import QueryKeys, ReadRequest
from ray_runtime.exchange.store import ExchangeStore

__all__ = ["ExchangeHandler", "read_outputs"]


class ExchangeHandler(BaseHandler):
    """Serves `do_get` from `store` to holders of tickets under the keys of `keys`, and nothing else."""

    def __init__(self, store: ExchangeStore, keys: QueryKeys) -> None:
        self.store = store
        self.keys = keys

    def do_get(self, call: Call, ticket: bytes) -> ResultStream:
        """The rows that the ticket names, or UNAUTHENTICATED, or an OutputFailedError; never fewer rows than named."""
        del call
        request = self.keys.open(ticket)
        rows = read_outputs(self.store, request)
        schema = annotate(rows.schema, request.origins) if request.for_client else None
        return ResultStream(rows.to_reader(), schema=schema)


def read_outputs(store: ExchangeStore, request: ReadRequest) -> pa.Table:
    """The rows of a request, sharing memory with the store.

    Raises OutputFailedError where an output is absent, damaged or has other rows than the request says.
    """
    if not request.outputs:
        raise ExecutionError("A read of no outputs has no schema.")
    batches: list[pa.RecordBatch] = []
    for key, output in zip(request.keys, request.outputs, strict=True):
        batches += store.read(key, request.partitions, output.rows)
    return pa.Table.from_batches(batches, schema=store.schema(request.keys[0]))
