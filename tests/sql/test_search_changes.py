"""What searches find, and EXPLAIN tells of their indexes, after each kind of change to their table."""

from __future__ import annotations

import re
from collections.abc import Callable

import lance
import numpy as np
import pyarrow as pa
import pytest

from engine import errors
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import ask, change, explain

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]

ROWS = 300
VECTORS = "vector_search(changed, v, [1, 0, 2, 1], k := 8, metric := 'l2'{})"
TEXTS = "text_search(changed, 'fox', body, k := 400{})"
ADDED = "SELECT i AS id, [i % 3, i / 5000, 2, i % 5]::FLOAT[4], 'late fox ' || i FROM range(1000, 1040) r(i)"

# A statement, the rows that the indexes of vectors and of texts do not have after it, and how many match 'fox'.
CHANGES = [
    ("DELETE FROM changed WHERE id < 20", 0, 0, 140),
    (f"INSERT INTO changed {ADDED}", 40, 40, 180),
    ("DELETE FROM changed WHERE id BETWEEN 1000 AND 1009", 30, 30, 170),
    ("UPDATE changed SET body = 'red hen' WHERE id BETWEEN 20 AND 29", 40, 40, 165),
    ("UPDATE changed SET v = [1, 0, 2, 1] WHERE id = 100", 41, 41, 165),
    ("MERGE INTO changed USING (SELECT 101 AS id) s USING (id) WHEN MATCHED THEN DELETE", 41, 41, 164),
    ("OPTIMIZE changed", 0, 0, 164),
    ("UPDATE changed SET v = [1, 0, 2, 1], body = 'fox' WHERE id IN (200, 201)", 2, 2, 165),
]


@pytest.fixture
def runtime(runtime_name: str, make_runtime: Make) -> SqlRuntime:
    """A runtime with the table `changed`: vectors in an index of one part, and texts, of which half have a fox."""
    runtime, tables = make_runtime(runtime_name, "lance")
    numbers = np.random.default_rng(1).normal(size=(ROWS, 4)).astype(np.float32)
    bodies = [f"{'fox' if i % 2 else 'dog'} {i}" for i in range(ROWS)]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), 4)
    tables.put("changed", pa.table({"id": pa.array(range(ROWS)), "v": vectors, "body": bodies}))
    change(runtime, "CREATE INDEX vi ON changed USING IVF_FLAT (v) WITH (num_partitions = 1)")
    change(runtime, "CREATE INDEX ti ON changed USING FTS (body)")
    return runtime


def not_in_index(runtime: SqlRuntime, search: str) -> int:
    told = explain(runtime, f"SELECT id FROM {search.format('')}")
    found = re.search(r"; (\d+) rows not in it are searched one by one", told)
    assert "index vi (IVF_FLAT, approximate" in told or "index ti (Inverted, exact" in told
    return int(found[1]) if found else 0


def test_rows_that_no_index_has(runtime: SqlRuntime) -> None:
    for statement, vectors, texts, foxes in CHANGES:
        change(runtime, statement)
        assert (statement, not_in_index(runtime, VECTORS), not_in_index(runtime, TEXTS)) == (statement, vectors, texts)
        near = f"SELECT id FROM {VECTORS} ORDER BY _distance, id"
        assert ask(runtime, near.format("")) == ask(runtime, near.format(", use_index := false")), statement
        wanted = ask(runtime, "SELECT id FROM changed WHERE body LIKE '%fox%' ORDER BY id")
        assert ask(runtime, f"SELECT id FROM {TEXTS.format('')} ORDER BY id") == wanted, statement
        assert len(wanted) == foxes
        if texts:
            with pytest.raises(errors.UnsupportedError, match=rf"does not have {texts} rows .*OPTIMIZE"):
                ask(runtime, f"SELECT id FROM {TEXTS.format('').replace('fox', 'fux~1')}")
        else:
            assert ask(runtime, f"SELECT id FROM {TEXTS.format('').replace('fox', 'fux~1')} ORDER BY id") == wanted
    left = ask(runtime, f"SELECT count(*) FROM {TEXTS.format(', indexed_only := true')}")
    assert left == [(163,)]
    change(runtime, "DROP INDEX vi ON changed")
    assert "every row, exact" in explain(runtime, f"SELECT id FROM {VECTORS.format('')}")


def test_indexes_that_another_tool_left_behind(runtime_name: str, make_runtime: Make, runtime: SqlRuntime) -> None:
    """After a compaction that leaves the remapping for later, the next one makes indexes of Lance's that lack rows."""
    (folder,) = make_runtime(runtime_name, "lance")[1].storage.directories()
    path = f"{folder}/changed.lance"
    lance.write_dataset(lance.dataset(path).to_table(), path, mode="overwrite", max_rows_per_file=100)
    for index in ("ki ON changed (id)", "vi ON changed USING IVF_FLAT (v)", "ti ON changed USING FTS (body)"):
        change(runtime, f"CREATE INDEX {index}")
    lance.dataset(path).optimize.compact_files(defer_index_remap=True)
    lance.dataset(path).delete("id = 3")
    lance.dataset(path).optimize.compact_files(materialize_deletions_threshold=0.0)
    by_id = "SELECT id FROM changed WHERE id IN (271, 280, 299) ORDER BY id"
    near = f"SELECT id FROM {VECTORS.format('')}"
    texts = f"SELECT id FROM {TEXTS.format('')}"
    assert ask(runtime, by_id) == [(271,), (280,), (299,)]
    assert "index=" not in explain(runtime, by_id)
    assert "every row, exact" in explain(runtime, near)
    with pytest.raises(errors.UnsupportedError, match=r"are behind: .*OPTIMIZE main.changed"):
        ask(runtime, texts)
    with pytest.raises(errors.UnknownIndexError):
        change(runtime, "DROP INDEX __lance_frag_reuse ON changed")
    change(runtime, "OPTIMIZE changed")
    assert ask(runtime, by_id) == [(271,), (280,), (299,)]
    assert "index=ki (BTREE of id)" in explain(runtime, by_id)
    assert "index vi (IVF_FLAT" in explain(runtime, near)
    assert len(ask(runtime, texts)) == 149
    dataset = lance.dataset(path)
    assert sorted(index.name for index in dataset.describe_indices()) == ["ki", "ti", "vi"]
    assert dataset.count_rows("id > 270") == 29
