"""The Python door: two lines to rows, two lines to a change, on either runtime."""

from __future__ import annotations

import datetime
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import grism
from engine.errors import (
    CancelledError,
    DeadlineExceededError,
    ForbiddenError,
    GrismError,
    InvalidDataError,
    InvalidValueError,
    SchemaMismatchError,
    StorageError,
    TableExistsError,
    UnknownTableError,
)
from engine.runtime import Runtime
from tests.engine.substrait.produced import produced
from tests.harness.runtimes import SqlRuntime

ENDLESS = "SELECT sum(i) FROM range(10000000000000) t(i)"


class Kept:
    """A runtime that others go on to use."""

    def __init__(self, runtime: SqlRuntime) -> None:
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def close(self) -> None:
        """Leave it open."""


@pytest.fixture
def db(runtime: Runtime) -> Iterator[grism.Connection]:
    """A connection on each runtime."""
    with grism.Connection(Kept(runtime)) as connection:
        yield connection


@pytest.fixture
def local() -> Iterator[grism.Connection]:
    with grism.connect() as connection:
        yield connection


def test_two_lines_to_rows_and_two_to_a_change(tmp_path: Path) -> None:
    lance.write_dataset(pa.table({"id": [1, 2], "name": ["a", "b"]}), tmp_path / "orders.lance")
    with grism.connect(tmp_path) as db:
        assert db.sql("SELECT * FROM orders WHERE id > 1").to_pylist() == [{"id": 2, "name": "b"}]
        assert db.sql("INSERT INTO orders VALUES (?, ?)", [3, "c"]).changed == 1
    assert lance.dataset(tmp_path / "orders.lance").count_rows() == 3
    with grism.connect(str(tmp_path)) as db:
        assert db.sql("UPDATE orders SET name = upper(name)").changed == 3
        assert db.sql("CREATE VIEW big AS SELECT * FROM orders WHERE id > 2").changed == 0
    with grism.connect(tmp_path) as db:
        assert db.sql("FROM big").to_pylist() == [{"id": 3, "name": "C"}]
        assert db.tables().to_pylist() == [
            {"schema": "main", "table": "big", "type": "VIEW"},
            {"schema": "main", "table": "orders", "type": "TABLE"},
        ]


def test_rows_come_in_the_form_that_is_asked_for(db: grism.Connection) -> None:
    result = db.sql("SELECT i, i / 2 AS x FROM range(3) t(i) ORDER BY i")
    table = result.to_arrow()
    assert result.schema == table.schema
    assert result.changed is None
    assert table.column("i").to_pylist() == [0, 1, 2]
    assert [batch.num_rows for batch in result] == [3]
    assert result.to_reader().read_all() == table
    assert pa.table(result) == table
    pd.testing.assert_frame_equal(result.to_pandas(), table.to_pandas())
    assert result.to_polars().equals(pl.DataFrame(result))
    assert result.to_pylist() == table.to_pylist()
    assert repr(result) == "<grism.Result: i int64, x double>"


def test_a_result_keeps_the_rows_of_the_moment_in_which_it_was_asked_for(local: grism.Connection) -> None:
    local.sql("CREATE TABLE t AS SELECT 1 AS a")
    before = local.sql("SELECT * FROM t")
    assert repr(local.sql("INSERT INTO t VALUES (2)")) == "<grism.Result: 1 row changed>"
    assert before.to_pylist() == [{"a": 1}]
    assert local.sql("SELECT count(*) AS n FROM t").to_pylist() == [{"n": 2}]
    assert before.to_pylist() == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "parameters", "expected"),
    [
        ("SELECT ? + 1 AS x", [41], 42),
        ("SELECT $2 || $1 AS x", ["a", "b"], "ba"),
        ("SELECT $b || $a AS x", {"a": "1", "b": "2"}, "21"),
        ("SELECT ? AS x", [None], None),
        ("SELECT ?::DECIMAL(5, 2) AS x", [Decimal("1.25")], Decimal("1.25")),
        ("SELECT ?::DATE AS x", [datetime.date(2024, 2, 29)], datetime.date(2024, 2, 29)),
        ("SELECT list_sum(?) AS x", [[1, 2]], 3),
        ("SELECT ?::BIGINT AS x", [np.int64(7)], 7),
        ("SELECT ?::UTINYINT AS x", [pa.scalar(7, pa.uint8())], 7),
        ("SELECT ? AS x", [2**70], Decimal(2**70)),
        ("SELECT ? AS x", [-(2**63)], -(2**63)),
        ("SELECT ? + ? AS x", np.array([1, 2]), 3),
        ("SELECT typeof(?) AS x", [np.float32(1.5)], "FLOAT"),
        ("SELECT ? AS x", [np.datetime64("2024-02-29")], datetime.date(2024, 2, 29)),
        ("SELECT ? AS x", [np.str_("a")], "a"),
        ("SELECT ? AS x", [pd.NaT], None),
        ("SELECT ? AS x", [pd.NA], None),
        ("SELECT epoch_ms(?) AS x", [pd.Timestamp("2024-02-29", tz="Europe/Berlin")], 1709161200000),
        ("SELECT 1 AS x", None, 1),
        ("SELECT 1 AS x", [], 1),
        ("SELECT 1 AS x", {}, 1),
    ],
)
def test_parameters(db: grism.Connection, text: str, parameters: object, expected: object) -> None:
    assert db.sql(text, parameters).to_pylist() == [{"x": expected}]


