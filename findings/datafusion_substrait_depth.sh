#!/usr/bin/env bash
# datafusion 55.0.0 (Python): of a query with 40 conditions in one AND it writes a Substrait plan that it cannot read.
#
# `Serde.serialize_bytes` nests the conditions to the left, three messages for each; `Serde.deserialize_bytes` reads 100
# in each other. Seen: with 20 conditions the plan is read again; with 40 it is
#   Failed to decode plan: failed to decode Protobuf message: ... recursion limit reached
# Any reader of protobuf messages with that usual limit refuses such a plan. An IN list is not nested.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datafusion==55.0.0 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import datafusion
from datafusion.substrait import Serde

context = datafusion.SessionContext()
context.from_pydict({"x": [1, 2, 3]}, name="t")


def reads_again(conditions: int) -> bool:
    text = "SELECT x FROM t WHERE " + " AND ".join(f"x <> {i}" for i in range(conditions))
    plan = Serde.serialize_bytes(text, context)
    try:
        Serde.deserialize_bytes(plan)
    except Exception as error:
        print(f"{conditions} conditions, {len(plan)} bytes: {str(error)[-60:]}")
        return False
    print(f"{conditions} conditions, {len(plan)} bytes: read")
    return True


print("datafusion", datafusion.__version__)
assert reads_again(20)
assert not reads_again(40)
PYTHON
