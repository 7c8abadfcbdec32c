"""The nearest of many in one statement: the query of vector_search() is a column of what stands before it."""

from __future__ import annotations

import re
from collections.abc import Callable

import lance
import numpy as np
import pyarrow as pa
import pytest

from engine import errors
from engine.logical.nodes import Scan, in_operators, walk
from engine.storage.protocol import TableName, WriteMode
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import ask, change, explain

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]

ROWS, DIMENSIONS = 40, 3
EACH = """SELECT q.id AS q, s.id AS s FROM asked q, LATERAL (
    SELECT id FROM points ORDER BY array_distance(points.vec, q.v), points.id LIMIT {0}
) s ORDER BY ALL"""


def put_tables(tables: Tables, _: SqlRuntime) -> None:
    """The table `points`, of four fragments, and `asked`, with queries, of which two are the same."""
    numbers = np.random.default_rng(5).integers(0, 3, (ROWS, DIMENSIONS)).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), DIMENSIONS)
    points = pa.table({"id": range(ROWS), "kind": pa.array([i % 4 for i in range(ROWS)]), "vec": vectors})
    tables.put("points", points.slice(0, 10))
    for start in range(10, ROWS, 10):
        tables.storage.write(TableName("main", "points"), points.slice(start, 10).to_reader(), WriteMode.APPEND)
    lists = [[0, 0, 0], [1.5, 1, 2], [2, 2, 2], [-0.0, 0, 0], None]
    kind = pa.list_(pa.float32(), DIMENSIONS)
    tables.put("asked", pa.table({"id": range(5), "w": ["a", "b", "a", "b", "a"], "v": pa.array(lists, kind)}))


@pytest.mark.parametrize("k", [1, 3, 100])
def test_the_nearest_of_each(runtime: SqlRuntime, k: int) -> None:
    """Rows at the same distance are those that lie first, as everywhere."""
    text = f"SELECT q.id AS q, s.id AS s FROM asked q, LATERAL vector_search(points, vec, q.v, k := {k}) s ORDER BY ALL"
    wanted = [row for row in ask(runtime, EACH.format(k)) if row[0] != 4]  # of NULL nothing is near
    assert ask(runtime, text) == wanted


def test_tasks_share_the_queries(runtime_name: str, runtime: SqlRuntime) -> None:
    text = """SELECT q.id AS q, s.id AS s FROM points q, vector_search(points, vec, q.vec, k := 2) s ORDER BY ALL"""
    assert ask(runtime, text) == ask(runtime, EACH.format(2).replace("asked q", "points q").replace("q.v)", "q.vec)"))
    if runtime_name == "ray":
        (stage,) = [told for told in explain(runtime, text).split("Stage ") if "search=" in told]
        assert stage.split(": ")[1].startswith("4 tasks")


def test_among_which_rows(runtime: SqlRuntime) -> None:
    text = """SELECT q.id, count(s.id), max(s.kind) FROM asked q LEFT JOIN
        vector_search(points, vec, q.v, k := 3, filter := 'kind = 2') s ON true WHERE w = 'a'
        GROUP BY ALL ORDER BY ALL"""
    assert ask(runtime, text) == [(0, 3, 2), (2, 3, 2), (4, 0, None)]


HALVES = "vector_search(points, vec, q.v, k := 1) s"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (f"SELECT s.id FROM halves q, {HALVES}", ["v"]),
        (f"SELECT s.id FROM halves q, {HALVES} WHERE q.a = 1 OR q.b > 5", ["a", "b", "v"]),
        (f"SELECT s.id FROM halves q, {HALVES} WHERE q.b = q.b OR true", ["a", "b", "v"]),
        (f"SELECT s.id FROM halves a JOIN halves q USING (a), {HALVES}", ["a", "v"]),
    ],
)
def test_only_what_queries_need_is_read(local: SqlRuntime, make_runtime: Make, text: str, columns: list[str]) -> None:
    """The others may be large, or such that are not read at all, as half floats are."""
    path = f"{make_runtime('local', 'lance')[1].storage.directories()[0]}/halves.lance"
    kind = pa.list_(pa.float32(), DIMENSIONS)
    rows = {"a": [1, 2], "b": [3, 4], "v": pa.array([[0, 0, 0], [2, 2, 2]], kind)}
    if "OR true" not in text:  # of which all columns are read
        rows["h"] = pa.array([np.float16(1), np.float16(2)])
    lance.write_dataset(pa.table(rows), path, mode="overwrite")
    found = ask(local, text)
    assert found
    plan = local.frontend.plan(text)
    (search,) = {id(s): s for n in walk(in_operators(plan)) if isinstance(n, Scan) and (s := n.table.search)}.values()
    assert search.queries is not None
    assert sorted({c.name for _, _, own in search.queries.tables for c in own}) == columns


