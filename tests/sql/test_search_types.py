"""vector_search() over every type that vectors come in, on each runtime, beside what numpy computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from engine import errors
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import ask, explain

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]
Vector = list[float | None]

ROWS, PART = 36, 9
TYPES = {"f16": pa.float16(), "f32": pa.float32(), "f64": pa.float64(), "u8": pa.uint8(), "i8": pa.int8()}
TYPES["i16"] = pa.int16()
FLOATS, INTEGERS = ("f16", "f32", "f64"), ("u8", "i8", "i16")
QUERY = [3, 1, 2]
DISTANCES = {
    "l2": lambda row, query: float(((row - query) ** 2).sum()),
    "dot": lambda row, query: float(1 - (row * query).sum()),
    "cosine": lambda row, query: float(1 - (row * query).sum() / np.sqrt((row**2).sum() * (query**2).sum())),
}


def vectors(name: str) -> list[Vector | None]:
    """Small whole numbers: of those all types hold, sums are exact, and there are many at equal distances."""
    numbers = np.random.default_rng(len(name) + ord(name[0])).integers(-3 if name != "u8" else 0, 4, (ROWS, 3))
    rows: list[Vector | None] = [[float(x) for x in row] for row in numbers]
    rows[2], rows[4] = None, [None, 2.0, 1.0]
    if name in FLOATS:
        rows[5], rows[6], rows[7] = [float("nan"), 1.0, 1.0], [float("inf"), 1.0, 1.0], [float("inf"), 2.0, 2.0]
    return rows


def several(name: str) -> list[list[Vector] | None]:
    """Up to three vectors in each row."""
    random = np.random.default_rng(9)
    rows: list[list[Vector] | None] = [
        [[float(x) for x in row] for row in random.integers(1, 5, (i % 4, 3))] for i in range(ROWS)
    ]
    rows[3] = None
    if name == "mf32":
        rows[7] = [[float("nan")] * 3, [1.0, 1.0, 2.0]]
    return rows


def embeddings() -> pa.Table:
    columns: dict[str, Any] = {"id": pa.array(range(ROWS), pa.int32()), "kind": [i % 3 for i in range(ROWS)]}
    for name, kind in TYPES.items():
        columns[name] = filled(vectors(name), kind, pa.list_(kind, 3))
    for name, kind in (("mf16", pa.float16()), ("mf32", pa.float32()), ("mf64", pa.float64()), ("mi8", pa.int8())):
        columns[name] = filled(several(name), kind, pa.list_(pa.list_(kind, 3)))
    columns["i32"] = filled(vectors("i16"), pa.int32(), pa.list_(pa.int32(), 3))
    return pa.table(columns)


def filled(rows: Sequence[Any], items: pa.DataType, kind: pa.DataType) -> pa.Array:
    def number(value: Any) -> Any:
        if isinstance(value, list):
            return [number(inner) for inner in value]
        if value is None:
            return None
        return np.float16(value) if items == pa.float16() else value if pa.types.is_floating(items) else int(value)

    return pa.array([number(row) for row in rows], kind)


def put_tables(tables: Tables, _: SqlRuntime) -> None:
    """The table `embeddings`, of four fragments."""
    rows, path = embeddings(), f"{tables.storage.directories()[0]}/embeddings.lance"
    for start in range(0, ROWS, PART):  # not by grism, which would store half floats as FLOATs
        lance.write_dataset(rows.slice(start, PART), path, mode="append" if start else "overwrite")


def wanted(name: str, metric: str, k: int, query: Sequence[float] = QUERY) -> list[tuple[int, float]]:
    """The ids and distances of the nearest rows: of a vector with a NULL in it there is none, and NaN is none."""
    found = []
    for i, row in enumerate(vectors(name)):
        with np.errstate(invalid="ignore", divide="ignore"):
            if row is not None and None not in row:
                distance = DISTANCES[metric](np.array(row), np.array(query, np.float64))
                found.append((distance, i))
    return [(i, distance) for distance, i in sorted(pair for pair in found if not np.isnan(pair[0]))[:k]]


@pytest.mark.parametrize("metric", ["l2", "dot"])
@pytest.mark.parametrize("name", TYPES)
def test_the_nearest(runtime: SqlRuntime, name: str, metric: str) -> None:
    text = f"SELECT id, _distance FROM vector_search(embeddings, {name}, {QUERY}, k := {{}}, metric := '{metric}')"
    for k in (5, 1000):
        assert ask(runtime, text.format(k)) == wanted(name, metric, k)
    assert f"nearest 5 by {metric} of {name}: every row, exact" in explain(runtime, text.format(5))


def with_holes(items: pa.DataType, numbers: Sequence[int]) -> pa.Table:
    """A vector [n, n, n, n] for each number; every second one has a NULL in it, and n beneath that."""
    beneath = pa.array(np.repeat(numbers, 4).astype(items.to_pandas_dtype()))
    valid = pa.array([row % 2 == 1 or place != 2 for row in range(len(numbers)) for place in range(4)])
    holes = pa.Array.from_buffers(items, len(beneath), [valid.buffers()[1], beneath.buffers()[1]])
    return pa.table({"id": range(len(numbers)), "v": pa.FixedSizeListArray.from_arrays(holes, 4)})


@pytest.mark.parametrize("name", TYPES)
def test_vectors_with_a_null_in_them_are_not_found(runtime_name: str, make_runtime: Make, name: str) -> None:
    """Indexes do not have them, and what lies beneath a NULL may be any number."""
    runtime, tables = make_runtime(runtime_name, "lance")
    path = f"{tables.storage.directories()[0]}/holes_{name}.lance"
    rows = with_holes(TYPES[name], range(40))
    dataset = lance.write_dataset(rows.slice(0, 20), path, mode="overwrite")
    searches = ["", ", use_index := false"]
    metric = "hamming" if name == "u8" else "l2"
    if name in (*FLOATS, "u8"):
        dataset.create_index("v", "IVF_FLAT", metric=metric, num_partitions=1)
    lance.write_dataset(rows.slice(20), path, mode="append", max_rows_per_file=7)
    for options in searches:
        found = f"vector_search(holes_{name}, v, {{}}, k := {{}}, metric := '{metric}'{options})"
        every = ask(runtime, f"SELECT id FROM {found.format([0] * 4, 100)} ORDER BY id")
        assert every == [(i,) for i in range(1, 40, 2)]
        if metric == "l2":
            near = ask(runtime, f"SELECT id FROM {found.format([28] * 4, 4)} ORDER BY id")
            assert near == [(25,), (27,), (29,), (31,)]
            each = found.format("[x, x, x, x]", 2)
            each = f"SELECT q.x, s.id FROM (VALUES (28), (4)) q(x), {each} s ORDER BY x DESC, id"
            assert ask(runtime, each) == [(28, 27), (28, 29), (4, 3), (4, 5)]


@pytest.mark.parametrize("name", FLOATS)
def test_an_index_by_cosine_has_vectors_with_a_null_in_them(runtime_name: str, make_runtime: Make, name: str) -> None:
    runtime, tables = make_runtime(runtime_name, "lance")
    path = f"{tables.storage.directories()[0]}/angles_{name}.lance"
    dataset = lance.write_dataset(with_holes(TYPES[name], range(1, 11)), path, mode="overwrite")
    dataset.create_index("v", "IVF_FLAT", metric="cosine", num_partitions=1)
    found = ask(runtime, f"SELECT id FROM vector_search(angles_{name}, v, [1, 1, 1, 1], k := 4) ORDER BY id")
    assert len(found) == 4
    assert {id % 2 for (id,) in found} == {1}
    each = f"(VALUES (1), (2)) q(x), vector_search(angles_{name}, v, [x, x, x, 1], k := 4) s"
    assert ask(runtime, f"SELECT count(*), min(s.id % 2) FROM {each}") == [(8, 1)]


@pytest.mark.parametrize("name", FLOATS)
def test_the_first_of_equals_has_no_null_in_it(runtime_name: str, make_runtime: Make, name: str) -> None:
    runtime, tables = make_runtime(runtime_name, "lance")
    path = f"{tables.storage.directories()[0]}/equal_{name}.lance"
    lance.write_dataset(with_holes(TYPES[name], [1] * 40), path, mode="overwrite")
    text = f"SELECT id FROM vector_search(equal_{name}, v, [1, 1, 1, 1], k := 5, metric := 'l2') ORDER BY id"
    assert ask(runtime, text) == [(1,), (3,), (5,), (7,), (9,)]


@pytest.mark.parametrize("name", TYPES)
def test_rows_without_vectors(runtime: SqlRuntime, name: str) -> None:
    assert ask(runtime, f"SELECT id FROM vector_search(embeddings, {name}, {QUERY}, metric := 'l2') WHERE id = 2") == []


@pytest.mark.parametrize("name", TYPES)
def test_by_cosine(runtime: SqlRuntime, name: str) -> None:
    text = f"SELECT id, _distance FROM vector_search(embeddings, {name}, {QUERY}, k := 1000, metric := 'cosine')"
    found = dict(ask(runtime, text))
    assert found == {
        i: pytest.approx(distance, abs=1e-3 if name == "f16" else 1e-6) for i, distance in wanted(name, "cosine", 99)
    }


@pytest.mark.parametrize("items", [pa.float32(), pa.float64()])
def test_vectors_whose_length_is_0_in_floats(runtime_name: str, make_runtime: Make, items: pa.DataType) -> None:
    """By cosine they are found no more than those of zeros are, each by itself and for several queries."""
    runtime, tables = make_runtime(runtime_name, "lance")
    rows = pa.array([[1e-30, 1e-30], [1, 2], [-1e-30, 0], [2, -1], [0, 0]], pa.list_(items, 2))
    tables.put("short", pa.table({"id": range(5), "v": rows}))
    text = "SELECT id FROM vector_search(short, v, {0}, metric := 'cosine') ORDER BY _distance"
    assert ask(runtime, text.format([1, 1])) == [(1,), (3,)]
    each = "SELECT id FROM (VALUES ([1, 1]), ([1, -1])) q(q), vector_search(short, v, q, k := 2, metric := 'cosine')"
    assert ask(runtime, f"FROM ({each}) ORDER BY ALL") == [(1,), (1,), (3,), (3,)]


def test_at_an_infinite_distance_the_first_is_taken(runtime: SqlRuntime) -> None:
    for name in FLOATS:
        k = len(wanted(name, "l2", 99)) - 1
        assert ask(runtime, f"SELECT id FROM vector_search(embeddings, {name}, {QUERY}, k := {k})")[-1] == (6,)


def test_numbers_of_a_query_that_no_column_has(runtime: SqlRuntime) -> None:
    """Of which those of a column of DOUBLEs keep all digits, and integers are compared as they are."""
    for name in ("f64", "i8"):
        query = [0.1, 1.3, 1e-3]
        found = ask(runtime, f"SELECT id, _distance FROM vector_search(embeddings, {name}, {query}, k := 4)")
        assert found == [(i, np.float32(d)) for i, d in wanted(name, "l2", 4, query)]
        each = ask(
            runtime,
            f"SELECT id, _distance FROM (SELECT {query} q), vector_search(embeddings, {name}, q, k := 4) ORDER BY 2, 1",
        )
        assert each == found


BOUND = [
    pa.list_(pa.float32(), 3),
    pa.list_(pa.float16(), 3),
    pa.list_(pa.float64()),
    pa.large_list(pa.float32()),
    pa.list_(pa.int8(), 3),
    pa.list_(pa.decimal128(5, 2)),
]


@pytest.mark.parametrize("name", TYPES)
def test_bound_queries(runtime: SqlRuntime, name: str) -> None:
    text = f"SELECT id FROM vector_search(embeddings, {name}, ?, k := 3, metric := 'l2')"
    least = [(i,) for i, _ in wanted(name, "l2", 3)]
    for kind in BOUND if name == "f16" else BOUND[:1]:
        given = [np.float16(x) for x in QUERY] if "half" in str(kind) else QUERY
        assert ask(runtime, text, pa.scalar(given, kind)) == least
        assert ask(runtime, text.replace("?", "?::FLOAT[3]"), pa.scalar(given, kind)) == least
    assert ask(runtime, text, pa.scalar(None, BOUND[0])) == []
    for written in (f"{QUERY}::DOUBLE[]", f"{QUERY}::FLOAT[3]", f"list_transform({QUERY}, lambda x: x + 0)"):
        assert ask(runtime, text.replace("?", written)) == least


@pytest.mark.parametrize("name", [*INTEGERS, "f64", "f16"])
def test_each_of_several_queries_and_a_condition(runtime: SqlRuntime, name: str) -> None:
    text = f"""SELECT q.i, s.id FROM (VALUES (1, {QUERY}), (2, [0, 0, 1]), (3, NULL)) q(i, v), vector_search(
        embeddings, {name}, q.v, k := 4, metric := 'l2') s ORDER BY q.i, s._distance, s.id"""
    both = [(number, i) for number, query in ((1, QUERY), (2, [0, 0, 1])) for i, _ in wanted(name, "l2", 4, query)]
    assert ask(runtime, text) == both
    text = f"SELECT id FROM vector_search(embeddings, {name}, {QUERY}, k := 3, metric := 'l2') WHERE kind = 1"
    assert ask(runtime, text) == [(i,) for i, _ in wanted(name, "l2", 99) if i % 3 == 1][:3]


def test_bound_values_of_other_types(runtime: SqlRuntime) -> None:
    text = "SELECT id FROM vector_search(embeddings, f32, ?, k := 3, metric := 'l2')"
    for kind, large in ((pa.uint64(), 2**64 - 1), (pa.int64(), 2**53 + 1)):
        found = ask(runtime, text, pa.scalar([large, 0, 0], pa.list_(kind)))
        assert found == ask(runtime, text.replace("?", f"[{large}, 0, 0]"))
        assert len(found) == 3
    for value in (pa.scalar({"values": [1, 2, 3]}), pa.scalar([("a", 1)], pa.map_(pa.string(), pa.int8()))):
        with pytest.raises(errors.TypeMismatchError, match="is a list of numbers, a value of type"):
            ask(runtime, text, value)


# ---- several vectors in a row


def nearest_of_several(name: str, query: Sequence[Sequence[float]], metric: str, k: int) -> list[tuple[int, float]]:
    """The sum, over the query's vectors, of the distance of the nearest one of a row's."""
    found = []
    for i, row in enumerate(several(name)):
        own = [np.array(vector) for vector in row or () if not np.isnan(np.array(vector, np.float64)).any()]
        if own:
            found.append((sum(min(DISTANCES[metric](one, np.array(q)) for one in own) for q in query), i))
    return [(i, distance) for distance, i in sorted(found)[:k]]


@pytest.mark.parametrize("metric", ["l2", "dot"])
@pytest.mark.parametrize("name", ["mf16", "mf32", "mf64"])
def test_several_vectors_in_a_row(runtime: SqlRuntime, name: str, metric: str) -> None:
    several_asked = [[1, 2, 3], [4, 0, 1]]
    text = f"SELECT id, _distance FROM vector_search(embeddings, {name}, {{}}, k := 6, metric := '{metric}')"
    least = nearest_of_several(name, several_asked, metric, 6)
    assert ask(runtime, text.format(several_asked)) == least
    assert ask(runtime, text.format("?"), pa.scalar(several_asked, pa.list_(pa.list_(pa.float32(), 3)))) == least
    assert ask(runtime, text.format("?::FLOAT[3][]"), several_asked) == least
    assert ask(runtime, text.format("[4, 0, 1]")) == nearest_of_several(name, several_asked[1:], metric, 6)


def several_with_holes(items: pa.DataType) -> pa.Table:
    """Rows of the vectors [n, 1] and [0, n]; the even ones have a NULL in them, and what lies beneath is nearest."""
    rows: list[list[list[float | None] | None]] = [[[n, 1], [0, n]] for n in range(1, 13)]
    number, vector = pa.array([True] * 48), pa.array([True] * 24)
    for row in range(0, 12, 2):
        first = row * 2
        if row % 4:
            vector = pa.concat_arrays([vector[:first], pa.array([False]), vector[first + 1 :]])
        else:
            number = pa.concat_arrays([number[: first * 2], pa.array([False]), number[first * 2 + 1 :]])
    beneath = pa.array(np.array(rows, np.float64).ravel().astype(items.to_pandas_dtype()))
    numbers = pa.Array.from_buffers(items, 48, [number.buffers()[1], beneath.buffers()[1]])
    vectors = pa.Array.from_buffers(pa.list_(items, 2), 24, [vector.buffers()[1]], children=[numbers])
    return pa.table({"id": range(12), "v": pa.ListArray.from_arrays(pa.array(range(0, 25, 2), pa.int32()), vectors)})


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("indexed", [False, True])
def test_rows_with_a_null_in_one_of_their_vectors_are_not_found(
    runtime_name: str, make_runtime: Make, name: str, indexed: bool
) -> None:
    runtime, tables = make_runtime(runtime_name, "lance")
    path = f"{tables.storage.directories()[0]}/several_holes_{name}.lance"
    dataset = lance.write_dataset(several_with_holes(TYPES[name]), path, mode="overwrite", max_rows_per_file=5)
    if indexed:
        dataset.create_index("v", "IVF_FLAT", metric="cosine", num_partitions=1)
        lance.write_dataset(several_with_holes(TYPES[name]).slice(8), path, mode="append")
    whole = [1, 3, 5, 7, 9, 11, *([9, 11] if indexed else [])]
    for metric in ("cosine",) if indexed else ("l2", "cosine", "dot"):
        found = f"vector_search(several_holes_{name}, v, [[1, 0], [0, 1]], k := {{}}, metric := '{metric}')"
        assert sorted(ask(runtime, f"SELECT id FROM {found.format(100)}")) == sorted((i,) for i in whole)
        near = ask(runtime, f"SELECT id FROM {found.format(3)}")
        assert len(near) == 3
        assert {i % 2 for (i,) in near} == {1}


def test_several_vectors_in_an_index(runtime_name: str, make_runtime: Make) -> None:
    """Distances are exact, for of what the index finds the vectors are read; those of the index are estimates."""
    runtime, tables = make_runtime(runtime_name, "lance")
    random = np.random.default_rng(4)
    rows = [random.normal(size=(1 + i % 3, 4)).tolist() for i in range(300)]
    tables.put("paragraphs", pa.table({"id": range(300), "v": pa.array(rows, pa.list_(pa.list_(pa.float32(), 4)))}))
    path = f"{tables.storage.directories()[0]}/paragraphs.lance"
    lance.dataset(path).create_index("v", "IVF_FLAT", num_partitions=2, metric="cosine")
    text = "SELECT id, _distance FROM vector_search(paragraphs, v, [[1, 2, 3, 4], [4, 0, 1, 1]], k := 5{0})"
    assert "of v: index v_idx (IVF_FLAT, approximate)" in explain(runtime, text.format(""))
    found = ask(runtime, text.format(", nprobes := 2"))
    exact = ask(runtime, text.format(", use_index := false, metric := 'cosine'"))
    assert [row[0] for row in found] == [row[0] for row in exact]
    assert [row[1] for row in found] == pytest.approx([row[1] for row in exact], abs=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("i8, [1, 2]", "InvalidValueError", "has 2 dimensions, .* have 3"),
        ("i8, [1, 2, 3], metric := 'hamming'", "TypeMismatchError", "compared by l2, cosine or dot, not by hamming"),
        ("f32, [1, 2, 3], metric := 'hamming'", "TypeMismatchError", "compared by l2, cosine or dot, not by hamming"),
        ("u8, [1, 2.5, 3]", "InvalidValueError", "no whole one from 0 to 255"),
        ("f16, [1, 2, 70000]", "InvalidValueError", "too large for the halffloat"),
        ("f32, [1, 2, 3]::FLOAT[2]", "InvalidValueError", "has 3 dimensions, and is cast to 2"),
        ("f32, [[1, 2, 3]]", "InvalidValueError", "has several vectors"),
        ("mf32, [[1, 2, 3], [1, 2]]", "InvalidValueError", "vectors of 2 and of 3 dimensions"),
        ("mf32, [[1, 2], [1, 2]]", "InvalidValueError", "has 2 dimensions, .* have 3"),
        ("mf32, [[1, 2, 3], NULL]", "InvalidValueError", "NULL"),
        ("mf32, []", "InvalidValueError", "has 0 dimensions"),
        ("mf32, [1, 2, 3]::FLOAT[3][]", "TypeMismatchError", "a list of numbers, and is cast to a list of lists"),
        ("i32, [1, 2, 3]", "UnsupportedError", "vectors of int32, which are not searched; .*array_distance"),
        ("mi8, [1, 2, 3]", "UnsupportedError", r"lists of vectors of int8, which are not searched; .*FLOAT\[3\]\[\]"),
        ("mf32, (SELECT f32 FROM embeddings LIMIT 1)", "UnsupportedError", "several vectors in each row"),
    ],
)  # fmt: skip
def test_what_is_refused(local: SqlRuntime, call: str, error: str, message: str) -> None:
    with pytest.raises(getattr(errors, error), match=message):
        ask(local, f"SELECT id FROM vector_search(embeddings, {call})")


def test_the_types_of_parameters(local: SqlRuntime) -> None:
    types = {
        "f16": pa.list_(pa.float32(), 3),
        "f64": pa.list_(pa.float64(), 3),
        "i8": pa.list_(pa.int8(), 3),
        "mf32": pa.list_(pa.list_(pa.float32(), 3)),
    }
    for name, kind in types.items():
        told = local.frontend.parameters(f"SELECT id FROM vector_search(embeddings, {name}, ?)")
        assert told.types == [kind]
