"""An error tells where it stands in the text that the client wrote, as the kernel alone tells it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import GrismError, UnknownColumnError
from engine.place import Place
from engine.sql.frontend import SqlFrontend
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from tests.harness.oracle import Oracle
from tests.harness.runtimes import SqlRuntime, Tables

T = pa.table({"a": pa.array([1, 2], pa.int32()), "s": ["x", "y"], "d": pa.array([1, 2], pa.date32())})
U = pa.table({"a": pa.array([1], pa.int32()), "l": [[1]], "st": [{"x": 1}]})


@pytest.fixture(scope="module")
def frontend() -> Iterator[SqlFrontend]:
    with LocalRuntime(InMemoryStorage({"t": T, "u": U}), threads=1) as runtime:
        yield runtime.frontend


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with Oracle.over({"t": T, "u": U}) as oracle:
        yield oracle


def place_of(run: Callable[[], object]) -> Place | None:
    """Where the error stands that is raised."""
    with pytest.raises(GrismError) as caught:
        run()
    place = caught.value.place
    assert place is None or caught.value.message.endswith(f"\n\n{place.excerpt}")
    return place


def unmarked(text: str) -> tuple[str, Place | None]:
    """A statement without the brackets around the place of its error, and that place."""
    plain = text.replace("«", "").replace("»", "")
    start, end = text.find("«"), text.find("»")
    return plain, None if start < 0 else Place(plain, start, end - start - 1)


# The kernel shortens lines from some 100 characters on, and shows tabs and wide spaces otherwise than we do.
SELECTS = """
SELECT b FROM t
SELECT a, x.y FROM t
SELECT 'éé', ab FROM t
SELECT '日本語', nope FROM t
SELECT a, 日本 FROM t
SELECT "no pe" FROM t
SELECT s + d FROM t
SELECT -s FROM t
SELECT s || nope || 1 FROM t
SELECT sum(a) FROM t WHERE sum(a) > 1
SELECT a, s FROM t GROUP BY a
SELECT a, count(*) FROM t
SELECT sum(a) + s FROM t GROUP BY a
SELECT a FROM t GROUP BY ROLLUP (a, nope)
SELECT a FROM t HAVING a > 1
SELECT a FROM t QUALIFY row_number() OVER (ORDER BY nope) = 1
SELECT * FROM t JOIN (SELECT 1 AS a) u ON t.a = u.zz
SELECT * FROM t LEFT JOIN u ON t.a = u.a AND nope
SELECT * FROM t SEMI JOIN u ON nope
SELECT a FROM t JOIN u ON true JOIN t ON a = 1
SELECT a FROM t, u
SELECT (SELECT a, s FROM t)
SELECT (SELECT nope)
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.nope)
SELECT a FROM t WHERE a IN (SELECT l FROM u)
SELECT a FROM t WHERE a = ANY (SELECT nope FROM u)
SELECT * FROM t, LATERAL (SELECT t.a + nope) x
SELECT a FROM t, (SELECT * FROM t WHERE q) x
SELECT CASE WHEN a THEN 1 ELSE d END FROM t
SELECT CASE a WHEN nope THEN 1 END FROM t
SELECT coalesce(a, d) FROM t
SELECT a BETWEEN 1 AND nope FROM t
SELECT a LIKE s FROM t
SELECT substr(d, 1) FROM t
SELECT nofunc(a) FROM t
SELECT a.nofunc() FROM t
SELECT count(*) FILTER (WHERE nope) FROM t
SELECT string_agg(s ORDER BY nope) FROM t
SELECT max(sum(a)) FROM t
SELECT sum(a) OVER (PARTITION BY zz) FROM t
SELECT a FROM t ORDER BY 3
SELECT a FROM t LIMIT a
SELECT DISTINCT ON (nope) a FROM t
SELECT CAST(a AS foo) FROM t
SELECT CAST(a AS foo[]) FROM t
SELECT * FROM (VALUES (1, 2), (3)) v
SELECT * FROM (VALUES (1), (nope)) v(x)
SELECT a FROM t x(y)
SELECT t.a FROM t AS x
SELECT l[1:nope] FROM u
SELECT {'x': nope} FROM t
SELECT list_transform([1], x -> y)
SELECT [nope FOR x IN [1]]
SELECT list_sum(nope) FROM t
SELECT * REPLACE (nope AS a) FROM t
SELECT * FROM range(nope)
SELECT * FROM t PIVOT (sum(a) FOR nope IN (1, 2))
FROM t SELECT nope
WITH q AS (SELECT zz FROM t) SELECT * FROM q
WITH q AS (SELECT a FROM t) SELECT zz FROM q
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + nope FROM r) SELECT * FROM r
SELECT a FROM missing
SELECT a FROM t JOIN missing USING (a)
SELECT a + FROM t
SELECT a FROM t WHERE
SELECT (a FROM t
SELECT 'x
SELECT a FROM t WHERE a = = 1
"""
LINES = [
    "SELECT a\nFROM t\nWHERE x = 1\n",
    "\n\n  SELECT nope FROM t",
    "-- é\nSELECT /* é */ nope FROM t",
    "SELECT a,\r\n nope FROM t",
    "WITH q AS (\n  SELECT a\n  FROM t\n)\nSELECT *\nFROM q\nJOIN u ON q.a = u.nope",
    "SELECT a + (\n  SELECT max(zz)\n  FROM u\n)\nFROM t",
    "SELECT a\nFROM t\nORDER BY (\n  a",
]


@pytest.mark.parametrize("text", [*SELECTS.strip().split("\n"), *LINES])
def test_a_place_is_the_kernel_s(text: str, frontend: SqlFrontend, oracle: Oracle) -> None:
    want = oracle.complaint(text).rpartition("\n\nLINE ")[2].rstrip()
    place = place_of(lambda: frontend.plan(text))
    assert place is not None
    assert place.text == text
    assert place.excerpt == f"LINE {want}"
    assert place_of(lambda: frontend.columns(text)) == place


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("SELECT ?, ?, «nope» FROM t", ["a long text that takes more room than its mark", 1]),
        ("SELECT a FROM t WHERE a «»+ ? > 0", [pa.scalar([1], pa.list_(pa.int32()))]),
        ("SELECT $b, $a, «nope» FROM t WHERE a = $b", [1, 2]),
        ("SELECT 'é', ?,\n «nope» FROM t", ["é"]),
        ("SELECT now(), current_schema(), «nope» FROM t", []),
        ("SELECT a FROM t WHERE a IN (?, ?) AND «nope» = ?", [1, 2, 3]),
        ("SELECT replace(s, ?, s), «nope» FROM t", ["x"]),
        ("SELECT «read_text('x')» FROM t", []),
        ("SELECT a FROM t, «read_csv('x')»", []),
        ("SELECT \t'日本', «nope» FROM t", []),
        ("SELECT\u00a0'a',\u3000«nope» FROM t", []),
        (f"SELECT {'1 + (' * 60}«nope»{')' * 60} FROM t", []),
        (f"SELECT {', '.join('a' * 300)}, «nope», {', '.join('a' * 300)} FROM t", []),
    ],
)
def test_a_place_that_the_kernel_alone_cannot_tell(text: str, values: Sequence[Any], frontend: SqlFrontend) -> None:
    plain, place = unmarked(text)
    scalars = [value if isinstance(value, pa.Scalar) else pa.scalar(value) for value in values]
    assert place_of(lambda: frontend.plan(plain, parameters=scalars)) == place
    if values and place is not None and "+" not in plain:
        assert place_of(lambda: frontend.result_schema(plain)) == place


@pytest.mark.parametrize("call", ["array_push_back(a, 1)", "repeat(d, 1), a, s", "if(a, d, 1)"])
def test_no_place_is_told_that_is_one_of_a_macro(call: str, frontend: SqlFrontend) -> None:
    """The kernel tells the place in the macro's text, as if it were one in the statement."""
    assert place_of(lambda: frontend.plan(f"SELECT {call} FROM t")) is None


STATEMENTS = [
    ("SELECT a, «nope» FROM v", []),
    ("SELECT sx + «d» FROM v", []),
    ("SELECT *\nFROM t\nJOIN «broken» ON true", []),
    ("SELECT a FROM t JOIN «over_broken b» USING (a)", []),
    ("SELECT w.sx, «x.nope» FROM v w, v x", []),
    ("EXPLAIN SELECT «nope» FROM t", []),
    ("EXPLAIN\n  SELECT «nope» FROM v", []),
    ("EXPLAIN SELECT a FROM t WHER «a»", []),
    ("DESCRIBE SELECT 'é', «nope» FROM v", []),
    ("SELECT ?, «nope» FROM v", [[1], [2]]),
    ("INSERT INTO t SELECT a, «nope», d FROM t", []),
    ("INSERT INTO t (a) SELECT «x.a»\nFROM t", []),
    ("WITH q AS (SELECT «zz» FROM t) INSERT INTO t SELECT * FROM q", []),
    ("WITH q AS (SELECT a FROM t)\nINSERT INTO t (a) SELECT «zz» FROM q", []),
    ("INSERT INTO t VALUES (1, 'é', «nope»)", []),
    ("INSERT INTO t VALUES (1, 'x', NULL), (2, «nope», DEFAULT), (3, nope, NULL)", []),
    ("INSERT INTO t VALUES (?, «nope», ?)", [[1, None]]),
    ("INSERT INTO t VALUES (?, ?, ?), (1, «nope», ?)", [[1, "x", None, None], [1, "x", None, None]]),
    ("INSERT INTO t VALUES ($x, «nope», $a_long_name)", [[1, None]]),
    ("UPDATE t SET a = «nope»", []),
    ("UPDATE t SET s = 'é',\n a = ? + «nope» WHERE d IS NULL", [[1]]),
    ("UPDATE t SET a = «nope», s = nope", []),
    ("UPDATE t SET a = 1 WHERE s = ? AND «nope» > ?", [["x", 1]]),
    ("UPDATE t SET a = «u.nope» FROM u WHERE t.a = u.a", []),
    ("UPDATE t SET a = 1 «+»", []),
    ("UPDATE t SET a = 1 «WHERE»", []),
    ("UPDATE t a «=» 1", []),
    ("DELETE FROM t WHERE «nope» = 1", []),
    ("DELETE FROM t USING u WHERE t.a = u.a AND «u.nope» = ?", [[1]]),
    ("CREATE TABLE made AS SELECT 'é', «nope» FROM t", []),
    ("CREATE TABLE made (x, y) AS (\nSELECT a, «nope» FROM t\n)", []),
    ("CREATE VIEW made AS SELECT a,\n  «nope» FROM t", []),
    ("ALTER TABLE t ADD COLUMN z INT DEFAULT «nope»", []),
    ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET s = «u.nope»", []),
    ("MERGE INTO t USING u ON «t.nope» = u.a WHEN MATCHED THEN DELETE", []),
    ("SELECT {d '2024-01-31'}, «nope» FROM t", []),
    ("SELECT {fn UCASE(\n  {fn LEFT(s, 1)})}, {fn LENGTH(«nope»)} FROM t", []),
    ("SELECT * FROM {oj t LEFT OUTER JOIN u ON t.a = «u.nope»} WHERE ? > 0", [[1]]),
    ("SELECT a FROM t WHERE {fn «LOG(s, d, a, 1)»} > 0", []),
    ("SELECT {ts '2024-01-31 10:00:00'}\n FROM t WHER «a»", []),
    ("EXPLAIN SELECT {d '2024-01-31'}, «nope» FROM t", []),
    ("INSERT INTO t VALUES (1, {fn SPACE(2)}, «nope»)", []),
    ("UPDATE t SET d = {d '2024-01-31'} WHERE {fn LCASE(s)} = ? AND «nope» > ?", [["x", 1]]),
    ("SELECT 1, «{call» cleared(1)}", []),
    # One of two texts that are written alike, and mean different rows: none is told rather than the wrong one.
    (
        "MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED AND t.a THEN INSERT (a) VALUES (t.a)",
        [],
    ),
    # What is wrong is in no text of the client's.
    ("DESCRIBE nowhere", []),
]


@pytest.fixture(scope="module")
def databases(make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> Callable[[str], Database]:
    """A database on each runtime, with tables and views; one view reads a table that is gone."""
    made: dict[str, Database] = {}

    def make(runtime_name: str) -> Database:
        if runtime_name not in made:
            runtime, tables = make_runtime(runtime_name, "lance")
            database = made[runtime_name] = Database(runtime)
            for name, table in (("t", T), ("u", U), ("gone", T)):
                tables.put(name, table)
            for view in ("v AS SELECT a, s || 'x' AS sx FROM t", "broken AS SELECT a, s FROM gone"):
                database.sql(f"CREATE OR REPLACE VIEW {view}").close()
            database.sql("CREATE OR REPLACE VIEW over_broken AS SELECT * FROM broken").close()
            tables.remove("gone")
        return made[runtime_name]

    return make


@pytest.mark.parametrize(("text", "rows"), STATEMENTS)
def test_a_statement_tells_the_place_in_its_own_text(
    text: str, rows: list[list[Any]], runtime_name: str, databases: Callable[[str], Database]
) -> None:
    plain, place = unmarked(text)
    database = databases(runtime_name)
    values = [[pa.scalar(value) for value in row] for row in rows] or None
    assert place_of(lambda: database.sql(plain, values).close()) == place


@pytest.mark.parametrize(
    "text", ["INSERT INTO t SELECT a, s, d FROM t WHERE «nope» = $x", "SELECT a FROM v, «missing» WHERE a = ?"]
)
def test_what_is_prepared_tells_it_too(text: str, runtime_name: str, databases: Callable[[str], Database]) -> None:
    plain, place = unmarked(text)
    database, context = databases(runtime_name), StatementContext(Session())
    parsed, rows = database.parse(plain), [[pa.scalar(1)]]
    if parsed.has_effects:
        assert place_of(lambda: database.run(context, parsed, rows)) == place
    else:
        assert place_of(lambda: database.parameters(context.session, parsed)) == place
        assert place_of(lambda: database.ask(context.session, parsed, rows)) == place


def test_a_name_is_not_advised_that_is_not_in_reach(frontend: SqlFrontend) -> None:
    with pytest.raises(GrismError) as caught:
        frontend.plan("SELECT d FROM u, (SELECT a FROM t) x")
    assert not re.search(r'did you mean "d"', caught.value.message)


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM t WHERE rowid = 1",
        "UPDATE t SET a = _rowid",
        "UPDATE t SET a = rowaddr FROM u",
        "MERGE INTO t USING u ON rowid = u.d WHEN MATCHED THEN DELETE",
        "MERGE INTO t USING u ON t.a = u.d WHEN MATCHED THEN UPDATE SET a = t.rowid",
        "ALTER TABLE t ALTER COLUMN a TYPE BIGINT USING rowid",
        "UPDATE t SET a = grism_stays",
        "SELECT rowid FROM vector_search(vectors, v, [1, 2])",
        "SELECT a._rowadd FROM vectors b, LATERAL vector_search(vectors, v, b.v) a",
        "SELECT query FROM vectors b, LATERAL vector_search(vectors, v, b.v) a",
        "SELECT rowid FROM hybrid_search(vectors, v, [1, 2], 'x')",
    ],
)
def test_no_column_is_advised_that_only_we_may_name(
    text: str, runtime_name: str, databases: Callable[[str], Database]
) -> None:
    database = databases(runtime_name)
    if "vectors" in text:
        for made in (
            "CREATE OR REPLACE TABLE vectors AS SELECT [1, 2]::FLOAT[2] AS v, 'x' AS s",
            "CREATE INDEX IF NOT EXISTS texts ON vectors USING FTS (s)",
        ):
            database.sql(made).close()
    with pytest.raises(UnknownColumnError) as caught:
        database.sql(text).close()
    assert not re.search("_rowaddr|_query|__grism", caught.value.message)