def test_other_queries(runtime: SqlRuntime) -> None:
    wanted = ask(runtime, "SELECT id FROM vector_search(points, vec, [2, 2, 2], k := 2) ORDER BY id")
    one = "vector_search(points, vec, (SELECT v FROM asked WHERE id = 2), k := 2)"
    assert ask(runtime, f"SELECT id FROM {one} ORDER BY id") == wanted
    assert [kind for (kind,) in ask(runtime, f"SELECT kind FROM {one} WHERE kind = 3")] == [3, 3]
    text = """WITH a AS (SELECT v FROM asked WHERE id = 2) SELECT s.id FROM a JOIN
        vector_search(points, vec, list_transform(a.v, lambda x: x + 0), k := ?) s ON true ORDER BY ALL"""
    assert ask(runtime, text, 2) == wanted
    doubled = "FROM asked a, asked b, vector_search(points, vec, b.v, k := 2) s WHERE a.id < 2 AND b.id < 4"
    assert ask(runtime, f"SELECT count(*) {doubled}") == [(16,)]
    assert ask(runtime, "SELECT * FROM asked a, vector_search(points, vec, a.v) WHERE a.id > 10") == []


SEARCHED = "vector_search(points, vec, c.v, k := 1)"
SORTED = "(SELECT id FROM points ORDER BY array_distance(points.vec, c.v::FLOAT[3]), points.id LIMIT 1)"


