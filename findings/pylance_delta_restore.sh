#!/usr/bin/env bash
# pylance 14.0.2: `LanceDataset.delta` over a `restore` leaves out the rows that the restore changed and those that it brought back.
#
# A restored version brings its rows with the versions of when they were made and last changed, which are older than the delta's
# beginning, and by these the delta selects. Only rows that went away are told. So a copy of the table that is kept up by deltas
# differs from it after the first restore, and nobody is told. Seen, of a table with stable row ids, of which row 1 was
# changed, row 2 deleted and row 3 appended, and then the first version restored; the delta from before the restore to it:
#   before the restore : 1 changed, 3 appended
#   after              : 1 a, 2 b
#   inserted           : []          (to expect: row 2)
#   updated            : []          (to expect: row 1)
#   deleted            : row 3
# Who keeps copies by deltas looks for a Restore in `list_transactions()`, and begins anew at one.
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

print("pylance", lance.__version__)
dataset = lance.write_dataset(pa.table({"id": [1, 2], "v": ["a", "b"]}), sys.argv[1], enable_stable_row_ids=True)
dataset.update({"v": "'changed'"}, where="id = 1")
dataset.delete("id = 2")
dataset.insert(pa.table({"id": [3], "v": ["appended"]}))


def rows() -> dict[int, tuple[int, str]]:
    table = dataset.to_table(with_row_id=True)
    return {row: (key, value) for row, key, value in zip(*(table[name].to_pylist() for name in ("_rowid", "id", "v")))}


before, version = rows(), dataset.version
dataset.checkout_version(1).restore()
dataset.checkout_latest()
after = rows()
delta = dataset.delta(compared_against=version)
inserted = {row["_rowid"] for row in delta.get_inserted_rows().read_all().to_pylist()}
updated = {row["_rowid"] for row in delta.get_updated_rows().read_all().to_pylist()}
deleted = set(delta.get_deleted_row_ids().read_all()["_rowid"].to_pylist())
print("before  :", before)
print("after   :", after)
print("inserted:", inserted, "of", after.keys() - before.keys())
print("updated :", updated, "of", {row for row in before.keys() & after.keys() if before[row] != after[row]})
print("deleted :", deleted, "of", before.keys() - after.keys())
assert before == {0: (1, "changed"), 2: (3, "appended")} and after == {0: (1, "a"), 1: (2, "b")}
assert (inserted, updated) == (set(), set()), "the delta has the rows now"
assert deleted == {2}
PYTHON
