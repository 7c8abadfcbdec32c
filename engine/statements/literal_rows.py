"""Rows of VALUES in which only literals stand, as rows of parameters.

A client that writes its values into the text sends another text each time, which means what one text does with these
values bound to it::

    INSERT INTO t VALUES (17, 'x', DEFAULT)    INSERT INTO t VALUES ($1, $2, DEFAULT), with 17 and 'x'

A literal is taken out whose type a value can have too: a number, a text, NULL, TRUE, FALSE, and the text behind DATE,
TIME or TIMESTAMP. All rows have to be alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from engine.statements.descriptions import DEFAULT_VALUE, Insert

__all__ = ["LiteralRows", "are_literals", "literal_rows"]

_LITERAL = re.compile(
    r"""
      (?P<integer>-?[0-9]{1,18})
    | (?P<decimal>-?(?=[0-9.]{2,16}\Z)[0-9]+\.[0-9]+)
    | (?P<double>-?[0-9]{1,17}(?:\.[0-9]{1,17})?[eE][-+]?[0-9]{1,3})
    | (?:(?P<kind>DATE|TIME|TIMESTAMP)\s*+)?'(?P<text>(?:[^'\0]++|'')*+)'
    | (?P<null>NULL)
    | (?P<boolean>TRUE|FALSE)
    | (?P<default>DEFAULT)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_INTEGER = 1 << 31  # from which on the kernel takes a number for a BIGINT
_DIGITS = 15  # as DECIMAL(15, s) a literal has the value that it has in its own precision

_Column = tuple[str, pa.Array | None]
"""What stands in the place of a column's literals, and their values; None where it is the same in each row."""


@dataclass(frozen=True)
class LiteralRows:
    """An INSERT of one row of parameters, and the rows of their values."""

    statement: Insert
    given: pa.Table


def are_literals(statement: Insert) -> bool:
    """Whether only literals stand in the rows of VALUES: nothing can be wrong with them but their values."""
    return bool(statement.rows) and all(_LITERAL.fullmatch(text) for row in statement.rows for text in row)


def literal_rows(statement: Insert) -> LiteralRows | None:
    """The rows of VALUES as rows of parameters; None where they are not alike, or more than literals."""
    rows = statement.rows
    if not rows or statement.ctes or len(set(map(len, rows))) > 1:
        return None
    texts, values = [], list[pa.Array]()
    for column in zip(*rows, strict=True):
        found = _column(column, len(values) + 1)
        if found is None:
            return None
        text, array = found
        texts.append(text)
        if array is not None:
            values.append(array)
    if not values:
        return None
    given = pa.Table.from_arrays(values, [str(number) for number in range(1, len(values) + 1)])
    return LiteralRows(replace(statement, rows=(tuple(texts),)), given)


def _column(texts: Sequence[str], number: int) -> _Column | None:
    """One column, of which a parameter gets the `number` where it needs one; None where there is no such column."""
    found = [_LITERAL.fullmatch(text) for text in texts]
    if None in found:
        return None
    literals = [literal for literal in found if literal is not None]
    told = {(literal.lastgroup, (literal["kind"] or "").upper()) for literal in literals if literal["null"] is None}
    if len(told) > 1:
        return None
    ((group, kind),) = told or {("null", "")}
    if group == "default":
        return (DEFAULT_VALUE, None) if all(literal["default"] for literal in literals) else None
    values = _READERS[str(group)]([literal[str(group)] if literal["null"] is None else None for literal in literals])
    return None if values is None else (f"CAST(${number} AS {kind})" if kind else f"${number}", values)


def _nulls(texts: Sequence[str | None]) -> pa.Array:
    return pa.nulls(len(texts))


def _integers(texts: Sequence[str | None]) -> pa.Array:
    values = [None if text is None else int(text) for text in texts]
    is_small = all(value is None or abs(value) < _INTEGER for value in values)
    return pa.array(values, pa.int32() if is_small else pa.int64())


def _decimals(texts: Sequence[str | None]) -> pa.Array | None:
    scales = {len(text.partition(".")[2]) for text in texts if text is not None}
    if len(scales) > 1:
        return None
    return pa.array([None if text is None else Decimal(text) for text in texts], pa.decimal128(_DIGITS, scales.pop()))


def _doubles(texts: Sequence[str | None]) -> pa.Array | None:
    values = [None if text is None else float(text) for text in texts]
    return pa.array(values, pa.float64()) if all(v is None or math.isfinite(v) for v in values) else None


def _texts(texts: Sequence[str | None]) -> pa.Array:
    return pa.array([None if text is None else text.replace("''", "'") for text in texts], pa.string())


def _booleans(texts: Sequence[str | None]) -> pa.Array:
    return pa.array([None if text is None else text.upper() == "TRUE" for text in texts], pa.bool_())


_READERS: dict[str, Callable[[Sequence[str | None]], Any]] = {
    "integer": _integers,
    "decimal": _decimals,
    "double": _doubles,
    "text": _texts,
    "null": _nulls,
    "boolean": _booleans,
}