@pytest.mark.parametrize(
    "text",
    [
        "WITH x AS (SELECT c.id AS c, s.id FROM asked c, LATERAL {0} s WHERE c.id < 3) FROM x",
        "WITH x AS (SELECT c.id AS c, s.id FROM asked c, LATERAL {0} s WHERE c.id < 3) FROM x, x y",
        "WITH a AS (FROM asked), c AS (FROM a WHERE id < 2), x AS (SELECT s.id FROM c, LATERAL {0} s) FROM x, a",
        "WITH x AS (WITH c AS (SELECT [2, 2, 2] AS v) SELECT s.id FROM c, LATERAL {0} s) FROM x",
        """WITH c AS (SELECT [0, 0, 0] AS v) SELECT * FROM (SELECT s.id FROM c, LATERAL {0} s),
            (WITH c AS (SELECT [2, 2, 2] AS v) SELECT s.id FROM c, LATERAL {0} s)""",
        """WITH a AS (SELECT [2, 2, 2] AS v), c AS (FROM a) SELECT * FROM (WITH a AS (SELECT [0, 0, 0] AS v)
            SELECT s.id, a.v FROM c, a, LATERAL {0} s)""",
        """WITH x AS (SELECT s.id FROM asked c, LATERAL {0} s WHERE c.id < 3), y AS (SELECT [1.5, 1, 2] AS v)
            SELECT s.id, x.id FROM y c, LATERAL {0} s, x""",
        "WITH w AS (SELECT 1 AS id) SELECT s.id FROM asked c, LATERAL {0} s WHERE c.id IN (FROM w)",
        """WITH RECURSIVE r AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 2), x AS (
            SELECT i, s.id FROM (SELECT i, [i, i, i] AS v FROM r) c, LATERAL {0} s) FROM x""",
    ],
)
def test_under_with(runtime: SqlRuntime, text: str) -> None:
    """Queries come from the CTEs that are in reach of the search, of which others may have the names."""
    found = ask(runtime, f"FROM ({text.format(SEARCHED)}) ORDER BY ALL")
    assert found == ask(runtime, f"FROM ({text.format(SORTED)}) ORDER BY ALL")
    assert found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT q.id, s.id, r.id FROM asked q, LATERAL {q.v, 2} s, LATERAL {s.vec, 3} r",
        "SELECT q.id, z.id FROM asked q JOIN {q.v, 2} s ON true JOIN {s.vec, 3} r ON true JOIN {r.vec, 1} z ON true",
        "WITH x AS (SELECT s.vec AS w FROM asked q, LATERAL {q.v, 2} s) SELECT r.id FROM x, LATERAL {x.w, 3} r",
        "SELECT q.id, s.id FROM asked q, LATERAL {q.v, 3} s WHERE s.id IN (SELECT r.id FROM {s.vec, 5} r) AND q.id < 3",
    ],
)
def test_the_nearest_of_what_a_search_found(runtime: SqlRuntime, text: str) -> None:
    assert nearest(runtime, text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT q.id, (SELECT max(s.id) FROM {q.v, 2} s) FROM asked q",
        "SELECT id, (SELECT max(s.id) FROM {v, 2} s WHERE s.kind = asked.id) FROM asked",
        "SELECT q.id FROM asked q WHERE q.id IN (SELECT s.id FROM {q.v, 30} s)",
        "SELECT q.id FROM asked q WHERE EXISTS (SELECT 1 FROM {q.v, 2} s WHERE s.kind = q.id)",
        "SELECT q.id, s.id FROM asked q, LATERAL (SELECT id FROM {q.v, 4} s WHERE s.kind = q.id) s",
        "SELECT q.id, s.n FROM asked q, LATERAL (SELECT count(*) AS n FROM {q.v, 4} s WHERE s.kind = q.id) s",
        """SELECT q.id, (SELECT sum(s.id) FROM {q.v, 2} s WHERE s.id > (SELECT min(r.id) FROM {s.vec, 2} r))
            FROM asked q""",
        "SELECT q.id, (WITH z AS (SELECT s.id FROM {q.v, 2} s) SELECT max(id) FROM z) FROM asked q",
        """WITH a AS (FROM asked WHERE id < 3) SELECT a.id,
            (WITH b AS (SELECT 1 AS one) SELECT max(s.id) + min(one) FROM b, LATERAL {a.v, 2} s) FROM a""",
        """SELECT p.id, q.id, (SELECT max(s.id) FROM {list_transform(q.v::FLOAT[], lambda x: x + p.kind), 2} s)
            FROM points p, asked q WHERE p.id < 3""",
        "SELECT q.id, p.id FROM asked q JOIN points p ON p.id IN (SELECT s.id FROM {q.v, 3} s) AND p.id > 3",
        "SELECT q.id, p.id FROM asked q LEFT JOIN points p ON p.id = q.id + (SELECT min(s.id) FROM {p.vec, 3} s)",
        "SELECT q.w, max((SELECT max(s.id) FROM {q.v, 2} s)) FROM asked q GROUP BY 1",
        "SELECT p.id FROM points p LEFT JOIN (asked q JOIN LATERAL {q.v, 2} s ON true) ON p.id = s.id WHERE w IS NULL",
        "SELECT q.id, p.id AS p FROM points p, asked q WHERE p.id IN (SELECT s.id FROM {q.v, 3} s)",
        """SELECT p.id, q.id AS q FROM (SELECT id, v, {'v': [9, 9, 9]::FLOAT[3]} AS q FROM asked) p, asked q
            WHERE q.id IN (SELECT s.id FROM {q.v, 3} s)""",
        # Conditions on what is found, where a query around them has such a name, too.
        "SELECT o.id, s.* FROM asked o, LATERAL (SELECT s.id FROM (SELECT o.v AS x) p, {p.x, 30} s WHERE id > 4) s",
        """SELECT kind, z.* FROM points s, LATERAL (SELECT f.id FROM (SELECT s.vec AS x) p, {p.x, 9} s JOIN points f
            ON true WHERE s.id = f.kind AND f.id < 4) z WHERE s.id < 4""",
        """SELECT kind, z.* FROM points s, LATERAL (SELECT s.id FROM (SELECT s.vec AS x) p, {p.x, 9} s
            WHERE s.id > 4) z WHERE s.id < 4""",
        """SELECT o.id, (SELECT max(p.id) FROM (SELECT q.id + o.id AS id, q.v, -o.id AS w FROM asked q) p, {p.v, 2} s
            WHERE s.id > w AND p.id < 5 AND o.id = p.id) FROM asked o""",
        # Or where a struct beside the search has its name.
        "SELECT q.id, s.id AS f FROM (SELECT id, v, {'id': 99} AS s FROM asked) q, {q.v, 30} s WHERE s.id < 30",
        """SELECT o.id, (SELECT max(s.id) FROM (SELECT v, {'id': 99} AS s FROM asked) q, {q.v, 30} s
            WHERE s.id < 30 AND o.id < 3) AS m FROM asked o""",
        """SELECT q.id, s.id AS f, r.id AS g FROM (SELECT id, v, {'vec': v} AS s FROM asked) q, {q.v, 9} s, {s.vec, 2} r
            WHERE s.kind = 1 AND q.id < 3""",
    ],
)
def test_in_queries_over_the_rows_around_them(runtime: SqlRuntime, text: str) -> None:
    assert nearest(runtime, text)


