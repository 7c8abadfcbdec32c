#!/usr/bin/env bash
# datafusion 55.0.0 (Python): a field of a NULL struct is whatever lies beneath it: 0, "", or a value that was there before.
#
# In Arrow a NULL struct has children, too, whose values count for nothing; pyarrow writes 0 and "" there. `c['a']` and `unnest(c)`
# of rows in memory answer these, so that sums, counts, filters and groups take them in, while `c IS NULL` is right. Of the same
# rows in a Parquet file, which does not keep what lies beneath, the answers are right; so a query tried on one differs on the
# other. Data are valid, there is no error. Seen, of {a: 1}, NULL made by pyarrow, NULL over a 7:
#                               rows in memory     Parquet           polars 2.1.0, duckdb 2.0.1
#   c['a']                      1, 0, 7            1, NULL, NULL     1, NULL, NULL
#   c['a'] IS NULL, rows        0                  2                 2
#   sum(c['a'])                 8                  1                 1
#   c['a'] <> 1, rows           2                  0                 0
#   coalesce(c['a'], -1)        1, 0, 7            1, -1, -1         1, -1, -1
# Who has them says `CASE WHEN c IS NOT NULL THEN c['a'] END`. DataFusion's issue 25120 tells of it for structs in structs, and
# is closed by its pull request 25122, of September 2026, which 55.0.0 does not have.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  datafusion==55.0.0 duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder/t.parquet" <<'PYTHON'
import sys

import datafusion
import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet

made = pa.array([{"a": 1}, None], pa.struct({"a": pa.int64()}))
masked = pa.StructArray.from_arrays([pa.array([7])], ["a"], mask=pa.array([True]))
rows = pa.table({"c": pa.chunked_array([pa.concat_arrays([made, masked])])})
rows.validate(full=True)
assert rows["c"].to_pylist() == [{"a": 1}, None, None]
pyarrow.parquet.write_table(rows, sys.argv[1])
context = datafusion.SessionContext()
context.register_record_batches("memory", [rows.to_batches()])
context.register_parquet("parquet", sys.argv[1])
print("datafusion", datafusion.__version__)


def answers(what: str, rest: str = "") -> list[list[int | None]]:
    """Of the rows in memory, of those in the file, and of DuckDB."""
    query = f"SELECT {what} FROM {{}} {rest}"
    found = [
        [value for batch in context.sql(query.format(source)).collect() for value in batch[0].to_pylist()]
        for source in ("memory", "parquet")
    ] + [[value for (value,) in duckdb.sql(query.format("rows")).fetchall()]]
    print(f"{what} {rest}:", *found)
    return found


RIGHT = [1, None, None]
assert answers("c['a']") == [[1, 0, 7], RIGHT, RIGHT], "NULL is NULL now"
assert answers("count(*)", "WHERE c['a'] IS NULL") == [[0], [2], [2]], "NULL is NULL now"
assert answers("sum(c['a'])") == [[8], [1], [1]], "NULL is NULL now"
assert answers("count(*)", "WHERE c['a'] <> 1") == [[2], [0], [0]], "NULL is NULL now"
assert answers("coalesce(c['a'], -1)") == [[1, 0, 7], [1, -1, -1], [1, -1, -1]], "NULL is NULL now"
assert answers("count(*)", "WHERE c IS NULL") == [[2], [2], [2]]
assert answers("CASE WHEN c IS NOT NULL THEN c['a'] END") == [RIGHT] * 3
assert polars.from_arrow(rows)["c"].struct.field("a").to_list() == RIGHT
PYTHON
