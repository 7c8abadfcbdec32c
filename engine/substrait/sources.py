"""Names for what stands in FROM, and selects as such."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from engine.errors import UnsupportedError
from engine.substrait.refusals import require_size
from engine.substrait.typed_expressions import OrderItem, Relation, TypedExpression

__all__ = ["Sources"]

MAX_ALIASES = 10_000  # of one plan
MAX_COLUMNS = 100_000  # of all its selects together


class Sources:
    """Gives names of its own to everything in one plan, up to some number."""

    def __init__(self) -> None:
        self._numbers = count()
        self._columns = 0

    def alias(self) -> str:
        """A name for what stands in FROM."""
        number = next(self._numbers)
        if number >= MAX_ALIASES:
            raise UnsupportedError(f"The plan is too large: it may have {MAX_ALIASES} relations.")
        return f"r{number}"

    def select(
        self,
        columns: Sequence[TypedExpression],
        source: str,
        tail: str = "",
        order: Sequence[OrderItem] = (),
        word: str = "SELECT",
    ) -> Relation:
        """A SELECT of `columns` with `tail` behind its FROM. The keys of `order` go with them, beyond the columns."""
        alias = self.alias()
        every = [*columns, *(item.key for item in order)]
        self._columns += len(every)
        if self._columns > MAX_COLUMNS:
            raise UnsupportedError(f"The plan is too large: its relations may have {MAX_COLUMNS} columns all together.")
        items = ", ".join(f"{column.sql} AS c{place}" for place, column in enumerate(every)) or "TRUE AS c0"
        named = [
            TypedExpression(f"{alias}.c{place}", column.type, is_column=True) for place, column in enumerate(every)
        ]
        keys = [OrderItem(key, item.direction) for key, item in zip(named[len(columns) :], order, strict=True)]
        text = require_size(f"({word} {items} FROM {source}{tail}) AS {alias}")
        return Relation(text, tuple(named[: len(columns)]), tuple(keys))

    def materialize(self, columns: Sequence[TypedExpression], relation: Relation) -> Relation:
        """A relation whose `columns` are columns; the given one where they are already."""
        if all(column.is_column for column in columns):
            return Relation(relation.source, tuple(columns), relation.order)
        return self.select(columns, relation.source, order=relation.order)
