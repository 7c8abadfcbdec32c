"""What a long statement is at, in the last line of a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.progress import telling_progress

__all__ = ["showing_progress"]

_PATIENCE = 0.5  # seconds that a statement may take without a word
_CLEAR = "\r\x1b[K"


@contextmanager
def showing_progress() -> Iterator[None]:
    """Within, show what statements of this thread are at, where stderr is a terminal; at the end the line is clear."""
    if not sys.stderr.isatty():
        yield
        return
    started, shown = time.monotonic(), False

    def show(text: str) -> None:
        nonlocal shown
        if time.monotonic() - started >= _PATIENCE:
            shown = True
            print(f"{_CLEAR}{text}", end="", file=sys.stderr, flush=True)

    try:
        with telling_progress(show):
            yield
    finally:
        if shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
