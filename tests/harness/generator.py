"""Random tables and random SELECTs over them, made by hypothesis.

Every query is valid and has one right answer: nothing depends on the order of unordered rows, on which of several ties
is taken, or on the rounding of a floating point sum, for doubles are multiples of a quarter. So whatever differs from
the oracle is wrong.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import pyarrow as pa
from hypothesis import strategies as st

from tests.harness.oracle import quoted

__all__ = ["Case", "Query", "cases"]

T = TypeVar("T")

_EPOCH = datetime.datetime(2024, 2, 28)
_TEXTS = ["", "a", "b", "B", "ab", "ä", "日本", "👩‍👩‍👧", " x", "a%b", "null", "O'Hara", "z" * 20]
_ARROW = {
    "int": pa.int32(),
    "big": pa.int64(),
    "dec": pa.decimal128(9, 2),
    "dbl": pa.float64(),
    "txt": pa.string(),
    "date": pa.date32(),
    "ts": pa.timestamp("us"),
    "bool": pa.bool_(),
    "list": pa.list_(pa.int32()),
    "rec": pa.struct([("a", pa.int32()), ("b", pa.string())]),
    "map": pa.map_(pa.string(), pa.int32()),
    "enum": pa.string(),
    "bit": pa.string(),
    "zoned": pa.string(),
    "span": pa.string(),
}
_MADE = {"enum": "ENUM('c', 'b', 'a', 'ä')", "bit": "BIT", "zoned": "TIMETZ", "span": "INTERVAL"}
"""Types that no table has: columns of them are made of texts, in the query."""
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-3, 6),
    "big": st.sampled_from([0, 1, 1, 1, 2, -7, 10**12, -(10**12)]),
    "dec": st.integers(-500, 500).map(lambda n: Decimal(n) / 100),
    "dbl": st.integers(-40, 40).map(lambda n: n / 4) | st.sampled_from([0.0, 1e6, -1e6]),
    "txt": st.sampled_from(_TEXTS),
    "date": st.integers(0, 6).map(lambda n: (_EPOCH + datetime.timedelta(days=n)).date()),
    "ts": st.integers(0, 9).map(lambda n: _EPOCH + datetime.timedelta(hours=7 * n, microseconds=n)),
    "bool": st.booleans(),
    "list": st.lists(st.none() | st.integers(0, 3), max_size=3),
    "rec": st.fixed_dictionaries({"a": st.none() | st.integers(0, 2), "b": st.none() | st.sampled_from(_TEXTS[:4])}),
    "map": st.dictionaries(st.sampled_from(_TEXTS[1:4]), st.none() | st.integers(0, 2), max_size=2).map(
        lambda entries: list(entries.items())
    ),
    "enum": st.sampled_from(["a", "b", "c", "ä"]),
    "bit": st.sampled_from(["1", "0", "01", "101", "0" * 9, "1" * 8]),
    "zoned": st.sampled_from(["00:00:00+00", "02:00:00+02", "02:00:00", "23:59:59.999999-15:59", "01:00:00+02:00:30"]),
    # No two of them are equal, so that it does not matter which of several a group shows.
    "span": st.sampled_from(["0 days", "1 month", "31 days", "-1 day", "90 minutes", "1 year 1 second", "200 years"]),
}
_LITERALS = {
    "int": ["0", "1", "2", "(-1)", "NULL::INTEGER"],
    "big": ["0::BIGINT", "1::BIGINT", "1000000000000"],
    "dec": ["0.00", "1.5", "(-2.25)"],
    "dbl": ["0.25::DOUBLE", "1e6", "(-1.5)::DOUBLE"],
    "txt": ["''", "'a'", "'日本'", "'it''s'", "NULL::VARCHAR"],
    "date": ["DATE '2024-02-29'", "DATE '2024-03-02'"],
    "ts": ["TIMESTAMP '2024-02-29 00:00:00'", "TIMESTAMP '2024-02-28 07:00:00.000001'"],
    "bool": ["TRUE", "FALSE", "NULL::BOOLEAN"],
    "list": ["[1, 2]", "[]::INTEGER[]", "[NULL, 0]"],
    "rec": ["{'a': 1, 'b': 'a'}", "{'a': NULL::INTEGER, 'b': NULL::VARCHAR}"],
    "map": ["MAP {'a': 1}", "MAP {}::MAP(VARCHAR, INTEGER)"],
    "enum": [f"'b'::{_MADE['enum']}", f"'a'::{_MADE['enum']}"],
    "bit": ["'101'::BIT", "NULL::BIT"],
    "zoned": ["'02:00:00+02'::TIMETZ", "'02:00:00'::TIMETZ"],
    "span": ["INTERVAL 1 MONTH", "INTERVAL 90 MINUTE"],
}
_SUMMABLE = ("int", "big", "dec", "dbl")
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")


@dataclass(frozen=True)
class Item:
    """Something that can be selected: SQL text and its type."""

    sql: str
    type: str


@dataclass(frozen=True)
class Query:
    """SQL text, and whether the order of its rows is asked for."""

    sql: str
    ordered: bool


@dataclass(frozen=True)
class Case:
    """Tables by name, and queries over them."""

    tables: dict[str, pa.Table]
    queries: tuple[Query, ...]


class _Writer:
    """Writes queries; every choice is drawn, so that hypothesis can shrink them."""

    def __init__(self, draw: st.DrawFn, tables: dict[str, list[Item]]) -> None:
        self._draw, self._tables, self._names = draw, tables, 0

    def choose(self, *options: T) -> T:
        return self._draw(st.sampled_from(options))

    def chance(self, percent: int) -> bool:
        return self._draw(st.integers(0, 99)) < percent

    def name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    # Expressions

    def expr(self, kind: str, scope: list[Item], depth: int = 2) -> str:
        """An expression of a type over the columns in scope."""
        columns = [item.sql for item in scope if item.type == kind]
        if depth <= 0 or self.chance(45):
            return self.choose(*columns) if columns and self.chance(85) else self.choose(*_LITERALS[kind])
        if self.chance(20):
            condition = self.predicate(scope, depth - 1)
            first, second = self.expr(kind, scope, depth - 1), self.expr(kind, scope, depth - 1)
            return f"CASE WHEN {condition} THEN {first} ELSE {second} END"
        if self.chance(15):
            return f"coalesce({self.expr(kind, scope, depth - 1)}, {self.expr(kind, scope, 0)})"
        made = self._compound(kind, scope, depth - 1)
        return made or self.expr(kind, scope, 0)

    def _compound(self, kind: str, scope: list[Item], depth: int) -> str | None:
        def sub(other: str) -> str:
            return self.expr(other, scope, depth)

        if kind == "bool":
            return self.predicate(scope, depth)
        forms: dict[str, list[Callable[[], str]]] = {
            "int": [
                lambda: f"({sub('int')} + {sub('int')})",
                lambda: f"abs({sub('int')})",
                lambda: f"(-{sub('int')} * 2)",
                lambda: f"({sub('rec')}).a",
                lambda: f"({sub('list')})[1]",
            ],
            "big": [lambda: f"length({sub('txt')})", lambda: f"year({sub('date')})", lambda: f"len({sub('list')})"],
            "dbl": [lambda: f"({sub('dbl')} - {sub('dbl')})", lambda: f"({sub('int')} / 4)"],
            "txt": [
                lambda: f"upper({sub('txt')})",
                lambda: f"({sub('txt')} || {sub('txt')})",
                lambda: f"substring({sub('txt')}, 1, 2)",
                lambda: f"{sub('int')}::VARCHAR",
                lambda: f"{sub('dec')}::VARCHAR",
            ],
            "date": [lambda: f"({sub('date')} + 1)", lambda: f"{sub('ts')}::DATE"],
            "ts": [lambda: f"({sub('ts')} + INTERVAL 1 DAY)", lambda: f"date_trunc('day', {sub('ts')})"],
            "list": [lambda: f"list_sort({sub('list')})", lambda: f"[{sub('int')}, {sub('int')}]"],
            "rec": [lambda: f"{{'a': {sub('int')}, 'b': {sub('txt')}}}"],
        }
        return self.choose(*forms[kind])() if kind in forms else None

    def predicate(self, scope: list[Item], depth: int = 2) -> str:
        """A condition."""
        form = self.choose("compare", "compare", "null", "in", "between", "like", "and", "or", "not", "exists", "insub")
        kind = self.choose(*sorted({item.type for item in scope}))
        deeper = depth - 1
        if form in ("and", "or", "not", "exists", "insub") and depth <= 0:
            form = "compare"
        match form:
            case "compare":
                left, right = self.expr(kind, scope, deeper), self.expr(kind, scope, deeper)
                return f"({left} {self.choose(*_COMPARISONS)} {right})"
            case "null":
                return f"({self.expr(kind, scope, deeper)} IS {self.choose('', 'NOT ')}NULL)"
            case "in":
                left, first, second = (self.expr(kind, scope, deeper), *(self.expr(kind, scope, 0) for _ in "ab"))
                return f"({left} {self.choose('', 'NOT ')}IN ({first}, {second}))"
            case "between":
                low, high = self.expr(kind, scope, 0), self.expr(kind, scope, 0)
                return f"({self.expr(kind, scope, deeper)} BETWEEN {low} AND {high})"
            case "like":
                pattern = self.choose("%a%", "_", "", "%", "ä%")
                return f"({self.expr('txt', scope, deeper)} {self.choose('LIKE', 'NOT LIKE', 'ILIKE')} '{pattern}')"
            case "and" | "or":
                return f"({self.predicate(scope, deeper)} {form.upper()} {self.predicate(scope, deeper)})"
            case "not":
                return f"(NOT {self.predicate(scope, deeper)})"
            case _:
                return self._subquery_predicate(form, kind, scope)

    def _subquery_predicate(self, form: str, kind: str, scope: list[Item]) -> str:
        source, inner = self.table()
        correlated = self.chance(60)
        where = self.predicate(inner + scope if correlated else inner, 1)
        if form == "exists":
            return f"({self.choose('', 'NOT ')}EXISTS (SELECT 1 FROM {source} WHERE {where}))"
        wanted = self.expr(kind, inner, 0)
        having = "" if correlated or self.chance(50) else f" GROUP BY ALL HAVING count(*) > {self.choose('0', '1')}"
        value, negated = self.expr(kind, scope, 0), self.choose("", "NOT ")
        return f"({value} {negated}IN (SELECT {wanted} FROM {source} WHERE {where}{having}))"

    # Sources

    def table(self) -> tuple[str, list[Item]]:
        """A table under a new alias, and its columns."""
        name, alias = self.choose(*self._tables), self.name("r")
        columns = self._tables[name]
        source = quoted(name)
        if any(c.type in _MADE for c in columns):
            listed = (f"{c.sql}::{_MADE[c.type]} AS {c.sql}" if c.type in _MADE else c.sql for c in columns)
            source = f"(SELECT {', '.join(listed)} FROM {source})"
        return f"{source} AS {alias}", [Item(f"{alias}.{c.sql}", c.type) for c in columns]

    def source(self, depth: int) -> tuple[str, list[Item]]:
        """What a FROM clause reads, and the columns that it gives."""
        if depth > 0 and self.chance(25):
            alias = self.name("q")
            sql, types = self.select(depth - 1)
            columns = [self.name("c") for _ in types]
            scope = [Item(f"{alias}.{c}", kind) for c, kind in zip(columns, types, strict=True) if kind != "other"]
            if scope:
                return f"({sql}) AS {alias}({', '.join(columns)})", scope
        if depth > 0 and self.chance(45):
            return self._join(depth)
        return self.table()

    def _join(self, depth: int) -> tuple[str, list[Item]]:
        left, left_scope = self.source(depth - 1)
        right, right_scope = self._narrow() if self.chance(40) else self.table()
        if self.chance(20):
            left, left_scope, right, right_scope = right, right_scope, left, left_scope
        kind = self.choose(
            "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN", "CROSS JOIN"
        )
        if kind == "CROSS JOIN":
            return f"{left} CROSS JOIN {right}", left_scope + right_scope
        condition = self._equality(left_scope, right_scope)
        if kind == "JOIN" and self.chance(30):
            condition = f"{condition} AND {self.predicate(left_scope + right_scope, 1)}"
        kept = left_scope if kind in ("SEMI JOIN", "ANTI JOIN") else left_scope + right_scope
        return f"{left} {kind} {right} ON {condition}", kept

    def _narrow(self) -> tuple[str, list[Item]]:
        """A part of a table: few of its rows, or a row for each value of a column."""
        source, scope = self.table()
        alias, key, other = self.name("n"), self.choose(*scope), self.choose(*scope)
        scoped = [Item(f"{alias}.k", key.type), Item(f"{alias}.v", other.type)]
        if self.chance(50):
            return f"(SELECT {key.sql} AS k, max({other.sql}) AS v FROM {source} GROUP BY k) AS {alias}", scoped
        tested = self.choose(*scope)
        where = f"{tested.sql} = {self.choose(*_LITERALS[tested.type])}"
        return f"(SELECT {key.sql} AS k, {other.sql} AS v FROM {source} WHERE {where}) AS {alias}", scoped

    def _equality(self, left: list[Item], right: list[Item]) -> str:
        shared = sorted({item.type for item in left} & {item.type for item in right})
        kind = self.choose(*shared) if shared else "int"
        operator = self.choose("=", "=", "=", "IS NOT DISTINCT FROM", "<")
        return f"{self.expr(kind, left, 0)} {operator} {self.expr(kind, right, 1)}"

    # Selects

    def select(self, depth: int) -> tuple[str, list[str]]:
        """A SELECT without an order, and the types of its columns."""
        form = self.choose("plain", "plain", "aggregate", "aggregate", "window", "distinct", "setop")
        if form == "setop" and depth > 0:
            return self._set_operation(depth)
        source, scope = self.source(depth)
        where = f" WHERE {self.predicate(scope)}" if self.chance(35) else ""
        if form == "aggregate":
            return self._aggregate(source, where, scope)
        items = [self._item(scope) for _ in range(self.choose(1, 2, 3))]
        if form == "window":
            items.append(self._window(scope))
        listed = ", ".join(self._named(item) for item in items)
        distinct = "DISTINCT " if form == "distinct" else ""
        return f"SELECT {distinct}{listed} FROM {source}{where}", [item.type for item in items]

    def _named(self, item: Item) -> str:
        return f"{item.sql} AS {quoted(self.choose('x', 'Total', 'a b', 'x1'))}" if self.chance(40) else item.sql

    def _item(self, scope: list[Item]) -> Item:
        kind = self.choose(*sorted({item.type for item in scope}))
        return Item(self.expr(kind, scope), kind)

    def _aggregate(self, source: str, where: str, scope: list[Item]) -> tuple[str, list[str]]:
        keys = [self._item(scope) for _ in range(self.choose(0, 1, 1, 2))]
        keys = [key for key in keys if any(item.sql in key.sql for item in scope)]
        calls = [self._call(scope) for _ in range(self.choose(1, 2))]
        listed = ", ".join([*(key.sql for key in keys), *(self._named(call) for call in calls)])
        grouped = ", ".join(str(i + 1) for i in range(len(keys)))
        form = self.choose("{}", "{}", "ROLLUP ({})", "CUBE ({})") if keys else ""
        group = f" GROUP BY {form.format(grouped if form == '{}' else ', '.join(k.sql for k in keys))}" if keys else ""
        having = (
            f" HAVING count(*) {self.choose('>', '=', '<')} {self.choose('0', '1', '3')}" if self.chance(20) else ""
        )
        return f"SELECT {listed} FROM {source}{where}{group}{having}", [i.type for i in (*keys, *calls)]

    def _call(self, scope: list[Item]) -> Item:
        kind = self.choose(*sorted({item.type for item in scope}))
        argument = self.expr(kind, scope, 1)
        filtered = f" FILTER (WHERE {self.predicate(scope, 1)})" if self.chance(20) else ""
        options = [
            Item("count(*)", "big"),
            Item(f"count({argument})", "big"),
            Item(f"count(DISTINCT {argument})", "big"),
            Item(f"min({argument})", kind),
            Item(f"max({argument})", kind),
        ]
        column = self.choose(*scope)
        options.append(Item(f"list({column.sql} ORDER BY {column.sql})", "other"))
        if column.type == "txt":
            options.append(Item(f"string_agg({column.sql}, ',' ORDER BY {column.sql})", "txt"))
        if kind in _SUMMABLE:
            options += [Item(f"{f}({argument})", "other") for f in ("sum", "avg", "median", "stddev", "sum")]
            options += [Item(f"sum(DISTINCT {argument})", "other"), Item(f"quantile_disc({argument}, 0.25)", kind)]
        if kind == "bool":
            options += [Item(f"bool_and({argument})", "bool"), Item(f"bool_or({argument})", "bool")]
        chosen = self.choose(*options)
        return Item(chosen.sql + filtered, chosen.type)

    def _window(self, scope: list[Item]) -> Item:
        order = ", ".join(f"{item.sql} {self.choose('', 'DESC', 'NULLS FIRST')}".strip() for item in self._some(scope))
        total = ", ".join(item.sql for item in scope)
        partition = f"PARTITION BY {', '.join(i.sql for i in self._some(scope))} " if self.chance(60) else ""
        argument = self.choose(*[item.sql for item in scope if item.type in _SUMMABLE] or ["1"])
        frame = self.choose("", "", " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW", " RANGE UNBOUNDED PRECEDING")
        call = self.choose(
            f"rank() OVER ({partition}ORDER BY {order})",
            f"dense_rank() OVER ({partition}ORDER BY {order})",
            f"row_number() OVER ({partition}ORDER BY {total})",
            f"lag({argument}) OVER ({partition}ORDER BY {total})",
            f"sum({argument}) OVER ({partition}ORDER BY {order}{frame})",
            f"count(*) OVER ({partition}ORDER BY {order}{frame})",
            f"max({argument}) OVER ({partition.strip()})",
        )
        return Item(call, "other")

    def _some(self, scope: list[Item]) -> list[Item]:
        first = self.choose(*scope)
        return [first] if self.chance(60) else [first, self.choose(*scope)]

    def _set_operation(self, depth: int) -> tuple[str, list[str]]:
        kinds = [self.choose(*_LITERALS) for _ in range(self.choose(1, 2))]
        sides = []
        for _ in "ab":
            source, scope = self.source(depth - 1)
            where = f" WHERE {self.predicate(scope, 1)}" if self.chance(40) else ""
            sides.append(f"SELECT {', '.join(self.expr(kind, scope, 1) for kind in kinds)} FROM {source}{where}")
        operator = self.choose("UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL")
        return f"{sides[0]} {operator} {sides[1]}", kinds

    def query(self) -> Query:
        """A whole query."""
        sql, types = self.select(depth=2)
        if self.chance(15):
            name = self.name("cte")
            sql = f"WITH {name} AS ({sql}) SELECT * FROM {name}"
        if "other" in types or not self.chance(50):
            return Query(sql, ordered=False)
        direction = self.choose("", " DESC", " NULLS FIRST", " DESC NULLS LAST")
        order = ", ".join(f"{i + 1}{direction}" for i in range(len(types)))
        limit = f" LIMIT {self.choose('0', '1', '5')}" if self.chance(50) else ""
        offset = " OFFSET 2" if limit and self.chance(30) else ""
        return Query(f"SELECT * FROM ({sql}) ORDER BY {order}{limit}{offset}", ordered=True)


def _column(kind: str, rows: int) -> st.SearchStrategy[list[object]]:
    """Values of a column: NULLs among them, sometimes only one value, sometimes nothing but NULL."""
    value = _VALUES[kind]
    mixed = st.lists(st.none() | value | value | value | value, min_size=rows, max_size=rows)
    same = st.none() | value
    return mixed | mixed | mixed | mixed | same.map(lambda only: [only] * rows)


@st.composite
def cases(draw: st.DrawFn, queries: int = 4) -> Case:
    """Up to three tables of up to thirty rows, and some queries over them."""
    tables: dict[str, pa.Table] = {}
    columns: dict[str, list[Item]] = {}
    for number in range(draw(st.integers(1, 3))):
        name = ("t0", "t1", "Odd Table")[number]
        kinds = ["int", "txt", *draw(st.lists(st.sampled_from(list(_VALUES)), max_size=3))]
        rows = draw(st.sampled_from([30, 30, 12, 5, 1, 0]))
        names = [f"C {i}" if i == 2 else f"c{i}" for i in range(len(kinds))]
        arrays = [pa.array(draw(_column(kind, rows)), _ARROW[kind]) for kind in kinds]
        tables[name] = pa.table(arrays, names=names)
        columns[name] = [Item(quoted(c), kind) for c, kind in zip(names, kinds, strict=True)]
    writer = _Writer(draw, columns)
    return Case(tables, tuple(writer.query() for _ in range(queries)))
