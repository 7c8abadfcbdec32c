"""From an operator tree to one kernel statement, and its stream."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, StorageError
from engine.execution import StatementCache, compile_statement, run
from engine.kernel import Kernel
from engine.logical.nodes import Aggregate, Collect, Filter, Join, LogicalPlan, Project, Rename, Sort
from engine.lowering import lower
from engine.metrics import CollectingMetricsSink
from engine.operators import EmptyExec, TableScanExec
from engine.schema import Column
from engine.storage import DirectoryStorage, InMemoryStorage
from engine.storage.protocol import ArrowSource, ScanRequest
from local_runtime import LocalExecutionContext, LocalRuntime
from tests.engine.plans import e, items, key, scan_of
from tests.engine.querying import tuples

MILLION = pa.table({"n": range(1_000_000)})


class Streaming(InMemoryStorage):
    """Gives each table as a stream, which can be read once, and counts how often it is opened."""

    opened = 0

    def open(self, data: Any, request: ScanRequest) -> ArrowSource:
        self.opened += 1
        table = super().open(data, request).data
        assert isinstance(table, pa.Table)
        return ArrowSource(table.to_reader(1000))


@pytest.fixture
def people(storage: InMemoryStorage, kernel: Kernel) -> LogicalPlan:
    return scan_of(storage, kernel, "people")


def test_a_whole_tree_is_one_statement(storage: InMemoryStorage, kernel: Kernel, people: LogicalPlan) -> None:
    plan = Sort(Project(Filter(people, e("age > 20")), items(n="upper(name)")), (key("n"),))
    statement = compile_statement(lower(plan), LocalExecutionContext(storage, kernel))
    assert list(statement.sources) == ["__s0"]
    assert not statement.joined
    assert kernel.unparse(kernel.parse(statement.sql)).startswith("SELECT * FROM (SELECT upper(")
    stream = kernel.stream(statement.sql, statement.sources)
    assert tuples(stream.reader.read_all()) == [("ANN",), ("DAN",)]


def test_a_statement_for_types_only_opens_nothing() -> None:
    statement = compile_statement(EmptyExec((Column("a", "INTEGER"),)), None)
    assert statement.sources == {}


def test_a_table_cannot_be_compiled_without_a_context(people: LogicalPlan) -> None:
    with pytest.raises(RuntimeError, match="for its types only"):
        compile_statement(lower(people), None)


def test_a_shared_part_is_computed_once(storage: InMemoryStorage, kernel: Kernel, people: LogicalPlan) -> None:
    shared = Collect(Aggregate(people, items(team="team"), items(r="random()+count(*)")), "cte")
    plan = Join(
        Rename(shared, ("t1", "r1")), Rename(shared, ("t2", "r2")), "inner", e("t1 IS NOT DISTINCT FROM t2 AND r1 = r2")
    )
    statement = compile_statement(lower(plan), LocalExecutionContext(storage, kernel))
    assert list(statement.sources) == ["__s0"]
    stream = run(lower(plan), LocalExecutionContext(storage, kernel))
    assert stream.reader.read_all().num_rows == 3


def test_streams_that_meet_are_loaded_first_and_read_as_often_as_one_likes(kernel: Kernel) -> None:
    storage = Streaming({"t": pa.table({"a": range(5000)})})
    with LocalRuntime(storage, threads=2) as runtime:
        text = "WITH x AS (SELECT a FROM t WHERE a % 2 = 0) SELECT count(*) FROM x JOIN x y USING (a) JOIN t USING (a)"
        assert tuples(runtime.sql(text).read_all()) == [(2500,)]
        whole = "SELECT count(*) FROM t a ASOF JOIN t b ON a.a >= b.a"
        assert tuples(runtime.sql(whole).read_all()) == [(5000,)]


def test_a_bare_scan_goes_out_as_it_lies(storage: InMemoryStorage, local: LocalRuntime) -> None:
    plan = local.plan(local.frontend.plan("SELECT * FROM people"))
    assert isinstance(plan.root, TableScanExec)
    assert plan.root.direct_schema == plan.schema
    context = LocalExecutionContext(storage, local.kernel)
    assert plan.root.direct(context) is not None
    assert local.plan(local.frontend.plan("SELECT id + 1 FROM people")).root.direct(context) is None


@pytest.mark.parametrize("text", ["SELECT * FROM t", "SELECT n, n + 1 AS m FROM t"])
def test_what_was_read_is_measured_when_the_stream_ends(text: str) -> None:
    sink = CollectingMetricsSink()
    with LocalRuntime(InMemoryStorage({"t": MILLION}), threads=2, metrics_sink=sink) as runtime:
        result = runtime.sql(text)
        assert sink.operators == {}
        assert result.read_all().num_rows == 1_000_000
        (metrics,) = sink.operators.values()
        assert metrics.rows == 1_000_000
        assert metrics.batches == result.counters.batches > 1
        assert metrics.bytes == result.counters.bytes > 8_000_000


@pytest.mark.parametrize("text", ["SELECT * FROM t", "SELECT n + 1 AS m FROM t"])
def test_a_stream_that_is_let_go_is_measured_too_and_freed(text: str) -> None:
    sink = CollectingMetricsSink()
    with LocalRuntime(InMemoryStorage({"t": MILLION}), threads=2, metrics_sink=sink) as runtime:
        stream = run(
            runtime.plan(runtime.frontend.plan(text)).root,
            LocalExecutionContext(runtime.storage, runtime.kernel, metrics_sink=sink),
        )
        first = stream.reader.read_next_batch().num_rows
        del stream
        gc.collect()
        (metrics,) = sink.operators.values()
        assert metrics.rows == first < 1_000_000


@pytest.mark.parametrize("text", ["SELECT * FROM t", "SELECT n + 1 AS m FROM t"])
def test_cancelling_ends_a_stream_that_is_read_by_another_thread(text: str) -> None:
    storage = InMemoryStorage({"t": MILLION})
    with LocalRuntime(storage, threads=2) as runtime:
        cancellation = Cancellation()
        context = LocalExecutionContext(storage, runtime.kernel, cancellation=cancellation)
        stream = run(runtime.plan(runtime.frontend.plan(text)).root, context)
        stream.reader.read_next_batch()
        thread = threading.Thread(target=cancellation.cancel)
        thread.start()
        thread.join()
        with pytest.raises(OSError):
            for _ in stream.reader:
                pass
        with pytest.raises(CancelledError):
            run(runtime.plan(runtime.frontend.plan(text)).root, context)


def test_types_that_arrow_has_not_come_back_as_what_they_were() -> None:
    table = pa.table({"h": pa.array([1, 2], pa.decimal128(38, 0))})
    with LocalRuntime(InMemoryStorage({"t": table}), threads=1) as runtime:
        assert runtime.sql("SELECT typeof(h) FROM t LIMIT 1").read_all().to_pylist()[0].popitem()[1] == "DECIMAL(38,0)"
        inner = "SELECT typeof(s), typeof(u) FROM (SELECT sum(h::BIGINT) AS s, uuid() AS u FROM t)"
        assert tuples(runtime.sql(inner).read_all()) == [("HUGEINT", "UUID")]


def test_a_statement_is_kept_while_its_files_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": [1, 2]}), file)
    storage, statements = DirectoryStorage(tmp_path), StatementCache()
    with LocalRuntime(storage) as runtime:
        root = runtime.plan(runtime.frontend.plan("SELECT sum(n) AS s FROM t WHERE n IN (SELECT n FROM t)")).root
        context = LocalExecutionContext(storage, runtime.kernel)
        statement = statements.compile(root, context)
        assert statements.compile(root, context) is statement
        assert statement == compile_statement(root, context)
        assert tuples(run(root, context, statements=statements).reader.read_all()) == [(3,)]
        pq.write_table(pa.table({"n": [1, 2, 3]}), file)
        with pytest.raises(StorageError, match="changed"):
            statements.compile(root, context)


def test_a_statement_over_arrow_data_is_compiled_each_time(
    storage: InMemoryStorage, kernel: Kernel, people: LogicalPlan
) -> None:
    root, statements = lower(people), StatementCache()
    context = LocalExecutionContext(storage, kernel)
    assert statements.compile(root, context) is not statements.compile(root, context)


def test_what_was_made_of_a_text_stays_while_others_run_with_bound_values() -> None:
    with LocalRuntime(InMemoryStorage()) as runtime:
        known = runtime.plan(runtime.frontend.plan("SELECT 1 AS n"))
        for number in range(300):
            bound = runtime.frontend.plan("SELECT ? AS n", parameters=[pa.scalar(number)])
            runtime.execute(runtime.plan(bound)).close()
        assert runtime.plan(runtime.frontend.plan("SELECT 1 AS n")) is known


def test_what_is_bound_to_a_plan_is_not_kept_with_it() -> None:
    with LocalRuntime(InMemoryStorage()) as runtime:
        plans = [
            runtime.frontend.plan("SELECT length(?) AS n", parameters=[pa.scalar(size * "x")]) for size in (10, 100_000)
        ]
        short, long = ([runtime.plan(plan), runtime.plan(plan)] for plan in plans)
        assert short[0] is short[1]
        assert long[0] is not long[1]
        assert [tuples(runtime.execute(plan).read_all()) for plan in (short[0], long[0])] == [[(10,)], [(100_000,)]]
