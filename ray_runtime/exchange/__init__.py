"""The Exchange's data plane: what map tasks write, what workers serve, what consumers read. Knows nothing of Ray.

::

    map task    grouped(reader, n) -> store.writer(key, schema, n) -> commit -> OutputSummary
    worker      Endpoint(ExchangeHandler(store, keys))
    consumer    ExchangeReader(schema, sources, key, ...).table() or .stream()

Outputs are materialised and immutable: whoever lost one runs its task again, and readers find the same rows in the same
order however often they ask.
"""

from __future__ import annotations

from ray_runtime.exchange.batches import Piece
from ray_runtime.exchange.identity import OutputFailedError, OutputKey, OutputSummary, SourceLostError, WorkerId
from ray_runtime.exchange.partitioner import group_rows, payload_schema, whole
from ray_runtime.exchange.protocol import OutputRef, QueryKeys, ReadRequest
from ray_runtime.exchange.reader import ExchangeReader, ReadOptions
from ray_runtime.exchange.service import ExchangeHandler
from ray_runtime.exchange.sources import ExchangeSource
from ray_runtime.exchange.store import OWNED, ExchangeStore, OutputWriter

__all__ = [
    "OWNED",
    "ExchangeHandler",
    "ExchangeReader",
    "ExchangeSource",
    "ExchangeStore",
    "OutputFailedError",
    "OutputKey",
    "OutputRef",
    "OutputSummary",
    "OutputWriter",
    "Piece",
    "QueryKeys",
    "ReadOptions",
    "ReadRequest",
    "SourceLostError",
    "WorkerId",
    "group_rows",
    "payload_schema",
    "whole",
]
