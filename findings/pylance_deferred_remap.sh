#!/usr/bin/env bash
# pylance 14.0.2: `compact_files(defer_index_remap=True)`, then a delete, then `compact_files()`: every filter that an index
# answers loses rows from then on, without an error; `optimize_indices()` does not bring them back, nor does `retrain=True`.
# The index says that it has all rows of the new fragment (its `num_rows_indexed` too), so nobody looks for them there.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 >&2
"$folder/venv/bin/python" - "$folder/t.lance" <<'PYTHON'
import sys

import lance
import pyarrow as pa

path = sys.argv[1]
dataset = lance.write_dataset(pa.table({"id": range(30)}), path, max_rows_per_file=10)
dataset.create_scalar_index("id", "BTREE")
for step in (
    lambda: dataset.optimize.compact_files(defer_index_remap=True),
    lambda: dataset.delete("id = 3"),
    lambda: dataset.optimize.compact_files(materialize_deletions_threshold=0.0),
    lambda: dataset.optimize.optimize_indices(),
    lambda: dataset.optimize.optimize_indices(retrain=True),
):
    step()
    dataset.checkout_latest()
    found = [dataset.to_table(filter="id >= 0", use_scalar_index=use).num_rows for use in (True, False)]
    indexed = {index.name: index.num_rows_indexed for index in dataset.describe_indices()}
    print("pylance", lance.__version__, "by the index", found[0], "without", found[1], indexed)
assert found == [0, 29]
PYTHON
