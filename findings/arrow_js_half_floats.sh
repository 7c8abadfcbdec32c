#!/usr/bin/env bash
# apache-arrow 21.2.0 (JavaScript): what is too large or too small for a half float becomes another number in a Float16 column.
#
# Half floats end at 65504, and begin at 6e-8. The conversion does not look whether the exponent fits: from 65536 on a whole number
# runs into the bits beside it, and far below the beginning the shifts of bits come round again. So 65536 is 2, 1e-10 is 5.3e-5, and
# the 1e-8 that stands in many a vector is minus infinity, as are all distances to that vector then, or NaN; no error. The wrong
# number lies in the buffer, so all other readers have it too. Seen, written by `vectorFromArray` and read again from IPC:
#   1.5, 65504, 6e-8     : 1.5, 65504, 5.96e-8
#   65536, 70000, 1e6    : 2, 2.134765625, 3.814453125     (to expect: Infinity, as numpy has it)
#   1e-8, 7e-9           : -Infinity                       (to expect: 0)
#   1e-9, 1e-10, 1e-12   : 4.2e-5, 5.3e-5, 2.3e-5          (to expect: 0)
# So are nearly all numbers below 1e-9, and the whole ones from 65536 to 999999. Who writes embeddings takes Float32, or rounds to
# 0 below 6e-8 and keeps to 65504 himself. No report of it was found among Arrow's public issues.
#
# Needs Node.js with npm. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > log && npm install --silent --no-audit --no-fund apache-arrow@21.2.0 >> log 2>&1 || { cat log; exit 1; }
cat > seen.mjs <<'JS'
import { Float16, Table, tableFromIPC, tableToIPC, vectorFromArray } from 'apache-arrow'

const stored = (numbers) => {
  const table = new Table({ x: vectorFromArray(numbers, new Float16()) })
  return [...tableFromIPC(tableToIPC(table)).getChild('x')]
}

for (const number of [1.5, 65504, 6e-8, 65536, 70000, 1e6, Infinity, 1e-8, 7e-9, 1e-9, 1e-10, 1e-12, 0]) {
  console.log(`${number}: ${stored([number])[0]}`)
}
const whole = Array.from({ length: 1000 }, (_, i) => 65536 + 934 * i)
console.log(`infinite of 1000 whole numbers, 65536 to 998602: ${stored(whole).filter((x) => x === Infinity).length}`)
const small = Array.from({ length: 1000 }, (_, i) => (i + 1) * 1e-12)
console.log(`zeros of 1000 numbers, 1e-12 to 1e-9: ${stored(small).filter((x) => x === 0).length}`)
JS
node seen.mjs | tee seen
diff seen - <<'SEEN'
1.5: 1.5
65504: 65504
6e-8: 5.960464477539063e-8
65536: 2
70000: 2.134765625
1000000: 3.814453125
Infinity: Infinity
1e-8: -Infinity
7e-9: -Infinity
1e-9: 0.000041961669921875
1e-10: 0.00005316734313964844
1e-12: 0.000022530555725097656
0: 0
infinite of 1000 whole numbers, 65536 to 998602: 0
zeros of 1000 numbers, 1e-12 to 1e-9: 13
SEEN
