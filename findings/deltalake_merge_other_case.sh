#!/usr/bin/env bash
# deltalake 1.6.6: a `merge` whose source spells a column in another case, or lacks it, counts rows as updated that keep their values,
# and inserts NULL for the values that came.
#
# `when_matched_update_all` and `when_not_matched_insert_all` pair columns by the exact name, and leave out what has no partner
# on either side. Delta's names do not differ by case: an append of the same source is refused, with the columns named, and so
# is the merge with `merge_schema=True`. The predicate can name both spellings, so that rows do match. The numbers that come back are
# those of a merge that went well. Seen, of a table with K = 1, V = 1, and sources with the keys 1, 2 and the values 7, 8:
#   columns of the source     told                       the table afterwards
#   K, V                      1 updated, 1 inserted      1, 7; 2, 8
#   K, v                      1 updated, 1 inserted      1, 1; 2, NULL             (to expect: as above, or an error)
#   k, v                      1 updated, 1 inserted      1, 1; NULL, NULL
#   K                         1 updated, 1 inserted      1, 1; 2, NULL
#   K, v, appended            "Field v not found in schema"
#   K, v, merge_schema=True   "Duplicate field name (case-insensitive): 'v'"
# Who merges what others send compares the names first, or names each column: `when_matched_update({"V": "s.v"})`. No report of
# it was found; delta-rs' issues 1797 and 1960, long closed, are about errors for names in upper case.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import tempfile

import deltalake
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

print("deltalake", deltalake.__version__)
Rows = list[tuple[int | None, ...]]


def table() -> DeltaTable:
    place = tempfile.mkdtemp(dir=sys.argv[1])
    write_deltalake(place, pa.table({"K": [1], "V": [1]}))
    return DeltaTable(place)


def rows(kept: DeltaTable) -> Rows:
    found = DeltaTable(kept.table_uri).to_pyarrow_table().select(["K", "V"]).to_pylist()
    return sorted((tuple(row.values()) for row in found), key=str)


def merged(*names: str, **how: bool) -> Rows | str:
    kept, source = table(), pa.table(dict(zip(names, ([1, 2], [7, 8]))))
    merge = kept.merge(source, f"t.K = s.{names[0]}", source_alias="s", target_alias="t", **how)
    try:
        told = merge.when_matched_update_all().when_not_matched_insert_all().execute()
    except Exception as error:
        print(names, how, error)
        return str(error)
    print(names, "updated", told["num_target_rows_updated"], "inserted", told["num_target_rows_inserted"], rows(kept))
    assert told["num_target_rows_updated"] == told["num_target_rows_inserted"] == 1
    return rows(kept)


assert merged("K", "V") == [(1, 7), (2, 8)]
assert merged("K", "v") == [(1, 1), (2, None)], "the value is kept, or refused, now"
assert merged("k", "v") == [(1, 1), (None, None)], "the row is kept, or refused, now"
assert merged("K") == [(1, 1), (2, None)], "a missing column is refused now"
assert "case-insensitive" in merged("K", "v", merge_schema=True)
kept = table()
try:
    write_deltalake(kept, pa.table({"K": [2], "v": [8]}), mode="append")
except Exception as error:
    print("append:", error)
    assert "Field v not found in schema" in str(error)
else:
    raise AssertionError("the append passes now")
assert rows(kept) == [(1, 1)]
named = kept.merge(pa.table({"k": [1], "v": [7]}), "t.K = s.k", source_alias="s", target_alias="t")
named.when_matched_update({"V": "s.v"}).execute()
assert rows(kept) == [(1, 7)]
PYTHON
