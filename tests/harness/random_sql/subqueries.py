"""Random subqueries, in conditions and as values: alone, or correlated in every way."""

from __future__ import annotations

from tests.harness.random_sql.draft import Scope
from tests.harness.random_sql.expressions import Expressions
from tests.harness.random_sql.values import COMPARABLE, LITERALS, NUMBERS, Column

__all__ = ["Subqueries"]


class Subqueries(Expressions):
    """Writes expressions with subqueries in them."""

    def expr(self, kind: str, scope: Scope, depth: int = 2) -> str:
        """An expression of a kind, now and then a scalar subquery."""
        if depth > 0 and self.nesting < 2 and kind in LITERALS and self.often(7):
            return self.scalar(kind, scope)
        return super().expr(kind, scope, depth)

    def predicate(self, scope: Scope, depth: int = 2) -> str:
        """A condition, now and then one about a subquery."""
        if depth > 0 and self.nesting < 2 and self.often(22):
            return self.about_subquery(scope)
        return super().predicate(scope, depth)

    def scalar(self, kind: str, scope: Scope) -> str:
        """A subquery of one row and one column of the kind."""

        def scalar_by_key() -> str:
            """Of one row, for no two rows of a table have one ``id``."""
            source, inner = self.stored_scope(scope)
            key = f"{self._id(inner)} = {self.choose('1', '2', self.expr('int', Scope(scope.own), 0))}"
            return f"(SELECT {self.expr(kind, inner, 1)} FROM {source} WHERE {key})"

        def scalar_aggregate() -> str:
            source, inner = self.stored_scope(scope)
            return f"(SELECT {self.choose('min', 'max')}({self.expr(kind, inner, 1)}) FROM {source}{self._link(inner)})"

        def scalar_top() -> str:
            source, inner = self.stored_scope(scope)
            value = self.expr(kind, inner, 1)
            order = f"{value} {self.choose('', 'DESC', 'NULLS FIRST')}, {self._id(inner)}"
            return f"(SELECT {value} FROM {source}{self._link(inner)} ORDER BY {order} LIMIT 1)"

        def scalar_without_from() -> str:
            return f"(SELECT {self.expr(kind, Scope((), scope.all), 1)})"

        def scalar_count() -> str:
            """Whose value over no rows is no NULL."""
            source, inner = self.stored_scope(scope)
            count = self.choose(
                "count(*)", f"count({self.leaf('int', inner)})", "count(*) + 10", "coalesce(sum(id), 7)"
            )
            return f"(SELECT {count} FROM {source}{self._link(inner)})"

        def scalar_outer_aggregate() -> str:
            """With a value of the outer row in what is aggregated."""
            source, inner = self.stored_scope(scope)
            both = f"{self.leaf('int', inner)} + {self.leaf('int', scope)}"
            return f"(SELECT {self.choose('max', 'min', 'count', 'sum')}({both}) FROM {source}{self._link(inner)})"

        def scalar_from_joined() -> str:
            source, columns = self.nested_source(scope)
            inner = scope.inside(columns)
            return f"(SELECT max({self.expr(kind, inner, 0)}) FROM {source}{self._link(inner)})"

        def scalar_grouped() -> str:
            source, inner = self.stored_scope(scope)
            key = self.leaf("int", Scope(inner.own))
            having = f"HAVING count(*) > {self.choose('0', '1', self.leaf('int', Scope(scope.own)))}"
            listed = f"SELECT max({self.expr(kind, inner, 0)}) AS q FROM {source}{self._link(inner)} GROUP BY {key}"
            return f"(SELECT max(q) FROM ({listed} {having}) AS grouped)"

        numbers = {scalar_count: 4, scalar_outer_aggregate: 3} if kind == "big" else {}
        return self.form(
            {scalar_by_key: 3, scalar_aggregate: 4, scalar_top: 2, scalar_without_from: 1}
            | {scalar_from_joined: 1, scalar_grouped: 1}
            | numbers
        )

    def about_subquery(self, scope: Scope) -> str:
        """A condition about a subquery's rows."""

        def exists() -> str:
            source, inner = self.stored_scope(scope)
            listed = self.choose("1", "*", "NULL", self.leaf("int", inner))
            return f"({self.choose('', 'NOT ')}EXISTS (SELECT {listed} FROM {source}{self._link(inner)}))"

        def exists_of_aggregate() -> str:
            source, inner = self.stored_scope(scope)
            having = self.choose("", " HAVING count(*) > 1", " HAVING max(id) < 3")
            return f"({self.choose('', 'NOT ')}EXISTS (SELECT count(*) FROM {source}{self._link(inner)}{having}))"

        def exists_of_join() -> str:
            source, columns = self.nested_source(scope)
            return f"({self.choose('', 'NOT ')}EXISTS (FROM {source}{self._link(scope.inside(columns))}))"

        def member() -> str:
            left, right = self._member_kinds(scope)
            return f"({self.expr(left, scope, 0)} {self.choose('IN', 'NOT IN')} ({self._one_column(right, scope)}))"

        def quantified() -> str:
            left, right = self._member_kinds(scope)
            operator = self.choose("=", "<>", "<", ">=", ">") + " " + self.choose("ANY", "ALL", "SOME")
            return f"({self.expr(left, scope, 0)} {operator} ({self._one_column(right, scope)}))"

        def row_member() -> str:
            source, inner = self.stored_scope(scope)
            first, second = self.choose(*NUMBERS), self.choose("txt", "int")
            outer = f"({self.expr(first, scope, 0)}, {self.expr(second, scope, 0)})"
            rows = f"SELECT {self.leaf(self.choose(first, 'dbl'), inner)}, {self.leaf(second, inner)} FROM {source}"
            return f"({outer} {self.choose('IN', 'NOT IN', '= ANY')} ({rows}{self._link(inner)}))"

        def compared_with_scalar() -> str:
            kind = self.choose(*COMPARABLE)
            operator = self.choose("=", "<", ">=", "IS DISTINCT FROM")
            return f"({self.expr(kind, scope, 0)} {operator} {self.scalar(kind, scope)})"

        def compared_with_count() -> str:
            return f"({self.scalar('big', scope)} {self.choose('>', '=', '<')} {self.expr('int', scope, 0)})"

        return self.form(
            {exists: 4, exists_of_aggregate: 1, exists_of_join: 2, member: 6, quantified: 3}
            | {row_member: 2, compared_with_scalar: 4, compared_with_count: 3}
        )

    # Parts

    def stored_scope(self, scope: Scope) -> tuple[str, Scope]:
        """A table for a subquery to read, and the scope there."""
        from_clause, columns = self.stored_table([] if self.often(25) else scope.relations)
        return from_clause, scope.inside(columns)

    def nested_source(self, scope: Scope) -> tuple[str, tuple[Column, ...]]:
        """A FROM clause one level deeper."""
        self.nesting += 1
        try:
            return self.source(scope, 1)
        finally:
            self.nesting -= 1

    def _link(self, inner: Scope) -> str:
        """A WHERE clause that ties the subquery's rows to the outer one, or does not."""

        def uncorrelated() -> str:
            return self.choose("", f" WHERE {self.deeper(Scope(inner.own))}")

        def equality() -> str:
            left, right = self._mixed_pair(inner)
            return f" WHERE {left} {self.choose('=', '=', '=', 'IS NOT DISTINCT FROM')} {right}"

        def inequality() -> str:
            left, right = self._mixed_pair(inner)
            return f" WHERE {left} {self.choose('<', '<>', '>=')} {right}"

        def inner_columns_on_both_sides() -> str:
            left, right = self.leaf("int", Scope(inner.own)), self.leaf("int", Scope(inner.own))
            outer = self.leaf(self.choose(*NUMBERS), Scope((), inner.outer))
            return f" WHERE {left} + {right} = {outer}" if self.often(50) else f" WHERE {left} = {outer} + {right}"

        def several() -> str:
            return f"{equality()} AND {self.deeper(inner)}"

        def any_condition() -> str:
            return f" WHERE {self.deeper(inner)}"

        if not inner.outer:
            return uncorrelated()
        return self.form(
            {uncorrelated: 2, equality: 6, inequality: 2, inner_columns_on_both_sides: 1, several: 3, any_condition: 2}
        )

    def deeper(self, scope: Scope) -> str:
        """A condition one level deeper."""
        self.nesting += 1
        try:
            return self.predicate(scope, 1)
        finally:
            self.nesting -= 1

    def _mixed_pair(self, inner: Scope) -> tuple[str, str]:
        """A value of the subquery and one of the outer row, often of another type."""
        kinds = [c.kind for c in inner.outer if c.kind in COMPARABLE] or ["int"]
        right = self.choose(*kinds)
        left = self.choose(*NUMBERS, right, "ntx") if right in NUMBERS else right
        if right == "ntx" and self.often(60):
            left = self.choose(*NUMBERS)
        return self.leaf(left, Scope(inner.own)), self.leaf(right, Scope((), inner.outer))

    def _member_kinds(self, scope: Scope) -> tuple[str, str]:
        """Kinds that IN takes; it compares no text with numbers."""
        kinds = [c.kind for c in scope.own if c.kind in COMPARABLE] or ["int"]
        left = self.choose(*kinds)
        return left, self.choose(*NUMBERS, left) if left in NUMBERS else left

    def _one_column(self, kind: str, scope: Scope) -> str:
        """A SELECT of one column of the kind."""
        source, inner = self.stored_scope(scope)
        value, link = self.expr(kind, Scope(inner.own), 1), self._link(inner)
        plain = f"SELECT {value} FROM {source}{link}"
        if self.often(10):
            return f"{plain} {self.choose('UNION', 'UNION ALL', 'EXCEPT')} SELECT {self.choose(*LITERALS[kind])}"
        if self.often(10):
            return f"SELECT max({value}) FROM {source}{link} GROUP BY {self.leaf('int', Scope(inner.own))}"
        return f"SELECT DISTINCT {value} FROM {source}{link}" if self.often(10) else plain

    def _id(self, inner: Scope) -> str:
        found = next(column for column in inner.own if column.name == "id")
        return self.reference(found, inner) or "id"

    def stored_table(self, taken: tuple[str, ...] | list[str]) -> tuple[str, tuple[Column, ...]]:
        """A table under some alias."""
        raise NotImplementedError
