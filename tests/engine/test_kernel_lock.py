"""What nobody reaches through SQL: files, settings, other programs' memory, a second statement.

First the kernel by itself, which is the wall; then the front end, which refuses earlier and says it better.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import ForbiddenError, GrismError, PlanningError, UnknownTableError
from engine.kernel import Kernel, KernelConfig
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime
from tests.engine.querying import rows

SECRET = "only-the-owner-may-read-this"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory beside the data directory, with a file that is nobody's business."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret.csv").write_text(f"a\n{SECRET}\n")
    pq.write_table(pa.table({"a": [SECRET]}), folder / "secret.parquet")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory: table `t`, and a file that is no table."""
    folder = tmp_path_factory.mktemp("data")
    pq.write_table(pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}), folder / "t.parquet")
    (folder / ".hidden").mkdir()
    pq.write_table(pa.table({"a": [SECRET]}), folder / ".hidden" / "gone.parquet")
    return folder


@pytest.fixture(scope="module")
def locked(data: Path) -> Iterator[Kernel]:
    with Kernel(KernelConfig(directories=(str(data),), threads=2)) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def over_files(data: Path) -> Iterator[LocalRuntime]:
    with LocalRuntime(DirectoryStorage(data), threads=2) as runtime:
        yield runtime


def reaches(outside: Path) -> list[str]:
    """Statements of every kind that would leave something or let something in."""
    csv, parquet = outside / "secret.csv", outside / "secret.parquet"
    return [
        f"SELECT * FROM read_csv('{csv}')",
        f"SELECT * FROM '{csv}'",
        f"SELECT * FROM '{parquet}'",
        f"SELECT * FROM read_parquet('{parquet}')",
        f"SELECT * FROM read_parquet(['{parquet}'])",
        f"SELECT * FROM read_text('{csv}')",
        f"SELECT * FROM read_blob('{csv}')",
        f"SELECT * FROM read_json('{csv}')",
        f"SELECT * FROM sniff_csv('{csv}')",
        f"SELECT * FROM parquet_metadata('{parquet}')",
        f"SELECT * FROM glob('{outside}/*')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')",
        f"SELECT * FROM query('SELECT * FROM read_csv(''{csv}'')')",
        f"COPY (SELECT 1 AS a) TO '{outside}/made.csv'",
        f"COPY (SELECT 1 AS a) TO '{outside}/made.parquet' (FORMAT parquet)",
        f"EXPORT DATABASE '{outside}/made'",
        f"IMPORT DATABASE '{outside}/made'",
        f"ATTACH '{outside}/made.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "SET GLOBAL memory_limit = '1GB'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "RESET memory_limit",
        "PRAGMA threads = 1",
        "PRAGMA enable_profiling",
        "CREATE SECRET s (TYPE s3)",
        "SELECT getenv('HOME')",
        "CALL enable_logging()",
    ]


STATEMENTS = reaches(Path("OUTSIDE"))


@pytest.mark.parametrize("number", range(len(STATEMENTS)), ids=STATEMENTS)
def test_the_kernel_itself_refuses(locked: Kernel, outside: Path, number: int) -> None:
    before = sorted(path.name for path in outside.iterdir())
    with pytest.raises(GrismError) as caught:
        locked.stream(reaches(outside)[number]).reader.read_all()
    assert SECRET not in str(caught.value)
    assert sorted(path.name for path in outside.iterdir()) == before
    assert locked.stream("SELECT 1 AS x").reader.read_all().to_pylist() == [{"x": 1}]


@pytest.mark.parametrize("number", range(len(STATEMENTS)), ids=STATEMENTS)
def test_the_front_end_refuses(over_files: LocalRuntime, outside: Path, number: int) -> None:
    text = reaches(outside)[number]
    with pytest.raises(PlanningError) as caught:
        over_files.frontend.plan(text)
    assert isinstance(caught.value, ForbiddenError | UnknownTableError)
    assert rows(over_files, "SELECT count(*) FROM t") == [(3,)]


