"""The part of a filter that a Lance scan can apply, as the SQL that Lance takes.

Only what means the same to Lance and to the kernel, for every value and for NULL, is given away: comparisons of a
column with constants that its type holds exactly, IN, BETWEEN, IS NULL, and AND, OR and NOT of those. Where a column
has an index that answers them, comparisons of floats, and what texts and lists contain. The kernel applies the whole
filter again, unless all of it is given away and an index looks up its values; so leaving a conjunct out costs time and
no rows.

>>> text = push(parse_one("price > 0.05 AND f(name)"), Columns(schema)).text
>>> text
"`price` > CAST('0.05' AS DECIMAL(15, 2))"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import accumulate
from types import MappingProxyType

import pyarrow as pa
import pyarrow.types as pt
from sqlglot import exp

from engine.storage.index_answers import Form, finds_few, is_answered, may_be_asked
from engine.storage.lance_literals import (
    blob_text,
    float_text,
    literal,
    string_text,
    time_text,
    timestamp_text,
    uuid_text,
)
from engine.storage.stored_types import declared_type

__all__ = ["Columns", "PushedFilter", "push"]

MAX_IN_LIST = 1_000
_MOST_BRACKETS = 16  # around one another; pylance 14.0.2 refuses 24 of NOT, and 45 of others
_BRACKET = re.compile("[()]")
_STRING = re.compile("'[^']*'")
NGRAM = 3
LIST_CALLS = {
    **dict.fromkeys(("list_contains", "list_has", "array_contains", "array_has"), "array_has"),
    **dict.fromkeys(("list_has_any", "array_has_any"), "array_has_any"),
    **dict.fromkeys(("list_has_all", "array_has_all"), "array_has_all"),
}
COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class PushedFilter:
    """`text` passes every row that the filter passes; where `exact`, no other row. None passes all rows.

    `asks_indexes`: indexes answer some of it, and none that could be asked loses a row. `finds_few`: what an index
    answers is a question for single values.
    """

    text: str | None
    exact: bool
    asks_indexes: bool = False
    finds_few: bool = False


class Columns:
    """The columns of a table, and the kinds of index that they have, by name."""

    def __init__(self, schema: pa.Schema, kinds: Mapping[str, frozenset[str]] = MappingProxyType({})) -> None:
        self.kinds = kinds
        self._fields: dict[str, pa.Field | None] = {}
        for field in schema:
            known = field.name.lower() in self._fields or "`" in field.name
            # What lies beneath another declared type compares in another way.
            asked = declared_type(field) in (None, "UUID") and may_be_asked(kinds.get(field.name, ()), field.type)
            self._fields[field.name.lower()] = field if asked and not known else None

    def find(self, name: str) -> pa.Field | None:
        """The column of that name, whatever its case; None where there are several, or Lance is not to be asked."""
        return self._fields.get(name.lower())


@dataclass(frozen=True)
class _Table:
    """What a predicate is asked of. `bounded`: what is asked of a float has both a lower and an upper bound."""

    columns: Columns
    bounded: bool = False

    def is_answered(self, field: pa.Field, form: Form) -> bool:
        return any(is_answered(kind, field.type, form) for kind in self.columns.kinds.get(field.name, ()))

    def finds_few(self, field: pa.Field, form: Form) -> bool:
        kinds = self.columns.kinds.get(field.name, ())
        return any(finds_few(kind, form) and is_answered(kind, field.type, form) for kind in kinds)


def push(predicate: exp.Expr | None, columns: Columns) -> PushedFilter:
    """What of `predicate`, over these columns, a Lance scan can apply."""
    if predicate is None:
        return PushedFilter(None, exact=True)
    return _predicate(predicate, _Table(columns))


NOTHING = PushedFilter(None, exact=False)


def _predicate(node: exp.Expr, table: _Table) -> PushedFilter:
    match node:
        case exp.Paren():
            return _predicate(node.this, table)
        case exp.And():
            return _conjunction(node, table)
        case exp.Or():
            return _or(_predicate(node.left, table), _predicate(node.right, table))
        case exp.Not():
            inner = _predicate(node.this, table)
            # Less than the negated predicate would be more than the predicate: only an exact one can be turned round.
            if not inner.exact or not inner.text or _is_deep(inner.text):
                return NOTHING
            return PushedFilter(f"NOT ({inner.text})", exact=True, asks_indexes=inner.asks_indexes)
    return _atom(node, table)


def _conjunction(node: exp.And, table: _Table) -> PushedFilter:
    parts = list(node.flatten())
    bounds = [_float_bound(part, table) for part in parts]
    known, bounded = set(bounds), replace(table, bounded=True)
    found = (
        _predicate(part, bounded if bound is not None and (bound[0], not bound[1]) in known else table)
        for part, bound in zip(parts, bounds, strict=True)
    )
    return reduce(_and, found)


def _float_bound(node: exp.Expr, table: _Table) -> tuple[str, bool] | None:
    """The float column of which a predicate is one bound, and whether that is the upper one."""
    sides = _sides(node)
    field = None if sides is None else _field(sides[0], table)
    if sides is None or field is None or not pt.is_floating(field.type) or sides[1] in ("=", "<>"):
        return None
    return (field.name, sides[1] in ("<", "<=")) if _constant(sides[2], field, Form.RANGE, table) else None


def _and(left: PushedFilter, right: PushedFilter) -> PushedFilter:
    texts = [side.text for side in (left, right) if side.text]
    return PushedFilter(
        " AND ".join(texts) or None,
        left.exact and right.exact,
        left.asks_indexes or right.asks_indexes,
        left.finds_few or right.finds_few,
    )


def _or(left: PushedFilter, right: PushedFilter) -> PushedFilter:
    if left.text is None or right.text is None or _is_deep(left.text) or _is_deep(right.text):
        return NOTHING
    text = f"(({left.text}) OR ({right.text}))"
    return PushedFilter(
        text,
        left.exact and right.exact,
        left.asks_indexes and right.asks_indexes,
        left.finds_few and right.finds_few,
    )


def _is_deep(text: str) -> bool:
    """Whether what stands around a filter may be nested more deeply than Lance parses."""
    deepest = accumulate({"(": 1, ")": -1}[bracket] for bracket in _BRACKET.findall(_STRING.sub("", text)))
    return max(deepest, default=0) > _MOST_BRACKETS


def _atom(node: exp.Expr, table: _Table) -> PushedFilter:
    """A predicate on one column."""
    match node:
        case exp.Column():
            field = _field(node, table)
            if field is not None and pt.is_boolean(field.type):
                return _index_filter(_quote(field.name), field, Form.OTHER, table)
        case exp.Is(this=exp.Column() as column, expression=exp.Null() | exp.Not(this=exp.Null()) as what):
            field = _field(column, table)
            if field is not None and (_is_scalar(field.type) or table.is_answered(field, Form.EQUAL)):
                test = "IS NULL" if isinstance(what, exp.Null) else "IS NOT NULL"
                return replace(_index_filter(f"{_quote(field.name)} {test}", field, Form.EQUAL, table), finds_few=False)
        case exp.In(this=exp.Column() as column) if not any(node.args.get(k) for k in ("query", "unnest", "field")):
            return _in(column, node.expressions, table)
        case exp.Between(this=exp.Column() as column) if not node.args.get("symmetric"):
            inside = replace(table, bounded=True)
            low = _comparison(column, ">=", node.args["low"], inside)
            high = _comparison(column, "<=", node.args["high"], inside)
            both = _and(low, high)
            return replace(both, text=f"({both.text})") if low.text and high.text else NOTHING
        case exp.Anonymous(expressions=[exp.Column() as column, value]):
            return _call(str(node.this).lower(), column, value, table)
    sides = _sides(node)
    return NOTHING if sides is None else _comparison(*sides, table)


def _sides(node: exp.Expr) -> tuple[exp.Column, str, exp.Expr] | None:
    """Of a comparison with a column: the column, how, and with what."""
    sign = COMPARISONS.get(type(node))
    if sign is None:
        return None
    left, right = node.this, node.expression
    if isinstance(left, exp.Column):
        return left, sign, right
    return (right, MIRRORED[sign], left) if isinstance(right, exp.Column) else None


def _index_filter(text: str, field: pa.Field, form: Form, table: _Table) -> PushedFilter:
    """A predicate on a column, which Lance answers by an index where there is one for it that loses no rows."""
    return PushedFilter(text, True, table.is_answered(field, form), table.finds_few(field, form))


def _comparison(column: exp.Column, sign: str, value: exp.Expr, table: _Table) -> PushedFilter:
    field = _field(column, table)
    if field is None or (pt.is_dictionary(field.type) and sign not in ("=", "<>")):
        return NOTHING
    form = {"=": Form.EQUAL, "<>": Form.OTHER}.get(sign, Form.RANGE)
    constant = _constant(value, field, form, table)
    if constant is None:
        return NOTHING
    text = f"{_quote(field.name)} {sign} {constant}"
    if form is Form.RANGE and pt.is_floating(field.type) and not table.bounded:
        text = _with_nan(text, sign, field)
    return _index_filter(text, field, form, table)


def _with_nan(text: str, sign: str, field: pa.Field) -> str:
    """A comparison with one bound, by which each NaN is greater than all numbers.

    To Lance NaN with a negative sign, as 0 / 0 is on many machines, is less than all of them.
    """
    least = f"CAST('-inf' AS {'FLOAT' if pt.is_float32(field.type) else 'DOUBLE'})"
    name = _quote(field.name)
    return f"({text} OR {name} < {least})" if sign in (">", ">=") else f"({name} >= {least} AND {text})"


def _in(column: exp.Column, values: list[exp.Expr], table: _Table) -> PushedFilter:
    field = _field(column, table)
    if field is None or not 0 < len(values) <= MAX_IN_LIST:
        return NOTHING
    constants = [_constant(value, field, Form.EQUAL, table) for value in values]
    if not all(constants):
        return NOTHING
    text = f"{_quote(field.name)} IN ({', '.join(c for c in constants if c)})"
    return _index_filter(text, field, Form.EQUAL, table)


def _call(name: str, column: exp.Column, value: exp.Expr, table: _Table) -> PushedFilter:
    """What a text or a list contains is asked where an index answers.

    Lance's own functions may give NULL where the kernel gives false: what they give is not to be turned round.
    """
    field = _field(column, table)
    if field is None:
        return NOTHING
    if name == "contains" and table.is_answered(field, Form.CONTAINS):
        text = string_text(value)
        if text is not None and len(value.name) >= NGRAM:  # an index knows no shorter parts
            return PushedFilter(f"contains({_quote(field.name)}, {text})", False, asks_indexes=True, finds_few=True)
    if name in LIST_CALLS and table.is_answered(field, Form.ITEM):
        items = _items(name, value, field.type.value_type)
        if items is not None:
            return PushedFilter(
                f"{LIST_CALLS[name]}({_quote(field.name)}, {items})", False, asks_indexes=True, finds_few=True
            )
    return NOTHING


def _items(name: str, value: exp.Expr, kind: pa.DataType) -> str | None:
    """What a list is to contain, one value or several; None where that is not known to be constants of its type."""
    if LIST_CALLS[name] == "array_has":
        return _item(value, kind)
    if isinstance(value, exp.Cast) and not isinstance(value, exp.TryCast):
        value = value.this  # of texts of the items, which the planner writes with their type
    if not isinstance(value, exp.Array) or not 0 < len(value.expressions) <= MAX_IN_LIST:
        return None
    items = [_item(item, kind) for item in value.expressions]
    return f"[{', '.join(item for item in items if item)}]" if all(items) else None


def _item(value: exp.Expr, kind: pa.DataType) -> str | None:
    """A constant, which may be written with its type."""
    is_bare = pt.is_integer(kind) or pt.is_string(kind) or pt.is_large_string(kind)
    if is_bare and isinstance(value, exp.Cast) and not isinstance(value, exp.TryCast):
        value = value.this
    return literal(value, kind)


def _field(column: exp.Column, table: _Table) -> pa.Field | None:
    """The table's column, if the name is one (``a.b`` may be a field of a struct), and Lance may be asked about it."""
    if column.args.get("table") is not None or not isinstance(column.this, exp.Identifier):
        return None
    return table.columns.find(column.name)


