"""BuildIndexExec: parts of an index, each built by a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from engine.cancellation import Cancellation
from engine.physical import PhysicalOperator, SourceBinder
from engine.storage.indexes import IndexBuilder

__all__ = ["SEGMENTS", "BuildIndexExec"]

SEGMENTS = pa.schema([pa.field("segment", pa.string())])
"""What a plan with this root gives: a row for each part of the index."""


@dataclass(frozen=True)
class BuildIndexExec(PhysicalOperator):
    """Has the `builder` build a part of an index, and gives a row with what that tells of it.

    Nobody sees the part before whoever gets these rows commits them. It is all that its stage does: no query of the
    kernel.
    """

    builder: IndexBuilder = field(compare=False)

    @property
    def schema(self) -> tuple[str, ...]:
        return tuple(SEGMENTS.names)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del inputs, sources
        raise RuntimeError("parts of an index are built by a task of a stage only")

    def build(self, part: Sequence[int], cancellation: Cancellation) -> pa.RecordBatchReader:
        """Build one part, and give its row. Raises what the builder raises."""
        told = pa.array([self.builder.build(part, cancellation)], pa.string())
        return pa.RecordBatchReader.from_batches(SEGMENTS, [pa.RecordBatch.from_arrays([told], schema=SEGMENTS)])

    def describe(self) -> str:
        return f"BuildIndexExec {self.builder}"
