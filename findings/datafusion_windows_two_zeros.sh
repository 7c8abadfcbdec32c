#!/usr/bin/env bash
# datafusion 55.0.0 (Python): 0.0 and -0.0 are one value to `=`, GROUP BY and joins, and two to windows, ORDER BY, CASE and nullif; and
# `count(DISTINCT f)` answers 1 or 2, depending on what else is in the SELECT.
#
# GROUP BY, DISTINCT, UNION, joins and comparisons take both zeros for one. What sorts takes their bits, so PARTITION BY makes two
# partitions of one group, equal rows get two ranks, and a running sum leaves peers out; `CASE f WHEN 0.0` and `nullif(f, 0.0)` do not
# see the zero that `f = 0.0` sees. One `count(DISTINCT f)` is made a GROUP BY and is right; beside another one it counts bits. No
# error. Seen, of ids 1: 0.0, 2: -0.0, 3: 0.0:
#                                                  DataFusion            DuckDB
#   GROUP BY f, groups                             1                     1
#   f = 0.0, rows                                  3                     3
#   count(DISTINCT f)                              1                     1
#   count(DISTINCT f), count(DISTINCT id)          2, 3                  1, 3
#   count(*) OVER (PARTITION BY f)                 2, 1, 2               3, 3, 3
#   row_number() OVER (PARTITION BY f ORDER BY id) 1, 1, 2               1, 2, 3
#   rank() OVER (ORDER BY f)                       2, 1, 2               1, 1, 1
#   sum(id) OVER (ORDER BY f)                      6, 2, 6               6, 6, 6
#   ORDER BY f, id                                 2, 1, 3               1, 2, 3
#   CASE f WHEN 0.0, rows                          2                     3
#   nullif(f, 0.0) IS NULL, rows                   2                     3
# (to expect: DuckDB's.) So "the newest row of each key" by row_number keeps two of a key. Who may have -0.0 says `f + 0.0`, which is
# 0.0 of both. DataFusion's issue 22826, closed, is about GROUP BY, DISTINCT and set operations; Comet mended ranks by itself
# (its pull request 5469).
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datafusion==55.0.0 duckdb==2.0.1 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import datafusion
import duckdb
import pyarrow as pa

print("datafusion", datafusion.__version__, "duckdb", duckdb.__version__)
table = pa.table({"id": [1, 2, 3], "f": [0.0, -0.0, 0.0]})
context = datafusion.SessionContext()
context.register_record_batches("t", [table.to_batches()])
database = duckdb.connect()
database.register("t", table)


def answers(query: str) -> tuple[list, list]:
    """The last column, or the only row, of DataFusion and of DuckDB."""
    arrow = pa.Table.from_batches(context.sql(query).collect())
    told = [list(row.values()) for row in arrow.to_pylist()], [list(row) for row in database.execute(query).fetchall()]
    one, other = (rows[0] if len(rows) == 1 else [row[-1] for row in rows] for rows in told)
    print(f"{query}: {one} {other}")
    return one, other


def window(expression: str) -> tuple[list, list]:
    return answers(f"SELECT id, {expression} AS r FROM t ORDER BY id")


assert answers("SELECT count(*) FROM (SELECT f FROM t GROUP BY f)") == ([1], [1])
assert answers("SELECT count(*) FROM t WHERE f = 0.0") == ([3], [3])
assert answers("SELECT count(DISTINCT f) FROM t") == ([1], [1])
assert answers("SELECT count(DISTINCT f), count(DISTINCT id) FROM t") == ([2, 3], [1, 3]), "zeros are counted once now"
assert window("count(*) OVER (PARTITION BY f)") == ([2, 1, 2], [3, 3, 3]), "windows have one zero now"
assert window("row_number() OVER (PARTITION BY f ORDER BY id)") == ([1, 1, 2], [1, 2, 3]), "windows have one zero now"
assert window("rank() OVER (ORDER BY f)") == ([2, 1, 2], [1, 1, 1]), "ranks have one zero now"
assert window("sum(id) OVER (ORDER BY f)") == ([6, 2, 6], [6, 6, 6]), "peers have one zero now"
assert answers("SELECT f, id FROM t ORDER BY f, id") == ([2, 1, 3], [1, 2, 3]), "ORDER BY has one zero now"
assert answers("SELECT count(*) FROM t WHERE CASE f WHEN 0.0 THEN true ELSE false END") == ([2], [3]), "CASE is right now"
assert answers("SELECT count(*) FROM t WHERE nullif(f, 0.0) IS NULL") == ([2], [3]), "nullif is right now"
assert window("count(*) OVER (PARTITION BY f + 0.0)") == ([3, 3, 3], [3, 3, 3])
PYTHON
