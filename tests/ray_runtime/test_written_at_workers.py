"""Rows of statements that the workers of a cluster store themselves: the same tables as those of one process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, GrismError, TableExistsError, UnknownTableError
from engine.statements.context import StatementContext
from engine.statements.session import Session
from engine.storage import DirectoryStorage
from engine.storage.indexes import IndexBuilder, IndexDefinition
from engine.storage.lance_fragments import LanceSink
from engine.storage.lance_segments import LanceSegments
from engine.storage.protocol import FragmentSink, TableName, WriteMode
from local_runtime import LocalRuntime
from ray_runtime.runtime import RayRuntime
from tests.engine.storage.reading import as_if_long_ago
from tests.flight_server.service.test_two_servers import LostError, Server
from tests.harness.compare import difference
from tests.harness.waiting import until
from tests.ray_runtime.conftest import ROWS, TABLE, start
from tests.ray_runtime.faults import SLOW, changing, first, kill

T = TableName("main", "t")
TABLE_NAME = "this"
TYPES = """SELECT v::HUGEINT AS h, '00000000-0000-0000-0000-000000000001'::UUID AS u, to_days(k::INTEGER) AS i,
    (v / 7)::DECIMAL(12, 3) AS d, [s, NULL] AS l, {'a': v, 'b': s} AS r, NULLIF(v % 5, 0) AS n,
    CASE v % 3 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN -0.0 END AS f, s::BLOB AS b,
    TIMESTAMPTZ '2024-02-29 12:00:00+00' + to_hours(k::INTEGER) AS z FROM t WHERE v < 5000"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@pytest.fixture(scope="module")
def runtime(ray_session: None, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayRuntime]:
    """Two workers that store whatever they make."""
    storage = DirectoryStorage(folder)
    storage.write(T, TABLE.to_reader(), WriteMode.CREATE)
    with start(tmp_path_factory.mktemp("ray"), storage=storage, written_bytes=0, heartbeat_timeout=5.0) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def local(folder: Path) -> Iterator[LocalRuntime]:
    with LocalRuntime(DirectoryStorage(folder), threads=2) as runtime:
        yield runtime


@pytest.fixture
def both(runtime: RayRuntime, local: LocalRuntime) -> Iterator[dict[str, RayRuntime | LocalRuntime]]:
    """The runtimes by the name of the table that each of them makes."""
    yield {"ours": runtime, "theirs": local}
    for name, each in (("ours", runtime), ("theirs", local)):
        each.sql(f"DROP TABLE IF EXISTS {name}").read_all()


def stored(folder: Path, name: str) -> lance.LanceDataset:
    return lance.dataset(str(folder / f"{name}.lance"))


def fragments(folder: Path, name: str) -> int:
    return len(stored(folder, name).get_fragments())


def assert_same(folder: Path) -> None:
    """Both tables have the same fields and the same rows in the same order, and no file too many."""
    ours, theirs = stored(folder, "ours"), stored(folder, "theirs")
    assert ours.schema.remove_metadata().equals(theirs.schema.remove_metadata(), check_metadata=True)
    assert difference(ours.to_table(), theirs.to_table(), ordered=True, tolerance=0.0) is None
    assert_no_traces(folder, "ours")


def assert_no_traces(folder: Path, name: str) -> None:
    """Each file is one that the newest version names, or an older one did; nothing of the write is left."""
    assert [item.name for item in folder.iterdir() if item.name.startswith(".")] == []
    dataset = stored(folder, name)
    versions = [dataset.checkout_version(each["version"]) for each in dataset.versions()]
    named = {file.path for each in versions for f in each.get_fragments() for file in f.metadata.files}
    data = folder / f"{name}.lance" / "data"
    assert {file.name for file in data.iterdir()} == named if data.exists() else not named
    assert not (folder / f"{name}.lance" / ".writers").exists()


def run(both: dict[str, RayRuntime | LocalRuntime], *statements: str) -> list[int]:
    """How many rows each statement changed, the same on both."""
    counts = [
        [each.sql(s.replace(TABLE_NAME, name)).read_all()[0][0].as_py() for s in statements]
        for name, each in both.items()
    ]
    assert counts[0] == counts[1]
    return counts[0]


def test_rows_of_all_kinds(both: dict[str, RayRuntime | LocalRuntime], folder: Path) -> None:
    assert run(both, f"CREATE TABLE this AS {TYPES}") == [5000]
    assert fragments(folder, "ours") > 1
    assert_same(folder)
    assert run(both, f"INSERT INTO this {TYPES} AND v % 2 = 0", f"CREATE OR REPLACE TABLE this AS {TYPES} LIMIT 0")
    assert_same(folder)
    assert run(both, f"INSERT INTO this {TYPES}") == [5000]
    assert_same(folder)


