"""Single rows of a Lance table are changed by their addresses: in place or moved, whole or not at all."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest

from engine.errors import (
    ConflictError,
    InvalidValueError,
    SchemaMismatchError,
    StorageError,
    UnknownTableError,
    UnsupportedError,
)
from engine.storage import DirectoryStorage, InMemoryStorage, TableHandle, WriteMode, lance_blobs, lance_changes
from engine.storage.conform import NOT_NULL
from engine.storage.protocol import ROW_ADDRESS, ROW_STAYS, AddField, DropField, NoteField, RenameField, ReplaceField
from tests.engine.storage.reading import MAIN_T, numbers, put, read_all, reader

FRAGMENT = 100


@pytest.fixture
def storage(tmp_path: Path) -> DirectoryStorage:
    return DirectoryStorage(tmp_path)


def stored(tmp_path: Path, data: pa.Table, **options: Any) -> Path:
    """A dataset as another tool writes it, in fragments of `FRAGMENT` rows."""
    path = tmp_path / "t.lance"
    lance.write_dataset(data, str(path), max_rows_per_file=FRAGMENT, **options)
    return path


def handle(storage: DirectoryStorage) -> TableHandle:
    found = storage.with_addresses(storage.snapshot().table(MAIN_T))
    assert found is not None
    return found


def addresses(storage: DirectoryStorage, table: TableHandle) -> dict[int, int]:
    """The address of each row, by its `i`."""
    return dict(read_all(storage, table, "i", ROW_ADDRESS))


def changes(rows: Mapping[int, Mapping[str, object] | None], fields: Sequence[pa.Field]) -> pa.RecordBatchReader:
    """New values by addresses; None where the row goes."""
    columns: dict[str, pa.Array] = {
        ROW_ADDRESS: pa.array(rows, pa.uint64()),
        ROW_STAYS: pa.array([values is not None for values in rows.values()], pa.bool_()),
    }
    for field in fields:
        columns[field.name] = pa.array([(values or {}).get(field.name) for values in rows.values()], field.type)
    return reader(pa.table(columns), 7)


def change(storage: DirectoryStorage, rows: Mapping[int, Mapping[str, object] | None], *names: str) -> None:
    """Change rows by their `i`."""
    table = handle(storage)
    known = addresses(storage, table)
    schema = lance.dataset(table.location[0]).schema
    storage.change(table, changes({known[i]: row for i, row in rows.items()}, [schema.field(name) for name in names]))


def now(storage: DirectoryStorage, *columns: str) -> list[tuple[Any, ...]]:
    return sorted(read_all(storage, storage.snapshot().table(MAIN_T), *(columns or ("i", "s"))))


def data_files(path: Path) -> list[list[str]]:
    """The data files of each fragment."""
    return [[file.path for file in f.metadata.files] for f in lance.dataset(str(path)).get_fragments()]


def test_few_rows_move_and_the_others_stay_where_they_are(storage: DirectoryStorage, tmp_path: Path) -> None:
    path = stored(tmp_path, numbers(0, 300))
    before = data_files(path)
    change(storage, {5: {"s": "five"}, 150: None, 250: {"s": None}}, "s")
    expected = {i: f"row {i}" for i in range(300) if i != 150} | {5: "five", 250: None}
    assert dict(read_all(storage, storage.snapshot().table(MAIN_T), "i", "s")) == expected
    assert data_files(path)[:3] == before
    assert [f.metadata.num_deletions for f in lance.dataset(str(path)).get_fragments()] == [1, 1, 1, 0]


def test_many_rows_get_a_column_and_no_other_is_written(storage: DirectoryStorage, tmp_path: Path) -> None:
    path = stored(tmp_path, numbers(0, 300))
    change(storage, {99: None, 7: None}, "s")
    before = data_files(path)
    change(storage, {i: {"s": f"new {i}"} for i in reversed(range(90)) if i != 7}, "s")
    after = data_files(path)
    assert (after[1:], after[0][:1], len(after[0])) == (before[1:], before[0], 2)
    kept = [i for i in range(300) if i not in (7, 99)]
    assert now(storage) == sorted((i, f"new {i}" if i < 90 else f"row {i}") for i in kept)
    change(storage, {i: {"s": "again"} for i in range(99) if i != 7}, "s")
    assert len(data_files(path)[0]) == 2  # the file of which no column is read any more is not named
    lance.dataset(str(path)).optimize.compact_files(target_rows_per_fragment=1000)
    assert now(storage) == sorted((i, "again" if i < 99 else f"row {i}") for i in kept)


def test_a_fragment_without_rows_goes(storage: DirectoryStorage, tmp_path: Path) -> None:
    path = stored(tmp_path, numbers(0, 300))
    change(storage, dict.fromkeys(range(100, 200)))
    assert [f.fragment_id for f in lance.dataset(str(path)).get_fragments()] == [0, 2]
    change(storage, dict.fromkeys([*range(100), *range(200, 300)]))
    assert now(storage) == []
    assert put(storage, numbers(0, 2), WriteMode.APPEND) == 2
    assert now(storage) == [(0, "row 0"), (1, "row 1")]


def test_nothing_to_do_makes_no_version(storage: DirectoryStorage, tmp_path: Path) -> None:
    path = stored(tmp_path, numbers(0, 3))
    change(storage, {}, "s")
    assert lance.dataset(str(path)).version == 1


KINDS = {
    "uuid": pa.array([b"0123456789abcdef", None], pa.uuid()),
    "date64": pa.array([86_400_000, None], pa.date64()),
    "zone": pa.array([datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), None], pa.timestamp("ms", "Europe/Berlin")),
    "half": pa.array([1.5, None], pa.float16()),
    "bytes": pa.array([b"ab", None], pa.binary(2)),
    "dictionary": pa.array(["a", None]).dictionary_encode(),
    "large": pa.array(["a", None], pa.large_string()),
    "duration": pa.array([5, None], pa.duration("ms")),
    "vector": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
    "nested": pa.array([{"a": [1, None]}, None]),
    "null": pa.nulls(2),
}


@pytest.mark.parametrize("many", [False, True])
def test_other_columns_keep_type_and_bytes(storage: DirectoryStorage, tmp_path: Path, many: bool) -> None:
    rows = 2 if many else 100
    data = pa.table({"i": range(rows), "s": ["x"] * rows})
    for name, values in KINDS.items():
        data = data.append_column(
            pa.field(name, values.type, metadata={"note": name}), pa.concat_arrays([values] * (rows // 2))
        )
    path = stored(tmp_path, data)
    before = lance.dataset(str(path)).to_table()
    change(storage, {1: {"s": "y"}}, "s")
    after = lance.dataset(str(path)).to_table().sort_by("i")
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.drop_columns(["s"]).equals(before.drop_columns(["s"]))
    assert after["s"][1].as_py() == "y"


def test_columns_with_parts_change_in_place(storage: DirectoryStorage, tmp_path: Path) -> None:
    data = pa.table({"i": range(3), "l": [[1], None, [2, 3]], "r": [{"a": "x", "b": [1]}] * 3})
    path = stored(tmp_path, data)
    change(storage, {0: {"l": [None], "r": None}, 1: {"l": [], "r": {"a": None, "b": [2]}}}, "l", "r")
    assert lance.dataset(str(path)).to_table().sort_by("i").to_pylist() == [
        {"i": 0, "l": [None], "r": None},
        {"i": 1, "l": [], "r": {"a": None, "b": [2]}},
        {"i": 2, "l": [2, 3], "r": {"a": "x", "b": [1]}},
    ]


def test_columns_with_parts_change_in_many_rows_of_several_fragments(
    storage: DirectoryStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Lance is given of each fragment are no slices, of which it would not take the parts right."""
    offsets: list[int] = []
    update = lance.LanceFragment.update_columns

    def update_columns(fragment: Any, data: pa.Table, **options: Any) -> object:
        offsets.extend(chunk.offset for column in data.columns for chunk in column.chunks)
        return update(fragment, data, **options)

    monkeypatch.setattr(lance.LanceFragment, "update_columns", update_columns)
    rows = [
        {"i": i, "l": [i] * (i % 3), "r": None if i % 7 == 0 else {"a": "x" * (i % 5), "b": [i]}} for i in range(250)
    ]
    path = stored(tmp_path, pa.Table.from_pylist(rows))
    new = {i: {"l": [-i, None], "r": {"a": None, "b": [i] * (i % 4)}} for i in range(250) if i % 50}
    change(storage, new, "l", "r")
    assert set(offsets) == {0}
    assert {len(fragment.metadata.files) for fragment in lance.dataset(str(path)).get_fragments()} == {2}
    assert lance.dataset(str(path)).to_table().to_pylist() == [row | new.get(row["i"], {}) for row in rows]


