"""What becomes of a Lance table whose care is ended in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lance
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, DataCorruptError, TableExistsError, UnknownTableError
from engine.storage import DirectoryStorage, WriteMode
from engine.storage.indexes import IndexDefinition
from engine.storage.lance_care import LanceCare
from engine.storage.lance_commits import as_writer
from engine.storage.lance_failures import versions_of
from tests.engine.storage.reading import MAIN_T, as_if_long_ago, numbers, put, read_all
from tests.harness.waiting import until

ROWS = 60

KILLED = """
import os, signal, sys
from datetime import timedelta

from engine.storage import DirectoryStorage, lance_care
from engine.storage.protocol import TableName

folder, step = sys.argv[1:]
storage, name = DirectoryStorage(folder), TableName("main", "t")
compaction, dataset = lance_care.Compaction, lance_care.lance.LanceDataset


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def and_die(work):
    return lambda *given, **named: (work(*given, **named), die())


class Compaction:
    plan = staticmethod(compaction.plan)
    commit = staticmethod(die if step == "optimize before" else and_die(compaction.commit))


lance_care.Compaction = Compaction
dataset.restore = die if step == "restore before" else and_die(dataset.restore)
care = storage.care(name)
if step.startswith("optimize"):
    care.optimize()
else:
    care.restore(storage.snapshot().table(name, "1"))
