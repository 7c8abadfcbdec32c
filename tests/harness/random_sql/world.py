"""One seed's tables and queries, and what the kernel answers to each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa

from tests.harness.compare import difference
from tests.harness.oracle import Oracle, OracleError
from tests.harness.random_sql.selects import Query, Selects
from tests.harness.random_sql.values import random_tables

__all__ = ["Answer", "World", "determined_rows"]

_MOST_ROWS = 2_000
_LOST = ("INTERNAL Error", "FATAL Error")
"""How the kernel's errors begin after which it answers nothing more."""


@dataclass(frozen=True)
class Answer:
    """A query, what it is made of, and the rows that the kernel gives to it."""

    query: Query
    forms: frozenset[str]
    rows: pa.Table


class World:
    """The tables of a seed, and queries over them. Close it.

    The kernel has the tables twice: as they are, and with their rows reversed, read by another number of threads and by
    plans that are not optimized. What is an error only where it is computed first is no answer, either.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        tables = random_tables(random.Random(f"tables {seed}"))
        self.tables = {name: table.data for name, table in tables.items()}
        self.refused: list[tuple[Query, str]] = []
        """Queries that the kernel refuses, each with the first line of what it says."""
        self.undetermined: list[str] = []
        """Queries to which it gives other rows where the tables' rows come in another order."""
        self.kinds = tables
        self._number = 0
        self._kernels = ExitStack()
        self._open()

    def _open(self) -> None:
        self._oracle = self._kernels.enter_context(Oracle.over(self.tables))
        self._other = self._kernels.enter_context(Oracle.over(_backwards(self.tables), threads=1, optimized=False))

    def close(self) -> None:
        """Give the kernels back."""
        self._kernels.close()

    def answers(self, count: int) -> Iterator[Answer]:
        """So many queries that have one answer."""
        while count > 0:
            self._number += 1
            found = self.answer(self._number)
            if found is not None:
                count -= 1
                yield found

    def answer(self, number: int) -> Answer | None:
        """The query of that number; None where the kernel refuses it, or leaves open what it gives."""
        writer = Selects(random.Random(f"query {self.seed} {number}"), self.kinds, self.describe)
        query = writer.query()
        rows = self.rows(query)
        if rows is None or rows.num_rows > _MOST_ROWS:
            return None
        return Answer(query, frozenset(writer.used), rows)

    def rows(self, query: Query) -> pa.Table | None:
        """The rows of a query; None where it is refused, or where they are not determined."""
        try:
            rows = _one_answer(self._oracle, self._other, query)
        except OracleError as error:
            self.refused.append((query, str(error).split("\n")[0]))
            if str(error).startswith(_LOST):
                self._kernels.close()
                self._open()
            return None
        if rows is None:
            self.undetermined.append(query)
        return rows

    def describe(self, sql: str) -> list[tuple[str, str]] | None:
        """The names and types of a SELECT's columns; None where the kernel refuses it."""
        try:
            return self._oracle.columns(sql)
        except OracleError:
            return None


def determined_rows(tables: Mapping[str, pa.Table], query: Query) -> pa.Table | None:
    """The rows that the kernel gives to a query; None where it refuses it, or where they are not determined."""
    with Oracle.over(dict(tables)) as oracle, Oracle.over(_backwards(tables), threads=1, optimized=False) as other:
        try:
            return _one_answer(oracle, other, query)
        except OracleError:
            return None


def _one_answer(oracle: Oracle, other: Oracle, query: Query) -> pa.Table | None:
    rows = oracle.run(query)
    drift = difference(rows, other.run(query), ordered=query.ordered, tolerance=0.0)
    return rows if drift is None else None


def _backwards(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables with their rows in reverse."""
    return {name: table.take(pa.array(range(table.num_rows - 1, -1, -1), pa.int64())) for name, table in tables.items()}
