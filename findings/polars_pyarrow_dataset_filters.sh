#!/usr/bin/env bash
# polars 2.1.0 with pyarrow 26.0.1: a filter on `scan_pyarrow_dataset` keeps and loses other rows than the same filter on the rows.
#
# polars hands the filter to pyarrow, whose rules are others: an `is_in` of NULL is false there and not NULL, so `~` makes it true
# and keeps rows that have no value; and NaN is greater than nothing, while polars has it above all numbers and equal to
# itself. polars does not look at the rows again, and tells nobody. Which filters go down is not to be seen: one that pyarrow cannot
# take is applied by polars, with its own rules. Seen, of ids 1: 'a', NaN; 2: NULL, 1.0; 3: 'b', NULL:
#                                    on the rows     scan_pyarrow_dataset     scan_parquet of the same
#   ~col("s").is_in(["a"])           [3]             [2, 3]                   [3]
#   ~col("f").is_in([1.0])           [1]             [1, 3]                   [1]
#   col("f") > 5                     [1]             []                       [1]
#   ~(col("f") < 5)                  [1]             []                       [1]
#   col("f") == nan                  [1]             []                       [1]
#   col("s") != "a"                  [3]             [3]                      [3]
# Who filters such a scan says `allow_pyarrow_filter=False`, and then has the rows of the first column.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import polars
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from polars import col

NAN = float("nan")
table = pa.table({"id": [1, 2, 3], "s": ["a", None, "b"], "f": [NAN, 1.0, None]})
pq.write_table(table, f"{sys.argv[1]}/t.parquet")
dataset = pyarrow.dataset.dataset(f"{sys.argv[1]}/t.parquet")
print("polars", polars.__version__, "pyarrow", pa.__version__)


def kept(text: str, condition: polars.Expr) -> tuple[list[int], list[int]]:
    rows = polars.from_arrow(table).filter(condition)["id"].to_list()
    scanned = polars.scan_pyarrow_dataset(dataset).filter(condition).collect()["id"].to_list()
    held = polars.scan_pyarrow_dataset(dataset, allow_pyarrow_filter=False).filter(condition).collect()["id"].to_list()
    assert held == rows
    assert polars.scan_parquet(f"{sys.argv[1]}/t.parquet").filter(condition).collect()["id"].to_list() == rows
    print(f"{text:24}: rows {rows}, scan {scanned}")
    return rows, scanned


assert kept('~col("s").is_in(["a"])', ~col("s").is_in(["a"])) == ([3], [2, 3]), "NULL is left out now"
assert kept('~col("f").is_in([1.0])', ~col("f").is_in([1.0])) == ([1], [1, 3]), "NULL is left out now"
assert kept('col("f") > 5', col("f") > 5) == ([1], []), "NaN is kept now"
assert kept('~(col("f") < 5)', ~(col("f") < 5)) == ([1], []), "NaN is kept now"
assert kept('col("f") == nan', col("f") == NAN) == ([1], []), "NaN is kept now"
assert kept('col("s") != "a"', col("s") != "a") == ([3], [3])
PYTHON
