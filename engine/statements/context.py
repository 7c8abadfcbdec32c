"""What a statement may see while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from engine.cancellation import Cancellation
from engine.run_progress import RunProgress
from engine.statements.session import Session
from engine.tracing import SpanContext

__all__ = ["RowCounters", "StatementContext", "watch_nothing"]


class RowCounters(Protocol):
    """What an execution has given so far. May be read from any thread."""

    @property
    def rows(self) -> int:
        """How many rows."""

    @property
    def bytes(self) -> int:
        """Their size."""

    @property
    def is_finished(self) -> bool:
        """Whether that is all."""


def watch_nothing(counters: RowCounters) -> None:
    """What is given is not for whoever asks."""
    del counters


def _follow_nothing(run: RunProgress) -> None:
    del run


def _tell_nobody(plan: Callable[[], str]) -> None:
    del plan


def _poll_nobody() -> None:
    """Whoever asks is in this process."""


@dataclass(frozen=True)
class StatementContext:
    """One run of a statement: in whose `session`, and what stops it.

    `watch` is given the counters of each execution that the run starts, `follow` what tells how far it is, `tell_plan`
    what gives its plan as text. `poll` finds out whether whoever asked is still there, and throws the cancellation
    where it is not. `trace` is the span for which it is done. It has `waited` so many seconds for its turn.
    """

    session: Session
    cancellation: Cancellation = field(default_factory=Cancellation)
    watch: Callable[[RowCounters], None] = watch_nothing
    poll: Callable[[], None] = _poll_nobody
    follow: Callable[[RunProgress], None] = _follow_nothing
    trace: SpanContext | None = None
    tell_plan: Callable[[Callable[[], str]], None] = _tell_nobody
    waited: float = 0.0
