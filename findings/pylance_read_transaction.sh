#!/usr/bin/env bash
# pylance 14.0.2: `read_transaction` and `get_transactions` raise TypeError from the first compaction on that an index came
# through.
#
# The native code makes `LanceOperation.RewrittenIndex` with two of its five arguments. The dataset itself is whole.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import lance
import pyarrow as pa

path = str(Path(sys.argv[1], "t.lance"))
for mode in ("create", "append"):
    dataset = lance.write_dataset(pa.table({"x": range(10)}), path, mode=mode)
dataset.create_scalar_index("x", "BTREE")
dataset.optimize.compact_files()
print("pylance", lance.__version__, "rows", dataset.count_rows(), "found", dataset.count_rows("x = 7"))
for read in (lambda: dataset.read_transaction(dataset.version), lambda: dataset.get_transactions(10)):
    try:
        read()
    except TypeError as error:
        print("TypeError:", error)
    else:
        raise SystemExit("the transactions are read")
PYTHON