def nearest(runtime: SqlRuntime, text: str) -> list[tuple[object, ...]]:
    """The rows of a text in which {query, k} is a search, which are those that it has where that is a sort."""

    def having(form: str) -> list[tuple[object, ...]]:
        whole = re.sub(r"\{([^{}]*), (\d+)\}", lambda found: form.format(found[1], found[2]), text)
        return sorted(ask(runtime, whole.replace("asked", "asked_vectors")), key=repr)

    change(runtime, "CREATE OR REPLACE VIEW asked_vectors AS SELECT * FROM asked WHERE v IS NOT NULL")
    found = having("vector_search(points, vec, {0}, k := {1})")
    near = "(SELECT * FROM points ORDER BY array_distance(points.vec, {0}::FLOAT[3]), points.id LIMIT {1})"
    assert found == having(near)
    return found


@pytest.mark.parametrize(("rows", "is_told"), [("asked ORDER BY id LIMIT 2", True), ("asked LIMIT 2", False)])
def test_conditions_that_tell_of_queries(local: SqlRuntime, rows: str, is_told: bool) -> None:
    """Those that may be others when they are read again do not."""
    near = "vector_search(points, vec, q.v, k := 1)"
    plan = local.frontend.plan(f"SELECT q.id FROM asked q, {near} WHERE q.id IN (SELECT id FROM (FROM {rows}))")
    (search,) = {id(s): s for n in walk(in_operators(plan)) if isinstance(n, Scan) and (s := n.table.search)}.values()
    assert search.queries is not None
    assert ("LIMIT 2" in search.queries.text) is is_told


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("asked q JOIN points p ON p.id IN (SELECT id FROM {})", {"asked"}),
        ("points p LEFT JOIN asked q ON p.id = (SELECT min(id) FROM {})", {"asked"}),
        ("asked q, points p WHERE EXISTS (SELECT 1 FROM {} s WHERE s.id = p.id) AND q.id < 3", {"asked"}),
        ("points p, asked q, points r, {} s", {"asked"}),
        ("asked q, points p WHERE p.kind = q.id AND EXISTS (FROM {} s WHERE s.id = p.id)", {"asked", "points"}),
        ("(SELECT id, v, {{'id': 1}} AS p FROM asked) q, points p WHERE p.id = 1 AND p.id IN (SELECT id FROM {})",
            {"asked", "points"}),
    ],
)  # fmt: skip
def test_queries_are_read_of_what_they_are_of(local: SqlRuntime, text: str, tables: set[str]) -> None:
    """And not of each pair of its rows with those of something else."""
    plan = local.frontend.plan(f"SELECT q.id FROM {text.format('vector_search(points, vec, q.v, k := 1)')}")
    (search,) = {id(s): s for n in walk(in_operators(plan)) if isinstance(n, Scan) and (s := n.table.search)}.values()
    assert search.queries is not None
    assert {table.name.table for _, table, _ in search.queries.tables} == tables