def test_what_fails_in_lance_is_told_as_what_could_not_be_written(
    storage: DirectoryStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path, numbers(0, 100))
    files = set(path.rglob("*"))

    def fail(*_: object) -> None:
        raise RuntimeError("Task was aborted")

    monkeypatch.setattr(lance_changes, "with_columns", fail)
    with pytest.raises(StorageError, match="could not be written and was left as it was"):
        change(storage, {i: {"s": "many"} for i in range(100)}, "s")
    assert set(path.rglob("*")) - files <= {path / ".writers"}


def test_stable_row_ids_stay(storage: DirectoryStorage, tmp_path: Path) -> None:
    path = stored(tmp_path, numbers(0, 250), enable_stable_row_ids=True)

    def ids() -> dict[int, int]:
        rows = lance.dataset(str(path)).scanner(columns=["i"], with_row_id=True).to_table()
        return dict(zip(rows["i"].to_pylist(), rows["_rowid"].to_pylist(), strict=True))

    before = ids()
    change(storage, {5: {"s": "five"}, 205: {"s": "x"}}, "s")
    change(storage, {6: None})
    change(storage, {7: None, 8: {"s": "eight"}}, "s")
    del before[6], before[7]
    assert ids() == before
    assert (dict(now(storage))[5], dict(now(storage))[8]) == ("five", "eight")


