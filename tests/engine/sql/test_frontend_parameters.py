"""Values that come from outside the text: how many there are, of which types, and what they do."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from engine.errors import InvalidValueError, UnknownTableError
from engine.sql.views import Names
from engine.storage import InMemoryStorage
from engine.storage.protocol import TableName
from local_runtime import LocalRuntime
from tests.engine.querying import put, result, rows


@pytest.mark.parametrize(
    ("text", "values", "want"),
    [
        ("SELECT ?", [1], [(1,)]),
        ("SELECT ?, ?", [1, "b"], [(1, "b")]),
        ("SELECT $2, $1, $2", [1, "b"], [("b", 1, "b")]),
        ("SELECT $b, $a, $b", [1, 2], [(1, 2, 1)]),
        ("SELECT name FROM people WHERE age > ? AND team = ?", [25, "x"], [("ann",)]),
        ("SELECT name FROM people WHERE id IN (?, ?) ORDER BY 1", [2, 1], [("ann",), ("bob",)]),
        ("SELECT id FROM people ORDER BY id LIMIT ? OFFSET ?", [2, 1], [(2,), (3,)]),
        (
            "SELECT count(*) FROM (SELECT id + ? AS x FROM people) WHERE x > $1 + ?".replace("$1", "?"),
            [1, 2, 1],
            [(3,)],
        ),
        ("WITH x AS (SELECT ? AS v) SELECT a.v, b.v FROM x a, x b", [5], [(5, 5)]),
        ("SELECT list_transform([1, 2], lambda v: v + ?)", [10], [([11, 12],)]),
        ("SELECT ? = 'it''s; -- \"x\" $1 ?'", ['it\'s; -- "x" $1 ?'], [(True,)]),
        ("SELECT name FROM people WHERE age IS NOT DISTINCT FROM ?", [None], [("cid",)]),
        ("SELECT count(*) FROM people WHERE upper(name) LIKE ?", ["%N%"], [(2,)]),
        ("SELECT * FROM range(?)", [2], [(0,), (1,)]),
        ("SELECT CASE ? WHEN 1 THEN 'a' ELSE 'b' END", [1], [("a",)]),
        ("SELECT team, count(*) FROM people GROUP BY team HAVING count(*) >= ? ORDER BY 1", [2], [("x", 2), ("y", 2)]),
    ],
)
def test_parameters(local: LocalRuntime, text: str, values: list[Any], want: list[tuple[Any, ...]]) -> None:
    assert rows(local, text, [pa.scalar(value) for value in values]) == want


def test_parameters_leave_column_names_as_the_text_has_them(local: LocalRuntime) -> None:
    table = result(local, "SELECT ?, $x + 1 AS s, upper($y)".replace("?", "$z"), [pa.scalar(1)] * 2 + [pa.scalar("a")])
    assert table.column_names == ["$z", "s", "upper($y)"]


@pytest.mark.parametrize(
    ("text", "given"), [("SELECT 1", 1), ("SELECT ?", 0), ("SELECT $1, $1", 2), ("SELECT ?, ?", 1)]
)
def test_the_number_of_values_must_be_right(local: LocalRuntime, text: str, given: int) -> None:
    with pytest.raises(InvalidValueError, match=f"parameters: . needed, {given} given"):
        local.frontend.plan(text, parameters=[pa.scalar(1)] * given)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT 1", {}),
        ("SELECT * FROM people WHERE age > ? AND name = ?", {"1": pa.int32(), "2": pa.string()}),
        ("SELECT * FROM people WHERE name = $who AND id < $most", {"who": pa.string(), "most": pa.int64()}),
        ("SELECT * FROM people WHERE $2 < age AND name = $1", {"1": pa.string(), "2": pa.int32()}),
        ("SELECT * FROM people LIMIT ?", {"1": pa.int64()}),
        ("SELECT ?", {"1": pa.string()}),
    ],
)
def test_the_types_of_parameters(local: LocalRuntime, text: str, want: dict[str, pa.DataType]) -> None:
    schema = local.frontend.parameters(text)
    assert dict(zip(schema.names, schema.types, strict=True)) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("SELECT name FROM people WHERE age > ?", {"name": pa.string()}),
        ("SELECT age + ? AS x FROM people", {"x": pa.int32()}),
        ("SELECT upper(?) AS u, DATE '2020-01-01' = ? AS d", {"u": pa.string(), "d": pa.bool_()}),
    ],
)
def test_the_schema_of_a_result_before_parameters_are_bound(
    local: LocalRuntime, text: str, want: dict[str, pa.DataType]
) -> None:
    schema = local.frontend.result_schema(text)
    assert dict(zip(schema.names, schema.types, strict=True)) == want


def test_what_is_prepared_again_is_not_bound_again_while_its_tables_are_the_same(
    local: LocalRuntime, storage: InMemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(storage, "prepared", pa.table({"a": pa.array([1], pa.int32())}))
    text, names = "SELECT a FROM prepared WHERE a > ?", Names()
    parsed: list[str] = []
    parse = local.kernel.parse
    monkeypatch.setattr(local.kernel, "parse", lambda given: parsed.append(given) or parse(given))

    def prepare() -> list[pa.DataType]:
        schema, _ = local.frontend.result(text, snapshot=storage.snapshot(), names=names)
        return [*local.frontend.parameters(text).types, *schema.types]

    assert prepare() == [pa.int32(), pa.int32()]
    parsed.clear()
    assert prepare() == [pa.int32(), pa.int32()]
    assert parsed == []
    put(storage, "prepared", pa.table({"a": pa.array(["1"])}))
    assert prepare() == [pa.string(), pa.string()]
    storage.drop(TableName("main", "prepared"))
    with pytest.raises(UnknownTableError):
        prepare()