@pytest.mark.parametrize(
    ("text", "parameters", "said"),
    [
        ("SELECT ?", None, "parameters: 1 needed, 0 given"),
        ("SELECT 1", [1], "parameters: 0 needed, 1 given"),
        ("SELECT $a", {"b": 1}, r"has the parameters \$a; missing: \$a; not in it: \$b"),
        ("SELECT ?", [object()], "A parameter of type object has no Arrow type"),
        ("SELECT ?", [2**200], "A parameter of type int has no Arrow type"),
        ("SELECT ?", "a", "a str was given"),
        ("SELECT ?", b"a", "a bytes was given"),
        ("SELECT ?", 5, "a int was given"),
        ("SELECT ?", {1}, "a set was given"),
        (None, None, "A statement is a text, .* a NoneType was given"),
        (5, None, "A statement is a text, .* a int was given"),
    ],
)
def test_parameters_that_do_not_fit(local: grism.Connection, text: str, parameters: object, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        local.sql(text, parameters)


def test_a_table_of_one_statement_may_have_any_name(local: grism.Connection) -> None:
    assert local.sql("SELECT a FROM text JOIN self USING (a)", text={"a": [1]}, self={"a": [1]}).to_pylist() == [
        {"a": 1}
    ]
    with pytest.raises(InvalidValueError, match="The name of a table is a text; a int was given"):
        local.register(5, {"a": [1]})


FRAMES: dict[str, Callable[[], object]] = {
    "table": lambda: pa.table({"a": [1, 2]}),
    "batch": lambda: pa.record_batch({"a": [1, 2]}),
    "reader": lambda: pa.table({"a": [1, 2]}).to_reader(),
    "pandas": lambda: pd.DataFrame({"a": [1, 2]}, index=["x", "y"]),
    "polars": lambda: pl.DataFrame({"a": [1, 2]}),
    "mapping": lambda: {"a": [1, 2]},
    "rows": lambda: [{"a": 1}, {"a": 2}],
}


@pytest.mark.parametrize("kind", FRAMES)
def test_data_is_read_by_name(db: grism.Connection, kind: str) -> None:
    db.register("given", FRAMES[kind]())
    assert db.sql("SELECT sum(a)::INT AS s FROM given").to_pylist() == [{"s": 3}]
    db.unregister("given")
    with pytest.raises(UnknownTableError, match="given"):
        db.sql("FROM given")
    text = "SELECT count(*) AS n FROM one JOIN other USING (a)"
    assert db.sql(text, one=FRAMES[kind](), other=FRAMES[kind]()).to_pylist() == [{"n": 2}]
    with pytest.raises(UnknownTableError, match="one"):
        db.sql("FROM one")


def test_a_result_is_data_for_another_statement(db: grism.Connection) -> None:
    numbers = db.sql("SELECT i FROM range(4) t(i)")
    assert db.sql("SELECT max(i) AS m FROM numbers", numbers=numbers).to_pylist() == [{"m": 3}]


def test_data_of_one_statement_goes_before_what_the_connection_has(local: grism.Connection) -> None:
    local.register("t", {"a": [1]})
    local.sql("CREATE TEMP TABLE u AS SELECT 2 AS a")
    assert local.sql("SELECT t.a, u.a AS b FROM t, u", t={"a": [5]}).to_pylist() == [{"a": 5, "b": 2}]
    assert local.sql("FROM t").to_pylist() == [{"a": 1}]
    local.register("t", {"b": [7]})
    assert local.sql("FROM t").to_pylist() == [{"b": 7}]


def test_data_goes_with_its_statement(local: grism.Connection) -> None:
    """What is remembered of texts holds none of it."""
    local.sql("CREATE TABLE t (a BIGINT, b VARCHAR)")
    local.sql("CREATE TABLE u (b VARCHAR, a BIGINT)")
    gc.collect()
    before = pa.total_allocated_bytes()
    for number in range(4):
        for text in (
            f"SELECT a AS a{number} FROM frame WHERE a < 5",
            f"INSERT INTO t SELECT a, 'b{number}' FROM frame WHERE a < 5",
            f"INSERT INTO t (a) VALUES (abs({number} + {number}))",
            f"INSERT INTO {'tu'[number % 2]} (a, b) VALUES ({number}, 'b')",
            f"DELETE FROM t WHERE b = '{number}' AND a IN (FROM frame)",
        ):
            local.sql(text, frame=pa.table({"a": pa.array(range(250_000), pa.int64())})).to_arrow()
    gc.collect()
    assert pa.total_allocated_bytes() - before < 2_000_000  # as one frame


def test_what_is_written_from_data_stays(tmp_path: Path) -> None:
    with grism.connect(tmp_path) as db:
        assert db.sql("CREATE TABLE kept AS FROM frame", frame=pl.DataFrame({"a": [1, 2]})).changed == 2
        assert db.sql("CREATE TEMP TABLE passing AS FROM frame", frame={"a": [3]}).changed == 1
        assert db.sql("FROM passing").to_pylist() == [{"a": 3}]
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["kept.lance"]
    assert list((tmp_path / ".sessions").iterdir()) == []


def test_nothing_is_written_to_read(tmp_path: Path) -> None:
    with grism.connect(tmp_path) as db:
        db.register("t", {"a": [1]})
        assert db.sql("SELECT a FROM t, (SELECT 1)").to_arrow().num_rows == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (3, InvalidValueError, "int is no table"),
        ([], InvalidValueError, "list is no table"),
        ({"a": [1], "b": [1, 2]}, InvalidValueError, "cannot be taken"),
        ({"a": [object()]}, InvalidValueError, "cannot be taken"),
        (pa.table([[1], [2]], ["a", "A"]), SchemaMismatchError, "two columns"),
        (pa.table({}), SchemaMismatchError, "at least one column"),
    ],
)
def test_what_is_no_table_is_refused(local: grism.Connection, data: object, error: type[GrismError], said: str) -> None:
    with pytest.raises(error, match=said):
        local.register("t", data)
    assert local.tables().num_rows == 0


