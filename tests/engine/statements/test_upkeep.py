"""Tables that are changed are optimised by themselves, and old versions of them go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import StorageError
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.statements.upkeep import Thresholds, Upkeep
from engine.storage import DirectoryStorage, WriteMode, lance_care
from engine.storage.care import LayoutFacts
from local_runtime import LocalRuntime
from tests.harness.waiting import until

OFTEN = Thresholds(statements=4, rows=100, fragments=8, seconds=0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        yield Database(runtime)


@pytest.fixture
def look_after(database: Database) -> Iterator[Callable[..., Upkeep]]:
    """Begins to look after the database's tables, until the test ends."""
    made: list[Upkeep] = []

    def begin(*, optimizes: bool = True, retain: timedelta | None = None) -> Upkeep:
        made.append(database.look_after(optimizes=optimizes, retain=retain, thresholds=OFTEN))
        return made[-1]

    yield begin
    for upkeep in made:
        upkeep.close()


def run(database: Database, text: str) -> int:
    return database.run(StatementContext(Session()), database.parse(text))


def fragments(database: Database, table: str = "t") -> int:
    return len(lance.dataset(str(dataset_path(database, table))).get_fragments())


def dataset_path(database: Database, table: str = "t") -> Path:
    assert database.folder is not None
    return database.folder / f"{table}.lance"


def test_many_small_inserts_become_few_fragments(
    database: Database, look_after: Callable[..., Upkeep], caplog: pytest.LogCaptureFixture
) -> None:
    look_after()
    run(database, "CREATE TABLE t (i INTEGER)")
    with caplog.at_level(logging.INFO, "grism.upkeep"):
        for i in range(24):
            run(database, f"INSERT INTO t VALUES ({i})")
        until(lambda: fragments(database) < 16 and caplog.records)
    assert caplog.records[0].message == "optimized"
    assert caplog.records[0].__dict__["fields"]["table"] == "main.t"
    with database.sql("SELECT count(*), sum(i)::INT AS s FROM t") as result:
        assert [tuple(row.values()) for row in result.read_all().to_pylist()] == [(24, 276)]


def test_deletions_and_uploads_count(database: Database, look_after: Callable[..., Upkeep]) -> None:
    look_after()
    run(database, "CREATE TABLE t AS SELECT i FROM range(1000) r(i)")
    run(database, "DELETE FROM t WHERE i < 500")
    until(lambda: lance.dataset(str(dataset_path(database))).stats.dataset_stats()["num_deleted_rows"] == 0)
    target = database.catalog.upload_target(Session(), ("t",), WriteMode.APPEND)[0]
    for _ in range(24):
        data = pa.table({"i": pa.array([1], pa.int64())})
        database.loads.store(target, data.to_reader(), WriteMode.APPEND, Cancellation())
    until(lambda: fragments(database) < 16)


def test_old_versions_go(database: Database, look_after: Callable[..., Upkeep]) -> None:
    look_after(optimizes=False, retain=timedelta(0))
    run(database, "CREATE TABLE t (i INTEGER)")
    for i in range(8):
        run(database, f"INSERT INTO t VALUES ({i})")
    until(lambda: len(lance.dataset(str(dataset_path(database))).versions()) < 6)
    assert fragments(database) == 8


def test_what_fails_is_told_and_not_tried_again_and_again(
    database: Database,
    look_after: Callable[..., Upkeep],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[LayoutFacts] = []
    tried: list[LayoutFacts] = []
    layout = lance_care.LanceCare.layout

    def look(care: lance_care.LanceCare) -> LayoutFacts:
        looked.append(layout(care))
        return looked[-1]

    def fail(*_: object) -> None:
        tried.append(looked[-1])
        raise StorageError("The disk is full.")

    monkeypatch.setattr(lance_care.LanceCare, "_compact", fail)
    monkeypatch.setattr(lance_care.LanceCare, "layout", look)
    look_after()
    run(database, "CREATE TABLE t (i INTEGER)")
    with caplog.at_level(logging.WARNING, "grism.upkeep"):
        for round in range(1, 6):
            for i in range(OFTEN.statements):
                run(database, f"INSERT INTO t VALUES ({i})")
            until(lambda round=round: len(looked) == round)
        until(lambda: len(caplog.records) == 2)
    assert [facts.excess_fragments for facts in looked] == [3, 7, 11, 15, 19]
    assert [facts.excess_fragments for facts in tried] == [11, 19]  # at 15 there were only four more than at the first
    assert {record.message for record in caplog.records} == {"upkeep failed"}


def test_nothing_begins_once_it_is_stopped(database: Database, look_after: Callable[..., Upkeep]) -> None:
    upkeep = look_after()
    upkeep.close()
    run(database, "CREATE TABLE t (i INTEGER)")
    for i in range(24):
        run(database, f"INSERT INTO t VALUES ({i})")
    upkeep.close()
    assert fragments(database) == 24


@pytest.mark.parametrize(
    ("now", "left", "reached"),
    [
        (LayoutFacts(1000, 100), LayoutFacts(), True),
        (LayoutFacts(1000, 99), LayoutFacts(), False),
        (LayoutFacts(1000, 150), LayoutFacts(900, 60), False),
        (LayoutFacts(200_000, 0, 20_000), LayoutFacts(), True),
        (LayoutFacts(200_000, 0, 19_999), LayoutFacts(), False),
        (LayoutFacts(200_000, 0, 25_000), LayoutFacts(200_000, 0, 15_000), False),
        (LayoutFacts(200_000, 0, 0, 20_000), LayoutFacts(), True),
    ],
)
def test_when_it_pays(now: LayoutFacts, left: LayoutFacts, reached: bool) -> None:
    assert Thresholds().is_reached(now, left) == reached
