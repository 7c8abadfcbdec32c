"""Rows on stdout, batch by batch: as a table for people, as CSV, JSON or an Arrow stream for programs."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import csv, ipc, types

__all__ = ["FORMATS", "write"]

_MAX_TABLE_ROWS = 1000
_MAX_CELL = 60


def write(reader: pa.RecordBatchReader, format: str, out: BinaryIO | None = None) -> None:
    """Write all rows of `reader` in one of FORMATS to `out`, stdout by default."""
    out = sys.stdout.buffer if out is None else out
    FORMATS[format](reader, out)
    out.flush()


def _write_table(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
    """An aligned table of the first rows, and how many there are."""
    names = reader.schema.names
    rows: list[list[str]] = []
    count = 0
    for batch in reader:
        shown = batch.slice(0, max(0, _MAX_TABLE_ROWS - count))
        rows += [[_cell(value) for value in row.values()] for row in _rows(shown)]
        count += batch.num_rows
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)] if names else []
    right = [types.is_integer(f.type) or types.is_floating(f.type) or types.is_decimal(f.type) for f in reader.schema]

    def line(cells: list[str]) -> str:
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)]
        return "  ".join(padded).rstrip()

    text = [line(names), "  ".join("-" * width for width in widths), *map(line, rows)]
    if count > len(rows):
        text.append(f"... {count - len(rows)} more rows; --format csv, json or arrow prints all of them")
    text.append(f"({count} row{'' if count == 1 else 's'})")
    out.write(("\n".join(text) + "\n").encode())


def _write_csv(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
    schema = pa.schema([pa.field(f.name, pa.string() if _needs_text(f.type) else f.type) for f in reader.schema])
    with csv.CSVWriter(out, schema) as writer:
        for batch in reader:
            columns = [_as_text(c) if _needs_text(c.type) else c for c in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            out.flush()


def _write_json(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
    """One array with an object on each line."""
    before = b"[\n"
    for batch in reader:
        for row in _rows(batch):
            out.write(before + json.dumps(_jsonable(row), ensure_ascii=False, allow_nan=False).encode())
            before = b",\n"
    out.write(b"\n]\n" if before == b",\n" else b"[]\n")


def _write_arrow(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
    with ipc.new_stream(out, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


FORMATS: dict[str, Callable[[pa.RecordBatchReader, BinaryIO], None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "arrow": _write_arrow,
}


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows as objects; columns that share a name are told apart by a number."""
    names: list[str] = []
    for name in batch.schema.names:
        unique, n = name, 1
        while unique in names:
            unique, n = f"{name}_{n}", n + 1
        names.append(unique)
    columns = [_values(column) for column in batch.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.Array) -> list[Any]:
    if types.is_timestamp(column.type) and column.type.unit == "ns":  # Python's datetime has no nanoseconds
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    text = value if isinstance(value, str) else json.dumps(_jsonable(value), ensure_ascii=False).strip('"')
    text = text.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 1] + "…"


def _jsonable(value: object) -> Any:
    """Decimals keep every digit, and so are texts; so are NaN and the infinities, which JSON does not have."""
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {str(k): _jsonable(v) for k, v in value.items()}
        case list() | tuple():
            return [_jsonable(v) for v in value]
        case bytes():
            return value.hex()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case decimal.Decimal():
            return format(value, "f")
    return str(value)


def _needs_text(data_type: pa.DataType) -> bool:
    return bool(types.is_nested(data_type) or types.is_interval(data_type) or types.is_binary(data_type))


def _as_text(column: pa.Array) -> pa.Array:
    def text(value: object) -> str | None:
        plain = _jsonable(value)
        return plain if plain is None or isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)

    return pa.array([text(value) for value in column.to_pylist()], pa.string())
