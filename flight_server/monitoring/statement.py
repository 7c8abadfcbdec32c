"""What is told of a client's statement."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["MAX_LOGGED", "StatementInfo"]

MAX_LOGGED = 500
"""Characters of a statement's text, or an error's, in the log."""

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class StatementInfo:
    """A client's statement: its kind, as ``CREATE TABLE``, its text, and the seconds that planning it took."""

    kind: str
    text: str
    planning: float = 0.0

    @property
    def log_text(self) -> str:
        """The text for a log: on one line, and not all of a long one."""
        text = _SPACES.sub(" ", self.text[: 4 * MAX_LOGGED]).strip()
        return text if len(text) <= MAX_LOGGED else text[:MAX_LOGGED] + " ..."
