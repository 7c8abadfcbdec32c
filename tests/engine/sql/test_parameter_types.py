"""Each parameter has its own type, whatever the others are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from engine.binder import Binder
from engine.schema import Column, RowType
from engine.sql.parameter_types import ParameterTypes

T = (Column("i", "INTEGER"), Column("v", "VARCHAR"), Column("d", "DATE"), Column("p", "DECIMAL(15,2)"))

TYPES = [
    "INTEGER",
    "DECIMAL(15,2)",
    "VARCHAR",
    "HUGEINT",
    "UUID",
    "JSON",
    "INTERVAL",
    "TIMESTAMP_NS",
    "TIMESTAMP WITH TIME ZONE",
    "INTEGER[]",
    "DATE[3]",
    'STRUCT(a INTEGER, "b c" VARCHAR[])',
    "MAP(VARCHAR, DECIMAL(4,1))",
    "ENUM('a', 'it''s')",
    "UNION(i INTEGER, s VARCHAR)",
]


@pytest.fixture(scope="module")
def binder() -> Iterator[Binder]:
    made = Binder()
    yield made
    made.close()


def types(binder: Binder, text: str, names: Sequence[str], columns: RowType = T) -> ParameterTypes:
    return ParameterTypes(binder, text, {"t": columns}, names)


@pytest.mark.parametrize("kind", TYPES)
def test_parameters_have_the_type_of_what_they_are_compared_with(binder: Binder, kind: str) -> None:
    text = "SELECT * FROM t WHERE i = $who OR i = (SELECT min(i) FROM t WHERE i > $other)"
    told = types(binder, text, ["who", "other"], (Column("i", kind),)).kernel_types()
    assert told["who"] == told["other"] is not None
    assert binder.describe(f"SELECT NULL::{told['who']} AS c", {}) == (Column("c", told["who"]),)


def test_what_the_text_leaves_open_leaves_the_others_told(binder: Binder) -> None:
    text = "SELECT $1::INTEGER, $2, $3 || 'a' FROM t WHERE d < $4 AND p > $5"
    told = types(binder, text, list("12345")).kernel_types()
    assert told == {"1": "INTEGER", "2": None, "3": None, "4": "DATE", "5": "DECIMAL(15,2)"}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT $1", ["VARCHAR"]),
        ("SELECT $1 + 1", ["BIGINT"]),
        ("SELECT -$1, abs($2), 2 * $3", ["BIGINT", "BIGINT", "BIGINT"]),
        ("SELECT $1 + 1.5, $2 * 1.5::FLOAT", ["DOUBLE", "DOUBLE"]),
        ("SELECT i FROM t WHERE i > $1 * p", ["DOUBLE"]),
        ("SELECT $1::INTEGER + $2, $3", ["INTEGER", "BIGINT", "VARCHAR"]),
        ("SELECT $1 - $2", ["BIGINT", "BIGINT"]),
        ("SELECT $1 || 'a', lower($2)", ["VARCHAR", "VARCHAR"]),
        ("SELECT i FROM t WHERE i IN ($1, $2) AND $3 IS NULL", ["INTEGER", "INTEGER", "VARCHAR"]),
        ("SELECT '$2', $1 AS \"$2\", $2::DATE", ["VARCHAR", "DATE"]),
    ],
)
def test_what_is_left_open_is_a_text_or_a_number(binder: Binder, text: str, want: list[str]) -> None:
    names = [str(number + 1) for number in range(len(want))]
    assert list(types(binder, text, names).with_guesses().values()) == want


def test_of_many_parameters_most_are_told_in_few_trials(binder: Binder, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [str(number) for number in range(1, 501)]
    text = f"SELECT $1 FROM t WHERE i IN ({', '.join(f'${name}' for name in names[1:])})"
    trials = []
    bound = binder.nodes
    monkeypatch.setattr(binder, "nodes", lambda *given: trials.append(given) or bound(*given))
    found = types(binder, text, names).with_guesses()
    assert found == dict.fromkeys(names, "INTEGER") | {"1": "VARCHAR"}
    assert len(trials) < 30
