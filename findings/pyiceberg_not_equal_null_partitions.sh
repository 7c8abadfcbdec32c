#!/usr/bin/env bash
# pyiceberg 0.12.0: in a partitioned table `count` and `delete` of `p != 'a'` take the rows whose p is NULL, and a scan does not show them.
#
# The rows go through pyarrow's `!=`, for which NULL is no match, as in SQL. Partitions and the metrics of files are compared as
# Python values, in which None differs from 'a': so a partition of NULL, or a file with nothing else, meets the condition as a
# whole; `count` adds its rows up without reading it, `delete` and `overwrite` drop it. NULL beside another value in one
# file stays. So who looks at the rows, then deletes by the same condition, loses others too, and by chance, as rows lie in files.
# `not in` of two values has NULL among the rows as well, of one value it is `!=`. No error. Seen, of the rows 1: a, 2: c, 3: NULL:
#                                   scan     count    delete      overwrite by a row 9
#   p != 'a', partitioned by p      2        2        2, 3        left 1, 9          (to expect: 1 counted, 2 deleted, 1, 3, 9 left)
#   p != 'a', a file each           2        1        2, 3        left 1, 9
#   p != 'a', one file              2        1        2           left 1, 3, 9
#   not in ('a', 'b'), partitioned  2, 3     2        2, 3        left 1, 9
#   not in ('a', 'b'), one file     2, 3     2        2           left 1, 3, 9
#   p > 'a', partitioned            2        1        2           left 1, 3, 9
# Who has NULL there says `p != 'a' and p is not null`, which is right in all of them. PyIceberg's pull request 3918 tells of `not in`, and
# that files of NULL alone meet `!=`; of what `count` and `delete` then do to partitions no report was found.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pyiceberg[sql-sqlite]==0.12.0" pyarrow==26.0.1 >&2
"$folder/venv/bin/python" -W ignore - "$folder" <<'PYTHON'
import itertools
import sys

import pyarrow as pa
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform

catalog = SqlCatalog("finding", uri=f"sqlite:///{sys.argv[1]}/catalog.db", warehouse=f"file://{sys.argv[1]}/tables")
catalog.create_namespace("n")
numbers = itertools.count()
print("pyiceberg", pyiceberg.__version__, "pyarrow", pa.__version__)
ROWS = pa.table({"i": [1, 2, 3], "p": ["a", "c", None]})
NEW = pa.table({"i": [9], "p": ["z"]})


def table(layout: str) -> Table:
    made = catalog.create_table(f"n.t{next(numbers)}", schema=ROWS.schema)
    if layout == "partitioned":
        with made.update_spec() as spec:
            spec.add_field("p", IdentityTransform(), "p_of")
    for rows in [ROWS.slice(row, 1) for row in range(3)] if layout == "a file each" else [ROWS]:
        made.append(rows)
    return made


def ids(table: Table, **options: str) -> list[int]:
    return sorted(table.scan(**options).to_arrow()["i"].to_pylist())


def answers(condition: str, layout: str) -> tuple[list[int], int, list[int], list[int]]:
    """What a scan finds, what it counts, what a delete takes, and what an overwrite leaves."""
    scanned, deleted, overwritten = table(layout), table(layout), table(layout)
    deleted.delete(condition)
    overwritten.overwrite(NEW, overwrite_filter=condition)
    taken = sorted({1, 2, 3} - set(ids(deleted)))
    found = ids(scanned, row_filter=condition), scanned.scan(row_filter=condition).count(), taken, ids(overwritten)
    print(f"{condition}, {layout}: scan {found[0]}, count {found[1]}, deleted {found[2]}, overwrite leaves {found[3]}")
    return found


OTHER, NEITHER, SAFE = "p != 'a'", "p not in ('a', 'b')", "p != 'a' and p is not null"
assert answers(OTHER, "partitioned") == ([2], 2, [2, 3], [1, 9]), "a partition of NULL is kept now"
assert answers(OTHER, "a file each") == ([2], 1, [2, 3], [1, 9]), "a file of NULL is kept now"
assert answers(OTHER, "one file") == ([2], 1, [2], [1, 3, 9])
assert answers(NEITHER, "partitioned") == ([2, 3], 2, [2, 3], [1, 9]), "not in leaves NULL out now"
assert answers(NEITHER, "one file") == ([2, 3], 2, [2], [1, 3, 9]), "not in is one to scan and delete now"
assert answers("p > 'a'", "partitioned") == ([2], 1, [2], [1, 3, 9])
for layout in ("partitioned", "a file each", "one file"):
    assert answers(SAFE, layout) == ([2], 1, [2], [1, 3, 9])
PYTHON