def test_an_order_is_kept(both: dict[str, RayRuntime | LocalRuntime], folder: Path) -> None:
    run(both, "CREATE TABLE this AS SELECT s, v FROM t ORDER BY s DESC, v")
    assert fragments(folder, "ours") > 1
    assert_same(folder)
    run(both, "CREATE OR REPLACE TABLE this AS SELECT k, sum(v) AS n FROM t GROUP BY k ORDER BY n DESC LIMIT 5")
    assert_same(folder)


def test_fields_that_were_altered(both: dict[str, RayRuntime | LocalRuntime], folder: Path) -> None:
    run(
        both,
        "CREATE TABLE this (a INTEGER, b STRUCT(x INTEGER, y VARCHAR), c VARCHAR DEFAULT 'none', d DATE)",
        "INSERT INTO this VALUES (1, {'x': 1, 'y': 'one'}, 'c', NULL)",
        "ALTER TABLE this DROP COLUMN a",
        "ALTER TABLE this ADD COLUMN e BIGINT DEFAULT 7",
        "ALTER TABLE this RENAME COLUMN d TO f",
        "INSERT INTO this (f, b) SELECT DATE '2024-01-01' + k::INTEGER, {'x': v, 'y': s} FROM t",
    )
    assert fragments(folder, "ours") > 2
    assert_same(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO this SELECT v, NULLIF(v, 39000) FROM t",  # NOT NULL
        "INSERT INTO this SELECT v, CAST(CASE v WHEN 39000 THEN 'x' ELSE '1' END AS INTEGER) FROM t",
        "INSERT INTO this SELECT v FROM t",
        "CREATE TABLE this AS SELECT * FROM t",
        "CREATE OR REPLACE TABLE this AS SELECT v, v AS V FROM t",
        "INSERT INTO this (a, nowhere) SELECT v, v FROM t",
    ],
)
def test_errors_are_those_of_one_process(
    both: dict[str, RayRuntime | LocalRuntime], folder: Path, statement: str
) -> None:
    run(both, "CREATE TABLE this (a BIGINT, b BIGINT NOT NULL)", "INSERT INTO this VALUES (1, 2)")
    told = []
    for name, each in both.items():
        with pytest.raises(GrismError) as caught:
            each.sql(statement.replace(TABLE_NAME, name)).read_all()
        told.append((type(caught.value), caught.value.summary.replace(name, "it")))
    assert told[0] == told[1]
    assert_same(folder)


def test_who_makes_a_table_first_has_it(both: dict[str, RayRuntime | LocalRuntime], folder: Path) -> None:
    runtime = both["ours"]
    slow = changing(runtime, f"CREATE TABLE ours AS SELECT {SLOW} AS n FROM t")
    until(lambda: parts(folder, "ours"))
    both["theirs"].sql("CREATE TABLE ours AS SELECT 1 AS one").read_all()
    assert isinstance(slow.exception(60), TableExistsError)
    slow = changing(runtime, f"INSERT INTO ours SELECT {SLOW} FROM t")
    until(lambda: parts(folder, "ours"))
    both["theirs"].sql("DROP TABLE ours").read_all()
    assert isinstance(slow.exception(60), UnknownTableError)


def parts(folder: Path, name: str) -> list[Path]:
    """The files that workers have begun to write."""
    return list(folder.glob(f".{name}.lance.*.tmp/data/*"))


@pytest.mark.parametrize("before", [pytest.param("nothing", marks=pytest.mark.soak), "a table"])
def test_a_worker_that_dies_costs_no_row_and_gives_none_twice(
    both: dict[str, RayRuntime | LocalRuntime], runtime: RayRuntime, folder: Path, before: str
) -> None:
    statement = f"CREATE TABLE this AS SELECT v, {SLOW} AS n FROM t"
    if before == "a table":
        run(both, "CREATE TABLE this AS SELECT 1 AS v, 2 AS n")
        statement = f"INSERT INTO this SELECT v, {SLOW} FROM t"
    answer = changing(runtime, statement.replace(TABLE_NAME, "ours"))
    until(lambda: parts(folder, "ours"))
    worker, _ = first(runtime, lambda status: status.running)
    kill(runtime, worker)
    both["theirs"].sql(statement.replace(TABLE_NAME, "theirs")).read_all()
    assert answer.result(60)[0][0].as_py() == ROWS
    assert_same(folder)
    until(lambda: len(runtime.executor.workers()) == 2)


