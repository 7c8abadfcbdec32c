"""Random expressions and conditions over the columns in scope."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness.random_sql.draft import Draft, Scope
from tests.harness.random_sql.names import spell
from tests.harness.random_sql.values import COMPARABLE, LITERALS, NUMBERS, OF_TEXTS

__all__ = ["Expressions"]

_OPERATORS = ("=", "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")


class Expressions(Draft):
    """Writes scalar expressions without subqueries."""

    def leaf(self, kind: str, scope: Scope) -> str:
        """A column of the kind, or a literal."""
        column = self.column_of((kind,), scope) if self.often(85) else None
        if column is not None:
            return column
        return self.choose(*LITERALS.get(kind, ("NULL",)))

    def expr(self, kind: str, scope: Scope, depth: int = 2) -> str:
        """An expression of a kind."""
        if depth <= 0 or self.often(45):
            return self.leaf(kind, scope)
        if self.often(8) and kind not in ("other", "jtx"):
            condition = self.predicate(scope, depth - 1)
            first, second = self.expr(kind, scope, depth - 1), self.expr(kind, scope, 0)
            return f"CASE WHEN {condition} THEN {first} ELSE {second} END"
        if self.often(8):
            return f"coalesce({self.expr(kind, scope, depth - 1)}, {self.leaf(kind, scope)})"
        if kind == "bool":
            return self.predicate(scope, depth - 1)
        forms = self._forms(kind, scope, depth - 1)
        return self.choose(*forms)() if forms else self.leaf(kind, scope)

    def _forms(self, kind: str, scope: Scope, depth: int) -> list[Callable[[], str]]:
        if kind in OF_TEXTS:
            return [lambda: f"{self.leaf(f'{kind} text', scope)}::{OF_TEXTS[kind]}"]

        def sub(other: str) -> str:
            return self.expr(other, scope, depth)

        def method(other: str, call: str) -> Callable[[], str]:
            def called() -> str:
                self.used.add("method")
                return f"{self.receiver(other, scope)}.{call}"

            return called

        return {
            "int": [
                lambda: f"({sub('int')} + {sub('int')})",
                lambda: f"abs({sub('int')})",
                lambda: f"(-{sub('int')} * 2)",
                lambda: f"({sub('rec')}).camelcase",
                lambda: f"({sub('list')})[1]",
                lambda: f"{{'CamelCase': {sub('int')}, 'b': 2}}['CamelCase']",
                lambda: f"list_sum([{sub('int')}, {sub('int')}])::INTEGER",
                lambda: f"[q + {self.leaf('int', scope)} FOR q IN {self.expr('list', scope, 0)} IF q > 0][1]",
                lambda: f"({self.expr('union', scope, 0)}).num",
                lambda: f"({self.expr('map', scope, 0)})['a']",
                lambda: f"bit_count({self.expr('bit', scope, 1)})::INTEGER",
                lambda: f"try_cast({sub('txt')} AS INTEGER)",
                method("int", "abs()"),
                method("int", "subtract(1)"),
                method("list", "list_max()"),
            ],
            "big": [
                lambda: f"length({sub('txt')})",
                lambda: f"year({sub('date')})",
                lambda: f"({sub('big')} + {sub('int')})",
                method("txt", "length()"),
            ],
            "huge": [lambda: f"({sub('big')}::HUGEINT + 1)", lambda: f"{self.leaf('int', scope)}::HUGEINT"],
            "dbl": [
                lambda: f"({sub('dbl')} - {sub('dbl')})",
                lambda: f"({sub('int')} / 4)",
                lambda: f"{sub('dec')}::DOUBLE",
                lambda: f"({sub('int')} + {sub('dbl')})",
                method("dbl", "subtract(1)"),
            ],
            "dec": [
                lambda: f"({sub('dec')} + {sub('dec')})",
                lambda: f"({self.leaf('int', scope)} + {sub('dec')})",
                lambda: f"{self.leaf('int', scope)}::DECIMAL(9, 2)",
                lambda: f"(.5 * {self.leaf('dec', scope)})",
            ],
            "txt": [
                lambda: f"upper({sub('txt')})",
                lambda: f"({sub('txt')} || {sub('txt')})",
                lambda: f"substring({sub('txt')}, 1, 2)",
                lambda: f"{sub('int')}::VARCHAR",
                lambda: f"{sub('dec')}::VARCHAR",
                lambda: f"({sub('json')} ->> 'a.b')",
                lambda: f"({sub('json')} ->> '$.a.b')",
                lambda: f"to_json({sub('rec')})::VARCHAR",
                lambda: f"({self.leaf('variant', scope)})::VARCHAR",
                lambda: f"union_tag({self.expr('union', scope, 0)})::VARCHAR",
                lambda: f"format('{{}}-{{}}', {sub('int')}, {sub('txt')})",
                lambda: f"{self.expr(self.choose(*OF_TEXTS, 'map'), scope, 1)}::VARCHAR",
                method("txt", "concat('!')"),
                method("txt", "upper().lower()"),
            ],
            "date": [lambda: f"({sub('date')} + 1)", lambda: f"{sub('ts')}::DATE"],
            "ts": [lambda: f"({sub('ts')} + INTERVAL 1 DAY)", lambda: f"date_trunc('day', {sub('ts')})"],
            "list": [
                lambda: f"list_sort({sub('list')})",
                lambda: f"[{sub('int')}, {sub('int')}]",
                lambda: f"list_transform({self.expr('list', scope, 0)}, lambda q: q + {self.leaf('int', scope)})",
                method("list", f"list_filter(lambda q: q > {self.leaf('int', scope)})"),
            ],
            "rec": [lambda: f"{{'CamelCase': {sub('int')}, 'b': {sub('txt')}}}"],
            "json": [
                lambda: f"{self.leaf('jtx', scope)}::JSON",
                lambda: f"to_json({{'CamelCase': {sub('int')}, 'a.b': {sub('txt')}}})",
                lambda: f"({self.leaf('json', scope)} -> 'a')",
                lambda: f"({self.leaf('json', scope)} -> 'a.b')",
            ],
            "variant": [
                lambda: f"{{'CamelCase': {sub('int')}, 'camelcase2': {sub('txt')}}}::VARIANT",
                lambda: f"{sub('int')}::VARIANT",
            ],
            "map": [lambda: f"MAP {{'a': {sub('int')}}}"],
            "union": [lambda: f"union_value(num := {sub('int')})::UNION(num INTEGER, str VARCHAR)"],
        }.get(kind, [])

    def receiver(self, kind: str, scope: Scope) -> str:
        """What a method can be called on: a column, or an expression in brackets."""
        column = self.column_of((kind,), scope)
        return column if column and not column.startswith("#") and self.often(80) else f"({self.leaf(kind, scope)})"

    def whole_row(self, scope: Scope) -> str | None:
        """A relation's name, which stands for its row where no column is called so."""
        names = {c.name.lower() for c in scope.all}
        free = [r for r in scope.relations if r.lower() not in names or self.often(20)]
        if not free:
            return None
        self.used.add("whole_row")
        return spell(self.choose(*free), self.choose(0, 0, 1, 2))

    # Conditions

    def predicate(self, scope: Scope, depth: int = 2) -> str:
        """A condition."""

        def comparison() -> str:
            return self.mixed_comparison(scope, depth - 1)

        def null_test() -> str:
            row = self.whole_row(scope) if self.often(10) else None
            return f"({row or self.expr(self._some_kind(scope), scope, depth - 1)} IS {self.choose('', 'NOT ')}NULL)"

        def in_list() -> str:
            left, right = self._two_kinds(scope)
            listed = ", ".join(self.expr(right, scope, 0) for _ in range(self.choose(1, 2, 3)))
            return f"({self.expr(left, scope, depth - 1)} {self.choose('', 'NOT ')}IN ({listed}))"

        def between() -> str:
            kind = self._some_kind(scope)
            low, high = self.expr(kind, scope, 0), self.expr(kind, scope, 0)
            return f"({self.expr(kind, scope, depth - 1)} {self.choose('', 'NOT ')}BETWEEN {low} AND {high})"

        def like() -> str:
            pattern = self.choose("%a%", "_", "", "%", "ä%")
            return f"({self.expr('txt', scope, depth - 1)} {self.choose('LIKE', 'NOT LIKE', 'ILIKE')} '{pattern}')"

        def connected() -> str:
            operator = self.choose("AND", "OR")
            return f"({self.predicate(scope, depth - 1)} {operator} {self.predicate(scope, depth - 1)})"

        def negated() -> str:
            return f"(NOT {self.predicate(scope, depth - 1)})"

        def volatile() -> str:
            return self.choose("(random() < 2)", "(random() = random())", "(random() + 1 >= 1)")

        def array_any() -> str:
            return f"({self.expr('int', scope, 0)} = ANY ([1, {self.leaf('int', scope)}]))"

        simple = {comparison: 8, null_test: 2, in_list: 2, between: 2, like: 1, array_any: 1}
        deep = {connected: 4, negated: 2, volatile: 1}
        return self.form(simple if depth <= 0 else simple | deep)

    def mixed_comparison(self, scope: Scope, depth: int) -> str:
        """A comparison, often of two types."""
        left, right = self._two_kinds(scope)
        operator = self.choose(*_OPERATORS)
        if self.often(6):
            self.used.add("row_comparison")
            pairs = [f"({self.expr(kind, scope, 0)}, {self.leaf('txt', scope)})" for kind in (left, right)]
            return f"({pairs[0]} {operator} {pairs[1]})"
        return f"({self.expr(left, scope, depth)} {operator} {self.expr(right, scope, depth)})"

    def _some_kind(self, scope: Scope) -> str:
        kinds = [c.kind for c in scope.all if c.kind in LITERALS]
        return self.choose(*kinds) if kinds else "int"

    def _two_kinds(self, scope: Scope) -> tuple[str, str]:
        """Kinds whose values can be compared."""
        kinds = [c.kind for c in scope.own if c.kind in COMPARABLE] or ["int"]
        left = self.choose(*kinds)
        if left in NUMBERS and self.often(35):
            return left, self.choose(*NUMBERS, "ntx")
        if left == "ntx" and self.often(60):
            return left, self.choose(*NUMBERS)
        return left, left