def test_files_below_the_directories_are_read(locked: Kernel, data: Path) -> None:
    got = locked.stream(f"SELECT sum(a)::INT AS s FROM read_parquet('{data}/t.parquet')").reader.read_all()
    assert got.to_pylist() == [{"s": 6}]


def test_dots_do_not_lead_out_of_the_directories(locked: Kernel, data: Path, outside: Path) -> None:
    for path in (f"{data}/../{outside.name}/secret.parquet", f"{data}/./../{outside.name}/secret.parquet"):
        with pytest.raises(ForbiddenError):
            locked.stream(f"SELECT * FROM read_parquet('{path}')")


NO_SELECT = [
    "EXPLAIN SELECT 1",
    "CREATE TABLE x (a INTEGER)",
    "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "CREATE FUNCTION f(a) AS a",
    "DROP TABLE t",
    "INSERT INTO t VALUES (1, 'x')",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "TRUNCATE t",
    "ALTER TABLE t ADD COLUMN c INTEGER",
    "MERGE INTO t USING t AS u ON t.a = u.a WHEN MATCHED THEN DELETE",
    "BEGIN",
    "COMMIT",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "USE main",
    "DETACH memory",
    "CALL pragma_version()",
    "PRAGMA version",
    "COMMENT ON TABLE t IS 'x'",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE t",
]


@pytest.mark.parametrize("text", NO_SELECT)
def test_only_one_select_is_taken(over_files: LocalRuntime, text: str) -> None:
    with pytest.raises(ForbiddenError):
        over_files.frontend.plan(text)


HIDING_PLACES = [
    "SELECT (SELECT count(*) FROM {})",
    "WITH x AS (SELECT * FROM {}) SELECT * FROM x",
    "WITH x AS MATERIALIZED (FROM {}) FROM x",
    "WITH RECURSIVE x AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM x, {}) SELECT * FROM x",
    "SELECT * FROM t WHERE a IN (SELECT 1 FROM {})",
    "SELECT * FROM t WHERE EXISTS (FROM {})",
    "SELECT * FROM t, LATERAL (SELECT * FROM {})",
    "SELECT * FROM t JOIN {} ON true",
    "SELECT * FROM t UNION ALL SELECT * FROM {}",
    "SELECT 1 ORDER BY (SELECT count(*) FROM {})",
    "SELECT a FROM t GROUP BY a HAVING count(*) > (SELECT count(*) FROM {})",
    "SELECT sum(a) FILTER (WHERE a > (SELECT count(*) FROM {})) FROM t",
    "SELECT list_transform([1], lambda x: (SELECT count(*) FROM {})) FROM t",
    "SELECT 1 LIMIT (SELECT count(*) FROM {})",
    "SELECT * FROM (FROM {}) PIVOT (count(*) FOR a IN (1))",
    "DESCRIBE SELECT * FROM {}",
    "SUMMARIZE SELECT * FROM {}",
    "FROM t SELECT a, (FROM {} SELECT count(*))",
]
FUNCTIONS = [
    "read_csv('/etc/passwd')",
    "READ_CSV('/etc/passwd')",
    "\"read_csv\"('/etc/passwd')",
    "system.main.read_csv('/etc/passwd')",
    "read_text('/etc/passwd')",
    "glob('/etc/*')",
    "query('SELECT 1')",
    "query_table('t')",
    "arrow_scan(1, 2, 3)",
    "pandas_scan(1)",
    "python_arrow_scan(1)",
    "duckdb_settings(1)",
    "duckdb_memory()",
    "duckdb_secrets()",
    "pragma_table_info('t')",
    "read_duckdb('x.db')",
    "seq_scan('t')",
    "json_execute_serialized_sql('x')",
]


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_table_functions_are_refused_wherever_they_stand(over_files: LocalRuntime, place: str) -> None:
    with pytest.raises(ForbiddenError, match="read_csv"):
        over_files.frontend.plan(place.format("read_csv('/etc/passwd')"))


@pytest.mark.parametrize("call", FUNCTIONS)
def test_table_functions_are_refused_however_they_are_written(over_files: LocalRuntime, call: str) -> None:
    with pytest.raises(ForbiddenError, match="table function"):
        over_files.frontend.plan(f"SELECT * FROM {call}")


