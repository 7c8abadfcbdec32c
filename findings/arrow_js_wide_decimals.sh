#!/usr/bin/env bash
# apache-arrow 21.2.0 (JavaScript): a decimal of 256 bits is told as 0, and a negative one of 64 bits as 18446744073709551466.
#
# Values of the decimal types are words of 32 bits with a `toString` of their own. It is right for four words, decimal128, and for one.
# Of eight words each number is 0, of either sign; two words are taken for a number without one. The words themselves are whole, also
# after a round through IPC. `String(value)`, templates, `JSON.stringify` and whatever prints a row use it. Seen, of 1.50 and -1.50:
#   decimal32(9, 2)      : 150, -150       (to expect: this; the scale is the reader's to apply, as Arrow's issue 35745 says)
#   decimal64(18, 2)     : 150, 18446744073709551466
#   decimal128(38, 2)    : 150, -150
#   decimal256(76, 2)    : 0, -0
# Who reads them puts the number together from the words (below), or casts to decimal128 before they are sent. Arrow's pull
# request 35067 mended negative decimal128; no report of these two was found.
#
# Needs Node.js with npm, and Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pyarrow==26.0.1 >&2
npm init -y > log && npm install --silent --no-audit --no-fund apache-arrow@21.2.0 >> log 2>&1 || { cat log; exit 1; }
venv/bin/python - <<'PYTHON'
from decimal import Decimal

import pyarrow as pa

kinds = pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(38, 2), pa.decimal256(76, 2)
values = [Decimal("1.50"), Decimal("-1.50")]
table = pa.table({str(kind): pa.array(values, kind) for kind in kinds})
table.validate(full=True)
with pa.ipc.new_stream("t.arrows", table.schema) as writer:
    writer.write_table(table)
PYTHON
cat > seen.mjs <<'JS'
import { readFileSync } from 'node:fs'
import { tableFromIPC } from 'apache-arrow'

const table = tableFromIPC(readFileSync('t.arrows'))
const whole = (words) => {
  const digits = words.reduceRight((sum, word) => (sum << 32n) + BigInt(word), 0n)
  return BigInt.asIntN(32 * words.length, digits)
}
for (const { name } of table.schema.fields) {
  const values = [...table.getChild(name)]
  console.log(`${name}: ${values.join(' ')}, of its words: ${values.map((words) => whole([...words])).join(' ')}`)
}
JS
node seen.mjs | tee seen
diff seen - <<'SEEN'
decimal32(9, 2): 150 -150, of its words: 150 -150
decimal64(18, 2): 150 18446744073709551466, of its words: 150 -150
decimal128(38, 2): 150 -150, of its words: 150 -150
decimal256(76, 2): 0 -0, of its words: 150 -150
SEEN
