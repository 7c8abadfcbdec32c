#!/usr/bin/env bash
# duckdb 2.0.1: in a VARIANT every whole number and decimal is less than every double, so 100 is less than 9.5.
#
# Numbers in a VARIANT compare by kinds: integers and decimals are one, float and double the next. JSON's numbers become the one
# without a point or an exponent, and the other with it; so a column in which a few prices have cents is sorted in two runs, and `>`
# with a whole number, which becomes a VARIANT, too, finds all doubles. `=`, GROUP BY and joins hold 10 and 10.0 apart, though
# decimals and integers are equal. No error. Cast to DOUBLE they compare as numbers. Seen, of {"a": 100}, 9.5, 20 and 10.0:
#   ORDER BY v.a                           : 20, 100, 9.5, 10.0     (to expect: 9.5, 10.0, 20, 100)
#   v.a > 50, v.a > 50::VARIANT            : 100, 9.5, 10.0          (to expect: 100)
#   max(v.a)                               : 10.0                   (to expect: 100)
#   10::VARIANT = 10.0::DOUBLE::VARIANT    : false                  (to expect: true)
#   10::VARIANT = 10.0::DECIMAL::VARIANT   : true
#   ORDER BY v.a::DOUBLE                   : 9.5, 10.0, 20, 100
# Who compares numbers of a VARIANT casts them: `v.a::DOUBLE`. DuckDB's pull request 23307 made the kinds, and
# tells of them.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.1 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

print("duckdb", duckdb.__version__)
duckdb.sql("CREATE TABLE t AS SELECT unnest(['{\"a\": 100}', '{\"a\": 9.5}', '{\"a\": 20}', '{\"a\": 10.0}'])::JSON::VARIANT AS v")


def ask(query: str) -> list[str]:
    values = [value for (value,) in duckdb.sql(query).fetchall()]
    print(f"{query:75}:", *values)
    return values


assert ask("SELECT variant_typeof(v.a) FROM t") == ["UINT64", "DOUBLE", "UINT64", "DOUBLE"]
assert ask("SELECT v.a::VARCHAR FROM t ORDER BY v.a") == ["20", "100", "9.5", "10.0"], "numbers compare as such now"
assert ask("SELECT v.a::VARCHAR FROM t WHERE v.a > 50::VARIANT") == ["100", "9.5", "10.0"], "numbers compare as such now"
assert ask("SELECT v.a::VARCHAR FROM t WHERE v.a > 50") == ["100", "9.5", "10.0"], "numbers compare as such now"
assert ask("SELECT max(v.a)::VARCHAR FROM t") == ["10.0"], "numbers compare as such now"
assert ask("SELECT 10::VARIANT = 10.0::DOUBLE::VARIANT") == [False], "numbers compare as such now"
assert ask("SELECT 10::VARIANT = 10.0::DECIMAL(3, 1)::VARIANT") == [True]
assert ask("SELECT count(*) FROM t x JOIN (SELECT 10::VARIANT AS a) y ON x.v.a = y.a") == [0], "numbers compare as such now"
assert ask("SELECT v.a::VARCHAR FROM t ORDER BY v.a::DOUBLE") == ["9.5", "10.0", "20", "100"]
PYTHON
