"""A query's result on its way to its reader: outputs of the last stage, fetched ahead, whole, in order.

An output is handed out only once all of it has come, so that a worker that dies in the middle costs nothing but time:
the output is made again and fetched anew. What is fetched and not read yet lies in a store of the coordinator's, in
memory up to its budget and beyond it in files.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.errors import ExecutionError, GrismError
from flight_server.endpoint import ConnectionPool
from ray_runtime.exchange import (
    ExchangeReader,
    ExchangeSource,
    ExchangeStore,
    OutputFailedError,
    OutputKey,
    OutputRef,
    OutputSummary,
    ReadOptions,
    ReadRequest,
    SourceLostError,
    WorkerId,
    whole,
)
from ray_runtime.scheduler import Event, Output, ResultFetched, ResultMissing

__all__ = ["ReadyOutput", "ResultFetcher", "ResultReader"]

log = logging.getLogger(__name__)

_LOOK_AROUND = 0.25  # seconds between looks at the query's deadline while there is nothing to do


@dataclass(frozen=True)
class ReadyOutput:
    """An output of the last stage, which has `outputs` of them, and where it can be fetched."""

    summary: OutputSummary
    schema: pa.Schema
    worker: WorkerId
    location: str
    outputs: int

    @property
    def sources(self) -> list[ExchangeSource]:
        """What to ask the worker for; nothing where there are no rows."""
        key, rows = self.summary.key, self.summary.total_rows
        request = ReadRequest(key.query, key.stage, range(1), (OutputRef(key.task, key.attempt, rows),))
        return [ExchangeSource(self.worker, self.location, request, self.summary.total_bytes)] if rows else []


class ResultReader(ABC):
    """What the coordinator tells of a result: which outputs are ready, that one is lost, and how the query ended."""

    def __init__(self, cancellation: Cancellation) -> None:
        self.failure: GrismError | None = None
        self._cancellation = cancellation
        self._changed = threading.Condition()
        self._ready: dict[int, ReadyOutput] = {}

    def output_ready(self, found: ReadyOutput) -> None:
        """An output can be fetched."""
        with self._changed:
            self._ready[found.summary.key.task] = found
            self._changed.notify_all()

    def output_lost(self, task: OutputKey) -> None:
        """An output that was ready is gone; another attempt will be ready later."""
        with self._changed:
            found = self._ready.get(task.task)
            if found is not None and found.summary.key == task:
                del self._ready[task.task]

    @abstractmethod
    def finish(self) -> None:
        """There are no more outputs than those fetched."""

    def fail(self, error: GrismError) -> None:
        """The query failed; rows that were not handed out are dropped."""
        with self._changed:
            self.failure = self.failure or error
            self._changed.notify_all()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait, holding `_changed`. Raises the query's error."""
        while not condition():
            if self.failure is not None:
                raise self.failure
            self._cancellation.check()
            self._changed.wait(_LOOK_AROUND)


class ResultFetcher(ResultReader):
    """Fetches in a thread of its own and gives `batches` to one reader; the coordinator says what is ready."""

    def __init__(
        self,
        key: bytes,
        pool: ConnectionPool,
        store: ExchangeStore,
        ahead: int,
        cancellation: Cancellation,
        tell: Callable[[Event], None],
    ) -> None:
        super().__init__(cancellation)
        self._key, self._pool, self._store = key, pool, store
        self._ahead = ahead
        self._tell = tell
        self._fetched: deque[OutputSummary] = deque()
        self._held = 0  # bytes fetched and not handed out
        self._next = 0
        self._finished = False
        self._closed = False

    def start(self, query: str) -> None:
        """Begin to fetch."""
        threading.Thread(target=self._run, name=f"result-{query}", daemon=True).start()

    # --- the coordinator's side --------------------------------------------------------------------------------------

    def finish(self) -> None:
        """There are no more outputs than those fetched."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    # --- the reader's side -------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Wait until there are rows, or there are none. Raises the error of a query that failed before that."""
        with self._changed:
            self._wait_for(lambda: bool(self._fetched) or self._finished)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order. Raises the query's error."""
        while True:
            with self._changed:
                self._wait_for(lambda: bool(self._fetched) or self._finished)
                if not self._fetched:
                    return
                summary = self._fetched.popleft()
                self._held -= summary.total_bytes
                self._changed.notify_all()
            batches = self._store.read(summary.key, range(1), summary.total_rows)
            self._store.remove(summary.key)
            yield from batches

    def close(self, query: str) -> None:
        """Stop fetching and drop what was fetched."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._store.remove_query(query)

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (found := self._take()) is not None:
            task = found.summary.key
            try:
                summary = self._fetch(found)
            except (OutputFailedError, SourceLostError) as error:
                self.output_lost(task)
                self._tell(ResultMissing(Output(task, found.worker), error))
            except GrismError as error:
                self.fail(error)
                return
            except Exception:
                log.exception("while fetching a result")
                self.fail(ExecutionError("The result could not be fetched; the log of the coordinator has the cause."))
                return
            else:
                self._hand_over(summary)
                self._tell(ResultFetched(task))

    def _take(self) -> ReadyOutput | None:
        """The next output, once it is ready and what was fetched before has mostly been read; None at the end."""
        with self._changed:
            while not (self._finished or self._closed or self.failure):
                if self._next in self._ready and self._held <= self._ahead:
                    return self._ready[self._next]
                self._changed.wait()
        return None

    def _fetch(self, found: ReadyOutput) -> OutputSummary:
        options = ReadOptions(budget=self._ahead)
        reader = ExchangeReader(found.schema, found.sources, self._key, self._pool, None, options, self._cancellation)
        with self._store.writer(found.summary.key, found.schema, 1) as writer:
            try:
                for piece in whole(reader.stream(ordered=True)):
                    writer.append(piece)
            except (pa.ArrowException, OSError):
                raise reader.failure or ExecutionError("The result could not be read.") from None
            return writer.commit()

    def _hand_over(self, summary: OutputSummary) -> None:
        with self._changed:
            self._next += 1
            self._fetched.append(summary)
            self._held += summary.total_bytes
            self._changed.notify_all()
