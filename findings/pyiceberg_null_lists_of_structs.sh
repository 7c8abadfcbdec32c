#!/usr/bin/env bash
# pyiceberg 0.12.0: a NULL in a column of lists, or maps, whose elements are structs is written as an empty list, and read as one
# where another writer's file has the NULL.
#
# Lists of numbers, and lists of lists, keep it. The Parquet file that `append` writes has no NULL any more, so that no reader can
# tell it apart from an empty list; and `scan()` does the same to files that `add_files` took in, which have it. Seen, of a row
# with NULL in each column:
#   appended, in the file : structs [], named [], numbers None, lists None     (to expect: None for each)
#   added, in the file    : structs None, named None, numbers None, lists None
#   added, by scan()      : structs [], named [], numbers None, lists None
# Who needs the difference keeps it in a column of its own.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    "pyiceberg[sql-sqlite]==0.12.0" pyiceberg-core==0.11.0 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" -W ignore - "$folder" <<'PYTHON'
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog

record = pa.struct([("a", pa.int64())])
schema = pa.schema(
    {
        "structs": pa.list_(record),
        "named": pa.map_(pa.string(), record),
        "numbers": pa.list_(pa.int64()),
        "lists": pa.list_(pa.list_(pa.int64())),
    }
)
data = pa.table([pa.nulls(1, field.type) for field in schema], schema=schema)
folder = sys.argv[1]
catalog = SqlCatalog("c", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/tables")
catalog.create_namespace("n")
print("pyiceberg", pyiceberg.__version__)


def row(title: str, table: pa.Table) -> list:
    (values,) = table.to_pylist()
    print(f"{title:22}:", ", ".join(f"{name} {value}" for name, value in values.items()))
    return list(values.values())


appended = catalog.create_table("n.appended", schema=schema)
appended.append(data)
(file,) = appended.inspect.files()["file_path"].to_pylist()
assert row("appended, in the file", pq.read_table(file.removeprefix("file://"))) == [[], [], None, None], "NULLs are written now"

added = catalog.create_table("n.added", schema=schema)
pq.write_table(data, f"{folder}/foreign.parquet")
added.add_files([f"file://{folder}/foreign.parquet"])
assert row("added, in the file", pq.read_table(f"{folder}/foreign.parquet")) == [None] * 4
assert row("added, by scan()", added.scan().to_arrow()) == [[], [], None, None], "NULLs are read now"
PYTHON
