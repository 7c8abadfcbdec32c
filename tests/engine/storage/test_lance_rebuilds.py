"""An index survives what writes its column anew: it is there afterwards, of the same kind and options, and is asked."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from lance.query import DocumentGranularity

from engine.cancellation import Cancellation
from engine.errors import CancelledError, ConflictError, SchemaMismatchError
from engine.storage import DirectoryStorage, lance_rebuilds
from engine.storage.lance_commits import DETACHED, commit_next, remove_unnamed
from engine.storage.lance_rebuilds import rebuilds, with_indexes
from engine.storage.protocol import TableName
from engine.storage.stored_indexes import stored_indexes
from local_runtime import LocalRuntime
from tests.engine.storage.reading import as_if_long_ago

Ask = Callable[[str], list[dict[str, object]]]
NAME = TableName("main", "t")
COUNT = 600
ROWS = pa.table(
    {
        "k": pa.array(range(COUNT), pa.int32()),
        "s": [f"the word{i % 7} is {i}" for i in range(COUNT)],
        "l": pa.array([[i % 5, i % 3] for i in range(COUNT)], pa.list_(pa.int32())),
        "v": pa.array([[i / 2, i % 4, 1.0, -i] for i in range(COUNT)], pa.list_(pa.float32(), 4)),
    }
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table of three fragments, one of them with deleted rows."""
    dataset = lance.write_dataset(ROWS, str(tmp_path / "t.lance"), max_rows_per_file=200)
    dataset.delete("k IN (3, 103)")
    return tmp_path / "t.lance"


@pytest.fixture
def sql(path: Path) -> Iterator[Ask]:
    with LocalRuntime(DirectoryStorage(path.parent), threads=1) as runtime:
        yield lambda text: runtime.sql(text).read_all().to_pylist()


def told(path: Path) -> list[tuple[object, ...]]:
    """What is told of the indexes, but their age and size."""
    found = stored_indexes(lance.dataset(str(path)))
    return [(i.name, i.kind, i.columns, i.rows, i.other_rows, dict(i.options)) for i in found]


def left_over(path: Path) -> set[str]:
    """Folders of indexes that no version has, and versions outside of the history."""
    versions = [lance.dataset(str(path), version=each["version"]) for each in lance.dataset(str(path)).versions()]
    named = {s.uuid for version in versions for index in version.describe_indices() for s in index.segments}
    folders = {folder.name for folder in (path / "_indices").iterdir()} - named
    return folders | {file.name for file in (path / "_versions").glob("d*")}


