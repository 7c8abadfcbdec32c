"""The spans of the tasks that a worker runs, which its own process sends."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.errors import GrismError
from engine.tracing import begin, send_to
from ray_runtime.task import TaskDone, TaskSpec

if TYPE_CHECKING:
    from engine.tracing.otlp import OtlpExporter

__all__ = ["WorkerTraces"]

_log = logging.getLogger(__name__)
_CLOSE_SECONDS = 2.0

Outcome = TaskDone | GrismError


class WorkerTraces:
    """Sends spans of the tasks of a `worker`, by `variables` that the node does not set; none where these are None.

    A node without OpenTelemetry runs tasks all the same, and says so in its log.
    """

    def __init__(self, worker: str, variables: Mapping[str, str] | None) -> None:
        self._worker = worker
        self._exporter = None if variables is None else self._open(variables)

    def around(self, run: Callable[[TaskSpec], Outcome], spec: TaskSpec) -> Outcome:
        """Run a task, as a span where somebody traces its query."""
        span = None if self._exporter is None or spec.trace is None else begin("task", spec.trace)
        if span is None:
            return run(spec)
        outcome = run(spec)
        task = spec.task
        span.attributes |= {
            "grism.worker": self._worker,
            "grism.stage": task.stage,
            "grism.task": task.task,
            "grism.task.attempt": task.attempt,
        }
        if isinstance(outcome, TaskDone):
            summary = outcome.summary
            span.attributes |= {"grism.task.rows": summary.total_rows, "grism.task.bytes": sum(summary.bytes)}
        span.end(None if isinstance(outcome, TaskDone) else type(outcome).__name__)
        return outcome

    def close(self) -> None:
        """Send what is kept, within two seconds."""
        if self._exporter is not None:
            self._exporter.close(_CLOSE_SECONDS)

    def _open(self, variables: Mapping[str, str]) -> OtlpExporter | None:
        for name, value in variables.items():
            os.environ.setdefault(name, value)
        try:
            from engine.tracing.otlp import OtlpExporter
        except ImportError:
            _log.warning("OpenTelemetry is not installed here: the tasks of %s are in no trace", self._worker)
            return None
        try:
            exporter = OtlpExporter(f"{self._worker}@{socket.gethostname()}")
        except (ValueError, OSError) as error:
            _log.warning("the tasks of %s are in no trace: %s", self._worker, error)
            return None
        send_to(exporter)
        return exporter
