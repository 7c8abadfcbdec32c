"""OtherValues: a plan that differs from another one only in constants, as a statement with bound values does.

A statement that is asked again and again with other values mostly has one plan. A runtime may work it out once, for
values that stand for any, and put those of a statement in where it runs, once it has seen that these are all that makes
the difference. Any other runtime writes the plan out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from engine.logical.nodes import LogicalPlan

__all__ = ["Constants", "OtherValues", "as_parameter", "parameter_of", "put_values"]

_PLACE = "parameter"

Constants = Mapping[str, Any]
"""What is read as the constants in the places of parameters, by the numbers of these."""

Reading = Callable[[Any], exp.Expr]


@dataclass(frozen=True)
class Parameter:
    """One by its number, and the reading of its values."""

    number: str
    reading: Reading

    def __deepcopy__(self, memo: object) -> Parameter:
        return self  # with each copy of an expression


@dataclass(frozen=True)
class OtherValues(LogicalPlan):
    """`input` with `values` for its parameters, and `text` for the text of its SqlQuery.

    `written_out` gives the same plan of nodes that hold the values. It is only ever the root of a plan.
    """

    input: LogicalPlan
    text: str
    values: Constants
    write_out: Callable[[], LogicalPlan] = field(compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names


def as_parameter(constant: exp.Expr, number: str, reading: Reading) -> exp.Expr:
    """`constant`, marked to stand for a parameter, whose values `reading` makes into what stands here."""
    constant.meta[_PLACE] = Parameter(number, reading)
    return constant


def parameter_of(node: exp.Expr) -> Parameter | None:
    """The parameter that a constant stands for."""
    found: Parameter | None = node.meta.get(_PLACE)
    return found


def put_values(expr: exp.Expr, values: Constants) -> exp.Expr:
    """A copy of `expr` with `values` for its parameters."""

    def put(node: exp.Expr) -> exp.Expr:
        place = parameter_of(node)
        return node if place is None else place.reading(values[place.number])

    return expr.transform(put)
