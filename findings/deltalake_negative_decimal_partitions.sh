#!/usr/bin/env bash
# deltalake 1.6.6: an append of one negative amount to a table partitioned by a decimal raises after it was committed, and from then on
# nobody can open the table.
#
# Partition values are text in the log. The digits behind the point are made of a remainder that has a sign of its own, so -1.50 is
# written as "-1.-50", in the log and as the name of a folder; of -0.05 it is "0.-5". The commit is there before the text
# is read again, and reading it fails: in that call, and in each later one of the whole table, also of other partitions and other
# writers. Positive amounts, whole negative ones, and columns that are no partition are well. Seen, of DECIMAL(10, 2), a table with
# 1.50, and an append of -1.50:
#   write_deltalake                     : DeltaError: Kernel error: Failed to parse value '-1.-50' as 'decimal(10,2)'
#   versions in the log                 : 0, 1               (to expect: 0, or a table with both rows)
#   DeltaTable, its restore, an append  : the same DeltaError
#   DeltaTable(version=0)               : 1.50
#   without that one file of the log    : 1.50
#   an append of -2.00                  : 1.50, -2.00
#   not partitioned, -1.50              : 1.50, -1.50
# Who has negative amounts does not partition by them; who did removes that commit's file from `_delta_log` while nobody writes.
# Of ClickHouse's writer the same error is known (its issue 120521); of delta-rs no report was found.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from decimal import Decimal
from pathlib import Path

import deltalake
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

print("deltalake", deltalake.__version__)
TOLD = "Failed to parse value '-1.-50' as 'decimal(10,2)'"


def row(amount: str) -> pa.Table:
    return pa.table({"amount": pa.array([Decimal(amount)], pa.decimal128(10, 2)), "i": [1]})


def amounts(place: str, version: int | None = None) -> list[str]:
    found = DeltaTable(place, version=version).to_pyarrow_table()["amount"].to_pylist()
    return sorted(map(str, found), reverse=True)


def refused(what: str, call) -> None:
    try:
        call()
    except DeltaError as error:
        print(f"{what}: {error}")
        assert TOLD in str(error)
    else:
        raise AssertionError(f"{what} passes now")


def table(name: str, keys: list[str]) -> str:
    place = str(Path(sys.argv[1], name))
    write_deltalake(place, row("1.50"), partition_by=keys)
    return place


plain = table("plain", [])
write_deltalake(plain, row("-1.50"), mode="append")
assert amounts(plain) == ["1.50", "-1.50"]
whole = table("whole", ["amount"])
write_deltalake(whole, row("-2.00"), mode="append")
assert amounts(whole) == ["1.50", "-2.00"]

place = table("t", ["amount"])
refused("append", lambda: write_deltalake(place, row("-1.50"), mode="append"))
commits = sorted(Path(place, "_delta_log").glob("*.json"))
print("commits:", [commit.name for commit in commits], "folders:", sorted(child.name for child in Path(place).glob("amount*")))
assert len(commits) == 2, "it is refused before the commit now"
refused("open", lambda: DeltaTable(place))
refused("restore", lambda: DeltaTable(place).restore(0))
refused("append of 3.00", lambda: write_deltalake(place, row("3.00"), mode="append"))
assert amounts(place, version=0) == ["1.50"]
commits[-1].unlink()
assert amounts(place) == ["1.50"]
PYTHON
