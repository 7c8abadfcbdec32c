#!/usr/bin/env bash
# apache-arrow 21.2.0 (JavaScript): a key that an object lacks becomes NaN, 0, "" or false in the column, and not NULL.
#
# `tableFromJSON` makes a column of each key that some object has. Where another lacks it, or has `undefined`, the value is what
# Number, String or Boolean would make of nothing; NULL comes of `null` alone. `vectorFromArray` does so for `undefined`, also in the
# fields of structs. The column has no NULL then, so sums, counts and filters of all that read the table take in values that nobody
# gave; no error. Seen, read by pyarrow from IPC, of {n: 1, s: "x", b: true}, {} and {n: null, s: null, b: null}:
#                                   {}                              nulls
#   tableFromJSON                   NaN, "", false                  NULL, NULL, NULL
#   vectorFromArray, Int32          0                               NULL
#   vectorFromArray, Float64        NaN                             NULL
#   vectorFromArray, struct of n    {n: 0}                          {n: NULL}
#   pyarrow.Table.from_pylist       NULL, NULL, NULL                NULL, NULL, NULL
# (to expect: NULL.) Who sends objects with optional keys says `?? null` for each key first. Arrow-js' issues 59 and 105 are about
# what `get` and `toArray` give, and of columns that are made no report was found.
#
# Needs Node.js with npm, and Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pyarrow==26.0.1 >&2
npm install --silent --no-fund --no-audit apache-arrow@21.2.0 >&2
cat > seen.mjs <<'JS'
import { writeFileSync } from "node:fs";
import { Field, Float64, Int32, Struct, Table, tableFromJSON, tableToIPC, vectorFromArray } from "apache-arrow";

const rows = [{ n: 1, s: "x", b: true }, {}, { n: null, s: null, b: null }];
writeFileSync("json.arrows", tableToIPC(tableFromJSON(rows), "stream"));
const known = rows.map(({ n = null, s = null, b = null }) => ({ n, s, b }));
writeFileSync("known.arrows", tableToIPC(tableFromJSON(known), "stream"));
const columns = {
  whole: vectorFromArray([1, undefined, null], new Int32()),
  double: vectorFromArray([1, undefined, null], new Float64()),
  struct: vectorFromArray([{ n: 1 }, {}, { n: null }], new Struct([new Field("n", new Int32(), true)])),
};
writeFileSync("vectors.arrows", tableToIPC(new Table(columns), "stream"));
JS
node seen.mjs
venv/bin/python - <<'PYTHON' | tee seen
import pyarrow as pa

for name in ("json", "known", "vectors"):
    with pa.ipc.open_stream(f"{name}.arrows") as reader:
        for row in reader.read_all().to_pylist():
            print(name, row)
for row in pa.Table.from_pylist([{"n": 1, "s": "x", "b": True}, {}, {"n": None}]).to_pylist():
    print("pyarrow", row)
PYTHON
diff seen - <<'SEEN'
json {'n': 1.0, 's': 'x', 'b': True}
json {'n': nan, 's': '', 'b': False}
json {'n': None, 's': None, 'b': None}
known {'n': 1.0, 's': 'x', 'b': True}
known {'n': None, 's': None, 'b': None}
known {'n': None, 's': None, 'b': None}
vectors {'whole': 1, 'double': 1.0, 'struct': {'n': 1}}
vectors {'whole': 0, 'double': nan, 'struct': {'n': 0}}
vectors {'whole': None, 'double': None, 'struct': {'n': None}}
pyarrow {'n': 1, 's': 'x', 'b': True}
pyarrow {'n': None, 's': None, 'b': None}
pyarrow {'n': None, 's': None, 'b': None}
SEEN
