"""Where the shell keeps what was typed: in the user's state folder, for nobody else to read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

__all__ = ["history_path", "open_history"]


def history_path(environment: Mapping[str, str]) -> Path:
    """`grism/history` in the state folder, as the XDG rules have it: a relative one counts for nothing."""
    state = Path(environment.get("XDG_STATE_HOME", ""))
    folder = state if state.is_absolute() else Path.home() / ".local" / "state"
    return folder / "grism" / "history"


def open_history(path: Path) -> History:
    """The history in a file of mode 0600, or, where none can be written, one that ends with the process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
