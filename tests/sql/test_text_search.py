"""text_search() and hybrid_search(), on each runtime; what the scores are is Lance's affair, who is found is ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lance
import pyarrow as pa
import pytest
from lance.query import DocumentGranularity

from engine import errors
from engine.logical.nodes import LogicalPlan
from engine.physical import PhysicalOperator
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage.protocol import TableName, WriteMode
from local_runtime import planner
from tests.harness.runtimes import SqlRuntime, Tables
from tests.sql.searching import Rows, ask, change, explain

Make = Callable[[str, str], tuple[SqlRuntime, Tables]]

BODIES = ["the quick brown fox", "lazy dog sleeps", "quick dog", "Fox and dog", "naïve", "", None, "foxes are quick"]
BODIES += ["quick quick quick fox", "brown bread fresh"]
LATER = ["new fox quick", "nwe foxy", "dog"]


def docs(bodies: list[str | None], first: int) -> pa.Table:
    ids = range(first, first + len(bodies))
    return pa.table(
        {
            "id": pa.array(ids, pa.int32()),
            "body": pa.array(bodies, pa.string()),
            "title": pa.array([(body or "none")[:5] for body in bodies]),
            "raw": pa.array(bodies, pa.string()),
            "v": pa.array([[i % 4, 1] for i in ids], pa.list_(pa.float32(), 2)),
        }
    )


def put_tables(tables: Tables, _: SqlRuntime) -> None:
    """The table `docs`: ten rows in indexes, of two fragments, and three that came later."""
    name = TableName("main", "docs")
    tables.put("docs", docs(BODIES[:5], 0))
    tables.storage.write(name, docs(BODIES[5:], 5).to_reader(), WriteMode.APPEND)
    dataset = lance.dataset(f"{tables.storage.directories()[0]}/docs.lance")
    dataset.create_scalar_index("body", "INVERTED", with_position=True)
    dataset.create_scalar_index("title", "INVERTED")
    tables.storage.write(name, docs(LATER, 10).to_reader(), WriteMode.APPEND)


def found(runtime: SqlRuntime, query: str, more: str = "body", where: str = "") -> list[int]:
    """The ids of the rows that a query finds, the best first."""
    arguments = ", ".join(part for part in ("docs", "?", more) if part)
    text = f"SELECT id FROM text_search({arguments}) {where} ORDER BY _score DESC, id"
    return [row[0] for row in ask(runtime, text, query)]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("quick fox", [8, 7, 10, 0, 2, 3]),
        ('"quick fox"', [8]),
        ("quick AND fox", [8, 7, 10, 0]),
        ("QUICK -dog", [8, 7, 10, 0]),
        ("(quick OR bread) AND brown", [9, 0]),
        ("naive", [4]),
        ("fox^9 bread", [3, 7, 10, 0, 8, 9]),
        ("the", []),
        ("", []),
    ],
)
def test_queries(runtime: SqlRuntime, query: str, ids: list[int]) -> None:
    """Rows that came after the index are found by the same rules."""
    assert found(runtime, query) == ids


@pytest.mark.parametrize("is_stable", [False, True], ids=["addresses", "stable row ids"])
def test_of_rows_with_one_score_the_first_are_taken(runtime_name: str, make_runtime: Make, is_stable: bool) -> None:
    """Among more of them than are asked for at first, in several parts of the index and outside of it."""
    runtime, tables = make_runtime(runtime_name, "lance")
    path = f"{tables.storage.directories()[0]}/equal_{is_stable}.lance"
    for start in range(0, 900, 300):
        rows = pa.table({"id": range(start, start + 300), "body": ["quick fox", "dog fox"] * 150})
        mode = "append" if start else "overwrite"
        dataset = lance.write_dataset(rows, path, mode=mode, enable_stable_row_ids=is_stable)
        if start == 0:
            dataset.create_scalar_index("body", "INVERTED")
        elif start == 300:
            dataset.optimize.optimize_indices(num_indices_to_merge=0)
    text = f"SELECT id FROM text_search(equal_{is_stable}, '{{}}', body, k := {{}})"
    for _ in range(3):
        assert [row[0] for row in ask(runtime, text.format("quick", 7))] == list(range(0, 14, 2))
    assert [row[0] for row in ask(runtime, text.format("fox", 200))] == list(range(200))
    assert len(ask(runtime, text.format("fox", 1000))) == 900


@pytest.mark.parametrize(("text", "scans"), [("quick", 1), ("fox", 2)], ids=["few equal scores", "many"])
def test_how_often_a_table_is_searched(
    make_runtime: Make, monkeypatch: pytest.MonkeyPatch, text: str, scans: int
) -> None:
    """Once, unless more rows than are looked at have the last score; the columns are read of the rows found alone."""
    runtime, tables = make_runtime("local", "lance")
    path = f"{tables.storage.directories()[0]}/often.lance"
    rows = pa.table({"id": range(300), "body": ["quick dog"] * 50 + ["slow fox"] * 250})
    dataset = lance.write_dataset(rows, path, mode="overwrite")
    dataset.create_scalar_index("body", "INVERTED")
    asked: list[list[str]] = []
    scanner = lance.LanceDataset.scanner

    def counted(self: lance.LanceDataset, *args: Any, **options: Any) -> Any:
        asked.append(options["columns"])
        return scanner(self, *args, **options)

    monkeypatch.setattr(lance.LanceDataset, "scanner", counted)
    found = ask(runtime, f"SELECT id FROM text_search(often, '{text}', body, k := 3)")
    assert [row[0] for row in found] == ([0, 1, 2] if text == "quick" else [50, 51, 52])
    assert asked == [["_score", "_rowid"]] * scans


def test_options(runtime: SqlRuntime) -> None:
    assert found(runtime, "quick fox", "body, operator := 'and'") == [8, 7, 10, 0]
    assert found(runtime, '"quick -fox', "body, plain := true") == found(runtime, "quick fox")
    assert found(runtime, "quick", "body, demote := 'dog', demotion := 0.9")[-1] == 2
    assert found(runtime, "quik~1", "body, indexed_only := true") == [8, 2, 7, 0]
    assert found(runtime, "quick fox", "['body', title]")[:2] == [8, 7]
    assert found(runtime, "quick fox", "") == found(runtime, "quick fox", "[body, title]")
    assert found(runtime, "quick fox", "body, k := 2") == [8, 7]
    assert found(runtime, "quick fox", "body, k := 2", "WHERE id < 5") == [0, 2]
    assert found(runtime, "quick fox", "body, k := 2, prefilter := false", "WHERE id < 5") == []
    assert found(runtime, "quick fox", "body, filter := 'id IN (2, 3)'") == [2, 3]
    assert ask(runtime, "SELECT * FROM text_search(docs, NULL)") == []


def test_joined_and_grouped(runtime: SqlRuntime) -> None:
    text = "SELECT d.id % 2 AS odd, count(*), max(_score) > 1 FROM text_search(docs, 'fox', body) s JOIN docs d"
    assert ask(runtime, f"{text} USING (id) GROUP BY odd ORDER BY odd") == [(0, 3, False), (1, 2, False)]


def test_what_explain_tells(local: SqlRuntime) -> None:
    told = explain(local, "SELECT id FROM text_search(docs, 'fox', body, k := 4) WHERE id > 2 AND _score > 0.1")
    assert (
        "search=(best 4 by BM25 of body: index body_idx (Inverted, exact; 3 rows not in it are searched one by one); "
        "prefilter `id` > 2; filtered afterwards, which may leave fewer)" in told
    )
    told = explain(local, "SELECT id FROM text_search(docs, 'fox', indexed_only := true)")
    assert "best 10 by BM25 of body, title" in told
    assert "3 rows not in it are left out" in told


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("docs, 'fox', raw", "UnsupportedError", 'Column "raw" of .* has no index of texts; CREATE INDEX'),
        ("docs, 'fox', bodi", "UnknownColumnError", 'did you mean "body"'),
        ("docs, '\"quick fox\"', title", "UnsupportedError", "no positions of words.*with_position"),
        ("docs, 'quik~1', body", "UnsupportedError", "does not have 3 rows.*indexed_only := true"),
        ("docs, '(quick', body", "InvalidValueError", "a bracket is opened and not closed"),
        ("docs, 3, body", "TypeMismatchError", "is a text, 3 was given"),
        ("docs, 'fox', body, operator := 'xor'", "InvalidValueError", "there are 'and' and 'or'"),
        ("docs, 'fox', body, demotion := 3", "InvalidValueError", "from 0 to 1"),
        ("docs, 'fox', body, metric := 'l2'", "InvalidValueError", 'has no option "metric"'),
        ("docs, 'fox', body, filter := 'raw LIKE ''%x'''", "UnsupportedError", "cannot be among the rows"),
        ("docs", "TypeMismatchError", r"text_search\(table, text, columns, k := 10, ...\)"),
    ],
)  # fmt: skip
def test_what_is_refused(local: SqlRuntime, call: str, error: str, message: str) -> None:
    with pytest.raises(getattr(errors, error), match=message):
        ask(local, f"SELECT * FROM text_search({call})")


def test_the_types_of_parameters(local: SqlRuntime) -> None:
    told = local.frontend.parameters("SELECT * FROM text_search(docs, ?, body, k := ?, demotion := ?)")
    assert told.types == [pa.string(), pa.int64(), pa.float64()]
    told = local.frontend.parameters("SELECT * FROM hybrid_search(docs, v, $v, $t, body, k := $k)")
    assert told == pa.schema({"v": pa.list_(pa.float32(), 2), "t": pa.string(), "k": pa.int64()})


# ---- both at once


def fused(near: list[int], matching: list[int], k: int) -> Rows:
    """The ids with the sums of 1 / (60 + place), the best first."""
    places = [{row: place for place, row in enumerate(rows, 1)} for rows in (near, matching)]
    score = {row: sum(1 / (60 + own[row]) for own in places if row in own) for row in {*near, *matching}}
    return sorted(((row, round(score[row], 9)) for row in score), key=lambda found: (-found[1], found[0]))[:k]


@pytest.mark.parametrize("where", ["", "WHERE id > 2", "WHERE id > 2 AND length(raw) < 15"])
def test_hybrid_searches(runtime: SqlRuntime, where: str) -> None:
    near = [row[0] for row in ask(runtime, f"FROM vector_search(docs, v, [1, 1], k := 100) {where.split(' AND')[0]}")]
    matching = [
        row[0] for row in ask(runtime, f"FROM text_search(docs, 'quick', body, k := 100) {where.split(' AND')[0]}")
    ]
    wanted = fused(near, matching, 13)
    text = f"SELECT id, round(_relevance, 9) FROM hybrid_search(docs, v, ?, ?, body, k := 13) {where}"
    rows = ask(runtime, f"{text} ORDER BY _relevance DESC, id", [1.0, 1.0], "quick")
    short = {row[0] for row in ask(runtime, f"SELECT id FROM docs {where}")}
    assert rows == [row for row in wanted if row[0] in short]


@pytest.mark.parametrize(("near", "matching"), [("NULL", "'quick'"), ("[1, 1]", "NULL"), ("[1, 1]", "'the'")])
def test_a_hybrid_search_of_which_one_finds_nothing(runtime: SqlRuntime, near: str, matching: str) -> None:
    if near == "NULL":
        text = f"SELECT id FROM text_search(docs, {matching}, body) ORDER BY _score DESC, id"
    else:
        text = f"SELECT id FROM vector_search(docs, v, {near}) ORDER BY _distance, id"
    wanted = fused([row[0] for row in ask(runtime, text)], [], 4)
    both = f"hybrid_search(docs, v, {near}, {matching}, body, k := ?)"
    text = f"SELECT id, round(_relevance, 9), _distance IS NULL, _score IS NULL FROM {both}"
    assert ask(runtime, text, 4) == [(*row, near == "NULL", near != "NULL") for row in wanted]


def test_how_many_a_hybrid_search_finds(local: SqlRuntime) -> None:
    """Each search finds twice as many as are wanted, and 100 at least, also where that is computed."""
    text = "SELECT id FROM hybrid_search(docs, v, [1, 1], 'quick', body, {})"
    for options, candidates in (("k := 3", 100), ("k := 60", 120), ("k := 59 + 1", 120), ("k := 9000", 10_000)):
        assert f"nearest {candidates} by l2" in explain(local, text.format(options))
    assert len(ask(local, text.format("k := ?"), 2000)) == 13
    for options, name in (("k := NULL", "k"), ("k := 3, candidates := NULL", "candidates")):
        with pytest.raises(errors.InvalidValueError, match=f'The option "{name}" of hybrid_search is NULL'):
            ask(local, text.format(options))


def test_columns_that_a_search_gives_are_of_no_table(make_runtime: Make) -> None:
    runtime, tables = make_runtime("local", "lance")
    rows = {"v": pa.array([[1.0, 1.0]], pa.list_(pa.float32(), 2)), "body": ["fox"]}
    calls = {
        "_relevance": "hybrid_search(own, v, [1, 1], 'fox', body)",
        "_Distance": "vector_search(own, v, [1, 1])",
        "_score": "text_search(own, 'fox', body)",
    }
    for column, call in calls.items():
        tables.put("own", pa.table({**rows, column: [1]}))
        change(runtime, "CREATE INDEX words ON own USING FTS (body)")
        with pytest.raises(errors.UnsupportedError, match=f'has a column "{column.lower()}" of its own'):
            ask(runtime, f"SELECT * FROM {call}")


def test_what_hybrid_searches_give(local: SqlRuntime) -> None:
    columns = local.frontend.columns("SELECT * FROM hybrid_search(docs, v, [1, 1], 'quick', body)")
    assert [c.name for c in columns] == ["id", "body", "title", "raw", "v", "_distance", "_score", "_relevance"]
    rows = ask(
        local,
        "SELECT id, _distance IS NULL, _score IS NULL "
        "FROM hybrid_search(docs, v, [1, 1], 'quick', body, candidates := 20)",
    )
    assert {row[0] for row in rows if not row[2]} == {0, 2, 7, 8, 10}
    assert not any(row[1] for row in rows)
    with pytest.raises(errors.InvalidValueError, match="3 candidates in each search, fewer than k := 4"):
        ask(local, "SELECT * FROM hybrid_search(docs, v, [1, 1], 'quick', body, k := 4, candidates := 3)")


@pytest.mark.parametrize("where", ["", " WHERE id < 10", " WHERE v[1] < 9"])
def test_what_is_planned_once(local: SqlRuntime, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    text = f"SELECT id FROM text_search(docs, ?, body, k := 3){where}"
    wanted = [ask(local, text.replace("?", f"'{query}'")) for query in ("quick", "brown bread", "dog")]
    planned: list[object] = []
    lower = planner.lower

    def counted(plan: LogicalPlan) -> PhysicalOperator:
        planned.append(plan)
        return lower(plan)

    monkeypatch.setattr(planner, "lower", counted)
    session, database, counts = Session(), Database(local), []
    for query, rows in zip(("quick", "brown bread", "dog"), wanted, strict=True):
        assert ask(local, text, query, session=session, database=database) == rows
        counts.append(len(planned))
    assert counts == counts[:1] * 3


def test_a_plan_is_good_for_other_texts(local: SqlRuntime) -> None:
    text = "SELECT id FROM text_search(docs, ?, body, k := 3) ORDER BY _score DESC, id"
    session, database = Session(), Database(local)
    read = sum(local.frontend.readings.values())
    assert ask(local, text, "quick", session=session, database=database) == [(8,), (2,), (7,)]
    assert ask(local, text, "brown bread", session=session, database=database) == [(9,), (0,)]
    assert sum(local.frontend.readings.values()) == read + 1
    assert ask(local, text, "brown AND bread", session=session, database=database) == [(9,)]
    with pytest.raises(errors.UnsupportedError, match="does not have 3 rows"):
        ask(local, text, "quick~1", session=session, database=database)
    with pytest.raises(errors.TypeMismatchError, match="is a text"):
        ask(local, text, 3, session=session, database=database)


def test_rows_with_several_texts_are_found_once(runtime_name: str, make_runtime: Make) -> None:
    """Though an index has each text of a list by itself."""
    runtime, tables = make_runtime(runtime_name, "lance")
    texts = [["fox", "red fox", "dog"] if i % 2 else ["dog"] for i in range(300)]
    path = f"{tables.storage.directories()[0]}/listed.lance"
    dataset = lance.write_dataset(pa.table({"id": range(300), "texts": texts}), path, mode="overwrite")
    dataset.create_scalar_index("texts", "INVERTED", document_granularity=DocumentGranularity.LIST_ELEMENT)
    every = ask(runtime, "SELECT id FROM text_search(listed, 'fox', k := 1000) ORDER BY id")
    assert every == [(i,) for i in range(1, 300, 2)]
    first = ask(runtime, "SELECT id FROM text_search(listed, 'fox', k := 140) ORDER BY id")
    assert first == every[:140]


def test_rows_with_several_texts_are_searched_by_one_column(runtime_name: str, make_runtime: Make) -> None:
    runtime, tables = make_runtime(runtime_name, "lance")
    path = f"{tables.storage.directories()[0]}/mixed.lance"
    rows = pa.table({"texts": [["fox", "dog"], ["cat"]], "s": ["cat", "fox"]})
    dataset = lance.write_dataset(rows, path, mode="overwrite")
    dataset.create_scalar_index("texts", "INVERTED", name="t", document_granularity=DocumentGranularity.LIST_ELEMENT)
    dataset.create_scalar_index("s", "INVERTED", name="s")
    for search in ("'fox'", "'fox~1'", "'fox -cat', [s, texts]", "'fox', [texts, s], demote := 'dog'"):
        with pytest.raises(errors.UnsupportedError, match=r'The index "t" .* column "texts" is searched alone'):
            ask(runtime, f"SELECT s FROM text_search(mixed, {search})")
    assert ask(runtime, "SELECT s FROM text_search(mixed, 'fox', texts)") == [("cat",)]
    assert ask(runtime, "SELECT s FROM text_search(mixed, 'fox', [s])") == [("fox",)]


def test_a_column_with_two_indexes_of_texts(make_runtime: Make) -> None:
    """Lance asks the one that was made first, whatever they are called."""
    runtime, tables = make_runtime("local", "lance")
    path = f"{tables.storage.directories()[0]}/twice.lance"
    dataset = lance.write_dataset(pa.table({"s": ["quick fox"]}), path, mode="overwrite")
    dataset.create_scalar_index("s", "INVERTED", name="a")
    lance.write_dataset(pa.table({"s": ["slow fox"]}), path, mode="append")
    lance.dataset(path).create_scalar_index("s", "INVERTED", name="b", with_position=True)
    assert len(ask(runtime, "SELECT s FROM text_search(twice, 'fox')")) == 2
    for text, told in (("fux~1", '"a" does not have 1 rows'), ('"slow fox"', '"a" has no positions')):
        with pytest.raises(errors.UnsupportedError, match=told):
            ask(runtime, f"SELECT s FROM text_search(twice, '{text}')")


def test_fields_of_structs(runtime_name: str, make_runtime: Make) -> None:
    runtime = make_runtime(runtime_name, "lance")[0]
    texts = ["quick fox", "slow Foxes", "a dog", "quick dog"]
    table = f"fields_{runtime_name}"
    change(
        runtime,
        f"""CREATE OR REPLACE TABLE {table} AS
        SELECT i AS id, {{'title': {texts}[1 + i % 4], 'in': {{'a b': 'whale ' || i}}}} AS s FROM range(40) r(i)""",
    )
    change(runtime, f"CREATE INDEX by_title ON {table} USING FTS (s.title) WITH (with_position = true)")
    change(runtime, f'CREATE INDEX by_whale ON {table} USING FTS (S."in"."A b")')

    def ids(query: str, more: str) -> list[int]:
        return [row[0] for row in ask(runtime, f"SELECT id FROM text_search({table}, ?, {more}, k := 99)", query)]

    foxes = [number for number in range(40) if number % 4 < 2]
    for columns in ("s.title", "'s.title'", "[S.Title]", "columns := ['s.title']"):
        assert sorted(ids("fox", columns)) == foxes
    assert sorted(ids('"quick fox"', "s.title")) == foxes[::2]
    assert ids("whale AND 7", 's."in"."a b"') == [7]
    assert len(ids("fox whale", '[s.title, s."in"."a b"]')) == 40
    change(runtime, f"UPDATE {table} SET s = {{'title': 'a cat', 'in': s.in}} WHERE id = 0")
    change(runtime, f"INSERT INTO {table} SELECT id + 40, s FROM {table} WHERE id = 1")
    assert sorted(ids("fox", "s.title")) == [*foxes[1:], 41]
    change(runtime, f"OPTIMIZE {table}")
    change(runtime, f"ALTER TABLE {table} RENAME COLUMN s TO z")
    assert sorted(ids("fox", "z.title")) == [*foxes[1:], 41]
    assert ids("cat", "z.title") == [0]
    indexes = [row[:3] for row in ask(runtime, f"SHOW INDEXES FROM {table}")]
    assert indexes == [("by_title", "FTS", ["z.title"]), ("by_whale", "FTS", ["z.in.a b"])]


@pytest.mark.parametrize(
    ("statement", "error", "message"),
    [
        ("CREATE INDEX x ON fields USING FTS (s.titel)", "UnknownColumnError", 'did you mean "title"'),
        ("CREATE INDEX x ON fields USING FTS (id.x)", "UnknownColumnError", 'has no field "x"'),
        ("CREATE INDEX x ON fields (s.title)", "UnsupportedError", "indexes of texts only"),
        ("CREATE INDEX x ON fields USING FTS (s)", "SchemaMismatchError", "texts and lists of texts"),
        ("SELECT * FROM text_search(fields, 'x', s.title)", "UnsupportedError", "USING FTS (s.title) makes one"),
        ("SELECT * FROM text_search(fields, 'x', s.titel)", "UnknownColumnError", 'did you mean "title"'),
        ("SELECT * FROM text_search(fields, columns := s.title)", "InvalidValueError", "has no option"),
        ("SELECT * FROM text_search(fields, 'x', s.title, columns := s.title)", "InvalidValueError", "has no option"),
    ],
)  # fmt: skip
def test_fields_of_structs_that_are_refused(local: SqlRuntime, statement: str, error: str, message: str) -> None:
    change(local, "CREATE OR REPLACE TABLE fields AS SELECT 1 AS id, {'title': 'x'} AS s")
    with pytest.raises(getattr(errors, error)) as raised:
        (ask if statement.startswith("SELECT") else change)(local, statement)
    assert message in str(raised.value)
