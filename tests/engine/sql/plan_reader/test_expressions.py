"""Expressions that are read from a bound plan, printed and bound again are the same ones."""

from __future__ import annotations

import pytest

from tests.engine.sql.plan_reader.binding import Binder, Rebinder, expressions_of

TABLE = """
CREATE TABLE t (
    a INTEGER, b BIGINT, s VARCHAR, d DATE, x DOUBLE, n DECIMAL(15, 2), ts TIMESTAMP, tz TIMESTAMPTZ, j JSON,
    l INTEGER[], r STRUCT(p INTEGER, "Q" VARCHAR), m MAP(VARCHAR, INTEGER), bo BOOLEAN, iv INTERVAL, sm SMALLINT
)
"""
SCALARS = """
a + b
s || 'x'
CAST(a AS VARCHAR)
TRY_CAST(s AS INTEGER)
CASE WHEN a > 1 THEN s ELSE 'y' END
CASE a WHEN 1 THEN 2 WHEN 3 THEN 4 END
a IN (1, 2, 3)
a NOT IN (b, 3)
a BETWEEN 1 AND b
coalesce(a, 1)
nullif(a, 2)
a IS NULL
a IS NOT NULL
a IS DISTINCT FROM b
NOT bo AND (a > 1 OR b > 2) AND s LIKE 'a%b'
r.p
l[1]
l[1:2]
{'a': a, 'B': s}
[a, 1]
MAP {'a': a}
row(a, s)
j -> 'a.b'
j ->> '$.x'
s ILIKE 'X'
s NOT LIKE 'x_b'
s COLLATE nocase = 'x'
date_part('year', d)
regexp_replace(s, 'a', 'b', 'g')
list_transform(l, lambda x: x + a)
list_reduce(l, lambda x, y: x + y + a, 5)
list_transform(l, lambda x, i: list_transform(l, lambda y: x + y + i + a))
list_sum(l)
list_aggregate(l, 'quantile', 0.3)
[x + 1 FOR x IN l IF x > a]
n * (1 - n)
n * n + 1.5
TRY(a + 1)
"""
AGGREGATES = """
sum(a)
count(*)
count(DISTINCT a)
sum(a) FILTER (b > 1)
string_agg(s, '-' ORDER BY b DESC)
quantile_cont(x, 0.3)
quantile_disc(a, [0.1, 0.5])
quantile_cont(x, 0.3 ORDER BY x DESC)
list(a ORDER BY b, s NULLS FIRST)
max(s COLLATE nocase)
median(a)
sum(n * 2)
"""
WINDOWS = """
row_number() OVER ()
sum(a) OVER (PARTITION BY s ORDER BY b ROWS BETWEEN 1 PRECEDING AND a FOLLOWING EXCLUDE TIES)
lag(a, 2, 0) OVER (ORDER BY b)
first_value(a IGNORE NULLS) OVER (ORDER BY b RANGE BETWEEN 3 PRECEDING AND CURRENT ROW)
count(DISTINCT a) FILTER (b > 1) OVER (ORDER BY s GROUPS 1 PRECEDING)
sum(a) OVER (ORDER BY d RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND INTERVAL 2 DAYS FOLLOWING)
list(a ORDER BY b) OVER (PARTITION BY s)
"""


def _lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture(scope="module")
def binder() -> Binder:
    made = Binder()
    made.connection.execute(TABLE)
    return made


@pytest.fixture(scope="module")
def rebinder() -> Rebinder:
    return Rebinder()


@pytest.mark.parametrize("sql", _lines(SCALARS) + _lines(AGGREGATES) + _lines(WINDOWS))
def test_binding_again_gives_the_same(binder: Binder, rebinder: Rebinder, sql: str) -> None:
    for kind, node in expressions_of(binder.plan(f"SELECT {sql} FROM t")):
        assert rebinder.difference(kind, node) is None