@pytest.mark.parametrize("kind", ["BTREE", "BITMAP"])
def test_an_index_knows_the_new_values(storage: DirectoryStorage, tmp_path: Path, kind: str) -> None:
    path = stored(tmp_path, numbers(0, 300))
    lance.dataset(str(path)).create_scalar_index("s", kind)
    change(storage, {i: {"s": "many"} for i in range(100)} | {150: {"s": "one"}, 151: None}, "s")
    dataset = lance.dataset(str(path))
    assert [index.name for index in dataset.describe_indices()] == ["s_idx"]
    for value, count in {"many": 100, "one": 1, "row 5": 0, "row 150": 0, "row 151": 0, "row 152": 1}.items():
        assert dataset.count_rows(f"s = '{value}'") == count


# ---- others write, too


def test_what_is_appended_meanwhile_stays(storage: DirectoryStorage, tmp_path: Path) -> None:
    stored(tmp_path, numbers(0, 200))
    table = handle(storage)
    put(storage, numbers(200, 201), WriteMode.APPEND)
    storage.change(table, changes({0: {"s": "zero"}, 1: None}, [pa.field("s", pa.string())]))
    assert now(storage) == sorted([(0, "zero"), *((i, f"row {i}") for i in range(2, 201))])


def test_other_fragments_may_change_meanwhile(storage: DirectoryStorage, tmp_path: Path) -> None:
    stored(tmp_path, numbers(0, 200))
    table = handle(storage)
    change(storage, {150: {"s": "other"}}, "s")
    storage.change(table, changes({0: {"s": "zero"}}, [pa.field("s", pa.string())]))
    assert (dict(now(storage))[0], dict(now(storage))[150], len(now(storage))) == ("zero", "other", 200)


def _appended(storage: DirectoryStorage) -> None:
    put(storage, numbers(200, 201), WriteMode.APPEND)


