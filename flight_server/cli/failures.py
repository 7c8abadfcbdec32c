"""What ends a command with status 1."""

from __future__ import annotations

import sys

from flight_server.cli.visible import visible, visible_lines

__all__ = ["CommandError", "ConnectionLostError", "complain"]


class CommandError(Exception):
    """The command could not do its work. The message is one line, and perhaps an excerpt of a statement."""


class ConnectionLostError(CommandError):
    """The server does not answer, no longer, or knows the login no longer. The next statement connects again."""


def complain(who: str, message: object) -> None:
    """Tell the user on one line what is wrong; where it stands in a statement, with the excerpt of that below.

    It may hold what others have written, values among it.
    """
    reason, mark, excerpt = str(message).partition("\n\nLINE ")
    print(who, visible(" ".join(reason.split())) + mark + visible_lines(excerpt), file=sys.stderr, flush=True)
