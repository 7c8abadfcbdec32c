"""Every error that grism raises on purpose.

::

    GrismError
    ├── PlanningError                the query cannot be planned as it is written
    │   ├── SqlSyntaxError           the text is not SQL
    │   ├── UnknownTableError        no such table; names the nearest
    │   ├── UnknownColumnError       no such column; names the nearest
    │   ├── UnknownIndexError        no such index; names the nearest
    │   ├── UnknownQueryError        nothing that could be stopped has the id
    │   ├── TypeMismatchError        an expression's types do not fit
    │   ├── SchemaMismatchError      data to be written does not fit the table
    │   ├── ForbiddenError           the statement reaches for what a client may not touch
    │   ├── TableExistsError         the table to be created is there already
    │   ├── IndexExistsError         the index to be created is there already
    │   ├── InvalidPlanError         the bytes are no Substrait plan
    │   └── UnsupportedError         valid, but not something grism does
    └── ExecutionError               a planned query failed while it ran
        ├── InvalidValueError        a value broke an expression: overflow, bad cast
        ├── DataCorruptError         stored or received data cannot be read
        │   └── InvalidDataError     what a client sent is not valid Arrow data
        ├── StorageError             the storage refused or failed: gone, read-only
        │   ├── ConflictError        somebody else changed the table meanwhile
        │   └── StorageFullError     there is no room for what is to be written
        ├── MemoryExceededError      the memory limit and the spill space are used up
        ├── ResourceExhaustedError   a limit of the service was reached
        ├── CancelledError           somebody cancelled the query
        ├── DeadlineExceededError    the query ran out of time
        ├── KernelFailedError        the statement met a fault of the kernel, which was lost by it
        ├── KernelLostError          another statement's fault took the kernel       (retryable)
        ├── StageFailedError         a distributed stage failed for good; lists the causes
        ├── ExchangeFailedError      an exchange output is absent or truncated      (retryable)
        └── WorkerLostError          a worker died                                  (retryable)

Whether a failure may be retried is a property of its class. Messages say what was asked, what was found and what to
do; they are written for the client and hold no path, stack or generated SQL. Where an error stands in the client's
statement, its message tells line and column, and shows the line.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

from engine.place import Place

__all__ = [
    "CancelledError",
    "DataCorruptError",
    "DeadlineExceededError",
    "ExchangeFailedError",
    "ExecutionError",
    "ForbiddenError",
    "GrismError",
    "IndexExistsError",
    "InvalidDataError",
    "InvalidPlanError",
    "InvalidValueError",
    "KernelFailedError",
    "KernelLostError",
    "MemoryExceededError",
    "PlanningError",
    "ResourceExhaustedError",
    "SchemaMismatchError",
    "SqlSyntaxError",
    "StageFailedError",
    "StorageError",
    "StorageFullError",
    "TableExistsError",
    "TypeMismatchError",
    "UnknownColumnError",
    "UnknownIndexError",
    "UnknownQueryError",
    "UnknownTableError",
    "UnsupportedError",
    "WorkerLostError",
    "nearest",
]


_MAX_COMPARED = 100  # characters of a name


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, without regard to case, or None where nothing is near.

    Names that nobody writes by hand are like none: to compare two takes the product of their lengths.
    """
    if len(name) > _MAX_COMPARED:
        return None
    by_folded = {candidate.lower(): candidate for candidate in candidates if len(candidate) <= _MAX_COMPARED}
    found = get_close_matches(name.lower(), by_folded, n=1, cutoff=0.5)
    return by_folded[found[0]] if found else None


class GrismError(Exception):
    """The root. `retryable` says whether running the same work again may succeed.

    `place` is where in the client's statement the error is; None where that is not known, or is nowhere in it.
    `changed_rows` are those that the statement had changed before it failed, and that stay so.
    """

    retryable: ClassVar[bool] = False
    place: Place | None = None
    changed_rows: int = 0

    @property
    def summary(self) -> str:
        """The text without an excerpt of the statement."""
        text = str(self.args[0]) if self.args else type(self).__name__
        if self.place is None:
            return text
        stop = "." if text.endswith(".") else ""
        return f"{text.removesuffix('.')} (line {self.place.line}, column {self.place.column}){stop}"

    @property
    def message(self) -> str:
        """The text for the client."""
        return self.summary if self.place is None else f"{self.summary}\n\n{self.place.excerpt}"

    def __str__(self) -> str:
        return self.message


class PlanningError(GrismError):
    """The query cannot be planned as it is written."""


class SqlSyntaxError(PlanningError):
    """The text is not SQL."""

    def __init__(self, reason: str, place: Place | None = None) -> None:
        super().__init__(reason)
        self.place = place

    @property
    def summary(self) -> str:
        """The text without an excerpt of the statement."""
        at = "" if self.place is None else f" at line {self.place.line}, column {self.place.column}"
        return f"Syntax error{at}: {self.args[0]}"


class UnknownTableError(PlanningError):
    """No table has the name that was asked for."""


class UnknownColumnError(PlanningError):
    """No column in reach has the name that was asked for."""


class UnknownIndexError(PlanningError):
    """No index has the name that was asked for."""


class UnknownQueryError(PlanningError):
    """No query or session that runs, and that one may stop, has the id that was given."""


class TypeMismatchError(PlanningError):
    """The types in an expression do not fit together."""


class SchemaMismatchError(PlanningError):
    """Data to be written does not have the table's columns."""


class ForbiddenError(PlanningError):
    """The statement reaches for files, settings or other things that a client may not touch."""


class TableExistsError(PlanningError):
    """A table of that name is there already."""


class IndexExistsError(PlanningError):
    """An index of that name is there already."""


class UnsupportedError(PlanningError):
    """A valid request for something that grism does not do."""


class InvalidPlanError(PlanningError):
    """The bytes are no Substrait plan, or it refers to what it does not have."""


class ExecutionError(GrismError):
    """A planned query failed while it ran."""


class InvalidValueError(ExecutionError):
    """A value broke an expression: an overflow, a text that is no number."""


class DataCorruptError(ExecutionError):
    """Stored or received data cannot be read."""


class InvalidDataError(DataCorruptError):
    """What a client sent is not valid Arrow data."""


class StorageError(ExecutionError):
    """The storage refused or failed."""


class ConflictError(StorageError):
    """Somebody else changed the table between reading and writing it; nothing was written."""


class StorageFullError(StorageError):
    """There is no room for what is to be written: the disk or a quota is full, or a file as large as it may become."""


class MemoryExceededError(ExecutionError):
    """The memory limit was reached and spilling could not help."""


class ResourceExhaustedError(ExecutionError):
    """A limit of the service was reached."""


class CancelledError(ExecutionError):
    """Somebody cancelled the query."""


class DeadlineExceededError(ExecutionError):
    """The query ran out of time."""


class KernelFailedError(ExecutionError):
    """The statement met a fault of the kernel, which was lost by it. Another run would meet it again."""


class KernelLostError(ExecutionError):
    """The kernel was lost to the fault of another statement."""

    retryable = True


class StageFailedError(ExecutionError):
    """A distributed stage failed for good. The message lists the cause of each attempt."""


class ExchangeFailedError(ExecutionError):
    """An exchange output is absent or truncated. Its producer has to run again."""

    retryable = True


class WorkerLostError(ExecutionError):
    """A worker died, and its outputs with it."""

    retryable = True
