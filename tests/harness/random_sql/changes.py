"""Random statements with effects: CREATE TABLE AS, CREATE VIEW, INSERT, UPDATE, DELETE, MERGE, with random SELECTs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from tests.harness.compare import difference
from tests.harness.oracle import quote
from tests.harness.random_sql.draft import Scope
from tests.harness.random_sql.names import COLUMNS, spell
from tests.harness.random_sql.selects import Selects
from tests.harness.random_sql.values import LITERALS, Column, kind_of
from tests.harness.random_sql.world import World

__all__ = ["Change", "ChangedWorld"]

MADE = "made"
"""The table that CREATE TABLE AS makes."""
SEEN = "seen"
"""The view that CREATE VIEW makes."""


@dataclass(frozen=True)
class Change:
    """A statement, a SELECT that shows the table after it, and the rows that this gives then."""

    sql: str
    shown: str
    rows: pa.Table


class Changes(Selects):
    """Writes statements that change rows. No statement gives a new ``id``, which stays one for each row."""

    def change(self, made: list[tuple[str, str]]) -> tuple[str, str]:
        """A statement and the table that it changes; `made` are the columns of the one to insert into."""

        def create() -> tuple[str, str]:
            query = self.query()
            found = self._describe(query) or ()
            names = ", ".join(spell(name) for name in self.chance.sample(COLUMNS, min(len(found), len(COLUMNS))))
            return f"CREATE OR REPLACE TABLE {MADE} AS SELECT * FROM ({query}) AS given({names})", MADE

        def insert() -> tuple[str, str]:
            kinds = [kind_of(type_text) for _, type_text in made]
            chosen = self.chance.sample(range(len(made)), self.choose(1, len(made)))
            source, columns = self.source(Scope(()), 1)
            scope = Scope(columns)
            listed = ", ".join(self.expr(kinds[i], scope) if kinds[i] in LITERALS else "NULL" for i in chosen)
            names = ", ".join(spell(made[i][0], 2) for i in chosen)
            where = f" WHERE {self.predicate(scope)}" if self.often(40) else ""
            return f"INSERT INTO {MADE} ({names}) SELECT {listed} FROM {source}{where}", MADE

        def update() -> tuple[str, str]:
            name, scope = self._target()
            free = [c for c in scope.own if c.name != "id"]
            changed = self.chance.sample(free, self.choose(1, 2))
            values = [f"{spell(c.name)} = {self.expr(c.kind, scope)}" for c in changed]
            return f"UPDATE {spell(name)} SET {', '.join(values)} WHERE {self.predicate(scope)}", name

        def delete() -> tuple[str, str]:
            name, scope = self._target()
            return f"DELETE FROM {spell(name)} WHERE {self.predicate(scope)}", name

        def merge() -> tuple[str, str]:
            name, scope = self._target("tgt")
            other, source = self._target("src")
            key = self.choose(*[c for c in scope.own if any(c.kind == d.kind for d in source.own)])
            given = self.choose(*[d for d in source.own if d.kind == key.kind])
            # A row of the source for each value, NULL too: no row is changed twice.
            rows = f"SELECT {spell(given.name)} AS mkey, min(id) AS mid FROM {spell(other)} GROUP BY 1"
            met = Scope((*scope.own, Column("src", "mkey", key.kind)))
            equal = "IS NOT DISTINCT FROM" if self.often(30) else "="
            on = f"tgt.{spell(key.name)} {equal} src.mkey"
            text = f"MERGE INTO {spell(name)} AS tgt USING ({rows}) AS src ON {on}"
            clauses = [
                f"MATCHED AND {self.predicate(scope)} THEN DELETE",
                f"MATCHED THEN UPDATE SET {self._set(scope, met)}",
                f"NOT MATCHED BY SOURCE AND {self.predicate(scope)} THEN UPDATE SET {self._set(scope, scope)}",
                f"NOT MATCHED BY SOURCE AND {self.predicate(scope)} THEN DELETE",
            ]
            if key.name != "id":
                row = f"(id, {spell(key.name)}) VALUES (src.mid + {self.chance.randint(1, 99)} * 1000, src.mkey)"
                clauses.append(f"NOT MATCHED THEN INSERT {row}")
            chosen = sorted(self.chance.sample(range(len(clauses)), self.choose(1, 2, 3)))
            return f"{text} {' '.join(f'WHEN {clauses[i]}' for i in chosen)}", name

        def view() -> tuple[str, str]:
            return f"CREATE OR REPLACE VIEW {SEEN} AS {self.query()}", SEEN

        return self.form({create: 4, view: 3, update: 6, delete: 2, merge: 4} | ({insert: 4} if made else {}))

    def _set(self, scope: Scope, known: Scope) -> str:
        column = self.choose(*[c for c in scope.own if c.name != "id"])
        return f"{spell(column.name)} = {self.expr(column.kind, known)}"

    def _target(self, alias: str | None = None) -> tuple[str, Scope]:
        name = self.table_name()
        table = self.tables[name]
        names = zip(table.data.column_names, table.kinds, strict=True)
        return name, Scope(tuple(Column(alias or name, column, kind) for column, kind in names))


class ChangedWorld:
    """The tables of a seed in two kernels that store them, and statements that change them. Close it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.world = World(seed)
        self.tables = self.world.tables
        self._kernels = ExitStack()
        self._first, self._second = (self._load(reverse) for reverse in (False, True))

    def _load(self, reverse: bool) -> duckdb.DuckDBPyConnection:
        kernel = self._kernels.enter_context(duckdb.connect(config={"threads": "1" if reverse else "2"}))
        for name, table in self.tables.items():
            kernel.register("given", table)
            order = " ORDER BY id DESC" if reverse else ""
            kernel.execute(f"CREATE TABLE {quote(name)} AS SELECT * FROM given{order}")
            kernel.unregister("given")
        return kernel

    def close(self) -> None:
        """Give the kernels back."""
        self._kernels.close()
        self.world.close()

    def changes(self, count: int) -> Iterator[Change]:
        """So many statements, one after the other, each with the rows of the table that it leaves."""
        number, made = 0, []
        while count > 0:
            number += 1
            writer = Changes(random.Random(f"change {self.seed} {number}"), self.world.kinds, self.world.describe)
            sql, name = writer.change(made)
            rows = self._show(sql, name)
            if rows is None:
                continue
            count -= 1
            if name == MADE:
                made = [(column, kind) for column, kind in self._columns() if kind_of(kind) in LITERALS] or made
            yield Change(sql, _all_as_text(name), rows)

    def _columns(self) -> list[tuple[str, str]]:
        relation = self._first.sql(f"FROM {MADE}")
        return list(zip(relation.columns, map(str, relation.types), strict=True))

    def _show(self, sql: str, name: str) -> pa.Table | None:
        """The rows of the table behind the statement; None where the kernel refuses it or does not determine them."""
        results = []
        for kernel in (self._first, self._second):
            kernel.execute("BEGIN")
            try:
                kernel.execute(sql)
                results.append(kernel.sql(_all_as_text(name)).to_arrow_table())
            except duckdb.Error:
                self._each(lambda kernel: kernel.execute("ROLLBACK"), len(results) + 1)
                return None
        if difference(*results, ordered=False, tolerance=0.0) is not None:
            self._each(lambda kernel: kernel.execute("ROLLBACK"), 2)
            return None
        self._each(lambda kernel: kernel.execute("COMMIT"), 2)
        return results[0]

    def _each(self, do: Callable[[duckdb.DuckDBPyConnection], object], count: int) -> None:
        for kernel in (self._first, self._second)[:count]:
            do(kernel)


def _all_as_text(name: str) -> str:
    return f"SELECT COLUMNS(*)::VARCHAR FROM {spell(name)}"
