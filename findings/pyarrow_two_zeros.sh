#!/usr/bin/env bash
# pyarrow 26.0.1: 0.0 and -0.0 are equal to filters and sorts, and two values to `join`, `group_by`, `unique` and `is_in`.
#
# What compares takes the two zeros for one, as IEEE 754 and SQL do; what hashes looks at the bits. So a join by a column of floats
# leaves rows without a partner that `==` has equal, and a group of zeros is two. Parquet's bounds make it worse: they say -0.0 to
# 0.0 of any file of zeros, and `isin([0.0])` of a dataset then finds nothing, where all is 0.0. NaN, which is not equal to itself,
# does meet itself in a join. -0.0 comes of rounding -0.3, of -1 * 0.0, and of sums of the like. No error. duckdb 2.0.1 and polars
# 2.1.0 have one zero everywhere. Seen, of 0.0 and -0.0:
#                                                  pyarrow        polars, DuckDB
#   == 0.0, rows                                   2              2
#   is_in [0.0], rows                              1              2
#   isin([0.0]), rows of a Parquet dataset         0              2
#   the same, of a file of 0.0 and 0.0             0              2
#   join with 0.0, rows                            1              2
#   group_by, groups                               2              1
#   unique, count_distinct                         2, 2           1
# (to expect: as in polars.) Who has such keys adds 0.0 to the column first, which makes 0.0 of both, and says `== 0.0`
# to datasets. Arrow's issue 46183 tells of the file of zeros; polars had the rest, and mended it (its issue 10457).
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.1 >&2
"$folder/venv/bin/python" - "$folder/t.parquet" <<'PYTHON'
import sys

import duckdb
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet

FILE = sys.argv[1]
table, zero = pa.table({"f": [0.0, -0.0]}), pa.table({"f": [0.0], "found": [True]})
pyarrow.parquet.write_table(table, FILE)
dataset = pyarrow.dataset.dataset(FILE)
column, f = table["f"], pc.field("f")
print("pyarrow", pa.__version__, "polars", polars.__version__, "duckdb", duckdb.__version__)
frame, other = polars.from_arrow(table), polars.from_arrow(zero)
key = polars.col("f")


def in_duckdb(query: str) -> int:
    return duckdb.sql(query).fetchall()[0][0]


told = {
    "== 0.0": (
        dataset.count_rows(filter=f == 0.0),
        polars.scan_parquet(FILE).filter(key == 0.0).collect().height,
        in_duckdb("SELECT count(*) FROM 'FILE' WHERE f = 0.0".replace("FILE", FILE)),
    ),
    "is_in": (
        pc.sum(pc.is_in(column, pa.array([0.0]))).as_py(),
        frame.filter(key.is_in([0.0])).height,
        in_duckdb("SELECT count(*) FROM frame WHERE f IN (0.0, 7.0)"),
    ),
    "isin": (
        dataset.count_rows(filter=f.isin([0.0])),
        polars.scan_parquet(FILE).filter(key.is_in([0.0])).collect().height,
        in_duckdb("SELECT count(*) FROM 'FILE' WHERE f IN (0.0, 7.0)".replace("FILE", FILE)),
    ),
    "join": (
        table.join(zero, "f", join_type="inner").num_rows,
        frame.join(other, on="f").height,
        in_duckdb("SELECT count(*) FROM frame JOIN other USING (f)"),
    ),
    "group_by": (
        table.group_by("f").aggregate([("f", "count")]).num_rows,
        frame.group_by("f").len().height,
        in_duckdb("SELECT count(*) FROM (SELECT f FROM frame GROUP BY f)"),
    ),
    "unique": (
        len(column.unique()),
        frame["f"].n_unique(),
        in_duckdb("SELECT count(DISTINCT f) FROM frame"),
    ),
}
for what, counts in told.items():
    print(f"{what:10}:", *counts)
    wanted = {"== 0.0": (2, 2, 2), "is_in": (1, 2, 2), "isin": (0, 2, 2), "join": (1, 2, 2)}.get(what, (2, 1, 1))
    assert counts == wanted, f"{what} is otherwise now"
pyarrow.parquet.write_table(pa.table({"f": [0.0, 0.0]}), FILE)
dataset = pyarrow.dataset.dataset(FILE)
bounds = dataset.count_rows(filter=f == 0.0), dataset.count_rows(filter=f.isin([0.0]))
print("of 0.0 and 0.0: ==", bounds[0], "isin", bounds[1])
assert bounds == (2, 0), "0.0 is found now"
assert pc.count_distinct(column).as_py() == 2
nan = pa.table({"f": [float("nan")]})
assert nan.join(nan.append_column("found", [[True]]), "f", join_type="inner").num_rows == 1
assert len(pc.add(column, 0.0).unique()) == 1
PYTHON
