"""What the kernel is asked for the rows of files: a SELECT over ``read_parquet([...])``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from engine.errors import UnsupportedError
from engine.storage.parquet.layout import Item, Reading
from engine.storage.parquet.partitions import HiveTypes
from engine.storage.parquet.trust import Guard
from engine.storage.protocol import TableName

__all__ = ["ROW_NUMBER", "FileRows", "require_readable", "select_rows"]

ROW_NUMBER = "file_row_number"


@dataclass(frozen=True)
class FileRows:
    """Files of one kind; of one file alone, the rows from `start` up to `stop` (all where `stop` is negative)."""

    paths: tuple[str, ...]
    reading: Reading
    start: int = 0
    stop: int = -1


def select_rows(table: TableName, columns: Sequence[str], parts: Iterable[FileRows], hive: HiveTypes) -> exp.Select:
    """The columns of all parts; one constant column where none is asked for, so that rows can be counted.

    Raises UnsupportedError for a column that cannot be read.
    """
    selects = [_select(table, columns, part, hive) for part in parts]
    if len(selects) == 1:
        return selects[0]
    union = exp.union(*selects, distinct=False).subquery("parts")
    return exp.select(exp.Star()).from_(union)


def _select(table: TableName, columns: Sequence[str], part: FileRows, hive: HiveTypes) -> exp.Select:
    items = dict(part.reading.items)
    wanted = [_column(table, name, items.get(name)) for name in columns]
    if not wanted:
        wanted = [exp.alias_(exp.Boolean(this=True), "present")]
    select = exp.select(*wanted).from_(_read_parquet(part.paths, hive, part.reading.can_have_nan))
    return select if part.stop < 0 else select.where(exp.column(ROW_NUMBER).between(part.start, part.stop - 1))


def _column(table: TableName, name: str, item: Item | None) -> exp.Expr:
    if item is None:
        return exp.column(_quote(name))
    require_readable(table, name, item)
    value: exp.Expr = exp.null() if item.source is None else exp.column(_quote(item.source))
    value = _guard_value(value, item)
    if item.type is not None:
        value = exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=item.type))
    return exp.alias_(value, _quote(name))


def require_readable(table: TableName, name: str, item: Item) -> None:
    """Raise UnsupportedError for a column that cannot be read."""
    if item.problem is not None:
        raise UnsupportedError(
            f'Column "{name}" of table "{table}" cannot be read: {item.problem}; name other columns.'
        )


def _guard_value(value: exp.Expr, item: Item) -> exp.Expr:
    """The value such that the kernel's optimizer sees no more than is true.

    Of TRY it knows nothing. With `can_have_nan`, which leaves floats without upper bounds, it would still answer
    max(column) with NaN, without reading any: not where the column is an expression, through which the lower bounds
    are still seen.
    """
    if item.guard is Guard.OPAQUE:
        return exp.Anonymous(this="TRY", expressions=[value])
    if item.guard is Guard.FLOATS and item.is_struct:
        whole = exp.Anonymous(this="ROW", expressions=[value])
        return exp.Anonymous(this="STRUCT_EXTRACT", expressions=[whole, exp.Literal.number(1)])
    return exp.Anonymous(this="GREATEST", expressions=[value]) if item.guard is Guard.FLOATS else value


def _read_parquet(paths: Iterable[str], hive: HiveTypes, can_have_nan: bool) -> exp.Table:
    """The kernel's ``read_parquet([...])`` over exactly these files."""
    options: list[exp.Expr] = [
        exp.Array(expressions=[exp.Literal.string(re.sub(r"([*?\[])", r"[\1]", path)) for path in paths]),
        _option("hive_partitioning", exp.Boolean(this=bool(hive))),
    ]
    if hive:
        types = [exp.PropertyEQ(this=_quote(key), expression=exp.Literal.string(kind)) for key, kind in hive]
        options.append(_option("hive_types", exp.Struct(expressions=types)))
    if can_have_nan:
        options.append(_option("can_have_nan", exp.Boolean(this=True)))
    return exp.Table(this=exp.ReadParquet(expressions=options))


def _option(name: str, value: exp.Expression) -> exp.EQ:
    return exp.EQ(this=exp.column(name), expression=value)


def _quote(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)
