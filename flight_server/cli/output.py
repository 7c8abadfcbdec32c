"""Rows on stdout, batch by batch: as a table for people, as CSV, JSON or an Arrow stream for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import csv, ipc, types

from engine.place import width
from engine.sql.tokens import first_words
from flight_server.cli.failures import CommandError
from flight_server.cli.stdout import writable_stdout
from flight_server.cli.values import distinct, plain_values, time_texts
from flight_server.cli.visible import OBEYED, visible

__all__ = ["FORMATS", "comes_at_once", "count_line", "effect_line", "refuse_bytes", "tell", "write"]

_MAX_TABLE_ROWS = 1000
_MAX_CELL = 60
_WITHOUT_COUNT = ("ALTER", "CREATE", "DROP", "RESET", "RESTORE", "SET", "USE")


def count_line(rows: int, did: str = "") -> str:
    """How many rows there are, or what became of them."""
    return f"({rows} row{'' if rows == 1 else 's'}{did})"


def comes_at_once(format: str) -> bool:
    """Whether rows in this format are seen on stdout as soon as they come: at a terminal, but for a table."""
    return format != "table" and sys.stdout.isatty()


def effect_line(text: str, changed: int) -> str:
    """What the statement `text` has done. Definitions tell of rows only where they made some (CREATE TABLE AS), and
    settings never.
    """
    if not changed and first_words(text, 1)[0] in _WITHOUT_COUNT:
        return "(done)"
    return count_line(changed, " changed")


def tell(text: str, to_stdout: bool = True) -> None:
    """Say something that is no row: on stdout, or on stderr where rows for a program go there."""
    if to_stdout:
        with writable_stdout() as out:
            out.write(f"{text}\n".encode())
    else:
        print(text, file=sys.stderr, flush=True)


def refuse_bytes(format: str) -> None:
    """Raise CommandError where rows in this format are bytes, and would go to a terminal."""
    if format == "arrow" and sys.stdout.isatty():
        raise CommandError("Rows as arrow are not for a terminal; send them to a file or a program.")


def write(reader: pa.RecordBatchReader, format: str, out: BinaryIO | None = None) -> int:
    """Write all rows of `reader` in one of FORMATS to `out`, stdout by default; gives how many there were.

    Raises CommandError where a value cannot be printed; what Arrow and the stream of rows raise passes through.
    """
    try:
        with writable_stdout() if out is None else nullcontext(out) as target:
            rows = FORMATS[format](reader, target)
            target.flush()
    except pa.ArrowException:  # some are ValueErrors too
        raise
    except (OverflowError, ValueError) as error:
        raise CommandError(f"The rows cannot be printed as {format}: {error}.") from None
    return rows


def _write_table(reader: pa.RecordBatchReader, out: BinaryIO) -> int:
    """An aligned table of the first rows, and how many there are."""
    names = [visible(name) for name in reader.schema.names]
    longest = None if len(names) == 1 else _MAX_CELL  # a text that stands alone, as a plan does, is shown whole
    rows: list[list[str]] = []
    count = 0
    for batch in reader:
        shown = batch.slice(0, max(0, _MAX_TABLE_ROWS - count))
        rows += [[_cell(value, longest) for value in row.values()] for row in _rows(shown)]
        count += batch.num_rows
    widths = [max(map(width, column)) for column in zip(names, *rows, strict=True)] if names else []
    right = [types.is_integer(f.type) or types.is_floating(f.type) or types.is_decimal(f.type) for f in reader.schema]

    def line(cells: list[str]) -> str:
        spaces = [" " * (widest - width(cell)) for cell, widest in zip(cells, widths, strict=True)]
        padded = [
            space + cell if is_right else cell + space
            for cell, space, is_right in zip(cells, spaces, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    text = [line(names), "  ".join("-" * widest for widest in widths), *map(line, rows)]
    if count > len(rows):
        text.append(f"... {count - len(rows)} more rows; --format csv, json or arrow prints all of them")
    text.append(count_line(count))
    out.write(("\n".join(text) + "\n").encode())
    return count


def _write_csv(reader: pa.RecordBatchReader, out: BinaryIO) -> int:
    """As programs read it; where `out` is a terminal, which obeys what they do not, without what it would obey."""
    count = 0
    is_shown = out.isatty()
    schema = pa.schema([pa.field(f.name, f.type if _is_csv(f.type) else pa.string()) for f in reader.schema])
    if is_shown:
        schema = pa.schema([field.with_name(visible(field.name)) for field in schema])
    with csv.CSVWriter(out, schema) as writer:
        for batch in reader:
            columns = [_csv_column(c) for c in batch.columns]
            if is_shown:
                columns = [_visible_column(c) for c in columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            out.flush()
            count += batch.num_rows
    return count


def _write_json(reader: pa.RecordBatchReader, out: BinaryIO) -> int:
    """One array with an object on each line."""
    before, count = b"[\n", 0
    for batch in reader:
        for row in _rows(batch):
            text = json.dumps(row, ensure_ascii=False, allow_nan=False)
            out.write(before + OBEYED.sub(_json_escape, text).encode())
            before = b",\n"
        count += batch.num_rows
    out.write(b"\n]\n" if count else b"[]\n")
    return count


def _write_arrow(reader: pa.RecordBatchReader, out: BinaryIO) -> int:
    count = 0
    with ipc.new_stream(out, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


FORMATS: dict[str, Callable[[pa.RecordBatchReader, BinaryIO], int]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "arrow": _write_arrow,
}


def _json_escape(found: re.Match[str]) -> str:
    """What JSON lets stand in a text, and a terminal would obey: to a program it is the same."""
    return f"\\u{ord(found[0]):04x}"


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows as objects."""
    names = distinct(batch.schema.names)
    columns = [plain_values(column) for column in batch.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _cell(value: object, longest: int | None) -> str:
    if value is None:
        return "NULL"
    text = visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if longest is None or len(text) <= longest else text[: longest - 1] + "…"


def _is_csv(data_type: pa.DataType) -> bool:
    """Whether Arrow's CSV is right for every value of the type."""
    if types.is_dictionary(data_type):
        return _is_csv(data_type.value_type)
    return any(
        belongs(data_type)
        for belongs in (
            types.is_null,
            types.is_boolean,
            types.is_integer,
            types.is_floating,
            types.is_decimal,
            types.is_string,
            types.is_large_string,
        )
    )


def _csv_column(column: pa.Array) -> pa.Array:
    if _is_csv(column.type):
        return column
    if types.is_date(column.type) or types.is_time(column.type) or types.is_timestamp(column.type):
        return time_texts(column)
    return pa.array([_csv_text(value) for value in plain_values(column)], pa.string())


def _visible_column(column: pa.Array) -> pa.Array:
    if types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, _visible_column(column.dictionary))
    if types.is_string(column.type) or types.is_large_string(column.type):
        return pa.array([None if text is None else visible(text) for text in column.to_pylist()], column.type)
    return column


def _csv_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
