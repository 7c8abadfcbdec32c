#!/usr/bin/env bash
# pylance 14.0.2: `compact_files` over fragments of pandas' categoricals commits a version that nobody can read.
#
# pandas gives a column of few categories keys of 8 bits, which tell 128 values apart. Each file has a dictionary of its own, so
# each append passes and is read well. A compaction joins the dictionaries; where they do not fit the keys, it writes wider ones
# beneath a schema with 8 bits, reports success and commits. From then on every read of the column fails, by filters too;
# `count_rows`, `validate` and the other columns do not. It also happens where the values would fit, as some of those that
# several files have are taken twice. `write_dataset` of the same parts as chunks of one table does the same. Seen:
#   parts                               values    format 2.1 and 2.2 (the default)       format 2.0
#   100 values and 100 others           200       "corrupt file dictionary" when read    compaction refused, nothing lost
#   63 values, 63 others, 62 as before  126       "corrupt file dictionary" when read    compaction refused, nothing lost
#   63 values, 63 others                126       readable                               readable
#   100 values, the same 100            100       readable                               readable
# (to expect: as in 2.0, or fragments that are not joined.) `restore` of the version before brings all back, until
# `cleanup_old_versions` removes it. Who has categories casts them to strings, or to a dictionary with keys of 32 bits.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 pyarrow==26.0.1 pandas==3.1.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import tempfile

import lance
import pandas as pd
import pyarrow as pa

Parts = list[list[str]]
WIDE = pa.schema([("id", pa.int64()), ("c", pa.dictionary(pa.int32(), pa.string()))])


def values(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{i}" for i in range(count)]


OTHERS = [values("a", 100), values("b", 100)]
AGAIN = [values("a", 63), values("b", 63), values("a", 62)]
FITTING = AGAIN[:2]
SAME = [values("a", 100), values("a", 100)]


def tables(parts: Parts) -> list[pa.Table]:
    frames = [pd.DataFrame({"id": range(len(part)), "c": pd.Categorical(part)}) for part in parts]
    return [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames]


def read(dataset: lance.LanceDataset, parts: Parts) -> str:
    assert dataset.count_rows() == dataset.to_table(["id"]).num_rows == sum(map(len, parts))
    dataset.validate()
    try:
        rows = dataset.to_table(["c"])["c"].to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        return "corrupt file dictionary" if "corrupt file dictionary" in str(error) else str(error)
    assert rows == [value for part in parts for value in part]
    return "readable"


def compact(parts: Parts, version: str | None, schema: pa.Schema | None = None) -> str:
    path = tempfile.mkdtemp(dir=sys.argv[1])
    for table in tables(parts):
        assert table.schema.field("c").type.index_type == pa.int8()
        table = table.cast(schema) if schema else table
        dataset = lance.write_dataset(table, path, mode="append", data_storage_version=version)
    before = dataset.version
    assert read(dataset, parts) == "readable"
    try:
        assert dataset.optimize.compact_files().fragments_removed == len(parts)
        assert lance.dataset(path).version > before
        seen = read(lance.dataset(path), parts)
    except OSError as error:
        assert "uses 8 bits" in str(error) and lance.dataset(path).version == before
        seen = "refused"
    old = lance.dataset(path, version=before)
    old.restore()
    assert read(lance.dataset(path), parts) == "readable"
    print(f"{'+'.join(str(len(part)) for part in parts):9} {len(set(sum(parts, [])))} values, {version}: {seen}")
    return seen


print("pylance", lance.__version__, "pyarrow", pa.__version__, "pandas", pd.__version__)
for version in (None, "2.1", "2.2"):
    assert compact(OTHERS, version) == "corrupt file dictionary", "it is refused or readable now"
    assert compact(AGAIN, version) == "corrupt file dictionary", "it is refused or readable now"
    assert compact(FITTING, version) == compact(SAME, version) == "readable"
    assert compact(OTHERS, version, WIDE) == "readable"
assert compact(OTHERS, "2.0") == compact(AGAIN, "2.0") == "refused"
assert compact(FITTING, "2.0") == compact(SAME, "2.0") == "readable"
whole = lance.write_dataset(pa.concat_tables(tables(OTHERS)), tempfile.mkdtemp(dir=sys.argv[1]), mode="append")
assert read(whole, OTHERS) == "corrupt file dictionary", "it is refused or readable now"
PYTHON
