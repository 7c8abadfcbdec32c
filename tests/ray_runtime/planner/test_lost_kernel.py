"""What a kernel did not answer, for another statement took it, is told, and leaves no worse plan to be remembered."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from engine.cache import LruCache
from engine.errors import KernelLostError
from engine.kernel import Kernel
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from ray_runtime.planner import DistributedOptions, DistributedPlanner, two_phase_aggregates
from tests.harness.kernel_loss import lose

TABLES = {
    "t": pa.table({"i": pa.array(range(5000), pa.int32()), "s": [str(i) for i in range(5000)]}),
    "u": pa.table({"n": pa.array(range(5000), pa.int64())}),
}
SPREAD = DistributedOptions(slots=2, partitions=4, broadcast_bytes=0, split_rows=1000, sample_rows=1000)


class Losing:
    """Takes a kernel from who asks it the question of a `number`; counts the questions."""

    def __init__(self, kernel: Kernel, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self._kernel, self._number, self.asked = kernel, number, 0
        for name in ("describe", "stream"):
            monkeypatch.setattr(kernel, name, self._counted(getattr(kernel, name)))

    def _counted(self, ask: Any) -> Any:
        def counted(*given: Any, **more: Any) -> Any:
            if self.asked == self._number:
                lose(self._kernel._instance)
            self.asked += 1
            return ask(*given, **more)

        return counted


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) FROM t JOIN u ON t.i + 1 = u.n",
        "SELECT i FROM t EXCEPT FROM u",
        "SELECT skewness(x * 2) FROM (SELECT i + 1 AS x FROM t)",
        "SELECT i, s, count(*) FROM t GROUP BY ALL",
        "SELECT count(*) FROM t JOIN u ON t.i = u.n JOIN t AS o ON o.i = t.i WHERE t.s > '3'",
    ],
)
def test_the_plan_is_the_same_whatever_question_the_kernel_was_lost_at(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, asked, want = -1, 1, None
    while number < asked:
        with LocalRuntime(InMemoryStorage(TABLES), threads=1) as runtime, monkeypatch.context() as patched:
            patched.setattr(two_phase_aggregates, "_MERGINGS", LruCache(8))  # what all planners remember
            query = runtime.frontend.plan(text)
            planner = DistributedPlanner(runtime.kernel, runtime.storage, SPREAD)
            losing = Losing(runtime.kernel, patched, number)
            if number >= 0:
                with pytest.raises(KernelLostError, match="run the statement again"):
                    planner.plan(query)
            told = planner.explain(planner.plan(query))
            want, asked = want or told, losing.asked if number < 0 else asked
            assert told == want
        number += 1
    assert asked > 1
