#!/usr/bin/env bash
# pylance 14.0.2: after the first `compact_files` of a branch, or of a shallow clone, whatever asks an index that came from the
# table beneath fails, and goes on failing.
#
# The compaction writes the index anew, beside the branch's or the clone's own files, and notes that it lies with the table beneath,
# where the old one does. So each filter that the index would answer is "Not found", and with it each delete, update and merge by
# the column, though all rows are there: `use_scalar_index=False` finds them. The table beneath is not harmed. Neither
# `optimize_indices()` nor another compaction helps, `create_scalar_index` does, which makes the index from the rows again. Seen for
# BTREE, BITMAP, NGRAM, LABEL_LIST and INVERTED, not for ZONEMAP, which a compaction leaves without rows; printed here of two:
#   before             : 10 rows
#   compacted          : Not found: .../t.lance/_indices/...          (to expect: 10 rows)
#   the file lies in   : tree/dev/_indices/... of the table, or _indices/... of the clone
# Who compacts branches makes their indexes anew after the first time.
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

FOLDER = Path(sys.argv[1])


def outcome(action) -> str:
    try:
        return str(action())
    except (OSError, ValueError) as error:
        found = "Not found: " in str(error) and "/_indices/" in str(error)
        return "Not found" if found else f"another error: {error}"


def history(kind: str, way: str) -> dict[str, str]:
    name = f"{kind}-{way}"
    base = lance.write_dataset(pa.table({"id": range(10), "x": [0] * 10}), str(FOLDER / f"{name}.lance"), max_rows_per_file=5)
    base.create_scalar_index("id", kind)
    clone = FOLDER / f"{name}-clone.lance"
    other = base.create_branch("dev") if way == "branch" else base.shallow_clone(str(clone), base.version)
    own = Path(base.uri, "tree", "dev") if way == "branch" else clone

    def found() -> int:
        return other.to_table(filter="id >= 0").num_rows

    seen = {"before": outcome(found)}
    other.optimize.compact_files()
    seen["compacted"] = outcome(found)
    seen["a delete"] = outcome(lambda: other.delete("id = 3"))
    seen["an update"] = outcome(lambda: other.update({"x": "1"}, where="id = 3"))
    seen["without the index"] = str(other.to_table(filter="id >= 0", use_scalar_index=False).num_rows)
    other.optimize.optimize_indices()
    seen["indexes optimised"] = outcome(found)
    other.create_scalar_index("id", kind)
    seen["index made anew"] = outcome(found)
    seen["the table beneath"] = str(lance.dataset(base.uri).to_table(filter="id >= 0").num_rows)
    places = {str(file.parent.parent.relative_to(FOLDER)) for file in own.glob("_indices/*/*")}
    print(f"{kind}, {way}:", seen, "new files in", *places)
    return seen


print("pylance", lance.__version__)
for kind in ("BTREE", "BITMAP"):
    for way in ("branch", "clone"):
        assert list(history(kind, way).values()) == ["10", *["Not found"] * 3, "10", "Not found", "10", "10"], "it is found now"
PYTHON