def _quote(name: str) -> str:
    return f"`{name}`"


def _is_scalar(kind: pa.DataType) -> bool:
    return bool(
        pt.is_integer(kind)
        or pt.is_floating(kind)
        or pt.is_decimal128(kind)
        or pt.is_boolean(kind)
        or pt.is_date32(kind)
        or pt.is_timestamp(kind)
        or pt.is_string(kind)
        or pt.is_large_string(kind)
    )


def _constant(node: exp.Expr, field: pa.Field, form: Form, table: _Table) -> str | None:
    """The constant as a literal of exactly the column's type, or None where that type does not hold it."""
    if not _is_asked_only(field):
        return literal(node, field.type)
    return _asked_literal(node, field) if table.is_answered(field, form) else None


def _is_asked_only(field: pa.Field) -> bool:
    """Whether Lance gets comparisons of a column only where an index answers them."""
    kind = field.type
    return bool(
        declared_type(field) is not None
        or pt.is_floating(kind)
        or pt.is_time(kind)
        or _is_bytes(kind)
        or (pt.is_timestamp(kind) and kind.unit != "us")
    )


def _asked_literal(node: exp.Expr, field: pa.Field) -> str | None:
    kind = field.type
    if declared_type(field) == "UUID":
        return uuid_text(node)
    if pt.is_float32(kind) or pt.is_float64(kind):
        return float_text(node, kind)
    if pt.is_time(kind):
        return time_text(node, kind)
    if pt.is_timestamp(kind):
        return timestamp_text(node, kind)
    return blob_text(node, kind) if _is_bytes(kind) else None


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind))
