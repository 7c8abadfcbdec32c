#!/usr/bin/env bash
# pyiceberg 0.12.0: an `upsert` of one row writes it as often as there are files with its key, and drops a row whose key is -0.0.
#
# A key that the table has twice is refused, but only where both rows come in one batch: each batch of the scan is joined with
# the source by itself, and what each finds to update is appended. So of two files with the key the new row is there twice
# afterwards, and is reported as two updates, or as one where a file has the new values already. Which of it comes depends on how
# rows lie in files; a table that appends and upserts share goes on so. And where the table has a key 0.0, a row with -0.0 is
# neither updated, as the join holds the two apart, nor inserted, as the filter does not. No error. Seen:
#   rows with key 1                     upsert of (1, 9)
#   twice in one file                   ValueError: Target table has duplicate rows, aborting upsert
#   once in each of two files           rows_updated 2; left (1, 9), (1, 9)     (to expect: the error, or one row)
#   once each, one of them (1, 9)       rows_updated 1; left (1, 9)
#   (0.0, 1), upsert of (-0.0, 9)       rows_updated 0, rows_inserted 0; left (0.0, 1)     (to expect: (0.0, 9), or both rows)
# Who may have keys twice looks for them before. Of the zeros, pull request 3384 says that the two sides disagree, and would refuse
# floats as keys; issue 3758 is about copies of another cause, in partitioned tables.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pyiceberg[sql-sqlite]==0.12.0" pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import pyarrow as pa
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog

catalog = SqlCatalog("finding", uri=f"sqlite:///{sys.argv[1]}/catalog.db", warehouse=f"file://{sys.argv[1]}/tables")
catalog.create_namespace("n")
print("pyiceberg", pyiceberg.__version__)


def rows(*pairs: tuple[float, int]) -> pa.Table:
    return pa.table({"k": [key for key, _ in pairs], "v": [value for _, value in pairs]})


def upsert(name: str, source: pa.Table, *files: pa.Table) -> str:
    """What an upsert of `source` into a table of `files` answers, and the rows that are left."""
    table = catalog.create_table(f"n.{name}", source.schema)
    for file in files:
        table.append(file)
    try:
        result = table.upsert(source, join_cols=["k"])
        told = f"updated {result.rows_updated}, inserted {result.rows_inserted}"
    except ValueError as error:
        told = str(error)
    left = sorted(tuple(row.values()) for row in table.scan().to_arrow().to_pylist())
    print(f"{name:10}: {told}; left {left}")
    return f"{told}; left {left}"


new, old = rows((1, 9)), rows((1, 1))
assert "duplicate rows" in upsert("one_file", new, rows((1, 1), (1, 1)))
assert upsert("two_files", new, old, old) == "updated 2, inserted 0; left [(1, 9), (1, 9)]", "no copies any more"
assert upsert("one_equal", new, old, new) == "updated 1, inserted 0; left [(1, 9)]"
assert upsert("zeros", rows((-0.0, 9)), rows((0.0, 1))) == "updated 0, inserted 0; left [(0.0, 1)]", "the row is kept now"
PYTHON