@pytest.mark.parametrize("call", ["getenv('HOME')", "GetEnv('HOME')", "\"getenv\"('HOME')", "main.getenv('HOME')"])
@pytest.mark.parametrize(
    "place",
    [
        "SELECT {}",
        "SELECT a FROM t WHERE {} = b",
        "SELECT a FROM t ORDER BY {}",
        "SELECT count(*) FROM t GROUP BY {}",
        "SELECT list_transform([b], lambda x: {}) FROM t",
        "SELECT row_number() OVER (ORDER BY {}) FROM t",
        "SELECT [{} for x in [1]]",
        "SELECT {{'a': {}}}",
        "SELECT * FROM range(length({}))",
    ],
)
def test_functions_that_reach_out_are_refused(over_files: LocalRuntime, place: str, call: str) -> None:
    with pytest.raises(ForbiddenError, match="getenv"):
        over_files.frontend.plan(place.format(call))


@pytest.mark.parametrize("call", ["current_setting('threads')", "getvariable('x')", "current_query()", "nextval('s')"])
def test_functions_that_tell_of_the_kernel_are_refused(over_files: LocalRuntime, call: str) -> None:
    with pytest.raises(ForbiddenError):
        over_files.frontend.plan(f"SELECT {call}")


def test_a_path_is_a_table_name_like_any_other(over_files: LocalRuntime, data: Path, outside: Path) -> None:
    for path in (data / "t.parquet", data / ".hidden" / "gone.parquet", outside / "secret.csv"):
        for name in (str(path), os.path.relpath(path), f"{path.parent}/*"):
            for text in (f"SELECT * FROM '{name}'", f'FROM "{name}"', f'SELECT * FROM main."{name}"'):
                with pytest.raises(UnknownTableError):
                    over_files.frontend.plan(text)
    with pytest.raises(UnknownTableError):
        over_files.frontend.plan("SELECT * FROM 't.parquet'")


@pytest.mark.parametrize(
    "name",
    [
        "duckdb_settings",
        "duckdb_tables",
        "sqlite_master",
        "pragma_database_list",
        "pg_catalog.pg_class",
        "system.information_schema.tables",
        "temp.main.x",
        "memory.main.x",
        "__t0",
        "__s0",
        "described",
        "a.b.c.d",
    ],
)
def test_the_kernels_own_tables_cannot_be_named(over_files: LocalRuntime, name: str) -> None:
    with pytest.raises(UnknownTableError):
        over_files.frontend.plan(f"SELECT * FROM {name}")


def test_variables_of_this_program_are_no_tables(local: LocalRuntime) -> None:
    frame = pa.table({"secret": [1]})
    with pytest.raises(UnknownTableError):
        local.frontend.plan("SELECT * FROM frame")
    with pytest.raises(GrismError):
        local.kernel.stream("SELECT * FROM frame")
    assert frame.num_rows == 1


def test_a_cte_hides_no_file(over_files: LocalRuntime, outside: Path) -> None:
    """The name of a CTE means the CTE where it is in reach, and a table nowhere else."""
    path = outside / "secret.parquet"
    with pytest.raises(UnknownTableError):
        over_files.frontend.plan(f'SELECT * FROM (WITH "{path}" AS (SELECT 1) SELECT 1) AS x, "{path}"')
    with pytest.raises(UnknownTableError):
        over_files.frontend.plan(f'WITH "{path}" AS (SELECT * FROM "{path}") SELECT * FROM "{path}"')
    assert rows(over_files, f'WITH "{path}" AS (SELECT 7 AS a) SELECT * FROM "{path}"') == [(7,)]


def test_messages_say_nothing_of_the_machine(over_files: LocalRuntime, data: Path) -> None:
    for text in (
        "SELECT * FROM nosuch",
        "SELECT nosuch FROM t",
        "SELECT * FROM read_csv('x')",
        "SELECT CAST(b AS INT) FROM t",
    ):
        with pytest.raises(GrismError) as caught:
            rows(over_files, text)
        assert str(data) not in str(caught.value)
        assert "__t0" not in str(caught.value)
