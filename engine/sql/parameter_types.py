"""The types of a SELECT's parameters, each its own, as the kernel's binder tells them.

The binder tells none where it cannot tell one. So those that it cannot tell are found first, by halving: a set of
parameters is told while NULL stands for the others. What it leaves open is a text where a text may stand. Else it is a
number: a small one is put there, and what the binder casts that to says whether it is whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from engine.binder import Binder, Tables
from engine.errors import PlanningError
from engine.schema import RowType
from engine.sql.plan_reader import NotRead
from engine.sql.plan_reader.types import type_text
from engine.sql.tokens import Kind, tokens

__all__ = ["ParameterTypes"]

_MOST_TRIALS = 400  # of about a millisecond
_UNTYPED = ("NULL", '"NULL"')
_SMALL = "UTINYINT"  # what nothing else in a text has, most often, and every number may be cast from
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")


class ParameterTypes:
    """The types of the parameters of a text over `tables`; `names` are theirs, in the order of values."""

    def __init__(self, binder: Binder, text: str, tables: Tables, names: Sequence[str]) -> None:
        self._binder, self._text, self._tables = binder, text, tables
        self._names = names
        self._places = [token for token in tokens(text) if token.kind is Kind.PARAMETER]
        self._trials = _MOST_TRIALS

    def kernel_types(self) -> dict[str, str | None]:
        """The kernel's type for each, None where the text does not tell it."""
        found: dict[str, str] = {}
        pending = [list(self._names)]
        while pending and self._trials > 0:
            some = pending.pop()
            types = self._types({name: "NULL" for name in self._names if name not in some})
            if types is not None:
                found |= types
            elif len(some) > 1:
                middle = len(some) // 2
                pending += [some[middle:], some[:middle]]
        return {name: found.get(name.lower()) for name in self._names}

    def with_guesses(self, columns: RowType = ()) -> dict[str, str]:
        """As `kernel_types`, and what a driver may best make for those that are left open.

        One that is a column of the result as it stands has the type that `columns` have at that place.
        """
        told = self.kernel_types()
        missing = [name for name, kind in told.items() if kind is None]
        guesses = {name: self._guess(name, columns) for name in missing}
        if len(told) > 1:
            # NULL in the place of others may have made NULL of an expression, and its parameters went with it.
            values = {name: f"CAST(1 AS {kind})" for name, kind in guesses.items()}
            for name in missing[: max(self._trials, 0)]:
                kept = {other: value for other, value in values.items() if other != name}
                guesses[name] = (self._types(kept) or {}).get(name.lower(), guesses[name])
        return {name: kind or guesses[name] for name, kind in told.items()}

    def _guess(self, name: str, columns: RowType) -> str:
        others = {other: "NULL" for other in self._names if other != name}
        if columns:
            with suppress(PlanningError):
                shown = self._binder.describe(self._with({**others, name: f"CAST(1 AS {_SMALL})"}), self._tables)
                for column, given in zip(columns, shown, strict=False):
                    if given.type == _SMALL:
                        return column.type
        if self._trials <= 0 or self._nodes({**others, name: "CAST('' AS VARCHAR)"}) is not None:
            return "VARCHAR"
        nodes = self._nodes({**others, name: f"CAST(1 AS {_SMALL})"})
        for node in nodes or ():
            kind = _cast_to(node)
            if kind.startswith(_FRACTIONS):
                return "DOUBLE"
        return "VARCHAR" if nodes is None else "BIGINT"

    def _types(self, values: Mapping[str, str]) -> dict[str, str] | None:
        """What is told while `values` stand for some of the parameters, by names in lower case."""
        nodes = self._nodes(values)
        return None if nodes is None else dict(_parameters(nodes))

    def _nodes(self, values: Mapping[str, str]) -> Collection[dict[str, Any]] | None:
        self._trials -= 1
        return self._binder.nodes(self._with(values), self._tables)

    def _with(self, values: Mapping[str, str]) -> str:
        """The text with `values`, which are SQL, in the places of parameters."""
        lowered = {name.lower(): value for name, value in values.items()}
        parts, done = [], 0
        for token in self._places:
            value = lowered.get(token.value[1:].lower())
            if value is not None:
                parts += [self._text[done : token.start], value]
                done = token.end
        return "".join([*parts, self._text[done:]])


def _parameters(nodes: Collection[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if node.get("expression_class") == "BOUND_PARAMETER":
            with suppress(NotRead):
                text = type_text(node["return_type"])
                if text not in _UNTYPED:
                    yield str(node["identifier"]).lower(), text


def _cast_to(node: dict[str, Any]) -> str:
    """The type that a node casts the small number to; empty where it does not."""
    if node.get("type") != "OPERATOR_CAST" or not any(given.get("id") == _SMALL for given in node["arguments"]):
        return ""
    with suppress(NotRead):
        return type_text(node["return_type"])
    return ""
