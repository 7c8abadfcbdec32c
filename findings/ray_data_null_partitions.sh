#!/usr/bin/env bash
# ray 2.60.0: a NULL in a column by which `write_parquet` partitions is read back as the text `__HIVE_DEFAULT_PARTITION__`.
#
# The folder of NULL has the name that Hive gave it, as pyarrow writes it, and pyarrow, DuckDB and polars read it as NULL. Ray's own
# `read_parquet` takes what stands behind the `=` for a value. So no row has NULL any more: `is_null` finds none, `groupby` and
# `unique` have one more key, `max` of numbers, which are text as all of Ray's partition values are, is that name, and written on
# elsewhere it stays. No error. Seen, of p 'a', NULL and n 5, NULL, each written by Ray as a partition:
#                              ray.data.read_parquet                  pyarrow, DuckDB, polars
#   p                          a, __HIVE_DEFAULT_PARTITION__          a, NULL
#   rows with p NULL           0                                      1
#   n                          5, __HIVE_DEFAULT_PARTITION__          5, NULL
#   max of n                   __HIVE_DEFAULT_PARTITION__             5
# (to expect: NULL.) Who has NULL there reads by pyarrow's dataset, `ray.data.from_arrow(dataset(..., partitioning="hive").to_table())`,
# or makes a value of it before it is written. DataFusion's issue 18083 tells the same of its listing tables; of Ray no report was found.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    "ray[data]==2.60.0" pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 duckdb==2.0.1 >&2
"$folder/venv/bin/python" - "$folder" 2> "$folder/log" <<'PYTHON' || { tail -20 "$folder/log"; exit 1; }
import sys
from pathlib import Path

import duckdb
import polars
import pyarrow as pa
import pyarrow.dataset
import ray
from ray.data.expressions import col

NAME = "__HIVE_DEFAULT_PARTITION__"
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
print("ray", ray.__version__, "pyarrow", pa.__version__, "duckdb", duckdb.__version__, "polars", polars.__version__)


def written(column: str, values: list) -> str:
    place = str(Path(sys.argv[1], column))
    ray.data.from_arrow(pa.table({column: pa.array(values), "i": [1, 2]})).write_parquet(place, partition_cols=[column])
    return place


def others(place: str, column: str) -> list[list]:
    """What pyarrow, DuckDB and polars read of the same files."""
    table = pa.dataset.dataset(place, partitioning="hive").to_table().sort_by("i")
    query = f"SELECT {column} FROM read_parquet('{place}/**/*.parquet', hive_partitioning = true) ORDER BY i"
    frame = polars.read_parquet(f"{place}/**/*.parquet", hive_partitioning=True).sort("i")
    return [table[column].to_pylist(), [row[0] for row in duckdb.sql(query).fetchall()], frame[column].to_list()]


for column, values in (("p", ["a", None]), ("n", [5, None])):
    place = written(column, values)
    read = ray.data.read_parquet(place)
    told = [row[column] for row in sorted(read.take_all(), key=lambda row: row["i"])]
    print(column, "ray:", told, "others:", *others(place, column))
    assert others(place, column) == [values] * 3
    assert told == [str(values[0]), NAME], "NULL is kept now"
    if column == "p":
        assert read.filter(expr=col("p").is_null()).count() == 0, "NULL is found now"
    else:
        assert read.max("n") == NAME, "the maximum is a number now"
PYTHON
