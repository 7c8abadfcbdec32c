"""PhysicalPlan and the operator contract.

An operator says what it is in the kernel's language: `relation(inputs)` takes its children's relations (sqlglot
SELECTs) and returns its own. A tree of operators is therefore one kernel statement, which the kernel fuses, reorders
and parallelises; no Python runs between operators. `execute(ctx)` on any node compiles the subtree below it, registers
its sources with the kernel and returns the kernel's stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from operator import is_
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import pyarrow as pa
from sqlglot import exp

from engine.cancellation import Cancellation
from engine.metrics import MetricsSink
from engine.schema import RowType
from engine.shared_nodes import field_names
from engine.travel_types import Boundary

if TYPE_CHECKING:
    from engine.kernel import Kernel
    from engine.storage.protocol import Origins, ScanRequest, Source, Split, Storage, TableHandle

__all__ = [
    "Broadcast",
    "ExecutionContext",
    "ExecutionMode",
    "Hash",
    "OperatorCaps",
    "PartitioningSpec",
    "PhysicalOperator",
    "PhysicalPlan",
    "Range",
    "RoundRobin",
    "Single",
    "SourceBinder",
    "walk",
]


@dataclass(frozen=True)
class OperatorCaps:
    """What a planner may assume of an operator for which it has no rule of its own.

    `parallel_safe`: run on each partition of its input, the outputs together are the whole answer.
    `requires_partitioning`: parallel-safe only where its input is partitioned as it asks.
    """

    parallel_safe: bool = True
    requires_partitioning: bool = False


@dataclass(frozen=True)
class Hash:
    """Rows with equal `keys` are in the same of `n` partitions; NULL keys hash like any value."""

    keys: tuple[exp.Expr, ...]
    n: int


@dataclass(frozen=True)
class Range:
    """Partition i of `n` holds rows that come before those of partition i + 1 in the order of `keys`."""

    keys: tuple[object, ...]
    n: int


@dataclass(frozen=True)
class RoundRobin:
    """Rows anywhere in `n` partitions."""

    n: int


@dataclass(frozen=True)
class Single:
    """All rows in one partition."""


@dataclass(frozen=True)
class Broadcast:
    """All rows in every partition."""


PartitioningSpec = Hash | Range | RoundRobin | Single | Broadcast


class ExecutionMode(Enum):
    """Where a plan runs."""

    LOCAL = "local"
    DISTRIBUTED = "distributed"


@runtime_checkable
class ExecutionContext(Protocol):
    """One query's surroundings. Operators see no more of them, and so cannot tell on which runtime they run."""

    @property
    def kernel(self) -> Kernel:
        """The process's compute kernel."""

    @property
    def storage(self) -> Storage:
        """Where tables are."""

    @property
    def metrics_sink(self) -> MetricsSink:
        """Takes measurements."""

    @property
    def cancellation(self) -> Cancellation:
        """Stops the query."""

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What a scan of `data` reads in this query, from the storage."""

    def run(self, operator: PhysicalOperator) -> pa.RecordBatchReader:
        """Run the subtree below `operator` and stream its rows. Raises the execution errors."""


class SourceBinder(ABC):
    """Takes what a statement needs while it is compiled: sources and shared parts."""

    @property
    @abstractmethod
    def context(self) -> ExecutionContext:
        """The surroundings of the execution."""

    @abstractmethod
    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What a scan reads, opened in the execution's storage."""

    @abstractmethod
    def bind(self, source: Source, columns: RowType) -> exp.Select:
        """A SELECT of exactly `columns`, by name and kernel type, over the registered source."""

    @abstractmethod
    def share(self, name: str, relation: exp.Select) -> exp.Select:
        """A SELECT over `relation`, which the statement names `name` and computes once."""

    @abstractmethod
    def raw(self, text: str) -> exp.Table:
        """Kernel SQL that stands as a derived table without being parsed again."""

    @abstractmethod
    def expression(self, expr: exp.Expr) -> exp.Expr:
        """`expr` in the kernel's language, a copy that may be put into a statement."""


class PhysicalOperator:
    """One operator: a frozen dataclass, stateless between runs. Children are the fields that are operators."""

    # No ABC: plans are walked for each query, and `isinstance` of an ABC is a call of Python.

    capabilities: ClassVar[OperatorCaps] = OperatorCaps()

    @property
    @abstractmethod
    def schema(self) -> tuple[str, ...]:
        """The names of the columns that the operator gives, in order."""

    @property
    def children(self) -> tuple[PhysicalOperator, ...]:
        """The inputs, left to right."""
        return tuple([v for name in field_names(self) if isinstance(v := getattr(self, name), PhysicalOperator)])

    def with_children(self, children: tuple[PhysicalOperator, ...]) -> PhysicalOperator:
        """The same operator over other inputs."""
        own = {name: v for name in field_names(self) if isinstance(v := getattr(self, name), PhysicalOperator)}
        if len(own) == len(children) and all(map(is_, own.values(), children)):
            return self
        return replace(self, **dict(zip(own, children, strict=True)))  # type: ignore[type-var]

    @abstractmethod
    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        """What the operator is, as one SELECT over its inputs' SELECTs."""

    def describe(self) -> str:
        """The operator's line in EXPLAIN, without its children."""
        return type(self).__name__

    def direct(self, ctx: ExecutionContext) -> pa.RecordBatchReader | None:
        """The rows as they lie in storage, where the operator neither computes nor selects; else None."""
        del ctx
        return None

    @property
    def fallback(self) -> PhysicalOperator:
        """What computes the rows where they do not go out as they lie."""
        return self

    def execute(self, ctx: ExecutionContext) -> pa.RecordBatchReader:
        """Run the subtree and stream its rows."""
        return ctx.run(self)


@dataclass(frozen=True)
class PhysicalPlan:
    """The root operator, its output columns with kernel types, their Arrow schema, and where the plan runs.

    `boundary` says who gets the rows: the schema is the one in which they leave for it. `origins` are the tables that
    the columns come from; it may be empty.
    """

    root: PhysicalOperator
    columns: RowType
    schema: pa.Schema
    mode: ExecutionMode
    boundary: Boundary = field(default=Boundary.CLIENT, kw_only=True)
    origins: Origins = field(default=(), kw_only=True)


def walk(operator: PhysicalOperator) -> Iterator[PhysicalOperator]:
    """Every operator, root first."""
    pending = [operator]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children))
