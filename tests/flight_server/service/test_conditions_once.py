"""A condition of UPDATE and MERGE is asked once for each row: it may be another each time, as `random() < 0.5` is."""

from __future__ import annotations

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

from tests.flight_server.service.test_updates import changed, run


@pytest.mark.parametrize("kind", ["TABLE", "TEMP TABLE"])
@pytest.mark.parametrize("value", ["{}", "{t}.{}", "{schema}.{t}.{}", "{} + 0 * length({t}::VARCHAR)"])
def test_whether_a_row_changes_is_asked_once(cursor: flight_sql.Cursor, t: str, kind: str, value: str) -> None:
    """Where the condition may be another each time, a row has all of its new values, or none."""
    run(cursor, f"CREATE {kind} {t} AS SELECT i AS a, i AS b FROM range(1000) r(i)")
    ((schema,),) = run(cursor, f"SELECT table_schema FROM information_schema.tables WHERE table_name = '{t}'")
    a, b = (value.format(column, t=t, schema=schema) for column in "ab")
    count = changed(cursor, f"UPDATE {t} SET a = -1 - ({a}), b = -1 - ({b}) WHERE random() < 0.5")
    ((found, half),) = run(cursor, f"SELECT count(*) FILTER (a < 0), count(*) FILTER (a <> b) FROM {t}")
    assert (found, half) == (count, 0)
    assert 0 < count < 1000
    run(cursor, f"DROP TABLE {t}")


@pytest.mark.parametrize("kind", ["TABLE", "TEMP TABLE"])
def test_which_clause_of_a_merge_acts_is_asked_once(cursor: flight_sql.Cursor, t: str, kind: str) -> None:
    """Two thirds of the rows are of one side alone; of each third some are left, and some change by each clause."""
    run(cursor, f"CREATE {kind} {t} AS SELECT i AS a, i AS b FROM range(2000) r(i)")
    count = changed(
        cursor,
        f"""MERGE INTO {t} USING (SELECT i FROM range(1000, 3000) r(i)) s ON s.i = {t}.a
            WHEN MATCHED AND random() < 0.3 THEN UPDATE SET a = -1 - {t}.a, b = -1 - {t}.b
            WHEN MATCHED AND random() < 0.3 THEN DELETE
            WHEN NOT MATCHED BY SOURCE AND random() < 0.3 THEN UPDATE SET b = -1 - {t}.b, a = -1 - {t}.a
            WHEN NOT MATCHED BY SOURCE AND random() < 0.3 THEN DELETE
            WHEN NOT MATCHED AND random() < 0.3 THEN INSERT VALUES (-1 - s.i, -1 - s.i)
            WHEN NOT MATCHED AND random() < 0.3 THEN INSERT VALUES (s.i, s.i)""",
    )
    thirds = run(
        cursor,
        f"""SELECT (CASE WHEN a < 0 THEN -1 - a ELSE a END) // 1000 AS third, count(*), count(*) FILTER (a < 0),
                   count(*) FILTER (a IS DISTINCT FROM b) FROM {t} GROUP BY 1 ORDER BY 1""",
    )
    assert [(third, half) for third, _, _, half in thirds] == [(0, 0), (1, 0), (2, 0)]
    assert all(0 < negative < rows < 1000 for _, rows, negative, _ in thirds)
    gone = 2000 - thirds[0][1] - thirds[1][1]
    assert count == gone + thirds[0][2] + thirds[1][2] + thirds[2][1]
    run(cursor, f"DROP TABLE {t}")


@pytest.mark.parametrize("kind", ["TABLE", "TEMP TABLE"])
@pytest.mark.parametrize(
    ("ctes", "source", "rows"),
    [
        ("", "(SELECT CAST(random() * 6 AS BIGINT) AS a, uuid() AS u) s", 1),
        ("WITH c AS (SELECT CAST(random() * 6 AS BIGINT) AS a, uuid() AS u)", "c s", 1),
        ("", "{t}_view s", 1),
        ("", "(SELECT i % 6, uuid() FROM range(1000) r(i) USING SAMPLE 1 ROWS) s(a, u)", 1),
        ("", "(SELECT i, NULL::UUID FROM range(6) r(i) ORDER BY i % 2 LIMIT 2) s(a, u)", 2),
    ],
    ids=["random", "cte", "view", "sample", "limit"],
)
def test_the_source_of_a_merge_is_read_once(
    cursor: flight_sql.Cursor, t: str, kind: str, ctes: str, source: str, rows: int
) -> None:
    """Where it may be another each time, each of its rows changes a row or adds one; none does both, or neither."""
    run(cursor, f"CREATE VIEW {t}_view AS SELECT CAST(random() * 6 AS BIGINT) AS a, uuid() AS u")
    for _ in range(6):
        run(cursor, f"CREATE {kind} {t} AS SELECT i AS a, uuid() AS u, 0 AS n FROM range(3) r(i)")
        merge = f"""{ctes} MERGE INTO {t} t USING {source.format(t=t)} ON t.a = s.a AND t.n = 0
            WHEN MATCHED THEN UPDATE SET n = n + 1, u = s.u WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.u, 1)"""
        assert changed(cursor, merge) == rows
        assert run(cursor, f"SELECT CAST(sum(n) AS INTEGER) FROM {t}") == [(rows,)]
        run(cursor, f"DROP TABLE {t}")
    run(cursor, f"DROP VIEW {t}_view")


