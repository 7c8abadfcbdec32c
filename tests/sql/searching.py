"""What tests of searches ask with."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from tests.harness.runtimes import SqlRuntime

__all__ = ["Rows", "ask", "change", "explain"]

Rows = list[tuple[Any, ...]]


def ask(
    runtime: SqlRuntime, text: str, *values: Any, session: Session | None = None, database: Database | None = None
) -> Rows:
    """The rows of a statement, of any kind that gives some, with values for its parameters."""
    database, session = database or Database(runtime), session or Session()
    row = [value if isinstance(value, pa.Scalar) else pa.scalar(value) for value in values]
    with database.ask(session, database.parse(text), [row]).open(StatementContext(session)) as result:
        return [tuple(row.values()) for row in result.read_all().to_pylist()]


def explain(runtime: SqlRuntime, text: str) -> str:
    """What EXPLAIN tells of a query."""
    return "\n".join(str(row[0]) for row in ask(runtime, f"EXPLAIN {text}"))


def change(runtime: SqlRuntime, text: str, session: Session | None = None) -> None:
    """Run a statement that gives no rows."""
    database = Database(runtime)
    database.run(StatementContext(session or Session()), database.parse(text))
