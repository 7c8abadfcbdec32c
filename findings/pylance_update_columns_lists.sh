#!/usr/bin/env bash
# pylance 14.0.2: `LanceFragment.update_columns` of a column of lists leaves its indexes with the old values, and filters by
# them answer with wrong rows.
#
# It returns the ids of the fields that it changed, for the commit to take the fragment out of the indexes on these. Of a list it
# names the field of the items alone, and an index on the list is on the list's own field: the fragment stays in the index. No
# error comes, and `optimize_indices` changes nothing. A column of strings is named itself. Seen
# where rows with 'fox' become 'hen', after a commit as the documentation of `update_columns` has it, of 4 rows:
#                                       index        finds 'fox'    finds 'hen'
#   array_has(tags, ...)                LABEL_LIST   2              0              (to expect: 0 and 2)
#     use_scalar_index=False            LABEL_LIST   0              2
#   full_text_query                     INVERTED     2              0              (to expect: 0 and 2)
#   tag = ..., a column of strings      BITMAP       0              2
# `merge_insert` of the same rows, also with "rewrite_columns", is right. Who uses `update_columns` adds the ids of the lists to
# `fields_modified` himself, and then all are right.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pylance==14.0.2 pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import tempfile

import lance
import pyarrow as pa

LISTS = [["fox"], ["fox", "owl"], ["owl"], ["cat"]]
STRINGS = ["fox", "fox", "owl", "cat"]


def by_fragment(dataset: lance.LanceDataset, new: pa.Table, also: tuple[str, ...] = ()) -> None:
    metadata, fields = dataset.get_fragment(0).update_columns(new, left_on="id")
    print("  fields_modified", fields, "of", {field.name(): field.id() for field in dataset.lance_schema.fields()})
    fields = [*fields, *(field.id() for field in dataset.lance_schema.fields() if field.name() in also)]
    change = lance.LanceOperation.Update(updated_fragments=[metadata], fields_modified=fields)
    lance.LanceDataset.commit(dataset.uri, change, read_version=dataset.version)


def by_merge(dataset: lance.LanceDataset, new: pa.Table) -> None:
    dataset.merge_insert("id").when_matched_update_all().write_mode("rewrite_columns").execute(new)


def found(index: str, update=by_fragment, use: bool = True, **options) -> tuple[int, int]:
    plain = index == "BITMAP"
    old, new = (STRINGS, ["hen", "hen"]) if plain else (LISTS, [["hen"], ["hen"]])
    data = pa.table({"id": range(4), "tags": old, "wide": ["x"] * 4})
    dataset = lance.write_dataset(data, tempfile.mkdtemp(dir=sys.argv[1]), mode="append")
    dataset.create_scalar_index("tags", index)
    update(dataset, pa.table({"id": [0, 1], "tags": new}), **options)

    def count(word: str) -> int:
        newest = lance.dataset(dataset.uri)
        if index == "INVERTED":
            return newest.to_table(full_text_query=word).num_rows
        condition = f"tags = '{word}'" if plain else f"array_has(tags, '{word}')"
        return newest.to_table(filter=condition, use_scalar_index=use).num_rows

    seen = count("fox"), count("hen")
    print(f"{index}, {update.__name__} {options}, index used {use}: fox {seen[0]}, hen {seen[1]}")
    lance.dataset(dataset.uri).optimize.optimize_indices()
    assert (count("fox"), count("hen")) == seen
    return seen


print("pylance", lance.__version__, "pyarrow", pa.__version__)
assert found("LABEL_LIST") == (2, 0), "the index has the new values now"
assert found("INVERTED") == (2, 0), "the index has the new values now"
assert found("LABEL_LIST", use=False) == (0, 2)
assert found("BITMAP") == (0, 2)
for index in ("LABEL_LIST", "INVERTED"):
    assert found(index, by_merge) == found(index, also=("tags",)) == (0, 2)
PYTHON
