"""The functions that tell who asks and the time, and what else may have their names."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.sql.views import Names
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from tests.engine.querying import result, rows


@pytest.fixture(scope="module")
def called() -> Iterator[LocalRuntime]:
    """A runtime over tables with columns and fields that are called like the functions."""
    tables = {
        "odd": pa.table({"user": [1]}),
        "nested": pa.table({"s": [{"user": 2}]}),
        "timed": pa.table({"current_date": ["mine"], "localtime": [7], "b": [1]}),
    }
    with LocalRuntime(InMemoryStorage(tables), threads=1) as runtime:
        yield runtime


@pytest.mark.parametrize("call", ["current_user", "session_user", "user", "current_role"])
def test_who_asks(local: LocalRuntime, call: str) -> None:
    ann, bob = Names(user="ann"), Names(user="bob")
    for text in (
        f"SELECT {call}",
        f"SELECT {call}()",
        f"SELECT {call} AS {call}",
        f"FROM (SELECT {call}) SELECT {call}",
    ):
        assert rows(local, text, names=ann) == [("ann",)]
        assert rows(local, text, names=bob) == [("bob",)]
        assert rows(local, text) == [("anonymous",)]
        assert local.frontend.plan(text, names=ann).names == local.frontend.plan(text).names
    assert rows(local, f"SELECT count(*) > 0 FROM people WHERE {call} = 'ann'", names=ann) == [(True,)]


def test_the_same_plan_is_for_everybody_who_is_not_in_it(local: LocalRuntime) -> None:
    text = "SELECT id FROM people WHERE id > 1"
    assert local.frontend.plan(text, names=Names(user="ann")) is local.frontend.plan(text, names=Names(user="bob"))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT user FROM odd", 1),
        ("SELECT o.user FROM odd o WHERE user = 1", 1),
        ("SELECT user FROM (SELECT unnest(s) FROM nested)", 2),
        ("SELECT user FROM (SELECT s.user FROM nested)", 2),
        ("SELECT user FROM (SELECT unnest({'user': 3}))", 3),
        ("SELECT list_transform([1], lambda user: user + 1)[1]", 2),
        ("SELECT list_reduce([1, 2], lambda user, x: user + x)", 3),
        ("SELECT [user + 1 FOR user IN [1]][1]", 2),
        ("SELECT user FROM (UNPIVOT (SELECT 1 AS p) ON p INTO NAME user VALUE x)", "p"),
        ("SELECT user FROM (UNPIVOT (SELECT 1 AS p) ON p INTO NAME x VALUE user)", 1),
        ("SELECT user FROM range(1) r(user)", 0),
    ],
)
def test_a_column_may_be_called_user(called: LocalRuntime, text: str, want: object) -> None:
    assert rows(called, text, names=Names(user="ann")) == [(want,)]


INSTANT_TYPES = {
    "now()": pa.timestamp("us", "UTC"),
    "current_timestamp": pa.timestamp("us", "UTC"),
    "get_current_timestamp()": pa.timestamp("us", "UTC"),
    "transaction_timestamp()": pa.timestamp("us", "UTC"),
    "current_date": pa.date32(),
    "current_date()": pa.date32(),
    "today()": pa.date32(),
    "current_time": pa.string(),
    "get_current_time()": pa.string(),
    "localtime": pa.time64("us"),
    "current_localtime()": pa.time64("us"),
    "localtimestamp": pa.timestamp("us"),
    "current_localtimestamp()": pa.timestamp("us"),
}


@pytest.mark.parametrize("call", INSTANT_TYPES)
def test_the_time_has_the_kernels_type_and_name(local: LocalRuntime, call: str) -> None:
    table = result(local, f"SELECT {call}")
    assert table.schema == pa.schema([(call, INSTANT_TYPES[call])])
    raw = local.kernel.describe(f"SELECT {call}")
    assert local.kernel.arrow_schema(raw) == table.schema


def test_the_time_is_one_in_a_statement_and_another_in_the_next(local: LocalRuntime) -> None:
    text = "SELECT now() AS a, (SELECT current_timestamp FROM people LIMIT 1) AS b, now() = a"
    before = datetime.datetime.now(datetime.UTC)
    ((one, other, same),) = rows(local, text)
    assert one == other
    assert same
    assert before <= one <= datetime.datetime.now(datetime.UTC)
    ((later, *_),) = rows(local, text)
    assert later > one


def test_a_column_may_be_called_like_the_time(called: LocalRuntime) -> None:
    assert rows(called, 'SELECT current_date, "current_date", timed.current_date, localtime, b FROM timed') == [
        ("mine", "mine", "mine", 7, 1)
    ]
    assert rows(called, "SELECT b FROM timed WHERE current_date = 'mine'") == [(1,)]
    assert rows(called, "SELECT current_date FROM (SELECT 5 AS current_date)") == [(5,)]
    assert rows(called, "WITH x(current_date) AS (SELECT 5) SELECT current_date + 1 FROM x") == [(6,)]
    assert rows(called, "SELECT current_date() = today() FROM timed") == [(True,)]
    assert rows(called, "SELECT current_date = today() FROM (SELECT current_date AS current_date FROM nested)")[0] == (
        True,
    )


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("ago(INTERVAL 1 DAY)", "now() - INTERVAL 1 DAY"),
        ("ago('1 day')", "now() - INTERVAL 1 DAY"),
        ("ago(ago(INTERVAL 1 DAY) - now())", "now() + INTERVAL 1 DAY"),
        ("age(now() - INTERVAL 3 DAY)", "age(today(), now() - INTERVAL 3 DAY)"),
        ("age(DATE '2020-02-29')", "age(today(), DATE '2020-02-29')"),
        ("age(TIMESTAMP '2020-02-29')", "age(today(), TIMESTAMP '2020-02-29')"),
        ("pg_postmaster_start_time()", "now()"),
    ],
)
def test_what_is_told_by_the_time_has_the_instant_of_the_statement(local: LocalRuntime, call: str, value: str) -> None:
    text = f"SELECT {call} = {value}, typeof({call}) = typeof({value}) FROM range(3)"
    assert rows(local, text) == [(True, True)] * 3


def test_null_ago_is_null(local: LocalRuntime) -> None:
    assert rows(local, "SELECT ago(NULL), age(NULL)") == [(None, None)]


def test_a_parameter_may_be_what_the_time_is_told_of(local: LocalRuntime) -> None:
    text = "SELECT ago(to_days(?)) = now() - INTERVAL 2 DAY"
    assert rows(local, text, [pa.scalar(2)]) == [(True,)]
    assert local.frontend.plan("SELECT ago('1 day')").names == ("ago('1 day')",)
