"""An instance that is lost is noticed and replaced. It is closed underneath: no input may be shown that takes one."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import ExecutionError, GrismError, KernelFailedError, KernelLostError
from engine.kernel import Kernel, KernelConfig, KernelState
from engine.kernel_errors import execution_error, is_fatal, planning_error
from tests.harness.kernel_loss import lose

AFTERWARDS = (
    "FATAL Error: Failed: database has been invalidated because of a previous fatal error. "
    'The database must be restarted prior to being used again.\nOriginal error: "x"'
)


@pytest.mark.parametrize("error", [duckdb.FatalException(AFTERWARDS), OSError("Invalid: " + AFTERWARDS)])
def test_errors_of_statements_beside_a_fatal_one(error: Exception) -> None:
    assert is_fatal(error)
    for told in (planning_error(error), execution_error(error)):
        assert isinstance(told, KernelLostError)
        assert told.retryable
        assert "x" not in told.message.split()


@pytest.mark.parametrize(
    "error",
    [duckdb.FatalException("FATAL Error: broken"), duckdb.InternalException("INTERNAL Error: Assertion triggered")],
)
def test_fatal_errors(error: Exception) -> None:
    assert is_fatal(error)
    for told in (planning_error(error), execution_error(error)):
        assert isinstance(told, KernelFailedError)
        assert not told.retryable


@pytest.mark.parametrize("text", ["Out of Memory Error: x", "Binder Error: x", "Interrupt Error: x", "x"])
def test_errors_that_take_nothing_with_them(text: str) -> None:
    assert not is_fatal(duckdb.Error(text))


USES = {
    "parse": lambda kernel: kernel.parse("SELECT 1"),
    "describe": lambda kernel: kernel.describe("SELECT 1 AS x"),
    "column_types": lambda kernel: kernel.column_types(pa.table({"a": [1]})),
    "stream": lambda kernel: kernel.stream("SELECT 1").reader.read_all(),
}


@pytest.mark.parametrize("use", USES)
def test_a_lost_instance_is_replaced(use: str, tmp_path: Path) -> None:
    told: list[KernelState] = []
    with Kernel(KernelConfig(threads=1, spill_directory=str(tmp_path))) as kernel:
        kernel.watch(told.append)
        beside = kernel.stream("SELECT i FROM range(300000) t(i)")
        kernel.stream("SELECT sum(i) FROM range(10) t(i)").reader.read_all()
        lose(kernel._instance)
        with pytest.raises(KernelLostError, match="run the statement again"):
            USES[use](kernel)
        assert told == [KernelState.LOST, KernelState.READY]
        assert kernel.losses == 1
        for again in USES.values():
            again(kernel)
        assert beside.reader.read_all().num_rows == 300_000
    assert list(tmp_path.iterdir()) == []


def test_closing_leaves_nothing_of_a_lost_instance_on_which_something_runs(tmp_path: Path) -> None:
    with Kernel(KernelConfig(threads=1, spill_directory=str(tmp_path))) as kernel:
        cancellation = Cancellation()
        left = kernel.stream("SELECT i FROM range(3000000) t(i)", cancellation=cancellation)
        lose(kernel._instance)
        with pytest.raises(KernelLostError):
            kernel.parse("SELECT 1")
        cancellation.cancel()
    assert not left.counters.is_finished
    assert kernel._helpers._running == set()  # what waited for the lost one has ended with it
    assert list(tmp_path.iterdir()) == []


def test_only_a_stream_that_failed_is_looked_after(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    monkeypatch.setattr(kernel, "_look_later", looks.append)
    left = kernel.stream("SELECT i FROM range(300000) t(i)")
    left.reader.read_next_batch()
    left.reader.close()
    assert looks == []
    failing = kernel.stream("SELECT CASE WHEN i = 4900000 THEN error('x') ELSE i END FROM range(5000000) t(i)")
    with pytest.raises(pa.ArrowInvalid):
        failing.reader.read_all()
    assert len(looks) == 1


def test_a_statement_s_own_error_replaces_nothing(kernel: Kernel) -> None:
    before = kernel._instance
    for text in ("SELECT nothing", "SELECT error('x')", "SELECT CAST('x' AS INT)"):
        with pytest.raises(GrismError):
            kernel.stream(text).reader.read_all()
    assert kernel._instance is before


def test_an_instance_that_cannot_be_replaced_is_told_of(tmp_path: Path) -> None:
    told: list[KernelState] = []
    folder = tmp_path / "spill"
    with Kernel(KernelConfig(threads=1, spill_directory=str(folder))) as kernel:
        kernel.watch(told.append)
        lose(kernel._instance)
        shutil.rmtree(folder)
        folder.write_text("no folder any more")
        with pytest.raises(KernelLostError):
            kernel.parse("SELECT 1")
        assert told == [KernelState.LOST, KernelState.FAILED]
        folder.unlink()
        with pytest.raises(KernelLostError):
            kernel.parse("SELECT 1")
        assert told[2:] == [KernelState.LOST, KernelState.READY]
        kernel.parse("SELECT 1")


def test_a_closed_kernel_is_not_lost() -> None:
    kernel = Kernel(KernelConfig(threads=1))
    kernel.close()
    with pytest.raises(ExecutionError, match="closed"):
        kernel.parse("SELECT 1")
    assert kernel.losses == 0
