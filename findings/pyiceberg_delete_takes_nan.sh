#!/usr/bin/env bash
# pyiceberg 0.12.0: `delete` of a condition on a float column deletes NaN too, which the same condition does not select.
#
# Where the bounds of a file say that every row meets the condition, the file is dropped as a whole. The bounds that pyiceberg
# writes leave NaN out, and it writes no count of NaN, which it then takes for none; so the rows of a file whose numbers all meet
# the condition go with those that hold NaN. Where one number of the file does not meet it, the file is written anew, and NaN
# stays: what a delete deletes depends on how rows lie in files. `overwrite(rows, filter)` deletes by the same rule.
# Seen, of one file with the rows 1: NaN, 2: 1.0, and of one with a row 3: 9.0 besides:
#   scan "f < 5"              : [2]
#   delete "f < 5"            : left []              (to expect: [1])
#   delete "f = 1.0"          : left []              (to expect: [1])
#   overwrite(row 4, "f < 5") : left [4]             (to expect: [1, 4])
#   delete "f < 5", with 9.0  : left [1, 3]
# Who stores NaN adds `and f is not nan` to the condition, which keeps it.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "pyiceberg[sql-sqlite]==0.12.0" pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import pyarrow as pa
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog

NAN = float("nan")
catalog = SqlCatalog("finding", uri=f"sqlite:///{sys.argv[1]}/catalog.db", warehouse=f"file://{sys.argv[1]}/tables")
catalog.create_namespace("n")


def rows(ids: list[int], floats: list[float]) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "f": pa.array(floats, pa.float64())})


def table(name: str, *more: float):
    floats = [NAN, 1.0, *more]
    made = catalog.create_table(f"n.{name}", rows([], []).schema)
    made.append(rows(list(range(1, len(floats) + 1)), floats))
    return made


def ids(made, condition: str = "id > 0") -> list[int]:
    return sorted(made.scan(row_filter=condition).to_arrow()["id"].to_pylist())


def left(name: str, condition: str, *more: float) -> list[int]:
    made = table(name, *more)
    made.delete(condition)
    print(f"delete {condition:25}, of {2 + len(more)} rows: left {ids(made)}")
    return ids(made)


print("pyiceberg", pyiceberg.__version__)
print("scan f < 5:", ids(table("scanned"), "f < 5"))
assert ids(catalog.load_table("n.scanned"), "f < 5") == [2]
assert left("less", "f < 5") == [], "NaN stays now"
assert left("equal", "f = 1.0") == [], "NaN stays now"
assert left("mixed", "f < 5", 9.0) == [1, 3]
assert left("guarded", "f < 5 and f is not nan") == [1]
replaced = table("replaced")
replaced.overwrite(rows([4], [2.0]), "f < 5")
print("overwrite f < 5: left", ids(replaced))
assert ids(replaced) == [4], "NaN stays now"
PYTHON
