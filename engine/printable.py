"""Texts of others within a line of ours."""

from __future__ import annotations

__all__ = ["on_one_line"]


def on_one_line(text: str) -> str:
    r"""`text` with escapes for what is not printable, line ends first of all: none makes another line of it.

    >>> on_one_line("a\nb")
    'a\\nb'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