def test_data_is_checked(local: grism.Connection) -> None:
    offsets = pa.py_buffer(np.array([0, 5], dtype=np.int32).tobytes())
    text = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"a\xff\xffb!")])
    with pytest.raises(InvalidDataError, match="not valid"):
        local.register("t", pa.table({"a": text}))


def test_explain(local: grism.Connection) -> None:
    assert "ProjectExec" in local.explain("SELECT i + ? AS j FROM range(3) t(i)", [1])


def test_schemas_and_tables_in_memory(local: grism.Connection) -> None:
    local.sql("CREATE SCHEMA s")
    local.sql("CREATE TABLE s.t (a INTEGER NOT NULL DEFAULT 4, b VARCHAR)")
    assert local.sql("INSERT INTO s.t (b) VALUES ('x'), ('y')").changed == 2
    assert local.sql("UPDATE s.t SET a = 5 WHERE b = 'y'").changed == 1
    assert local.sql("ALTER TABLE s.t ADD COLUMN c DATE").changed == 0
    assert local.sql("DELETE FROM s.t WHERE a = 4").changed == 1
    assert local.sql("FROM s.t").to_pylist() == [{"a": 5, "b": "y", "c": None}]
    local.sql("CREATE VIEW s.v AS SELECT b FROM s.t")
    with pytest.raises(TableExistsError, match="view"):
        local.sql("CREATE TABLE s.v (a INT)")
    with pytest.raises(GrismError, match="not empty"):
        local.sql("DROP SCHEMA s")
    local.sql("DROP VIEW s.v")
    local.sql("DROP TABLE s.t")
    local.sql("DROP SCHEMA s")
    assert local.tables().num_rows == 0


@pytest.mark.parametrize("text", [ENDLESS, f"CREATE TABLE never AS {ENDLESS}"])
def test_cancel_stops_what_runs(db: grism.Connection, text: str) -> None:
    ended: list[BaseException] = []

    def run() -> None:
        try:
            db.sql(text).to_arrow()
        except GrismError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():  # it may not have begun
        db.cancel()
        thread.join(0.05)
    assert [type(error) for error in ended] == [CancelledError]
    assert db.sql("SELECT 1 AS a").to_pylist() == [{"a": 1}]


