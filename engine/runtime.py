"""The runtime as its callers see it: two implementations, `local_runtime.LocalRuntime` and `ray_runtime.RayRuntime`.

The service holds one Runtime for each name that it offers and needs nothing else to run a query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from engine.context import Cancellation

if TYPE_CHECKING:
    from engine.kernel import Kernel
    from engine.logical.nodes import LogicalPlan
    from engine.physical import PhysicalPlan
    from engine.storage.protocol import Storage
    from engine.streams import StreamCounters

__all__ = ["QueryOptions", "QueryResult", "Runtime"]


@dataclass(frozen=True)
class QueryOptions:
    """What a caller may choose for one execution."""

    cancellation: Cancellation = field(default_factory=Cancellation)
    partitions: int | None = None


@dataclass(frozen=True)
class QueryResult:
    """A running query. Read `reader` to its end, or `close()`; both free all that the query holds.

    `counters` (rows, batches, bytes) grow while the stream is read, wherever it is read from. `close` may be called
    more than once and from any thread; it stops the work.
    """

    reader: pa.RecordBatchReader
    counters: StreamCounters
    cancellation: Cancellation
    close: Callable[[], None]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the stream."""
        return self.reader.schema


class Runtime(Protocol):
    """Plans and runs logical plans."""

    @property
    def name(self) -> str:
        """``local`` or ``ray``."""

    @property
    def kernel(self) -> Kernel:
        """The kernel of this process, for binding and types."""

    @property
    def storage(self) -> Storage:
        """Where tables are."""

    def plan(self, query: LogicalPlan) -> PhysicalPlan:
        """The physical plan; `PhysicalPlan.schema` is the Arrow schema of its result. Runs nothing."""

    def execute(self, plan: PhysicalPlan, options: QueryOptions | None = None) -> QueryResult:
        """Start the plan; a plan may be executed any number of times."""

    def explain(self, plan: PhysicalPlan) -> str:
        """The plan as text."""

    def close(self) -> None:
        """Stop what runs and free what is held."""
