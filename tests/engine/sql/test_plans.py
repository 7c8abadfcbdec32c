"""Which statements become nodes, and which run whole. The plans are in `tests/engine/golden/`.

Each file holds statements with their EXPLAIN. `--golden-update` writes the plans anew: read the difference.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from engine.logical.nodes import Collect, in_operators, walk
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime
from tests.engine.conftest import PEOPLE, TEAMS
from tests.engine.querying import tuples

GOLDEN = Path(__file__).parent.parent / "golden"
FILES = sorted(path.name for path in GOLDEN.glob("*.txt"))
STATEMENT = re.compile(r"^> (?P<sql>.*)\n(?P<plan>(?:  .*\n)+)", re.MULTILINE)
WHOLE = "  SqlExec"


@pytest.fixture(scope="module")
def runtime() -> LocalRuntime:  # the two tables in storages of their own, so that plans show their names only
    with LocalRuntime(
        InMemoryStorage({"people": PEOPLE, "teams": TEAMS, "empty": pa.table({"x": pa.array([], pa.int32())})})
    ) as made:
        yield made  # type: ignore[misc]


def explained(runtime: LocalRuntime, text: str) -> str:
    plan = runtime.explain(runtime.plan(runtime.frontend.plan(text)))
    return "".join(f"  {line}\n" for line in plan.splitlines())


@pytest.mark.parametrize("name", FILES)
def test_plans_are_as_written(request: pytest.FixtureRequest, runtime: LocalRuntime, name: str) -> None:
    path = GOLDEN / name
    text = path.read_text()
    anew = STATEMENT.sub(lambda found: f"> {found['sql']}\n{explained(runtime, found['sql'])}", text)
    if request.config.getoption("--golden-update"):
        path.write_text(anew)
    assert anew == text, "a plan changed; read the difference, then run with --golden-update"
    assert STATEMENT.search(text), "the file has no statement"


@pytest.mark.parametrize("name", FILES)
def test_every_statement_gives_what_the_kernel_gives(runtime: LocalRuntime, name: str) -> None:
    for found in STATEMENT.finditer((GOLDEN / name).read_text()):
        sql = found["sql"]
        got = runtime.sql(sql).read_all()
        want = runtime.kernel.stream(
            sql, {"people": PEOPLE, "teams": TEAMS, "empty": pa.table({"x": pa.array([], pa.int32())})}
        )
        expected = want.reader.read_all()
        assert got.schema.equals(expected.schema), sql
        assert sorted(tuples(got), key=repr) == sorted(tuples(expected), key=repr), sql


def test_the_files_say_truly_what_runs_whole() -> None:
    for name in FILES:
        for found in STATEMENT.finditer((GOLDEN / name).read_text()):
            assert found["plan"].startswith(WHOLE) == (name == "whole.txt"), f"{name}: {found['sql']}"


def test_a_cte_that_two_places_read_is_one_node(runtime: LocalRuntime) -> None:
    text = (
        "WITH x AS (SELECT team, count(*) n FROM people GROUP BY ALL) SELECT a.n FROM x a JOIN x b ON a.team = b.team"
    )
    shared = [node for node in walk(in_operators(runtime.frontend.plan(text))) if isinstance(node, Collect)]
    assert len(shared) == 2
    assert shared[0] is shared[1]


def test_column_names_are_unique_inside_a_plan(runtime: LocalRuntime) -> None:
    plan = in_operators(runtime.frontend.plan("SELECT * FROM people a, people b, (SELECT id AS ID FROM people) c"))
    for node in walk(plan):
        if node is not plan:
            folded = [name.lower() for name in node.names]
            assert len(set(folded)) == len(folded)
    assert plan.names == (*PEOPLE.column_names, *PEOPLE.column_names, "ID")
