#!/usr/bin/env bash
# pylance 14.0.2: an append by a handle that was opened before another writer changed a column's type passes, and its values
# of that column are NULL from then on.
#
# `alter_columns` with a new `data_type` gives the column a new field id. The append was begun with the old one; Lance rebases
# it onto the version with the new type, and the file's values belong to a field that the table no longer has. Nobody is told,
# the rows are counted, and a compaction makes the NULL last. Of a NOT NULL column the same append is refused, as one that is
# to be tried again. By `insert`, and by `write_fragments` before and `commit` after, seen:
#   nullable : x is int64, rows [1, None]          (to expect: [1, 2], or the error of the other)
#   NOT NULL : "Retryable commit conflict", rows [1]
# Who changes types keeps other writers away meanwhile, or appends with handles that are opened anew and of which none is late.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import lance
import pyarrow as pa


def rows(number: int, nullable: bool) -> pa.Table:
    return pa.table([[number]], schema=pa.schema([pa.field("x", pa.int32(), nullable=nullable)]))


def append_late(way: str, nullable: bool) -> list:
    path = str(Path(sys.argv[1], f"{way}-{nullable}.lance"))
    lance.write_dataset(rows(1, nullable), path)
    early = lance.dataset(path)
    fragments = lance.fragment.write_fragments(rows(2, nullable), early)
    lance.dataset(path).alter_columns({"path": "x", "data_type": pa.int64()})
    try:
        if way == "commit":
            lance.LanceDataset.commit(path, lance.LanceOperation.Append(fragments), read_version=early.version)
        else:
            early.insert(rows(2, nullable))
        outcome = "passes"
    except OSError as error:
        outcome = str(error).partition(" for ")[0]
    lance.dataset(path).optimize.compact_files()
    dataset = lance.dataset(path)
    seen = dataset.to_table()["x"].to_pylist()
    print(f"{way}, {'nullable' if nullable else 'NOT NULL'}: {outcome}, {dataset.schema.field('x').type}, rows {seen}")
    return seen


print("pylance", lance.__version__)
for way in ("insert", "commit"):
    assert append_late(way, nullable=True) == [1, None], "the value is kept, or the append refused, now"
    assert append_late(way, nullable=False) == [1]
PYTHON
