#!/usr/bin/env bash
# pylance 14.0.2: `optimize_indices` on a handle from before `drop_columns` commits an index of no column, and the table fails from then on.
#
# Lance finds conflicts between commits: an append after a drop of a column is refused, and so one would guess that an index of a
# column that is gone is no more committed than its rows are. An index that is brought up to date while another process drops its
# column is committed all the same, without an error. drop_columns had taken the index out of the manifest; it comes back with the
# id of a field that the schema has not. Then, for everybody, in every new process:
#   count_rows(), to_table()                       right
#   to_table(filter=...) on another column         ValueError "Index referenced a field with id 1 which did not exist in the schema"
#   delete(...)                                    OSError, the same
#   optimize.compact_files()                       OSError "Could not find field ancestry for id 1"
# until drop_index(...) of that name, which works, for list_indices shows nothing wrong with it. Seen with BTREE; the order the other way
# round (drop after optimize) is right. Who maintains indexes in the background of writers that change columns drops the
# indexes of a column first, and looks at the schema again before optimize_indices.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

rows = pa.table({"id": range(10), "x": range(10)})
print("pylance", lance.__version__)


def told(what: Callable[[], Any]) -> str:
    try:
        return f"works: {what()}"
    except (ValueError, OSError) as error:
        return f"{type(error).__name__}: {error}"


def made(name: str, drops_first: bool) -> Any:
    """A table whose column x was dropped by one handle, and its index brought up to date by another."""
    path = str(Path(sys.argv[1], f"{name}.lance"))
    lance.write_dataset(rows, path).create_scalar_index("x", "BTREE", name="i")
    other = lance.write_dataset(rows, path, mode="append")
    if drops_first:
        lance.dataset(path).drop_columns(["x"])
    other.optimize.optimize_indices()
    if not drops_first:
        lance.dataset(path).drop_columns(["x"])
    return lance.dataset(path)


calls: dict[str, Callable[[Any], Any]] = {
    "count_rows": lambda dataset: dataset.count_rows(),
    "filter on id": lambda dataset: dataset.to_table(filter="id = 3").num_rows,
    "delete": lambda dataset: dataset.delete("id = 4")["num_deleted_rows"],
    "compact_files": lambda dataset: dataset.optimize.compact_files().fragments_removed,
}
control, broken = made("control", drops_first=False), made("broken", drops_first=True)
for name, call in calls.items():
    right, wrong = told(lambda call=call: call(control)), told(lambda call=call: call(broken))
    print(f"{name}: dropped last: {right}; dropped first: {wrong[:130]}")
    assert right.startswith("works"), right
    assert wrong.startswith("works") == (name == "count_rows"), "an index of no column does no harm now"
    assert wrong.startswith("works") or "id 1" in wrong
broken.drop_index("i")
assert lance.dataset(broken.uri).to_table(filter="id = 3").num_rows == 2
print("after drop_index the filter finds its two rows")
PYTHON