def test_progress_tells_how_much_of_a_query_is_done(tmp_path: Path) -> None:
    pq.write_table(pa.table({"i": range(100_000)}), tmp_path / "t.parquet", row_group_size=5_000)
    with grism.connect(tmp_path, threads=1) as db:
        assert db.progress() is None
        seen = [db.progress() for _ in db.sql("SELECT i, j FROM t, range(20) r(j)")]
        shares = [share for share in seen if share is not None]
        assert shares == sorted(shares)
        assert shares[0] < shares[-1] <= 1
        db.sql("SELECT 1").to_arrow()
        assert db.progress() is None


def test_cancel_stops_data_that_comes_in(local: grism.Connection) -> None:
    schema, coming = pa.schema([("a", pa.int64())]), threading.Event()

    def endless() -> Iterator[pa.RecordBatch]:
        while True:
            coming.set()
            yield pa.record_batch({"a": [1]})

    ended: list[BaseException] = []

    def run() -> None:
        try:
            local.register("t", pa.RecordBatchReader.from_batches(schema, endless()))
        except GrismError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert coming.wait(20)
    local.cancel()
    thread.join(20)
    assert [type(error) for error in ended] == [CancelledError]
    assert local.tables().num_rows == 0


def test_what_is_not_registered_is_told_by_its_name(local: grism.Connection) -> None:
    local.register("rates", {"a": [1]})
    with pytest.raises(UnknownTableError, match=r'"temp\.rate"; did you mean "rates"'):
        local.unregister("rate")


def test_nothing_goes_on_after_the_end(tmp_path: Path) -> None:
    db = grism.connect(tmp_path)
    result = db.sql("SELECT 1")
    db.close()
    db.close()
    for ask in (result.to_arrow, lambda: db.sql("SELECT 1"), db.tables):
        with pytest.raises(CancelledError, match="closed"):
            ask()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is no folder"):
        grism.connect(tmp_path / "file")
    with pytest.raises(StorageError, match="is not there"):
        grism.connect(tmp_path / "none")
    with pytest.raises(InvalidValueError, match="no runtime 'spark'"):
        grism.connect(runtime="spark")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="for runtime"):
        grism.connect(workers=2)
    for name, value in {"memory_limit": "1GB", "threads": 0, "workers": 1.5}.items():
        with pytest.raises(InvalidValueError, match=f"{name} is a whole number.*; {value!r} was given"):
            grism.connect(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="schema cannot be 'reports': there is main"):
        grism.connect(schema="reports")


def test_what_is_not_needed_is_not_loaded() -> None:
    code = "import sys, grism; grism.connect(); print(*sorted({'ray', 'polars', 'grpc'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_settings_hold_until_they_are_taken_back(db: grism.Connection) -> None:
    assert db.sql("SET timeout = '1500ms'").to_arrow()["Count"].to_pylist() == [0]
    with pytest.raises(DeadlineExceededError):
        db.sql(ENDLESS).to_arrow()
    db.sql("RESET timeout")
    assert db.sql("SELECT 1 AS x").to_arrow().to_pylist() == [{"x": 1}]
    with pytest.raises(ForbiddenError, match='"memory_limit" cannot be set; a session has catalog'):
        db.sql("SET memory_limit = '1TB'")


def test_endpoints_are_for_clients_of_a_server(db: grism.Connection) -> None:
    with pytest.raises(GrismError, match="endpoints cannot be 'workers': without a server"):
        db.sql("SET endpoints = 'workers'")
    assert db.sql("SHOW endpoints").to_arrow().to_pydict() == {"endpoints": ["server"]}


def test_a_statement_chooses_the_schema(local: grism.Connection) -> None:
    local.sql("CREATE SCHEMA other")
    local.sql("USE other")
    local.sql("CREATE TABLE t AS SELECT 1 AS x")
    assert local.sql("SELECT x FROM other.t").to_arrow().num_rows == 1
    local.sql("USE grism.main")
    with pytest.raises(UnknownTableError):
        local.sql("SELECT x FROM t")


def test_a_plan_in_the_place_of_a_text(local: grism.Connection, tpch_dir: Path) -> None:
    local.register("nation", pq.read_table(tpch_dir / "nation.parquet"))
    grouped = next(case for case in produced() if case.name == "grouped")
    assert local.sql(grouped.plan).to_pylist() == grouped.answer.to_pylist()
    with pytest.raises(GrismError, match="no Substrait plan"):
        local.sql(b"SELECT 1")


def test_a_file_in_the_place_of_a_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "orders.lance").write_text("no table")
    with grism.connect(tmp_path) as db:
        assert db.tables().num_rows == 0
        with pytest.raises(TableExistsError, match=r'file "orders\.lance" lies where table "main\.orders"'):
            db.sql("CREATE TABLE orders AS SELECT 1 AS x")
    assert (tmp_path / "orders.lance").read_text() == "no table"