def test_what_is_cancelled_leaves_nothing(runtime: RayRuntime, folder: Path) -> None:
    runtime.sql("CREATE TABLE kept AS SELECT 1 AS n").read_all()
    session, cancellation = Session(), Cancellation()
    answer: Future[object] = Future()
    text = f"INSERT INTO kept SELECT {SLOW} FROM t"

    def insert() -> None:
        try:
            runtime._database.sql(text, context=StatementContext(session, cancellation))
        except CancelledError as error:
            answer.set_exception(error)

    threading.Thread(target=insert, daemon=True).start()
    until(lambda: parts(folder, "kept"))
    cancellation.cancel("Enough.")
    assert isinstance(answer.exception(60), CancelledError)
    assert runtime.sql("SELECT * FROM kept").read_all().to_pylist() == [{"n": 1}]
    until(lambda: not list(folder.glob(".kept*")))
    assert_no_traces(folder, "kept")


def test_rows_come_here_where_workers_do_not_reach_the_folder(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    asked = []

    def writers(sink: FragmentSink) -> list[str]:
        asked.append(sink)
        assert isinstance(sink, LanceSink)
        return replace(sink, folder=str(tmp_path / "elsewhere")).write(TABLE.to_reader())

    for mode in (WriteMode.CREATE, WriteMode.APPEND, WriteMode.REPLACE):
        storage.write(T, TABLE.to_reader(), mode, writers=writers)
        assert_no_traces(tmp_path, "t")
    assert len(asked) == 3
    assert stored(tmp_path, "t").to_table().equals(TABLE)


def test_explain_shows_who_writes(runtime: RayRuntime, local: LocalRuntime) -> None:
    def shown(each: RayRuntime | LocalRuntime, sql: str) -> str:
        return "\n".join(each.sql(f"EXPLAIN {sql}").read_all()["plan"].to_pylist())

    assert "WriteFragmentsExec main.c\n" in shown(runtime, "CREATE TABLE c AS SELECT * FROM t")
    assert "WriteFragmentsExec main.t\n" in shown(runtime, "INSERT INTO t SELECT * FROM t")
    assert "WriteFragmentsExec" not in shown(runtime, "CREATE TEMP TABLE c AS SELECT * FROM t")
    assert "WriteFragmentsExec" not in shown(local, "CREATE TABLE c AS SELECT * FROM t")


@pytest.mark.soak
@pytest.mark.parametrize(
    "statement", [f"CREATE TABLE made AS SELECT {SLOW} AS n FROM t", f"INSERT INTO made SELECT {SLOW} FROM t"]
)
def test_a_server_that_is_killed_leaves_what_was_there(tmp_path: Path, statement: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    storage, is_new = DirectoryStorage(data), statement.startswith("CREATE")
    storage.write(T, TABLE.to_reader(), WriteMode.CREATE)
    if not is_new:
        storage.write(
            TableName("main", "made"), pa.table({"n": pa.array([1], pa.int32())}).to_reader(), WriteMode.CREATE
        )
    server = Server(data, tmp_path / "log", "--runtime", "ray", "--workers", "2", "--write-threshold", "1KB")
    try:
        ask = server.ask()

        def lose() -> None:
            with pytest.raises(LostError):
                ask(statement)

        thread = threading.Thread(target=lose)
        thread.start()
        until(lambda: parts(data, "made"))
    finally:
        server.kill()
    thread.join(60)

    def swept() -> bool:
        """Whether a new server finds nothing of the write, also once the workers have noticed that they are alone."""
        DirectoryStorage(data)
        return not list(data.glob(".*"))

    until(swept)
    assert [name.table for name in storage.tables()] == (["t"] if is_new else ["made", "t"])
    if not is_new:
        as_if_long_ago(data / "made.lance")
        DirectoryStorage(data)
        assert_no_traces(data, "made")
        assert stored(data, "made").to_table().to_pylist() == [{"n": 1}]


TEXTS = "SELECT v, sha256(s || v) || ' ' || sha256(v || s) || ' ' || s AS n FROM t, range(6)"


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ("BTREE (v) WITH (zone_size = 64)", "v = 77"),
        ("BITMAP (k)", "k = 7 AND v < 700"),
        ("NGRAM (s)", "contains(s, '77') AND v < 700"),
        ("FTS (s)", "v IN (SELECT v FROM text_search(this, 'the', k := 3))"),
        ("IVF_FLAT (w) WITH (num_partitions = 2)", "v = 77"),
    ],
)
def test_indexes_are_those_of_one_process(
    both: dict[str, RayRuntime | LocalRuntime], runtime: RayRuntime, folder: Path, made: str, found: str
) -> None:
    run(both, "CREATE TABLE this AS SELECT v, k, s, [v, k]::FLOAT[2] AS w FROM t WHERE v < 5000")
    assert fragments(folder, "ours") > 1
    before, known = runtime.counts().tasks, index_folders(folder, "ours")
    in_parts = {"ours": "IVF" not in made, "theirs": False}
    for name, each in both.items():
        text = f"CREATE INDEX i ON {name} USING {made}"
        shown = "\n".join(each.sql(f"EXPLAIN {text}").read_all().column(0).to_pylist())
        assert shown.startswith(f"Create index i on main.{name}")
        assert ("BuildIndexExec i (" in shown and "tasks -> result" in shown) == in_parts[name]
        each.sql(text).read_all()
    assert (runtime.counts().tasks - before >= 2) == ("IVF" not in made)
    told = []
    for name, each in both.items():
        shown = each.sql(f"SHOW INDEXES FROM {name}").read_all().drop_columns(["version", "bytes"])
        told.append((shown, each.sql(f"SELECT v, s FROM {name} WHERE {found.replace(TABLE_NAME, name)}").read_all()))
    assert told[0][0].equals(told[1][0])
    assert difference(told[0][1], told[1][1], ordered=False, tolerance=0.0) is None
    assert len(index_folders(folder, "ours") - known) == 1
    assert_no_traces(folder, "ours")


