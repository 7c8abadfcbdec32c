"""Physical plans with other values in the places of parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from sqlglot import exp

from engine.logical.expressions import node_expressions
from engine.operators.look_up import LookUpExec
from engine.operators.sql_query import SqlExec
from engine.operators.table_scan import TableScanExec
from engine.other_values import OtherValues, parameter_of, put_values
from engine.physical import PhysicalOperator, SourceBinder, walk

__all__ = ["takes_any_values", "to_run_with", "with_values"]

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.In, exp.Between)


def takes_any_values(root: PhysicalOperator) -> bool:
    """Whether parameters stand in conditions on what is read only, where they are compared with columns.

    These mean the same of all values, and `with_values` puts them there.
    """
    for operator in walk(root):
        places = [node for found in node_expressions(operator) for node in found.walk() if parameter_of(node)]
        is_condition = isinstance(operator, LookUpExec | TableScanExec)
        if places and not (is_condition and all(map(_is_beside_column, places))):
            return False
    return True


@dataclass(frozen=True)
class OtherValuesExec(PhysicalOperator):
    """`template`, which computes the rows for any values, with those of `query`; they are put in where it is to run."""

    template: PhysicalOperator
    query: OtherValues

    @property
    def schema(self) -> tuple[str, ...]:
        return self.template.schema

    @cached_property
    def fallback(self) -> PhysicalOperator:
        return with_values(self.template, self.query)

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del inputs, sources
        raise AssertionError("only what it falls back on is run")


def to_run_with(root: PhysicalOperator, query: OtherValues) -> PhysicalOperator:
    """What runs `with_values`; what an index is asked before gets them only where the index does not answer."""
    if isinstance(root, LookUpExec):
        return replace(root, filter=put_values(root.filter, query.values), input=OtherValuesExec(root.input, query))
    return with_values(root, query)


def with_values(operator: PhysicalOperator, query: OtherValues) -> PhysicalOperator:
    """The same operators for the values of `query`, whose text stands for that which the kernel runs."""
    found = operator.with_children(tuple([with_values(child, query) for child in operator.children]))
    match found:
        case SqlExec():
            return replace(found, query=query.text)
        case LookUpExec():
            return replace(found, filter=put_values(found.filter, query.values))
        case TableScanExec(filter=exp.Expr() as condition):
            return replace(found, filter=put_values(condition, query.values))
    return found


def _is_beside_column(parameter: exp.Expr) -> bool:
    compared = parameter.parent
    return isinstance(compared, _COMPARISONS) and isinstance(compared.this, exp.Column)
