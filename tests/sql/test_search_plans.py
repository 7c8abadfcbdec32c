"""The plans of searches, which are in `tests/sql/golden/`; `--golden-update` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from engine.storage.protocol import TableName, WriteMode
from tests.harness.runtimes import SqlRuntime, Tables

GOLDEN = Path(__file__).parent / "golden"
STATEMENT = re.compile(r"^> (?P<sql>.*)\n(?P<plan>(?:  .*\n)+)", re.MULTILINE)


def test_plans_are_as_written(
    request: pytest.FixtureRequest,
    runtime_name: str,
    make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]],
) -> None:
    runtime, tables = make_runtime(runtime_name, "lance")
    rows = pa.table(
        {
            "id": pa.array(range(24), pa.int32()),
            "kind": pa.array([i % 4 for i in range(24)], pa.int32()),
            "price": pa.array([i / 8 for i in range(24)]),
            "body": [f"quick {'fox' if i % 2 else 'dog'}" for i in range(24)],
            "vec": pa.array([[i % 5, i % 7] for i in range(24)], pa.list_(pa.float32(), 2)),
        }
    )
    tables.put("planned", rows.slice(0, 10))
    dataset = lance.dataset(f"{tables.storage.directories()[0]}/planned.lance")
    dataset.create_index("vec", "IVF_FLAT", num_partitions=2, metric="cosine")
    dataset.create_scalar_index("body", "INVERTED")
    tables.storage.write(TableName("main", "planned"), rows.slice(10).to_reader(), WriteMode.APPEND)

    def explained(text: str) -> str:
        plan = runtime.explain(runtime.plan(runtime.frontend.plan(text)))
        plan = re.sub(r"(delim)_[0-9]+", r"\1", plan)  # the kernel's own numbers
        return "".join(f"  {line}\n" for line in plan.splitlines() if line.strip())

    path = GOLDEN / f"searches.{runtime_name}.txt"
    text = path.read_text()
    anew = STATEMENT.sub(lambda found: f"> {found['sql']}\n{explained(found['sql'])}", text)
    if request.config.getoption("--golden-update"):
        path.write_text(anew)
    assert anew == text, "a plan changed; read the difference, then run with --golden-update"
    assert STATEMENT.search(text), "the file has no statement"
