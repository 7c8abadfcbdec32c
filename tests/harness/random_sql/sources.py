"""Random FROM clauses: tables, derived tables, CTEs, VALUES, table functions, PIVOT, and every way to join them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.harness.random_sql.aggregates import Aggregates
from tests.harness.random_sql.draft import Body, Scope
from tests.harness.random_sql.names import TABLES, spell
from tests.harness.random_sql.values import LITERALS, NUMBERS, Column

__all__ = ["Sources"]

Found = tuple[str, tuple[Column, ...]]
_OUTER = ("LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT OUTER JOIN", "FULL OUTER JOIN")
_ONE_SIDED = ("SEMI JOIN", "ANTI JOIN")


class Sources(Aggregates):
    """Writes what a SELECT reads."""

    def stored_table(self, taken: Sequence[str]) -> Found:
        """A table of the world, under some alias or its own name."""
        name = self.table_name()
        table = self.tables[name]
        alias, source = self.relation_name(taken), spell(name, self.choose(0, 0, 1, 2))
        if name not in taken and self.often(35):
            alias, sql = name, source
        else:
            sql = f"{source} {self.choose('', 'AS ')}{spell(alias, self.choose(0, 0, 2))}"
        columns = zip(table.data.column_names, table.kinds, strict=True)
        return sql, tuple(Column(alias, column, kind) for column, kind in columns)

    def table_name(self) -> str:
        """One of the tables that no CTE hides."""
        return self.choose(*[name for name in TABLES if name not in self.cte_columns])

    def source(self, scope: Scope, depth: int) -> Found:
        """A FROM clause within a scope, with up to `depth` joins, and its columns."""
        sql, columns = self._relation(scope, (), depth)
        taken = [c.relation for c in columns[:1]]
        while depth > 0 and self.often(55):
            depth -= 1
            joined = self._add_join(sql, columns, scope, depth, taken)
            if joined is not None:
                sql, columns = joined
        return sql, columns

    # One relation

    def _relation(self, scope: Scope, taken: Sequence[str], depth: int) -> Found:
        def stored() -> Found:
            return self.stored_table(taken)

        def derived() -> Found | None:
            body = self.body(Scope((), scope.all if self.often(30) else ()), depth - 1)
            return self._with_alias(f"({self.in_order(body)})", taken, body.kinds)

        def column_list() -> Found | None:
            """With names of its own for the columns, some of them equal."""
            body = self.body(Scope(()), depth - 1)
            names = ", ".join(self.column_name() for _ in range(self.choose(1, len(body.kinds))))
            return self._with_alias(f"({body.sql})", taken, body.kinds, names)

        def twice_named() -> Found | None:
            """Columns of one name."""
            source, columns = self.stored_table(())
            inner, name = Scope(columns), self.column_name()
            kinds = [self._some_kind(inner) for _ in range(self.choose(2, 2, 3))]
            listed = [f"{self.expr(kind, inner, 1)} AS {name}" for kind in kinds]
            where = f" WHERE {self.deeper(inner)}" if self.often(20) else ""
            return self._with_alias(f"(SELECT {', '.join(listed)} FROM {source}{where})", taken, kinds)

        def narrow() -> Found | None:
            """A few columns of a table under their own names."""
            source, columns = self.stored_table(())
            chosen = self.chance.sample(columns, min(len(columns), self.choose(1, 2, 3)))
            if self.often(70) and all(c.name != "k" for c in chosen):
                chosen.append(next(c for c in columns if c.name == "k"))
            listed = ", ".join(spell(c.name) for c in chosen)
            return self._with_alias(f"(SELECT {listed} FROM {source})", taken, [c.kind for c in chosen])

        def bracketed_join() -> Found | None:
            source, columns = self.source(Scope(()), 1)
            if len(columns) > 16:
                return None
            return self._with_alias(f"({source})", taken) if "JOIN" in source else None

        def cte() -> Found | None:
            return self._known_cte(taken) if self.cte_columns else None

        def values() -> Found | None:
            kinds = [self.choose("int", "int", "txt", "dec", "dbl", "date") for _ in range(self.choose(1, 2, 3))]
            rows = [
                f"({', '.join(self.choose(*LITERALS[kind]) for kind in kinds)})" for _ in range(self.choose(1, 2, 4))
            ]
            names = ", ".join(self.column_name() for _ in kinds)
            return self._with_alias(f"(VALUES {', '.join(rows)})", taken, kinds, names)

        def table_function() -> Found | None:
            call = self.choose("range(4)", "generate_series(1, 3)", "unnest([1, 2, NULL, 2])", "range(0, 9, 3)")
            return self._with_alias(call, taken, (), self.column_name())

        def pivot() -> Found | None:
            source, columns = self.narrow_source()
            on = self.choose(*[c for c in columns if c.kind in ("int", "big", "txt")] or columns)
            listed = ", ".join(self.choose(*LITERALS.get(on.kind, ("1",))[:3]) for _ in "ab")
            using = self.choose("sum(id)", "count(*)", "max(s)", "max(k) AS m, count(*) AS n", "min(v) AS k")
            grouped = self.choose("", f" GROUP BY {spell(self.choose(*columns).name)}")
            return self._with_alias(f"(PIVOT {source} ON {spell(on.name)} IN ({listed}) USING {using}{grouped})", taken)

        def unpivot() -> Found | None:
            source, columns = self.narrow_source()
            numbers = [c for c in columns if c.kind in NUMBERS]
            listed = ", ".join(spell(c.name) for c in self.chance.sample(numbers, min(2, len(numbers))))
            nulls = self.choose("", " INCLUDE NULLS")
            if self.often(50):
                text = (
                    f"(UNPIVOT{nulls} {source} ON {listed} INTO NAME {self.column_name()} VALUE {self.column_name()})"
                )
                return self._with_alias(text, taken)
            return self._with_alias(f"(FROM {source} UNPIVOT{nulls} (w FOR n IN ({listed})))", taken)

        def sample() -> Found | None:
            """Of all rows or none: what else it takes is open."""
            part = self.choose("100 PERCENT (bernoulli)", "100% (system)", "0 ROWS", "reservoir(500 ROWS)")
            source, columns = self.stored_table(taken)
            if self.often(50):
                return f"{source} TABLESAMPLE {part}", columns
            return self._with_alias(f"(SELECT * FROM {source} USING SAMPLE {part})", taken)

        flat = {stored: 28, twice_named: 8, narrow: 10, values: 4, table_function: 2, sample: 1, pivot: 2, unpivot: 2}
        deep = {derived: 12, column_list: 6, bracketed_join: 6} if depth > 0 else {}
        found = self.form(flat | deep | ({cte: 24} if self.cte_columns else {}))
        return found or self.stored_table(taken)

    def narrow_source(self) -> Found:
        """A table of the world without an alias, for what takes none."""
        name = self.table_name()
        table = self.tables[name]
        columns = zip(table.data.column_names, table.kinds, strict=True)
        return spell(name), tuple(Column(name, column, kind) for column, kind in columns)

    def _with_alias(self, sql: str, taken: Sequence[str], kinds: Sequence[str] = (), names: str = "") -> Found | None:
        alias = self.relation_name(taken)
        source = f"{sql} AS {spell(alias, self.choose(0, 0, 2))}{f'({names})' if names else ''}"
        columns = self.columns_of(alias, source, kinds)
        return None if columns is None else (source, columns)

    def _known_cte(self, taken: Sequence[str]) -> Found | None:
        name = self.choose(*self.cte_columns)
        alias = self.relation_name(taken)
        if name not in taken and self.often(40):
            return spell(name), tuple(replace(c, relation=name) for c in self.cte_columns[name])
        columns = tuple(replace(c, relation=alias) for c in self.cte_columns[name])
        return f"{spell(name)} AS {spell(alias)}", columns

    # Joins

    def _add_join(
        self, left: str, columns: tuple[Column, ...], scope: Scope, depth: int, taken: list[str]
    ) -> Found | None:
        """The clause with one more join, whose name then is among the `taken`; None where the kernel refuses it."""
        own = Scope(columns, scope.outer)

        def on() -> Found | None:
            right, right_columns = self._relation(scope, taken, depth)
            taken.append(right_columns[0].relation)
            both = columns + right_columns
            kind = self.choose("JOIN", "INNER JOIN", *_OUTER, *_ONE_SIDED)
            condition = self._condition(columns, right_columns, scope)
            kept = columns if kind in _ONE_SIDED else both
            return f"{left} {kind} {right} ON {condition}", kept

        def using() -> Found | None:
            right, right_columns = self._relation(scope, taken, depth)
            taken.append(right_columns[0].relation)
            shared = self._shared_names(columns, right_columns)
            if not shared:
                return None
            names = self.chance.sample(shared, min(len(shared), self.choose(1, 1, 1, 2)))
            if "k" in shared and self.often(60):
                names = ["k"]
            kind = self.choose("JOIN", *_OUTER, *_OUTER, *_ONE_SIDED)
            listed = ", ".join(spell(name, self.choose(0, 0, 1, 2)) for name in names)
            return self._merge_columns(f"{left} {kind} {right} USING ({listed})", kind, columns, right_columns, names)

        def natural() -> Found | None:
            right, right_columns = self._relation(scope, taken, depth)
            taken.append(right_columns[0].relation)
            shared = self._shared_names(columns, right_columns)
            common = {c.name.lower() for c in columns} & {c.name.lower() for c in right_columns}
            if not shared or len(shared) != len(common) or len(shared) > 3:
                return None
            kind = self.choose("JOIN", *_OUTER, *_ONE_SIDED)
            return self._merge_columns(f"{left} NATURAL {kind} {right}", kind, columns, right_columns, shared)

        def cross() -> Found | None:
            right, right_columns = self.stored_table(taken)
            taken.append(right_columns[0].relation)
            return f"{left}{self.choose(',', ' CROSS JOIN')} {right}", columns + right_columns

        def lateral() -> Found | None:
            alias = self.relation_name(taken)
            taken.append(alias)
            inner = self.body(Scope((), own.all), 0)
            head = self.choose(f"{left},", f"{left} CROSS JOIN", f"{left} LEFT JOIN", f"{left} JOIN")
            tail = " ON TRUE" if head.endswith(("LEFT JOIN", " JOIN")) and "CROSS" not in head else ""
            word = self.choose("LATERAL ", "LATERAL ", "")
            text = f"{head} {word}({self.in_order(inner)}) AS {spell(alias)}{tail}"
            found = self.columns_of(alias, text, inner.kinds) if not scope.outer else None
            return None if found is None else (text, columns + found)

        def lateral_function() -> Found | None:
            alias, name = self.relation_name(taken), self.column_name()
            taken.append(alias)
            listed, number = self.leaf("list", Scope(columns)), self.leaf("int", Scope(columns))
            call = self.choose(f"unnest({listed})", f"unnest([{number}, 7])", f"range(least({number}, 3))")
            text = f"{left}, {call} AS {spell(alias)}({name})"
            found = self.columns_of(alias, text) if not scope.outer else None
            return None if found is None else (text, columns + found)

        def asof() -> Found | None:
            """To a table by its ``id``, so that one row is the nearest."""
            right, right_columns = self.stored_table(taken)
            taken.append(right_columns[0].relation)
            place = self.reference(next(c for c in right_columns if c.name == "id"), Scope(right_columns))
            kind, operator = self.choose("ASOF JOIN", "ASOF LEFT JOIN"), self.choose(">=", ">", "<", "<=")
            right_id = f"{spell(right_columns[0].relation)}.{place.split('.')[-1]}" if place else "id"
            return f"{left} {kind} {right} ON {self._qualified_column('int', columns)} {operator} {right_id}", (
                columns + right_columns
            )

        def nearest() -> Found | None:
            """To a table by a distance that no two of its rows have."""
            right, right_columns = self.stored_table(taken)
            taken.append(right_columns[0].relation)
            right_id = f"{spell(right_columns[0].relation)}.id"
            value = f"coalesce({self._qualified_column('int', columns)}, 0)"
            by = f"DISTANCE abs({value} - {right_id}) * 2 + ({right_id} > {value})::INTEGER"
            kind = self.choose("JOIN", "LEFT JOIN")
            return f"{left} {kind} {right} {self.choose('APPROX', 'EXACT')} NEAREST {self.choose('1', '2')} BY {by}", (
                columns + right_columns
            )

        found = self.form(
            {on: 10, using: 9, natural: 4, cross: 1, lateral: 4, lateral_function: 1, asof: 1, nearest: 1}
        )
        return found if found and (scope.outer or self.is_valid(f"SELECT 1 FROM {found[0]}")) else None

    def _merge_columns(
        self, sql: str, kind: str, left: tuple[Column, ...], right: tuple[Column, ...], names: Sequence[str]
    ) -> Found:
        """The columns behind USING: of each name one that both sides give, and each side's own behind its relation."""
        if kind in _ONE_SIDED:
            return sql, left
        lower = {name.lower() for name in names}
        rest = [c for c in left + right if not (c.merged and c.name.lower() in lower)]
        merged = tuple(
            Column("", c.name, self._merged_kind(c, right), merged=True)
            for c in {c.name.lower(): c for c in reversed(left) if c.name.lower() in lower}.values()
        )
        return sql, merged + tuple(rest)

    def _merged_kind(self, column: Column, right: tuple[Column, ...]) -> str:
        other = next((c.kind for c in right if c.name.lower() == column.name.lower()), column.kind)
        if column.kind == other:
            return column.kind
        order = ("int", "big", "huge", "dec", "dbl")
        if column.kind in order and other in order:
            return max(column.kind, other, key=order.index)
        return next((kind for kind in (column.kind, other) if kind in order), "other")

    def _shared_names(self, left: tuple[Column, ...], right: tuple[Column, ...]) -> list[str]:
        """The names that USING may have: on the left one column each, or one that USING made before."""
        found = []
        for name in dict.fromkeys(c.name.lower() for c in right):
            ours = [c for c in left if c.name.lower() == name]
            theirs = [c for c in right if c.name.lower() == name]
            if ours and (len(ours) == 1 or any(c.merged for c in ours)) and len(theirs) == 1:
                mine = next((c for c in ours if c.merged), ours[0]).kind
                pair = {mine, theirs[0].kind}
                if len(pair) == 1 or pair <= {*NUMBERS, "huge"} or ("ntx" in pair and pair <= {*NUMBERS, "ntx"}):
                    found.append(theirs[0].name)
        return found

    def _condition(self, left: tuple[Column, ...], right: tuple[Column, ...], scope: Scope) -> str:
        """A join's condition: mostly an equality, sometimes of two types, sometimes more."""
        both = Scope(left + right, scope.outer)
        kinds = [c.kind for c in right if c.kind in (*NUMBERS, "txt", "ntx", "date")] or ["int"]
        kind = self.choose(*kinds)
        other = self.choose(*NUMBERS, kind) if kind in (*NUMBERS, "ntx") else kind
        operator = self.choose("=", "=", "=", "=", "IS NOT DISTINCT FROM", "<")
        equality = f"{self._qualified_column(other, left)} {operator} {self._qualified_column(kind, right)}"
        if self.often(25):
            return f"{equality} {self.choose('AND', 'AND', 'OR')} {self.predicate(both, 1)}"
        return self.predicate(both, 1) if self.often(5) else equality

    def _qualified_column(self, kind: str, columns: tuple[Column, ...]) -> str:
        """A column of the kind by its relation and its name, or a literal."""
        found = [c for c in columns if c.kind == kind and c.relation and not c.merged]
        if not found:
            return self.choose(*LITERALS[kind])
        column = self.choose(*found)
        return f"{spell(column.relation)}.{spell(column.name)}"

    def in_order(self, body: Body) -> str:
        """A SELECT that now and then has an order and a limit, and then one that is total."""
        raise NotImplementedError
