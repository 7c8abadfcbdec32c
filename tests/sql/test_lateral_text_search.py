"""Searches for texts that are in rows, by text_search() and hybrid_search(), find what each of them finds by itself."""

from __future__ import annotations

import lance
import pyarrow as pa
import pytest

from engine import errors
from engine.storage.protocol import TableName, WriteMode
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import Rows, ask, explain

BODIES = ["the quick brown fox", "lazy dog sleeps", "quick dog", "Fox and dog", "", None, "foxes are quick"]
BODIES += ["quick quick quick fox", "brown bread fresh", "new fox quick", "nwe foxy", "dog", "fox", "fox"]
INDEXED = 9
ASKED = ["quick fox", "dog", "quick fox", '"brown fox"', "nothing like it", "", None, "fox -dog"]


def put_tables(tables: Tables, _: SqlRuntime) -> None:
    """`docs`, of which some came behind their index, and `asked`, some of which ask the same."""
    ids = range(len(BODIES))
    vectors = pa.array([[i % 4, 1] for i in ids], pa.list_(pa.float32(), 2))
    columns = {"id": ids, "body": BODIES, "title": BODIES, "kind": [i % 3 for i in ids]}
    docs = pa.table({**columns, "v": vectors, "bytes": vectors.cast(pa.list_(pa.uint8(), 2))})
    tables.put("docs", docs.slice(0, INDEXED))
    dataset = lance.dataset(f"{tables.storage.directories()[0]}/docs.lance")
    dataset.create_scalar_index("body", "INVERTED", with_position=True)
    dataset.create_scalar_index("title", "INVERTED")
    tables.storage.write(TableName("main", "docs"), docs.slice(INDEXED).to_reader(), WriteMode.APPEND)
    near = pa.array([[i % 3, 1] if i != 1 else None for i in range(len(ASKED))], pa.list_(pa.float32(), 2))
    tables.put("asked", pa.table({"id": range(len(ASKED)), "words": ASKED, "near": near}))


def one_by_one(runtime: SqlRuntime, call: str, columns: str) -> Rows:
    """What a call finds for each row of `asked`, in which `$w` and `$v` stand for its words and its vector."""
    found: Rows = []
    for number, words, near in ask(runtime, "SELECT id, words, near FROM asked ORDER BY id"):
        text = "NULL" if words is None else "'" + words + "'"
        own = call.replace("$w", text).replace("$v", "NULL" if near is None else str(list(near)))
        found += [(number, *row) for row in ask(runtime, f"SELECT {columns} FROM {own} ORDER BY ALL")]
    return found


CALLS = [
    ("text_search(docs, $w, body, k := 3)", "id, round(_score, 4)"),
    ("text_search(docs, $w, body, k := 2, filter := 'kind = 0')", "id, round(_score, 4)"),
    ("text_search(docs, $w, body, operator := 'and', demote := 'dog')", "id, round(_score, 4)"),
    ("text_search(docs, $w, [body, title], plain := true)", "id, round(_score, 4)"),
    (
        "hybrid_search(docs, v, $v, $w, body, k := 5)",
        "id, round(_distance, 4), round(_score, 4), round(_relevance, 9)",
    ),
    ("hybrid_search(docs, v, $v, 'dog', body, k := 3, candidates := 4)", "id, _distance, round(_relevance, 9)"),
    ("hybrid_search(docs, v, [1, 1], $w, body, k := 3, filter := 'kind < 2')", "id, _distance, round(_relevance, 9)"),
]


@pytest.mark.parametrize(("call", "columns"), CALLS)
def test_each_finds_what_it_finds_by_itself(runtime: SqlRuntime, call: str, columns: str) -> None:
    own = call.replace("$w", "q.words").replace("$v", "q.near")
    text = f"SELECT q.id AS q, {columns.replace('id', 'f.id')} FROM asked q, LATERAL {own} f ORDER BY ALL"
    wanted = one_by_one(runtime, call, columns)
    assert wanted
    assert ask(runtime, text) == wanted


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            """SELECT q.n, f.id AS f FROM (VALUES (1, 'dog'), (2, 'bread')) q(n, w),
                text_search(docs, q.w, body, k := 1) f""",
            [(1, 11), (2, 8)],
        ),
        ("SELECT id FROM text_search(docs, (SELECT words FROM asked WHERE id = 3), body)", [(0,)]),
        (
            "SELECT id FROM asked q WHERE EXISTS (SELECT 1 FROM text_search(docs, q.words, body) WHERE kind = 2)",
            [(0,), (1,), (2,)],
        ),
        (
            """SELECT q.id, f.id AS f FROM asked q LEFT JOIN text_search(docs, q.words, body, k := 1) f ON true
                WHERE q.id IN (4, 6)""",
            [(4, None), (6, None)],
        ),
        (
            "SELECT d.id, f.id AS f FROM docs d, text_search(docs, d.body || ' bread', body, k := 1) f WHERE d.id = 4",
            [(4, 8)],
        ),
        (
            """WITH a AS (SELECT 'Bread' AS w) SELECT f.id FROM a
                JOIN hybrid_search(docs, v, [0, 1], lower(a.w), body, k := 1) f ON true""",
            [(8,)],
        ),
    ],
)
def test_where_they_stand(runtime: SqlRuntime, text: str, rows: Rows) -> None:
    assert ask(runtime, f"{text} ORDER BY ALL") == rows