def _same_fragment(storage: DirectoryStorage) -> None:
    change(storage, {50: {"s": "other"}}, "s")


def _replaced(storage: DirectoryStorage) -> None:
    put(storage, numbers(0, 3), WriteMode.REPLACE)


def _retyped(storage: DirectoryStorage) -> None:
    lance.dataset(handle(storage).location[0]).alter_columns({"path": "i", "data_type": pa.int32()})


@pytest.mark.parametrize(
    ("other", "adds"), [(_same_fragment, False), (_replaced, False), (_retyped, False), (_appended, True)]
)
def test_what_does_not_fit_any_more_is_a_conflict(
    storage: DirectoryStorage, tmp_path: Path, other: Any, adds: bool
) -> None:
    path = stored(tmp_path, numbers(0, 200))
    table = handle(storage)
    other(storage)
    before = now(storage)
    files = {file for file in path.rglob("*") if file.parent.name in ("data", "_deletions")}
    added = reader(numbers(300, 302)) if adds else None
    with pytest.raises(ConflictError, match=r'"main\.t" was changed by somebody else'):
        storage.change(table, changes({0: {"s": "zero"}, 60: None}, [pa.field("s", pa.string())]), added)
    assert now(storage) == before
    assert {file for file in path.rglob("*") if file.parent.name in ("data", "_deletions")} == files


def test_a_table_that_is_dropped_meanwhile(storage: DirectoryStorage, tmp_path: Path) -> None:
    stored(tmp_path, numbers(0, 3))
    table = handle(storage)
    storage.drop(MAIN_T)
    with pytest.raises(UnknownTableError):
        storage.change(table, changes({0: None}, []))


# ---- what goes wrong


@pytest.mark.parametrize("rows", [10, 90])
def test_rows_that_break_off_leave_nothing(
    storage: DirectoryStorage, tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_changes, "HELD", 100)
    path = stored(tmp_path, numbers(0, 200))
    schema = changes({}, [pa.field("s", pa.string())]).schema

    def batches() -> Iterator[pa.RecordBatch]:
        yield from changes({i: {"s": "new"} for i in range(rows)}, [pa.field("s", pa.string())])
        raise InvalidValueError("a value that is none")

    before = {file for file in path.rglob("*") if file.is_file()}
    with pytest.raises(InvalidValueError, match="a value that is none"):
        storage.change(handle(storage), pa.RecordBatchReader.from_batches(schema, batches()))
    assert {file for file in path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("field", "message"),
    [(pa.field("s", pa.int64()), '"s" of the data has the type int64'), (pa.field("x", pa.int64()), '"x"')],
)
def test_values_of_another_type_are_refused_first(
    storage: DirectoryStorage, tmp_path: Path, field: pa.Field, message: str
) -> None:
    stored(tmp_path, numbers(0, 3))
    with pytest.raises(SchemaMismatchError, match=message):
        storage.change(handle(storage), changes({0: {field.name: 1}}, [field]))


