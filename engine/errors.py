"""Every error that grism raises on purpose.

::

    GrismError
    ├── PlanningError                the query cannot be planned as it is written
    │   ├── SqlSyntaxError           the text is not SQL; has line and column
    │   ├── UnknownTableError        no such table; names the nearest
    │   ├── UnknownColumnError       no such column; names the nearest
    │   ├── TypeMismatchError        an expression's types do not fit
    │   ├── SchemaMismatchError      data to be written does not fit the table
    │   ├── ForbiddenError           the statement reaches for what a client may not touch
    │   ├── TableExistsError         the table to be created is there already
    │   └── UnsupportedError         valid, but not something grism does
    └── ExecutionError               a planned query failed while it ran
        ├── InvalidValueError        a value broke an expression: overflow, bad cast
        ├── DataCorruptError         stored or received data cannot be read
        │   └── InvalidDataError     what a client sent is not valid Arrow data
        ├── StorageError             the storage refused or failed: disk full, read-only
        │   └── ConflictError        somebody else changed the table meanwhile
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
do; they are written for the client and hold no path, stack or generated SQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

__all__ = [
    "CancelledError",
    "DataCorruptError",
    "DeadlineExceededError",
    "ExchangeFailedError",
    "ExecutionError",
    "ForbiddenError",
    "GrismError",
    "InvalidDataError",
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
    "TableExistsError",
    "TypeMismatchError",
    "UnknownColumnError",
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
    """The root. `retryable` says whether running the same work again may succeed."""

    retryable: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """The text for the client."""
        return str(self.args[0]) if self.args else type(self).__name__


class PlanningError(GrismError):
    """The query cannot be planned as it is written."""


class SqlSyntaxError(PlanningError):
    """The text is not SQL. `line` and `column` count from 1; None where the parser gave no position."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        place = "" if line is None else f" at line {line}, column {column}"
        super().__init__(f"Syntax error{place}: {message}")
        self.reason, self.line, self.column = message, line, column

    def __reduce__(self) -> tuple[type[SqlSyntaxError], tuple[str, int | None, int | None]]:
        return type(self), (self.reason, self.line, self.column)


class UnknownTableError(PlanningError):
    """No table has the name that was asked for."""


class UnknownColumnError(PlanningError):
    """No column in reach has the name that was asked for."""


class TypeMismatchError(PlanningError):
    """The types in an expression do not fit together."""


class SchemaMismatchError(PlanningError):
    """Data to be written does not have the table's columns."""


class ForbiddenError(PlanningError):
    """The statement reaches for files, settings or other things that a client may not touch."""


class TableExistsError(PlanningError):
    """A table of that name is there already."""


class UnsupportedError(PlanningError):
    """A valid request for something that grism does not do."""


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