@pytest.mark.parametrize(
    ("made", "change", "asked", "found"),
    [
        ("BTREE (k)", "k TYPE BIGINT", "k = 7", 1),
        ("BTREE (k)", "k TYPE VARCHAR", "k = '7'", 1),
        ("BITMAP (k)", "k TYPE SMALLINT USING k % 9", "k = 7", 66),
        ("ZONEMAP (k) WITH (rows_per_zone = 50)", "k TYPE BIGINT", "k < 5", 4),
        ("BLOOMFILTER (k) WITH (number_of_items = 64, probability = 0.01)", "k TYPE BIGINT", "k = 7", 1),
        ("LABEL_LIST (l)", "l TYPE BIGINT[]", "list_contains(l, 4)", 120),
        ("NGRAM (s)", "s TYPE VARCHAR USING upper(s)", "contains(s, 'WORD6')", 85),
    ],
)
def test_after_a_cast_it_is_asked(sql: Ask, path: Path, made: str, change: str, asked: str, found: int) -> None:
    sql(f"CREATE INDEX i ON t USING {made}")
    sql("CREATE INDEX other ON t USING IVF_FLAT (v)")
    before = {index: stats(path, index) for index in ("i", "other")}
    known = [(name, *rest[:-1]) for name, *rest in told(path)]
    versions = lance.dataset(str(path)).version
    sql(f"ALTER TABLE t ALTER {change}")
    assert [(name, *rest[:-1]) for name, *rest in told(path)] == known
    assert {index: stats(path, index) for index in ("i", "other")} == before
    assert "index=i" in sql(f"EXPLAIN SELECT * FROM t WHERE {asked}")[0]["plan"]  # type: ignore[operator]
    assert sql(f"SELECT count(*) AS n FROM t WHERE {asked}") == [{"n": found}]
    assert left_over(path) == set()
    assert lance.dataset(str(path)).version == versions + 1
    made = sql("SHOW VERSIONS FROM t")[0]
    assert (made["version"], made["operation"]) == (versions + 1, "add columns")


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE t ALTER k TYPE BIGINT", "UPDATE t SET k = k WHERE '_rowaddr' <> s", "ALTER TABLE t RENAME TO u"],
)
def test_of_a_table_whose_manifests_have_older_names(tmp_path: Path, statement: str) -> None:
    """Of which Lance makes no version outside of the history."""
    path = tmp_path / "t.lance"
    dataset = lance.write_dataset(ROWS, str(path), max_rows_per_file=200, enable_v2_manifest_paths=False)
    dataset.create_scalar_index("k", "BTREE", name="i")
    dataset.create_index("v", "IVF_FLAT", num_partitions=1, name="x")
    dataset.delete("k = 3")
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        runtime.sql("CREATE TABLE u AS SELECT 1 AS a").read_all()
        runtime.sql("DROP TABLE u").read_all()
        runtime.sql(statement).read_all()
        after = path if path.exists() and "RENAME" not in statement else tmp_path / "u.lance"
        assert [(name, kind, rows) for name, kind, _, rows, *_ in told(after)] == [
            ("i", "BTREE", COUNT - 1),
            ("x", "IVF_FLAT", COUNT - 1),
        ]
        assert "index=i" in str(runtime.sql(f"EXPLAIN FROM {after.stem} WHERE k = 7").read_all())
        assert runtime.sql(f"SELECT k FROM {after.stem} WHERE k IN (3, 7)").read_all().to_pylist() == [{"k": 7}]
        runtime.sql(f"UPDATE {after.stem} SET k = -1 WHERE k = 8").read_all()
    assert left_over(after) == set()
    lance.dataset(str(after)).validate()


def test_optimize_builds_those_on_fields_of_structs_that_have_no_rows_left(tmp_path: Path) -> None:
    """Lance would look for a column that is called like the field."""
    path = tmp_path / "t.lance"
    rows = pa.table({"k": range(60), "s": [{"a b": i % 9, "k": "x" * (i % 4)} for i in range(60)]})
    dataset = lance.write_dataset(rows, str(path), max_rows_per_file=20)
    dataset.create_scalar_index("s.`a b`", "BTREE", name="i")
    dataset.create_scalar_index("s.k", "NGRAM", name="n")
    dataset.create_scalar_index("k", "BTREE", name="own")
    dataset.update({"k": "k + 100"})
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        runtime.sql("OPTIMIZE t").read_all()
        assert [(name, columns, rows) for name, _, columns, rows, *_ in told(path)] == [
            ("i", ("s.a b",), 60),
            ("n", ("s.k",), 60),
            ("own", ("k",), 60),
        ]
        assert runtime.sql("SELECT count(*) AS n FROM t WHERE s['a b'] = 8").read_all().to_pylist() == [{"n": 6}]
    assert lance.dataset(str(path)).scanner(filter="s.`a b` = 8").to_table().num_rows == 6
    assert left_over(path) == set()


def stats(path: Path, index: str) -> dict[str, object]:
    """The numbers of rows of an index, and those options of it that tell how it was made."""
    found = lance.dataset(str(path)).stats.index_stats(index)
    options = found["indices"][0].get("params", {}) | {
        option: found["indices"][0].get(option) for option in ("rows_per_zone", "number_of_items", "probability")
    }
    return options | {"rows": found["num_indexed_rows"]}


def test_searches_keep_their_options(sql: Ask, path: Path) -> None:
    sql("CREATE INDEX f ON t USING FTS (s) WITH (with_position = true, custom_stop_words = 'is word3', stem = false)")
    sql("CREATE INDEX x ON t USING IVF_PQ (v) WITH (metric = cosine, num_partitions = 2, num_sub_vectors = 2)")
    known, words = told(path), stats(path, "f")
    sql("ALTER TABLE t ALTER s TYPE VARCHAR USING upper(s)")
    sql("ALTER TABLE t ALTER v TYPE FLOAT[4]")
    assert (told(path), stats(path, "f")) == (known, words)
    assert lance.dataset(str(path)).stats.index_stats("x")["indices"][0]["num_partitions"] == 2
    assert sql("SELECT count(*) AS n FROM text_search(t, '\"the word4\"', s, k := 1000)") == [{"n": 86}]
    assert sql("SELECT k FROM vector_search(t, 'v', [0.5, 1, 1, -1]::FLOAT[4], k := 1, refine_factor := 50)") == [
        {"k": 1}
    ]


