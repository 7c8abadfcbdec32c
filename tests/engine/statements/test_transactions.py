"""BEGIN, COMMIT and ROLLBACK where they are ignored: nothing is ever said to be taken back that was not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidValueError, UnsupportedError
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime

Run = Callable[[str], int]


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[LocalRuntime]:
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        yield runtime


def in_session(database: Database) -> Run:
    session = Session()
    return lambda text: database.run(StatementContext(session), database.parse(text))


def test_a_rollback_fails_where_something_has_changed(runtime: LocalRuntime) -> None:
    run = in_session(Database(runtime, ignores_transactions=True))
    assert run("BEGIN") == 0
    assert run("ROLLBACK") == 0
    run("BEGIN TRANSACTION")
    run("CREATE TABLE t (a INTEGER)")
    run("INSERT INTO t VALUES (1)")
    with pytest.raises(UnsupportedError, match="by 2 statements: there are no transactions here, and it stays"):
        run("ROLLBACK")
    assert run("ABORT") == 0  # what it was told of is done with
    assert run("UPDATE t SET a = 2") == 1


def test_a_commit_closes_what_begin_opened(runtime: LocalRuntime) -> None:
    run = in_session(Database(runtime, ignores_transactions=True))
    run("CREATE TABLE t (a INTEGER)")
    assert run("ROLLBACK") == 0  # of nothing: the table came before any BEGIN
    run("START TRANSACTION")
    run("INSERT INTO t VALUES (1)")
    assert run("COMMIT") == 0
    assert run("ROLLBACK") == 0
    run("BEGIN")
    run("SET timeout = 5")  # which is none of the data
    assert run("ROLLBACK") == 0


def test_a_session_chooses(runtime: LocalRuntime) -> None:
    run = in_session(Database(runtime))
    for text in ("BEGIN", "COMMIT", "ROLLBACK"):
        with pytest.raises(UnsupportedError, match=r"There are no transactions here.*SET transactions = 'ignore'"):
            run(text)
    run("SET transactions = 'ignore'")
    assert run("BEGIN") == 0
    run("SET transactions = 'refuse'")
    with pytest.raises(UnsupportedError, match="no transactions"):
        run("COMMIT")
    with pytest.raises(InvalidValueError, match='transactions cannot be \'undo\': it is "refuse" or "ignore"'):
        run("SET transactions = 'undo'")
    ignoring = in_session(Database(runtime, ignores_transactions=True))
    ignoring("SET transactions = 'refuse'")
    with pytest.raises(UnsupportedError, match="no transactions"):
        ignoring("BEGIN")
    ignoring("RESET transactions")
    assert ignoring("BEGIN") == 0


def test_a_schema_goes_with_what_is_in_it(runtime: LocalRuntime) -> None:
    database = Database(runtime)
    run = in_session(database)
    for text in ("CREATE SCHEMA s", "CREATE TABLE s.t (a INTEGER)", "CREATE VIEW s.v AS FROM s.t"):
        run(text)
    with pytest.raises(Exception, match="not empty"):
        run("DROP SCHEMA s")
    run("DROP SCHEMA s CASCADE")
    assert database.catalog.schemas(Session()) == ["main"]
    assert database.catalog.relations(Session()) == []
    assert run("DROP SCHEMA IF EXISTS s CASCADE") == 0
