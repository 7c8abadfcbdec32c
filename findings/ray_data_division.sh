#!/usr/bin/env bash
# ray 2.60.0: in expressions of Ray Data `/` of two whole numbers cuts the fraction off, and `//` gives a double that is no floor.
#
# `col("x") / 2` is pyarrow's division of integers, which cuts towards zero; `//` takes the floor of that, when nothing is left to
# round, and the floor is a double, so that results beyond 2^53 are an error; `%` is made of `//`. Python's operators, whose names these
# are, and pandas and polars, make a double of `/` and a whole number, rounded down, of `//`. No error. So a ratio of counts is 0 or 1.
# Seen, with `with_column`:
#   x                       : 7, -7
#   col("x") / 2            : 3, -3            (to expect: 3.5, -3.5)
#   col("x") // 2           : 3.0, -3.0        (to expect: 3, -4)
#   col("x") % 2            : 1.0, -1.0        (to expect: 1, 1)
#   lit(1) / col("x")       : 0, 0             (to expect: 0.142..., -0.142...)
#   col("x") / 2.0          : 3.5, -3.5
#   col("x") // 2.0         : 3.0, -4.0
# Who divides counts makes one of them a double first: `col("x") / 2.0`, `col("x").cast(pa.float64())`.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "ray[data]==2.60.0" pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 >&2
"$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON' || { tail -20 "$folder/log"; exit 1; }
import pandas
import polars
import pyarrow as pa
import ray
from ray.data.expressions import Expr, col, lit

VALUES = [7, -7]
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
numbers = ray.data.from_arrow(pa.table({"x": VALUES}))
print("ray", ray.__version__)


def computed(text: str, expression: Expr) -> list[float]:
    told = [row["y"] for row in numbers.with_column("y", expression).take_all()]
    print(f"{text:20}: {told} {type(told[0]).__name__}")
    return told


column = pandas.Series(VALUES)
frame = polars.Series("x", VALUES)
assert (column / 2).to_list() == (frame / 2).to_list() == [value / 2 for value in VALUES] == [3.5, -3.5]
assert (column // 2).to_list() == (frame // 2).to_list() == [value // 2 for value in VALUES] == [3, -4]
assert computed('col("x") / 2', col("x") / 2) == [3, -3], "the fraction is kept now"
assert computed('lit(1) / col("x")', lit(1) / col("x")) == [0, 0], "the fraction is kept now"
floors = computed('col("x") // 2', col("x") // 2)
assert floors == [3.0, -3.0] and isinstance(floors[0], float), "it is a floor now"
assert (column % 2).to_list() == (frame % 2).to_list() == [value % 2 for value in VALUES] == [1, 1]
assert computed('col("x") % 2', col("x") % 2) == [1.0, -1.0], "the remainder is that of a floor now"
assert computed('col("x") / 2.0', col("x") / 2.0) == [3.5, -3.5]
assert computed('col("x") // 2.0', col("x") // 2.0) == [3.0, -4.0]
PYTHON
