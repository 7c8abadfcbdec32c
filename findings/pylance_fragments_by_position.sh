#!/usr/bin/env bash
# pylance 14.0.2: `write_fragments` and `LanceOperation.Overwrite` pair columns by position: workers with another order of them swap them.
#
# That is Lance's way to write from many workers: each writes fragments, one commits them with a schema. A fragment's columns get ids by
# their place, 0, 1, 2, and names count no more, also where `schema=` is given to `write_fragments`, and in the fields of structs. The
# commit compares neither names nor types. So a worker whose table has the columns in another order, or one more, or less, puts its
# values under other names, and whole numbers in a column of doubles are read as the bits of doubles. Filters, counts and a compaction
# go by the wrong names, `validate` is content; no error. `write_dataset` and `write_fragments(mode="append")`
# go by names. Seen, of two fragments, committed with the schema of both, or else that of the first:
#   fragments                                    rows
#   first Ada, last Lee; last Nye, first Cy      Ada Lee; first Nye, last Cy       (to expect: first Cy, last Nye, or an error)
#   the same, with schema=                       Ada Lee; first Nye, last Cy
#   first Ada, last Lee; first Di, mail d@x      Ada Lee; first Di, last d@x       (to expect: mail d@x)
#   {a: 1, b: -1}; {b: -2, a: 2}                 {a: 1, b: -1}; {a: -2, b: 2}      (to expect: {a: 2, b: -2})
#   int64 1; double 2.5, as double               5e-324; 2.5                       (to expect: 1.0; 2.5, or an error)
#   first Ada, last Lee; appended as above       Ada Lee; first Cy, last Nye
# The sinks of lance-ray 0.5.0, and of `Dataset.write_lance` in ray 2.60.0 with pylance 4.0.2, commit what their tasks wrote in this way,
# and swap as well where tasks have tables like these. Who commits fragments selects the same columns, cast to the same
# types, in each worker. Lance's issue 7700 tells the like of `LanceOperation.Merge`, and 2549 of types that differ
# from `schema=`; of this no report was found.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 pyarrow==26.0.1 >&2
LANCE_LOG=error "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from itertools import count
from pathlib import Path

import lance
import pyarrow as pa
from lance.fragment import write_fragments

print("pylance", lance.__version__)
numbers = count()


def path() -> str:
    return str(Path(sys.argv[1], f"{next(numbers)}.lance"))


def committed(schema: pa.Schema, /, *tables: pa.Table, **options: pa.Schema) -> list[dict]:
    """The rows of a dataset of fragments, each of which was written by itself."""
    uri = path()
    fragments = [fragment for table in tables for fragment in write_fragments(table, uri, **options)]
    dataset = lance.LanceDataset.commit(uri, lance.LanceOperation.Overwrite(schema, fragments))
    dataset.validate()
    print(rows := dataset.to_table().to_pylist())
    return rows


one = pa.table({"first": ["Ada"], "last": ["Lee"]})
turned = pa.table({"last": ["Nye"], "first": ["Cy"]})
other = pa.table({"first": ["Di"], "mail": ["d@x"]})
swapped = [{"first": "Ada", "last": "Lee"}, {"first": "Nye", "last": "Cy"}]
assert committed(one.schema, one, turned) == swapped, "names count now"
assert committed(one.schema, one, turned, schema=one.schema) == swapped, "names count now"
[_, moved] = committed(pa.unify_schemas([one.schema, other.schema]), one, other)
assert moved == {"first": "Di", "last": "d@x", "mail": None}, "names count now"
structs = pa.table({"s": [{"a": 1, "b": -1}]}), pa.table({"s": [{"b": -2, "a": 2}]})
assert committed(structs[0].schema, *structs)[1] == {"s": {"a": -2, "b": 2}}, "names of fields count now"
whole, broken = pa.table({"x": [1]}), pa.table({"x": [2.5]})
assert committed(broken.schema, whole, broken) == [{"x": 5e-324}, {"x": 2.5}], "types are compared now"

uri = path()
dataset = lance.write_dataset(one, uri)
append = lance.LanceOperation.Append(write_fragments(turned, uri, mode="append"))
dataset = lance.LanceDataset.commit(uri, append, read_version=dataset.version)
print("appended:", rows := dataset.to_table().to_pylist())
assert rows == [{"first": "Ada", "last": "Lee"}, {"first": "Cy", "last": "Nye"}]
PYTHON
