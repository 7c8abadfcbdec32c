"""Views: how many a statement may read, when a plan with views is remembered, and how planning is stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import CancelledError, DeadlineExceededError, PlanningError, UnknownTableError, UnsupportedError
from engine.schema import Column
from engine.sql.frontend import SqlFrontend
from engine.sql.views import Names, View
from engine.storage import InMemoryStorage
from engine.storage.protocol import TableName, WriteMode
from local_runtime import LocalRuntime
from tests.engine.sql.named_views import Named


@pytest.fixture
def storage() -> InMemoryStorage:
    return InMemoryStorage({"t": pa.table({"a": [1, 2, 3]})})


@pytest.fixture
def frontend(storage: InMemoryStorage) -> SqlFrontend:
    return LocalRuntime(storage, threads=1).frontend


def doubling(levels: int) -> Named:
    """Views that each name the one before twice."""
    views = Named({"v0": "SELECT a FROM t"})
    for level in range(1, levels + 1):
        views.queries[f"v{level}"] = f"SELECT x.a FROM v{level - 1} x CROSS JOIN v{level - 1} y"
    return views


def nested(levels: int) -> str:
    """A long text, which the kernel takes long to bind."""
    return "t" if levels == 0 else f"(SELECT x.a FROM {nested(levels - 1)} x, {nested(levels - 1)} y)"


def test_a_statement_reads_so_many_views_and_no_more(frontend: SqlFrontend) -> None:
    names = Names(views=doubling(30))
    assert frontend.plan("SELECT * FROM v4", names=names).names == ("a",)
    began = time.monotonic()
    with pytest.raises(UnsupportedError, match="too many views"):
        frontend.plan("SELECT * FROM v30", names=names)
    assert time.monotonic() - began < 30
    names = Names(views=Named({"v": f"SELECT a, '{'x' * 10_000_000}' AS s FROM t"}))
    with pytest.raises(UnsupportedError, match="too many views"):
        frontend.plan("FROM v w, v x, v y, v z", names=names)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SELECT (SELECT count(*) FROM v1)", "(SELECT count_star() FROM v1)"),
        ("SELECT a IN (FROM main.v1) FROM v2", "(a = ANY(SELECT * FROM main.v1))"),
        (
            "FROM (SELECT EXISTS(FROM v1 x WHERE x.a = v2.a) FROM v2)",
            "EXISTS(SELECT * FROM v1 AS x WHERE (x.a = v2.a))",
        ),
    ],
)
def test_columns_are_called_by_the_text_and_not_by_the_queries_of_views(
    text: str, name: str, frontend: SqlFrontend
) -> None:
    names = Names(views=doubling(2))
    assert frontend.plan(text, names=names).names == (name,)
    assert [column.name for column in frontend.columns(text, names=names)] == [name]


def test_a_plan_with_views_is_remembered_while_they_are_the_same(
    frontend: SqlFrontend, storage: InMemoryStorage
) -> None:
    views = doubling(1)
    names = Names(views=views)
    text = "SELECT * FROM v1"
    plan, columns = frontend.plan(text, names=names), frontend.columns(text, names=names)
    assert frontend.plan(text, names=names) is plan
    assert frontend.columns(text, names=names) is columns
    views.queries["v0"] = "SELECT a::VARCHAR AS a FROM t"
    assert frontend.plan(text, names=names) is not plan
    assert frontend.columns(text, names=names) == (Column("a", "VARCHAR"),)
    storage.write(TableName("main", "t"), pa.table({"b": [1]}).to_reader(), WriteMode.REPLACE)
    for ask in (frontend.plan, frontend.columns):
        with pytest.raises(PlanningError):
            ask(text, names=names)


def test_a_plan_is_not_remembered_for_who_does_not_have_the_view(frontend: SqlFrontend) -> None:
    @dataclass(frozen=True)
    class Granted:
        """Equal, whoever asks, as those of the sessions of a server."""

        views: Named = field(compare=False)

        def find(self, name: TableName) -> View | None:
            return self.views.find(name)

    plan = frontend.plan("SELECT a FROM v1", names=Names(views=Granted(doubling(1))))
    assert frontend.plan("SELECT a FROM v1", names=Names(views=Granted(doubling(1)))) is plan
    with pytest.raises(UnknownTableError, match=r'no table "main\.v1"'):
        frontend.plan("SELECT a FROM v1", names=Names(views=Granted(Named())))


def test_planning_stops_at_its_deadline(frontend: SqlFrontend) -> None:
    text = f"SELECT * FROM {nested(11)}"
    began = time.monotonic()
    with pytest.raises(DeadlineExceededError), Cancellation(began + 0.2).scope():
        frontend.plan(text)
    stopped = time.monotonic()
    frontend.plan(text)
    assert stopped - began < (time.monotonic() - stopped) / 2


def test_nothing_is_planned_for_who_has_left(frontend: SqlFrontend) -> None:
    left = Cancellation()
    with left.scope():
        frontend.plan("SELECT 1")
        left.cancel()
        with pytest.raises(CancelledError):
            frontend.plan("SELECT 2")
    frontend.plan("SELECT 2")
