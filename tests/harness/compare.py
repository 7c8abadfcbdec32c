"""Arrow values as text, and two tables compared by it.

Every cell is rendered to one unambiguous line of text, so that expected results in files, the oracle's tables and a
runtime's tables are compared in the same way. Cells of columns that hold floating point anywhere in their type may
differ by a relative tolerance; everything else is exact.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

__all__ = ["Row", "difference", "has_floats", "render", "render_rows", "rows_differ", "schema_difference", "sort_rows"]

Row = tuple[str, ...]

_UNQUOTED = re.compile(r"[^\s\"\\\x00-\x1f]([^\t\n\r\x00-\x1f\\]*[^\s\\\x00-\x1f])?")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)")
_INFINITE_TIMESTAMPS = {2**63 - 1: "infinity", -(2**63 - 1): "-infinity"}
_INFINITE_DATES = {2**31 - 1: "infinity", -(2**31 - 1): "-infinity"}


def render(value: pa.Scalar, digits: int = 17, nested: bool = False) -> str:
    """One cell as text; `digits` are the significant digits of floating point numbers."""
    if not value.is_valid:
        return "NULL"
    kind = value.type
    if pa.types.is_dictionary(kind):
        return render(value.dictionary[value.index.as_py()], digits, nested)
    if isinstance(kind, pa.BaseExtensionType):
        return render(value.value, digits, nested)
    if pa.types.is_nested(kind):
        return _render_nested(value, digits)
    if pa.types.is_floating(kind):
        return _render_float(value.as_py(), digits)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _render_text(value.as_py(), nested)
    return _render_plain(value)


def _render_plain(value: pa.Scalar) -> str:
    kind = value.type
    if pa.types.is_boolean(kind):
        return "true" if value.as_py() else "false"
    if pa.types.is_decimal(kind):
        return format(value.as_py(), "f")
    if pa.types.is_date(kind):
        days = value.cast(pa.date32()).value
        return _INFINITE_DATES.get(days) or str(np.datetime64(days, "D"))
    if pa.types.is_timestamp(kind):
        return _render_timestamp(value.value, kind)
    if pa.types.is_time(kind):
        return _trim_fraction(str(np.datetime64(value.value, kind.unit)).partition("T")[2])
    if pa.types.is_interval(kind):
        months, days, nanoseconds = value.as_py()
        return f"{months}mon {days}d {nanoseconds}ns"
    if isinstance(held := value.as_py(), bytes):
        return "0x" + held.hex()
    return str(held)


def _render_timestamp(value: int, kind: pa.TimestampType) -> str:
    if value in _INFINITE_TIMESTAMPS:
        return _INFINITE_TIMESTAMPS[value]
    text = _trim_fraction(str(np.datetime64(value, kind.unit)).replace("T", " "))
    return f"{text}Z" if kind.tz else text


def _trim_fraction(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _render_float(value: float, digits: int) -> str:
    if math.isnan(value):
        return "nan"
    return f"{value:.{digits}g}"


def _render_text(value: str, nested: bool) -> str:
    if value == "" and not nested:
        return "(empty)"
    if nested or value in ("NULL", "(empty)") or not _UNQUOTED.fullmatch(value):
        return json.dumps(value, ensure_ascii=False)
    return value


def _render_nested(value: pa.Scalar, digits: int) -> str:
    kind = value.type
    if pa.types.is_struct(kind):
        fields = (f"{kind.field(i).name}: {render(value[i], digits, True)}" for i in range(kind.num_fields))
        return "{" + ", ".join(fields) + "}"
    if pa.types.is_map(kind):
        entries = (f"{render(e[0], digits, True)} = {render(e[1], digits, True)}" for e in value.values)
        return "{" + ", ".join(entries) + "}"
    if pa.types.is_union(kind):
        return f"<{kind.field(kind.type_codes.index(value.type_code)).name}> {render(value.value, digits, True)}"
    return "[" + ", ".join(render(item, digits, True) for item in value.values) + "]"


def has_floats(kind: pa.DataType) -> bool:
    """Whether values of the type hold a floating point number at any depth."""
    if pa.types.is_floating(kind):
        return True
    if pa.types.is_dictionary(kind):
        return has_floats(kind.value_type)
    if pa.types.is_map(kind):
        return has_floats(kind.key_type) or has_floats(kind.item_type)
    return any(has_floats(kind.field(i).type) for i in range(kind.num_fields)) if pa.types.is_nested(kind) else False


def has_unions(kind: pa.DataType) -> bool:
    """Whether there is a union in the type at any depth."""
    return pa.types.is_union(kind) or (
        pa.types.is_nested(kind) and any(has_unions(kind.field(i).type) for i in range(kind.num_fields))
    )


def render_rows(table: pa.Table, digits: int = 17) -> list[Row]:
    """Each row of the table as a tuple of rendered cells."""
    columns = [[render(value, digits) for value in column] for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows


def sort_rows(rows: Iterable[Row], floats: Sequence[bool]) -> list[Row]:
    """The rows in an order that puts exact cells before floating point ones, which may differ in their last digits."""

    def key(row: Row) -> tuple[list[str], list[tuple[float, str]]]:
        exact = [cell for cell, inexact in zip(row, floats, strict=True) if not inexact]
        return exact, [_float_key(cell) for cell, inexact in zip(row, floats, strict=True) if inexact]

    return sorted(rows, key=key)


def _float_key(cell: str) -> tuple[float, str]:
    try:
        number = float(f"{float(cell):.8g}")
    except ValueError:
        return math.inf, re.sub(_NUMBER, lambda match: f"{float(match[0]):.8g}", cell)
    return (math.inf, cell) if math.isnan(number) else (number, "")


def _cells_agree(got: str, want: str, tolerance: float) -> bool:
    if got == want:
        return True
    if _NUMBER.sub("#", got) != _NUMBER.sub("#", want):
        return False
    pairs = zip(_NUMBER.findall(got), _NUMBER.findall(want), strict=True)
    return all(math.isclose(float(g), float(w), rel_tol=tolerance, abs_tol=1e-12) or g == w for g, w in pairs)


def rows_differ(got: Sequence[Row], want: Sequence[Row], floats: Sequence[bool], tolerance: float = 1e-9) -> str | None:
    """Where the rows differ first, position by position, as a message; None where they agree."""
    for number, (g, w) in enumerate(zip(got, want, strict=False)):
        if len(g) != len(w):
            return f"row {number} has {len(g)} columns, expected {len(w)}"
        for column, (a, b, inexact) in enumerate(zip(g, w, floats, strict=True)):
            if not (_cells_agree(a, b, tolerance) if inexact else a == b):
                return f"row {number}, column {column}: got {a!r}, expected {b!r}\n  got  {g}\n  want {w}"
    if len(got) != len(want):
        longer, word = (got, "extra") if len(got) > len(want) else (want, "missing")
        first = min(len(got), len(want))
        return f"{len(got)} rows, expected {len(want)}; first {word}: {longer[first]}"
    return None


def schema_difference(got: pa.Schema, want: pa.Schema) -> str | None:
    """How names, types or nullability differ, as a message; None where they agree."""
    if got.names != want.names:
        return f"columns are {got.names}, expected {want.names}"
    for g, w in zip(got, want, strict=True):
        if g.type != w.type:
            return f"column {g.name!r} is {g.type}, expected {w.type}"
        if g.nullable != w.nullable:
            return f"column {g.name!r} is {'' if g.nullable else 'not '}nullable, expected otherwise"
    return None


def difference(got: pa.Table, want: pa.Table, *, ordered: bool, tolerance: float = 1e-9) -> str | None:
    """How two tables differ in schema or rows, as a message; None where they agree."""
    drift = schema_difference(got.schema, want.schema)
    if drift is not None:
        return drift
    if _equal(got, want, ordered):
        return None
    floats = [has_floats(field.type) for field in want.schema]
    got_rows, want_rows = render_rows(got), render_rows(want)
    if not ordered:
        got_rows, want_rows = sort_rows(got_rows, floats), sort_rows(want_rows, floats)
    return rows_differ(got_rows, want_rows, floats, tolerance)


def _equal(got: pa.Table, want: pa.Table, ordered: bool) -> bool:
    """Whether Arrow finds the same rows, which takes far less than their texts. It cannot order values of all types."""
    if got.num_rows != want.num_rows:
        return False
    if ordered or not want.num_columns:
        return bool(got.equals(want))
    if any(has_unions(field.type) for field in want.schema):  # in structs they end the process: Arrow 26.0.1
        return False
    names = [str(i) for i in range(want.num_columns)]  # those of the columns may repeat
    order = [(name, "ascending") for name in names]
    try:
        return bool(got.rename_columns(names).sort_by(order).equals(want.rename_columns(names).sort_by(order)))
    except pa.ArrowException:
        return False
