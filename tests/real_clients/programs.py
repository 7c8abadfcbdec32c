"""The programs of `clients/`: how each is built and run, and what is known of its clients."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.real_clients.checks import Check
from tests.real_clients.wants import Client

__all__ = ["CACHE", "CANNOT", "SOURCES", "Line", "Program", "ProgramError", "lines", "run"]

SOURCES = Path(__file__).parents[2] / "clients"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grism" / "clients"
RUN_SECONDS = 400
_BUILD_SECONDS = 500

Line = dict[str, Any]

CANNOT = pytest.StashKey[dict[tuple[str, str], str]]()
"""By client and check: why the client cannot make it. Of a whole run."""


class ProgramError(Exception):
    """A program could not be built, or did not end well; the message has the end of what it said."""


@dataclass(frozen=True)
class Program:
    """A program for one language.

    `build` makes it in a folder that it is given, which stays from one run to the next, and returns the command that
    runs it. A client that does not show what others do has an entry in `differs`, by its name and the check's: what is
    wanted of it instead, and why. `own` are checks that only its clients make.
    """

    language: str
    tools: tuple[str, ...]
    build: Callable[[Path], list[str]]
    clients: dict[str, Client]
    differs: dict[tuple[str, str], tuple[Any, str]] = field(default_factory=dict)
    own: tuple[Check, ...] = ()

    def missing_tools(self) -> list[str]:
        """The tools that are not here."""
        return [tool for tool in self.tools if shutil.which(tool) is None]

    def command(self) -> list[str]:
        """Build the program; gives the command to run it, without arguments."""
        folder = CACHE / self.language
        folder.mkdir(parents=True, exist_ok=True)
        return self.build(folder)


def run(*command: str, folder: Path | None = None, seconds: float = _BUILD_SECONDS, **variables: str) -> str:
    """Run a command to its end; gives what it printed. Raises `ProgramError` where it fails or does not end."""
    environment = {**os.environ, **variables}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b"").decode(errors="replace") + (late.stdout or b"").decode(errors="replace")
        raise ProgramError(f"{command[0]} did not end within {seconds} s: {said[-3000:]}") from None
    if done.returncode != 0:
        raise ProgramError(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def lines(command: list[str], config: dict[str, Any], folder: Path) -> list[Line]:
    """What a program saw, in its order."""
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    return [json.loads(line) for line in run(*command, str(file), seconds=RUN_SECONDS).splitlines() if line]
