"""The care of tables by itself: those that this process has changed are looked at, and optimised where it pays.

Looking costs what opening a table costs, and is done after some changes, not after each. One table at a time is looked
after, by one thread, beside the queries and with one thread of Lance.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import timedelta

from engine.cancellation import Cancellation
from engine.errors import CancelledError, GrismError, UnknownTableError, UnsupportedError
from engine.statements.care import Care
from engine.statements.catalog import Target
from engine.statements.pins import Pins
from engine.storage.care import LayoutFacts

__all__ = ["Thresholds", "Upkeep"]

_log = logging.getLogger("grism.upkeep")


@dataclass(frozen=True)
class Thresholds:
    """When a table is looked at: after so many `statements`, or `rows` that they changed. And when it is optimised.

    That is where it has so many `fragments` more than its rows need, or where that share of its rows is deleted, or is
    not in an index; what an earlier run has left does not count again. Old versions go every so many `seconds`.
    """

    statements: int = 50
    rows: int = 10_000
    fragments: int = 100
    share: float = 0.1
    seconds: float = 3600.0

    def is_reached(self, now: LayoutFacts, left: LayoutFacts) -> bool:
        """Whether it pays to optimise a table that is so, of which the last run has `left` that."""
        few = max(1, self.rows, round(self.share * now.rows))
        return (
            now.excess_fragments - left.excess_fragments >= self.fragments
            or now.rows_deleted - left.rows_deleted >= few
            or now.rows_not_indexed - left.rows_not_indexed >= few
        )


class Upkeep:
    """Looks after tables until it is closed. Versions that have been old for as long as `retain` go, too."""

    def __init__(
        self,
        care: Care,
        pins: Pins,
        *,
        optimizes: bool = True,
        retain: timedelta | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        self._care, self._pins = care, pins
        self._optimizes, self._retain = optimizes, retain
        self._thresholds = thresholds or Thresholds()
        self._statements: Counter[Target] = Counter()
        self._rows: Counter[Target] = Counter()
        self._due: dict[Target, None] = {}
        self._left: dict[Target, LayoutFacts] = {}
        self._vacuumed: dict[Target, float] = {}
        self._wake = threading.Condition()
        self._cancellation = Cancellation()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    def note_change(self, target: Target, rows: int) -> None:
        """Know that a statement has changed so many rows of a table."""
        if target.is_temporary:
            return
        with self._wake:
            self._statements[target] += 1
            self._rows[target] += rows
            limits = self._thresholds
            if self._statements[target] >= limits.statements or self._rows[target] >= limits.rows:
                del self._statements[target], self._rows[target]
                self._due[target] = None
                self._wake.notify()

    def stop(self) -> None:
        """Begin nothing new; what runs stops between two files."""
        self._cancellation.cancel("The server stops.")
        with self._wake:
            self._wake.notify()

    def close(self, seconds: float = 5.0) -> None:
        """Stop, and wait for that. What has not ended after so many seconds is left to the end of the process: the
        files that it was at are removed by whoever looks after the table next."""
        self.stop()
        self._thread.join(seconds)

    def _run(self) -> None:
        while (target := self._next()) is not None:
            try:
                with self._cancellation.scope():
                    self._look_after(target)
            except CancelledError:
                return
            except (UnknownTableError, UnsupportedError):
                self._left.pop(target, None)  # it was dropped, or nothing is to be done for it
            except GrismError as error:
                _log.warning("upkeep failed", extra={"fields": {"table": str(target.shown), "error": error.summary}})
            except Exception:
                _log.exception("upkeep of %s failed", target.shown)

    def _next(self) -> Target | None:
        """The table that has been due for longest; None where it is closed."""
        with self._wake:
            self._wake.wait_for(lambda: self._due or self._cancellation.cause is not None)
            if self._cancellation.cause is not None:
                return None
            target = next(iter(self._due))
            del self._due[target]
            return target

    def _look_after(self, target: Target) -> None:
        care = target.storage.care(target.name)
        layout = care.layout()
        runs = self._optimizes and self._thresholds.is_reached(layout, self._left.get(target, LayoutFacts()))
        if runs:
            self._left[target] = layout  # which also holds where it fails
            began = time.monotonic()
            told = self._care.optimize(target, threads=1)
            self._left[target] = care.layout()
            self._tell("optimized", target, began, asdict(told))
        now = time.monotonic()
        if self._retain is not None and (runs or now - self._vacuumed.get(target, 0) >= self._thresholds.seconds):
            self._vacuumed[target] = now
            removed = care.vacuum(self._retain, self._pins.tables)
            if removed.versions_removed or removed.files_removed:
                self._tell("vacuumed", target, now, asdict(removed))

    @staticmethod
    def _tell(event: str, target: Target, began: float, told: dict[str, object]) -> None:
        seconds = round(time.monotonic() - began, 6)
        _log.info(event, extra={"fields": {"event": event, "table": str(target.shown), **told, "run": seconds}})
