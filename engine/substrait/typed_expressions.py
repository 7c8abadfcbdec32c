"""What expressions and relations of a plan have become: texts in the kernel's dialect, with types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.errors import InvalidPlanError
from engine.substrait.refusals import require_size
from engine.substrait.types import Type

__all__ = ["Relation", "Scopes", "TypedExpression", "cast"]


@dataclass(frozen=True)
class TypedExpression:
    """An expression and its type, None where the plan does not tell it.

    `value` is that of a constant, of which `is_constant` tells. What `is_column` may stand in several places, and be
    named by GROUP BY and ORDER BY.
    """

    sql: str
    type: Type | None
    is_column: bool = False
    is_constant: bool = False
    value: object = None


@dataclass(frozen=True)
class Relation:
    """What stands in FROM, and its columns. Its rows are ordered by `order`, which may read what no column has."""

    source: str
    columns: tuple[TypedExpression, ...]
    order: tuple[OrderItem, ...] = ()

    def column(self, place: int) -> TypedExpression:
        """The column at `place`; InvalidPlanError where there is none."""
        if not 0 <= place < len(self.columns):
            raise InvalidPlanError(
                f"The plan refers to field {place} of a relation that has {len(self.columns)} columns."
            )
        return self.columns[place]

    def emit(self, mapping: Sequence[int]) -> Relation:
        """The columns at the places in `mapping`."""
        return replace(self, columns=tuple(self.column(place) for place in mapping))

    @property
    def ordered_by(self) -> str:
        """ORDER BY, or nothing."""
        return f" ORDER BY {', '.join(item.sql for item in self.order)}" if self.order else ""


@dataclass(frozen=True)
class OrderItem:
    """A column to order by, and how: ``DESC NULLS FIRST``."""

    key: TypedExpression
    direction: str

    @property
    def sql(self) -> str:
        """As ORDER BY has it."""
        return f"{self.key.sql} {self.direction}"


Scopes = tuple[tuple[TypedExpression, ...], ...]
"""The columns that an expression may name: of its own input first, then of the queries around it."""


def cast(expression: TypedExpression, to: Type) -> TypedExpression:
    """`expression` in another type; the same where it has it."""
    if expression.type == to:
        return expression
    return TypedExpression(require_size(f"CAST({expression.sql} AS {to.sql})"), to)
