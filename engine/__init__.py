"""What to compute: plans, operators, expressions, storage and the kernel, the same for every runtime.

The names below are the public API. They are imported when they are first used, so that a program which needs the
errors only does not load the kernel and the storages.

>>> from engine import Filter, InMemoryStorage, col
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.cancellation import Cancellation
    from engine.errors import (
        CancelledError,
        DataCorruptError,
        DeadlineExceededError,
        ExchangeFailedError,
        ExecutionError,
        ForbiddenError,
        GrismError,
        InvalidValueError,
        KernelFailedError,
        KernelLostError,
        MemoryExceededError,
        PlanningError,
        ResourceExhaustedError,
        SchemaMismatchError,
        SqlSyntaxError,
        StageFailedError,
        StorageError,
        StorageFullError,
        TableExistsError,
        TypeMismatchError,
        UnknownColumnError,
        UnknownTableError,
        UnsupportedError,
        WorkerLostError,
    )
    from engine.evaluator import ExprEvaluator
    from engine.kernel import Kernel, KernelConfig
    from engine.logical.nodes import (
        Aggregate,
        Collect,
        Distinct,
        Filter,
        Join,
        Limit,
        LogicalPlan,
        NamedExpr,
        Project,
        Rename,
        Scan,
        SetOp,
        Sort,
        SortKey,
        SqlQuery,
        Values,
        Window,
        col,
        lit,
    )
    from engine.metrics import (
        CollectingMetricsSink,
        MetricsSink,
        NoopMetricsSink,
        OperatorMetrics,
    )
    from engine.physical import ExecutionContext, OperatorCaps, PhysicalOperator, PhysicalPlan
    from engine.runtime import QueryOptions, QueryResult, Runtime
    from engine.schema import Column, RowType
    from engine.schema_inference import build_aggregate_schema, build_project_schema, infer_expr_type
    from engine.sql.frontend import SqlFrontend
    from engine.storage import (
        CompositeStorage,
        DirectoryStorage,
        InMemoryStorage,
        Snapshot,
        Storage,
        TableHandle,
        TableName,
        WriteMode,
    )

__all__ = [
    "Aggregate",
    "Cancellation",
    "CancelledError",
    "Collect",
    "CollectingMetricsSink",
    "Column",
    "CompositeStorage",
    "DataCorruptError",
    "DeadlineExceededError",
    "DirectoryStorage",
    "Distinct",
    "ExchangeFailedError",
    "ExecutionContext",
    "ExecutionError",
    "ExprEvaluator",
    "Filter",
    "ForbiddenError",
    "GrismError",
    "InMemoryStorage",
    "InvalidValueError",
    "Join",
    "Kernel",
    "KernelConfig",
    "KernelFailedError",
    "KernelLostError",
    "Limit",
    "LogicalPlan",
    "MemoryExceededError",
    "MetricsSink",
    "NamedExpr",
    "NoopMetricsSink",
    "OperatorCaps",
    "OperatorMetrics",
    "PhysicalOperator",
    "PhysicalPlan",
    "PlanningError",
    "Project",
    "QueryOptions",
    "QueryResult",
    "Rename",
    "ResourceExhaustedError",
    "RowType",
    "Runtime",
    "Scan",
    "SchemaMismatchError",
    "SetOp",
    "Snapshot",
    "Sort",
    "SortKey",
    "SqlFrontend",
    "SqlQuery",
    "SqlSyntaxError",
    "StageFailedError",
    "Storage",
    "StorageError",
    "StorageFullError",
    "TableExistsError",
    "TableHandle",
    "TableName",
    "TypeMismatchError",
    "UnknownColumnError",
    "UnknownTableError",
    "UnsupportedError",
    "Values",
    "Window",
    "WorkerLostError",
    "WriteMode",
    "build_aggregate_schema",
    "build_project_schema",
    "col",
    "infer_expr_type",
    "lit",
]

# From light to heavy: what stands further up does not load what stands below.
_MODULES = (
    "engine.errors",
    "engine.schema",
    "engine.cancellation",
    "engine.metrics",
    "engine.logical.nodes",
    "engine.storage",
    "engine.physical",
    "engine.kernel",
    "engine.runtime",
    "engine.schema_inference",
    "engine.evaluator",
    "engine.sql.frontend",
)


def __getattr__(name: str) -> object:
    if name in __all__:
        for path in _MODULES:
            module = import_module(path)
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
