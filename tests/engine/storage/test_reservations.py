"""A change that takes long comes to its end, however often others change the table meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import grism
from engine.cancellation import Cancellation
from engine.errors import CancelledError
from engine.storage import DirectoryStorage, WriteMode
from engine.storage.lance_indexes import LanceIndexes
from engine.storage.reservations import RESERVED, commit_lock, reserve
from tests.engine.storage.reading import MAIN_T, numbers, put, read_all


def outrun(
    monkeypatch: pytest.MonkeyPatch, mark: Path, place: type, method: str, meanwhile: Callable[[], object]
) -> list[threading.Thread]:
    """Has somebody do something just before each call of a method; all of them, also who waits for its end."""
    call, others = getattr(place, method), []

    def be_outrun(*arguments: Any) -> Any:
        others.append(threading.Thread(target=meanwhile))
        others[-1].start()
        while others[-1].is_alive() and not mark.exists():
            others[-1].join(0.01)
        return call(*arguments)

    monkeypatch.setattr(place, method, be_outrun)
    return others


APPEND, UPDATE = "INSERT INTO t (i, s) VALUES (7, 'x')", "UPDATE t SET s = s || '!'"


@pytest.mark.parametrize(
    ("statement", "place", "method", "meanwhile", "rows"),
    [
        ("ALTER TABLE t ALTER i TYPE DOUBLE", DirectoryStorage, "alter", APPEND, 3 + 4),
        ("ALTER TABLE t ADD COLUMN z INTEGER DEFAULT 3", DirectoryStorage, "alter", APPEND, 3 + 4),
        ("CREATE INDEX x ON t (s)", LanceIndexes, "commit", UPDATE, 3),
    ],
)
def test_who_is_outrun_again_and_again_has_the_table_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, place: type, method: str, meanwhile: str, rows: int
) -> None:
    put(DirectoryStorage(tmp_path), numbers(0, 3))
    mark = tmp_path / "t.lance" / RESERVED
    with grism.connect(tmp_path) as db, grism.connect(tmp_path) as other:
        others = outrun(monkeypatch, mark, place, method, lambda: other.sql(meanwhile))
        db.sql(statement)
        assert len(others) == 4
        for thread in others:
            thread.join()
        found = other.sql("SELECT i FROM t ORDER BY i").to_arrow()["i"].to_pylist()
        assert found == [0, 1, 2, *[7] * (rows - 3)]
    assert not mark.exists()


def test_a_reservation_ends_with_its_process_and_a_wait_with_its_cancellation(tmp_path: Path) -> None:
    storage, path = DirectoryStorage(tmp_path), tmp_path / "t.lance"
    put(storage, numbers(0, 2))
    (path / RESERVED).touch()  # as a process leaves it that was killed
    put(storage, numbers(2, 3), WriteMode.APPEND)
    assert not (path / RESERVED).exists()
    cancellation, errors = Cancellation(), []

    def wait() -> None:
        try:
            with cancellation.scope(), commit_lock(path):
                pytest.fail("the table was not reserved")
        except CancelledError as error:
            errors.append(error)

    with reserve(path):
        put(storage, numbers(3, 4), WriteMode.APPEND)
        waiting = threading.Thread(target=wait)
        waiting.start()
        cancellation.cancel()
        waiting.join(60)
    assert len(errors) == 1
    assert len(read_all(storage, storage.snapshot().table(MAIN_T))) == 4
