"""The building of an index: what others do to the table meanwhile, cancelling, and kill -9."""

from __future__ import annotations

import select
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from sqlglot import parse_one

from engine.cancellation import Cancellation
from engine.errors import CancelledError, ConflictError, GrismError, IndexExistsError, UnsupportedError
from engine.storage import DirectoryStorage
from engine.storage.indexes import BuildProgress, IndexDefinition
from engine.storage.lance_indexes import LanceIndexes
from engine.storage.lance_segments import build_segment
from engine.storage.protocol import DEFAULT_SCHEMA, ScanRequest, TableName
from local_runtime import LocalRuntime
from tests.engine.storage.reading import as_if_long_ago
from tests.harness.waiting import until

T = TableName(DEFAULT_SCHEMA, "t")
BY_K = IndexDefinition("i", "BTREE", "k")
Sql = Callable[[str], pa.Table]


@pytest.fixture
def storage(tmp_path: Path) -> DirectoryStorage:
    """A table of four fragments, each with 100 rows: `k` counts them."""
    rows = pa.table({"k": pa.array(range(400), pa.int32()), "s": [f"some {i % 9} words" for i in range(400)]})
    lance.write_dataset(rows, tmp_path / "t.lance", max_rows_per_file=100)
    return DirectoryStorage(tmp_path)


@pytest.fixture
def sql(storage: DirectoryStorage) -> Iterator[Sql]:
    """Statements over the table."""
    with LocalRuntime(storage, threads=1) as runtime:

        def run(text: str) -> pa.Table:
            with runtime.sql(text) as result:
                return result.read_all()

        yield run


def indexes(storage: DirectoryStorage) -> LanceIndexes:
    """Those of the table as it is now."""
    found = storage.indexes(storage.snapshot().table(T))
    assert isinstance(found, LanceIndexes)
    return found


def found(sql: Sql, predicate: str) -> list[int]:
    """The numbers of the rows that a scan finds, which has to be those that the kernel finds."""
    rows = sorted(sql(f"SELECT k FROM t WHERE {predicate}")["k"].to_pylist())
    every = sql(f"SELECT k, ({predicate}) AS p FROM t").to_pylist()
    assert rows == sorted(row["k"] for row in every if row["p"])
    return rows


def built(of: LanceIndexes) -> object:
    """An index over the version, which no version names yet."""
    numbers = [fragment.fragment_id for fragment in of.dataset.get_fragments()]
    return build_segment(of.dataset, BY_K, {}, numbers, lambda _: None)


@pytest.mark.parametrize(
    ("change", "predicate", "rows", "covered"),
    [
        ("INSERT INTO t VALUES (1000, 'more')", "k IN (7, 1000)", [7, 1000], 400),
        ("UPDATE t SET k = 2000 WHERE k = 7", "k IN (7, 2000)", [2000], 399),
        ("UPDATE t SET k = k + 5000 WHERE k < 100", "k IN (7, 107, 5007)", [107, 5007], 300),
        ("UPDATE t SET s = 'other' WHERE k < 100", "k IN (7, 107)", [7, 107], 400),
        ("DELETE FROM t WHERE k < 150", "k < 155", [150, 151, 152, 153, 154], 250),
        ("ALTER TABLE t ADD COLUMN more INTEGER DEFAULT 7", "k = 7", [7], 400),
        ("ALTER TABLE t DROP COLUMN s", "k = 7", [7], 400),
    ],
)
def test_what_changes_while_it_is_built(
    storage: DirectoryStorage, sql: Sql, change: str, predicate: str, rows: list[int], covered: int
) -> None:
    own = indexes(storage)
    segment = built(own)
    sql(change)
    own.commit(BY_K, segment)
    assert found(sql, predicate) == rows
    (index,) = indexes(storage).all()
    assert index.rows == covered
    assert "index=i " in sql(f"EXPLAIN SELECT k FROM t WHERE {predicate}")["plan"][0].as_py()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ALTER COLUMN k TYPE BIGINT",
        "ALTER TABLE t DROP COLUMN k",
        "UPDATE t SET k = k + 1",
        "CREATE OR REPLACE TABLE t AS SELECT 1 AS k",
    ],
)
def test_what_it_was_built_of_is_gone(storage: DirectoryStorage, sql: Sql, change: str) -> None:
    own = indexes(storage)
    segment = built(own)
    sql(change)
    with pytest.raises(ConflictError):
        own.commit(BY_K, segment)
    assert indexes(storage).all() == ()
    sql("SELECT * FROM t WHERE s = 'x'" if "REPLACE" not in change else "SELECT * FROM t WHERE k = 1")


