"""The spans of a query's stages, each from its first task to its last, below which those of the tasks are."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from engine.tracing import Span, SpanContext, begin
from ray_runtime.scheduler import StageStats

__all__ = ["StageSpans"]


@dataclass
class StageSpans:
    """The spans of the stages that have begun; none where there is no `parent`, whose work they do."""

    parent: SpanContext | None = None
    _spans: dict[int, Span] = field(default_factory=dict)
    _ended: dict[int, int] = field(default_factory=dict)
    _running: Counter[int] = field(default_factory=Counter)
    _failed: set[int] = field(default_factory=set)

    def task_launched(self, stage: int) -> SpanContext | None:
        """A task of a stage is handed out; the span for which it works."""
        if self.parent is None:
            return None
        if stage not in self._spans:
            span = begin("stage", self.parent)
            if span is None:
                return None
            self._spans[stage] = span
        self._running[stage] += 1
        return self._spans[stage].context

    def task_ended(self, stage: int, failed: bool) -> None:
        """An attempt at a task came to its end."""
        if stage in self._spans:
            self._running[stage] -= 1
            self._ended[stage] = time.time_ns()
            (self._failed.add if failed else self._failed.discard)(stage)

    def end(self, stages: tuple[StageStats, ...] = (), error: str | None = None) -> None:
        """The query has ended, by an error of this type if there was one; `stages` tell what was done."""
        told = {stats.stage: stats for stats in stages}
        for stage, span in self._spans.items():
            span.attributes["grism.stage"] = stage
            stats = told.get(stage)
            if stats is not None:
                span.attributes |= {
                    "grism.stage.tasks": stats.tasks or 0,
                    "grism.stage.attempts": stats.attempts,
                    "grism.stage.rows": stats.rows,
                    "grism.stage.bytes": stats.bytes,
                }
            is_cut_off = self._running[stage] > 0 or stage in self._failed
            span.end(error if is_cut_off else None, None if is_cut_off else self._ended[stage])
        self._spans.clear()
