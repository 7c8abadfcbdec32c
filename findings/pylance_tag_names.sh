#!/usr/bin/env bash
# pylance 14.0.2: a tag whose name has a letter beyond ASCII is made, and then no tag of the dataset can be listed.
#
# `dataset.tags.create("ä", 1)` is accepted and writes `_refs/tags/%C3%A4.json`; `dataset.tags.list()` looks for
# `%25C3%25A4.json`, escaped once more, and raises "Not found", until the file is removed.
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

path = Path(sys.argv[1], "t.lance")
dataset = lance.write_dataset(pa.table({"x": [1]}), str(path))
dataset.tags.create("plain", 1)
assert list(dataset.tags.list()) == ["plain"]
dataset.tags.create("ä", 1)
print("pylance", lance.__version__, sorted(file.name for file in (path / "_refs" / "tags").iterdir()))
try:
    dataset.tags.list()
except ValueError as error:
    print("tags.list():", str(error).split("t.lance/")[1].split(",")[0])
else:
    raise SystemExit("the tags are listed")
PYTHON
