#!/usr/bin/env bash
# apache-arrow 21.2.0 (JavaScript): a slice of a table with a column of string or binary views is written to IPC as what nobody can read.
#
# `tableToIPC` cuts the views to the slice where the slice had cut them before, so that from the second row on each row at the
# front costs one at the end: the stream says that there are more rows than it has views. Nothing is raised when it is written;
# who reads it is told of a buffer that is too short, also in arrow-js itself, and the other columns are lost with it. Of a slice that
# begins at the first row, of `Utf8`, of numbers, lists and dictionaries all is right. Tables with views come unasked from
# DataFusion and polars. Seen, of the rows 1 to 6:
#                                slice(0, 3)     slice(1, 6)              slice(2, 4)
#   string_view, the slice       a, b, c         b, c, NULL, d, e         c, NULL
#   read again                   a, b, c         "data buffer is too short: expected 16 bytes, got 0"
#   binary_view, read again      a, b, c         the same                 the same
#   string, read again           a, b, c         b, c, NULL, d, e         c, NULL
# (to expect: the slice.) Who sends slices copies such a column first: `vectorFromArray([...column], new Utf8)`. The views came with
# arrow-js' pull request 320; no report of this was found.
#
# Needs Node.js with npm, and Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pyarrow==26.0.1 >&2
npm install --silent --no-fund --no-audit apache-arrow@21.2.0 >&2
venv/bin/python - <<'PYTHON'
import pyarrow as pa

values = pa.array(["a", "b", "c", None, "d", "e"])
kinds = {"string_view": pa.string_view(), "binary_view": pa.binary_view(), "string": pa.string()}
for name, kind in kinds.items():
    table = pa.table({"x": values.cast(pa.binary() if name == "binary_view" else kind).cast(kind)})
    with pa.ipc.new_stream(f"{name}.arrows", table.schema) as writer:
        writer.write_table(table)
PYTHON
cat > seen.mjs <<'JS'
import { readFileSync } from "node:fs";
import { tableFromIPC, tableToIPC } from "apache-arrow";

const text = (value) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : value);
const values = (table) => [...table.getChild("x")].map(text).join(" ");
for (const kind of ["string_view", "binary_view", "string"]) {
  const table = tableFromIPC(readFileSync(`${kind}.arrows`));
  for (const [begin, end] of [[0, 3], [1, 6], [2, 4]]) {
    const slice = table.slice(begin, end);
    const written = tableToIPC(slice, "stream");
    let read;
    try {
      read = values(tableFromIPC(written));
    } catch (error) {
      read = error.message;
    }
    console.log(`${kind} ${begin} ${end}: ${values(slice)} => ${read}`);
  }
}
JS
node seen.mjs | tee seen
diff seen - <<'SEEN'
string_view 0 3: a b c => a b c
string_view 1 6: b c  d e => BinaryView data buffer is too short: expected 16 bytes, got 0
string_view 2 4: c  => BinaryView data buffer is too short: expected 16 bytes, got 0
binary_view 0 3: a b c => a b c
binary_view 1 6: b c  d e => BinaryView data buffer is too short: expected 16 bytes, got 0
binary_view 2 4: c  => BinaryView data buffer is too short: expected 16 bytes, got 0
string 0 3: a b c => a b c
string 1 6: b c  d e => b c  d e
string 2 4: c  => c 
SEEN
