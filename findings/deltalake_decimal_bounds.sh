#!/usr/bin/env bash
# deltalake 1.6.6: filters on decimals lose rows, for the bounds that it writes are those of doubles and of 64-bit integers.
#
# The statistics in the log hold a decimal as a JSON number made of a double, or, without a scale, of an int64 that ends at
# 9223372036854775807. So from 16 digits on a file's bounds may lie beside its values, and whoever skips files by them skips that
# file: QueryBuilder, `to_pyarrow_dataset`, polars, and `delete`, which then deletes nothing. The data are right, and a plain
# SELECT gives them. Where the double is written with an exponent it cannot be read as a decimal: there are no bounds then, and
# the dataset's fragment promises that x is NULL or nothing. Seen, of tables with one row, asked for x = that value:
#                                                            bounds                 QueryBuilder  dataset  polars  deleted
#   DECIMAL(18, 4) 12345678901234.5678                       12345678901234.5680         0           0        0       0
#   DECIMAL(18, 18) 0.123456789012345678                     0.123456789012345680        0           0        0       0
#   DECIMAL(20, 0) 12345678901234567890                      9223372036854775807         0           0        0       0
#   DECIMAL(20, 2) 123456789012345678.91                     NULL                        1           0        1       1
#   DECIMAL(15, 2) 1234567890123.45                          1234567890123.45            1           1        1       1
# (to expect: 1 everywhere.) Who has such decimals filters after reading, or keeps 15 digits.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1 polars==2.1.0 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from decimal import Decimal
from pathlib import Path

import deltalake
import polars
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, QueryBuilder, write_deltalake

print("deltalake", deltalake.__version__, "polars", polars.__version__)


def asked(precision: int, scale: int, text: str) -> tuple[str, int, int, int, int]:
    path = str(Path(sys.argv[1], f"d{precision}_{scale}"))
    value = pa.scalar(Decimal(text), pa.decimal128(precision, scale))
    write_deltalake(path, pa.table({"x": pa.array([value.as_py()], value.type)}))
    table = DeltaTable(path)
    bound = pa.table(table.get_add_actions(flatten=True))["max.x"][0].as_py()
    condition = f"x = CAST('{text}' AS DECIMAL({precision}, {scale}))"
    assert pa.table(QueryBuilder().register("t", table).execute("SELECT x FROM t").read_all())["x"].to_pylist() == [Decimal(text)]
    built = pa.table(QueryBuilder().register("t", table).execute(f"SELECT x FROM t WHERE {condition}").read_all()).num_rows
    dataset = table.to_pyarrow_dataset().to_table(filter=pc.field("x") == value).num_rows
    literal = polars.lit(Decimal(text), dtype=polars.Decimal(precision, scale))
    scanned = polars.scan_delta(path).filter(polars.col("x") == literal).collect().height
    deleted = table.delete(condition)["num_deleted_rows"]
    print(f"DECIMAL({precision}, {scale}) {text}: bound {bound},", built, dataset, scanned, deleted)
    return str(bound), built, dataset, scanned, deleted


assert asked(18, 4, "12345678901234.5678") == ("12345678901234.5680", 0, 0, 0, 0), "the row is found now"
assert asked(18, 18, "0.123456789012345678") == ("0.123456789012345680", 0, 0, 0, 0), "the row is found now"
assert asked(20, 0, "12345678901234567890") == ("9223372036854775807", 0, 0, 0, 0), "the row is found now"
assert asked(20, 2, "123456789012345678.91") == ("None", 1, 0, 1, 1), "the row is found now"
assert asked(15, 2, "1234567890123.45") == ("1234567890123.45", 1, 1, 1, 1)
PYTHON
