"""What ends a command with status 1."""

from __future__ import annotations

__all__ = ["CommandError", "ConnectionLostError"]


class CommandError(Exception):
    """The command could not do its work. The message is one line for the user."""


class ConnectionLostError(CommandError):
    """The server does not answer, no longer, or knows the login no longer. The next statement connects again."""
