"""Texts of others as a terminal may be shown them: they must not move the cursor, set colours or turn the order."""

from __future__ import annotations

import re

__all__ = ["OBEYED", "visible", "visible_lines"]

OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys: control characters, ends of lines, and what Unicode calls the controls of direction."""


def visible(text: str) -> str:
    r"""`text` on one line, with escapes for what a terminal obeys.

    >>> visible("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    """
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def visible_lines(text: str) -> str:
    """`text`, which has lines of its own, and tabs, as an excerpt of a statement has."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))
