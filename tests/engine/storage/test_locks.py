"""Who is writing, told by locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.storage import locks


def test_what_its_last_writer_removes_meanwhile_is_not_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other writers may have made another mark by then, whose files are not to be swept."""
    mark = tmp_path / "mark"
    lock = locks._lock_now

    def late(descriptor: int) -> bool:
        mark.rename(tmp_path / "gone")
        mark.touch()
        return lock(descriptor)

    mark.touch()
    with locks.take_if_free(mark) as free:
        assert free
    monkeypatch.setattr(locks, "_lock_now", late)
    with locks.take_if_free(mark) as free:
        assert not free
