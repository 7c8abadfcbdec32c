#!/usr/bin/env bash
# pylance 14.0.2: a column of type `arrow.json` does not give back the numbers that were written, and refuses objects that
# name a key twice.
#
# Lance parses such texts when they are written, keeps integers of 64 bits and doubles, and prints the parsed value again when they
# are read. So longer integers and decimals lose digits, a number beyond a double becomes null, and -0 is 0; no error. Arrow's type
# is text, and pyarrow's own files give back what they were given. RFC 8259 allows all of these texts. Seen, written and read:
#   {"id": 12345678901234567890123}  : {"id":1.2345678901234568e+22}
#   {"n": 9007199254740993.0}        : {"n":9007199254740992.0}
#   {"n": 1.10}                      : {"n":1.1}
#   {"n": 1e400}                     : {"n":null}
#   -0                               : 0
#   {"a": 1, "a": 2}                 : OSError, duplicate object attribute
# (to expect: the text, or a value that is equal.) Who needs the numbers keeps them as text: `utf8`, or JSON strings.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.parquet as pq

print("pylance", lance.__version__)


def kept(text: str) -> str:
    table = pa.table({"j": pa.array([text], pa.json_())})
    pq.write_table(table, Path(sys.argv[1], "t.parquet"))
    assert pq.read_table(Path(sys.argv[1], "t.parquet"))["j"].to_pylist() == [text]
    try:
        dataset = lance.write_dataset(table, str(Path(sys.argv[1], "t.lance")), mode="overwrite")
    except OSError as error:
        print(f"{text:32}: {str(error)[:100]}")
        return "refused" if "duplicate object attribute" in str(error) else str(error)
    read = dataset.to_table()
    assert read.schema == table.schema
    print(f"{text:32}: {read['j'][0].as_py()}")
    return read["j"][0].as_py()


assert kept('{"id": 12345678901234567890123}') == '{"id":1.2345678901234568e+22}', "the number is kept now"
assert kept('{"n": 9007199254740993.0}') == '{"n":9007199254740992.0}', "the number is kept now"
assert kept('{"n": 1.10}') == '{"n":1.1}', "the text is kept now"
assert kept('{"n": 1e400}') == '{"n":null}', "the number is no null now"
assert kept("-0") == "0", "the sign is kept now"
assert kept('{"a": 1, "a": 2}') == "refused", "keys may be there twice now"
assert kept('{"n": 18446744073709551615}') == '{"n":18446744073709551615}'
PYTHON
