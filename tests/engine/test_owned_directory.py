from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.owned_directory import OwnedDirectory, disown, sweep

OWN = """
import sys
from pathlib import Path
from engine.owned_directory import OwnedDirectory
own = OwnedDirectory(Path(sys.argv[1]), "own-")
(own.path / "data").write_text("rows")
print(own.path, flush=True)
sys.stdin.read()
"""


def test_a_living_owner_is_left_alone_and_a_dead_one_is_swept(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWN, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        assert sweep(tmp_path, "own-") == 0
        assert (path / "data").read_text() == "rows"
        process.kill()
        process.wait(10)
    assert sweep(tmp_path, "own-") == 1
    assert list(tmp_path.iterdir()) == []


def test_own_directories_are_not_swept_and_go_when_removed(tmp_path: Path) -> None:
    first, second = OwnedDirectory(tmp_path, "own-"), OwnedDirectory(tmp_path, "own-")
    assert first.path != second.path
    assert sweep(tmp_path, "own-") == 0
    first.remove()
    first.remove()
    assert second.path.is_dir()
    second.remove()
    assert list(tmp_path.iterdir()) == []


def test_who_is_given_up_for_dead_loses_its_directories_and_nobody_else(tmp_path: Path) -> None:
    dead = OwnedDirectory(tmp_path, "own-c-w1-0-")
    living = [OwnedDirectory(tmp_path, f"own-c-w{i}-") for i in ("1-1", "10-0")]
    (dead.path / "data").write_text("rows")
    disown(tmp_path, "own-c-w1-0-")
    disown(tmp_path / "none", "own-c-")
    assert not dead.path.exists()
    assert all(one.path.is_dir() for one in living)
    for one in (dead, *living):
        one.remove()
    assert list(tmp_path.iterdir()) == []


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other.lock").touch()
    (tmp_path / "own-link").mkdir()
    (tmp_path / "own-link.lock").symlink_to("other.lock")
    assert sweep(tmp_path, "own-") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"other", "other.lock", "own-link", "own-link.lock"}


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none", "own-") == 0


def test_what_belongs_to_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One can be made, also where the file system says that it is another's, but is not swept."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: os.getuid() + 1)
        own = OwnedDirectory(tmp_path, "own-")
        os.close(own._lock)
        assert sweep(tmp_path, "own-") == 0
    assert own.path.is_dir()
    assert sweep(tmp_path, "own-") == 1
