"""What a runtime gives to random queries, against what the kernel gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from engine.errors import GrismError
from tests.harness.compare import difference
from tests.harness.random_sql.reduction import reduce_case, script
from tests.harness.random_sql.selects import Query
from tests.harness.random_sql.world import World, determined_rows
from tests.harness.runtimes import SqlRuntime, Tables, query

__all__ = ["Drift", "Run", "compare_answer", "run_world"]


@dataclass(frozen=True)
class Drift:
    """A query that a runtime answers in another way than the kernel, as it was drawn and as small as it was made."""

    seed: int
    message: str
    drawn: Query
    small: str

    def __str__(self) -> str:
        return f"-- seed {self.seed}, drawn as {self.drawn}\n{self.small}\n-- {self.message}"


@dataclass
class Run:
    """What was run, and what differed."""

    queries: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    undetermined: list[str] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    readings: Counter[str] = field(default_factory=Counter)
    """Why statements ran whole; under the empty text those that were taken apart."""

    @property
    def summary(self) -> str:
        """How many queries ran, how many of them whole, and why."""
        whole = Counter({reason: count for reason, count in self.readings.items() if reason})
        reasons = "; ".join(f"{count} {reason}" for reason, count in whole.most_common())
        read = f"{self.readings['']} statements were taken apart, {whole.total()} ran whole ({reasons})"
        return f"{self.queries} queries, {len(self.drifts)} differ; {read}"


def run_world(run: Run, seed: int, count: int, runtime: SqlRuntime, tables: Tables, reduce_seconds: float) -> None:
    """So many queries over the tables of a seed, on a runtime; what comes of them goes into `run`."""
    world = World(seed)
    try:
        _put(tables, world.tables)
        for answer in world.answers(count):
            run.queries += 1
            run.forms.update(answer.forms)
            known = runtime.frontend.readings.copy()
            message = compare_answer(runtime, answer.query, answer.rows)
            run.readings += runtime.frontend.readings - known
            if message is not None:
                run.drifts.append(_drift(seed, message, world, answer.query, runtime, tables, reduce_seconds))
                _put(tables, world.tables)
        for asked, reason in world.refused:
            run.refused[reason] += 1
            if reason.startswith(_ALWAYS) and not _misses_alias(asked, reason) and is_planned(runtime, asked):
                run.drifts.append(Drift(seed, f"the kernel refuses it: {reason}", asked, script(world.tables, asked)))
        run.undetermined += world.undetermined
    finally:
        world.close()


def compare_answer(runtime: SqlRuntime, asked: Query, rows: pa.Table) -> str | None:
    """How the runtime's answer differs from `rows`; None where it does not."""
    try:
        got = query(runtime, asked)
    except Exception as error:  # the oracle has rows, so whatever is raised is a difference
        return f"{type(error).__name__}: {error}"
    return difference(got, rows, ordered=asked.ordered, tolerance=0.0)


def is_planned(runtime: SqlRuntime, asked: Query) -> bool:
    """Whether the runtime plans a query; what is raised is raised on, but for the errors that users get."""
    try:
        runtime.frontend.plan(asked)
    except GrismError:
        return False
    return True


_ALWAYS = ("Binder Error", "Parser Error", "Catalog Error")
"""What the kernel refuses before it looks at rows."""


def _misses_alias(asked: Query, reason: str) -> bool:
    """Whether the kernel refuses what it takes where tables have aliases, as all have here.

    Such is a column of a table without one, within an aggregate query within another, that is not grouped and that an
    outer relation of the table's name has; and a column that HAVING names by its place.
    """
    own = 'Binder Error: Referenced table "'
    by_place = "#" in asked and reason.startswith((own, "Binder Error: column "))
    return by_place or reason.startswith(f"{own}temp.main.")


def _drift(
    seed: int, message: str, world: World, asked: Query, runtime: SqlRuntime, tables: Tables, seconds: float
) -> Drift:
    """The failure with a small case of its sort: an error of the same class, or rows that differ."""

    def fails(candidate: Mapping[str, pa.Table], smaller: Query) -> bool:
        rows = determined_rows(candidate, smaller)
        if rows is None:
            return False
        _put(tables, candidate)
        found = compare_answer(runtime, smaller, rows)
        return found is not None and found.split(":")[0].split(" ")[0] == message.split(":")[0].split(" ")[0]

    given, small = reduce_case(world.tables, asked, fails, seconds)
    rows = determined_rows(given, small)
    assert rows is not None
    _put(tables, given)
    return Drift(seed, compare_answer(runtime, small, rows) or message, asked, script(given, small))


def _put(tables: Tables, given: Mapping[str, pa.Table]) -> None:
    for name, table in given.items():
        tables.put(name, table)
