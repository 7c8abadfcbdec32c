#!/usr/bin/env bash
# ray 2.60.0: a filter behind `Dataset.join` is applied to the other side's column of the same name, and keeps rows that do not meet it.
#
# Where both sides have a column, one suffix is enough: `left_suffix="_l"` makes v_l of the left one, and the right one stays v. The
# optimizer puts the filter before the join, and looks for its columns by name among those that go in, on the left first: so `v` of
# the result, the right one, is looked for, and found, as `v` of the left. Outer joins then have NULL where the filter would leave none.
# What comes out is whole rows, some with a v that the filter forbids; no error. With `materialize()` between the two it
# is right, and with both suffixes, as then no side has the name. Seen, of (id, v) 1, 10; 2, 20; 3, 30 joined by id with 1, 200;
# 2, 1; 4, 400, the v of the rows that `filter(expr=col("v") > 15)` leaves:
#   join                              the filter              materialize() before it
#   inner, left_suffix="_l"           1                       200                     (to expect: as behind materialize())
#   left_outer, left_suffix="_l"      1, NULL                 200
#   right_outer, right_suffix="_r"    10, NULL                20
#   inner, right_suffix="_r"          20                      20
#   inner, both, of v_r               200                     200
# Ray's pull request 58676 tells of filters on names with a suffix that failed; of filters on the name without one no report was found.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "ray[data]==2.60.0" pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 >&2
"$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { tail -20 "$folder/log"; exit 1; }
import pyarrow as pa
import ray
from ray.data.expressions import col

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
print("ray", ray.__version__)
LEFT = pa.table({"id": [1, 2, 3], "v": [10, 20, 30]})
RIGHT = pa.table({"id": [1, 2, 4], "v": [200, 1, 400]})


def values(dataset: ray.data.Dataset, column: str) -> list[int | None]:
    """The column of the rows of which it is greater than 15."""
    rows = dataset.filter(expr=col(column) > 15).take_all()
    return sorted((row[column] for row in rows), key=lambda value: (value is None, value))


def seen(how: str, column: str = "v", **suffixes: str) -> tuple[list[int | None], list[int | None]]:
    left, right = ray.data.from_arrow(LEFT), ray.data.from_arrow(RIGHT)
    joined = left.join(right, how, num_partitions=1, on=("id",), **suffixes)
    both = values(joined, column), values(joined.materialize(), column)
    print(how, suffixes, column, *both)
    return both


assert seen("inner", left_suffix="_l") == ([1], [200]), "the filter is applied to its own column now"
assert seen("left_outer", left_suffix="_l") == ([1, None], [200]), "the filter is applied to its own column now"
assert seen("right_outer", right_suffix="_r") == ([10, None], [20]), "the filter is applied to its own column now"
assert seen("inner", right_suffix="_r") == ([20], [20])
assert seen("inner", "v_r", left_suffix="_l", right_suffix="_r") == ([200], [200])
PYTHON
