"""What is left where a process dies between two steps of a change of names, at each of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lance
import pytest

from engine.errors import UnknownTableError
from engine.sql.views import View
from engine.statements.stored_views import StoredViews
from engine.storage import DirectoryStorage, Storage, TableName, WriteMode
from tests.engine.storage.reading import numbers, put, read_all

A, B, C = (TableName("main", name) for name in "abc")
VIEW = View(A, "SELECT 1 AS x")
V = TableName("s", "v")
IN_S = [TableName("s", "t"), TableName("s", "u"), V]

# Makes each change in copies of its folder, each time in a process that dies one step later; the last one lives.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.statements.stored_views import StoredViews
from engine.storage import DirectoryStorage, TableName
from local_runtime import LocalRuntime


def run(root, text):
    database = Database(LocalRuntime(DirectoryStorage(root)))
    database.run(StatementContext(Session()), database.parse(text))


a, b = TableName("main", "a"), TableName("main", "b")
changes = {
    "renamed": lambda root: DirectoryStorage(root).rename(a, "b"),
    "renamed over a dropped one": lambda root: DirectoryStorage(root).rename(a, "b"),
    "view": lambda root: StoredViews(root).rename(a, b),
    "schema": lambda root: run(root, "DROP SCHEMA s CASCADE"),
    "schema again": lambda root: run(root, "CREATE SCHEMA s"),
}
left = 0


def die_at_its_step(event, arguments):
    global left
    if event not in ("open", "os.remove", "os.rmdir", "os.rename", "os.truncate"):
        return
    if not isinstance(arguments[0], int) and not str(arguments[0]).startswith(sys.argv[1]):
        return  # what others have left elsewhere, as of temporary files, is swept sooner or later
    opened = event == "open" and isinstance(arguments[0], str) and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
    gone = event in ("os.remove", "os.rmdir") and arguments[1] == -1  # not what is in a folder that goes
    if event in ("os.rename", "os.truncate") or gone or opened:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(die_at_its_step)
for name, change in changes.items():
    status, step = None, 0
    while status != 0:
        step += 1
        root = Path(sys.argv[1], name, str(step))
        shutil.copytree(root.with_name("before"), root)
        child = os.fork()  # none of Lance's threads has begun
        if not child:
            left = step
            change(root)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL), status
"""


def make_schema(storage: DirectoryStorage, root: Path) -> None:
    """A schema with two tables, a third that was dropped, and a view."""
    storage.create_schema("s")
    for table in ("t", "u", "gone"):
        put(storage, numbers(5, 9), name=TableName("s", table))
    storage.drop(TableName("s", "gone"))
    StoredViews(root).create(View(V, "FROM s.t"), replace=False)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Path]]:
    """What each change leaves where it is killed at its first, second, ... step, and last where it ends."""
    folder = tmp_path_factory.mktemp("killed")
    for change in ("renamed", "renamed over a dropped one", "view", "schema", "schema again"):
        root = folder / change / "before"
        root.mkdir(parents=True)
        if change == "view":
            StoredViews(root).create(VIEW, replace=False)
            continue
        storage = DirectoryStorage(root)
        put(storage, numbers(0, 3), name=A)
        lance.dataset(str(root / "a.lance")).create_scalar_index("i", "BTREE", name="x")
        if change == "renamed over a dropped one":
            put(storage, numbers(5, 9), name=B)
            storage.drop(B)
        if change.startswith("schema"):
            make_schema(storage, root)
        if change == "schema again":
            storage.drop_schema("s", IN_S)  # which knows of no views, as if it was killed then
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=True, timeout=120)

    def steps(change: str) -> list[Path]:
        found = sorted(int(path.name) for path in (folder / change).iterdir() if path.name != "before")
        assert len(found) > 2
        return [folder / change / str(step) for step in found]

    return steps


class Living(DirectoryStorage):
    """The storage of a process that was there before the other died, so that it has removed nothing at its start."""

    def _sweep(self) -> None:
        """Leave everything."""


def table_of(storage: Storage, root: Path) -> TableName:
    """The only table, which has all its rows and its index."""
    (name,) = storage.tables()
    for other in {A, B} - {name}:
        with pytest.raises(UnknownTableError):
            storage.snapshot().table(other)
    assert read_all(storage, storage.snapshot().table(name)) == [(0,), (1,), (2,)]
    assert [index.name for index in lance.dataset(str(root / f"{name.table}.lance")).describe_indices()] == ["x"]
    return name


def drop_it(storage: Storage, name: TableName) -> list[TableName]:
    storage.drop(name)
    return []


