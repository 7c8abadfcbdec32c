"""A look at a kernel every few seconds: one that answers nothing is no kernel, whatever it says of itself.

And one at the workers of a cluster, without which no query is answered either.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from engine.errors import GrismError
from engine.kernel import Kernel

__all__ = ["BOUND", "WORKERS_TOLD", "Watchdog", "answers"]

_log = logging.getLogger("grism")

BOUND = 30.0
"""Seconds within which the smallest query has to be answered, or a worker be there."""

_KERNEL_TOLD = "the check query hangs", "the check query ended"
WORKERS_TOLD = "no worker is left; look at the Ray cluster's logs", "there are workers again"
"""What the log says of workers that are missed, and of their coming back."""

_INTERVAL = 10.0


def answers(kernel: Kernel) -> None:
    """Run the smallest query. A kernel that refuses it is found out elsewhere; here it matters that it answers."""
    try:
        kernel.stream("SELECT 1").reader.read_all()
    except (GrismError, OSError):
        _log.debug("the check query failed", exc_info=True)


class Watchdog:
    """Runs `check` again and again; calls `hung` where it takes over `bound` seconds, and `well` once it is over.

    The log is `told` both. A check that hangs is not begun again. Close it; a check that hangs then is left alone.
    """

    def __init__(
        self,
        check: Callable[[], None],
        hung: Callable[[], None],
        well: Callable[[], None],
        bound: float = BOUND,
        interval: float = _INTERVAL,
        told: tuple[str, str] = _KERNEL_TOLD,
    ) -> None:
        self._check, self._hung, self._well = check, hung, well
        self._bound, self._interval, self._told = bound, interval, told
        self._stopped = threading.Event()
        self._ended = threading.Condition()
        self._begun = 0  # checks
        self._done = 0
        threading.Thread(target=self._run_checks, name="grism-checks", daemon=True).start()
        self._watcher = threading.Thread(target=self._watch, name="grism-watchdog", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """End it. A second call changes nothing."""
        self._stopped.set()
        with self._ended:
            self._ended.notify_all()
        self._watcher.join()

    def _run_checks(self) -> None:
        while not self._stopped.is_set():
            with self._ended:
                self._begun += 1
                self._ended.notify_all()
            self._check()
            with self._ended:
                self._done += 1
                self._ended.notify_all()
            self._stopped.wait(self._interval)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            with self._ended:
                self._ended.wait_for(lambda: self._begun > self._done or self._stopped.is_set())
                number, began = self._begun, time.monotonic()
            if self._ends(number, self._bound):
                continue
            _log.error(self._told[0], extra={"fields": {"seconds": self._bound}})
            self._hung()
            self._ends(number)
            if not self._stopped.is_set():
                _log.warning(self._told[1], extra={"fields": {"seconds": round(time.monotonic() - began, 1)}})
                self._well()

    def _ends(self, check: int, timeout: float | None = None) -> bool:
        """Wait until a check has ended, or the watchdog does; False where `timeout` seconds do not see that."""
        with self._ended:
            return self._ended.wait_for(lambda: self._done >= check or self._stopped.is_set(), timeout)
