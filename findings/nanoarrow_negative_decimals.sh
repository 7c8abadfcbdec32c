#!/usr/bin/env bash
# nanoarrow 0.9.0 (Python): negative decimals become large positive ones, without an error.
#
# `to_pylist`, `iter_py` and `iter_tuples` take the 16 or 32 bytes of a decimal for a number without a sign, and round what
# comes to the digits of the type; so -1.50 is neither negative nor near. Positive ones and NULL are right, and the buffers and what
# is handed on by the C interface are whole. So a Flight stream that nanoarrow reads has other amounts than pyarrow reads. Seen:
#                          pyarrow             nanoarrow
#   decimal128(10, 2)      1.50, -1.50         1.50, 3.402823669E+36
#   decimal128(38, 2)      1.50, -1.50         1.50, 3402823669209384634633746074317682113.1
#   decimal256(76, 2)      1.50, -1.50         1.50, 1157920892... of 76 digits
# (to expect: -1.50.) Who needs them hands the array to pyarrow: `pyarrow.array(array)`. No report of it was found among nanoarrow's
# public issues; the conversion was added in its pull request 425, whose examples are positive.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check nanoarrow==0.9.0 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import nanoarrow
import pyarrow
from nanoarrow.iterator import iter_py, iter_tuples

print("nanoarrow", nanoarrow.__version__)
VALUES = [Decimal("1.50"), None, Decimal("-1.50")]
for kind in (pyarrow.decimal128(10, 2), pyarrow.decimal128(38, 2), pyarrow.decimal256(76, 2)):
    source = pyarrow.array(VALUES, kind)
    array = nanoarrow.Array(source)
    rows = array.to_pylist()
    print(kind, source.to_pylist(), rows)
    assert source.to_pylist() == VALUES
    assert pyarrow.array(array).to_pylist() == VALUES
    assert rows[:2] == VALUES[:2]
    assert rows[2] > 10**30, "-1.50 is negative now"
    assert list(iter_py(source)) == rows
    assert [row for (row,) in iter_tuples(pyarrow.record_batch({"x": source}))] == rows
PYTHON
