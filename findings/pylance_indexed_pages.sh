#!/usr/bin/env bash
# pylance 14.0.2: pages of a filtered scan (`limit`, `offset`) that an index answers repeat rows and leave others out, while the
# same scan without `limit` has all rows in order.
#
# The index does not know a fragment of which a column was written anew, as `merge_insert` of some columns does in place. With a
# limit the rows that the index finds come first and those of such a fragment last; where the rows of the index fill a page
# by themselves, the others are left out of the counting. Nothing but that: no row is added between the pages, and
# `scan_in_order=True` (the default) is given. Seen, of 40 rows in 4 fragments, of the first of which one value was changed:
#   without a limit         : 0 .. 39 in order
#   4 pages of 10           : 10 .. 39, and 30 .. 39 once more; 0 .. 9 never          (to expect: 0 .. 39)
#   use_scalar_index=False, and order_by, and after optimize_indices : each row once
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import lance
import pyarrow as pa
from lance.dataset import ColumnOrdering

path = str(Path(sys.argv[1], "t.lance"))
data = pa.table({"id": range(40), "price": [1] * 40, "name": ["x"] * 40})
dataset = lance.write_dataset(data, path, max_rows_per_file=10)
dataset.create_scalar_index("price", "BTREE")
merge = dataset.merge_insert("id").when_matched_update_all().write_mode("rewrite_columns")
merge.execute(pa.table({"id": [3], "price": [2]}))


def scan(**options) -> list[int]:
    return lance.dataset(path).to_table(["id"], filter="price > 0", **options)["id"].to_pylist()


def pages(title: str, **options) -> list[int]:
    seen = [number for offset in range(0, 40, 10) for number in scan(limit=10, offset=offset, **options)]
    print(f"{title:16}: rows {len(seen)}, different ones {len(set(seen))}, first {seen[0]}, last {seen[-1]}")
    return seen


print("pylance", lance.__version__)
whole = list(range(40))
assert scan() == whole == scan(scan_in_order=True)
for options in ({}, {"scan_in_order": True}):
    assert pages("by the index", **options) == [*range(10, 40), *range(30, 40)], "the pages are those of the scan now"
assert pages("without it", use_scalar_index=False) == whole
assert pages("with an order", order_by=[ColumnOrdering("id")]) == whole
dataset = lance.dataset(path)
dataset.optimize.optimize_indices()
assert pages("after optimising") == whole
PYTHON
