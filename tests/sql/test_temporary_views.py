"""CREATE TEMP VIEW: views of a session, over its temporary tables too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from engine.errors import GrismError, TableExistsError, UnknownTableError
from engine.rights import Action, Grants, Identity, Rights, grant
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from tests.harness.runtimes import SqlRuntime

Rows = list[tuple[object, ...]]
Ask = Callable[..., Rows]


@pytest.fixture
def ask(runtime: SqlRuntime) -> Iterator[Ask]:
    """Statements in a session, over a table `tv_base`."""
    database, session = Database(runtime), Session()

    def ask(text: str, of: Session = session) -> Rows:
        parsed = database.parse(text)
        context = StatementContext(of)
        if parsed.has_effects:
            return [(database.run(context, parsed),)]
        with database.ask(of, parsed).open(context) as result:
            return [tuple(row.values()) for row in result.read_all().to_pylist()]

    ask("CREATE TABLE tv_base AS SELECT i AS a FROM range(5) r(i)")
    yield ask
    ask("DROP TABLE tv_base")
    ask("DROP VIEW IF EXISTS main.tv_shown")
    session.end()


def test_it_belongs_to_its_session(ask: Ask) -> None:
    ask("CREATE TEMP VIEW tv (x) AS SELECT a FROM tv_base WHERE a > 2")
    assert ask("SELECT x FROM tv ORDER BY x") == [(3,), (4,)]
    assert ask("SELECT sum(temp.main.tv.x) FROM temp.main.tv JOIN tv_base ON x = a") == [(7,)]
    with pytest.raises(UnknownTableError):
        ask("SELECT * FROM tv", Session())
    ask("CREATE OR REPLACE TEMPORARY VIEW tv AS SELECT 1 AS y")
    assert ask("SELECT * FROM tv") == [(1,)]
    assert ask("CREATE TEMP VIEW IF NOT EXISTS tv AS SELECT 2 AS y") == [(0,)]
    assert [row[0] for row in ask("DESCRIBE tv")] == ["y"]
    assert ask("SELECT view_name, temporary, database_name, sql FROM duckdb_views() WHERE temporary") == [
        ("tv", True, "temp", 'CREATE TEMP VIEW "tv" AS SELECT 1 AS y;')
    ]
    assert ask("SELECT table_type FROM information_schema.tables WHERE table_name = 'tv'") == [("VIEW",)]
    ask("DROP VIEW tv")
    with pytest.raises(UnknownTableError):
        ask("SELECT * FROM tv")


def test_it_hides_and_reads_what_is_temporary(ask: Ask) -> None:
    ask("CREATE VIEW tv_shown AS SELECT 'stored' AS a")
    ask("CREATE TEMP TABLE tv_own AS SELECT 10 AS a")
    ask("CREATE TEMP VIEW tv_shown AS SELECT a FROM tv_own UNION ALL SELECT a FROM tv_base WHERE a = 1")
    assert ask("SELECT a FROM tv_shown ORDER BY a") == [(1,), (10,)]
    assert ask("SELECT a FROM main.tv_shown") == [("stored",)]
    ask("CREATE TEMP VIEW tv_over AS SELECT count(*) AS n FROM tv_shown")
    assert ask("SELECT n FROM tv_over") == [(2,)]
    ask("DROP VIEW tv_shown")  # the temporary one
    assert ask("SELECT a FROM tv_shown") == [("stored",)]
    assert ask("SELECT n FROM tv_over") == [(1,)]
    with pytest.raises(UnknownTableError):
        ask("CREATE VIEW tv_stays AS SELECT * FROM tv_own")  # which would outlive it


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("CREATE TEMP VIEW tv AS SELECT 2", TableExistsError, "there already"),
        ("CREATE TEMP VIEW tt AS SELECT 2", TableExistsError, "temporary table"),
        ("CREATE TEMP TABLE tv AS SELECT 2 AS a", TableExistsError, "view"),
        ("INSERT INTO tv VALUES (1)", TableExistsError, "is a view"),
        ("DROP TABLE tv", TableExistsError, "is a view"),
        ("ALTER VIEW tv RENAME TO tt", TableExistsError, "temporary table"),
        ("ALTER TABLE tt RENAME TO tv", TableExistsError, "there already"),
        ("CREATE TEMP VIEW main.other AS SELECT 2", UnknownTableError, 'no schema but "temp"'),
        ("CREATE TEMP VIEW other AS SELECT nope FROM tv_base", GrismError, "nope"),
        ("CREATE OR REPLACE TEMP VIEW tv AS SELECT * FROM tv", GrismError, "reads itself"),
    ],
)
def test_what_is_refused(ask: Ask, text: str, error: type[GrismError], message: str) -> None:
    ask("CREATE TEMP VIEW tv AS SELECT 1 AS a")
    ask("CREATE TEMP TABLE tt AS SELECT 3 AS a")
    with pytest.raises(error, match=message):
        ask(text)
    assert ask("SELECT * FROM tv UNION ALL SELECT * FROM tt ORDER BY a") == [(1,), (3,)]
    ask("ALTER VIEW tv RENAME TO tw")
    assert ask("SELECT * FROM temp.tw") == [(1,)]


def test_a_reader_makes_them_over_what_they_may_read(ask: Ask) -> None:
    rights = Rights({"some": (grant("main.tv_base", Action.READ),)})
    reader = Session(grants=Grants(rights, Identity("ann", frozenset({"some"}))))
    ask("CREATE TEMP VIEW own AS SELECT max(a) AS m FROM tv_base", reader)
    assert ask("SELECT m FROM own", reader) == [(4,)]
    ask("DROP VIEW own", reader)
    with pytest.raises(GrismError):
        ask("CREATE VIEW own AS SELECT 1", reader)
    reader.end()