def test_by_an_index(runtime_name: str, make_runtime: Make) -> None:
    runtime, tables = make_runtime(runtime_name, "lance")
    numbers = np.random.default_rng(6).normal(size=(300, 4)).astype(np.float32)
    points = pa.table({"id": range(300), "vec": pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), 4)})
    tables.put("indexed", points.slice(0, 290))
    path = f"{tables.storage.directories()[0]}/indexed.lance"
    lance.dataset(path).create_index("vec", "IVF_FLAT", num_partitions=2, metric="cosine")
    tables.storage.write(TableName("main", "indexed"), points.slice(290).to_reader(), WriteMode.APPEND)
    text = """SELECT q.id, list(s.id ORDER BY s._distance) FROM indexed q, LATERAL vector_search(indexed, vec, q.vec,
        k := 4, metric := 'cosine', {0}) s WHERE q.id IN (1, 2, 299) GROUP BY ALL ORDER BY ALL"""
    found = ask(runtime, text.format("nprobes := 2"))
    assert [row[1][0] for row in found] == [1, 2, 299]
    assert found == ask(runtime, text.format("use_index := false"))
    told = explain(runtime, text.format("nprobes := 2"))
    assert "nearest 4 of each query by cosine of vec: index vec_idx (IVF_FLAT, approximate" in told


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("asked q, vector_search(points, vec, q.nix)", "UnsupportedError", "columns of what stands before it"),
        ("asked q, vector_search(points, vec, q.w)", "InvalidValueError|TypeMismatchError", ""),
        ("range(3) q(i), vector_search(points, vec, [1, q.i])", "InvalidValueError", "has 2 dimensions"),
        ("(FROM asked LIMIT 2) q, vector_search(points, vec, q.v)", "UnsupportedError", "a LIMIT without an order"),
        ("asked q, vector_search(points, vec, [random(), q.id, 1])", "UnsupportedError", "random"),
        ("asked q, text_search(points, q.w)", "UnsupportedError", ""),
        ("(SELECT (SELECT max(id) FROM vector_search(points, vec, any_value(q.v))) FROM asked q GROUP BY w)",
            "UnsupportedError", "is computed of one row"),
        ("(SELECT (SELECT max(id) FROM vector_search(points, vec, lag(q.v) OVER ())) FROM asked q)",
            "UnsupportedError", ""),
        (
            """(WITH a AS (FROM asked) SELECT id, (WITH a AS (SELECT 1 AS x) SELECT max(s.id) FROM a,
                vector_search(points, vec, q.v) s) FROM a q)""",
            "UnsupportedError",
            "",
        ),
        (
            "(WITH RECURSIVE r AS (FROM asked UNION SELECT q.* FROM r q, vector_search(points, vec, q.v) s) FROM r)",
            "UnsupportedError",
            "a recursive query that the search is itself a part of",
        ),
        ("range(20000) q(i), vector_search(points, vec, [i, 1, 1])", "ResourceExhaustedError", "More than 10000"),
        ("range(200) q(i), vector_search(points, vec, [i, 1, 1], k := 9000)", "ResourceExhaustedError", "1000000"),
    ],
)  # fmt: skip
def test_what_is_refused(local: SqlRuntime, text: str, error: str, message: str) -> None:
    with pytest.raises(tuple(getattr(errors, name) for name in error.split("|"))) as raised:
        ask(local, f"SELECT * FROM {text}")
    assert message in str(raised.value)


def test_the_types_of_parameters(local: SqlRuntime) -> None:
    text = "SELECT * FROM asked q, vector_search(points, vec, q.v, k := ?, metric := ?) s WHERE q.id < ?"
    assert local.frontend.parameters(text).types == [pa.int64(), pa.string(), pa.int64()]


def test_beside_a_search_for_one(local: SqlRuntime) -> None:
    """Of the same table, which has another column then."""
    assert ask(local, "SELECT count(*) FROM vector_search(points, vec, [2, 2, 2], k := 2)") == [(2,)]
    one = "vector_search(points, vec, [1, 1, 1], k := 3)"
    assert ask(local, f"SELECT count(*) FROM asked q, vector_search(points, vec, q.v, k := 2), {one}") == [(24,)]
