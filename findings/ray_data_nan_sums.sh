#!/usr/bin/env bash
# ray 2.60.0: one NaN in a column, and `Dataset.sum`, `mean` and `std` answer None, as of no rows, where the grouped ones answer NaN.
#
# The sum is computed and is NaN; on its way out NaN counts as a missing value, and becomes None, unless
# `ignore_nulls=False` is said. `groupby` does not take that way. `min` and `max` leave NaN out. So who asks `if total is None`
# for an empty dataset takes one with a NaN for it. Seen, of NaN, 1.0, 2.0, 3.0, of which NaN and 2.0 are in one group:
#   sum, mean, std                    : None, None, None        (to expect: NaN, as below, or 6.0, 2.0 and 1.0)
#   sum, mean, ignore_nulls=False     : nan, nan
#   groupby: sum, mean, std           : nan, nan, None
#   min, max                          : 1.0, 3.0
#   sum of no rows                    : None
# Who may have NaN filters it out, or says `ignore_nulls=False`.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "ray[data]==2.60.0" pyarrow==26.0.1 pandas==3.1.1 >&2
"$folder/venv/bin/python" - 2> "$folder/log" <<'PYTHON' || { tail -20 "$folder/log"; exit 1; }
import pyarrow as pa
import ray

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
values = pa.table({"k": ["a", "b", "a", "b"], "f": [float("nan"), 1.0, 2.0, 3.0]})
dataset = ray.data.from_arrow(values)
print("ray", ray.__version__)


def grouped(name: str) -> str:
    rows = getattr(dataset.groupby("k"), name)("f").take_all()
    return str({row["k"]: row[f"{name}(f)"] for row in rows}["a"])


whole = {name: str(getattr(dataset, name)("f")) for name in ("sum", "mean", "std", "min", "max")}
strict = {name: str(getattr(dataset, name)("f", ignore_nulls=False)) for name in ("sum", "mean")}
groups = {name: grouped(name) for name in ("sum", "mean", "std")}
print("whole              :", whole)
print("ignore_nulls=False :", strict)
print("the group with NaN :", groups)
nothing = ray.data.from_arrow(values.slice(0, 0)).sum("f")
print("sum of no rows     :", nothing)
assert nothing is None
assert whole == {"sum": "None", "mean": "None", "std": "None", "min": "1.0", "max": "3.0"}, "NaN is answered now"
assert strict == {"sum": "nan", "mean": "nan"}
assert groups == {"sum": "nan", "mean": "nan", "std": "None"}
PYTHON
