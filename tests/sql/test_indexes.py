"""CREATE INDEX, DROP INDEX, SHOW INDEXES and what scans make of indexes, at a server and as clients see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

from tests.harness.server import drop_afterwards

Ask = Callable[[str], list[tuple[Any, ...]]]

ROWS = """
    SELECT i AS k, 'w' || (i % 50) || 'xyz' AS s, [i % 3, i % 5] AS l, i / 4.0 AS f, i % 2 = 0 AS b,
        [random(), random(), random(), random()]::FLOAT[4] AS v,
        ('00000000-0000-0000-0000-' || printf('%012x', i))::UUID AS u, unhex(printf('%02x', i % 50)) AS y,
        TIME '00:00:00' + to_seconds(i % 50) AS h, make_timestamp(i * 1000)::TIMESTAMP_MS AS m,
        make_timestamp_ns(i) AS n, [DATE '1970-01-01' + (i % 3)::INT] AS ld, [i / 4.0] AS d, (i % 5)::HUGEINT AS g
    FROM range(600) r(i)
"""


@pytest.fixture(scope="module")
def ask(runtime_name: str, server_uri: Callable[[str], str]) -> Iterator[Ask]:
    """Statements at a server on each runtime, which has a table `ix_t`."""
    with (
        drop_afterwards(server_uri(runtime_name)) as uri,
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):

        def ask(text: str) -> list[tuple[Any, ...]]:
            cursor.execute(text)
            return [] if cursor.description is None else cursor.fetchall()

        ask(f"CREATE TABLE ix_t AS {ROWS}")
        yield ask


@pytest.mark.parametrize(
    ("made", "kind", "predicate", "found"),
    [
        ("(k)", "BTREE", "k = 77", 1),
        ("USING btree (k) WITH (zone_size = 100)", "BTREE", "k IN (1, 77, 990) OR k > 597", 4),
        ("USING BITMAP (b)", "BITMAP", "b", 300),
        ("USING BITMAP (s)", "BITMAP", "s = 'w7xyz' AND k < 100", 2),
        ("USING ZONEMAP (k) WITH (rows_per_zone = 50)", "ZONEMAP", "k BETWEEN 70 AND 79", 10),
        ("USING BLOOMFILTER (s) WITH (number_of_items = 100, probability = 0.01)", "BLOOMFILTER", "s = 'w7xyz'", 12),
        ("USING NGRAM (s)", "NGRAM", "s LIKE '%w4%xyz%' AND contains(s, '7xyz')", 12),
        ("USING LABEL_LIST (l)", "LABEL_LIST", "list_contains(l, 4)", 120),
        ("USING BTREE (f)", "BTREE", "f >= '149.5'::DOUBLE AND f < 'inf'::DOUBLE", 2),
        ("USING BTREE (u)", "BTREE", "u = '00000000-0000-0000-0000-00000000004D'", 1),
        ("USING BITMAP (y)", "BITMAP", "y = '\\x07'::BLOB", 12),
        ("USING BTREE (y)", "BTREE", "y > '\\x2F'::BLOB", 24),
        ("USING BTREE (h)", "BTREE", "h = TIME '00:00:07'", 12),
        ("USING ZONEMAP (m) WITH (rows_per_zone = 50)", "ZONEMAP", "m < TIMESTAMP_MS '1970-01-01 00:00:00.010'", 10),
        ("USING BLOOMFILTER (n)", "BLOOMFILTER", "n IN (TIMESTAMP_NS '1970-01-01 00:00:00.000000007')", 1),
        ("USING LABEL_LIST (ld)", "LABEL_LIST", "list_has_any(ld, [DATE '1970-01-03'])", 200),
    ],
)
def test_a_scan_asks_an_index(ask: Ask, made: str, kind: str, predicate: str, found: int) -> None:
    query = f"SELECT count(*) FROM ix_t WHERE {predicate}"
    assert ask(query) == [(found,)]
    assert "index=" not in _plan(ask, query)
    ask(f"CREATE INDEX ix_i ON ix_t {made}")
    try:
        [(name, told, columns, rows, other, _, size, _)] = ask("SHOW INDEXES FROM ix_t")
        assert (name, told, rows, other) == ("ix_i", kind, 600, 0)
        assert size > 0
        assert f"index=ix_i ({kind} of {columns[0]})" in _plan(ask, query)
        assert ask(query) == [(found,)]
    finally:
        ask("DROP INDEX ix_i")
    assert ask("SHOW INDEXES FROM ix_t") == []
    assert ask(query) == [(found,)]


@pytest.mark.parametrize(
    ("made", "kind", "options"),
    [
        ("USING FTS (s) WITH (with_position = true, language = german)", "FTS", {"with_position": True}),
        ("USING INVERTED (s) WITH (stem = false)", "FTS", {"stem": False, "language": "English"}),
        ("USING IVF_FLAT (v) WITH (num_partitions = 2, metric = 'cosine')", "IVF_FLAT", {"metric": "cosine"}),
        ("USING IVF_PQ (v) WITH (num_partitions = 2, num_sub_vectors = 2)", "IVF_PQ", {"num_sub_vectors": 2}),
        ("USING IVF_SQ (v) WITH (num_partitions = 2, metric = dot)", "IVF_SQ", {"metric": "dot"}),
        ("USING IVF_HNSW_SQ (v) WITH (num_partitions = 1, m = 8)", "IVF_HNSW_SQ", {"m": 8, "metric": "l2"}),
    ],
)
def test_indexes_for_searches(ask: Ask, runtime_name: str, made: str, kind: str, options: dict[str, object]) -> None:
    if runtime_name == "ray" and kind != "IVF_PQ":
        pytest.skip("the server builds them, whatever runs its queries")
    ask(f"CREATE INDEX ix_i ON ix_t {made}")
    try:
        [(_, told, _, rows, _, _, _, shown)] = ask("SHOW INDEXES FROM ix_t")
        assert (told, rows) == (kind, 600)
        assert json.loads(shown).items() >= options.items()
        assert ask("SELECT count(*) FROM ix_t WHERE s = 'w7xyz'") == [(12,)]
    finally:
        ask("DROP INDEX main.ix_i ON ix_t")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CREATE INDEX i ON ix_t (nowhere)", 'no column "nowhere"'),
        ("CREATE INDEX i ON nowhere (k)", 'no table "main.nowhere"'),
        ("CREATE INDEX i ON lineitem (l_orderkey)", "made of Parquet files"),
        ("DROP INDEX i ON lineitem", "made of Parquet files"),
        ("CREATE INDEX i ON ix_t (k, s)", "one column"),
        ("CREATE INDEX i ON ix_t USING BTRE (k)", "did you mean BTREE"),
        ("CREATE INDEX i ON ix_t USING BTREE (l)", "take one of LABEL_LIST"),
        ("CREATE INDEX i ON ix_t USING RTREE (s)", "no query here would ask it: it is for spatial filters"),
        ("CREATE INDEX i ON ix_t USING minhashlsh (s)", "no query here would ask it"),
        ("CREATE INDEX i ON ix_t USING ZONEMAP (f)", "for integers, decimals, texts, .*; take one of BTREE, BITMAP"),
        ("CREATE INDEX i ON ix_t USING LABEL_LIST (d)", "no kind of index is for it"),
        ("CREATE INDEX i ON ix_t (g)", "of type HUGEINT cannot .*; no kind of index is for it"),
        ("CREATE INDEX i ON ix_t USING NGRAM (k)", "NGRAM, which is for texts; take one of BTREE, BITMAP, ZONEMAP"),
        ("CREATE INDEX i ON ix_t USING IVF_FLAT (k)", "for vectors of floats"),
        ("CREATE INDEX i ON ix_t USING BITMAP (k) WITH (zone_size = 100)", 'no option "zone_size"; it has none'),
        ("CREATE INDEX i ON ix_t (k) WITH (zone_size = -1)", 'cannot be "-1"; it is a number from 16 to 1000000'),
        ("CREATE INDEX i ON ix_t (k) WITH (zone_size = 100, Zone_Size = 200)", "given twice|Duplicate option"),
        ("CREATE INDEX i ON ix_t USING FTS (s) WITH (stem = maybe)", "it is true or false"),
        ("CREATE INDEX i ON ix_t USING FTS (s) WITH (language = 'Klingon')", "it is one of Arabic, Danish"),
        ("CREATE INDEX i ON ix_t USING BLOOMFILTER (k) WITH (probability = 2)", "a number between 0 and 1"),
        ("CREATE INDEX i ON ix_t USING IVF_PQ (v) WITH (num_sub_vectors = 3)", "it has to divide 4"),
        ("CREATE INDEX i ON ix_t USING IVF_RQ (v)", "a multiple of 8"),
        ("CREATE INDEX i ON ix_t USING IVF_HNSW_SQ (v) WITH (m = 2)", "a number from 4 to 1000"),
        ("CREATE INDEX i ON ix_t USING IVF_HNSW_SQ (v) WITH (m = 16, ef_construction = 10)", "cannot be less than"),
        ("CREATE INDEX i ON ix_t USING IVF_PQ (v) WITH (num_bits = 4, num_sub_vectors = 1)", "be even"),
        ("CREATE INDEX i ON ix_t USING IVF_FLAT (v) WITH (metric = 'hamming')", "one of l2, cosine, dot"),
        ("CREATE UNIQUE INDEX i ON ix_t (k)", "there are no keys"),
        ("CREATE INDEX ON ix_t (k)", "expected a name"),
        ("CREATE INDEX i ON ix_t", "yntax error"),
        ("CREATE INDEX i ON ix_t (s.x)", 'has no field "x"'),
        ("CREATE INDEX i ON ix_t (lower(s))", "not on an expression"),
        ("CREATE INDEX main.i ON ix_t (k)", "leave the schema out"),
        ("DROP INDEX nowhere", 'no index "nowhere" in the schema "main"'),
        ("DROP INDEX nowhere ON ix_t", 'Table "main.ix_t" has no index "nowhere"'),
        ("SHOW INDEXES FROM nowhere", 'no table "main.nowhere"'),
    ],
)
def test_what_is_refused(ask: Ask, runtime_name: str, text: str, told: str) -> None:
    if runtime_name == "ray" and "(nowhere)" not in text:
        pytest.skip("what a statement means does not depend on the runtime")
    for prefix in ("", "EXPLAIN ") if text.startswith("CREATE INDEX i ") else ("",):
        with pytest.raises(flight_sql.Error, match=told.replace("(", r"\(")) as caught:
            ask(prefix + text)
        assert "INTERNAL" not in str(caught.value)
    assert ask("SHOW INDEXES FROM ix_t") == []


def test_names(ask: Ask) -> None:
    ask("CREATE INDEX One ON ix_t (k)")
    ask("CREATE TABLE ix_u AS SELECT 1 AS a")
    try:
        with pytest.raises(flight_sql.Error, match='has an index "ONE" already'):
            ask("CREATE INDEX ONE ON ix_t (s)")
        ask("CREATE INDEX IF NOT EXISTS one ON ix_t (s)")
        assert [row[:3] for row in ask("SHOW INDEXES IN grism.main.ix_t")] == [("One", "BTREE", ["k"])]
        ask("CREATE INDEX one ON ix_u (a)")
        with pytest.raises(flight_sql.Error, match="say DROP INDEX one ON which"):
            ask("DROP INDEX one")
        assert ask("SELECT table_name, expressions, is_unique, sql FROM duckdb_indexes() WHERE index_name = 'one'") == [
            ("ix_u", '["a"]', False, 'CREATE INDEX "one" ON "main"."ix_u" USING BTREE ("a");')
        ]
        ask("DROP INDEX one ON ix_u")
        assert _plan(ask, "DROP INDEX one") == "Drop index one of main.ix_t"
        ask("DROP INDEX ONE")
        ask("DROP INDEX IF EXISTS one")
        ask("DROP INDEX IF EXISTS one ON ix_t")
        ask("CREATE VIEW ix_v AS SELECT 1 AS a")
        with pytest.raises(flight_sql.Error, match="is a view"):
            ask("CREATE INDEX i ON ix_v (a)")
        with pytest.raises(flight_sql.Error, match=r'"main\.ix_v" is a view, which has no indexes; its tables do'):
            ask("SHOW INDEXES FROM ix_v")
    finally:
        ask("DROP VIEW IF EXISTS ix_v")
        ask("DROP TABLE ix_u")


def test_rows_that_come_and_go(ask: Ask) -> None:
    ask(f"CREATE TABLE ix_w AS {ROWS}")
    try:
        for made in ("a ON ix_w (k)", "b ON ix_w USING BITMAP (s)", "c ON ix_w USING NGRAM (s)"):
            ask(f"CREATE INDEX {made}")
        ask("INSERT INTO ix_w BY NAME SELECT 1000 AS k, 'w7xyz' AS s")
        assert ask("SELECT k FROM ix_w WHERE k = 1000") == [(1000,)]
        assert ask("SELECT count(*) FROM ix_w WHERE s = 'w7xyz'") == [(13,)]
        ask("UPDATE ix_w SET k = -k WHERE k = 77")
        assert ask("SELECT k FROM ix_w WHERE k IN (77, -77)") == [(-77,)]
        ask("UPDATE ix_w SET k = k + 1 WHERE k >= 0")  # a column of the whole fragment is written anew
        assert ask("SELECT count(*), min(k), max(k) FROM ix_w WHERE k > 500") == [(101, 501, 1001)]
        ask("UPDATE ix_w SET s = 'other' WHERE k = 8")
        assert ask("SELECT count(*) FROM ix_w WHERE contains(s, '7xyz')") == [(60,)]
        ask("DELETE FROM ix_w WHERE k = 1001")
        assert ask("SELECT count(*) FROM ix_w WHERE k = 1001") == [(0,)]
        ask("ALTER TABLE ix_w RENAME COLUMN k TO key")
        assert ask("SELECT key FROM ix_w WHERE key = 12") == [(12,)]
        assert [row[2] for row in ask("SHOW INDEXES FROM ix_w")] == [["key"], ["s"], ["s"]]
        ask("ALTER TABLE ix_w DROP COLUMN s")
        assert [row[0] for row in ask("SHOW INDEXES FROM ix_w")] == ["a"]
        assert ask("SELECT count(*) FROM ix_w WHERE key < 100 LIMIT 1000") == [(99,)]
    finally:
        ask("DROP TABLE ix_w")


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        *((kind, "k") for kind in ("BTREE", "BITMAP", "ZONEMAP", "BLOOMFILTER")),
        ("NGRAM", "s"),
        ("FTS", "s"),
        ("LABEL_LIST", "l"),
    ],
)
def test_an_index_is_made_before_the_rows(ask: Ask, kind: str, column: str) -> None:
    ask(f"CREATE TABLE ix_e AS {ROWS} LIMIT 0")
    try:
        ask(f"CREATE INDEX ix_n ON ix_e USING {kind} ({column})")
        assert [row[:5] for row in ask("SHOW INDEXES FROM ix_e")] == [("ix_n", kind, [column], 0, 0)]
        for rows in (600, 0, 40):
            ask(f"INSERT INTO ix_e {ROWS} LIMIT {rows}")
            ask("OPTIMIZE ix_e")
            assert [row[4] for row in ask("SHOW INDEXES FROM ix_e")] == [0]
            assert ask("SELECT count(*) FROM ix_e WHERE k = 7 AND s LIKE '%w7xyz%'") == [(1 if rows else 0,)]
            if kind == "FTS":
                assert len(ask("SELECT k FROM text_search(ix_e, 'w7xyz', k := 100)")) == (
                    12 if rows == 600 else rows // 40
                )
            ask("TRUNCATE ix_e")
        ask("ALTER TABLE ix_e ALTER COLUMN k TYPE INTEGER")
        assert [row[0] for row in ask("SHOW INDEXES FROM ix_e")] == ["ix_n"]
    finally:
        ask("DROP TABLE ix_e")


def test_an_index_of_vectors_waits_for_some_while_others_are_brought_up_to_date(ask: Ask) -> None:
    ask(f"CREATE TABLE ix_w AS {ROWS}")
    try:
        ask("CREATE INDEX a ON ix_w USING IVF_FLAT (v) WITH (num_partitions = 2)")
        ask("CREATE INDEX b ON ix_w (k)")
        ask("UPDATE ix_w SET v = NULL, k = k + 1")
        ask("OPTIMIZE ix_w")
        assert [(row[0], row[4]) for row in ask("SHOW INDEXES FROM ix_w")] == [("a", 600), ("b", 0)]
        ask("INSERT INTO ix_w BY NAME SELECT 1000 AS k, [1, 2, 3, 4]::FLOAT[4] AS v FROM range(10)")
        ask("OPTIMIZE ix_w")
        assert [(row[0], row[4]) for row in ask("SHOW INDEXES FROM ix_w")] == [("a", 0), ("b", 0)]
        assert ask("SELECT k FROM vector_search(ix_w, v, [1, 2, 3, 4], k := 100)") == [(1000,)] * 10
    finally:
        ask("DROP TABLE ix_w")


def _plan(ask: Ask, text: str) -> str:
    return "\n".join(line for (line,) in ask(f"EXPLAIN {text}"))


def test_lists_that_change_where_they_are(ask: Ask) -> None:
    """Where most rows of a fragment change, columns are written in their place; the indexes on them have old values."""
    ask("""CREATE OR REPLACE TABLE ix_l AS SELECT i AS id, ['fox', 'n' || i] AS l, [i % 3] AS n,
           [[i, 1, 0, 0]]::FLOAT[4][] AS m, [i, 0, 0, 0]::FLOAT[4] AS v, 'a' AS wide FROM range(60) r(i)""")
    kinds = {"l": ("LABEL_LIST", "FTS"), "n": ("LABEL_LIST",), "v": ("IVF_FLAT",)}
    for column, found in kinds.items():
        for kind in found:
            ask(f"CREATE INDEX ix_{column}_{kind} ON ix_l USING {kind} ({column})")
    ask("CREATE INDEX ix_m ON ix_l USING IVF_FLAT (m) WITH (metric = cosine)")
    ask("UPDATE ix_l SET l = ['hen'], n = [7], m = [[0, 0, 1, 0]], v = [0, 9, 0, 0] WHERE id < 50")

    def require_new_values() -> None:
        assert ask("SELECT count(*) FROM ix_l WHERE list_contains(l, 'fox')") == [(10,)]
        assert ask("SELECT count(*) FROM ix_l WHERE list_contains(l, 'hen')") == [(50,)]
        assert ask("SELECT count(*) FROM ix_l WHERE list_contains(n, 7)") == [(50,)]
        assert ask("SELECT count(*) FROM text_search(ix_l, 'fox', l, k := 100)") == [(10,)]
        assert ask("SELECT count(*) FROM text_search(ix_l, 'hen', l, k := 100)") == [(50,)]
        near = "SELECT max(id), max(_distance) FROM vector_search(ix_l, {}, k := 50, metric := '{}')"
        assert ask(near.format("v, [0, 9, 0, 0]", "l2")) == [(49, 0.0)]
        assert ask(near.format("m, [[0, 0, 1, 0]]", "cosine")) == [(49, 0.0)]

    require_new_values()
    ask("OPTIMIZE ix_l")
    require_new_values()
    ask("DROP TABLE ix_l")
