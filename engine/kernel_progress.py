"""How far a statement of the kernel is, and what it has used.

The kernel tells how much of what it reads by itself it has read, and of the statement, which tables lie in its own
memory. Of a stream of Arrow data it knows no length: there the rows that it has taken are counted, against those that
the stream is known to have. Streams that are loaded before the statement runs are steps before the last one, and each
step counts the same.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol, TypeVar

import pyarrow as pa

from engine.run_progress import ResourceUse, StageProgress, TaskProgress
from engine.streams import StreamCounters, slice_stream

__all__ = ["KernelProgress", "ObservedStatement", "StreamProgress", "Watch"]

Data = TypeVar("Data")
_WHOLE = 1 << 62  # bytes of a batch: none is cut


class Watch(Enum):
    """What the kernel notes of a statement while it runs."""

    NOTHING = auto()
    USE = auto()  # how far it is, and what it uses
    OPERATORS = auto()  # and what each of its operators does


class ObservedStatement(Protocol):
    """A statement that runs on a cursor of the kernel."""

    def share(self) -> float | None:
        """How much of it the kernel says is done, from 0 to 1; None where it does not know, and once it is over."""

    def resource_use(self) -> ResourceUse | None:
        """What it has used, once all its rows are there; None where the kernel does not know."""

    def profile(self) -> str | None:
        """What its operators did, as the kernel's JSON, where they are watched; as `resource_use`."""


class KernelProgress:
    """Follows one statement; a `RunProgress`. `lengths` are the rows of its streams, by name, where they are known."""

    def __init__(self, lengths: Mapping[str, int], watch: Watch = Watch.USE) -> None:
        self.watch = watch
        self.profile: str | None = None
        """What its operators did, once it is over; see `ObservedStatement`."""
        self._lengths = lengths
        self._lock = threading.Lock()
        self._statement: ObservedStatement | None = None
        self._counted: dict[str, StreamCounters] = {}
        self._unknown = False  # whether some of its Arrow data has no known length
        self._steps, self._step = 1, 0
        self._reached = 0.0
        self._used: ResourceUse | None = None

    def begin(self, statement: ObservedStatement, steps: int) -> None:
        """It runs from here on, in so many steps."""
        with self._lock:
            self._statement, self._steps, self._step = statement, steps, 0
            self._counted, self._unknown = {}, False

    def count_rows(self, name: str, data: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """A stream that it reads, whose rows are counted where their number is known."""
        if name not in self._lengths:
            return self.leave_uncounted(data)
        stream = slice_stream(data, _WHOLE)
        with self._lock:
            self._counted[name] = stream.counters
        return stream.reader

    def leave_uncounted(self, data: Data) -> Data:
        """Arrow data that it reads of which nobody knows how much is read."""
        self._unknown = True
        return data

    def step(self) -> None:
        """A step is done, and the streams that it read."""
        with self._lock:
            self._step += 1
            self._counted, self._unknown = {}, False

    def end(self) -> None:
        """It is over."""
        with self._lock:
            if self._statement is not None:
                self._used = self._statement.resource_use()
                self.profile = self._statement.profile()
            self._statement = None

    def share(self) -> float | None:
        """How much is done; it never goes back."""
        with self._lock:
            step = None if self._statement is None else self._share_of_step(self._statement.share())
            if step is None and not self._step:
                return self._reached or None
            self._reached = max(self._reached, (self._step + (step or 0.0)) / self._steps)
            return self._reached

    def _share_of_step(self, told: float | None) -> float | None:
        length = sum(self._lengths[name] for name in self._counted)
        if length:
            read = sum(counters.rows for counters in self._counted.values()) / length
            return min(1.0, max(read, told or 0.0))
        # Nothing done and nothing known are the same to the kernel where it reads Arrow data.
        return None if self._unknown and not told else told

    def stages(self) -> Sequence[StageProgress]:
        """None: it is one statement."""
        return ()

    def tasks(self) -> Sequence[TaskProgress]:
        """None: it is one statement."""
        return ()

    def resource_use(self) -> ResourceUse | None:
        """What it has used, once it is over; None where that is not known."""
        return self._used


@dataclass(frozen=True)
class StreamProgress:
    """Follows rows that go out as they lie in storage; a `RunProgress`. `length` is their number, where it is known."""

    counters: StreamCounters
    length: int | None

    def share(self) -> float | None:
        """The share of the rows that has gone out."""
        return min(1.0, self.counters.rows / self.length) if self.length else None

    def stages(self) -> Sequence[StageProgress]:
        """None."""
        return ()

    def tasks(self) -> Sequence[TaskProgress]:
        """None."""
        return ()

    def resource_use(self) -> ResourceUse | None:
        """Nothing of a kernel."""
        return ResourceUse(0, 0)
