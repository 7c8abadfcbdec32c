"""One process: the plan is one kernel statement, pulled by whoever reads the result."""

from local_runtime.context import LocalExecutionContext
from local_runtime.executor import LocalExecutor
from local_runtime.planner import LocalPhysicalPlanner
from local_runtime.runtime import LocalRuntime

__all__ = ["LocalExecutionContext", "LocalExecutor", "LocalPhysicalPlanner", "LocalRuntime"]