def test_many_rows_with_blobs_at_once_take_them_along(
    storage: DirectoryStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_changes, "HELD", 100)
    monkeypatch.setattr(lance_blobs, "_HELD_BYTES", 12)
    blob = pa.field("b", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    values = [None if i % 7 == 0 else b"x" * (i % 5) for i in range(50)]
    stored(tmp_path, numbers(0, 50).append_column(blob, pa.array(values, pa.large_binary())))
    change(storage, {i: {"s": "new"} for i in range(50)}, "s")
    change(storage, {3: {"s": "newer"}}, "s")
    assert now(storage, "i", "s", "b") == [(i, "newer" if i == 3 else "new", values[i]) for i in range(50)]


def test_many_rows_with_stable_ids_at_once_are_refused(
    storage: DirectoryStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_changes, "HELD", 100)
    stored(tmp_path, numbers(0, 50), enable_stable_row_ids=True)
    with pytest.raises(UnsupportedError, match="change fewer in one statement"):
        change(storage, {i: {"s": "new"} for i in range(50)}, "s")
    change(storage, {3: {"s": "new"}}, "s")
    assert now(storage)[3] == (3, "new")


def test_a_table_in_memory_is_written_anew() -> None:
    storage = InMemoryStorage({"t": numbers(0, 2)})
    table = storage.snapshot().table(MAIN_T)
    assert storage.with_addresses(table) is None
    with pytest.raises(UnsupportedError, match="no addresses"):
        storage.change(replace(table, addressed=True), changes({0: None}, []))


@pytest.mark.parametrize("held", [1 << 30, 300], ids=["whole", "in pieces"])
@pytest.mark.parametrize("seed", range(4))
def test_random_changes_are_those_of_a_dictionary(
    storage: DirectoryStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, held: int
) -> None:
    monkeypatch.setattr(lance_changes, "HELD", held)
    draw = random.Random(seed)
    data = numbers(0, 350).append_column("v", pa.array([[i] for i in range(350)]))
    stored(tmp_path, data)
    rows = {row["i"]: row for row in data.to_pylist()}
    following = 350
    for _ in range(8):
        table = handle(storage)
        known = addresses(storage, table)
        names = draw.choice([["s"], ["v"], ["s", "v"], ["i", "s"]])
        picked = draw.sample(sorted(rows), draw.choice([1, 5, len(rows) // 2, len(rows)]))
        changed: dict[int, dict[str, object] | None] = {}
        for i in picked:
            values = {"i": i, "s": draw.choice([None, "", "new"]), "v": draw.choice([None, [], [None, 7]])}
            changed[i] = {name: values[name] for name in names} if draw.random() < 0.9 else None
        new = numbers(following, following + draw.randint(0, 3))
        following += new.num_rows
        new = new.append_column("v", pa.array([[]] * new.num_rows, pa.list_(pa.int64())))
        fields = [data.schema.field(name) for name in names]
        storage.change(table, changes({known[i]: row for i, row in changed.items()}, fields), reader(new))
        for i, values in changed.items():
            if values is None:
                del rows[i]
            else:
                rows[i] |= values
        rows |= {row["i"]: row for row in new.to_pylist()}
        found = read_all(storage, storage.snapshot().table(MAIN_T), "i", "s", "v")
        assert sorted(found, key=str) == sorted(((r["i"], r["s"], r["v"]) for r in rows.values()), key=str)


# ---- columns


def test_columns_come_and_go_without_a_look_at_the_others(storage: DirectoryStorage, tmp_path: Path) -> None:
    path = stored(tmp_path, numbers(0, 300))
    lance.dataset(str(path)).create_scalar_index("i", "BTREE")
    change(storage, {7: None})
    before = data_files(path)
    noted = pa.field("n", pa.string(), metadata={b"grism.default": b"'x'"})
    assert storage.alter(storage.snapshot().table(MAIN_T), AddField(noted))
    values = reader(pa.table({"v": pa.array([5] * 299, pa.int32())}), 50)
    assert storage.alter(
        storage.snapshot().table(MAIN_T), AddField(pa.field("v", pa.int64(), metadata={NOT_NULL: b"true"}), values)
    )
    assert storage.alter(storage.snapshot().table(MAIN_T), RenameField("s", "T e"))
    assert storage.alter(storage.snapshot().table(MAIN_T), NoteField("v", {b"grism.default": b"9"}))
    assert storage.alter(storage.snapshot().table(MAIN_T), DropField("i"))
    dataset = lance.dataset(str(path))
    assert [(f.name, f.type, f.nullable, f.metadata) for f in dataset.schema] == [
        ("T e", pa.string(), True, None),
        ("n", pa.string(), True, {b"grism.default": b"'x'"}),
        ("v", pa.int64(), False, {b"grism.default": b"9"}),
    ]
    assert now(storage, "T e", "n", "v") == sorted((f"row {i}", None, 5) for i in range(300) if i != 7)
    assert [files[: len(old)] for files, old in zip(data_files(path), before, strict=True)] == before


def test_a_column_for_no_rows(storage: DirectoryStorage) -> None:
    put(storage, numbers(0, 0))
    values = reader(pa.table({"v": pa.array([], pa.int64())}))
    assert storage.alter(storage.snapshot().table(MAIN_T), AddField(pa.field("v", pa.int64()), values))
    field = pa.field("w", pa.int64(), metadata={NOT_NULL: b"true"})
    assert not storage.alter(storage.snapshot().table(MAIN_T), AddField(field))
    assert storage.snapshot().table(MAIN_T).version == "2"


@pytest.mark.parametrize(
    "made", [AddField(pa.field("v", pa.int64())), DropField("s"), RenameField("s", "t"), NoteField("s", {b"a": b"b"})]
)
@pytest.mark.parametrize("other", [_appended, _replaced])
def test_columns_of_a_version_that_is_old(storage: DirectoryStorage, tmp_path: Path, made: Any, other: Any) -> None:
    stored(tmp_path, numbers(0, 200))
    table = storage.snapshot().table(MAIN_T)
    other(storage)
    schema = lance.dataset(table.location[0]).schema
    with pytest.raises(ConflictError):
        storage.alter(table, made)
    assert lance.dataset(table.location[0]).schema.equals(schema, check_metadata=True)


@pytest.mark.parametrize("made", [AddField(pa.field("a.b", pa.int64())), RenameField("s", "_rowid")])
def test_names_that_lance_keeps_for_itself(storage: DirectoryStorage, tmp_path: Path, made: Any) -> None:
    stored(tmp_path, numbers(0, 3))
    with pytest.raises(SchemaMismatchError, match="cannot have a column named"):
        storage.alter(storage.snapshot().table(MAIN_T), made)


def _appended_rows(storage: DirectoryStorage, _: TableHandle, rows: pa.RecordBatchReader) -> None:
    storage.write(MAIN_T, rows, WriteMode.APPEND)


def _rewritten_rows(storage: DirectoryStorage, table: TableHandle, rows: pa.RecordBatchReader) -> None:
    storage.rewrite(table, rows)


def _changed_rows(storage: DirectoryStorage, table: TableHandle, rows: pa.RecordBatchReader) -> None:
    marked = changes({addresses(storage, table)[0]: None}, [])
    storage.change(table, pa.RecordBatchReader.from_batches(marked.schema, (batch for _ in rows for batch in marked)))


def _cast_column(storage: DirectoryStorage, table: TableHandle, rows: pa.RecordBatchReader) -> None:
    found = addresses(storage, table)
    cast = pa.table({ROW_ADDRESS: pa.array(found.values(), pa.uint64()), "i": pa.array(found, pa.int32())})
    field = cast.schema.field("i")
    storage.alter(
        table,
        ReplaceField(
            field, pa.RecordBatchReader.from_batches(cast.schema, (b for _ in rows for b in cast.to_batches()))
        ),
    )


@pytest.mark.parametrize("write", [_appended_rows, _rewritten_rows, _changed_rows, _cast_column])
def test_another_dataset_comes_into_the_folder_at_the_same_version(
    storage: DirectoryStorage, tmp_path: Path, write: Any
) -> None:
    """Another tool removes a table and makes it anew while a change of it is on its way, which must not harm that."""
    path = stored(tmp_path, numbers(0, 5))
    table = handle(storage)
    other = numbers(1000, 1010)

    def replaced() -> Iterator[pa.RecordBatch]:
        """Rows before which the table becomes another one."""
        lance.write_dataset(other, str(tmp_path / "other"))
        path.rename(tmp_path / "old")
        (tmp_path / "other").rename(path)
        yield from numbers(0, 5).to_batches()

    with pytest.raises(ConflictError, match=r"was (replaced|changed by somebody else)"):
        write(storage, table, pa.RecordBatchReader.from_batches(other.schema, replaced()))
    assert lance.dataset(str(path)).to_table() == other
    assert now(storage) == sorted(map(tuple, zip(*(column.to_pylist() for column in other.columns), strict=True)))