@pytest.mark.parametrize("name", ["a b", "Ä", "select", 'We"ird', "A'b", "[x]"])
def test_names_of_every_kind(storage: DirectoryStorage, sql: Sql, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    sql(f"ALTER TABLE t RENAME COLUMN k TO {quoted}")
    sql(f"CREATE INDEX {quoted} ON t ({quoted})")
    query = f"SELECT * FROM t WHERE {quoted} = 7"
    assert f"index={name} (BTREE of {name})" in str(sql(f"EXPLAIN {query}")["plan"].to_pylist()[-1])
    assert sql(query).num_rows == 1
    sql(f"DROP INDEX {quoted}")
    assert indexes(storage).all() == ()


@pytest.mark.parametrize("name", ["", "__lance_own", "n" * 201])
def test_names_that_an_index_cannot_have(sql: Sql, name: str) -> None:
    with pytest.raises(UnsupportedError, match="1 to 200 bytes"):
        sql(f'CREATE INDEX "{name}" ON t (k)')


def test_two_build_one_name(storage: DirectoryStorage) -> None:
    own = indexes(storage)
    segment = built(own)
    indexes(storage).create(IndexDefinition("I", "BITMAP", "s"), Cancellation())
    with pytest.raises(IndexExistsError):
        own.commit(BY_K, segment)
    assert [(index.name, index.kind) for index in indexes(storage).all()] == [("I", "BITMAP")]


def test_builds_and_updates_at_once(storage: DirectoryStorage, sql: Sql) -> None:
    """Each UPDATE changes the rows of another fragment, over and over, while indexes are made and dropped."""
    sql("CREATE INDEX i ON t (k)")
    failures: list[BaseException] = []

    def update() -> None:
        try:
            for run in range(12):
                sql(f"UPDATE t SET k = k + 4000 WHERE k % 400 BETWEEN {run % 4 * 100} AND {run % 4 * 100 + 99}")
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=update)
    writer.start()
    made = 0
    while writer.is_alive():
        try:
            sql("DROP INDEX IF EXISTS i")
            sql("CREATE INDEX i ON t (k)")
            made += 1
        except ConflictError:
            continue
    writer.join()
    assert failures == []
    assert made > 0
    want = [i + 12_000 for i in range(400)]
    assert sorted(sql("SELECT k FROM t")["k"].to_pylist()) == want
    assert found(sql, "k < 12000") == []
    assert found(sql, "k IN (12000, 12150, 12399)") == [12_000, 12_150, 12_399]


def test_cancelled_while_it_is_built(tmp_path: Path) -> None:
    rows = pa.table({"k": range(150_000), "s": [f"words of {i} and {i % 977}" for i in range(150_000)]})
    lance.write_dataset(rows, tmp_path / "t.lance")
    storage = DirectoryStorage(tmp_path)
    cancellation = Cancellation()
    seen: list[BuildProgress] = []

    def watch(progress: BuildProgress) -> None:
        seen.append(progress)
        handle = storage.snapshot().table(T)  # which others read meanwhile
        source = storage.open(handle, ScanRequest(("k",), parse_one('"k" = 7')))
        assert isinstance(source.data, pa.Table)
        assert source.data.num_rows == 1
        assert storage.indexes(handle).all() == ()
        cancellation.cancel("enough")

    with pytest.raises(CancelledError, match="enough"):
        indexes(storage).create(IndexDefinition("i", "NGRAM", "s"), cancellation, watch)
    assert seen
    assert indexes(storage).all() == ()
    # What works on sees at its end that nobody waits, and takes away what it wrote.
    until(lambda: not (tmp_path / "t.lance" / ".writers").exists())
    assert list((tmp_path / "t.lance").glob("_indices/*")) == []
    with pytest.raises(CancelledError, match="enough"):
        indexes(storage).create(BY_K, cancellation)


KILLED = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import lance
    from engine.storage.indexes import IndexDefinition
    from engine.storage.lance_commits import as_writer
    from engine.storage.lance_segments import build_segment
    from engine.storage.protocol import TableName

    path = Path(sys.argv[1], "t.lance")
    with as_writer(TableName("main", "t"), path):
        build_segment(lance.dataset(str(path)), IndexDefinition("i", "BTREE", "k"), {}, [0, 1, 2, 3], lambda _: None)
        print("built", flush=True)
        sys.stdin.read()
    """
)


def test_kill_9_before_the_commit(storage: DirectoryStorage, tmp_path: Path) -> None:
    version = lance.dataset(str(tmp_path / "t.lance")).version
    builder = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert builder.stdin is not None
    assert builder.stdout is not None
    try:
        assert select.select([builder.stdout], [], [], 60)[0], "the index was not built"
        assert builder.stdout.readline() == b"built\n"
        DirectoryStorage(tmp_path)  # its sweep leaves what a living builder wrote
        assert len(list((tmp_path / "t.lance" / "_indices").iterdir())) == 1
    finally:
        builder.kill()
        builder.wait(30)
        builder.stdin.close()
        builder.stdout.close()
    as_if_long_ago(tmp_path / "t.lance")
    again = DirectoryStorage(tmp_path)
    assert indexes(again).all() == ()
    assert list((tmp_path / "t.lance").glob("_indices/*/*")) == []
    assert lance.dataset(str(tmp_path / "t.lance")).version == version
    indexes(again).create(BY_K, Cancellation())
    assert [index.rows for index in indexes(again).all()] == [400]


def test_how_far_a_build_is() -> None:
    assert str(BuildProgress("load_data")) == "load data"
    assert str(BuildProgress("tokenize_docs", 8192, None, "rows")) == "tokenize docs, 8,192 rows"
    assert str(BuildProgress("shuffle", 5, 1000, "rows")) == "shuffle, 5 of 1,000 rows"


def test_a_failed_build_leaves_nothing(storage: DirectoryStorage, tmp_path: Path) -> None:
    handle = storage.snapshot().table(T)
    storage.drop(T)
    with pytest.raises(GrismError):
        storage.indexes(handle).create(BY_K, Cancellation())
    assert list((tmp_path / "t.lance").glob("_indices/*/*")) == []


@pytest.mark.parametrize(("kind", "rows"), [("IVF_FLAT", 0), ("IVF_HNSW_SQ", 0), ("IVF_PQ", 200)])
def test_of_too_few_vectors(storage: DirectoryStorage, sql: Sql, tmp_path: Path, kind: str, rows: int) -> None:
    vectors = [[float(i), 1.0] if i < rows else [float("nan"), 1.0] for i in range(300)]
    lance.write_dataset(pa.table({"v": pa.array(vectors, pa.list_(pa.float32(), 2))}), tmp_path / "few.lance")
    with pytest.raises(UnsupportedError, match="too few for one of this kind"):
        sql(f"CREATE INDEX i ON few USING {kind} (v)")
    assert sql("SHOW INDEXES FROM few").num_rows == 0