@pytest.mark.parametrize(
    "call",
    [
        "text_search(docs, q.words, body)",
        "vector_search(docs, v, q.near, k := 2)",
        "vector_search(docs, bytes, q.near, k := 2, metric := 'cosine')",
        "hybrid_search(docs, v, q.near, q.words, body, k := 4)",
    ],
)
def test_rows_of_which_no_column_is_asked_for(runtime: SqlRuntime, call: str) -> None:
    rows = ask(runtime, f"SELECT q.id, count(f.id) FROM asked q LEFT JOIN {call} f ON true GROUP BY ALL ORDER BY ALL")
    assert any(number for _, number in rows)
    assert ask(runtime, f"SELECT id, (SELECT count(*) FROM {call}) FROM asked q ORDER BY ALL") == rows
    assert ask(runtime, f"SELECT count(*) FROM asked q, {call}") == [(sum(number for _, number in rows),)]


def test_the_columns_are_those_of_a_search_for_one(local: SqlRuntime) -> None:
    for call in ("text_search(docs, {}, body)", "hybrid_search(docs, v, [1, 1], {}, body)"):
        one, each = (
            local.frontend.columns(f"SELECT f.* FROM asked q, LATERAL {call.format(words)} f")
            for words in ("'dog'", "q.words")
        )
        assert one == each


def test_parameters(runtime: SqlRuntime) -> None:
    text = "SELECT q.id, f.id AS f FROM asked q, hybrid_search(docs, v, q.near, ?, body, k := ?) f ORDER BY ALL"
    constants = text.replace("?", "'dog'", 1).replace("?", "2")
    assert ask(runtime, text, "dog", 2) == ask(runtime, constants)
    assert runtime.frontend.parameters(text).types == [pa.string(), pa.int64()]
    text = "SELECT q.id, f.id AS f FROM asked q, text_search(docs, q.words || ?, body, k := ?) f ORDER BY ALL"
    assert ask(runtime, text, " bread", 2) == ask(runtime, text.replace("?", "' bread'", 1).replace("?", "2"))


def test_what_explain_tells(runtime: SqlRuntime) -> None:
    told = explain(runtime, "SELECT q.id, f.id AS f FROM asked q, text_search(docs, q.words, body, k := 3) f")
    assert "search=(best 3 of each query by BM25 of body: index body_idx" in told
    told = explain(
        runtime, "SELECT q.id, f.id AS f FROM asked q, hybrid_search(docs, v, q.near, q.words, body, k := 3) f"
    )
    assert "search=(best 100 of each query by BM25 of body: index body_idx" in told
    assert "search=(nearest 100 of each query by l2 of v: every row, exact)" in told


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("text_search(docs, q.words, title)", "UnsupportedError", "no positions of words.*with_position"),
        ("text_search(docs, q.words || '~1', body)", "UnsupportedError", "does not have 5 rows.*indexed_only := true"),
        ("text_search(docs, '(' || q.words, body)", "InvalidValueError", "a bracket is opened and not closed"),
        ("text_search(docs, q.nope, body)", "UnsupportedError", "is a text, and may name columns of what stands"),
        ("text_search(docs, max(q.words), body)", "UnsupportedError", "is computed of one row"),
        ("text_search(docs, 'fox', body, demote := q.words)", "UnsupportedError", "only what a search looks for may"),
        (
            "text_search(docs, 'fox', body, k := q.id)",
            "UnsupportedError",
            "only what a search looks for may be in rows",
        ),
    ],
)
def test_what_is_refused(runtime: SqlRuntime, call: str, error: str, message: str) -> None:
    with pytest.raises(getattr(errors, error), match=message):
        ask(runtime, f"SELECT q.id, f.id AS f FROM asked q, LATERAL {call} f")
