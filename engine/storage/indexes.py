"""The contract about indexes: what a table has, how one is made and dropped, and which of them a scan uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from engine.cancellation import Cancellation
from engine.errors import UnsupportedError

__all__ = [
    "BuildApart",
    "BuildProgress",
    "IndexBuilder",
    "IndexDefinition",
    "IndexUse",
    "NoIndexes",
    "OptionValue",
    "StoredIndex",
    "TableIndexes",
    "WatchBuild",
    "watch_nothing",
]

OptionValue = int | float | bool | str | list[str]


@dataclass(frozen=True)
class IndexDefinition:
    """An index to be made: `options` are texts, which the storage checks by name, type and range."""

    name: str
    kind: str
    column: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredIndex:
    """An index as it is in one version of a table.

    `version` is that of the table which it was last built for; `rows` are those that it has, `other_rows` those that
    are in no index yet and are looked through, `bytes` its size in storage (None where that is not known).
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    rows: int
    other_rows: int
    version: int
    bytes: int | None
    options: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True)
class IndexUse:
    """An index that a scan asks about a column."""

    name: str
    kind: str
    column: str


@dataclass(frozen=True)
class BuildProgress:
    """How far the building of an index is: `done` of `total` things called `unit` (None where that is not known)."""

    stage: str
    done: int | None = None
    total: int | None = None
    unit: str = ""

    def __str__(self) -> str:
        words = self.stage.replace("_", " ")
        if not self.done:
            return words
        total = f" of {self.total:,}" if self.total else ""
        return f"{words}, {self.done:,}{total} {self.unit}".rstrip()


class IndexBuilder(Protocol):
    """Builds an index in parts, each in whatever process; picklable. Nobody sees them before they are committed.

    As text it says which index that is, and of what.
    """

    @property
    def bytes(self) -> int | None:
        """The size of the table, None where it is not known."""

    def parts(self, target: int) -> tuple[tuple[int, ...], ...]:
        """At most `target` parts of about equal numbers of rows."""

    def build(self, part: Sequence[int], cancellation: Cancellation) -> str:
        """Build a part, and return what is to be told of it. Raises StorageError, and the cause where cancelled."""


BuildApart = Callable[[IndexBuilder], Sequence[str] | None]
"""Has all parts of an index built, and returns what is told of them; None where they are better built as one, here."""


WatchBuild = Callable[[BuildProgress], None]


def watch_nothing(progress: BuildProgress) -> None:
    """Let a build go on unseen."""
    del progress


class TableIndexes(Protocol):
    """The indexes of one version of a table."""

    def all(self) -> tuple[StoredIndex, ...]:
        """The indexes, by name."""

    def create(
        self,
        definition: IndexDefinition,
        cancellation: Cancellation,
        watch: WatchBuild = watch_nothing,
        apart: BuildApart | None = None,
    ) -> None:
        """Build an index over the rows of this version, and make it one of the table as it is then.

        Where its kind can be built in parts, `apart` is asked for them, in another thread.

        While it is built, `watch` is called a few times a second, in this thread. Ends at once where it is cancelled,
        with the cause, and no index is made. Raises IndexExistsError where the name is taken, SchemaMismatchError for a
        column or option that does not fit the kind, UnsupportedError for a kind that there is not, and ConflictError
        where somebody else changed most of the table meanwhile.
        """

    def to_create(self, definition: IndexDefinition) -> IndexBuilder | None:
        """What would build an index in parts, to look at; None where it is built as one. Raises as `create`."""

    def drop(self, name: str) -> None:
        """Remove an index from the table as it is now; UnknownIndexError where it has none of that name."""

    def uses(self, predicate: exp.Expr | None) -> tuple[IndexUse, ...]:
        """The indexes that a scan with this filter asks."""

    def finds_few(self, predicate: exp.Expr | None) -> bool:
        """Whether a scan with this filter looks up single values, so that it is not worth to be cut into parts."""

    def look_up(self, wanted: pa.Schema, predicate: exp.Expr) -> pa.Table | None:
        """The columns `wanted` of the rows for which a filter is true, where an index finds just these, and few.

        None where the table is to be scanned, and its rows to be filtered, or where a column lies in another type.
        """


@dataclass(frozen=True)
class NoIndexes:
    """The indexes of a table that can have none; `kind` says why, as in ``made of Parquet files``."""

    table: str
    kind: str

    def all(self) -> tuple[StoredIndex, ...]:
        """None."""
        return ()

    def create(
        self,
        definition: IndexDefinition,  # noqa: ARG002
        cancellation: Cancellation,  # noqa: ARG002
        watch: WatchBuild = watch_nothing,  # noqa: ARG002
        apart: BuildApart | None = None,  # noqa: ARG002
    ) -> None:
        """Raises UnsupportedError."""
        raise self._refusal()

    def to_create(self, definition: IndexDefinition) -> IndexBuilder | None:  # noqa: ARG002
        """Raises UnsupportedError."""
        raise self._refusal()

    def drop(self, name: str) -> None:  # noqa: ARG002
        """Raises UnsupportedError."""
        raise self._refusal()

    def uses(self, predicate: exp.Expr | None) -> tuple[IndexUse, ...]:  # noqa: ARG002
        """None."""
        return ()

    def finds_few(self, predicate: exp.Expr | None) -> bool:  # noqa: ARG002
        """False."""
        return False

    def look_up(self, wanted: pa.Schema, predicate: exp.Expr) -> pa.Table | None:  # noqa: ARG002
        """None."""
        return None

    def _refusal(self) -> UnsupportedError:
        return UnsupportedError(
            f'Table "{self.table}" is {self.kind}, and has no indexes; Lance tables can have: '
            "CREATE TABLE ... AS SELECT makes one of its rows."
        )
