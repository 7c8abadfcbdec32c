"""WriteFragmentsExec: rows that are stored where they are computed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from engine.physical import PhysicalOperator, SourceBinder
from engine.storage.protocol import FragmentSink, TableName

__all__ = ["FRAGMENTS", "WriteFragmentsExec"]

FRAGMENTS = pa.schema([pa.field("fragment", pa.string())])
"""What a plan with this root gives: a row for each fragment."""


@dataclass(frozen=True)
class WriteFragmentsExec(PhysicalOperator):
    """Writes its input's rows into the `sink`, and gives a row for each fragment that holds them, with what it is.

    Nobody sees the fragments before whoever gets these rows commits them. The root of a stage, and of nothing else: it
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

    def written(self, rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """Store `rows`, which are the input's, and give those of the fragments. Raises what the sink raises."""
        if self.sink is None:
            raise RuntimeError("there is nowhere to write to")
        fragments = pa.array(self.sink.write(rows), pa.string())
        return pa.RecordBatchReader.from_batches(FRAGMENTS, [pa.RecordBatch.from_arrays([fragments], schema=FRAGMENTS)])

    def describe(self) -> str:
        return f"WriteFragmentsExec {self.table}"
