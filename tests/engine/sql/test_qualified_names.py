"""Columns written with schemas, and tables and views of one name in several schemas: what the kernel itself gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from engine.errors import PlanningError, TypeMismatchError
from engine.sql.views import Names, View
from engine.statements.stored_views import StoredViews
from engine.storage import DirectoryStorage, TableName, WriteMode
from local_runtime import LocalRuntime
from tests.engine.querying import result

TABLES = {
    ("a", "t"): {"x": [1, 2], "y": [2, 3]},
    ("b", "t"): {"x": [1, 5], "z": [3, 4]},
    ("main", "t"): {"q": [5]},
    ("a", "n"): {"s": [{"t": {"q": 7}}]},
    ("a", "a"): {"x": [1, 4]},
}
VIEWS = {
    ("a", "v"): "FROM a.t",
    ("b", "v"): "FROM b.t",
    ("a", "w"): "SELECT a.t.x, b.t.z, a.t.y + 1 FROM a.t, b.t WHERE a.t.x = b.t.x",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalRuntime, Names]]:
    folder: Path = tmp_path_factory.mktemp("schemas")
    storage, views = DirectoryStorage(folder), StoredViews(folder)
    for schema in ("a", "b"):
        storage.create_schema(schema)
    for name, columns in TABLES.items():
        storage.write(TableName(*name), pa.table(columns).to_reader(), WriteMode.CREATE)
    for name, query in VIEWS.items():
        views.create(View(TableName(*name), query), replace=False)
    with LocalRuntime(storage, threads=1) as runtime:
        yield runtime, Names(views=views)


@pytest.fixture(scope="module")
def oracle() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS grism; USE grism; CREATE SCHEMA a; CREATE SCHEMA b")
        for (schema, table), columns in TABLES.items():
            connection.register("data", pa.table(columns))
            connection.execute(f"CREATE TABLE {schema}.{table} AS FROM data")
        for (schema, view), query in VIEWS.items():
            connection.execute(f"CREATE VIEW {schema}.{view} AS {query}")
        yield connection


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a.t.x, b.t.x AS bx, a.t.x + b.t.z FROM a.t, b.t",
        "SELECT A.T.x FROM a.t, B.t WHERE b.t.x = 5",
        "SELECT y, z FROM a.t, b.t",
        "SELECT t.y, t.z FROM a.t, b.t",
        "SELECT a.t FROM a.t, b.t",
        "SELECT * FROM a.t JOIN b.t USING (x)",
        "SELECT * FROM a.t JOIN b.t ON a.t.x = b.t.x",
        "SELECT * FROM a.t NATURAL JOIN b.t",
        "SELECT t.q, a.t.x FROM t, a.t WHERE t.q > a.t.x",
        "SELECT main.t.q, grism.a.t.x FROM t, a.t",
        "SELECT main.t.q FROM t",
        "SELECT grism.main.t.q + 1 FROM main.t",
        "SELECT (SELECT sum(a.t.x + b.t.z) FROM b.t) FROM a.t",
        "SELECT (SELECT max(t.z) FROM b.t) FROM a.t",
        "SELECT a.t.x + 1, x + 1 FROM a.t ORDER BY a.t.x",
        "SELECT a.t.x, count(*) FROM a.t, b.t GROUP BY a.t.x",
        "SELECT a.t.x FROM a.t UNION ALL SELECT b.t.x FROM b.t",
        "SELECT a.t.y, s.k FROM a.t, LATERAL (SELECT a.t.x + b.t.z AS k FROM b.t) s",
        "WITH c AS (SELECT b.t.z FROM a.t, b.t) SELECT c.z, t.y FROM c, a.t",
        "WITH t AS (SELECT 9 AS q) SELECT t.q, a.t.x FROM t, a.t",
        "SELECT a.v.x, b.v.z FROM a.v, b.v",
        "SELECT (SELECT max(v.z) FROM b.v WHERE v.x = a.v.x) AS m FROM a.v",
        "SELECT t, (SELECT max(t.x) FROM b.t) FROM a.t",
        "SELECT (SELECT max(t.z + q) FROM b.t) FROM t",
        "SELECT a.v.x, a.t.y FROM a.v, a.t",
        "SELECT v FROM a.v",
        "FROM a.w",
        "SELECT a.w.z, t.q FROM a.w, t",
        "SELECT EXISTS (SELECT 1 FROM b.t WHERE a.t.x = b.t.x) FROM a.t, b.v",
        "SELECT main.t.q FROM (SELECT s AS main FROM a.n), t",
        "SELECT p.x, b.t.z FROM a.t AS p, b.t",
        "SELECT a.t FROM a.t",
        "SELECT grism.a.t AS r, A.T FROM a.t ORDER BY a.t DESC",
        "SELECT main.t, (main.t).q FROM t WHERE main.t = {'q': 5}",
        "SELECT a.t, count(*) FROM a.t GROUP BY a.t",
        "SELECT a.t.x, t FROM a.t",
        "SELECT a.t, b.t FROM a.t FULL JOIN b.t USING (x)",
        "SELECT a.t FROM a.t, (SELECT 5 AS t) AS q",
        "SELECT a.t, x FROM (SELECT 5 AS t) AS q, a.t",
        "SELECT (SELECT a.t) FROM a.t",
        "SELECT q.t.x FROM (SELECT a.t FROM a.t) AS q",
        "WITH q AS (SELECT a.t FROM a.t) SELECT t.y FROM q",
        "SELECT unnest(a.t), a.t::VARCHAR FROM a.t",
        "SELECT list(a.t ORDER BY a.t), max(a.v.x) FROM a.t, a.v",
        "SELECT first(a.t) OVER (PARTITION BY a.t) FROM a.t",
        "SELECT a.v, v.x FROM a.v",
        "SELECT main.t FROM t, (SELECT {'t': 9} AS main) AS s",
        "SELECT main.t FROM t, (SELECT 9 AS t) AS main",
        "SELECT t, (SELECT count(*) FROM b.t) FROM a.t, (SELECT 9 AS t) AS s",
        "SELECT a.a, a.a.x FROM a.a WHERE a.x > 1 ORDER BY a.a",
        "SELECT a.a FROM grism.a.a",
        "SELECT grism.a.a, a FROM a.a",
        "SELECT a FROM (SELECT a.a FROM a.a) AS q",
        "SELECT a.a.x, a.t FROM a.a JOIN a.t ON a.a = {'x': a.t.x}",
        "SELECT a.a FROM a.a, (SELECT {'a': 9} AS a) AS s",
    ],
)
def test_names_mean_what_they_mean_in_the_kernel(
    stored: tuple[LocalRuntime, Names], oracle: duckdb.DuckDBPyConnection, text: str
) -> None:
    runtime, names = stored
    found = result(runtime, text, names=names)
    wanted = oracle.sql(text).to_arrow_table()
    assert found.column_names == wanted.column_names
    assert sorted(map(str, found.to_pylist())) == sorted(map(str, wanted.to_pylist()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT t.x FROM a.t, b.t", "may be a.t or b.t; write which"),
        ("SELECT (SELECT t.x) FROM a.t, b.t", "may be a.t or b.t; write which"),
        ("SELECT x FROM a.t, b.t", 'Ambiguous reference to column name "x"'),
    ],
)
def test_what_may_be_a_column_of_either_is_refused(stored: tuple[LocalRuntime, Names], text: str, message: str) -> None:
    with pytest.raises(TypeMismatchError, match=message):
        stored[0].frontend.plan(text, names=stored[1])


@pytest.mark.parametrize("text", ["SELECT b.t.x FROM a.t", "SELECT a.t.z FROM a.t, b.t", "SELECT c.t.x FROM a.t, b.t"])
def test_what_is_not_there_is_refused(stored: tuple[LocalRuntime, Names], text: str) -> None:
    with pytest.raises(PlanningError):
        stored[0].frontend.plan(text, names=stored[1])
