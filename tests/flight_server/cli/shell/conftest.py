"""A server whose tables may change, and shells on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.flight_server.conftest import Served
from tests.harness.server import serve
from tests.harness.terminal import Terminal

PROMPT = "grism>"  # the space behind it is a move of the cursor


@pytest.fixture(scope="package")
def changing(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over nation and region."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "data").mkdir()
    for name in ("nation", "region"):
        shutil.copy(tpch_dir / f"{name}.parquet", folder / "data")
    with serve(folder / "data", folder / "server.log", "--threads", "1") as (uri, pid):
        yield Served(uri, pid, folder / "data")


@pytest.fixture
def open_shell(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Opens a shell at a terminal with some arguments, and waits for its prompt. `tmp_path` has its state."""
    with ExitStack() as stack:

        def opened(*arguments: str, is_launched: bool = True) -> Terminal:
            state = {"XDG_STATE_HOME": str(tmp_path / "state")}
            terminal = Terminal(arguments, state, is_launched=is_launched)
            stack.callback(terminal.close)
            terminal.read_until(PROMPT)
            return terminal

        yield opened


@pytest.fixture(scope="module")
def shell(changing: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A shell on the server that the tests of a module share; each leaves it at an empty prompt."""
    state = tmp_path_factory.mktemp("state")
    terminal = Terminal(["shell", "--uri", changing.uri], {"XDG_STATE_HOME": str(state)})
    try:
        terminal.read_until(PROMPT)
        yield terminal
    finally:
        terminal.close()
