"""ALTER COLUMN writes what it changes and nothing else: other columns keep their files, and their indexes answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from engine.errors import ConflictError, InvalidValueError, SchemaMismatchError, TypeMismatchError
from engine.storage import DirectoryStorage
from engine.storage.lance_care import LanceCare
from engine.storage.protocol import WriteMode
from local_runtime import LocalRuntime
from tests.engine.storage.reading import MAIN_T

ROWS = [{"k": i, "v": i * 10, "s": f"row {i}", "n": {"a": i, "b": None}} for i in range(12)]
SCHEMA = pa.schema(
    [
        pa.field("k", pa.int64()),
        pa.field("v", pa.int32(), metadata={b"grism.default": b"7"}),
        pa.field("s", pa.string()),
        pa.field("n", pa.struct([pa.field("a", pa.int32()), pa.field("b", pa.string())])),
    ]
)
LEFT = [row for row in ROWS if row["k"] not in (1, 4, 5, 6, 7)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table of three fragments, one of which has a deleted row and one none that is left; with two indexes."""
    path = tmp_path / "t.lance"
    dataset = lance.write_dataset(pa.Table.from_pylist(ROWS, SCHEMA), str(path), max_rows_per_file=4)
    dataset.create_scalar_index("k", "BTREE")
    dataset.create_scalar_index("v", "BTREE")
    dataset.delete("k IN (1, 4, 5, 6, 7)")
    return path


@pytest.fixture
def sql(path: Path) -> Iterator[Callable[[str], list[dict[str, object]]]]:
    """Runs a statement; gives its rows."""
    with LocalRuntime(DirectoryStorage(path.parent), threads=1) as runtime:
        yield lambda text: runtime.sql(text).read_all().to_pylist()


def files(path: Path) -> set[str]:
    return {file.name for file in (path / "data").iterdir()}


def indexes(path: Path) -> list[str]:
    return sorted(index.name for index in lance.dataset(str(path)).describe_indices())


@pytest.mark.parametrize(
    ("change", "column", "kind", "value"),
    [
        ("ALTER v TYPE BIGINT", "v", pa.int64(), lambda row: row["v"]),
        ("ALTER v TYPE VARCHAR USING s || v", "v", pa.string(), lambda row: f"{row['s']}{row['v']}"),
        ("ALTER v TYPE INTEGER USING NULLIF(v, 30)", "v", pa.int32(), lambda row: row["v"] if row["v"] != 30 else None),
        ("ALTER V TYPE BIGINT[] USING [v, k]", "v", pa.list_(pa.int64()), lambda row: [row["v"], row["k"]]),
        ("ALTER n TYPE STRUCT(a BIGINT, b VARCHAR)", "n", None, lambda row: row["n"]),
    ],
)
def test_a_cast_writes_one_column(sql, path, change, column, kind, value):
    kept = ["k_idx", "v_idx"] if kind is None or not pa.types.is_nested(kind) else ["k_idx"]
    if "v_idx" not in kept:
        with pytest.raises(SchemaMismatchError, match=r'"v_idx" of the kind BTREE.* DROP INDEX first'):
            sql(f"ALTER TABLE t {change}")
        sql("DROP INDEX v_idx ON t")
    before, known = files(path), lance.dataset(str(path)).get_fragments()
    assert sql(f"EXPLAIN ALTER TABLE t {change}")[0]["plan"] == "Cast a column of main.t"
    sql(f"ALTER TABLE t {change}")
    dataset = lance.dataset(str(path))
    assert dataset.schema.names == SCHEMA.names
    assert kind is None or dataset.schema.field(column).type == kind
    assert dataset.schema.field("v").metadata == {b"grism.default": b"7"}
    assert sql("SELECT * FROM t") == [row | {column: value(row)} for row in LEFT]
    assert sql("SELECT s FROM t WHERE k = 9") == [{"s": "row 9"}]
    assert len(files(path) - before) == len(known)
    assert before <= files(path)
    assert indexes(path) == kept
    sql("INSERT INTO t (k, v) VALUES (100, NULL)")
    sql("UPDATE t SET s = 'more' WHERE k > 8")
    dataset = lance.dataset(str(path))
    dataset.optimize.compact_files()
    assert sql("SELECT count(*) AS n FROM t WHERE s = 'more'") == [{"n": 4}]
    dataset.validate()


@pytest.mark.parametrize("change", ["TYPE TINYINT USING v + 100", "TYPE DATE", "TYPE INTEGER USING k // (v - 30)"])
def test_a_cast_that_fails_changes_nothing(sql, path, change):
    before, version = files(path), lance.dataset(str(path)).version
    with pytest.raises((InvalidValueError, TypeMismatchError)):
        sql(f"ALTER TABLE t ALTER v {change}")
    assert (files(path), lance.dataset(str(path)).version) == (before, version)
    assert indexes(path) == ["k_idx", "v_idx"]


