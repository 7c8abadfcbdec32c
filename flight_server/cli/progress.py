"""What a long statement is at, in the last line of a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from flight_server.cli.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["ProgressDisplay", "ProgressReport", "showing_progress"]

_PATIENCE = 0.5  # seconds that a statement may take without a word
_INTERVAL = 0.2  # seconds
_LONGEST = 60  # characters


@dataclass(frozen=True)
class ProgressReport:
    """What a statement is at, in a few words, and how much of it is done, from 0 to 1 (None where that is unknown)."""

    doing: str
    share: float | None = None


Ask = Callable[[], ProgressReport | None]
"""Tells what the statement that runs is at, from any thread; None where nothing is known."""


class ProgressDisplay:
    """The showing of one statement's progress, here none."""

    def end(self) -> None:
        """Leave the line clear; a second call changes nothing."""

    def until_rows(self, reader: pa.RecordBatchReader, at_once: bool) -> pa.RecordBatchReader:
        """`reader`, whose rows end the showing: the first where they go to the terminal `at_once`, else the last."""
        del at_once
        return reader


@contextmanager
def showing_progress(ask: Ask) -> Iterator[ProgressDisplay]:
    """Within, show what a statement is at once it has taken half a second, where stderr is a terminal."""
    shown = _Line(ask) if sys.stderr.isatty() else ProgressDisplay()
    try:
        yield shown
    finally:
        shown.end()


class _Line(ProgressDisplay):
    """The line, and the thread that writes it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="grism-progress", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def until_rows(self, reader: pa.RecordBatchReader, at_once: bool) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for batch in reader:
                if at_once:
                    self.end()
                yield batch
            self.end()

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def _show(self) -> None:
        if self._ended.wait(_PATIENCE):
            return
        with _bar() as bar:
            task = bar.add_task("running", total=None)
            while not self._ended.is_set():
                reached = self._ask()
                if reached is not None:
                    known = None if reached.share is None else 1.0  # without a total the bar moves to and fro
                    bar.update(task, description=_one_line(reached.doing), total=known, completed=reached.share)
                self._ended.wait(_INTERVAL)


def _one_line(doing: str) -> str:
    text = visible(" ".join(doing.split()))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _bar() -> Progress:
    from rich.console import Console  # what a statement that takes no time does without
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
