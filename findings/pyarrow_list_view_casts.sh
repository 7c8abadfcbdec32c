#!/usr/bin/env bash
# pyarrow 26.0.1: a cast of list views to lists raises nothing and gives an array that is not valid, or another value.
#
# The cast takes the offsets of the views for those of lists, which are one more, and never looks at the sizes. To lists of the
# same width the result is always invalid, slice or not; to large lists the end of the last row is whatever follows, 0
# in a fresh buffer: [[7]] becomes [[]], which is valid and wrong. A table that is cast to a schema looks at its columns, and
# so refuses what is not valid; arrays do not, and both let [[]] pass. Who asks for list views (DuckDB's
# arrow_output_list_view, arrow-rs) and then casts to what others read meets it.
# What helps: `validate()` after such a cast, or a way around it: the flattened values, and offsets of the lengths. Seen:
#
#   list_view to list              [[1], [2, 3], [], [4]]   Offsets buffer size (bytes): 16 isn't large enough
#   list_view to large_list        [[7]]                    valid: [[]]
#   large_list_view to large_list  [[1], [2, 3], [], [4]]   Offsets buffer size (bytes): 32 isn't large enough
#
# Public: apache/arrow, issue 50994 and pull request 50976 say that list views go through the kernel of lists.
#
# Needs Python with pip. Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1 >&2
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
import pyarrow.compute as pc

print("pyarrow", pa.__version__)
SHORT, LONG = pa.list_(pa.int64()), pa.large_list(pa.int64())
SHORT_VIEW, LONG_VIEW = pa.list_view(pa.int64()), pa.large_list_view(pa.int64())


def told(array):
    """The values of an array that is valid; else what is wrong with it, which keeps others from looking at it."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        return str(error)
    return f"valid: {array.to_pylist()}"


for rows, views, lists, expected in (
    ([[1], [2, 3], [], [4]], SHORT_VIEW, SHORT, "Offsets buffer size (bytes): 16 isn't large enough"),
    ([[7]], SHORT_VIEW, LONG, "valid: [[]]"),
    ([[1], [2, 3], [], [4]], LONG_VIEW, LONG, "Offsets buffer size (bytes): 32 isn't large enough"),
):
    array = pa.array(rows, views)
    array.validate(full=True)
    print(f"{views} to {lists}, {rows}: {told(array.cast(lists))}")
    assert told(array.cast(lists)).startswith(expected)

table = pa.table({"x": pa.array([[7]], SHORT_VIEW)}).cast(pa.schema({"x": LONG}))
print("a table that is cast:", table.to_pydict())
assert table.to_pydict() == {"x": [[]]}

# A way around it, also for slices.
views = pa.array([[1], [2, 3], None, [4]], SHORT_VIEW).slice(1)
ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(views), 0))
offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
lists = pa.ListArray.from_arrays(offsets, pc.list_flatten(views), mask=views.is_null())
lists.validate(full=True)
print("by hand:", lists.to_pylist())
assert lists.to_pylist() == views.to_pylist()
PYTHON
