"""A program at a pseudo-terminal: keys go in, and what the terminal is told comes out."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.harness.launcher import LAUNCHER, Launched
from tests.harness.waiting import until

__all__ = ["CTRL_C", "CTRL_D", "ENTER", "TAB", "Terminal"]

ENTER, TAB, CTRL_C, CTRL_D = "\r", "\t", "\x03", "\x04"
_PATIENCE = 60.0  # seconds
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")


class Terminal:
    """Runs `grism` with some arguments; close it after use. What it says on stderr goes to the terminal, or a file.

    It is launched, which is cheaper, or started as the command.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        errors: Path | None = None,
        is_launched: bool = True,
    ) -> None:
        self._ours, self._theirs = pty.openpty()  # theirs is kept open: one that nobody has open reads as gone
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        # Without CPR: the program asks the terminal nothing that this one would have to answer.
        variables = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **environment}
        self._unread = ""
        self.process: subprocess.Popen[bytes] | Launched
        if is_launched:
            with ExitStack() as stack:
                told = self._theirs if errors is None else stack.enter_context(errors.open("wb")).fileno()
                self.process = LAUNCHER.launch(arguments, told, self._theirs, variables)
        else:
            # Who leads a session and opens a terminal has it for its own, and so gets its Ctrl-C.
            opening = ["sh", "-c", 'exec <"$0" >"$0" 2>"$1"; shift; exec "$@"', os.ttyname(self._theirs)]
            opening.append(os.ttyname(self._theirs) if errors is None else str(errors))
            command = [*opening, sys.executable, "-m", "flight_server.cli", *arguments]
            self.process = subprocess.Popen(command, env={**os.environ, **variables}, start_new_session=True)

    def send(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def read_until(self, pattern: str) -> str:
        """What was shown since the last call up to and with the first match of `pattern`, without escapes."""
        give_up = time.monotonic() + _PATIENCE
        while True:
            shown = _ESCAPES.sub("", self._unread).replace("\r", "")
            found = re.search(pattern, shown)
            if found is not None:
                self._unread = shown[found.end() :]
                return shown[: found.end()]
            assert time.monotonic() < give_up, f"{pattern!r} was not shown, but {shown!r}"
            self._unread += self._read()

    @property
    def unread(self) -> str:
        """What was shown since the last call of `read_until`, without escapes."""
        return _ESCAPES.sub("", self._unread).replace("\r", "")

    def end(self) -> int:
        """The status with which the program ends."""
        until(lambda: self._drain() and self.process.poll() is not None, _PATIENCE)
        return self.process.wait()

    def close(self) -> None:
        """End the program, if it has not ended."""
        self.process.kill()
        self.process.wait()
        if isinstance(self.process, Launched):
            self.process.close()
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self) -> str:
        ready, _, _ = select.select([self._ours], [], [], _PATIENCE)
        return os.read(self._ours, 65536).decode(errors="replace") if ready else ""

    def _drain(self) -> bool:
        """Read what is there, lest the program waits for somebody who reads."""
        while select.select([self._ours], [], [], 0)[0]:
            self._unread += self._read()
        return True
