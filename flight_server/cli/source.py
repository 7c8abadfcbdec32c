"""Where commands send statements: what a server and a folder in this process have in common."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from flight_server.cli.progress import ProgressReport

__all__ = ["RELATIONS", "Answer", "Relation", "Source"]


@dataclass(frozen=True)
class Answer:
    """What a statement gives: rows, or how many rows it has changed. Then `reader` has neither columns nor rows."""

    reader: pa.RecordBatchReader
    changed: int | None


@dataclass(frozen=True, order=True)
class Relation:
    """A table or view. `type` is TABLE, VIEW or LOCAL TEMPORARY."""

    schema: str
    table: str
    type: str


RELATIONS = pa.schema([("schema", pa.string()), ("table", pa.string()), ("type", pa.string())])
"""How relations are listed."""


class Source(Protocol):
    """Runs statements one after the other. All that fails raises CommandError or GrismError."""

    def greet(self) -> str:
        """What the source is, and where; asks a server whether it is there."""

    def run(self, text: str) -> AbstractContextManager[Answer]:
        """Run one statement; its rows come while the reader is read. Leaving ends it."""

    def progress(self) -> ProgressReport | None:
        """What the statement that runs is at, from any thread; None where nothing is known."""

    def cancel(self) -> None:
        """End the statement that runs, from any thread; without one this does nothing."""

    def tables(self) -> list[Relation]:
        """All tables and views."""

    def columns(self, relation: Relation) -> list[str]:
        """The names of a relation's columns."""

    def explain(self, text: str) -> str:
        """The plan of a query."""

    def close(self) -> None:
        """Let go of what the source holds."""
