"""EXPLAIN in its forms, and EXPLAIN ANALYZE, on both runtimes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from engine.errors import GrismError, InvalidValueError, UnknownTableError, UnsupportedError
from engine.statements.context import StatementContext
from engine.statements.database import Database
from engine.statements.explaining import PlanNode
from engine.statements.session import Session
from tests.harness.runtimes import SqlRuntime, Tables

GROUPED = "SELECT s, count(*) AS n FROM range(1000) r(i), (VALUES ('a'), ('b')) v(s) WHERE i % 2 = 0 GROUP BY s"
FIRST = r"Planned in [\d.]+ m?s, waited [\d.]+ m?s, ran in [\d.]+ m?s: 2 rows, at most .* of memory, 0 B spilled"


def lines(runtime: SqlRuntime, text: str) -> list[str]:
    """The rows of EXPLAIN's one column."""
    table = runtime.sql(text).read_all()
    assert table.schema.names == ["plan"]
    found: list[str] = table["plan"].to_pylist()
    return found


def test_analyze_tells_rows_and_times(runtime: SqlRuntime) -> None:
    first, *told = lines(runtime, f"EXPLAIN ANALYZE {GROUPED}")
    assert re.fullmatch(FIRST, first)
    plan = told.index("Plan:")
    assert [line.removeprefix("  ") for line in told[plan + 1 :]] == lines(runtime, f"EXPLAIN {GROUPED}")
    if runtime.name == "ray":
        stage = (
            r"Stage \d+: \d+ tasks?, 0 repeated; times .* \(min / median / max\), skew [\d.]+; \d+ rows?, .* written, "
            r"at most .* of memory, 0 B spilled"
        )
        stages = [line for line in told[:plan] if not line.startswith(" ")]
        assert all(re.fullmatch(stage, line) for line in stages)
        grouped = [line for line in told[:plan] if re.match(r" +HASH_GROUP_BY: \d+ rows", line)]
        assert len(grouped) >= 2  # before the exchange, and behind it
        return
    assert re.fullmatch(r"Kernel: .* of CPU, at most .* of memory, 0 B spilled", told[0])
    assert any(re.match(r" +HASH_GROUP_BY: 2 rows .*; Aggregates: count_star\(\)", line) for line in told)


def test_analyze_as_json_has_what_the_text_has(runtime: SqlRuntime) -> None:
    (text,) = lines(runtime, f"EXPLAIN (ANALYZE, FORMAT JSON) {GROUPED}")
    told = json.loads(text)
    assert told["rows"] == 2
    assert 0 < told["run"] < 600
    assert told["plan"][0]["operator"]
    if runtime.name == "ray":
        (*_, last) = told["stages"]
        assert (last["rows"], last["retries"]) == (2, 0)
        assert 0 < last["seconds"]["min"] <= last["seconds"]["median"] <= last["seconds"]["max"] <= told["run"]
        assert last["skew"] >= 1
        assert sum(each["tasks"] for each in last["operators"]) == last["tasks"]
        assert sum(each["operators"][0]["rows"] for each in last["operators"]) == 2
        assert told["peak_memory"] == max(stage["used"]["peak_memory"] for stage in told["stages"])
        assert (told["spilled"], told["queue"]) == (0, 0)
        return
    (root,) = told["kernel"]["operators"]
    assert root["rows"] == 2
    assert told["kernel"]["spilled"] == 0
    assert told["kernel"]["peak_memory"] > 0


def test_a_plan_in_other_forms(runtime: SqlRuntime) -> None:
    text = lines(runtime, f"EXPLAIN {GROUPED}")
    (value,) = lines(runtime, f"EXPLAIN (FORMAT JSON) {GROUPED}")
    assert json.loads(value) == [node.value() for node in PlanNode.of(text)]
    (mermaid,) = lines(runtime, f"EXPLAIN (FORMAT mermaid) {GROUPED}")
    assert mermaid.startswith("flowchart BT\n")
    assert mermaid.count("[") >= len(text)
    (graph,) = lines(runtime, f"explain (format GRAPHVIZ) {GROUPED}")
    assert graph.startswith("digraph plan {")
    assert graph.count("shape=box") == len(text)


def test_each_operator_has_a_line_of_its_own(runtime: SqlRuntime) -> None:
    def shape(literal: str, name: str) -> list[str]:
        told = lines(runtime, f"EXPLAIN SELECT i, e'{literal}' AS \"{name}\" FROM range(3) t(i) GROUP BY ALL")
        return [re.match(r" *\w*", line)[0] for line in told]  # type: ignore[index]

    assert shape("a\n  b\x85\u2028\x01", "x\ny\r  z") == shape("a", "x y z")
    (value,) = lines(runtime, "EXPLAIN (FORMAT JSON) SELECT 'a\nStage 7: b' AS \"x\nyy\"")
    assert "x\\\\nyy" in value


