#!/usr/bin/env bash
# pylance 14.0.2: making a ZONEMAP index takes rows out of the answers: NaN, and what LIKE finds in a dictionary.
#
# In a filter NaN is greater than every number, as in DuckDB, so `f > 5` finds it. A zone that holds nothing but NaN, and NULL, has
# no bounds, and a range skips it. Of a column of dictionary strings a prefix skips all zones. No error; `count_rows` agrees with the
# scan, and a BTREE on the same floats finds all. Seen, of fragments with 9.0 and NaN, and with 'ab' and 'cd':
#                            without an index    ZONEMAP    use_scalar_index=False
#   f > 5                           2               1                 2
#   NOT (f < 5)                     2               1                 2
#   f > 5, BTREE                    2               2                 2
#   isnan(f)                        1               1                 1
#   s LIKE 'a%', dictionary         1               0                 1
#   s LIKE 'a%', string             1               1                 1
# (to expect: the same in each row.) Who has NaN, or dictionaries, takes a BTREE, or none.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 duckdb==2.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import lance
import pyarrow as pa

print("pylance", lance.__version__)
FLOATS = pa.array([9.0, float("nan")])
TEXTS = pa.array(["ab", "cd"])


def counts(condition: str, column: str, values: pa.Array, index: str = "ZONEMAP") -> tuple[int, int, int]:
    table = pa.table({column: values})
    dataset = lance.write_dataset(table, str(Path(sys.argv[1], "t.lance")), mode="overwrite", max_rows_per_file=1)
    without = dataset.count_rows(condition)
    assert without == len(duckdb.sql(f"SELECT * FROM \"table\" WHERE {condition}").fetchall())
    dataset.create_scalar_index(column, index)
    indexed = dataset.to_table(filter=condition).num_rows
    assert indexed == dataset.count_rows(condition)
    unused = dataset.scanner(filter=condition, use_scalar_index=False).to_table().num_rows
    print(f"{condition:13} {index:8} {str(values.type)[:10]:10}: {without} {indexed} {unused}")
    return without, indexed, unused


assert counts("f > 5", "f", FLOATS) == (2, 1, 2), "NaN is found now"
assert counts("NOT (f < 5)", "f", FLOATS) == (2, 1, 2), "NaN is found now"
assert counts("f > 5", "f", FLOATS, "BTREE") == (2, 2, 2)
assert counts("isnan(f)", "f", FLOATS) == (1, 1, 1)
assert counts("s LIKE 'a%'", "s", TEXTS.dictionary_encode()) == (1, 0, 1), "the text is found now"
assert counts("s LIKE 'a%'", "s", TEXTS) == (1, 1, 1)
PYTHON
