#!/usr/bin/env bash
# ray 2.60.0: sums of whole numbers in Ray Data wrap around at 64 bits, without an error, and so do the means that are made of them.
#
# A mean is a sum and a count, and the sum is an int64; so four values of 2^62 have the mean 0.0, less than each of them.
# Expressions wrap at the width of the column: an int8 of 100 and itself is -56. DuckDB sums into 128 bits, and Python without an
# end. Seen, of int64 4611686018427387904 four times, and int8 100:
#   sum("x")            : 0                 (to expect: 18446744073709551616, or an error)
#   mean("x")           : 0.0               (to expect: 4.6e18)
#   max("x")            : 4611686018427387904
#   col("i") + col("i") : -56               (to expect: 200, or an error)
#   col("i") * 2        : 200
# Who sums large numbers, such as ids, hashes or nanoseconds, casts them to float64 or decimals first.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "ray[data]==2.60.0" pyarrow==26.0.1 pandas==3.1.1 duckdb==2.0.1 >&2
"$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON' || { tail -20 "$folder/log"; exit 1; }
import duckdb
import pyarrow as pa
import ray
from ray.data.expressions import col

numbers = pa.table({"x": [2**62] * 4, "i": pa.array([100] * 4, pa.int8())})
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
dataset = ray.data.from_arrow([numbers.slice(0, 2), numbers.slice(2)])
print("ray", ray.__version__)


def computed(expression) -> int:
    return dataset.with_column("y", expression).take(1)[0]["y"]


told = {
    'sum("x")': dataset.sum("x"),
    'mean("x")': dataset.mean("x"),
    'max("x")': dataset.max("x"),
    'col("i") + col("i")': computed(col("i") + col("i")),
    'col("i") * 2': computed(col("i") * 2),
}
for what, value in told.items():
    print(f"{what:20}: {value}")
assert duckdb.sql("SELECT sum(x), avg(x) FROM numbers").fetchall() == [(2**64, float(2**62))]
assert told['sum("x")'] == 0, "the sum is right now"
assert told['mean("x")'] == 0.0, "the mean is right now"
assert told['max("x")'] == 2**62
assert told['col("i") + col("i")'] == -56, "the sum is right now"
assert told['col("i") * 2'] == 200
PYTHON
