#!/usr/bin/env bash
# pylance 14.0.2: an `update` of two columns, one of which is computed from the other, answers one thing or another from call to call.
#
# SQL computes all new values from the old row, whichever way they are written down. Lance sets one column after the other in the batch,
# and the next expression reads what has been set; which is the next is the order of a hash map with a seed of its own, and not
# that of the dict. So a swap makes both columns equal, and "add the delta, and set it to 0" now and then adds 0. The count of updated
# rows is right, there is no error, and a test may pass for a long time. Seen, of a = 1, b = 3 and of total = 100, delta = 5, each
# 64 times:
#   update                                         Lance                              DuckDB
#   {"a": "b", "b": "a"}                           3, 3 or 1, 1                       3, 1
#   {"total": "total + delta", "delta": "0"}       105, 0 or 100, 0                   105, 0
#   the same dict the other way round              105, 0 or 100, 0                   105, 0
#   a projection of "total + delta" and "0"        105, 0
#   merge_insert of that projection                105, 0
# (to expect: DuckDB's.) Who updates a column that another expression reads computes both in a projection, and merges that by a key;
# or makes two updates, in an order that is right. The documentation of `update` says nothing of it, and no report was found among
# Lance's public issues.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 pyarrow==26.0.1 duckdb==2.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from collections import Counter
from pathlib import Path

import duckdb
import lance
import pyarrow as pa

TIMES = 64
print("pylance", lance.__version__, "duckdb", duckdb.__version__)


def in_lance(row: dict[str, int], expressions: dict[str, str]) -> Counter:
    """How often each outcome came, each in a table that was written anew."""
    outcomes = Counter()
    for _ in range(TIMES):
        dataset = lance.write_dataset(pa.Table.from_pylist([row]), str(Path(sys.argv[1], "t.lance")), mode="overwrite")
        assert dataset.update(expressions)["num_rows_updated"] == 1
        [found] = dataset.to_table().to_pylist()
        outcomes[tuple(found.values())] += 1
    print(f"{expressions}:", dict(outcomes))
    return outcomes


def in_duckdb(row: dict[str, int], expressions: dict[str, str]) -> tuple[int, ...]:
    database, source = duckdb.connect(), pa.Table.from_pylist([row])
    database.execute("CREATE TABLE t AS FROM source")
    database.execute("UPDATE t SET " + ", ".join(f"{name} = {expression}" for name, expression in expressions.items()))
    return database.execute("FROM t").fetchone()


pair, swap = {"a": 1, "b": 3}, {"a": "b", "b": "a"}
assert in_duckdb(pair, swap) == (3, 1)
assert set(in_lance(pair, swap)) == {(3, 3), (1, 1)}, "the old row is read now"
account, booked = {"total": 100, "delta": 5}, {"total": "total + delta", "delta": "0"}
for expressions in (booked, dict(reversed(booked.items()))):
    assert in_duckdb(account, expressions) == (105, 0)
    assert set(in_lance(account, expressions)) == {(105, 0), (100, 0)}, "the order is fixed now"
dataset = lance.write_dataset(pa.Table.from_pylist([{"k": 1, **account}]), str(Path(sys.argv[1], "merged.lance")))
projection = dataset.to_table(columns={"k": "k", **booked})
assert projection.to_pylist() == [{"k": 1, "total": 105, "delta": 0}]
dataset.merge_insert("k").when_matched_update_all().execute(projection)
assert dataset.to_table().to_pylist() == [{"k": 1, "total": 105, "delta": 0}]
PYTHON
