"""Searches wherever they may stand, of whatever may be searched, and for what people type; on each runtime."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from engine import errors
from engine.rights import Action, Grants, Identity, Rights, grant
from engine.statements.session import Session
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import Rows, ask, change

# Of id, kind, the distance of v from [0, 0] by l2, and the text.
BODIES = ["the quick fox", "a dog", "fox and dog", "quick quick fox", "hen", "the", "red fox", "quick hen"]
NEAREST = [(i, float(i * i)) for i in range(8)]


def put_tables(tables: Tables, runtime: SqlRuntime) -> None:
    """The tables `placed` (two fragments, the tag `first` on the first), `nothing` and `nulls`."""
    rows = pa.table(
        {
            "id": pa.array(range(8), pa.int32()),
            "kind": pa.array([i % 2 for i in range(8)], pa.int32()),
            "v": pa.array([[i, 0] for i in range(8)], pa.list_(pa.float32(), 2)),
            "body": BODIES,
        }
    )
    tables.put("placed", rows.slice(0, 4))
    change(runtime, "CREATE INDEX texts ON placed USING FTS (body) WITH (with_position = true)")
    change(runtime, "ALTER TABLE placed CREATE TAG 'first'")
    tables.put("more", rows.slice(4))
    change(runtime, "INSERT INTO placed FROM more")
    tables.put("nothing", rows.slice(0, 0))
    change(runtime, "CREATE INDEX texts ON nothing USING FTS (body)")
    nulls = {name: pa.nulls(4, rows.schema.field(name).type) for name in ("kind", "v", "body")}
    tables.put("nulls", pa.table({"id": pa.array(range(4), pa.int32()), **nulls}))
    change(runtime, "CREATE INDEX texts ON nulls USING FTS (body)")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT id, _distance FROM NEAR(3)", NEAREST[:3]),
        ("SELECT id FROM vector_search((FROM placed AT (TAG => 'first')), v, [9, 0], k := 2)", [(3,), (2,)]),
        ("SELECT id FROM text_search((FROM placed AT (TAG => 'first')), 'quick', body) ORDER BY ALL", [(0,), (3,)]),
        ("SELECT count(*) FROM hybrid_search((FROM placed AT (TAG => 'first')), v, [0, 0], 'hen', body)", [(4,)]),
        ("SELECT id FROM NEAR(5) ORDER BY id DESC LIMIT 2 OFFSET 1", [(3,), (2,)]),
        ("SELECT id FROM NEAR(5) LIMIT 2 OFFSET 2", [(2,), (3,)]),
        ("SELECT count(*) FROM NEAR(10000)", [(8,)]),
        ("SELECT max(_distance) FROM NEAR(4) WHERE kind = 1", [(49.0,)]),
        ("SELECT kind, count(*) FROM NEAR(5) GROUP BY ALL ORDER BY 1", [(0, 3), (1, 2)]),
        ("SELECT id, row_number() OVER (ORDER BY _distance DESC) FROM NEAR(2) ORDER BY 2", [(1, 1), (0, 2)]),
        ("SELECT (SELECT max(id) FROM NEAR(4))", [(3,)]),
        ("WITH s AS MATERIALIZED (FROM TEXT('quick', body)) SELECT count(*) FROM s a JOIN s b USING (kind)", [(5,)]),
        ("SELECT id FROM NEAR(3) JOIN TEXT('fox', body) USING (id) ORDER BY 1", [(0,), (2,)]),
        ("SELECT id FROM NEAR(1) UNION ALL SELECT id FROM TEXT('red', body)", [(0,), (6,)]),
        ("SELECT id FROM NEAR(2, filter := 'kind = 1') ORDER BY _distance", [(1,), (3,)]),
        ("SELECT id FROM NEAR(2, filter := 'kind = 1') WHERE id <> 1 ORDER BY 1", [(3,), (5,)]),
        ("SELECT * FROM vector_search(nothing, v, [0, 0])", []),
        ("SELECT * FROM text_search(nothing, 'fox')", []),
        ("SELECT * FROM hybrid_search(nothing, v, [0, 0], 'fox')", []),
        ("SELECT * FROM vector_search(nulls, v, [0, 0])", []),
        ("SELECT * FROM text_search(nulls, 'fox')", []),
        ("SELECT * FROM hybrid_search(nulls, v, [0, 0], 'fox')", []),
        ("SELECT q.id FROM placed q, vector_search(nothing, v, q.v)", []),
    ],
)  # fmt: skip
def test_where_searches_stand(runtime: SqlRuntime, text: str, rows: Rows) -> None:
    text = text.replace("NEAR(", "vector_search(placed, v, [0, 0], k := ").replace("TEXT(", "text_search(placed, ")
    assert ask(runtime, text) == rows


def test_values_of_parameters(runtime: SqlRuntime) -> None:
    text = "SELECT id FROM vector_search(placed, v, ?, k := ?, metric := ?) WHERE kind = ? ORDER BY _distance LIMIT ?"
    assert ask(runtime, text, [0.0, 0.0], 3, "l2", 1, 2) == [(1,), (3,)]
    assert ask(runtime, "SELECT id FROM text_search(placed, ?, body, k := ?) ORDER BY 1", "red", 1) == [(6,)]
    for k, error in ((0, "from 1 to 10000"), (-1, "from 1 to 10000"), (10_001, "from 1 to 10000"), (None, "is NULL")):
        for call in ("vector_search(placed, v, [0, 0], k := ?)", "text_search(placed, 'fox', body, k := ?)"):
            with pytest.raises(errors.InvalidValueError, match=error):
                ask(runtime, f"SELECT id FROM {call}", k)
    with pytest.raises(errors.InvalidValueError, match="NaN"):
        ask(runtime, "SELECT id FROM vector_search(placed, v, ?)", [0.0, float("nan")])
    with pytest.raises(errors.InvalidValueError, match="has 3 dimensions"):
        ask(runtime, "SELECT id FROM vector_search(placed, v, ?)", [0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("the", []),
        ("a the and", []),
        ("  ", []),
        ('""', []),
        ('"the"', []),
        ("*", []),
        ("(the) fox", [0, 2, 3, 6]),
        ("fox -the", [0, 2, 3, 6]),
        ('-"quick fox" fox', [2, 6]),
        ("fox AND NOT quick", [2, 6]),
        ("body:fox", [0, 2, 3, 6]),
        ("fox^", [0, 2, 3, 6]),
        ("+fox", [0, 2, 3, 6]),
        ("Fox's", [0, 2, 3, 6]),
        ("fox\\", [0, 2, 3, 6]),
        ("and", []),
        ("x" * 5_000, []),
        ("fox\U0001f98a", [0, 2, 3, 6]),
    ],
)
def test_what_people_type(runtime: SqlRuntime, query: str, ids: list[int]) -> None:
    found = [row[0] for row in ask(runtime, "SELECT id FROM text_search(placed, ?, body) ORDER BY 1", query)]
    assert found == ids


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('"quick fox', "a quote is opened and not closed"),
        ('fox"', "a quote is opened and not closed"),
        ("(fox", "a bracket is opened and not closed"),
        ("fox)", "a bracket is closed that was not opened"),
        ("()", "something is missing before"),
        ("AND", "something is missing before AND"),
        ("fox OR", "something is missing at its end"),
        ("-fox", "only what must not be there"),
        ("NOT NOT fox", "a minus stands before a minus"),
        ("fox OR -dog", "OR stands beside what must not be there alone"),
        ("fox~9", "at most 2 letters"),
        ('"quick fox"^2', "a phrase cannot be boosted"),
    ],
)
def test_what_is_not_understood(runtime: SqlRuntime, query: str, message: str) -> None:
    with pytest.raises(errors.InvalidValueError, match=message):
        ask(runtime, "SELECT id FROM text_search(placed, ?, body)", query)
    assert len(ask(runtime, "SELECT id FROM text_search(placed, ?, body, plain := true)", query)) in (0, 4, 5, 6)


def test_temporary_tables(runtime: SqlRuntime, tmp_path: Path) -> None:
    """Those on disk are tables as others are; in those in memory nothing is searched, and that is told."""
    text = "SELECT id FROM vector_search(mine, v, [0, 0], k := 2)"
    on_disk, in_memory = Session(data=tmp_path), Session()
    for session in (on_disk, in_memory):
        change(runtime, "CREATE TEMP TABLE mine AS SELECT id, v, body FROM placed", session)
    assert ask(runtime, text, session=on_disk) == [(0,), (1,)]
    change(runtime, "CREATE INDEX words ON mine USING FTS (body)", on_disk)
    assert ask(runtime, "SELECT id FROM text_search(mine, 'red')", session=on_disk) == [(6,)]
    for call in (text, "SELECT id FROM text_search(mine, 'red')"):
        with pytest.raises(errors.UnsupportedError, match="of the kind memory, in which nothing is searched"):
            ask(runtime, call, session=in_memory)
    for session in (on_disk, in_memory):
        session.end()


def test_rights(runtime: SqlRuntime) -> None:
    change(runtime, "CREATE OR REPLACE VIEW near AS SELECT id FROM vector_search(placed, v, [0, 0], k := 1)")
    assert ask(runtime, "SELECT id FROM near") == [(0,)]
    session = Session(
        grants=Grants(Rights({"some": (grant("main.near", Action.READ),)}), Identity("ann", frozenset({"some"})))
    )
    for call in (
        "near",
        "vector_search(placed, v, [0, 0])",
        "vector_search((FROM placed AT (TAG => 'first')), v, [0, 0])",
        "text_search(placed, 'fox')",
        "hybrid_search(placed, v, [0, 0], 'fox')",
    ):
        with pytest.raises(errors.UnknownTableError, match=r'no table "main\.placed"'):
            ask(runtime, f"SELECT * FROM {call}", session=session)


def test_changes_by_what_is_found(runtime: SqlRuntime) -> None:
    change(runtime, "CREATE OR REPLACE TABLE taken AS SELECT id, v FROM vector_search(placed, v, [0, 0], k := 4)")
    change(runtime, "DELETE FROM taken WHERE id IN (SELECT id FROM vector_search(taken, v, [0, 0], k := 2))")
    change(runtime, "INSERT INTO taken SELECT id, v FROM vector_search(placed, v, [9, 0], k := 1)")
    change(
        runtime, "UPDATE taken SET id = -taken.id FROM vector_search(taken, v, [9, 0], k := 1) s WHERE s.id = taken.id"
    )
    assert ask(runtime, "SELECT id FROM taken ORDER BY 1") == [(-7,), (2,), (3,)]
