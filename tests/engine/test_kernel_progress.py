"""What the kernel tells of a statement, how far it is and what it has used, on cursors that serve one after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, ExecutionError, PlanningError
from engine.kernel import Kernel, KernelConfig
from engine.kernel_progress import KernelProgress
from engine.run_progress import ResourceUse, RunProgress
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage import DirectoryStorage
from engine.storage.protocol import TableName, WriteMode
from local_runtime import LocalRuntime
from tests.harness.waiting import until

ROWS, BATCH = 1_000_000, 10_000


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(KernelConfig((str(tmp_path),), threads=1, observed=1)) as opened:
        yield opened


def numbers(rows: int = ROWS) -> pa.RecordBatchReader:
    table = pa.table({"i": pa.array(range(rows), pa.int64())})
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(BATCH))


def shares(kernel: Kernel, sql: str, progress: KernelProgress, **options: object) -> list[float | None]:
    """What is done before the first batch, after each, and at the end."""
    stream = kernel.stream(sql, progress=progress, **options)  # type: ignore[arg-type]
    return [progress.share(), *(progress.share() for _ in stream.reader)]


def test_the_rows_of_a_stream_are_counted(kernel: Kernel) -> None:
    progress = KernelProgress({"s": ROWS})
    seen = shares(kernel, "SELECT i + 1 AS j FROM s", progress, sources={"s": numbers()})
    known = [share for share in seen if share is not None]
    assert len(known) == len(seen)
    assert known == sorted(known)
    assert known[0] < 0.5
    assert len(set(known)) > 4
    assert progress.share() == known[-1] == 1.0
    used = progress.resource_use()
    assert used is not None
    assert used.spilled == 0


def test_of_a_stream_of_unknown_length_nothing_is_known(kernel: Kernel) -> None:
    assert set(shares(kernel, "SELECT i + 1 AS j FROM s", KernelProgress({}), sources={"s": numbers()})) == {None}


def test_the_kernel_tells_of_files(kernel: Kernel, tmp_path: Path) -> None:
    pq.write_table(numbers().read_all(), tmp_path / "n.parquet", row_group_size=BATCH)
    seen = shares(kernel, f"SELECT i + 1 AS j FROM read_parquet('{tmp_path}/n.parquet')", KernelProgress({}))
    known = [share for share in seen if share is not None]
    assert known == sorted(known)
    assert known[0] < 0.5
    assert len(set(known)) > 4


def test_streams_that_are_loaded_first_are_steps(kernel: Kernel) -> None:
    progress = KernelProgress({"s": ROWS, "t": ROWS})
    sources = {"s": numbers(), "t": numbers()}
    seen = shares(kernel, "SELECT i FROM s JOIN t USING (i)", progress, sources=sources, resident=True)
    assert seen[0] is not None
    assert seen[0] >= 2 / 3
    assert progress.resource_use() is not None
    # Another statement finds nothing of it on the same cursor.
    for name in ("s", "t"):
        with pytest.raises(PlanningError):
            kernel.stream(f"FROM {name}", progress=KernelProgress({}))
    assert shares(kernel, "FROM s", KernelProgress({"s": 5}), sources={"s": numbers(5)})[-1] == 1.0


def test_bytes_that_are_spilled_are_those_of_the_statement(tmp_path: Path) -> None:
    with Kernel(KernelConfig(threads=1, memory_limit=30 << 20, observed=2, spill_directory=str(tmp_path))) as kernel:
        large, small = KernelProgress({"s": ROWS}), KernelProgress({"s": 5})
        sql = "SELECT i, hash(i)::VARCHAR AS h FROM s ORDER BY h"
        first = kernel.stream(sql, {"s": numbers()}, progress=large)
        assert kernel.stream("SELECT sum(i) FROM s", {"s": numbers(5)}, progress=small).reader.read_all().num_rows == 1
        assert sum(batch.num_rows for batch in first.reader) == ROWS
        used = large.resource_use()
        assert used is not None
        assert used.spilled > 5 << 20
        assert 5 << 20 < used.peak_memory < 60 << 20
        assert isinstance(small.resource_use(), ResourceUse)
        assert small.resource_use().spilled == 0  # type: ignore[union-attr]


def test_beyond_those_that_are_observed_nothing_is_known(kernel: Kernel) -> None:
    first, second = KernelProgress({}), KernelProgress({})
    sql = "SELECT a.i FROM range(100000) a(i), range(10) b(j)"
    one, other = kernel.stream(sql, progress=first), kernel.stream(sql, progress=second)
    one.reader.read_next_batch()
    other.reader.read_next_batch()
    assert first.share() is not None
    assert second.share() is None
    for stream in (one, other):
        stream.reader.read_all()
    assert first.resource_use() is not None
    assert second.resource_use() is None


def test_a_cursor_serves_on_after_statements_that_did_not_end_well(kernel: Kernel) -> None:
    endless = "SELECT count(*) FROM range(1000000000) a(i), range(1000000000) b(j) WHERE i % 7 = j % 5"
    with pytest.raises(ExecutionError):
        kernel.stream("SELECT error('no') FROM range(3)", progress=KernelProgress({})).reader.read_all()
    cancellation = Cancellation()
    progress = KernelProgress({})

    def stop_it() -> None:
        until(lambda: (progress.share() or 0) > 0)
        cancellation.cancel("enough")

    stopper = threading.Thread(target=stop_it)
    stopper.start()
    with pytest.raises(CancelledError):
        kernel.stream(endless, cancellation=cancellation, progress=progress)
    stopper.join()
    left = kernel.stream("FROM range(10000000)", progress=KernelProgress({}))
    left.reader.read_next_batch()
    left.reader.close()
    del left
    last = KernelProgress({})
    assert kernel.stream("SELECT 42 AS x", progress=last).reader.read_all().to_pylist() == [{"x": 42}]
    assert last.resource_use() is not None


@pytest.mark.parametrize(
    "text", ["SELECT * FROM n", "SELECT i + 1 AS j FROM n", "SELECT i % 90000, count(*) FROM n GROUP BY 1"]
)
def test_lance_tables_that_are_streamed_tell_how_far_they_are(tmp_path: Path, text: str) -> None:
    storage = DirectoryStorage(tmp_path, table_bytes=1)
    storage.write(TableName("main", "n"), numbers(), WriteMode.CREATE)
    with LocalRuntime(storage, threads=1) as runtime:
        runs: list[RunProgress] = []
        context = StatementContext(Session(), follow=runs.append)
        result = Database(runtime).sql(text, context=context)
        seen = [runs[0].share(), *(runs[0].share() for _ in result)]
        shares = [share for share in seen if share is not None]
        assert shares == sorted(shares)
        assert shares[-1] == runs[0].share() == 1.0
        assert len(set(shares)) > 4 or "count" in text
        assert len(runs) == 1
