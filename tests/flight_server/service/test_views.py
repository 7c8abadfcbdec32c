"""Views by SQL: what they mean, and what they may not be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager

from tests.flight_server.conftest import Served
from tests.flight_server.service.test_updates import connected, refused, run


def test_views(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TABLE {t} AS SELECT i AS x FROM range(5) r(i)")
    run(cursor, f"CREATE VIEW {t}_v (y, z) AS WITH c AS (SELECT x, x * 2 FROM {t}) SELECT * FROM c WHERE x > 2")
    assert run(cursor, f"SELECT * FROM {t}_v ORDER BY y") == [(3, 6), (4, 8)]
    assert run(cursor, f"SELECT v.z FROM {t}_V AS v JOIN {t} ON x = y ORDER BY 1") == [(6,), (8,)]
    # What stands around a view does not change what it means.
    assert run(cursor, f"WITH {t} AS (SELECT 1 AS x) SELECT count(*) FROM {t}_v, {t}") == [(2,)]
    run(cursor, f"CREATE VIEW {t}_w AS SELECT sum(z) AS s FROM {t}_v WHERE y < 100")
    assert run(cursor, f"SELECT s FROM main.{t}_w WHERE s > ?", (1,)) == [(14,)]
    run(cursor, f"INSERT INTO {t} VALUES (10)")
    assert run(cursor, f"SELECT s FROM {t}_w") == [(34,)]
    refused(cursor, f"CREATE VIEW {t}_w AS SELECT 1", "is there already")
    refused(cursor, f"CREATE VIEW {t} AS SELECT 1", "is there already")
    refused(cursor, f"CREATE TABLE {t}_w (x INTEGER)", "is a view")
    refused(cursor, f"INSERT INTO {t}_w VALUES (1)", "is a view")
    refused(cursor, f"CREATE VIEW {t}_x AS SELECT nothing FROM {t}", "nothing")
    run(cursor, f"CREATE OR REPLACE VIEW {t}_w AS SELECT 1 AS one")
    assert run(cursor, f"SELECT * FROM {t}_w") == [(1,)]
    run(cursor, f"CREATE OR REPLACE VIEW {t}_v AS SELECT * FROM {t}_w")
    run(cursor, f"CREATE OR REPLACE VIEW {t}_w AS SELECT 2 AS one")
    assert run(cursor, f"SELECT * FROM {t}_v") == [(2,)]
    run(cursor, f"DROP VIEW {t}_w")
    refused(cursor, f"SELECT * FROM {t}_v", "no table")
    refused(cursor, f"DROP VIEW {t}_w", "no view")
    run(cursor, f"DROP VIEW IF EXISTS {t}_w")
    run(cursor, f"DROP VIEW {t}_v")


def test_no_view_reads_itself(cursor: flight_sql.Cursor, t: str) -> None:
    refused(cursor, f"CREATE VIEW {t}_a AS SELECT * FROM {t}_A", "reads itself")
    run(cursor, f"CREATE VIEW {t}_a AS SELECT 1 AS x")
    run(cursor, f"CREATE VIEW {t}_b AS SELECT * FROM {t}_a")
    run(cursor, f"CREATE VIEW {t}_c AS SELECT * FROM {t}_b")
    for text in (f"FROM {t}_c", f"SELECT (SELECT x FROM {t}_B) AS x", f"WITH w AS (FROM main.{t}_a) FROM w"):
        refused(cursor, f"CREATE OR REPLACE VIEW {t}_A AS {text}", "reads itself")
    assert run(cursor, f"SELECT * FROM {t}_c") == [(1,)]
    run(cursor, f"DROP VIEW {t}_a")
    refused(cursor, f"CREATE VIEW {t}_a AS SELECT * FROM {t}_b", "reads itself")
    run(cursor, f"CREATE VIEW {t}_a AS WITH {t}_b AS (SELECT 2 AS x) SELECT * FROM {t}_b")
    assert run(cursor, f"SELECT * FROM {t}_c") == [(2,)]
    for name in "abc":
        run(cursor, f"DROP VIEW {t}_{name}")


def test_names_of_what_has_no_alias(cursor: flight_sql.Cursor, t: str) -> None:
    """They are those of the text, also where it was stored with other names for the tables in it."""
    run(cursor, f"CREATE TABLE {t} AS SELECT 1 AS x")
    run(cursor, f"CREATE VIEW {t}_v AS SELECT (SELECT max(x) FROM {t}), x + 1, {t}.x FROM {t}")
    cursor.execute(f"SELECT * FROM {t}_v")
    assert cursor.fetch_arrow_table().column_names == [f"(SELECT max(x) FROM {t})", "(x + 1)", "x"]
    run(cursor, f"DROP VIEW {t}_v")


def test_a_view_of_the_catalog(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE VIEW {t} AS SELECT table_name FROM information_schema.tables WHERE table_type = 'VIEW'")
    assert (t,) in run(cursor, f"SELECT * FROM {t}")
    run(cursor, f"DROP VIEW {t}")


def test_of_a_view_and_a_table_made_at_once_one_is_there(served: Served, t: str) -> None:
    """Neither hides the other: one statement is refused, whichever came second."""

    def attempt(text: str) -> str:
        with connected(served.uri) as cursor:
            try:
                run(cursor, text)
            except adbc_driver_manager.Error as error:
                return str(error)
            return "made"

    with ThreadPoolExecutor(4) as pool:
        for i in range(8):
            name = f"{t}_{i}"
            texts = [f"CREATE TABLE {name} AS SELECT 1 AS x", f"CREATE VIEW {name} AS SELECT 2 AS x"] * 2
            told = sorted(pool.map(attempt, texts), key="made".__ne__)
            assert told[0] == "made"
            assert all("is there already" in other or "is a view" in other for other in told[1:])
    with connected(served.uri) as cursor:
        query = "SELECT table_name, table_type FROM information_schema.tables WHERE starts_with(table_name, ?)"
        kinds = dict(run(cursor, query, (t,)))
        assert len(kinds) == 8
        for name, kind in kinds.items():
            assert run(cursor, f"SELECT x FROM {name}") == [(2 if kind == "VIEW" else 1,)]
            run(cursor, f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} {name}")
