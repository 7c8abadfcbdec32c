"""Random calls of aggregates and window functions, each with one right value."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness.random_sql.draft import Scope
from tests.harness.random_sql.subqueries import Subqueries
from tests.harness.random_sql.values import NUMBERS

__all__ = ["Aggregates"]

_SEPARATORS = ("','", "'-'", "''", "'-' || '+'", "lower('X')", "chr(45)", "concat('a', 'b')", "'; '::VARCHAR", "NULL")


class Aggregates(Subqueries):
    """Writes aggregates over the columns in scope."""

    def aggregate(self, scope: Scope, *, nested: bool) -> tuple[str, str]:
        """A call and its kind. Where it is `nested`, no average comes out of it, whose sums would be rounded."""
        kind = self._some_kind(scope)

        def argument(depth: int = 1) -> str:
            return self.expr(kind, scope, depth)

        def number() -> str:
            return self.expr(self.choose(*NUMBERS), scope, 1)

        def order(value: str) -> str:
            return f"ORDER BY {value}{self.choose('', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST')}"

        def count_rows() -> tuple[str, str]:
            row = self.whole_row(scope)
            return self._with_filter(
                self.choose("count(*)", "count()", f"count({row})" if row else "count(*)"), scope
            ), "big"

        def count_values() -> tuple[str, str]:
            return self._with_filter(f"count({self.choose('', 'DISTINCT ')}{argument()})", scope), "big"

        def extreme() -> tuple[str, str]:
            return self._with_filter(f"{self.choose('min', 'max')}({argument()})", scope), kind

        def total() -> tuple[str, str]:
            call = f"sum({self.choose('', 'DISTINCT ')}{number()})"
            return self._with_filter(call, scope), "other"

        def average() -> tuple[str, str]:
            call = self._with_filter(f"avg({self.choose('', '', 'DISTINCT ')}{number()})", scope)
            return (f"({call})::DECIMAL(18, 3)", "dec") if nested or self.often(50) else (call, "other")

        def quantile() -> tuple[str, str]:
            place = self.choose("0.5", "0.25", "0.5 + 0.25", "[0.25, 0.75]", "1", "0.5::DOUBLE", "[0.5]")
            return f"{self.choose('quantile_disc', 'quantile_cont')}({number()}, {place})", "other"

        def middle() -> tuple[str, str]:
            return self._with_filter(f"median({number()})", scope), "other"

        def text_of_all() -> tuple[str, str]:
            value, separator = self.expr("txt", scope, 1), self.choose(*_SEPARATORS)
            distinct = self.choose("", "DISTINCT ")
            return self._with_filter(f"string_agg({distinct}{value}, {separator} {order(value)})", scope), "txt"

        def length_of_text() -> tuple[str, str]:
            """Which is the same in each order."""
            call = (
                f"string_agg({self.choose('', 'DISTINCT ')}{self.expr('txt', scope, 1)}, {self.choose(*_SEPARATORS)})"
            )
            return f"length({self._with_filter(call, scope)})", "big"

        def list_of_all() -> tuple[str, str]:
            value = argument()
            name = self.choose("list", "array_agg", "first", "last", "any_value")
            call = f"{name}({self.choose('', 'DISTINCT ')}{value} {order(value)})"
            return self._with_filter(call, scope), "other"

        def sorted_list() -> tuple[str, str]:
            call = self._with_filter(f"list({self.choose('', 'DISTINCT ')}{argument()})", scope)
            return self.choose(f"list_sort({call})", f"len({call})"), "other"

        def argument_of_extreme() -> tuple[str, str]:
            """Of equal ones the value decides."""
            value, key = argument(), self.expr("int", scope, 0)
            name = self.choose("arg_min", "arg_max", "arg_min_null", "arg_max_null", "arg_min_nulls_last")
            name = self.choose(name, "arg_max_nulls_last", "min_by", "max_by")
            return self._with_filter(f"{name}({value}, {{'key': {key}, 'value': {value}}})", scope), kind

        def several_extremes() -> tuple[str, str]:
            value, many = argument(), self.choose("1", "2", "1 + 1", "3")
            if self.often(40):
                return (
                    f"{self.choose('arg_min', 'arg_max')}({value}, ({self.leaf('int', scope)}, {value}), {many})",
                    "other",
                )
            return f"{self.choose('min', 'max')}({value}, {many})", "other"

        def of_bits() -> tuple[str, str]:
            value = self.expr("int", scope, 1)
            return self._with_filter(f"{self.choose('bit_and', 'bit_or', 'bit_xor')}({value})", scope), "int"

        def of_truths() -> tuple[str, str]:
            return self._with_filter(f"{self.choose('bool_and', 'bool_or')}({self.predicate(scope, 1)})", scope), "bool"

        def counts_of_values() -> tuple[str, str]:
            return f"histogram({self.leaf('int', scope)})", "other"

        def rounded() -> tuple[str, str]:
            name = self.choose("stddev", "var_pop", "variance", "stddev_pop")
            return f"round({name}({self.expr('int', scope, 0)}), 6)::DECIMAL(18, 3)", "dec"

        return self.form(
            {count_rows: 4, count_values: 4, extreme: 6, total: 5, average: 3, quantile: 2, middle: 1}
            | {text_of_all: 3, length_of_text: 2, list_of_all: 3, sorted_list: 2, argument_of_extreme: 3}
            | {several_extremes: 1, of_bits: 1, of_truths: 1, counts_of_values: 1, rounded: 1}
        )

    def _with_filter(self, call: str, scope: Scope) -> str:
        if not self.often(20):
            return call
        self.used.add("aggregate_filter")
        return f"{call} FILTER ({self.choose('WHERE ', 'WHERE ', '')}{self.deeper(scope)})"

    def window(self, scope: Scope) -> tuple[str, str]:
        """A call of a window function over the rows of a scope, and its kind."""
        order = self.total_order(scope)
        some = self.leaf(self._some_kind(scope), scope)
        partition = f"PARTITION BY {self.leaf(self._some_kind(scope), scope)} " if self.often(60) else ""

        def rank() -> tuple[str, str]:
            name = self.choose("rank", "dense_rank")
            return f"{name}() OVER ({partition}ORDER BY {some}{self.choose('', ' DESC', ' NULLS FIRST')})", "big"

        def row_number() -> tuple[str, str]:
            return f"row_number() OVER ({partition}ORDER BY {order})", "big"

        def neighbour() -> tuple[str, str]:
            kind = self._some_kind(scope)
            value = self.expr(kind, scope, 1)
            more = self.choose("", ", 1", ", 2, NULL", " IGNORE NULLS", ", 1 IGNORE NULLS")
            return f"{self.choose('lag', 'lead')}({value}{more}) OVER ({partition}ORDER BY {order})", kind

        def value_in_frame() -> tuple[str, str]:
            kind = self._some_kind(scope)
            name = self.choose("first_value", "last_value")
            call = f"{name}({self.leaf(kind, scope)})" if self.often(70) else f"nth_value({self.leaf(kind, scope)}, 2)"
            return f"{call} OVER ({partition}ORDER BY {order}{self._frame()})", kind

        def moving_aggregate() -> tuple[str, str]:
            call, kind = self._plain_aggregate(scope)
            return f"{call} OVER ({partition}ORDER BY {order}{self._frame()})", kind

        def aggregate_over_peers() -> tuple[str, str]:
            call, kind = self._plain_aggregate(scope)
            return f"{call} OVER ({partition}ORDER BY {some})", kind

        def aggregate_over_partition() -> tuple[str, str]:
            call, kind = self._plain_aggregate(scope)
            return f"{call} OVER ({partition.strip()})", kind

        def equal_calls() -> tuple[str, str]:
            """The same call twice, which may be one where it is not volatile."""
            call = f"{self.choose('sum', 'max')}({self.leaf('int', scope)}) OVER ({partition}ORDER BY {order})"
            return f"({call} + {call})", "other"

        def volatile_calls() -> tuple[str, str]:
            """The same volatile call twice, which are two."""
            call = f"max(random()) OVER ({partition.strip()})"
            return f"({call} {self.choose('=', '<>')} {call})", "bool"

        of_groups = {rank: 3, aggregate_over_peers: 2, aggregate_over_partition: 3, volatile_calls: 1}
        if not order:
            return self.form(of_groups)
        return self.form(
            of_groups | {row_number: 3, neighbour: 3, value_in_frame: 2, moving_aggregate: 4, equal_calls: 1}
        )

    def _plain_aggregate(self, scope: Scope) -> tuple[str, str]:
        """A call that may stand before OVER."""
        kind = self._some_kind(scope)
        value = self.expr(kind, scope, 1)
        calls: list[Callable[[], tuple[str, str]]] = [
            lambda: ("count(*)", "big"),
            lambda: (f"count({self.choose('', 'DISTINCT ')}{value})", "big"),
            lambda: (f"{self.choose('min', 'max')}({value})", kind),
            lambda: (f"sum({self.leaf(self.choose(*NUMBERS), scope)})", "other"),
        ]
        call, made = self.choose(*calls)()
        return self._with_filter(call, scope), made

    def _frame(self) -> str:
        if self.often(50):
            return ""
        start = self.choose("UNBOUNDED PRECEDING", "1 PRECEDING", "CURRENT ROW")
        end = self.choose("CURRENT ROW", "1 FOLLOWING", "UNBOUNDED FOLLOWING")
        exclude = self.choose("", "", " EXCLUDE CURRENT ROW", " EXCLUDE TIES", " EXCLUDE GROUP")
        return f" {self.choose('ROWS', 'GROUPS')} BETWEEN {start} AND {end}{exclude}"

    def total_order(self, scope: Scope) -> str:
        """An order by all columns, so that rows which it does not tell apart are equal; empty where there is none."""
        found = [self.reference(column, scope) for column in scope.own]
        if not found or None in found or any(str(name).startswith("#") for name in found):
            return ""
        self.chance.shuffle(found)
        return ", ".join(f"{name}{self.choose('', '', ' DESC', ' NULLS FIRST')}" for name in found)
