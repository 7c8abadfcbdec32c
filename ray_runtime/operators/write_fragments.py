"""WriteFragmentsExec: rows that are stored where they are computed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from engine.physical import PhysicalOperator, SourceBinder
from engine.storage.protocol import FragmentSink, TableName
from engine.streams import slice_stream

__all__ = ["FRAGMENTS", "WriteFragmentsExec"]

FRAGMENTS = pa.schema([("fragments", pa.list_(pa.string())), ("rows", pa.int64()), ("bytes", pa.int64())])
"""What a plan with this root gives: a row for each task, with its fragments, and what there is in them."""


@dataclass(frozen=True)
class WriteFragmentsExec(PhysicalOperator):
    """Writes its input's rows into the `sink`, and gives one row: the fragments that hold them, how many, how large.

    Nobody sees the fragments before whoever gets that row commits them. The root of a stage, and of nothing else: it
    is no query of the kernel. Without a sink it can only be shown.
    """

    input: PhysicalOperator
    table: TableName
    sink: FragmentSink | None = field(default=None, compare=False)

    @property
    def schema(self) -> tuple[str, ...]:
        return tuple(FRAGMENTS.names)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del inputs, sources
        raise RuntimeError("fragments are written by a task of a stage only")

    def write(self, rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """Store `rows`, which are the input's, and tell of them. Raises what the sink raises."""
        if self.sink is None:
            raise RuntimeError("there is nowhere to write to")
        stream = slice_stream(rows)
        with closing(stream.reader) as reader:
            fragments = self.sink.write(reader)
        told = {"fragments": fragments, "rows": stream.counters.rows, "bytes": stream.counters.bytes}
        return pa.RecordBatchReader.from_batches(FRAGMENTS, [pa.RecordBatch.from_pylist([told], FRAGMENTS)])

    def describe(self) -> str:
        return f"WriteFragmentsExec {self.table}"
