"""Waiting for what other threads and processes do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["until"]

T = TypeVar("T")


def until(condition: Callable[[], T], timeout: float = 60.0, otherwise: str = "it did not come to pass") -> T:
    """What `condition` gives once it is true. Raises AssertionError with `otherwise` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, otherwise
        threading.Event().wait(0.01)
    return found