def use_both_names(storage: Storage, name: TableName) -> list[TableName]:
    (other,) = {A, B} - {name}
    put(storage, numbers(7, 8), name=other)
    assert read_all(storage, storage.snapshot().table(other)) == [(7,)]
    put(storage, numbers(3, 4), WriteMode.APPEND, name)
    assert len(read_all(storage, storage.snapshot().table(name))) == 4
    storage.rename(name, "c")
    return [other, C]


@pytest.mark.parametrize(
    ("change", "then"), [("renamed", drop_it), ("renamed over a dropped one", use_both_names)], ids=["new", "dropped"]
)
def test_a_table_has_one_name_at_any_step(
    killed: Callable[[str], list[Path]], change: str, then: Callable[[Storage, TableName], list[TableName]]
) -> None:
    """In a process that goes on, whatever it does then, and in one that starts, which leaves no trace of all that."""
    names = []
    for root in killed(change):
        storage = Living(root)
        names.append(table_of(storage, root))
        left = then(storage, names[-1])
        assert storage.tables() == left
        assert DirectoryStorage(root).tables() == left
        assert not [item.name for item in root.iterdir() if item.name.startswith(".")]
        assert not any(mark.read_text() for mark in root.glob("*/.dropped"))
    assert names == sorted(names)
    assert set(names) == {A, B}


def test_a_view_has_one_name_at_any_step(killed: Callable[[str], list[Path]]) -> None:
    names = []
    for root in killed("view"):
        views = StoredViews(root)
        (found,) = views.all()
        assert (found.query, views.has(found.name)) == (VIEW.query, True)
        names.append(found.name)
        views.rename(found.name, C)
        views.create(VIEW, replace=False)
        assert [each.name for each in views.all()] == [A, C]
        assert len(list((root / ".views").iterdir())) == 2
    assert names == sorted(names)
    assert set(names) == {A, B}


def what_is_there(storage: DirectoryStorage, views: StoredViews) -> list[TableName]:
    return [*storage.tables("s"), *(view.name for view in views.all())]


def test_a_schema_goes_in_one_step_with_what_is_in_it(killed: Callable[[str], list[Path]]) -> None:
    """All of it is there or nothing, and it can be made again, empty, or goes from the disk."""
    left = []
    for root in killed("schema"):
        storage, views = Living(root), StoredViews(root)
        storage.share_names(views)
        left.append(what_is_there(storage, views))
        assert ("s" in storage.schemas()) == bool(left[-1]) == views.has(V) == (views.find(V) is not None)
        if left[-1]:
            assert read_all(storage, storage.snapshot().table(IN_S[0])) == [(5,), (6,), (7,), (8,)]
            continue
        swept = shutil.copytree(root, root.with_name(f"{root.name} swept"))
        os.utime(swept / "s.schema" / ".dropped", (0, 0))
        DirectoryStorage(swept).share_names(StoredViews(swept))
        assert {item.name for item in swept.iterdir()} - {".views"} == {"a.lance"}
        assert list((swept / ".views").iterdir()) == []
        storage.create_schema("s")
        assert what_is_there(storage, views) == []
        put(storage, numbers(0, 1), name=IN_S[0])
        assert read_all(storage, storage.snapshot().table(IN_S[0])) == [(0,)]
    assert left == [IN_S] * left.count(IN_S) + [[]] * left.count([])
    assert left.count(IN_S)
    assert left.count([])


def test_a_schema_that_is_made_again_is_empty_at_any_step(killed: Callable[[str], list[Path]]) -> None:
    for root in killed("schema again"):
        storage, views = Living(root), StoredViews(root)
        storage.share_names(views)
        assert what_is_there(storage, views) == []
        if "s" not in storage.schemas():
            storage.create_schema("s")
        put(storage, numbers(0, 1), name=IN_S[1])
        assert what_is_there(storage, views) == IN_S[1:2]
        views.create(View(V, "FROM s.u"), replace=False)
        assert what_is_there(storage, views) == IN_S[1:]


def test_a_schema_that_was_made_again_in_another_case_keeps_its_views(tmp_path: Path) -> None:
    storage, views = DirectoryStorage(tmp_path, keep_dropped=0.0), StoredViews(tmp_path)
    make_schema(storage, tmp_path)
    storage.share_names(views)
    storage.drop_schema("s", IN_S)
    storage.create_schema("S")
    assert what_is_there(storage, views) == []
    view = View(TableName("S", "v"), "SELECT 1 AS x")
    views.create(view, replace=False)
    os.utime(tmp_path / "s.schema" / ".dropped", (0, 0))
    DirectoryStorage(tmp_path).share_names(views)
    assert {item.name for item in tmp_path.iterdir()} == {"S.schema", ".views"}
    assert views.all() == [view]