def test_options_that_only_other_tools_give(tmp_path: Path) -> None:
    path = tmp_path / "t.lance"
    rows = pa.table({"c": ["getUserName != parse2"] * 9, "l": [["quick fox", "lazy dog"]] * 9})
    dataset = lance.write_dataset(rows, str(path))
    code = {"split_identifiers": True, "split_on_numerics": False, "index_operators": True}
    dataset.create_scalar_index("c", "INVERTED", name="c", analyzer="code", **code)
    dataset.create_scalar_index("l", "INVERTED", name="l", document_granularity=DocumentGranularity.LIST_ELEMENT)
    known = [options for *_, options in told(path)]
    assert (known[0]["index_operators"], known[1]["document_granularity"]) == (True, "list_element")
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        for change in ("c TYPE VARCHAR USING c || ''", "l TYPE VARCHAR[] USING l"):
            runtime.sql(f"ALTER TABLE t ALTER {change}").read_all()
        assert [options for *_, options in told(path)] == known
        for text, found in (("name", 9), ("!=", 9), ("parse", 0)):
            searched = runtime.sql(f"FROM text_search(t, '{text}', c, plain := true)").read_all()
            assert (text, searched.num_rows) == (text, found)
        # Each text is found by itself.
        assert runtime.sql("FROM text_search(t, 'quick dog', l, operator := 'and')").read_all().num_rows == 0
        runtime.sql("ALTER TABLE t ALTER l TYPE VARCHAR USING l::VARCHAR").read_all()
        assert runtime.sql("FROM text_search(t, 'quick dog', l, operator := 'and')").read_all().num_rows == 9


@pytest.mark.parametrize(
    ("made", "change", "kind"),
    [
        ("FTS (s)", "s TYPE INTEGER USING k", "FTS"),
        ("LABEL_LIST (l)", "l TYPE VARCHAR", "LABEL_LIST"),
        ("BLOOMFILTER (k)", "k TYPE BOOLEAN", "BLOOMFILTER"),
        ("IVF_FLAT (v)", "v TYPE FLOAT[]", "IVF_FLAT"),
        ("IVF_PQ (v) WITH (num_sub_vectors = 4)", "v TYPE FLOAT[3] USING [1, 2, 3]", "IVF_PQ"),
    ],
)
def test_a_type_that_its_kind_is_not_for(sql: Ask, path: Path, made: str, change: str, kind: str) -> None:
    sql(f"CREATE INDEX i ON t USING {made}")
    version = lance.dataset(str(path)).version
    with pytest.raises(SchemaMismatchError, match=rf'has the index "i" of the kind {kind}, .* DROP INDEX first'):
        sql(f"ALTER TABLE t ALTER {change}")
    assert lance.dataset(str(path)).version == version
    sql("DROP INDEX i ON t")
    sql(f"ALTER TABLE t ALTER {change}")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE t SET s = t::VARCHAR WHERE k = 7",  # which the storage does not change row by row
        "DELETE FROM t WHERE t::VARCHAR LIKE '%k'': 8,%'",
        "ALTER TABLE t ALTER k TYPE BIGINT USING length(t::VARCHAR)",
    ],
)
def test_a_table_that_is_written_anew(sql: Ask, path: Path, statement: str) -> None:
    for made in ("a ON t (k)", "b ON t USING FTS (s)", "c ON t USING IVF_FLAT (v)", "d ON t USING LABEL_LIST (l)"):
        sql(f"CREATE INDEX {made}")
    assert "Rewrite main.t" in sql(f"EXPLAIN {statement}")[0]["plan"]  # type: ignore[operator]
    sql(statement)
    rows = lance.dataset(str(path)).count_rows()
    assert [(name, kind, count, others) for name, kind, _, count, others, _ in told(path)] == [
        ("a", "BTREE", rows, 0),
        ("b", "FTS", rows, 0),
        ("c", "IVF_FLAT", rows, 0),
        ("d", "LABEL_LIST", rows, 0),
    ]
    assert sql("SELECT count(*) AS n FROM t WHERE list_contains(l, 4)") == [{"n": 120}]
    assert left_over(path) == set()


