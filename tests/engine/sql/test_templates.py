"""Texts that differ in literals alone: which are planned by one template, and that all give their own rows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from engine.errors import GrismError, InvalidValueError, PlanningError, UnknownColumnError, UnknownTableError
from engine.logical.nodes import LogicalPlan, Scan, in_operators, walk
from engine.other_tables import written_out
from engine.sql.frontend import SqlFrontend
from engine.sql.templates import template_of
from engine.storage import InMemoryStorage
from engine.storage.directory import DirectoryStorage
from engine.storage.protocol import TableName
from local_runtime import LocalRuntime
from tests.engine.querying import put, run, tuples

_TYPES = (
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "UBIGINT", "FLOAT", "DOUBLE"),
    *("DECIMAL(4,1)", "DECIMAL(38,10)", "VARCHAR", "BLOB", "DATE", "TIMESTAMP", "TIME", "INTERVAL", "UUID", "BIT"),
)
_STORED = ("0", "1", "5", "127", "'a'", "'2020-01-01'", "'12:00:00'", "'1 day'", "true", "NULL", "1.5", "-1")
_NUMBERS = (0, 1, 5, 127, 128, 255, 65536, 2**31 - 1, 2**31, 2**53 + 1, 10**17)
_TEXTS = ("", "0", "1", "5", "true", "a", "2020-01-01", "2020-01-01 00:00:00", "12:00:00", "1 day", "101", "1e3", "?")


@pytest.fixture
def runtime() -> Iterator[LocalRuntime]:
    table = pa.table(
        {"k": range(20), "s": [f"{'abc'[i % 3]}'{i % 2}" for i in range(20)], "v": [i / 4 for i in range(20)]}
    )
    with LocalRuntime(InMemoryStorage({"t": table}), threads=1) as runtime:
        yield runtime


def _read(runtime: LocalRuntime) -> int:
    return sum(runtime.frontend.readings.values())


def _rows(runtime: LocalRuntime, frontend: SqlFrontend, text: str, by_template: bool) -> tuple[Any, ...]:
    """The schema and the rows, as they are written; or the error."""
    try:
        table = run(runtime, frontend.plan(text, by_template=by_template))
    except GrismError as error:
        return type(error), str(error), error.place
    return table.schema, repr(tuples(table))


def _all_right(runtime: LocalRuntime, texts: Sequence[str]) -> list[int]:
    """How many statements were read for each of the texts; all have the rows that they have by themselves."""
    read = []
    for text in texts:
        before = _read(runtime)
        found = _rows(runtime, runtime.frontend, text, by_template=True)
        read.append(_read(runtime) - before)
        assert found == _rows(runtime, SqlFrontend(runtime.kernel, runtime.storage), text, by_template=False)
    return read


def _queries(plan: LogicalPlan) -> list[bytes | str | None]:
    """What is searched for, bit by bit."""
    scans = [node for node in walk(in_operators(written_out(plan))) if isinstance(node, Scan)]
    found = [scan.table.search.request.query for scan in scans if scan.table.search is not None]
    assert found
    return found


@pytest.mark.parametrize(
    ("text", "template", "values"),
    [
        ("SELECT k FROM t WHERE k = 5", "SELECT k FROM t WHERE k = ?", [5]),
        (
            "SELECT k FROM t WHERE k>=5 AND s<>'it''s' LIMIT 3",
            "SELECT k FROM t WHERE k>=? AND s<>? LIMIT 3",
            [5, "it's"],
        ),
        ("FROM t WHERE k BETWEEN 1 AND 5 OR k > 7", "FROM t WHERE k BETWEEN ? AND ? OR k > ?", [1, 5, 7]),
        ("FROM t WHERE k NOT IN (1, 2,3)", "FROM t WHERE k NOT IN (?, ?,?)", [1, 2, 3]),
        ("FROM t WHERE k IN (1, j, 3)", "FROM t WHERE k IN (?, j, 3)", [1]),
        (
            "FROM vector_search(s.t, v, [0.1, -2, 1e-3]::FLOAT[3], k := 3) WHERE k > 5",
            "FROM vector_search(s.t, v, ?::FLOAT[3], k := 3) WHERE k > ?",
            [[0.1, -2.0, 0.001], 5],
        ),
        ("FROM hybrid_search(t, v, [1,-0], 'fox', s)", "FROM hybrid_search(t, v, ?, ?, s)", [[1.0, 0.0], "fox"]),
        (
            "FROM vector_search(t, v, [1, 2]) WHERE s = '[1, 2]'",
            "FROM vector_search(t, v, [1, 2]) WHERE s = ?",
            ["[1, 2]"],
        ),
        (
            "SELECT [1, 2] FROM vector_search(t, v, [3, 4]) WHERE k = 5 /* [5, 6] */",
            "SELECT [1, 2] FROM vector_search(t, v, [3, 4]) WHERE k = ? /* [5, 6] */",
            [5],
        ),
        (
            "FROM t WHERE k = 5 -- = 6\n/* = 7 */ AND s = ' = 8'",
            "FROM t WHERE k = ? -- = 6\n/* = 7 */ AND s = ?",
            [5, " = 8"],
        ),
        ("FROM text_search(a.t, 'some words', s, k := 5)", "FROM text_search(a.t, ?, s, k := 5)", ["some words"]),
        ("FROM hybrid_search(\"a,b\", y, [1, 2], 'x')", 'FROM hybrid_search("a,b", y, ?, ?)', [[1.0, 2.0], "x"]),
    ],
)
def test_literals_that_are_all_of_a_side_are_taken_out(text: str, template: str, values: list[Any]) -> None:
    found = template_of(text)
    assert found is not None
    assert (found.text, [value.as_py() for value in found.values]) == (template, values)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1, 'x'",
        "FROM t AT (VERSION => 5)",
        "FROM t WHERE k = -5",
        "FROM t WHERE k = 5 + k",
        "FROM t WHERE k = 5::TINYINT OR k = 1.5 OR k = 5e3 OR k = 0x1F OR k = 1_000",
        "FROM t WHERE d = DATE '2020-01-01' OR s = E'a' OR s = x'ab' OR s = $$a$$",
        "FROM t WHERE s LIKE 'a%' OR j->'a' OR j->>'a'",
        "FROM t WHERE k = 1234567890123456789",
        "SELECT k = 5 AS five, s = 'x' COLLATE nocase FROM t ORDER BY 1 LIMIT 5",
        "FROM t WHERE k = ? AND s = 'a'",
        "FROM other_search(t, 'x') WHERE (VALUES (1, 2)) IS NULL",
        "FROM other_search(t, v, [1, 2])",
        "FROM vector_search(t, v, [1, 2] || [3])",
        "FROM vector_search(t, [1, 2], v)",
        "FROM vector_search(t, v, [.5, 2.])",
        "FROM vector_search(t, v, [1, NULL])",
        "FROM vector_search(t, v, ?, filter := '[1, 2]')",
        "FROM t WHERE s = 'open",
        "FROM t WHERE " + " OR ".join(f"k = {i}" for i in range(33)),
        "FROM t WHERE k = 5 AND s = '" + "x" * 4000 + "'",
    ],
)
def test_other_literals_stay(text: str) -> None:
    assert template_of(text) is None


def test_what_is_asked_for_another_value_is_not_read_again(runtime: LocalRuntime) -> None:
    texts = [f"SELECT k, s FROM t WHERE k = {k} OR s = '{s}'" for k, s in zip(range(9), "ab'cdefgh", strict=True)]
    assert _all_right(runtime, [text.replace("'''", "''''") for text in texts])[4:] == [0] * 5


@pytest.mark.parametrize(
    "form",
    [
        "SELECT k FROM t WHERE v = {}",
        "SELECT (k = {}) FROM t",
        "SELECT (k = {}), (k = 3) FROM t",
        "SELECT k AS n FROM t WHERE k < {} AND k < 7 ORDER BY 1",
        "SELECT COLUMNS(c -> c = 's' OR length(c) > {}) FROM t",
        "SELECT list_filter([1, 2, 3], lambda x: (x > {})) AS l FROM t",
        "SELECT s, count(*) AS n FROM t WHERE k > {} GROUP BY s HAVING count(*) > {} ORDER BY ALL",
        "SELECT * FROM (PIVOT t ON k IN ({}, 7) USING max(v))",
        "SELECT k FROM t WHERE k IN ({}, {}, 3) AND (SELECT max(v) FROM t AS o WHERE o.k = {}) > 1",
    ],
)
def test_rows_types_and_names_are_those_of_the_text(runtime: LocalRuntime, form: str) -> None:
    _all_right(runtime, [form.replace("{}", str(value)) for value in (1, 2, 3, 0, 4, 2**31, 19)])


def test_a_pivot_by_bound_values(runtime: LocalRuntime) -> None:
    text = "SELECT * EXCLUDE (s) FROM (PIVOT t ON k IN (?, ?) USING max(v))"
    for value in range(5):
        plan = runtime.frontend.plan(text, parameters=[pa.scalar(value), pa.scalar(value + 1)])
        assert run(runtime, plan).column_names == [str(value), str(value + 1)]


@pytest.mark.parametrize("kind", _TYPES)
def test_any_type_is_compared_as_with_a_literal(kind: str) -> None:
    with LocalRuntime(InMemoryStorage({}), threads=1) as runtime:
        items = [f"SELECT try_cast({value} AS {kind}) AS c" for value in _STORED]
        put(runtime.storage, "t", run(runtime, runtime.frontend.plan(" UNION ALL ".join(items))))
        for form in ("c = {}", "c < {}", "c IN ({}, {})", "c + c >= {}"):
            for values in ([str(number) for number in _NUMBERS], [f"'{text}'" for text in _TEXTS]):
                rng = random.Random(f"{kind} {form}")
                chosen = rng.sample(values, 7)
                _all_right(runtime, [f"SELECT c FROM t WHERE {form.replace('{}', value)}" for value in chosen])


def test_an_error_is_told_of_the_text(runtime: LocalRuntime) -> None:
    for wrong in (
        "SELECT k FROM t WHERE nosuch = {}",
        "SELECT k FROM t WHERE k = {} AND nosuch(s)",
        "SELECT k FRM t WHERE k = {}",
    ):
        for value in range(4):
            text = wrong.format(value)
            with pytest.raises(PlanningError) as raised:
                runtime.frontend.plan(text, by_template=True)
            assert "= ?" not in str(raised.value)
            assert raised.value.place is None or raised.value.place.text == text


def test_a_table_that_has_changed_is_looked_at_again(runtime: LocalRuntime) -> None:
    texts = [f"SELECT k FROM t WHERE s = '{i}'" for i in range(9)]
    _all_right(runtime, texts)
    put(runtime.storage, "t", pa.table({"k": ["a", "b"], "s": pa.array([3, 4], pa.int8())}))
    _all_right(runtime, texts)
    with pytest.raises(InvalidValueError):
        run(runtime, runtime.frontend.plan("SELECT k FROM t WHERE s = 'x'", by_template=True))
    put(runtime.storage, "t", pa.table({"other": [1]}))
    with pytest.raises(UnknownColumnError):
        runtime.frontend.plan(texts[0], by_template=True)
    runtime.storage.drop(TableName("main", "t"))
    with pytest.raises(UnknownTableError):
        runtime.frontend.plan(texts[0], by_template=True)


def test_searches_for_other_words_are_not_read_again(tmp_path: Any) -> None:
    rows = pa.table(
        {"k": range(300), "kind": [i % 3 for i in range(300)], "s": [f"w{i} w{i % 7} all" for i in range(300)]}
    )
    lance.write_dataset(rows, str(tmp_path / "t.lance")).create_scalar_index("s", "INVERTED")
    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        form = "SELECT k, _score FROM text_search(t, '{}', s, k := 5)"
        words = ["w1", "w2 w3", "nothing", "w250", "all", "w6 w100", "w5"]
        assert _all_right(runtime, [form.format(one) for one in words])[4:] == [0, 0, 0]
        _all_right(runtime, [f"{form.format(one)} WHERE kind = {i % 3}" for i, one in enumerate(words)])
        _all_right(runtime, [form.format(one) for one in ("+w1 -w8", '"w1 all"', "w1 AND w8", "")])
        rows = rows.set_column(0, "k", pa.array(range(1000, 1300)))
        lance.write_dataset(rows, str(tmp_path / "t.lance"), mode="append")
        _all_right(runtime, [form.format(one) for one in words])


def test_searches_for_other_vectors_are_not_read_again(tmp_path: Any) -> None:
    chance = np.random.default_rng(5)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(chance.standard_normal(1200).astype("f4")), 4)
    rows = pa.table({"k": range(300), "s": [f"w{i % 7} all" for i in range(300)], "v": vectors})
    dataset = lance.write_dataset(rows, str(tmp_path / "t.lance"))
    dataset.create_scalar_index("s", "INVERTED")
    dataset.create_index("v", "IVF_FLAT", num_partitions=2)

    def written(numbers: Any) -> str:
        forms = (repr, "{:.3f}".format, "{:.17e}".format, "{:.20f}".format, "{:g}".format)
        return f"[{', '.join(forms[chance.integers(5)](float(number)) for number in numbers)}]"

    with LocalRuntime(DirectoryStorage(tmp_path), threads=1) as runtime:
        for form in (
            "SELECT k, _distance FROM vector_search(t, v, {}, k := 7)",
            "SELECT k, _distance FROM vector_search(t, v, {}::FLOAT[4], metric := 'cosine', use_index := false)",
            "SELECT k, _distance FROM vector_search(t, v, {}::DOUBLE[], k := 5) WHERE k > 9",
            "SELECT k, _relevance FROM hybrid_search(t, v, {}, 'w3 all', s, k := 4)",
        ):
            texts = [form.format(written(chance.standard_normal(4))) for _ in range(12)]
            assert _all_right(runtime, texts)[4:] == [0] * 8
            others = ("[1, 2, 3]", "[1, 2, 3, 4, 5]", "[0, -0, 0.0, -0.0]", "[1e400, 0, 0, 0]", "[1e39, 0, 0, 0]")
            _all_right(runtime, [form.format(one) for one in (*others, "[1, 2, 3, NULL]", "[1, 2, 3, 'x']", "[]")])
            _all_right(runtime, texts)
            for text in texts:
                alone = SqlFrontend(runtime.kernel, runtime.storage).plan(text)
                assert _queries(runtime.frontend.plan(text, by_template=True)) == _queries(alone)
        lance.write_dataset(rows.slice(0, 5), str(tmp_path / "t.lance"), mode="append")
        _all_right(runtime, texts)