def test_a_name_in_a_picture_is_a_text(runtime: SqlRuntime) -> None:
    query = """SELECT i AS "<b>""x""\\n &lt; #35; `$$y$$` fa:fa-user %%{z}%%" FROM range(3) t(i)"""
    (mermaid,) = lines(runtime, f"EXPLAIN (FORMAT MERMAID) {query}")
    shown = [re.fullmatch(r'  n\d+\["(.*)"\]', line) for line in mermaid.splitlines()]
    texts = [found[1] for found in shown if found]
    assert any("x#34;#92;n #38;lt; #35;35; #96;#36;#36;y" in text for text in texts)
    assert not any(re.search(r"[\"&<>`%$:\\]|#(?!\d+;)", text) for text in texts)
    (graph,) = lines(runtime, f"EXPLAIN (FORMAT GRAPHVIZ) {query}")
    assert all(
        re.fullmatch(r'  n\d+ \[shape=box, label="(?:[^"\\&]|\\.|&amp;)*"\]', x)
        for x in graph.splitlines()
        if "shape" in x
    )
    assert "&amp;lt;" in graph
    for format in ("MERMAID", "GRAPHVIZ"):
        (picture,) = lines(runtime, f"EXPLAIN (FORMAT {format}) SELECT i || '{'x' * 30_000}' FROM range(3) t(i)")
        assert len(picture) < 20_000


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("EXPLAIN (FORMAT YAML) SELECT 1", UnsupportedError, "not YAML"),
        ("EXPLAIN (ANALYZE, COSTS OFF) SELECT 1", UnsupportedError, "not COSTS OFF"),
        ("EXPLAIN ANALYZE CREATE TABLE explained AS SELECT 1", UnsupportedError, "CREATE TABLE AS would do"),
        ("EXPLAIN ANALYZE SELECT * FROM missing", UnknownTableError, "missing"),
        ("EXPLAIN ANALYZE SELECT (i || 'x')::INT FROM range(9) t(i)", InvalidValueError, "0x"),
        ("EXPLAIN (ANALYZE)", GrismError, "yntax error"),
    ],
)
def test_what_is_refused(runtime: SqlRuntime, text: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        runtime.sql(text).read_all()
    with pytest.raises(UnknownTableError):
        runtime.sql("FROM explained")


def test_what_looks_like_an_option_may_be_a_query(runtime: SqlRuntime) -> None:
    assert lines(runtime, "EXPLAIN (SELECT 1 AS analyze)") == lines(runtime, "EXPLAIN SELECT 1 AS analyze")
    assert lines(runtime, "EXPLAIN (ANALYZE FALSE) SELECT 1") == lines(runtime, "EXPLAIN SELECT 1")
    assert runtime.sql("EXPLAIN ANALYZE SELECT 1").read_all().num_rows > 1


def test_analyze_of_rows_that_the_kernel_knows(runtime: SqlRuntime) -> None:
    """It runs no operator for them, and has no profile then."""
    told = lines(runtime, "EXPLAIN ANALYZE FROM (VALUES (1), (2))")
    assert ": 2 rows" in told[0]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("WITH c AS MATERIALIZED (SELECT x FROM range(5) r(x)) SELECT * FROM c a, c b", 25),
        ("SELECT (SELECT count(*) FROM range(5) b(x) WHERE b.x = a.x) FROM range(5) a(x)", 5),
        ("SELECT x % 2, count(*) FROM range(5) r(x) GROUP BY ROLLUP (x % 2)", 3),
        ("SELECT x FROM range(5) r(x) UNION ALL SELECT x FROM range(6) s(x)", 11),
        ("WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r WHERE a < 9) FROM r JOIN r s USING (a)", 9),
    ],
)
def test_analyze_tells_rows_that_an_operator_passes_on(runtime: SqlRuntime, text: str, rows: int) -> None:
    """The kernel counts them where they come from, and none at a CTE and a UNION."""
    told = json.loads(lines(runtime, f"EXPLAIN (ANALYZE, FORMAT JSON) {text}")[0])
    assert told["rows"] == runtime.sql(text).read_all().num_rows == rows
    measured = [told["kernel"]] if "kernel" in told else [each for s in told["stages"] for each in s["operators"]]
    tops = [operator for each in measured for operator in each["operators"] if operator["name"] in {"CTE", "UNION"}]
    assert tops or runtime.name == "ray"
    assert all(operator["rows"] > 0 for operator in tops)


def test_the_outline_of_a_text() -> None:
    a, c = PlanNode.of(["a", "  b", "    d", "c"])
    assert (a.text, a.inputs[0].text, a.inputs[0].inputs[0].text, c.text) == ("a", "b", "d", "c")


def test_the_plan_of_a_text_that_runs_again_is_told_once_until_it_is_another(
    runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]
) -> None:
    database = Database(make_runtime(runtime_name, "lance")[0])
    text = "SELECT b FROM told WHERE a = 5"

    def told(text: str = text) -> str:
        """What is told of the plan of one run."""
        found: list[Callable[[], str]] = []
        database.sql(text, context=StatementContext(Session(), tell_plan=found.append)).read_all()
        (tells,) = found
        return tells()

    database.sql("CREATE TABLE told AS SELECT i AS a, i AS b FROM range(100000) r(i)").close()
    plain = "SELECT b, a FROM told"
    assert told(plain) is told(plain)
    first = told()
    database.sql("CREATE INDEX by_a ON told (a)").close()
    assert "index=by_a" not in first
    assert "index=by_a" in told()
    assert told().splitlines() == database.sql(f"EXPLAIN {text}").read_all()["plan"].to_pylist()
    database.sql("DROP INDEX by_a ON told").close()
    assert "index=by_a" not in told()
    database.sql("DROP TABLE told").close()