def index_folders(folder: Path, name: str) -> set[Path]:
    return set(folder.glob(f"{name}.lance/_indices/*"))


def index_parts(folder: Path, name: str) -> list[Path]:
    """The files of parts of an index that workers have begun to write."""
    return list(folder.glob(f".{name}.lance.*.tmp/_indices/*/*"))


def test_a_worker_that_dies_costs_no_part_of_an_index(runtime: RayRuntime, folder: Path) -> None:
    runtime.sql(f"CREATE OR REPLACE TABLE kept AS {TEXTS}").read_all()
    known = index_folders(folder, "kept")
    answer = changing(runtime, "CREATE INDEX i ON kept USING FTS (n)")
    until(lambda: index_parts(folder, "kept") or answer.done())
    worker, _ = first(runtime, lambda status: status.running)
    kill(runtime, worker)
    answer.result(60)
    [shown] = runtime.sql("SHOW INDEXES FROM kept").read_all().to_pylist()
    assert (shown["rows_indexed"], shown["rows_not_indexed"]) == (6 * ROWS, 0)
    assert len(index_folders(folder, "kept") - known) == 1
    until(lambda: not list(folder.glob(".kept*")))
    until(lambda: len(runtime.executor.workers()) == 2)


def test_an_index_that_is_cancelled_leaves_nothing(runtime: RayRuntime, folder: Path) -> None:
    runtime.sql(f"CREATE OR REPLACE TABLE kept AS {TEXTS}").read_all()
    known, cancellation = index_folders(folder, "kept"), Cancellation()
    context = StatementContext(Session(), cancellation)
    answer: Future[object] = Future()

    def build() -> None:
        try:
            answer.set_result(runtime._database.sql("CREATE INDEX i ON kept USING NGRAM (n)", context=context))
        except CancelledError as error:
            answer.set_exception(error)

    threading.Thread(target=build, daemon=True).start()
    until(lambda: index_parts(folder, "kept") or answer.done())
    cancellation.cancel("Enough.")
    assert isinstance(answer.exception(60), CancelledError)
    until(lambda: not list(folder.glob(".kept*")))
    assert index_folders(folder, "kept") == known
    assert runtime.sql("SHOW INDEXES FROM kept").read_all().num_rows == 0


def test_an_index_is_built_here_where_workers_do_not_reach_the_folder(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    storage.write(T, TABLE.to_reader(), WriteMode.CREATE)
    asked = []

    def apart(builder: IndexBuilder) -> list[str]:
        asked.append(builder)
        assert isinstance(builder, LanceSegments)
        return [replace(builder, folder=str(tmp_path / "elsewhere")).build((0,), Cancellation())]

    indexes = storage.indexes(storage.snapshot().table(T))
    indexes.create(IndexDefinition("i", "BTREE", "v"), Cancellation(), apart=apart)
    assert len(asked) == 1
    assert [index.rows for index in storage.indexes(storage.snapshot().table(T)).all()] == [ROWS]
    assert_no_traces(tmp_path, "t")
