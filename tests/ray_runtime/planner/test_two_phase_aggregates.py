"""How aggregates are cut into two phases: what the kernel is asked for it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, GrismError, KernelLostError
from engine.operators import AggregateMode, HashAggregateExec
from engine.physical import walk
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedPlanner
from tests.harness.runtimes import SPREAD

WIDTH = 40


@pytest.mark.parametrize(
    ("call", "final"),
    [
        ("sum({})", "finalize"),
        ("avg({} * 2)", "finalize"),
        ("stddev({}) FILTER ({} > 1)", "finalize"),
        ("max({})", "max"),
        ("median({})", "finalize"),
    ],
)
def test_the_kernel_is_asked_as_often_for_many_aggregates_as_for_few(
    monkeypatch: pytest.MonkeyPatch, call: str, final: str
) -> None:
    asked = [questions(monkeypatch, call, final, width) for width in (2, WIDTH)]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("cause", [CancelledError("It was stopped."), KernelLostError("Another's fault.")], ids=repr)
def test_a_query_that_is_stopped_leaves_nothing_wrong_to_be_remembered(
    monkeypatch: pytest.MonkeyPatch, cause: GrismError
) -> None:
    with LocalRuntime(InMemoryStorage({"t": pa.table({"x": [1, 2, 3]})}), threads=1) as runtime:
        query = runtime.frontend.plan("SELECT skewness(x) AS s FROM t")
        planner = DistributedPlanner(runtime.kernel, runtime.storage, SPREAD.planning)
        describe, cancellation = runtime.kernel.describe, Cancellation()

        def stop(text: str, *more: Any) -> Any:
            if "to_aggregate_state" in text:
                if isinstance(cause, CancelledError):
                    cancellation.stop(cause)
                else:
                    raise cause
            return describe(text, *more)

        with monkeypatch.context() as patched:
            patched.setattr(runtime.kernel, "describe", stop)
            with cancellation.scope(), pytest.raises(type(cause), match=str(cause)):
                planner.passes(query)
        root = planner.passes(query)[-1][1]
    modes = {node.mode for node in walk(root) if isinstance(node, HashAggregateExec)}
    assert modes == {AggregateMode.PARTIAL, AggregateMode.FINAL}


def questions(monkeypatch: pytest.MonkeyPatch, call: str, final: str, width: int) -> int:
    """How often the kernel's binder is asked in planning `width` aggregates in two phases."""
    kinds = (pa.int64(), pa.float64())
    table = pa.table({f"c{i}": pa.array([1, 2, 3], kinds[i % 2]) for i in range(WIDTH)})
    with LocalRuntime(InMemoryStorage({"t": table}), threads=1) as runtime:
        items = ", ".join(f"{call.format(f'c{i}', f'c{i}')} AS s{i}" for i in range(width))
        query = runtime.frontend.plan(f"SELECT {items} FROM t")
        texts: list[str] = []
        describe = runtime.kernel.describe
        monkeypatch.setattr(runtime.kernel, "describe", lambda text, *a: texts.append(text) or describe(text, *a))
        root = DistributedPlanner(runtime.kernel, runtime.storage, SPREAD.planning).passes(query)[-1][1]
    grouped = [node for node in walk(root) if isinstance(node, HashAggregateExec)]
    (merge,) = (node for node in grouped if node.mode is AggregateMode.FINAL)
    assert len(merge.aggregates) == width
    assert all(final in aggregate.expr.sql("duckdb").lower() for aggregate in merge.aggregates)
    return len(texts)