def test_null_is_refused_and_allowed_without_a_file(sql, path):
    before = files(path)
    for change in ("SET NOT NULL", "SET NOT NULL", "DROP NOT NULL", "SET NOT NULL"):
        sql(f"ALTER TABLE t ALTER v {change}")
        field = lance.dataset(str(path)).schema.field("v")
        assert field.nullable == (change == "DROP NOT NULL")
        assert field.metadata[b"grism.default"] == b"7"
    with pytest.raises(InvalidValueError, match=r'Column "v" of table .* takes no NULLs'):
        sql("INSERT INTO t (k, v) VALUES (1, NULL)")
    assert files(path) == before
    sql("ALTER TABLE t ALTER v TYPE BIGINT")
    with pytest.raises(InvalidValueError, match=r'Column "v" of table .* takes no NULLs'):
        sql("INSERT INTO t (k, v) VALUES (1, NULL)")
    sql("ALTER TABLE t ALTER v DROP NOT NULL")
    sql("INSERT INTO t (k, v) VALUES (1, NULL)")
    with pytest.raises(InvalidValueError, match=r'Column "v" of table .* takes no NULLs; the data has some'):
        sql("ALTER TABLE t ALTER v SET NOT NULL")
    sql("ALTER TABLE t ALTER n TYPE VARCHAR")  # what is not null is told of no other column
    assert lance.dataset(str(path)).schema.field("v").nullable


def test_casts_again_and_again(sql, path):
    for kind, value in (("BIGINT", 110), ("VARCHAR", "110"), ("INTEGER", 110)):
        sql(f"ALTER TABLE t ALTER v TYPE {kind}")
        dataset = lance.dataset(str(path))
        dataset.validate()
        assert {len(fragment.metadata.files) for fragment in dataset.get_fragments()} == {2}
        assert sql("SELECT v FROM t WHERE k = 11") == [{"v": value}]
    sql("UPDATE t SET v = 1")
    sql("ALTER TABLE t DROP COLUMN v")
    lance.dataset(str(path)).validate()
    assert sql("SELECT * FROM t") == [{"k": row["k"], "s": row["s"], "n": row["n"]} for row in LEFT]


def test_a_new_column_with_a_value_writes_it_and_nothing_else(sql, path):
    before, known = files(path), lance.dataset(str(path)).get_fragments()
    sql("ALTER TABLE t ADD COLUMN more VARCHAR DEFAULT 'x' || 1")
    assert len(files(path) - before) == len(known)
    assert sql("SELECT * FROM t") == [row | {"more": "x1"} for row in LEFT]
    assert indexes(path) == ["k_idx", "v_idx"]


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ("ALTER v TYPE BIGINT", False),
        ("ADD COLUMN more INTEGER DEFAULT 1", False),
        ("ALTER v SET NOT NULL", False),
        ("ADD COLUMN more INTEGER", True),
        ("DROP COLUMN s", True),
        ("RENAME COLUMN s TO text", True),
        ("ALTER v SET DEFAULT 8", True),
    ],
)
def test_rows_that_were_on_their_way_while_columns_changed(sql, path, change, fits):
    def batches() -> Iterator[pa.RecordBatch]:
        yield from pa.Table.from_pylist([{"k": 50, "v": 500, "s": "late", "n": None}], SCHEMA).to_batches()
        sql(f"ALTER TABLE t {change}")

    data = pa.RecordBatchReader.from_batches(SCHEMA, batches())
    storage = DirectoryStorage(path.parent)
    if fits:
        storage.write(MAIN_T, data, WriteMode.APPEND)
    else:
        with pytest.raises(ConflictError):
            storage.write(MAIN_T, data, WriteMode.APPEND)
    assert sql("SELECT k, v FROM t WHERE k >= 11") == [{"k": 11, "v": 110}, *([{"k": 50, "v": 500}] if fits else [])]


def test_a_cast_begins_again_where_somebody_was_faster(sql, path, monkeypatch):
    from engine.storage import lance_casts

    operation, calls = lance_casts.ColumnCast.operation, []

    def interrupted(cast):
        found = operation(cast)
        calls.append(1)
        if len(calls) == 1:
            lance.dataset(str(path)).delete("k = 0")
        return found

    monkeypatch.setattr(lance_casts.ColumnCast, "operation", interrupted)
    sql("ALTER TABLE t ALTER v TYPE BIGINT")
    assert len(calls) == 2
    assert sql("SELECT k, v FROM t") == [{"k": row["k"], "v": row["v"]} for row in LEFT if row["k"]]


@pytest.mark.parametrize(("column", "index"), [("v", "v_idx"), ("n", "texts")])
def test_a_column_goes_while_rows_are_taken_into_its_index(sql, path, monkeypatch, column, index):
    sql("CREATE INDEX texts ON t USING FTS (n.b)")
    sql("INSERT INTO t (k, v, n) VALUES (20, 200, {'a': 1, 'b': 'new'})")
    update, updated = LanceCare._update, []

    def overtaken(care, dataset, names):
        if not updated:
            assert index in names
            sql(f"ALTER TABLE t DROP COLUMN {column}")
        updated.append(names)
        update(care, dataset, names)

    monkeypatch.setattr(LanceCare, "_update", overtaken)
    sql("OPTIMIZE t")
    assert len(updated) == 2, "it begins again"
    assert indexes(path) == sorted({"k_idx", "texts", "v_idx"} - {index})
    assert sql("SELECT k FROM t WHERE k = 20") == [{"k": 20}]
    sql("DELETE FROM t WHERE k = 20")
    assert sql("SELECT count(*) AS n FROM t") == [{"n": len(LEFT)}]
