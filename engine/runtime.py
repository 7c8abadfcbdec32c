"""The runtime as its callers see it: two implementations, `local_runtime.LocalRuntime` and `ray_runtime.RayRuntime`.

The service holds one Runtime for each name that it offers and needs nothing else to run a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.errors import GrismError
from engine.kernel_errors import execution_error
from engine.run_progress import RunProgress
from engine.tracing import SpanContext

if TYPE_CHECKING:
    from engine.kernel import Kernel
    from engine.logical.nodes import LogicalPlan
    from engine.physical import PhysicalPlan
    from engine.profile import QueryProfile
    from engine.sql.frontend import SqlFrontend
    from engine.storage.indexes import IndexBuilder
    from engine.storage.protocol import FragmentSink, Storage, TableName
    from engine.streams import StreamCounters

__all__ = [
    "ClusterCounts",
    "PartRows",
    "QueryOptions",
    "QueryResult",
    "ResultPart",
    "ResultParts",
    "Runtime",
    "WorkerInfo",
]


@dataclass(frozen=True)
class QueryOptions:
    """What a caller may choose for one execution: what stops it, who is given what tells how far it is before its first
    rows are there, and the span for which it is done."""

    cancellation: Cancellation = field(default_factory=Cancellation)
    follow: Callable[[RunProgress], None] = lambda _: None
    trace: SpanContext | None = None


@dataclass(frozen=True)
class ResultPart:
    """A part of a result, to be fetched by `do_get` with `ticket` from the Flight endpoint at `location`."""

    location: str
    ticket: bytes
    rows: int
    bytes: int


@dataclass(frozen=True)
class PartRows:
    """The rows of a part; `failure` tells the error with which `reader` ended, since Arrow keeps no error's type."""

    reader: pa.RecordBatchReader
    failure: Callable[[], GrismError | None]


@dataclass(frozen=True)
class ResultParts:
    """A whole result in parts, which stay until their tickets expire or `release` is called.

    `read` gives the rows of a part to those who do not come to where it is; it raises WorkerLostError where it is gone.
    """

    parts: tuple[ResultPart, ...]
    release: Callable[[], None]
    read: Callable[[ResultPart, Cancellation], PartRows]


@dataclass(frozen=True)
class QueryResult:
    """A running query. Read `reader` to its end, or stop it and let it go; both free all that the query holds.

    `counters` (rows, batches, bytes) grow while the stream is read, wherever it is read from. Iterating gives record
    batches and raises the execution errors by type; `reader` is for C++ consumers and gives Arrow's errors, of whose
    texts `explain` makes those that they were.
    """

    reader: pa.RecordBatchReader
    counters: StreamCounters
    cancellation: Cancellation
    stop: Callable[[], None]
    failure: Callable[[], GrismError | None] = lambda: None

    def explain(self, text: str) -> BaseException:
        """The error behind the text with which `reader` failed."""
        return self.failure() or self.cancellation.cause or execution_error(OSError(text))

    def close(self) -> None:
        """Stop the work, from any thread and as often as one likes. What was read stays valid."""
        self.cancellation.cancel("The result was closed.")
        self.stop()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                batch = self.reader.read_next_batch()
            except StopIteration:
                return
            except (pa.ArrowException, OSError) as error:
                raise self.explain(str(error)) from None
            yield batch

    def read_all(self) -> pa.Table:
        """All rows. Raises the execution errors."""
        return pa.Table.from_batches(list(self), self.schema)

    def __enter__(self) -> QueryResult:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the stream."""
        return self.reader.schema


@dataclass(frozen=True)
class WorkerInfo:
    """A worker of a cluster: where it is, the tasks that run on it, what it keeps of their outputs, and what its kernel
    uses, in bytes."""

    id: str
    location: str
    pid: int
    tasks: int | None
    outputs: int | None
    exchange_memory: int | None
    exchange_disk: int | None
    kernel_memory: int | None
    kernel_spilled: int | None


@dataclass(frozen=True)
class ClusterCounts:
    """What a cluster did since its start: tasks that were handed out, those of them that were another attempt, and
    workers that were lost."""

    tasks: int
    repeated: int
    lost_workers: int


class Runtime(Protocol):
    """Plans and runs logical plans."""

    @property
    def name(self) -> str:
        """``local`` or ``ray``."""

    @property
    def kernel(self) -> Kernel:
        """The kernel of this process, for binding and types."""

    @property
    def frontend(self) -> SqlFrontend:
        """Plans SQL over `storage`, and remembers plans; one is enough for a process."""

    @property
    def storage(self) -> Storage:
        """Where tables are."""

    def plan(self, query: LogicalPlan, partitions: int | None = None) -> PhysicalPlan:
        """The physical plan; `PhysicalPlan.schema` is the Arrow schema of its result. Runs no query.

        `partitions` is how many each shuffle has, where there are any; None leaves it to the runtime.
        """

    def execute(self, plan: PhysicalPlan, options: QueryOptions | None = None) -> QueryResult:
        """Start the plan; a plan may be executed any number of times."""

    def profile(self, plan: PhysicalPlan, options: QueryOptions | None = None) -> QueryProfile:
        """Run the plan to its end and tell what it did; its rows go to nobody. Raises the execution errors."""

    def has_parts(self, plan: PhysicalPlan) -> bool:
        """Whether `run_to_parts` can run the plan."""

    def run_to_parts(self, plan: PhysicalPlan, seconds: float, options: QueryOptions | None = None) -> ResultParts:
        """Run the plan to its end and leave the rows where they were made, for so many seconds."""

    def writes(self, plan: PhysicalPlan) -> bool:
        """Whether the rows of the plan are better stored where they are made, by `write_plan`, than brought here."""

    def write_plan(self, plan: PhysicalPlan, table: TableName, sink: FragmentSink | None = None) -> PhysicalPlan:
        """The plan that puts the rows into `sink`, and gives what that tells of each part, in the order of the rows.

        Without a sink it is there to be explained.
        """

    def index_plan(self, builder: IndexBuilder) -> PhysicalPlan | None:
        """The plan that builds the parts of an index beside each other, and gives what is told of each.

        None where the index is better built as one, here.
        """

    def explain(self, plan: PhysicalPlan) -> str:
        """The plan as text."""

    def workers(self) -> Sequence[WorkerInfo]:
        """The workers that are ready; counts are None of those that do not answer."""

    def is_read(self, timeout: float) -> bool:
        """Whether rows are being fetched from workers, of which those count that answer within `timeout` seconds."""

    def counts(self) -> ClusterCounts | None:
        """What the cluster did; None where there is none."""

    def wait_for_worker(self) -> None:
        """Wait until there is who can run a query, or it is closed; not at all where that needs no cluster."""

    def close(self) -> None:
        """Stop what runs and free what is held."""
