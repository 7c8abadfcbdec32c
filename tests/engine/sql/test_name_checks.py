"""What is judged beside a plan is judged once for all rows of parameters, and again where it may have become wrong."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from engine.errors import GrismError, PlanningError, UnknownColumnError
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.session import Session
from tests.harness.runtimes import SqlRuntime, Tables

Run = Callable[..., int]


@pytest.fixture
def run(make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> Run:
    """Runs a statement for rows of parameters."""
    database, session = Database(make_runtime("local", "lance")[0]), Session()

    def change(text: str, *rows: tuple[object, ...]) -> int:
        values = [tuple(map(pa.scalar, row)) for row in rows]
        return database.run(StatementContext(session), database.parse(text), values or None)

    change("CREATE OR REPLACE TABLE checks AS SELECT i AS id, i AS v FROM range(100) r(i)")
    change("CREATE OR REPLACE TABLE others AS SELECT i AS k, i AS w FROM range(10) r(i)")
    return change


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE checks SET v = abs(?) WHERE id = ?",
        "UPDATE checks SET v = (?) + v WHERE id = ?",
        "UPDATE checks SET v = w + ? FROM others WHERE id = k AND id = ?",
        "DELETE FROM checks USING others WHERE id = k AND v > ? AND id = ?",
        "MERGE INTO checks USING (SELECT ?::BIGINT AS a, ?::BIGINT AS b) ON id = b WHEN MATCHED THEN UPDATE SET v = a",
    ],
)
def test_a_change_plans_once_for_each_row(
    run: Run,
    make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planned: list[str] = []
    frontend = make_runtime("local", "lance")[0].frontend

    def counted(plan: Callable[..., object]) -> Callable[..., object]:
        return lambda text, *others: (planned.append(text), plan(text, *others))[1]

    monkeypatch.setattr(frontend, "_find_plan", counted(frontend._find_plan))
    monkeypatch.setattr(frontend.name_checks, "_plan", counted(frontend.name_checks._plan))
    run(text, *((number, number) for number in range(8)))
    assert len(planned) == 8 + 1  # names are judged once


def test_names_are_judged_again_where_tables_have_other_columns(run: Run) -> None:
    text = "UPDATE checks SET v = (w) + ? FROM others WHERE id = k AND id = ?"
    assert run(text, (1, 1), (1, 2)) == 2
    run("ALTER TABLE checks ADD COLUMN w BIGINT")
    with pytest.raises(PlanningError, match="mbiguous"):
        run(text, (1, 1))
    run("ALTER TABLE checks DROP COLUMN w")
    assert run(text, (1, 1)) == 1
    run("ALTER TABLE others RENAME COLUMN w TO x")
    with pytest.raises(UnknownColumnError):
        run(text, (1, 1))


def test_names_in_views_are_judged_again(run: Run) -> None:
    run("CREATE OR REPLACE VIEW seen AS SELECT k, w FROM others")
    text = "UPDATE checks SET v = abs(w) + ? FROM seen WHERE id = k AND id = ?"
    assert run(text, (1, 1), (1, 2)) == 2
    run("CREATE OR REPLACE VIEW seen AS SELECT k, w, 1 AS v FROM others")
    assert run(text, (1, 1)) == 1
    run("CREATE OR REPLACE VIEW seen AS SELECT k, 1 AS id, w FROM others")
    with pytest.raises(PlanningError, match="mbiguous"):
        run(text, (1, 1))


def test_a_value_that_does_not_fit_is_told_of_by_its_row(run: Run) -> None:
    with pytest.raises(GrismError, match=r"one.*row 2 of 3 rows of parameters; what those before it changed stays"):
        run("UPDATE checks SET v = abs(?::BIGINT) WHERE id = ?", ("1", 1), ("one", 2), ("3", 3))