@pytest.mark.parametrize("kind", ["TABLE", "TEMP TABLE"])
def test_a_merge_has_one_instant(cursor: flight_sql.Cursor, t: str, kind: str) -> None:
    run(cursor, f"CREATE {kind} {t} AS SELECT i AS a, now() AS seen FROM range(2) r(i)")
    merge = f"""MERGE INTO {t} t USING (SELECT i FROM range(4) r(i)) s ON t.a = s.i
        WHEN MATCHED THEN UPDATE SET seen = now() WHEN NOT MATCHED THEN INSERT VALUES (s.i, current_timestamp)"""
    assert changed(cursor, merge) == 4
    assert run(cursor, f"SELECT count(*), count(DISTINCT seen) FROM {t}") == [(4, 1)]
    run(cursor, f"DROP TABLE {t}")


@pytest.mark.parametrize("kind", ["TABLE", "TEMP TABLE"])
@pytest.mark.parametrize("few", ["{t}_view", "c", "{t}_view JOIN c USING (a)"])
def test_what_a_condition_asks_in_views_is_not_left_to_chance(
    cursor: flight_sql.Cursor, t: str, kind: str, few: str
) -> None:
    run(cursor, f"CREATE {kind} {t} (a INTEGER)")
    run(cursor, f"CREATE VIEW {t}_view AS SELECT 1 AS a WHERE random() < 0.5")
    merge = f"""WITH c AS (SELECT 1 AS a WHERE random() < 0.5)
        MERGE INTO {t} t USING (SELECT 1 AS a, 'x' AS x LIMIT 1) s ON t.a = s.a AND s.a IN (FROM {few.format(t=t)})"""
    with pytest.raises(flight_sql.NotSupportedError, match=r"random\(\) in its condition"):
        run(cursor, f"{merge} WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a)")
    run(cursor, f"DROP VIEW {t}_view")
    run(cursor, f"CREATE VIEW {t}_view AS SELECT 1 AS a ORDER BY a LIMIT 1")
    for rows in (0, 1, 0):
        assert run(cursor, f"SELECT count(*) FROM {t}") == [(rows,)]
        merge = f"""WITH c AS (SELECT 1 AS a, random() AS r)
            MERGE INTO {t} t USING c s ON t.a = s.a AND s.a IN (FROM {t}_view)"""
        assert changed(cursor, f"{merge} WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a)") == 1
    run(cursor, f"DROP VIEW {t}_view")
    run(cursor, f"DROP TABLE {t}")


def test_which_rows_of_a_merge_belong_together_is_not_left_to_chance(cursor: flight_sql.Cursor, t: str) -> None:
    run(cursor, f"CREATE TABLE {t} (a INTEGER)")
    merge = f"MERGE INTO {t} t USING (SELECT 1 AS a) s ON t.a = s.a AND random() < 0.5"
    assert changed(cursor, f"{merge} WHEN MATCHED THEN DELETE") == 0, "it is asked once"
    some = ("SELECT any_value(i) FROM range(9) r(i)", "SELECT DISTINCT ON (i % 2) i FROM range(9) r(i)")
    for condition, what in (
        ("random() < 0.5", r"random\(\)"),
        *((f"s.a IN ({each})", "without an order") for each in some),
    ):
        merge = f"MERGE INTO {t} t USING (SELECT 1 AS a) s ON t.a = s.a AND {condition}"
        with pytest.raises(flight_sql.NotSupportedError, match=f"{what} in its condition"):
            run(cursor, f"{merge} WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a)")
    run(cursor, f"DROP TABLE {t}")
