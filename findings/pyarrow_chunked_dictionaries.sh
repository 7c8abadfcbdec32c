#!/usr/bin/env bash
# pyarrow 26.0.1: `ChunkedArray.to_numpy` of a dictionary column answers its last category in place of NULL.
#
# The indices are handed to numpy with -1 for NULL, and numpy takes -1 for the last entry of the dictionary. `Array.to_numpy` has
# NULL, and so has `to_pandas`; but the columns of a Table are chunked arrays, so `table["c"].to_numpy()` and `numpy.asarray` of a
# table are wrong, without an error. Ray Data makes its batches so: in `map_batches`, `iter_batches` and `take_batch` of the default
# format each missing category of pandas that came by Parquet is another one, and what is computed of them is written on.
# Seen, of red, NULL, blue; red, NULL:
#   Array.to_numpy                                  : red, NULL, blue; red, NULL
#   ChunkedArray.to_numpy, numpy.asarray            : red, blue, blue; red, blue          (to expect: as above)
#   numpy.asarray(table)                            : red, blue, blue; red, blue
#   to_pandas, and cast to string before            : red, NULL, blue; red, NULL
#   ray 2.60.0, pandas' Parquet file, map_batches   : red, blue, blue; red, blue
#   the same with batch_format="pandas"             : red, NULL, blue; red, NULL
# Who has categories with NULL casts the column to its values first, or takes `combine_chunks()`. Arrays were mended so in Arrow's
# ARROW-9594; no report of chunked ones was found.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "ray[data]==2.60.0" pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6 >&2
"$folder/venv/bin/python" - "$folder/colours.parquet" 2> "$folder/log" <<'PYTHON' || { tail -20 "$folder/log"; exit 1; }
import sys

import numpy
import pandas
import pyarrow as pa
import ray

RIGHT = ["red", None, "blue", "red", None]
WRONG = ["red", "blue", "blue", "red", "blue"]
column = pa.chunked_array([pa.array(RIGHT).dictionary_encode()])
table = pa.table({"c": column})
pandas.DataFrame({"c": pandas.Categorical(RIGHT, ["red", "blue"])}).to_parquet(sys.argv[1])
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
dataset = ray.data.read_parquet(sys.argv[1])
print("pyarrow", pa.__version__, "ray", ray.__version__)


def colours(dataset: ray.data.Dataset) -> list[str | None]:
    return [row["c"] for row in dataset.take_all()]


told = {
    "Array.to_numpy": column.chunk(0).to_numpy(zero_copy_only=False).tolist(),
    "ChunkedArray.to_numpy": column.to_numpy().tolist(),
    "numpy.asarray(column)": numpy.asarray(table["c"]).tolist(),
    "numpy.asarray(table)": numpy.asarray(table)[:, 0].tolist(),
    "cast": column.cast(pa.string()).to_numpy().tolist(),
    "to_pandas": [None if pandas.isna(colour) else colour for colour in column.to_pandas()],
    "map_batches": colours(dataset.map_batches(lambda batch: batch)),
    "map_batches, pandas": colours(dataset.map_batches(lambda batch: batch, batch_format="pandas")),
    "rows": colours(dataset),
}
for what, values in told.items():
    print(f"{what:22}:", *values)
column.validate(full=True)
wrong = {"ChunkedArray.to_numpy", "numpy.asarray(column)", "numpy.asarray(table)", "map_batches"}
for what, values in told.items():
    assert values == (WRONG if what in wrong else RIGHT), f"{what} is otherwise now"
PYTHON
