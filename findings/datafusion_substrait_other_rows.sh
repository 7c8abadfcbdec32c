#!/usr/bin/env bash
# datafusion 55.0.0 (Python): a query that is written as a Substrait plan and read again answers other rows than the query.
#
# The plan that `Serde` writes has a window function without its DISTINCT, FILTER and IGNORE NULLS, and `NOT IN (subquery)` as a
# plain anti join, which keeps rows that SQL's NULL takes away; any engine that reads the plan answers so. A RANGE frame with an offset
# is written well, and DataFusion's own reader makes the whole partition of it. No error comes, where GROUPS, say, is refused.
# Seen, of (i, n) 1, 1; 2, NULL; 5, 2; 9, NULL:
#                                                                        the query        its plan
#   i WHERE n NOT IN (SELECT i FROM t)                                   none             2, 9
#   i WHERE i NOT IN (SELECT n FROM t)                                   none             5, 9
#   count(*) WHERE n NOT IN (SELECT 7)                                   2                4
#   count(i) FILTER (WHERE n IS NULL) OVER (ORDER BY i)                  0, 1, 1, 2       1, 2, 3, 4
#   sum(DISTINCT 1) OVER (ORDER BY i)                                    1, 1, 1, 1       1, 2, 3, 4
#   last_value(n) IGNORE NULLS OVER (ORDER BY i)                         1, 1, 2, 2       1, NULL, 2, NULL
#   sum(i) OVER (ORDER BY i RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING)   3, 3, 5, 9       17, 17, 17, 17
#   the same with ROWS                                                   3, 8, 16, 14     3, 8, 16, 14
#   i WHERE n NOT IN (1, 5)                                              5                5
# Who sends such queries elsewhere sends them as SQL. The windows' part is known: DataFusion's pull request 22664 tells of it.
# Of NOT IN in plans no report was found.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datafusion==55.0.0 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import datafusion
import pyarrow
from datafusion.substrait import Consumer, Serde

print("datafusion", datafusion.__version__)
CONTEXT = datafusion.SessionContext()
CONTEXT.from_arrow(pyarrow.table({"i": [1, 2, 5, 9], "n": [1, None, 2, None], "one": [1, 1, 1, 1]}), "t")


def rows(frame: datafusion.DataFrame) -> list[tuple[object, ...]]:
    found = [tuple(row.values()) for row in frame.to_arrow_table().to_pylist()]
    return sorted(found, key=lambda row: row[0])


def ask(query: str) -> tuple[list[object], list[object]]:
    """The last column of what the query answers, and of what its plan does."""
    plan = Serde.deserialize_bytes(Serde.serialize_bytes(query, CONTEXT))
    again = CONTEXT.create_dataframe_from_logical_plan(Consumer.from_substrait_plan(CONTEXT, plan))
    direct, read = ([row[-1] for row in rows(frame)] for frame in (CONTEXT.sql(query), again))
    print(f"{query}: {direct} {read}")
    return direct, read


def window(function: str, frame: str = "") -> str:
    return f"SELECT i, {function} OVER (ORDER BY i {frame}) AS x FROM t"


AROUND = "BETWEEN 1 PRECEDING AND 1 FOLLOWING"
assert ask("SELECT i FROM t WHERE n NOT IN (SELECT i FROM t)") == ([], [2, 9]), "NOT IN is told now"
assert ask("SELECT i FROM t WHERE i NOT IN (SELECT n FROM t)") == ([], [5, 9]), "NOT IN is told now"
assert ask("SELECT count(*) FROM t WHERE n NOT IN (SELECT 7)") == ([2], [4]), "NOT IN is told now"
assert ask(window("count(i) FILTER (WHERE n IS NULL)")) == ([0, 1, 1, 2], [1, 2, 3, 4]), "FILTER is told now"
assert ask(window("sum(DISTINCT one)")) == ([1, 1, 1, 1], [1, 2, 3, 4]), "DISTINCT is told now"
assert ask(window("last_value(n) IGNORE NULLS")) == ([1, 1, 2, 2], [1, None, 2, None]), "IGNORE NULLS is told now"
assert ask(window("sum(i)", f"RANGE {AROUND}")) == ([3, 3, 5, 9], [17, 17, 17, 17]), "RANGE is read now"
assert ask(window("sum(i)", f"ROWS {AROUND}")) == ([3, 8, 16, 14], [3, 8, 16, 14])
assert ask("SELECT i FROM t WHERE n NOT IN (1, 5)") == ([5], [5])
PYTHON
