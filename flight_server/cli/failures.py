"""What ends a command with status 1."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """The command could not do its work. The message is one line for the user."""