@pytest.mark.parametrize("change", [None, "UPDATE u SET k = 7 WHERE k = 599"])
def test_a_new_name_that_a_dropped_table_had(sql: Ask, path: Path, change: str | None) -> None:
    sql("CREATE TABLE u AS FROM t")
    sql("CREATE INDEX a ON u (k)")
    sql("CREATE INDEX b ON u USING FTS (s) WITH (stem = false)")
    if change:
        sql(change)
    known = told(path.with_name("u.lance"))
    sql("DROP TABLE t")
    sql("ALTER TABLE u RENAME TO t")
    rows = {"rows": COUNT - 2, "others": 0}
    assert [(*index[:3], index[5]) for index in told(path)] == [(*index[:3], index[5]) for index in known]
    assert [dict(zip(("rows", "others"), index[3:5], strict=True)) for index in told(path)] == [rows, rows]
    assert sql("SELECT count(*) AS n FROM t WHERE k = 7") == [{"n": 2 if change else 1}]
    assert sql("SHOW VERSIONS FROM t")[0]["operation"] == "create"
    assert left_over(path) == set()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE n SET k = length(n::VARCHAR) * 0 + k", 'ALTER TABLE n ALTER st TYPE STRUCT(a BIGINT, "b.c" VARCHAR)'],
)
def test_an_index_of_another_tool_on_a_field_of_a_column(sql: Ask, path: Path, statement: str) -> None:
    rows = pa.table({"k": [1, 2], "a": [3, 4], "st": [{"a": 5, "b.c": "x"}, {"a": 6, "b.c": "y"}]})
    dataset = lance.write_dataset(rows, str(path.with_name("n.lance")))
    for column, name in (("st.a", "i"), ("st.`b.c`", "j"), ("a", "own")):
        dataset.create_scalar_index(column, "BTREE", name=name)
    known = told(path.with_name("n.lance"))
    sql(statement)
    assert told(path.with_name("n.lance")) == known
    assert lance.dataset(str(path.with_name("n.lance"))).to_table(filter="st.a = 6")["k"].to_pylist() == [2]
    with pytest.raises(SchemaMismatchError, match=r'has the index "j" .* cannot be built .* DROP INDEX first'):
        sql("ALTER TABLE n ALTER st TYPE STRUCT(a INTEGER)")


def test_a_table_without_rows(sql: Ask, path: Path) -> None:
    sql("CREATE INDEX i ON t (k)")
    sql("DELETE FROM t")
    sql("ALTER TABLE t ALTER k TYPE BIGINT")
    sql("INSERT INTO t (k) VALUES (5000000000)")
    assert [index[:2] for index in told(path)] == [("i", "BTREE")]
    assert sql("SELECT k FROM t WHERE k > 4") == [{"k": 5000000000}]


def test_a_cancelled_statement_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lance.dataset(str(path)).create_scalar_index("k", "BTREE")
    dataset = lance.dataset(str(path))
    files, cancellation = {file for file in path.rglob("*") if file.is_file()}, Cancellation()
    build = lance_rebuilds.build_whole

    def build_and_cancel(*arguments: object) -> object:
        made = build(*arguments)  # type: ignore[arg-type]
        cancellation.cancel()
        return made

    monkeypatch.setattr(lance_rebuilds, "build_whole", build_and_cancel)
    operation = lance.LanceOperation.Overwrite(dataset.schema, [])
    wanted = rebuilds(NAME, dataset, dataset.schema)
    with (
        pytest.raises(CancelledError),
        cancellation.scope(),
        with_indexes(NAME, path, dataset, operation, wanted),
    ):
        pytest.fail("an index was built")
    assert {file for file in path.rglob("*") if file.is_file()} == files


