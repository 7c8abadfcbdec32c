"""LocalExecutor: runs a physical plan in this process, pulled by its reader."""

from __future__ import annotations

from collections.abc import Callable

from engine.execution import StatementCache, run
from engine.physical import ExecutionContext, PhysicalPlan
from engine.run_progress import RunProgress
from engine.runtime import QueryResult

__all__ = ["LocalExecutor"]


class LocalExecutor:
    """Executes plans. One executor may run any number of queries at once."""

    def __init__(self) -> None:
        self._statements = StatementCache()

    def execute(
        self, plan: PhysicalPlan, context: ExecutionContext, follow: Callable[[RunProgress], None] = lambda _: None
    ) -> QueryResult:
        """Start `plan`; its rows come while the reader of the result is read. Raises the execution errors.

        `follow` is given what tells how far it is, before it runs.
        """
        stream = run(plan.root, context, plan.boundary, self._statements, plan.columns, follow)
        return QueryResult(stream.reader, stream.counters, context.cancellation, stream.stop)
