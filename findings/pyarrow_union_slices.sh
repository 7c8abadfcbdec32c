#!/usr/bin/env bash
# pyarrow 26.0.1: `type_codes` and `offsets` of a slice of a UnionArray forget where the slice begins.
#
# They have the slice's length, and the values of the beginning of the whole array, so they do not belong to the values
# that `to_pylist()` and `field()` of the same slice give. Seen:
#   whole : [1, 'b', 3, 'd'] codes [0, 1, 0, 1]
#   slice : ['b', 3, 'd'] codes [0, 1, 0]        (to expect: [1, 0, 1])
# Who rebuilds a union from its parts reads the buffers from `array.offset` on instead.
#
# Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa

whole = pa.UnionArray.from_sparse(
    pa.array([0, 1, 0, 1], pa.int8()), [pa.array([1, 2, 3, 4]), pa.array(["a", "b", "c", "d"])]
)
part = whole.slice(1)
whole.validate(full=True)
part.validate(full=True)
print("pyarrow", pa.__version__)
print("whole :", whole.to_pylist(), "codes", whole.type_codes.to_pylist())
print("slice :", part.to_pylist(), "codes", part.type_codes.to_pylist())
assert part.to_pylist() == ["b", 3, "d"]
assert part.type_codes.to_pylist() == [0, 1, 0], "the codes are those of the slice now"

dense = pa.UnionArray.from_dense(
    pa.array([1, 0, 1], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1]), pa.array(["a", "b"])]
)
part = dense.slice(2)
print("dense :", part.to_pylist(), "codes", part.type_codes.to_pylist(), "offsets", part.offsets.to_pylist())
assert part.to_pylist() == ["b"]
assert part.offsets.to_pylist() == [0], "the offsets are those of the slice now"
PYTHON
