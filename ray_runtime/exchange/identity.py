"""Names of the things that move through an exchange, and the errors that name them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

from engine.errors import ExchangeFailedError, WorkerLostError

__all__ = ["OutputFailedError", "OutputKey", "OutputSummary", "SourceLostError", "WorkerId"]


@dataclass(frozen=True, order=True)
class WorkerId:
    """One life of one worker: a worker that starts again has the same name and the next incarnation."""

    name: str
    incarnation: int = 0

    def __str__(self) -> str:
        return f"worker {self.name} (incarnation {self.incarnation})"


@dataclass(frozen=True, order=True)
class OutputKey:
    """The output of one attempt at one task of a stage."""

    query: str
    stage: int
    task: int
    attempt: int

    def __str__(self) -> str:
        return f"stage {self.stage}, task {self.task}, attempt {self.attempt}"


@dataclass(frozen=True)
class OutputSummary:
    """What a committed output holds for each of its partitions: rows, and bytes in Arrow memory, by share of rows.

    This is all that the coordinator keeps of an output, and what readers check the rows against.
    """

    key: OutputKey
    rows: array[int]
    bytes: array[int]

    @property
    def partitions(self) -> int:
        """How many partitions there are, empty ones included."""
        return len(self.rows)

    @property
    def total_rows(self) -> int:
        """Rows of all partitions."""
        return sum(self.rows)

    @property
    def total_bytes(self) -> int:
        """Bytes of all partitions."""
        return sum(self.bytes)


class OutputFailedError(ExchangeFailedError):
    """Outputs of a live worker are absent or not what was committed. Their producers have to run again."""

    def __init__(self, worker: WorkerId, outputs: tuple[OutputKey, ...], what: str) -> None:
        super().__init__(f"{what}: {worker}, {_list(outputs)}.")
        self.worker, self.outputs, self.what = worker, outputs, what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.worker, self.outputs, self.what)


class SourceLostError(WorkerLostError):
    """A worker that holds outputs cannot be reached any more."""

    def __init__(self, worker: WorkerId, outputs: tuple[OutputKey, ...], what: str) -> None:
        super().__init__(f"{what}: {worker}, which holds {_list(outputs)}.")
        self.worker, self.outputs, self.what = worker, outputs, what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.worker, self.outputs, self.what)


def _list(outputs: tuple[OutputKey, ...], shown: int = 3) -> str:
    names = "; ".join(str(output) for output in outputs[:shown])
    return names if len(outputs) <= shown else f"{names}; and {len(outputs) - shown} more"
