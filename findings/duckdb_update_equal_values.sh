#!/usr/bin/env bash
# DuckDB 2.0.1: an UPDATE to a value that compares equal to the old one is counted, and not written: '1 month' stays where '30 days' is set.
#
# Since release 1.4 an UPDATE skips the values that it leaves unchanged (pull request 18144 of DuckDB's), and takes for unchanged what is
# equal by SQL's comparison. Of most types equal values are the same. Intervals compare by their length, a month as 30 days and a day as
# 24 hours, but are other things to a calendar: 31 January + 1 month is in February, + 30 days in March. The UPDATE answers 1
# changed row, and RETURNING shows the new value; what is read afterwards is the old one. A zero keeps its sign in the same way. NULL in
# between is no help: what lay there before it comes back. Seen:
#   column               old, set to          UPDATE, MERGE, ON CONFLICT    NULL, then UPDATE   0 or 1, then UPDATE   DELETE and INSERT
#   INTERVAL             1 month, 30 days     1 month                       1 month             30 days               30 days
#   INTERVAL             1 day, 24:00:00      1 day                         1 day               24:00:00              24:00:00
#   DOUBLE               0.0, -0.0            0.0                           0.0                 -0.0                  -0.0
#   STRUCT(i INTERVAL)   1 month, 30 days     1 month                       1 month             30 days               30 days
# (to expect: the last column.) Who has to have just that value updates to quite another one first, or deletes and inserts.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.1 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

WAYS = {
    "UPDATE": ["UPDATE t SET v = {new}"],
    "ON CONFLICT DO UPDATE": ["INSERT INTO t VALUES (1, {new}) ON CONFLICT (k) DO UPDATE SET v = excluded.v"],
    "MERGE": ["MERGE INTO t USING (SELECT 1 AS k, {new} AS v) s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v"],
    "DELETE and INSERT": ["DELETE FROM t", "INSERT INTO t VALUES (1, {new})"],
    "NULL, then UPDATE": ["UPDATE t SET v = NULL", "UPDATE t SET v = {new}"],
    "0, then UPDATE": ["UPDATE t SET v = {zero}", "UPDATE t SET v = {new}"],
}
VALUES = [
    ("INTERVAL", "INTERVAL '1 month'", "INTERVAL '30 days'", "INTERVAL '0 days'"),
    ("INTERVAL", "INTERVAL '1 day'", "INTERVAL '24 hours'", "INTERVAL '0 days'"),
    ("DOUBLE", "'0.0'::DOUBLE", "'-0.0'::DOUBLE", "1"),
    ("STRUCT(i INTERVAL)", "{'i': INTERVAL '1 month'}", "{'i': INTERVAL '30 days'}", "{'i': INTERVAL '0 days'}"),
]
SKIP = ("UPDATE", "ON CONFLICT DO UPDATE", "MERGE", "NULL, then UPDATE")
print("duckdb", duckdb.__version__)
for kind, old, new, zero in VALUES:
    before, wanted = duckdb.connect().execute(f"SELECT {old}::VARCHAR, {new}::VARCHAR").fetchone()
    found = {}
    for way, statements in WAYS.items():
        database = duckdb.connect()
        database.execute(f"CREATE TABLE t (k INTEGER PRIMARY KEY, v {kind})")
        database.execute(f"INSERT INTO t VALUES (1, {old})")
        for statement in statements:
            (changed,) = database.execute(statement.format(new=new, zero=zero)).fetchone()
            assert changed == 1
        (found[way],) = database.execute("SELECT v::VARCHAR FROM t").fetchone()
    print(f"{kind}: {before}, set to {wanted}:", found)
    for way, value in found.items():
        assert value == (before if way in SKIP else wanted), f"{way} writes values that compare equal now"
database = duckdb.connect()
database.execute("CREATE TABLE t AS SELECT INTERVAL '1 month' AS v")
told = database.execute("UPDATE t SET v = INTERVAL '30 days' RETURNING v::VARCHAR").fetchall()
(day,) = database.execute("SELECT DATE '2025-01-31' + v FROM t").fetchone()
print("RETURNING", told, "and 2025-01-31 + v is", day.date())
assert told == [("30 days",)]
assert str(day.date()) == "2025-02-28"
PYTHON
