"""Who may make, drop and see indexes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ForbiddenError, GrismError, UnknownIndexError, UnknownTableError
from engine.rights import Action, Grants, Identity, Rights, grant
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime


def _session(*grants: tuple[str, Action]) -> Session:
    rights = Rights({"some": tuple(grant(pattern, action) for pattern, action in grants)})
    return Session(grants=Grants(rights, Identity("ann", frozenset({"some"}))))


def test_rights(tmp_path: Path) -> None:
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        database = Database(runtime)

        def run(text: str, session: Session) -> list[dict[str, object]]:
            with database.sql(text, context=StatementContext(session)) as result:
                rows: list[dict[str, object]] = result.read_all().to_pylist()
                return rows

        everything = Session()
        for table in ("own", "other"):
            run(f"CREATE TABLE {table} AS SELECT 1 AS a", everything)
        run("CREATE INDEX i ON other (a)", everything)
        owner, writer = _session(("main.own", Action.ADMIN)), _session(("main.own", Action.WRITE))
        run("CREATE INDEX i ON own (a)", owner)
        assert [row["name"] for row in run("SHOW INDEXES FROM own", writer)] == ["i"]
        assert [row["table_name"] for row in run("SELECT table_name FROM duckdb_indexes()", writer)] == ["own"]
        for text in ("CREATE INDEX j ON own (a)", "DROP INDEX i ON own", "DROP INDEX i", "EXPLAIN DROP INDEX i"):
            with pytest.raises(ForbiddenError):
                run(text, writer)
        for text in ("SHOW INDEXES FROM other", "CREATE INDEX j ON other (a)", "DROP INDEX i ON other"):
            with pytest.raises(UnknownTableError):  # who may not read a table is not told of it
                run(text, owner)
        run("DROP INDEX i", owner)  # which is the only one that the session sees
        with pytest.raises(UnknownIndexError):
            run("DROP INDEX i", owner)
        with pytest.raises(GrismError):
            run("SHOW INDEXES FROM information_schema.nowhere", owner)
        assert [row["name"] for row in run("SHOW INDEXES FROM other", everything)] == ["i"]
