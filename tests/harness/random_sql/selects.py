"""Random SELECTs: lists, groups, windows, set operations, CTEs, and orders that are total where rows are cut off."""

from __future__ import annotations

from dataclasses import replace

from tests.harness.random_sql.draft import Body, Scope
from tests.harness.random_sql.names import TABLES, spell
from tests.harness.random_sql.sources import Sources
from tests.harness.random_sql.values import LITERALS, NUMBERS

__all__ = ["Query", "Selects"]


class Query(str):
    """The text of a SELECT. `ordered` says whether it asks for the order of its rows."""

    ordered: bool = False


_COLUMN_PATTERNS = ("'k|v'", "'^[ks]$'", "* EXCLUDE (id)", "lambda c: c IN ('k', 'id')", "* EXCLUDE (s)", "'id'")


def is_constant(text: str) -> bool:
    """Whether the expression is a literal, which some clauses take for a place, or not at all."""
    return text[:1].isdigit() or text.startswith(_CONSTANTS)


_CONSTANTS = (
    "'",
    "(-1)",
    "(-2",
    "NULL",
    "DATE '",
    "TIMESTAMP '",
    "TRUE",
    "FALSE",
    "[",
    "{'CamelCase': 1,",
    "(.5 * .5)",
)


class Selects(Sources):
    """Writes whole SELECTs."""

    def query(self) -> Query:
        """A SELECT with everything around it."""
        for _ in range(self.choose(0, 0, 0, 0, 0, 1, 1, 2)):
            self._define_cte()
        body = self.body(Scope(()), self.choose(0, 0, 1, 1, 1, 2, 2, 3))
        ordered = self.often(45)
        text = self.with_ctes(self.finish(body) if ordered else body.sql)
        query = Query(text)
        query.ordered = ordered
        return query

    def finish(self, body: Body) -> str:
        """The SELECT in an order that tells all rows apart which differ, and maybe cut off."""
        places = [f"{i + 1}{self._direction()}" for i in range(len(body.kinds))]
        self.chance.shuffle(places)
        first = [f"{name}{self._direction()}" for name in body.order if self.often(60)][:2]
        order = ", ".join(first + places)
        if not first and self.often(8):
            order = f"ALL{self.choose('', ' DESC')}"
        return f"{body.sql} ORDER BY {order}{self._limit()}"

    def in_order(self, body: Body) -> str:
        """A SELECT as it stands, or in a total order with a limit."""
        return self.finish(body) if self.often(15) else body.sql

    def _direction(self) -> str:
        return self.choose("", "", " DESC", " NULLS FIRST", " DESC NULLS LAST")

    def _limit(self) -> str:
        odd = self.choose("1 + 1", "50%", "40 PERCENT", "(SELECT 2)", "least(3, 2)")
        limit = odd if self.often(15) else self.choose("", "1", "2", "3", "5")
        offset = "" if self.often(80) else self.choose("1", "1", "2 - 1", "(SELECT 1)")
        return (f" LIMIT {limit}" if limit else "") + (f" OFFSET {offset}" if offset else "")

    # CTEs

    def _define_cte(self) -> None:
        name = self.choose(*[n for n in (*TABLES, "r", "q", "k", "cte", "__t0", "__row") if n not in self.cte_columns])

        def plain_cte() -> tuple[str, tuple[str, ...]]:
            body = self.body(Scope(()), 1)
            listed = ", ".join(self.column_name() for _ in body.kinds)
            head = f"({listed})" if self.often(30) else ""
            return (
                f"{head} AS {self.choose('', '', 'MATERIALIZED ', 'NOT MATERIALIZED ')}({self.in_order(body)})",
                body.kinds,
            )

        def volatile_cte() -> tuple[str, tuple[str, ...]]:
            """Whose readers have one value, and only compare it."""
            return " AS MATERIALIZED (SELECT random() < 2 AS k, 1 AS id)", ("bool", "int")

        def recursive_cte() -> tuple[str, tuple[str, ...]]:
            source, _ = self.narrow_source()
            step = f"SELECT n + 1, k FROM {spell(name)} WHERE n < {self.choose('3', '4')}"
            union, first = self.choose("UNION ALL", "UNION"), self.choose("1", "id % 3")
            return f"(n, k) AS (SELECT {first}, {self.choose('id', 'id + 1')} FROM {source} {union} {step})", (
                "int",
                "int",
            )

        def recursive_cte_with_key() -> tuple[str, tuple[str, ...]]:
            step = f"SELECT k, n + 1 FROM {spell(name)} WHERE n < 3"
            source, _ = self.narrow_source()
            return f"(k, n) USING KEY (k) AS (SELECT id, 0 FROM {source} UNION {step})", ("int", "int")

        text, kinds = self.form({plain_cte: 12, volatile_cte: 1, recursive_cte: 2, recursive_cte_with_key: 1})
        before = list(self.ctes)
        self.ctes.append(f"{spell(name)}{text}")
        if text.startswith("("):
            self.ctes = [f"RECURSIVE {self.ctes[0].removeprefix('RECURSIVE ')}", *self.ctes[1:]]
        columns = self.columns_of(name, spell(name), kinds)
        if columns is None:
            self.ctes = before
        else:
            self.cte_columns[name] = columns

    # Bodies

    def body(self, scope: Scope, depth: int) -> Body:
        """A SELECT within a scope that has no columns of its own."""

        def plain() -> Body:
            return self._plain(scope, depth)

        def distinct() -> Body:
            found = self._plain(scope, depth)
            return replace(found, sql=found.sql.replace("SELECT ", "SELECT DISTINCT ", 1), order=())

        def distinct_on() -> Body:
            return self._distinct_on(scope, depth)

        def grouped() -> Body:
            return self._grouped_body(scope, depth)

        def windows() -> Body:
            return self._windows(scope, depth)

        def stars() -> Body:
            return self._stars(scope, depth)

        def set_operation() -> Body:
            return self._set_operation(scope, depth)

        def by_name() -> Body:
            return self._by_name(scope, depth)

        def unnested() -> Body:
            return self._unnested_body(scope, depth)

        small = {plain: 5, grouped: 4}
        more = {windows: 5, distinct: 2, distinct_on: 2, stars: 4, set_operation: 3, by_name: 1, unnested: 1}
        return self.form({**small, grouped: 9, **more} if depth > 0 else small)

    def _read(self, scope: Scope, depth: int) -> tuple[str, Scope]:
        """A FROM clause, mostly with WHERE, and the scope behind it."""
        source, columns = self.source(scope, depth)
        inner = scope.inside(columns)
        where = f" WHERE {self.predicate(inner)}" if self.often(25) or (scope.outer and self.often(60)) else ""
        return f"FROM {source}{where}", inner

    def _item(self, scope: Scope) -> tuple[str, str]:
        """An item of a SELECT list, and its kind."""
        row = self.whole_row(scope) if self.often(4) else None
        if row:
            return row, "other"
        kind = self._some_kind(scope) if self.often(85) else self.choose(*LITERALS)
        return self.expr(kind, scope), kind

    def _plain(self, scope: Scope, depth: int) -> Body:
        read, inner = self._read(scope, depth)
        items, kinds, order = [], [], []
        for _ in range(self.choose(1, 2, 2, 3)):
            sql, kind = self._item(inner)
            kinds.append(kind)
            if self.often(55):
                name = self.column_name()
                order += [name]
                sql = f"{sql} AS {name}"
            items.append(sql)
        listed = ", ".join(items)
        if self.often(12) and order:
            self.used.add("alias_in_where")
            name, kind = next((i.rsplit(" AS ", 1)[1], k) for i, k in zip(items, kinds, strict=True) if " AS " in i)
            if kind in LITERALS:
                joined = " AND " if " WHERE " in read else " WHERE "
                read = f"{read}{joined}{name} IS NOT NULL" if joined == " WHERE " else read
        order += [self.leaf(self._some_kind(inner), inner) for _ in "ab"]
        if self.nesting < 1 and self.often(15):
            order.append(self.scalar("int", inner))
        text = f"{read} SELECT {listed}" if self.often(5) and " WHERE " not in read else f"SELECT {listed} {read}"
        return Body(text, tuple(kinds), tuple(o for o in order if not is_constant(o)))

    def _distinct_on(self, scope: Scope, depth: int) -> Body:
        """With an order that tells rows apart: of those that it does not, each gives the same."""
        read, inner = self._read(scope, depth)
        items = [self._item(inner) for _ in range(self.choose(1, 2, 3))]
        key = self.leaf(self._some_kind(inner), inner)
        key = f"coalesce({key}, NULL)" if is_constant(key) else key
        total = ", ".join(f"{sql}{self._direction()}" for sql, _ in items if not is_constant(sql))
        listed = ", ".join(sql for sql, _ in items)
        order = f" ORDER BY {key}, {total}" if total else f" ORDER BY {key}"
        text = f"SELECT * FROM (SELECT DISTINCT ON ({key}) {listed} {read}{order}) AS one"
        return Body(text, tuple(kind for _, kind in items))

    def _grouped_body(self, scope: Scope, depth: int) -> Body:
        read, inner = self._read(scope, depth)
        keys = [self._item(inner) for _ in range(self.choose(0, 1, 1, 1, 2, 2))]
        keys = [(sql, kind) for sql, kind in keys if kind in LITERALS]
        calls = [self._call(inner, scope, depth) for _ in range(self.choose(1, 1, 2, 3))]
        named = [(f"{sql} AS {self.column_name()}" if self.often(35) else sql, kind) for sql, kind in keys]
        items = named + [(f"{sql} AS {self.column_name()}" if self.often(35) else sql, kind) for sql, kind in calls]
        group = self._group_by([sql for sql, _ in keys], len(keys))
        if group.startswith(" GROUP BY ALL") and self.often(40):
            items.append((self.choose("1", "'a'", "NULL", "42 AS k"), "other"))
        if keys and any(word in group for word in ("ROLLUP", "CUBE", "SETS")) and self.often(60):
            self.used.add("grouping")
            told = ", ".join(sql for sql, _ in self.chance.sample(keys, self.choose(1, len(keys))))
            items.append((f"{self.choose('GROUPING', 'GROUPING_ID')}({told})", "big"))
        having = self._having(inner, [sql for sql, _ in keys]) if self.often(30) else ""
        order = [sql.rsplit(" AS ", 1)[1] for sql, _ in items if " AS " in sql and self.often(50)]
        order += [sql for sql, _ in calls if self.often(30) and "[" not in sql]
        text = f"SELECT {', '.join(sql for sql, _ in items)} {read}{group}{having}"
        return Body(text, tuple(kind for _, kind in items), tuple(o for o in order if not is_constant(o)))

    def _call(self, inner: Scope, scope: Scope, depth: int) -> tuple[str, str]:
        call, kind = self.aggregate(inner, nested=True)
        if kind in NUMBERS and self.often(15):
            return f"({call} + 1)", "other"
        if kind == "big" and self.often(10) and self.nesting < 1:
            return f"({call} + {self.scalar('big', Scope((), scope.outer))})", "other"
        return call, kind

    def _group_by(self, keys: list[str], count: int) -> str:
        if not keys:
            return self.choose("", "", " GROUP BY ()", " GROUP BY ALL")
        listed = ", ".join(keys)
        places = ", ".join(str(i + 1) for i in range(count))
        if any(is_constant(key) for key in keys):
            return self.choose(f" GROUP BY {places}", " GROUP BY ALL")
        sets = f"GROUPING SETS (({listed}), {', '.join(f'({key})' for key in keys)}, ())"
        return " GROUP BY " + self.choose(
            places, places, listed, "ALL", f"ROLLUP ({listed})", f"CUBE ({listed})", sets, f"({listed}), ()"
        )

    def _having(self, inner: Scope, keys: list[str]) -> str:
        call, kind = self.aggregate(inner, nested=True)
        if kind in NUMBERS:
            condition = f"{call} {self.choose('>', '<=', '<>')} {self.choose(*LITERALS[kind])}"
        else:
            condition = f"count(*) {self.choose('>', '=', '<')} {self.choose('0', '1', '3')}"
        if keys and self.often(40):
            condition = f"{condition} {self.choose('AND', 'OR')} {self.choose(*keys)} IS NOT NULL"
        if self.nesting < 1 and self.often(25):
            self.used.add("having_subquery")
            source, _ = self.stored_table(inner.relations)
            link = f" WHERE {self.choose(*keys)} IS NOT NULL" if keys else ""
            compared = f"(SELECT {self.choose('count(*)', 'max(id)', 'min(id)')} FROM {source}{link})"
            condition = f"count(*) {self.choose('<', '>=', '<>')} {compared}"
        return f" HAVING {condition}"

    def _windows(self, scope: Scope, depth: int) -> Body:
        read, inner = self._read(scope, depth)
        calls = [self.window(inner) for _ in range(self.choose(1, 1, 2))]
        items = [self._item(inner) for _ in range(self.choose(0, 1, 2))]
        name = self.column_name()
        listed = [sql for sql, _ in items] + [sql for sql, _ in calls[:-1]]
        last, kind = calls[-1]
        qualify = self._qualify(name, kind, inner) if self.often(45) else ""
        text = f"SELECT {', '.join([*listed, f'{last} AS {name}'])} {read}{qualify}"
        kinds = tuple(k for _, k in items) + tuple(k for _, k in calls)
        return Body(text, kinds, (name,))

    def _qualify(self, name: str, kind: str, inner: Scope) -> str:
        order = self.total_order(inner)
        if order and self.often(40):
            return f" QUALIFY row_number() OVER (ORDER BY {order}) {self.choose('<', '=')} {self.choose('2', '3')}"
        if kind in NUMBERS:
            return f" QUALIFY {name} {self.choose('<', '=', '>')} {self.choose('1', '2')}"
        return f" QUALIFY {name} IS NOT NULL AND {self.deeper(inner)}"

    def _stars(self, scope: Scope, depth: int) -> Body:
        """Lists that name no column, or many at once."""
        read, inner = self._read(scope, min(depth, 1))
        relations = [r for r in inner.relations if r]
        star = f"{spell(self.choose(*relations), self.choose(0, 0, 2))}.*" if relations and self.often(50) else "*"
        number = self.column_of(NUMBERS, Scope(inner.own)) or "1"
        sql, kind = self._item(inner)
        pattern = self.choose(*_COLUMN_PATTERNS)

        def star_and_alias() -> str:
            return (
                f"{star}, -{number} AS {self.column_name()}"
                if kind != "dbl"
                else f"{star}, {sql} AS {self.column_name()}"
            )

        def only_star() -> str:
            return star

        def exclude() -> str:
            excluded = self.choose("k", "id", "K", '"v"')
            return f"{star} EXCLUDE ({excluded})"

        def replaced() -> str:
            return f"{star} REPLACE ({sql} AS {self.choose('k', 'id', 's')})"

        def renamed() -> str:
            return f"{star} RENAME (k AS {self.column_name()})"

        def columns() -> str:
            return self.choose(
                f"COLUMNS({pattern})", f"coalesce(*COLUMNS({pattern}))::VARCHAR AS k", "COLUMNS('k|id') AS 'c_\\0'"
            )

        def columns_in_calls() -> str:
            return self.choose(
                f"count(COLUMNS({pattern}))", f"min(COLUMNS({pattern}))", "max(COLUMNS('k|id')), count(*)"
            )

        def star_like() -> str:
            return f"* LIKE '{self.choose('k%', '%', 'i%')}'"

        listed = self.form(
            {star_and_alias: 4, only_star: 2, exclude: 2, replaced: 2, renamed: 1, columns: 4}
            | {columns_in_calls: 2, star_like: 1}
        )
        if self.often(20):
            self.used.add("columns_in_where")
            read = f"{read}{' AND' if ' WHERE ' in read else ' WHERE'} COLUMNS({pattern}) IS NOT NULL"
        text = f"SELECT {listed} {read}"
        found = self._describe(self.with_ctes(text)) if not scope.outer else None
        if found is None:
            return self._plain(scope, depth)
        order = ("k",) if "min(" not in listed and "max(" not in listed and "count(" not in listed else ()
        return Body(text, ("other",) * len(found), order)

    # Several SELECTs

    def _set_operation(self, scope: Scope, depth: int) -> Body:
        kinds = [self.choose(*NUMBERS, "txt", "int", "date", "rec", "json") for _ in range(self.choose(1, 1, 2))]

        def side() -> str:
            read, inner = self._read(scope, depth - 1)
            own = [self.choose(*NUMBERS) if kind in NUMBERS else kind for kind in kinds]
            listed = [
                f"{self.expr(kind, inner, 1)}{f' AS {self.column_name()}' if self.often(40) else ''}" for kind in own
            ]
            body = Body(f"SELECT {', '.join(listed)} {read}", tuple(kinds))
            return f"({self.finish(body)})" if self.often(25) else body.sql

        operators = ("UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL")
        text = f"{side()} {self.choose(*operators)} {side()}"
        if self.often(20):
            text = (
                f"({text}) {self.choose(*operators)} {side()}"
                if self.often(50)
                else (f"{side()} {self.choose(*operators)} ({text})")
            )
        return Body(text, ("other",) * len(kinds))

    def _by_name(self, scope: Scope, depth: int) -> Body:
        names = self.chance.sample(("k", "v", "x", "t", "__key1", "K"), 3)

        def side(chosen: list[str]) -> str:
            read, inner = self._read(scope, depth - 1)
            listed = [f"{self.expr(self.choose('int', 'dec', 'big'), inner, 1)} AS {name}" for name in chosen]
            return f"SELECT {', '.join(listed)} {read}"

        text = f"{side(names[:2])} {self.choose('UNION', 'UNION ALL')} BY NAME {side([names[1], names[2]])}"
        return Body(text, ("other",) * 3, (names[0],))

    def _unnested_body(self, scope: Scope, depth: int) -> Body:
        read, inner = self._read(scope, depth - 1)
        listed = self.expr("list", inner, 1)
        sql, kind = self._item(inner)
        second = self.choose("", f", unnest([{self.leaf('int', inner)}, 5]) AS {self.column_name()}")
        return Body(
            f"SELECT unnest({listed}) AS {self.column_name()}{second}, {sql} {read}",
            ("int", *(("int",) if second else ()), kind),
        )
