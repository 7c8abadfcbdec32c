"""Files that pyarrow refuses, and columns that the kernel cannot read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, DataCorruptError, KernelLostError, UnsupportedError
from engine.rights import ALL
from engine.statements.database import Database
from engine.statements.table_facts import table_rows
from engine.storage import DirectoryStorage, TableName
from local_runtime import LocalRuntime
from tests.harness.kernel_loss import lose
from tests.harness.runtimes import query

DATA = Path(__file__).parents[3] / "data" / "parquet"


def write_intervals(path: Path, writer: str) -> None:
    """A file of DuckDB, whose footer says that `writer` wrote it."""
    with duckdb.connect() as connection:
        connection.sql("SELECT 1 AS id, INTERVAL 1 DAY AS span").write_parquet(str(path))
    data = path.read_bytes()
    created_by = pq.read_metadata(path).created_by.encode()
    assert data.count(created_by) == 1
    path.write_bytes(data.replace(created_by, writer.encode().ljust(len(created_by))[: len(created_by)]))


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[dict[str, object]]]]:
    folder = tmp_path_factory.mktemp("unreadable")
    for name in ("polars_int128", "parquet_java_types", "parquet_java_bson"):
        shutil.copy(DATA / f"{name}.parquet", folder)
    split = pa.table({"id": [1, 2], "raw": pa.array([b"ab", b"cd"], pa.binary(2))})
    pq.write_table(split, folder / "split.parquet", column_encoding={"raw": "BYTE_STREAM_SPLIT"}, use_dictionary=False)
    for table, files in (("several", ["bson", "bson"]), ("mixed", ["bson", "types"])):
        (folder / table).mkdir()
        for number, name in enumerate(files):
            shutil.copy(DATA / f"parquet_java_{name}.parquet", folder / table / f"{number}.parquet")
    write_intervals(folder / "intervals.parquet", "parquet-mr version 1.17.0")
    write_intervals(folder / "our_intervals.parquet", "DuckDB version v2.0.1")
    with LocalRuntime(DirectoryStorage(folder), threads=1) as runtime:
        yield lambda sql: query(runtime, sql).to_pylist()


def test_a_file_that_pyarrow_refuses(ask):
    assert ask("SELECT id, great[1:1] AS first FROM polars_int128 WHERE id > 1") == [{"id": 2, "first": b"\xfb"}]
    assert ask("SELECT count(*) AS n FROM polars_int128") == [{"n": 2}]


@pytest.mark.parametrize(
    ("name", "asked"),
    [("polars_int128", "footer"), ("polars_int128", "schema"), ("parquet_java_types", "schema")],
)
@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM {} LIMIT 1",
        "SELECT 1 FROM information_schema.columns WHERE table_name = '{}' AND column_name = 'id'",
        "SELECT 1 FROM duckdb_columns() WHERE table_name = '{}' AND column_name = 'id'",
        "SELECT 1 FROM duckdb_tables() WHERE table_name = '{}' AND column_count > 1",
        "SELECT 1 FROM (DESCRIBE {}) WHERE column_name = 'id'",
    ],
)
def test_a_kernel_that_is_lost_finds_no_damage(tmp_path, monkeypatch, caplog, text, name, asked):
    """And what listings lack by it is not remembered."""
    shutil.copy(DATA / f"{name}.parquet", tmp_path)
    storage = DirectoryStorage(tmp_path)
    inspector = storage._parquet._inspector
    ask = getattr(inspector, asked)

    def lost(path):
        lose(inspector._kernel()._instance)
        return ask(path)

    with LocalRuntime(storage, threads=1) as runtime:
        database = Database(runtime)

        def rows():
            with database.sql(text.format(name)) as result:
                return sum(batch.num_rows for batch in result)

        with monkeypatch.context() as patched:
            patched.setattr(inspector, asked, lost)
            with pytest.raises(KernelLostError, match="run the statement again"):
                rows()
        assert "cannot be read" not in caplog.text
        assert rows() == 1


def test_a_kernel_that_is_lost_hides_no_rows_of_a_table(tmp_path, monkeypatch):
    shutil.copy(DATA / "polars_int128.parquet", tmp_path)
    storage = DirectoryStorage(tmp_path)
    inspector = storage._parquet._inspector
    footer = inspector.footer

    def lost(path):
        lose(inspector._kernel()._instance)
        return footer(path)

    with monkeypatch.context() as patched:
        patched.setattr(inspector, "footer", lost)
        with pytest.raises(KernelLostError):
            list(table_rows(storage, ALL))
    assert [row["rows"] for row in table_rows(storage, ALL)] == [2]


def test_a_query_that_is_stopped_finds_no_damage_in_a_footer(tmp_path, monkeypatch, caplog):
    """Footers are read in other threads than the query is planned in."""
    shutil.copy(DATA / "polars_int128.parquet", tmp_path)
    storage, cancellation = DirectoryStorage(tmp_path), Cancellation()
    inspector = storage._parquet._inspector
    footer = inspector.footer

    def stopped(path):
        cancellation.cancel("It was stopped.")
        return footer(path)

    with monkeypatch.context() as patched:
        patched.setattr(inspector, "footer", stopped)
        with cancellation.scope(), pytest.raises(CancelledError, match="It was stopped"):
            storage.snapshot().table(TableName("main", "polars_int128"))
    assert "cannot be read" not in caplog.text
    assert storage.snapshot().table(TableName("main", "polars_int128")).rows == 2


def test_maps_with_optional_keys_and_lists_of_records_with_one_field(ask):
    assert ask("SELECT id, loose, records FROM parquet_java_types ORDER BY id LIMIT 1") == [
        {"id": 0, "loose": [("k0", 0)], "records": [0]}
    ]


@pytest.mark.parametrize(
    ("table", "column", "why", "rows"),
    [
        ("split", "raw", "BYTE_STREAM_SPLIT", 2),
        ("intervals", "span", "intervals as NULL", 1),
        ("parquet_java_bson", "doc", "BSON", 2),
        ("several", "doc", "BSON", 4),
    ],
)
def test_a_column_that_the_kernel_cannot_read_is_an_error_of_who_names_it(ask, table, column, why, rows):
    assert len(ask(f"SELECT id FROM {table} WHERE id IS NOT NULL")) == rows
    assert ask(f"SELECT count(*) AS n FROM {table}") == [{"n": rows}]
    for sql in ("SELECT {c} FROM {t}", "SELECT * FROM {t}", "SELECT id FROM {t} WHERE {c} IS NULL"):
        with pytest.raises(UnsupportedError, match=f'Column "{column}" of table "main.{table}".*{why}'):
            ask(sql.format(c=column, t=table))


def test_intervals_of_other_writers_are_read(ask):
    assert ask("SELECT id, span FROM our_intervals") == [{"id": 1, "span": pa.MonthDayNano([0, 1, 0])}]


def test_the_other_columns_of_files_with_bson_are_rows_like_any(ask):
    assert ask("SELECT id + 1 AS n FROM parquet_java_bson WHERE id > 0") == [{"n": 2}]
    assert ask("SELECT id, count(*) AS n FROM several GROUP BY id ORDER BY id") == [
        {"id": 0, "n": 2},
        {"id": 1, "n": 2},
    ]
    joined = "SELECT s.id FROM several s JOIN parquet_java_bson b ON s.id = b.id WHERE b.id = 1 LIMIT 1"
    assert ask(joined) == [{"id": 1}]


def test_files_with_bson_beside_others_are_refused(ask):
    with pytest.raises(UnsupportedError, match=r'"main\.mixed".*BSON'):
        ask("SELECT id FROM mixed")


def test_a_damaged_file_with_bson_says_so(tmp_path):
    damaged = bytearray((DATA / "parquet_java_bson.parquet").read_bytes())
    first = pq.read_metadata(DATA / "parquet_java_bson.parquet").row_group(0).column(0).data_page_offset
    damaged[first] = 0xFF  # of the header of a page
    (tmp_path / "broken.parquet").write_bytes(damaged)
    refusal = pytest.raises(DataCorruptError, match=r"^A file of a table could not be read")
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime, refusal:
        query(runtime, "SELECT id + 1 FROM broken")
