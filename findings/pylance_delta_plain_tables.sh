#!/usr/bin/env bash
# pylance 14.0.2: `LanceDataset.delta` tells of no inserted and no updated rows where the table has no stable row ids, which is
# how tables are written by default, and raises nothing.
#
# Without such ids every row counts as made, and last changed, in version 1, also those appended since; the two readers of
# the delta select by these versions and so end at once. Only `get_deleted_row_ids` says that the ids are missing. The example in the
# docstring of `delta` is of this kind, and so prints nothing. Who copies changes by it copies none. Seen, of a table of 2 rows,
# 1 appended and 1 updated since:
#                             without stable row ids     with them
#   get_inserted_rows         []                         [3]
#   get_updated_rows          []                         [1]
#   get_deleted_row_ids       ValueError                 []
# (to expect: the ValueError from all three.) Who needs a delta writes the table with `enable_stable_row_ids=True`, and asks
# `has_stable_row_ids` first.
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

print("pylance", lance.__version__)


def changes(name: str, stable: bool) -> tuple[list[int], list[int], str]:
    table = pa.table({"id": [1, 2], "v": ["a", "b"]})
    dataset = lance.write_dataset(table, str(Path(sys.argv[1], f"{name}.lance")), enable_stable_row_ids=stable)
    dataset.insert(pa.table({"id": [3], "v": ["c"]}))
    dataset.update({"v": "'changed'"}, where="id = 1")
    delta = dataset.delta(compared_against=1)
    inserted = delta.get_inserted_rows().read_all()["id"].to_pylist()
    updated = delta.get_updated_rows().read_all()["id"].to_pylist()
    try:
        deleted = str(delta.get_deleted_row_ids().read_all()["_rowid"].to_pylist())
    except ValueError as error:
        deleted = str(error)
    print(f"{name}: {len(delta.list_transactions())} transactions, inserted {inserted}, updated {updated}, deleted: {deleted[:80]}")
    return inserted, updated, deleted


inserted, updated, deleted = changes("plain", stable=False)
assert (inserted, updated) == ([], []), "the changes are told now"
assert "require stable row ids" in deleted
assert changes("stable", stable=True) == ([3], [1], "[]")
PYTHON
