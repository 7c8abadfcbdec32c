"""`grism shell`: statements from a terminal, with history and completion, or from standard input as a script."""

from __future__ import annotations

import argparse
import io
import sys

from flight_server.cli.client import open_source
from flight_server.cli.failures import CommandError
from flight_server.cli.interrupts import interruptible
from flight_server.cli.shell.script import run_script
from flight_server.cli.shell.state import Shell
from flight_server.cli.tty import is_at_terminal

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Run what is typed or piped in. Raises ConfigError and CommandError, and KeyboardInterrupt in a script."""
    with open_source(arguments) as source:
        greeting = interruptible(source.greet, source.cancel)
        shell = Shell(source, arguments.format)
        try:
            if is_at_terminal():
                from flight_server.cli.shell.terminal import run_terminal  # which a script does without

                run_terminal(shell, greeting)
            else:
                _run_stdin(shell)
        finally:
            shell.close()
    return 0


def _run_stdin(shell: Shell) -> None:
    lines = io.TextIOWrapper(sys.stdin.buffer, "utf-8")  # whatever the locale is
    try:
        run_script(shell, lines)
    except UnicodeDecodeError:
        raise CommandError("Standard input is no text in UTF-8.") from None
    finally:
        lines.detach()
