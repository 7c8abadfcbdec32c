#!/usr/bin/env bash
# deltalake 1.6.6: a query with a WHERE on a float column answers other values in place of NaN.
#
# The statistics that deltalake writes leave NaN out. Where all other values of a file are equal, its bounds are one number, and
# `QueryBuilder` takes the column for that constant, once a WHERE names the column: each NaN of the file is that number then,
# in a file without a fault that the same package wrote. The plain SELECT has the NaN. Seen, of a file of NaN and 1.0:
#   SELECT f FROM t                          : NaN, 1.0
#   SELECT f FROM t WHERE f IS NOT NULL      : 1.0, 1.0          (to expect: NaN, 1.0)
#   SELECT sum(f) FROM t, and with that WHERE : NaN, 2.0
# A filter on another column does no harm. Who stores NaN in Delta writes NULL instead, or reads whole files and filters then.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder/t" <<'PYTHON'
import sys

import deltalake
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

write_deltalake(sys.argv[1], pa.table({"id": [1, 2], "f": [float("nan"), 1.0]}))
table = DeltaTable(sys.argv[1])
bounds = pa.table(table.get_add_actions(flatten=True)).select(["min.f", "max.f"]).to_pylist()
print("deltalake", deltalake.__version__, "bounds", bounds)


def ask(what: str, condition: str = "") -> str:
    text = f"SELECT {what} FROM t{condition and ' WHERE ' + condition}"
    rows = pa.table(QueryBuilder().register("t", table).execute(text).read_all())
    print(f"{text:40}:", rows[0].to_pylist())
    return str(rows[0].to_pylist())


assert ask("f") == "[nan, 1.0]"
assert ask("f", "id > 0") == "[nan, 1.0]"
assert ask("f", "f IS NOT NULL") == "[1.0, 1.0]", "NaN is NaN now"
assert ask("f", "f <> 7") == "[1.0, 1.0]", "NaN is NaN now"
assert ask("sum(f)") == "[nan]"
assert ask("sum(f)", "f IS NOT NULL") == "[2.0]", "NaN is NaN now"
PYTHON
