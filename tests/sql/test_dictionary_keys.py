"""Columns of dictionaries, whose keys may be too short for the values of rows that are written together."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

import lance
import pyarrow as pa
import pytest

from engine.errors import InvalidValueError, UnsupportedError
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import ask, change

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]
Kit = tuple[SqlRuntime, Callable[..., str]]

COUNT = "SELECT count(*), count(DISTINCT c) FROM categories"
TEXT = pa.string()
MOST = 127  # values that keys of 8 bits tell apart


@pytest.fixture
def kit(runtime_name: str, make_runtime: Make) -> Kit:
    """A runtime, and what writes the table `categories` with a fragment for each of some lists of values."""
    runtime, tables = make_runtime(runtime_name, "lance")
    (folder,) = tables.storage.directories()
    path = f"{folder}/categories.lance"

    def write(*parts: Sequence[Any], kind: pa.DataType = TEXT, version: str | None = None, stable: bool = False) -> str:
        shutil.rmtree(path, ignore_errors=True)
        for part in parts:
            column = pa.array(part, kind).dictionary_encode().cast(pa.dictionary(pa.int8(), kind))
            rows = pa.table({"id": range(len(part)), "c": column})
            lance.write_dataset(rows, path, mode="append", data_storage_version=version, enable_stable_row_ids=stable)
        return path

    return runtime, write


def values(part: int, count: int = 100) -> list[str]:
    return [f"{part} {i}" for i in range(count)]


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_fragments_that_have_more_values_together_are_not_joined(kit: Kit, version: str) -> None:
    runtime, write = kit
    path = write(*map(values, range(3)), version=version)
    with pytest.raises(UnsupportedError, match=r"too short .*ALTER TABLE main.categories ALTER c TYPE"):
        change(runtime, "OPTIMIZE categories")
    assert ask(runtime, COUNT) == [(300, 300)]
    change(runtime, "UPDATE categories SET id = -id WHERE id > 50")
    change(runtime, "UPDATE categories SET c = 'new' WHERE id = 50")
    assert ask(runtime, COUNT) == [(300, 298)]
    assert ask(runtime, "SELECT id FROM categories WHERE c = '2 99'") == [(-99,)]
    change(runtime, "ALTER TABLE categories ALTER c TYPE VARCHAR")
    change(runtime, "OPTIMIZE categories")
    assert ask(runtime, COUNT) == [(300, 298)]
    assert len(lance.dataset(path).get_fragments()) == 1
    lance.dataset(path).validate()


def test_fragments_whose_values_have_keys_are_joined(kit: Kit) -> None:
    runtime, write = kit
    path = write(values(0), values(1))
    change(runtime, "DELETE FROM categories WHERE id >= 63")
    change(runtime, "OPTIMIZE categories")
    assert len(lance.dataset(path).get_fragments()) == 1
    assert ask(runtime, COUNT) == [(126, 126)]


def test_values_that_take_a_key_more_than_once(kit: Kit) -> None:
    """As Lance joins dictionaries, each of several batches with the same values may add them once more."""
    runtime, write = kit
    path = write(values(0, 63), values(1, 63), [None, *values(0, 62)])
    with pytest.raises(UnsupportedError, match=r"left as they were.*too short"):
        change(runtime, "OPTIMIZE categories")
    assert ask(runtime, COUNT) == [(189, 126)]
    lance.dataset(path).validate()


def test_rows_with_too_many_values_are_refused(kit: Kit) -> None:
    """In one batch, and in many of which each has few."""
    runtime, write = kit
    path = write(["first"])
    for source in ("i, 'n' || i FROM range(128)", "i, 'n' || i // 2000 FROM range(256000)"):
        with pytest.raises(InvalidValueError, match=r"too short .*ALTER TABLE main.categories ALTER c TYPE"):
            change(runtime, f"INSERT INTO categories SELECT {source} r(i)")
        assert ask(runtime, COUNT) == [(1, 1)]
    change(runtime, "INSERT INTO categories SELECT i, 'n' || i // 2000 FROM range(254000) r(i)")
    assert ask(runtime, COUNT) == [(254_001, MOST + 1)]
    with pytest.raises(InvalidValueError, match="too short"):
        change(runtime, "UPDATE categories SET c = 'u' || id // 1000")
    change(runtime, "UPDATE categories SET c = 'u' || id // 2000")
    assert ask(runtime, COUNT) == [(254_001, MOST)]
    lance.dataset(path).validate()
    assert lance.dataset(path).to_table().num_rows == 254_001


@pytest.mark.parametrize("stable", [False, True])
def test_changes_of_single_rows(kit: Kit, stable: bool) -> None:
    """A fragment of 200 rows, to which one value more can come; each statement has the rows that it has elsewhere."""
    runtime, write = kit
    path = write([*values(0, MOST - 1), *values(0, 74)], values(1), stable=stable)
    change(runtime, "UPDATE categories SET id = -id WHERE id % 2 = 1")
    assert ask(runtime, COUNT) == [(300, MOST - 1 + 100)]
    change(runtime, "UPDATE categories SET c = 'one more' WHERE id = 150")
    assert ask(runtime, COUNT) == [(300, MOST + 100)]
    text = "UPDATE categories SET c = 'and ' || id WHERE id IN (152, 154)"
    if stable:  # whose rows stay where they are
        with pytest.raises(InvalidValueError, match="too short"):
            change(runtime, text)
    else:
        change(runtime, text)
        assert ask(runtime, COUNT) == [(300, MOST + 102)]
    change(runtime, "UPDATE categories SET c = 'few ' || abs(id) % 3")
    assert ask(runtime, COUNT) == [(300, 3)]
    change(runtime, "OPTIMIZE categories")
    lance.dataset(path).validate()
    assert lance.dataset(path).to_table().num_rows == 300


@pytest.mark.parametrize(
    ("kind", "first", "text", "second"),
    [
        (pa.int64(), 1, "7", 7),
        (pa.float64(), 1.5, "-0.25", -0.25),
        (pa.int32(), 1, "-2", -2),
        (pa.large_string(), "a", "'b'", "b"),
        (pa.binary(), b"a", "'b'::BLOB", b"b"),
        (pa.bool_(), True, "false", False),
    ],
)
def test_values_of_any_type(kit: Kit, kind: pa.DataType, first: Any, text: str, second: Any) -> None:
    runtime, write = kit
    path = write([first, None], kind=kind)
    change(runtime, f"INSERT INTO categories VALUES (2, {text}), (3, NULL)")
    change(runtime, f"UPDATE categories SET c = {text} WHERE id = 3")
    change(runtime, "UPDATE categories SET c = c, id = id WHERE id = 0")
    change(
        runtime,
        f"MERGE INTO categories USING (SELECT 4 AS id) s USING (id) WHEN NOT MATCHED THEN INSERT VALUES (4, {text})",
    )
    wanted = [(0, first), (1, None), (2, second), (3, second), (4, second)]
    assert ask(runtime, "SELECT id, c FROM categories ORDER BY id") == wanted
    assert lance.dataset(path).schema.field("c").type == pa.dictionary(pa.int8(), kind)


def nested(kind: pa.DataType, value: Any) -> list[tuple[pa.DataType, Any, str]]:
    """Types with `kind` inside, a value of each that has `value` inside, and what of `c` that is in SQL, with {}."""
    pair = pa.struct([("d", kind), ("n", pa.int64())])
    return [
        (pair, {"d": value, "n": 1}, "{{'d': {}, 'n': 1}}"),
        (pa.list_(kind), [value, None], "[{}, NULL]"),
        (pa.large_list(kind), [], "[]"),
        (pa.list_(pair), [None, {"d": value, "n": 1}], "[NULL, {{'d': {}, 'n': 1}}]"),
        (pa.struct([("l", pa.list_(kind))]), {"l": [value]}, "{{'l': [{}]}}"),
    ]


@pytest.mark.parametrize(
    ("version", "kind", "value", "text"),
    [
        ("2.1", pa.int64(), 7, "7"),
        ("2.2", pa.int64(), 7, "7"),
        ("2.1", pa.float64(), 1.5, "1.5"),
        ("2.1", TEXT, "a", "'a'"),
        ("2.1", pa.bool_(), True, "true"),
    ],
)
def test_dictionaries_inside_of_values(kit: Kit, version: str, kind: pa.DataType, value: Any, text: str) -> None:
    """Arrow casts texts alone into dictionaries that lie in structs and lists."""
    runtime, write = kit
    path = write()
    dictionary = pa.dictionary(pa.int8(), kind)
    for outer, inner, shown in nested(dictionary, value):
        shutil.rmtree(path, ignore_errors=True)
        lance.write_dataset(pa.table({"id": [0], "c": pa.nulls(1, outer)}), path, data_storage_version=version)
        sql = shown.format(text)
        change(runtime, f"INSERT INTO categories VALUES (1, {sql}), (2, NULL), (3, NULL)")
        change(runtime, f"UPDATE categories SET c = {sql} WHERE id = 2")
        change(
            runtime, f"MERGE INTO categories USING (SELECT 3 AS i) s ON i = id WHEN MATCHED THEN UPDATE SET c = {sql}"
        )
        change(runtime, "OPTIMIZE categories")
        wanted = [(0, None), (1, inner), (2, inner), (3, inner)]
        assert ask(runtime, "SELECT id, c FROM categories ORDER BY id") == wanted
        dataset = lance.dataset(path)
        assert sorted(map(tuple, map(dict.values, dataset.to_table().to_pylist())), key=lambda row: row[0]) == wanted
        assert dataset.schema.field("c").type == outer


def test_dictionaries_inside_of_values_whose_keys_are_too_short(kit: Kit) -> None:
    runtime, write = kit
    path = write()
    kind = pa.list_(pa.dictionary(pa.int8(), pa.int64()))
    lance.write_dataset(pa.table({"id": [0], "c": pa.nulls(1, kind)}), path)
    change(runtime, f"INSERT INTO categories VALUES (1, range({MOST}))")
    with pytest.raises(InvalidValueError, match=r"too short .*ALTER TABLE main.categories ALTER c TYPE"):
        change(runtime, f"INSERT INTO categories VALUES (2, range({MOST + 1}))")
    assert ask(runtime, "SELECT id, len(c) FROM categories ORDER BY id") == [(0, None), (1, MOST)]
