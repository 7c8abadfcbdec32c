#!/usr/bin/env bash
# datafusion 55.0.0 (Python) and deltalake 1.6.6: a condition on the time of day of a timestamp loses rows of Parquet files.
#
# `CAST(ts AS TIME)` of the bounds of a row group is taken for the bounds of `CAST(ts AS TIME)`. The clock begins anew each day, so
# in a row group with an evening and the next morning the "least" time is the evening's, and the morning is never looked for. The
# file, or the group, is skipped before any row is read, without an error. A SELECT of the same expression is right, and so is the
# query over the same rows in memory; QueryBuilder of deltalake loses them, too. Seen, of 1: Monday 22:00, 2: Tuesday 03:00, 3: Tuesday 21:00:
#                                            Parquet    deltalake    memory    DuckDB
#   CAST(ts AS TIME) < '12:00'               none       none         2         2
#   CAST(ts AS TIME) = '03:00'               none       none         2         2
#   CAST(ts AS TIME) > '21:30'               none       none         1         1
#   (CAST(ts AS TIME) < '12:00') IS TRUE     2          2            2         2
#   date_part('hour', ts) < 12               2          2            2         2
#   counts, grouped by the first             2, 1       2, 1         2, 1      2, 1
# (to expect: as in memory.) It is so, too, with `datafusion.execution.parquet.pruning` off. Who asks for times of day compares
# `date_part('hour', ts)`, or says IS TRUE. No report of it was found among DataFusion's public issues.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  datafusion==55.0.0 deltalake==1.6.6 duckdb==2.0.1 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from datetime import datetime
from pathlib import Path

import datafusion
import deltalake
import duckdb
import pyarrow
import pyarrow.parquet

FILE, TABLE = str(Path(sys.argv[1], "t.parquet")), str(Path(sys.argv[1], "t"))
times = [datetime(2024, 1, 1, 22), datetime(2024, 1, 2, 3), datetime(2024, 1, 2, 21)]
table = pyarrow.table({"id": [1, 2, 3], "ts": times})
pyarrow.parquet.write_table(table, FILE)
deltalake.write_deltalake(TABLE, table)
delta = deltalake.DeltaTable(TABLE)
print("datafusion", datafusion.__version__, "deltalake", deltalake.__version__)


def in_datafusion(query: str, pruning: str = "true", memory: bool = False) -> list[int]:
    config = datafusion.SessionConfig().set("datafusion.execution.parquet.pruning", pruning)
    context = datafusion.SessionContext(config)
    if memory:
        context.register_record_batches("t", [table.to_batches()])
    else:
        context.register_parquet("t", FILE)
    return [row for batch in context.sql(query).collect() for row in batch[0].to_pylist()]


def answers(query: str) -> list[list[int]]:
    """Parquet in DataFusion, with `pruning` off, and in deltalake; memory; DuckDB."""
    reader = deltalake.QueryBuilder().register("t", delta).execute(query)
    found = [
        in_datafusion(query),
        in_datafusion(query, pruning="false"),
        pyarrow.table(reader.read_all())[0].to_pylist(),
        in_datafusion(query, memory=True),
        [row for (row,) in duckdb.sql(query.replace("FROM t", f"FROM '{FILE}'")).fetchall()],
    ]
    print(f"{query}:", *found)
    return found


def found(condition: str) -> list[list[int]]:
    return answers(f"SELECT id FROM t WHERE {condition} ORDER BY id")


assert found("CAST(ts AS TIME) < TIME '12:00:00'") == [[], [], [], [2], [2]], "row 2 is found now"
assert found("CAST(ts AS TIME) = TIME '03:00:00'") == [[], [], [], [2], [2]], "row 2 is found now"
assert found("CAST(ts AS TIME) > TIME '21:30:00'") == [[], [], [], [1], [1]], "row 1 is found now"
assert found("(CAST(ts AS TIME) < TIME '12:00:00') IS TRUE") == [[2]] * 5
assert answers("SELECT count(*) FROM t GROUP BY CAST(ts AS TIME) < TIME '12:00:00' ORDER BY 1 DESC") == [[2, 1]] * 5
assert found("date_part('hour', ts) < 12") == [[2]] * 5
PYTHON
