#!/usr/bin/env bash
# deltalake 1.6.6 with pyarrow 26.0.1: after a write that added a column (`schema_mode="merge"`), no filter finds the rows of
# before by `IS NULL` of it, neither in the pyarrow dataset of the table nor in DuckDB over that.
#
# The files of before have no statistics of the new column. `to_pyarrow_dataset` gives them the guarantee
# `(c >= null) and (c <= null)`, which says to pyarrow that c has values; so files are skipped in which every c is NULL. Without a
# filter the same rows come, with c NULL; and `QueryBuilder` of the same package finds them. Seen, of 2 rows before and 1 after:
#   all rows                          : 3, of which 2 have c NULL
#   dataset, c IS NULL                : 0          (to expect: 2)
#   duckdb 2.0.1 over it, c IS NULL   : 0
#   QueryBuilder, c IS NULL           : 2
# A filter of `NOT (c IS NOT NULL)` is the same. Who reads such tables filters after reading, or asks QueryBuilder.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1 duckdb==2.0.1 >&2
"$folder/venv/bin/python" - "$folder/t" <<'PYTHON'
import sys

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, QueryBuilder, write_deltalake

write_deltalake(sys.argv[1], pa.table({"id": [1, 2]}))
write_deltalake(sys.argv[1], pa.table({"id": [3], "c": [5]}), mode="append", schema_mode="merge")
table = DeltaTable(sys.argv[1])
dataset = table.to_pyarrow_dataset()
nulls = pc.field("c").is_null()
query = QueryBuilder().register("t", table).execute("SELECT id FROM t WHERE c IS NULL")
seen = {
    "all rows": dataset.to_table().num_rows,
    "NULLs of all rows": dataset.to_table()["c"].null_count,
    "dataset, c IS NULL": dataset.to_table(filter=nulls).num_rows,
    "dataset, NOT (c IS NOT NULL)": dataset.to_table(filter=~pc.field("c").is_valid()).num_rows,
    "to_pyarrow_table, c IS NULL": table.to_pyarrow_table(filters=nulls).num_rows,
    "duckdb over it, c IS NULL": duckdb.sql("SELECT id FROM dataset WHERE c IS NULL").to_arrow_table().num_rows,
    "QueryBuilder, c IS NULL": pa.table(query.read_all()).num_rows,
}
print("deltalake", deltalake.__version__, "pyarrow", pa.__version__, "duckdb", duckdb.__version__)
for what, rows in seen.items():
    print(f"{what:29}: {rows}")
for fragment in dataset.get_fragments():
    print(fragment.partition_expression)
assert list(seen.values()) == [3, 2, 0, 0, 0, 0, 2], "the rows are found now"
PYTHON
