#!/usr/bin/env bash
# pyarrow 26.0.1: of a slice of a column of structs with a NULL in it, ORC files get other rows: those at the beginning of the column.
#
# `Table.to_batches`, `slice` and `ORCWriter.write` in pieces are zero-copy: each column keeps its buffers and an offset. The ORC
# writer makes the structs anew when there are NULLs among them, and leaves out the offset in that; the number of rows stays,
# and the other columns beside it are right. So a table that is written batch by batch has the structs of the first batch again in each
# later one with a NULL; those of batches without NULL are right. No error. Seen, of the rows 1, NULL, 3, NULL, 5, 6, as
# structs of one field, written in three batches of two, and of the same rows as other types:
#   as one                                        1, NULL, 3, NULL, 5, 6
#   in batches, struct                            1, NULL, 1, NULL, 5, 6        (to expect: as above)
#   slice(1, 3), struct                           1, NULL, 3                    (to expect: NULL, 3, NULL)
#   slice(1, 3), struct in a struct               1, NULL, 3
#   slice(1, 3), list of the struct               NULL, 3, NULL
#   slice(1, 3), int64, list, map                 NULL, 3, NULL
#   slice(1, 3), struct, Parquet and IPC          NULL, 3, NULL
#   slice(1, 3), struct, after take               NULL, 3, NULL
# Who writes pieces copies them before, `batch.take(pa.array(range(len(batch))))`, or writes the table at once. Arrow's issue 15212, of
# slices of lists, is mended; of structs no report was found.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import ipc, orc, parquet

print("pyarrow", pa.__version__)
NUMBERS = [1, None, 3, None, 5, 6]
Write = Callable[[pa.Table, io.BytesIO], Any]


def column(make: Callable[[int], Any], of: pa.DataType) -> pa.Array:
    return pa.array([None if number is None else make(number) for number in NUMBERS], of)


def through(pieces: list[pa.Table], write: Write, read: Callable[[pa.Buffer], pa.Table]) -> list:
    """What is read of a file that the pieces were written to."""
    sink = io.BytesIO()
    if write is orc.write_table:
        with orc.ORCWriter(sink) as writer:
            for piece in pieces:
                writer.write(piece)
    else:
        [piece] = pieces
        write(piece, sink)
    found = read(pa.py_buffer(sink.getvalue()))
    assert found["i"].to_pylist() == [number for piece in pieces for number in piece["i"].to_pylist()]
    return found["v"].to_pylist()


def in_orc(pieces: list[pa.Table]) -> list:
    return through(pieces, orc.write_table, lambda buffer: orc.ORCFile(pa.BufferReader(buffer)).read())


def in_ipc(table: pa.Table, sink: io.BytesIO) -> None:
    with ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)


one = pa.struct([("a", pa.int64())])
table = pa.table({"i": range(6), "v": column(lambda n: {"a": n}, one)})
rows = table["v"].to_pylist()
print("as one:", seen := in_orc([table]))
assert seen == rows
print("in batches:", seen := in_orc([pa.Table.from_batches([batch]) for batch in table.to_batches(max_chunksize=2)]))
assert seen == [{"a": 1}, None, {"a": 1}, None, {"a": 5}, {"a": 6}], "the slices' own rows are written now"
for name, make, of, wrong in (
    ("struct", lambda n: {"a": n}, one, True),
    ("struct in a struct", lambda n: {"b": {"a": n}}, pa.struct([("b", one)]), True),
    ("list of the struct", lambda n: [{"a": n}], pa.list_(one), False),
    ("int64", lambda n: n, pa.int64(), False),
    ("list", lambda n: [n], pa.list_(pa.int64()), False),
    ("map", lambda n: [("k", n)], pa.map_(pa.string(), pa.int64()), False),
):
    values = column(make, of)
    piece = pa.table({"i": range(6), "v": values}).slice(1, 3)
    print(f"slice(1, 3), {name}:", seen := in_orc([piece]))
    assert seen == (values.slice(0, 3) if wrong else values.slice(1, 3)).to_pylist()
piece = table.slice(1, 3)
for name, seen in (
    ("Parquet", through([piece], parquet.write_table, parquet.read_table)),
    ("IPC", through([piece], in_ipc, lambda buffer: ipc.open_stream(buffer).read_all())),
    ("ORC after take", in_orc([piece.take(pa.array(range(3)))])),
):
    print(f"{name}:", seen)
    assert seen == rows[1:4]
PYTHON