def test_somebody_who_was_faster(sql: Ask, path: Path) -> None:
    """What is built for a version that does not come is built once more, and nothing of it stays."""
    sql("CREATE INDEX i ON t (k)")
    storage = DirectoryStorage(path.parent)
    handle = storage.snapshot().table(NAME)
    rows = lance.dataset(str(path)).to_table()
    sql("INSERT INTO t (k) VALUES (1000)")
    with pytest.raises(ConflictError):
        storage.rewrite(handle, rows.to_reader())
    assert left_over(path) == set()
    assert sql("SELECT count(*) AS n FROM t WHERE k = 1000") == [{"n": 1}]


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    import lance
    from engine.storage import DirectoryStorage
    from local_runtime import LocalRuntime

    root, statement, step, is_done = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "after"
    commit, calls = lance.LanceDataset.commit, []

    def commit_or_die(*arguments, **options):
        calls.append(arguments)
        made = commit(*arguments, **options) if len(calls) < step or is_done else None
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    lance.LanceDataset.commit = commit_or_die
    with LocalRuntime(DirectoryStorage(Path(root)), threads=1) as runtime:
        runtime.sql(statement).read_all()
    """
)


@pytest.mark.parametrize(
    ("statement", "step", "when"),
    [
        ("ALTER TABLE t ALTER k TYPE BIGINT", 2, "after"),
        ("UPDATE t SET s = t::VARCHAR", 3, "before"),
        ("ALTER TABLE t ALTER k TYPE BIGINT", 3, "after"),
    ],
)
def test_kill_9_leaves_rows_and_indexes_of_one_version(path: Path, statement: str, step: int, when: str) -> None:
    dataset = lance.dataset(str(path))
    dataset.create_scalar_index("k", "BTREE", name="i")
    dataset.create_scalar_index("s", "INVERTED", name="f")
    indexes, version, before = told(path), dataset.version, dataset.to_table()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path.parent), statement, str(step), when], check=False, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(list((path / "_versions").glob("d*"))) == 2
    as_if_long_ago(path)
    storage = DirectoryStorage(path.parent)
    assert left_over(path) == set()
    is_visible = (step, when) == (3, "after")
    after = lance.dataset(str(path))
    assert after.version == version + is_visible
    assert (after.to_table() == before) is not is_visible
    assert [index[:3] for index in told(path)] == [index[:3] for index in indexes]
    assert not is_visible or all(index[4] == 0 for index in told(path))
    with LocalRuntime(storage, threads=1) as runtime:
        assert "index=i" in runtime.sql("EXPLAIN SELECT * FROM t WHERE k = 7").read_all().to_pylist()[0]["plan"]
        assert runtime.sql("SELECT count(*) AS n FROM t WHERE k = 7").read_all().to_pylist() == [{"n": 1}]


def test_another_tool_that_comes_in_between_keeps_its_change(path: Path) -> None:
    lance.dataset(str(path)).create_scalar_index("k", "BTREE", name="i")
    dataset = lance.dataset(str(path))
    operation = lance.LanceOperation.Overwrite(dataset.schema, [])
    with with_indexes(NAME, path, dataset, operation, rebuilds(NAME, dataset, dataset.schema)) as change:
        lance.dataset(str(path)).insert(ROWS.slice(0, 5))
        with pytest.raises(ConflictError):
            commit_next(NAME, path, change)
    assert lance.dataset(str(path)).count_rows() == COUNT - 2 + 5
    assert [index[:2] for index in told(path)] == [("i", "BTREE")]


def test_what_a_kill_leaves_goes(path: Path) -> None:
    """Versions outside of the history go with the files that no version names; those of other tools stay."""
    dataset = lance.dataset(str(path))
    operation = lance.LanceOperation.Overwrite(dataset.schema, [])
    made = [
        lance.LanceDataset.commit(str(path), lance.Transaction(dataset.version, operation, **own), detached=True)
        for own in ({}, {"transaction_properties": {DETACHED: "2"}})
    ]
    assert remove_unnamed(path) is None  # for another tool might be writing
    as_if_long_ago(path)
    remove_unnamed(path)
    assert [file.name for file in (path / "_versions").glob("d*")] == [f"d{made[0].version}.manifest"]
    assert lance.dataset(str(path)).to_table().num_rows == COUNT - 2
