"""Who is at the other end of the standard streams."""

from __future__ import annotations

import sys

__all__ = ["is_at_terminal"]


def is_at_terminal() -> bool:
    """Whether somebody types, and sees what comes."""
    return sys.stdin.isatty() and sys.stdout.isatty()
