"""Texts that are bound only to be judged, as the scope of an UPDATE's values is: once, not for each row of parameters.

Whether the names in a text are right depends on the columns of tables, on views and on the types of parameters, and
neither on versions of tables nor on values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from engine.cache import LruCache
from engine.errors import GrismError
from engine.literals import constant
from engine.schema import RowType
from engine.sql.search_values import ParameterValue
from engine.sql.templates import PlannedText
from engine.sql.text_memory import is_lasting
from engine.sql.views import Names
from engine.storage.protocol import Snapshot, TableHandle

__all__ = ["NameChecks"]

_CACHED = 256

Plan = Callable[[str, Sequence[ParameterValue], Snapshot, Names], PlannedText]


class NameChecks:
    """Lets `plan` judge texts. Thread-safe. `columns_of` tells a table's columns."""

    def __init__(self, plan: Plan, columns_of: Callable[[TableHandle], RowType]) -> None:
        self._plan, self._columns_of = plan, columns_of
        self._right: LruCache[tuple[str, Names, tuple[pa.DataType, ...]], tuple[Any, ...]] = LruCache(_CACHED)

    def require(self, text: str, row: Sequence[pa.Scalar], snapshot: Snapshot, names: Names) -> None:
        """Raise what planning `text` raises, unless it was right for such types of values and columns of tables."""
        key = text, names, tuple([value.type for value in row])
        known = self._right.get(key)
        if known is not None and self._is_still(known, snapshot, names):
            return
        given = [ParameterValue(value, partial(constant, value), place) for place, value in enumerate(row)]
        shape = self._plan(text, given, snapshot, names).shape
        if is_lasting(names):
            self._right.put(key, shape)

    def _is_still(self, shape: tuple[Any, ...], snapshot: Snapshot, names: Names) -> bool:
        """Whether tables and views are of this shape; see `ReadText.shape`."""
        pins, columns, views = shape
        if len(pins) != len(columns):  # one is read several times
            return False
        try:
            tables = [snapshot.table(*pin) for pin in pins]
        except GrismError:
            return False
        same = all(names.views is not None and names.views.find(name) == view for name, view in views)
        return same and tuple(map(self._columns_of, tables)) == columns
