"""The shell at a terminal: a prompt, and what was typed run piece by piece."""

from __future__ import annotations

import os
import signal
from functools import partial

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from engine.errors import GrismError
from flight_server.cli.failures import CommandError, ConnectionLostError, complain
from flight_server.cli.interrupts import interruptible
from flight_server.cli.shell.commands import run_piece
from flight_server.cli.shell.completion import SqlCompleter
from flight_server.cli.shell.history import history_path, open_history
from flight_server.cli.shell.pieces import cut, last_piece
from flight_server.cli.shell.state import Leave, Shell
from flight_server.cli.visible import visible

__all__ = ["run_terminal"]

_PROMPT, _NEXT_LINE = "grism> ", "    -> "


def run_terminal(shell: Shell, greeting: str) -> None:
    """Ask for statements and commands and run them, until somebody leaves."""
    session: PromptSession[str] = PromptSession(
        _PROMPT,
        multiline=True,
        prompt_continuation=_continuation,
        history=open_history(history_path(os.environ)),
        completer=SqlCompleter(shell.names),
        complete_while_typing=False,
        complete_in_thread=True,
        key_bindings=_keys(),
    )
    print(f"{visible(greeting)}\n\\? for help, \\q to leave.")
    signal.signal(signal.SIGINT, lambda *_: None)  # between a prompt and a statement there is nothing to end
    while True:
        try:
            text = session.prompt()
        except KeyboardInterrupt:  # the line is cleared
            continue
        except EOFError:
            return
        try:
            _run_all(shell, text)
        except Leave:
            return


def _run_all(shell: Shell, text: str) -> None:
    """Run what is in `text`, up to the first that fails; raises Leave."""
    pieces, rest = cut(text)
    for piece in [*pieces, last_piece(rest)] if rest else pieces:
        try:
            interruptible(partial(run_piece, shell, piece), shell.source.cancel)
        except KeyboardInterrupt:
            complain("error:", "cancelled")
        except ConnectionLostError as error:
            complain("error:", f"{error} The next statement connects again, in a new session.")
        except (CommandError, GrismError) as error:
            complain("error:", error)
        else:
            continue
        return


def _continuation(width: int, line: int, wrapped: int) -> AnyFormattedText:
    del width, line
    return " " * len(_NEXT_LINE) if wrapped else _NEXT_LINE


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=has_focus(DEFAULT_BUFFER) & Condition(_is_complete))
    def _(event: KeyPressEvent) -> None:
        """Run what is complete; an Enter before its end is a new line."""
        event.current_buffer.validate_and_handle()

    return keys


def _is_complete() -> bool:
    return not cut(get_app().current_buffer.text)[1]
