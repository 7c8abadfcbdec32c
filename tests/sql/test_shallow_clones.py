"""Tables that another tool made as shallow clones: their files, and those of their indexes, are another table's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from engine import errors
from engine.storage.stored_indexes import stored_indexes
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import ask, change, explain

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]
Kit = tuple[SqlRuntime, str]

ROWS = 300
BY_ID = "SELECT id FROM clone WHERE id IN (3, 271) ORDER BY id"
NEAR = "SELECT id FROM vector_search(clone, v, [1, 0, 2, 1], k := 8, metric := 'l2') ORDER BY _distance, id"
TEXTS = "SELECT count(*) FROM text_search(clone, 'fox', body, k := 400)"


@pytest.fixture
def kit(runtime_name: str, make_runtime: Make, tmp_path: Path) -> Kit:
    """A runtime with the table `clone`, whose files lie with a table elsewhere, and the folder of `clone`."""
    runtime, tables = make_runtime(runtime_name, "lance")
    numbers = np.random.default_rng(1).normal(size=(ROWS, 4)).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), 4)
    bodies = [f"{'fox' if i % 2 else 'dog'} {i}" for i in range(ROWS)]
    data = pa.table({"id": range(ROWS), "v": vectors, "body": bodies})
    beneath = lance.write_dataset(data, str(tmp_path / "beneath.lance"), max_rows_per_file=100)
    beneath.create_scalar_index("id", "BTREE", name="ki")
    beneath.create_index("v", "IVF_FLAT", name="vi", num_partitions=1)
    beneath.create_scalar_index("body", "INVERTED", name="ti", with_position=True)
    (folder,) = tables.storage.directories()
    path = f"{folder}/clone.lance"
    shutil.rmtree(path, ignore_errors=True)  # the other test's
    beneath.shallow_clone(path, beneath.version)
    return runtime, path


def require_indexed(runtime: SqlRuntime) -> None:
    """The indexes are asked, and find what there is."""
    assert ask(runtime, BY_ID) == [(3,), (271,)]
    assert "index=ki (BTREE of id)" in explain(runtime, BY_ID)
    assert "index vi (IVF_FLAT" in explain(runtime, NEAR)
    assert len(ask(runtime, NEAR)) == 8
    assert ask(runtime, TEXTS) == [(150,)]
    assert ask(runtime, TEXTS.replace("'fox'", "'\"fox 271\"'")) == [(1,)]


def test_a_clone_that_is_optimised(kit: Kit) -> None:
    runtime, path = kit
    require_indexed(runtime)
    change(runtime, "OPTIMIZE clone")
    assert len(lance.dataset(path).get_fragments()) == 1
    require_indexed(runtime)
    assert sorted(index.name for index in lance.dataset(path).describe_indices()) == ["ki", "ti", "vi"]
    change(runtime, "UPDATE clone SET body = 'hen' WHERE id = 4")
    change(runtime, "OPTIMIZE clone")
    require_indexed(runtime)
    assert lance.dataset(path).count_rows("id IN (3, 271)") == 2


def test_an_index_of_vectors_that_is_lost_is_built_with_its_options(kit: Kit) -> None:
    """Those that Lance keeps in the files of an index, too."""
    runtime, path = kit
    options = {"metric": "cosine", "num_partitions": 3, "sample_rate": 64, "max_iters": 9}
    asked = ", ".join(f"{option} = {value}" for option, value in options.items())
    change(runtime, "CREATE OR REPLACE TABLE own AS FROM clone")
    change(runtime, f"CREATE INDEX oi ON own USING IVF_FLAT (v) WITH ({asked})")
    shutil.rmtree(path)
    own = lance.dataset(path.replace("clone.lance", "own.lance"))
    own.shallow_clone(path, own.version).optimize.compact_files()
    assert [index.options for index in stored_indexes(lance.dataset(path))] == [options]
    change(runtime, "OPTIMIZE clone")
    assert [index.options for index in stored_indexes(lance.dataset(path))] == [options]
    assert lance.dataset(path).stats.index_stats("oi")["indices"][0]["num_partitions"] == 3


def test_a_clone_that_another_tool_compacted(kit: Kit) -> None:
    """Lance looks for the indexes that it wrote then with the table beneath, where they are not."""
    runtime, path = kit
    lance.dataset(path).optimize.compact_files()
    assert ask(runtime, BY_ID) == [(3,), (271,)]
    assert "index=" not in explain(runtime, BY_ID)
    assert "every row, exact" in explain(runtime, NEAR)
    assert len(ask(runtime, NEAR)) == 8
    with pytest.raises(errors.UnsupportedError, match=r"are behind: .*OPTIMIZE main.clone"):
        ask(runtime, TEXTS)
    change(runtime, "UPDATE clone SET body = 'hen' WHERE id = 4")
    change(runtime, "DELETE FROM clone WHERE id = 6")
    assert ask(runtime, "SELECT body FROM clone WHERE id BETWEEN 4 AND 6 ORDER BY id") == [("hen",), ("fox 5",)]
    change(runtime, "OPTIMIZE clone")
    require_indexed(runtime)
