"""vector_search() gives what ORDER BY a distance LIMIT k gives, on each runtime, wherever a table may stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from engine import errors
from engine.operators.found_rows import FoundRowsExec
from engine.physical import ExecutionMode
from engine.rights import Action, Grants, Identity, Rights, grant
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage.protocol import TableName, WriteMode
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import Rows, ask, change, explain

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]

DIMENSIONS = 4
ROWS = 60


def items() -> pa.Table:
    """Vectors of small whole numbers, of which many are at equal distances; one NULL, one with a NaN."""
    numbers = np.random.default_rng(7).integers(0, 3, (ROWS, DIMENSIONS)).astype(np.float32)
    vectors: list[list[float] | None] = [[float(x) for x in row] for row in numbers]
    vectors[5], vectors[6] = None, [float("nan")] * DIMENSIONS
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int32()),
            "kind": pa.array([None if i % 9 == 0 else i % 4 for i in range(ROWS)], pa.int32()),
            "price": pa.array([i / 8 for i in range(ROWS)]),
            "vec": pa.array(vectors, pa.list_(pa.float32(), DIMENSIONS)),
            "wide": pa.array(vectors, pa.list_(pa.float64(), DIMENSIONS)),
            "bits": pa.array([[i % 256, 255 - i % 256] for i in range(ROWS)], pa.list_(pa.uint8(), 2)),
            "tiny": pa.array([[i % 100, 1] for i in range(ROWS)], pa.list_(pa.int8(), 2)),
        }
    )


def put_tables(tables: Tables, _: SqlRuntime) -> None:
    """The table `items`, of six fragments."""
    rows = items()
    tables.put("items", rows.slice(0, 10))
    for start in range(10, ROWS, 10):
        part = rows.slice(start, 10).to_reader()
        tables.storage.write(TableName("main", "items"), part, WriteMode.APPEND)


NEAREST = """SELECT id FROM items WHERE vec IS NOT NULL AND NOT isnan(array_distance(vec, {0}::FLOAT[4])) {1}
ORDER BY {2}, id LIMIT {3}"""
QUERY = "[1, 1, 0.5, 2]"


@pytest.mark.parametrize("k", [1, 7, 1000])
@pytest.mark.parametrize(
    ("metric", "distance"),
    [
        (None, "array_distance(vec, {0}::FLOAT[4])"),
        ("l2", "array_distance(vec, {0}::FLOAT[4])"),
        ("dot", "array_negative_inner_product(vec, {0}::FLOAT[4])"),
    ],
)
def test_exact_searches_are_those_of_the_kernel(runtime: SqlRuntime, metric: str | None, distance: str, k: int) -> None:
    option = "" if metric is None else f", metric := '{metric}'"
    found = ask(
        runtime, f"SELECT id FROM vector_search(items, 'vec', {QUERY}, k := {k}{option}) ORDER BY _distance, id"
    )
    assert found == ask(runtime, NEAREST.format(QUERY, "", distance.format(QUERY), k))


def test_names_in_any_case(runtime: SqlRuntime) -> None:
    wanted = ask(runtime, f"SELECT id FROM vector_search(items, vec, {QUERY}, k := 3)")
    assert ask(runtime, f'SELECT id FROM Vector_Search("Items", VEC, {QUERY}, K := 3)') == wanted


def test_rows_at_the_same_distance_are_the_first_ones(runtime: SqlRuntime) -> None:
    """Whichever part of the table finds them."""
    assert ask(runtime, "SELECT count(*) FROM items WHERE bits[1] < 60") == [(ROWS,)]
    found = ask(runtime, "SELECT id, _distance FROM vector_search(items, bits, [0, 0], k := 11) ORDER BY id")
    assert found == [(i, 8.0) for i in range(11)]


@pytest.mark.parametrize(
    "query", [QUERY, f"{QUERY}::FLOAT[4]", f"{QUERY}::DOUBLE[]", "list_transform([0, 0, -0.5, 1], lambda x: x + 1)"]
)
@pytest.mark.parametrize("column", ["vec", "wide"])
def test_ways_to_write_a_query(runtime: SqlRuntime, column: str, query: str) -> None:
    found = ask(runtime, f"SELECT id, _distance FROM vector_search(items, {column}, {query}, k := 3)")
    assert found == ask(runtime, f"SELECT id, _distance FROM vector_search(main.items, '{column}', {QUERY}, k = 3)")
    assert len(found) == 3


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32(), 4),
        pa.list_(pa.float64()),
        pa.list_(pa.float32()),
        pa.list_(pa.float16(), 4),
        pa.large_list(pa.float64()),
    ],
)
def test_a_bound_query(runtime: SqlRuntime, kind: pa.DataType) -> None:
    text = "SELECT id, _distance FROM vector_search(items, vec, {0}, k := {1})"
    wanted = ask(runtime, text.format(QUERY, 4))
    assert ask(runtime, text.format("?", "?"), pa.scalar([1, 1, 0.5, 2], kind), 4) == wanted
    assert ask(runtime, text.format("$1::FLOAT[4]", "4"), pa.scalar([1, 1, 0.5, 2], kind)) == wanted
    assert ask(runtime, text.format("?", 4), pa.scalar(None, kind)) == []


def test_the_types_of_parameters(local: SqlRuntime) -> None:
    text = "SELECT * FROM vector_search(items, vec, ?, k := ?, metric := ?, prefilter := ?) WHERE id < ?"
    told = local.frontend.parameters(text)
    assert told.types == [pa.list_(pa.float32(), 4), pa.int64(), pa.string(), pa.bool_(), pa.int32()]
    assert local.frontend.result_schema(text).names[-2:] == ["tiny", "_distance"]


def test_a_condition_above_a_search_holds_before_it(runtime: SqlRuntime) -> None:
    distance = f"array_distance(vec, {QUERY}::FLOAT[4])"
    search = f"vector_search(items, vec, {QUERY}, k := 5)"
    wanted = ask(runtime, NEAREST.format(QUERY, "AND kind = 3", distance, 5))
    assert ask(runtime, f"SELECT id FROM {search} WHERE kind = 3 ORDER BY _distance, id") == wanted
    assert ask(runtime, f"SELECT i FROM {search} AS s(i, k) WHERE s.k = 3 ORDER BY _distance, i") == wanted
    assert (
        ask(
            runtime,
            "SELECT id FROM vector_search(items, vec, ?, k := 5) WHERE kind = ? ORDER BY _distance, id",
            [1, 1, 0.5, 2],
            3,
        )
        == wanted
    )
    option = f"vector_search(items, vec, {QUERY}, k := 5, filter := 'kind = 3')"
    assert ask(runtime, f"SELECT id FROM {option} ORDER BY _distance, id") == wanted
    assert "prefilter `kind` = 3 AND `id` < 50" in explain(
        runtime, f"SELECT id FROM {search} WHERE kind = 3 AND id < 50"
    )
    assert "afterwards" not in explain(runtime, f"SELECT id FROM {search} WHERE kind = 3 AND id < 50")


@pytest.mark.parametrize("condition", ["price < 2.5", "_distance < 2", "id % 10 = 7", "kind = (SELECT 3)", "i = 3"])
def test_other_conditions_hold_afterwards(runtime: SqlRuntime, condition: str) -> None:
    search = f"SELECT id, id AS i FROM vector_search(items, vec, {QUERY}, k := 20)"
    wanted = ask(
        runtime,
        f"SELECT id, i FROM (SELECT *, id AS i FROM vector_search(items, vec, {QUERY}, k := 20)) WHERE {condition} "
        "ORDER BY ALL",
    )
    assert sorted(ask(runtime, f"{search} WHERE {condition} AND id >= 0")) == wanted
    assert "filtered afterwards" in explain(runtime, f"{search} WHERE {condition} AND id >= 0")


def test_a_condition_may_stay_above(runtime: SqlRuntime) -> None:
    text = f"FROM vector_search(items, vec, {QUERY}, k := 20, prefilter := false) WHERE kind = 3"
    assert 0 < len(ask(runtime, f"SELECT id {text}")) < len(ask(runtime, "SELECT id FROM items WHERE kind = 3"))
    assert "filtered afterwards" in explain(runtime, f"SELECT id {text}")


def test_wherever_a_table_may_stand(runtime: SqlRuntime) -> None:
    nearest = ask(runtime, f"SELECT id FROM vector_search(items, vec, {QUERY}, k := 3) ORDER BY id")
    ids = "(" + ", ".join(str(row[0]) for row in nearest) + ")"
    found = ask(runtime, f"WITH s AS (FROM vector_search(items, vec, {QUERY}, k := 3)) SELECT id FROM s ORDER BY id")
    assert found == nearest
    found = ask(
        runtime,
        f"SELECT id FROM items WHERE id IN (SELECT id FROM vector_search(items, vec, {QUERY}, k := 3)) ORDER BY id",
    )
    assert found == nearest
    found = ask(
        runtime,
        f"SELECT i.id FROM items i JOIN vector_search(items, vec, {QUERY}, k := 3) s ON s.id = i.id ORDER BY ALL",
    )
    assert found == nearest
    found = ask(
        runtime, f"SELECT kind, count(*) FROM vector_search(items, vec, {QUERY}, k := 3) GROUP BY ALL ORDER BY ALL"
    )
    assert found == ask(runtime, f"SELECT kind, count(*) FROM items WHERE id IN {ids} GROUP BY ALL ORDER BY ALL")
    assert ask(runtime, f"SELECT count(*) FROM vector_search(items, vec, {QUERY}, k := 3)") == [(3,)]
    assert ask(runtime, "SELECT 1 FROM vector_search(items, vec, NULL)") == []


def test_versions_views_and_rights(runtime: SqlRuntime) -> None:
    database, session = Database(runtime), Session()
    database.run(
        StatementContext(session),
        database.parse(f"CREATE OR REPLACE VIEW near AS SELECT id FROM vector_search(items, vec, {QUERY}, k := 2)"),
    )
    assert ask(runtime, "SELECT count(*) FROM near") == [(2,)]
    assert ask(runtime, f"SELECT max(id) < 10 FROM vector_search((FROM items AT (VERSION => 1)), vec, {QUERY})") == [
        (True,)
    ]
    with pytest.raises(errors.UnsupportedError, match="is a view"):
        ask(runtime, f"SELECT * FROM vector_search(near, id, {QUERY})")
    nobody = Session(
        grants=Grants(Rights({"some": (grant("main.near", Action.READ),)}), Identity("ann", frozenset({"some"})))
    )
    for text in ("SELECT * FROM items", f"SELECT * FROM vector_search(items, vec, {QUERY})"):
        with pytest.raises(errors.UnknownTableError, match=r'no table "main\.items"'):
            ask(runtime, text, session=nobody)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("items, vec, [1, 2, 3]", "InvalidValueError", "has 3 dimensions, .* have 4"),
        ("items, vec, [1, 2, 3, 'inf'::FLOAT]", "InvalidValueError", "infinite"),
        ("items, vec, [1, 2, 3, 1e39]", "InvalidValueError", "too large for the float"),
        ("items, vec, [1, 2, 3, NULL]", "InvalidValueError", "NULL"),
        ("items, vec, 'near'", "TypeMismatchError|InvalidValueError", "not of type DOUBLE"),
        ("items, vec, price", "UnsupportedError", 'no column "price" in reach'),
        ("items, bits, [1, 2.5]", "InvalidValueError", "no whole one from 0 to 255"),
        ("items, vec, [1, 1, 1, 1], metric := 'hamming'", "TypeMismatchError", "l2, cosine or dot"),
        ("items, vec, [1, 1, 1, 1], metric := 'L3'", "InvalidValueError", "no metric 'L3'; there are l2"),
        ("items, vec, [1, 1, 1, 1], k := 0", "InvalidValueError", '"k" of vector_search is 0; it is from 1 to 10000'),
        ("items, vec, [1, 1, 1, 1], k := 1000000", "InvalidValueError", "from 1 to 10000"),
        ("items, vec, [1, 1, 1, 1], k := NULL", "InvalidValueError", "is NULL"),
        ("items, vec, [1, 1, 1, 1], k := 'many'", "TypeMismatchError|InvalidValueError", "not of type BIGINT"),
        ("items, vec, [1, 1, 1, 1], nprobe := 3", "InvalidValueError", 'no option "nprobe"; did you mean "nprobes"'),
        ("items, vec, [1, 1, 1, 1], k := 1, k := 2", "InvalidValueError", "twice"),
        ("items, vec, [1, 1, 1, 1], filter := 'price < 3'", "UnsupportedError", "no floats"),
        ("items, vec, [1, 1, 1, 1], filter := 'nix = 3'", "UnsupportedError", "no condition on the columns"),
        ("items, vec, [1, 1, 1, 1], filter := 'id = 3) OR (true'", "SqlSyntaxError", "syntax error"),
        ("items, vec, [1, 1, 1, 1], filter := 'kind = getvariable(''x'')'", "ForbiddenError", r"getvariable\(\)"),
        ("items, vec, [1, 1, 1, 1], filter := 'id = ?'", "InvalidValueError", "without parameters"),
        ("items, vec, [1, 1, 1, 1], filter := 'id IN (SELECT 1)'", "InvalidValueError", "and queries"),
        ("items, vec, [getvariable('x')]", "ForbiddenError", r"getvariable\(\)"),
        ("items, price, [1, 2]", "TypeMismatchError", "no vectors"),
        ("items, vek, [1, 2]", "UnknownColumnError", 'did you mean "vec"'),
        ("item, vec, [1, 2]", "UnknownTableError", 'did you mean "items"'),
        ("items, vec", "TypeMismatchError", "takes 3 arguments"),
        ("(FROM items WHERE id = 3), vec, [1, 1, 1, 1]", "TypeMismatchError", "name of a table"),
    ],
)  # fmt: skip
def test_what_is_refused(local: SqlRuntime, call: str, error: str, message: str) -> None:
    kinds = tuple(getattr(errors, name) for name in error.split("|"))
    with pytest.raises(kinds, match=message):
        ask(local, f"SELECT * FROM vector_search({call})")


def test_only_tables_are_searched(local: SqlRuntime) -> None:
    with pytest.raises(errors.UnsupportedError, match="is a query under WITH"):
        ask(local, f"WITH items AS (SELECT 1) SELECT * FROM vector_search(items, vec, {QUERY})")
    with pytest.raises(errors.UnsupportedError, match="nothing is searched"):
        ask(local, f"SELECT * FROM vector_search(information_schema.tables, table_name, {QUERY})")


def test_the_search_by_a_function_stays_exact(runtime: SqlRuntime) -> None:
    text = f"SELECT id FROM items WHERE id > 6 ORDER BY array_distance(vec, {QUERY}::FLOAT[4]) LIMIT 3"
    assert "search=" not in explain(runtime, text)
    assert len(ask(runtime, text)) == 3


# ---- indexes


@pytest.fixture
def indexed(runtime_name: str, make_runtime: Make, tmp_path: Path) -> SqlRuntime:
    """A runtime with the table `clusters`: 600 vectors in an index, which finds all, and 4 rows that came later."""
    runtime, tables = make_runtime(runtime_name, "lance")
    numbers = np.random.default_rng(3).normal(size=(604, 8)).astype(np.float32)
    rows = pa.table(
        {
            "id": pa.array(range(604)),
            "kind": pa.array([i % 3 for i in range(604)]),
            "vec": pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), 8),
        }
    )
    tables.put("clusters", rows.slice(0, 600))
    path = tables.storage.directories()[0]
    lance.dataset(f"{path}/clusters.lance").create_index("vec", "IVF_FLAT", num_partitions=4, metric="cosine")
    tables.storage.write(TableName("main", "clusters"), rows.slice(600).to_reader(), WriteMode.APPEND)
    return runtime


def test_an_index_is_told_and_rows_without_it_are_found(indexed: SqlRuntime) -> None:
    query = ask(indexed, "SELECT vec FROM clusters WHERE id = 602")[0][0]
    text = "SELECT id, round(_distance, 3) FROM vector_search(clusters, vec, {0}, k := 6{1}) ORDER BY _distance"
    probed = text.format(query, ", nprobes := 4")
    found = ask(indexed, probed)
    assert found[0] == (602, 0.0)
    assert found == ask(indexed, text.format(query, ", metric := 'cosine', use_index := false"))
    told = explain(indexed, probed)
    assert "nearest 6 by cosine of vec: index vec_idx (IVF_FLAT, approximate; 4 rows not in it" in told
    assert "nearest 6 by cosine of vec: every row, exact" in explain(
        indexed, text.format(query, ", use_index := false, metric := 'cosine'")
    )
    assert "nearest 6 by l2 of vec: every row, exact" in explain(indexed, text.format(query, ", metric := 'l2'"))
    among = ask(indexed, f"SELECT id FROM vector_search(clusters, vec, {query}, k := 6, nprobes := 4) WHERE kind = 1")
    assert len(among) == 6
    assert {i % 3 for (i,) in among} == {1}


def test_without_its_index_a_search_is_by_the_same_metric(indexed: SqlRuntime) -> None:
    query = ask(indexed, "SELECT vec FROM clusters WHERE id = 7")[0][0]
    text = "SELECT id, round(_distance, 4) FROM vector_search(clusters, vec, {0}, k := 6{1}) ORDER BY _distance"
    exact = ask(indexed, text.format(query, ", use_index := false"))
    assert exact == ask(indexed, text.format(query, ", use_index := false, metric := 'cosine'"))
    assert exact == ask(indexed, text.format(query, ", nprobes := 4"))


@pytest.mark.parametrize("kind", ["IVF_SQ", "IVF_PQ", "IVF_RQ", "IVF_HNSW_SQ", "IVF_HNSW_PQ"])
def test_distances_by_cosine_are_no_estimates(runtime_name: str, make_runtime: Make, kind: str) -> None:
    """Those of compressed vectors are about twice the distance, as long as all rows are in the index."""
    runtime, tables = make_runtime(runtime_name, "lance")
    numbers = np.random.default_rng(4).normal(size=(300, 8)).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), 8)
    tables.put("squeezed", pa.table({"id": range(300), "v": vectors}))
    options = ", num_sub_vectors = 4" if "PQ" in kind else ""
    change(
        runtime, f"CREATE INDEX i ON squeezed USING {kind} (v) WITH (metric = 'cosine', num_partitions = 1{options})"
    )
    query = [1.0] * 8
    distances = 1 - numbers @ np.ones(8) / np.linalg.norm(numbers, axis=1) / np.sqrt(8)
    text = f"FROM vector_search(squeezed, v, {query}, k := 20) SELECT id, _distance"
    assert f"({kind}, approximate)" in explain(runtime, text)
    for found in (text, f"SELECT id, _distance FROM (SELECT {query} q), vector_search(squeezed, v, q, k := 20)"):
        rows = dict(ask(runtime, found))
        assert len(rows) == 20
        assert rows == {i: pytest.approx(distances[i], abs=1e-4) for i in rows}


def test_a_column_with_several_indexes(runtime_name: str, make_runtime: Make) -> None:
    """Each is asked for its metric, with the rows that it does not have, and those alone that it has."""
    runtime, tables = make_runtime(runtime_name, "lance")
    numbers = np.random.default_rng(4).normal(size=(300, 8)).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), 8)
    tables.put("several", pa.table({"id": range(300), "kind": [i % 3 for i in range(300)], "v": vectors}))
    kinds = {"l2": "IVF_PQ", "cosine": "IVF_HNSW_SQ", "dot": "IVF_FLAT"}
    for metric, kind in kinds.items():
        options = f"metric = '{metric}', num_partitions = 1" + (", num_sub_vectors = 4" if kind == "IVF_PQ" else "")
        change(runtime, f"CREATE INDEX {metric}_index ON several USING {kind} (v) WITH ({options})")
    query = [1.0] * 8
    for late in (0, 20):
        change(runtime, f"INSERT INTO several SELECT 300 + i, i % 3, [1, 1, 1, 1, 1, 1, 1, i] FROM range({late}) r(i)")
        for metric, kind in kinds.items():
            text = (
                f"FROM vector_search(several, v, {query}, k := 9, metric := '{metric}', refine_factor := 99{{0}}){{1}}"
            )
            told = explain(runtime, f"SELECT id {text.format('', '')}")
            assert f"by {metric} of v: index {metric}_index ({kind}, approximate" in told
            for where in ("", " WHERE kind = 1"):
                every = ask(runtime, f"SELECT id, round(_distance, 3) {text.format('', where)} ORDER BY ALL")
                exact = text.format(", use_index := false", where)
                assert every == ask(runtime, f"SELECT id, round(_distance, 3) {exact} ORDER BY ALL")
            (old,) = ask(runtime, f"SELECT max(id) {text.format(', indexed_only := true', '')}")
            assert old[0] < 300
            each = text.format("", "").replace(str(query), "q").replace("FROM", f"FROM (SELECT {query} q),")
            assert ask(runtime, f"SELECT id {each} ORDER BY id") == ask(
                runtime, f"SELECT id {text.format('', '')} ORDER BY id"
            )
        assert "by cosine of v: index cosine_index" in explain(runtime, f"FROM vector_search(several, v, {query})")
    assert len(lance.dataset(f"{tables.storage.directories()[0]}/several.lance").get_fragments()) == 2


# ---- without the kernel


@pytest.mark.parametrize(
    ("text", "straight"),
    [
        ("SELECT id AS a, kind AS a, _distance FROM {0}", True),
        ("SELECT kind, id FROM {0} ORDER BY _distance", True),
        ("SELECT * EXCLUDE (price, wide, bits, tiny) FROM {0} s", True),
        ("SELECT id FROM {0} ORDER BY _distance DESC", False),
        ("SELECT id + 1 FROM {0} ORDER BY id", False),
        ("SELECT id FROM {0} LIMIT 2", False),
        ("SELECT id FROM {0} WHERE price < 3", False),
        ("SELECT id FROM {0} WHERE kind = 3 AND price < 3", False),
        ("SELECT id FROM {0} WHERE _distance < 3", False),
    ],
)
def test_what_is_found_may_go_out_as_it_is(local: SqlRuntime, text: str, straight: bool) -> None:
    search = f"vector_search(items, vec, {QUERY}, k := 5)"
    plan = local.plan(local.frontend.plan(text.format(search)))
    assert isinstance(plan.root, FoundRowsExec) == straight
    same = f"(SELECT * FROM {search} WHERE random() >= 0)"  # which nothing looks into
    assert "kind" in text or ask(local, text.format(search)) == ask(local, text.format(same))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("SELECT id FROM {0} WHERE kind = 3", "kind = 3"),
        ("SELECT kind, id FROM {0} WHERE id > 4 AND kind IN (0, 2) ORDER BY _distance", "kind IN (0, 2) AND id > 4"),
        (
            "SELECT a FROM {0} s(a, b) WHERE b <> 2 AND NOT a BETWEEN 30 AND 40",
            "kind <> 2 AND id NOT BETWEEN 30 AND 40",
        ),
        ("SELECT id FROM (SELECT * FROM {0} WHERE kind = 3 AND id > 9) WHERE id > 9", "kind = 3 AND id > 9"),
    ],
)
def test_what_all_found_rows_meet_is_not_asked_again(runtime: SqlRuntime, text: str, condition: str) -> None:
    text = text.format(f"vector_search(items, vec, {QUERY}, k := 5)")
    plan = runtime.plan(runtime.frontend.plan(text))
    assert isinstance(plan.root, FoundRowsExec) or plan.mode is ExecutionMode.DISTRIBUTED
    nearest = NEAREST.format(QUERY, f"AND {condition}", f"array_distance(vec, {QUERY}::FLOAT[4])", 5)
    assert {row[-1] for row in ask(runtime, text)} == {row[0] for row in ask(runtime, nearest)}


def test_types_that_the_kernel_gives_in_another_form(runtime_name: str, make_runtime: Make) -> None:
    """So that what is found cannot go out as it is."""
    runtime, tables = make_runtime(runtime_name, "lance")
    columns = {
        "id": pa.array(range(6), pa.int32()),
        "large": pa.array([f"text {i}" for i in range(6)], pa.large_string()),
        "coded": pa.array(["a", "b", None, "a", "b", "a"]).dictionary_encode(),
        "since": pa.array(range(6), pa.timestamp("s")),
        "vec": pa.array([[i, 0] for i in range(6)], pa.list_(pa.float32(), 2)),
    }
    lance.write_dataset(pa.table(columns), f"{tables.storage.directories()[0]}/forms.lance", mode="overwrite")
    text = "SELECT {} FROM vector_search(forms, vec, [0, 0], k := 3)"
    for names in ("*", "since, coded", "large AS a, id AS a"):
        plan = runtime.plan(runtime.frontend.plan(text.format(names)))
        assert runtime_name == "ray" or isinstance(plan.root, FoundRowsExec)
        wanted = ask(runtime, f"SELECT {names.replace('*', '*, vec[1] ** 2')} FROM forms ORDER BY id LIMIT 3")
        assert ask(runtime, text.format(names)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM vector_search(items, vec, $1::FLOAT[4], k := 3)",
        "SELECT id FROM vector_search(items, vec, $1::FLOAT[4], k := 3) WHERE price < 6 ORDER BY id",
        (
            "SELECT a.id, b.id FROM vector_search(items, vec, $1::FLOAT[4], k := 3) a "
            f"JOIN vector_search(items, vec, {QUERY}, k := 20) b ON a.kind = b.kind ORDER BY ALL"
        ),
        (
            "WITH found AS (SELECT * FROM vector_search(items, vec, $1::FLOAT[4], k := 4)) "
            "SELECT x.id, y.id FROM found x JOIN found y ON x.id < y.id ORDER BY ALL"
        ),
    ],
)
def test_a_search_that_is_asked_again_finds_what_it_is_asked_for(runtime: SqlRuntime, text: str) -> None:
    session, database = Session(), Database(runtime)
    queries = [[1.0, 1.0, 0.5, 2.0], [0.0, 0.0, 0.0, 0.0], [2.0, 1.0, 2.0, 1.0]]
    wanted = [ask(runtime, text.replace("$1", str(query))) for query in queries]
    assert [ask(runtime, text, query, session=session, database=database) for query in queries] == wanted


def test_a_table_is_made_of_a_search_that_is_asked_again(runtime: SqlRuntime) -> None:
    session, database = Session(), Database(runtime)
    search = "SELECT id FROM vector_search(items, vec, $1::FLOAT[4], k := 3)"
    made = database.parse(f"CREATE OR REPLACE TABLE made AS {search}")
    for query in ([1.0, 1.0, 0.5, 2.0], [0.0, 0.0, 0.0, 0.0], [2.0, 1.0, 2.0, 1.0]):
        database.run(StatementContext(session), made, [[pa.scalar(query)]])
        wanted = sorted(ask(runtime, search.replace("$1", str(query))))
        assert ask(runtime, "SELECT id FROM made ORDER BY id", session=session, database=database) == wanted
    change(runtime, "DROP TABLE made", session)


def test_a_plan_is_good_for_other_values(local: SqlRuntime) -> None:
    """Only what is searched for differs, or is looked at as if it were the first."""
    text = "SELECT id, $2 AS given FROM vector_search(items, vec, $1::FLOAT[4], k := 3) ORDER BY _distance, id"
    queries = [[1.0, 1.0, 0.5, 2.0], [0.0, 0.0, 0.0, 0.0], [2.0, 1.0, 2.0, 1.0]]
    wanted = [ask(local, text.replace("$1", str(query)).replace("$2", "7")) for query in queries]
    session, database = Session(), Database(local)

    def again(query: Any, other: int) -> Rows:
        return ask(local, text, query, pa.scalar(other, pa.int32()), session=session, database=database)

    read = sum(local.frontend.readings.values())
    assert [again(query, 7) for query in queries] == wanted
    assert sum(local.frontend.readings.values()) == read + 1
    assert again(queries[0], 8)[0][1] == 8
    assert again(pa.scalar(None, pa.list_(pa.float32())), 7) == []
    for bad in ([1.0, 2.0], [float("inf")] * 4):
        with pytest.raises(errors.InvalidValueError):
            again(bad, 7)