"""


@pytest.mark.parametrize(
    ("step", "version", "rows"),
    [
        ("optimize before", 6, ROWS),
        ("optimize after", 8, ROWS),
        ("restore before", 6, ROWS),
        ("restore after", 7, ROWS // 6),
    ],
)
def test_care_that_is_killed_leaves_the_old_version_or_the_new_one(
    tmp_path: Path, step: str, version: int, rows: int
) -> None:
    storage = DirectoryStorage(tmp_path)
    for start in range(0, ROWS, ROWS // 6):
        put(storage, numbers(start, start + ROWS // 6), WriteMode.CREATE_APPEND)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), step], cwd=Path(__file__).parents[3], timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    found = storage.snapshot().table(MAIN_T)
    assert found.version == str(version)
    assert sorted(read_all(storage, found)) == [(i,) for i in range(rows)]
    put(storage, numbers(ROWS, ROWS + 1), WriteMode.APPEND)
    path = tmp_path / "t.lance"
    files = len(list((path / "data").iterdir()))
    named = {file.path for v in lance.dataset(str(path)).versions() for file in data_files(path, int(v["version"]))}
    as_if_long_ago(path)
    told = storage.care(MAIN_T).vacuum(timedelta(days=7), tuple)
    assert (told.versions_removed, told.files_removed) == (0, files - len(named))
    assert {file.name for file in (path / "data").iterdir()} == named
    assert sorted(read_all(storage, storage.snapshot().table(MAIN_T))) == [*((i,) for i in range(rows)), (ROWS,)]


def test_the_folders_of_indexes_that_are_gone_go(tmp_path: Path) -> None:
    storage, path = DirectoryStorage(tmp_path), tmp_path / "t.lance"
    put(storage, numbers(0, ROWS))
    care = storage.care(MAIN_T)
    storage.indexes(storage.snapshot().table(MAIN_T)).create(IndexDefinition("f", "FTS", "s"), Cancellation())
    put(storage, numbers(ROWS, 2 * ROWS), WriteMode.APPEND)
    care.optimize()
    live = lance.dataset(str(path)).describe_indices()[0].segments[0].uuid
    assert care.vacuum(timedelta(0), tuple).versions_removed > 1
    begun = path / "_indices" / "begun"  # by somebody who is about to write into it
    begun.mkdir()
    left = {folder.name for folder in (path / "_indices").iterdir()}
    assert len(left) > 2
    for folder in (path / "_indices").glob("*/**/"):
        if folder != begun:
            os.utime(folder, (time.time() - 2 * 3600,) * 2)
    with as_writer(MAIN_T, path):
        care.vacuum(timedelta(0), tuple)
    assert {folder.name for folder in (path / "_indices").iterdir()} == left
    care.vacuum(timedelta(0), tuple)
    assert {folder.name for folder in (path / "_indices").iterdir()} == {live, "begun"}
    assert lance.dataset(str(path)).scanner(full_text_query="100").to_table().num_rows == 1


def test_who_cancels_does_not_wait_for_lance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, cancellation = DirectoryStorage(tmp_path), Cancellation()
    for start in range(0, ROWS, ROWS // 6):
        put(storage, numbers(start, start + ROWS // 6), WriteMode.CREATE_APPEND)
    at_work, goes_on = threading.Event(), threading.Event()
    update = LanceCare._update_indexes

    def wait_and_update(care: LanceCare) -> int:
        at_work.set()
        goes_on.wait()
        return update(care)

    monkeypatch.setattr(LanceCare, "_update_indexes", wait_and_update)
    canceller = threading.Thread(target=lambda: (at_work.wait(), cancellation.cancel("enough")))
    canceller.start()
    with pytest.raises(CancelledError, match="enough"), cancellation.scope():
        storage.care(MAIN_T).optimize()
    assert not goes_on.is_set()
    goes_on.set()
    canceller.join()
    until(lambda: not (tmp_path / "t.lance" / ".writers").exists())
    assert len(read_all(storage, storage.snapshot().table(MAIN_T))) == ROWS


def test_a_tag_in_a_branch_of_another_tool(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    put(storage, numbers(0, ROWS))
    dataset = lance.dataset(str(tmp_path / "t.lance"))
    dataset.create_branch("side").delete("true")
    dataset.tags.create("theirs", ("side", None))
    care, version = storage.care(MAIN_T), storage.snapshot().table(MAIN_T)
    for replace in (False, True):
        with pytest.raises(TableExistsError, match='has the tag "theirs" already, in a branch'):
            care.create_tag("theirs", version, replace=replace)
    with pytest.raises(UnknownTableError, match='has no tag "theirs"'):
        care.drop_tag("theirs")
    assert (care.tags(), dataset.tags.list()["theirs"]["branch"]) == ([], "side")


def test_versions_that_go_while_they_are_listed(tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    put(storage, numbers(0, ROWS))
    dataset = lance.dataset(str(tmp_path / "t.lance"))
    gone = tmp_path / "t.lance" / "_versions" / f"{2**64 - 3}.manifest"

    class Dataset:
        """One of whose manifests is listed, and not there any more when it is read."""

        uri = dataset.uri

        def versions(self) -> list[dict[str, object]]:
            try:
                return dataset.versions()
            finally:
                gone.unlink(missing_ok=True)

    gone.symlink_to("nowhere")
    assert [version["version"] for version in versions_of(MAIN_T, Dataset())] == [1]
    gone.symlink_to("nowhere")
    with pytest.raises(DataCorruptError):  # where that is so for good
        storage.care(MAIN_T).versions()
    with pytest.raises(DataCorruptError):
        storage.snapshot().table(MAIN_T, at=datetime(2999, 1, 1, tzinfo=UTC))


def test_files_that_no_version_names_for_a_week_go(tmp_path: Path) -> None:
    """As an index that Lance wrote for a commit of OPTIMIZE which came too late; also where no version goes."""
    storage = DirectoryStorage(tmp_path)
    put(storage, numbers(0, ROWS))
    files = [tmp_path / "t.lance" / part for part in ("_indices/a/page_data.lance", "data/a.lance", "data/b.lance")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"lost")
    for file in files[:2]:
        os.utime(file, (time.time() - 8 * 24 * 3600,) * 2)
    told = storage.care(MAIN_T).vacuum(timedelta(0), tuple)
    assert (told.versions_removed, told.files_removed, told.versions_left) == (0, 2, 1)
    assert [file.exists() for file in files] == [False, False, True]
    assert len(read_all(storage, storage.snapshot().table(MAIN_T))) == ROWS


def data_files(path: Path, version: int) -> list[lance.fragment.DataFile]:
    """The data files of a version."""
    return [
        f for fragment in lance.dataset(str(path), version=version).get_fragments() for f in fragment.metadata.files
    ]
