"""The code in the README, docs/clients.md, docs/python.md and docs/search.md does what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pytest

import grism

ROOT = Path(__file__).parents[2]


def python_blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


def test_in_process(tpch_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = [block for block in python_blocks("README.md") if "import grism" in block]
    exec(compile(code.replace(".demo/data", str(tpch_dir)), "README.md", "exec"), {})  # noqa: S102
    printed = capsys.readouterr().out
    assert re.findall("RUSSIA|UNITED KINGDOM|UNITED STATES", printed) == ["RUSSIA", "UNITED KINGDOM", "UNITED STATES"]
    assert "nations: [10]" in printed


def test_python_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path)
    first, second = python_blocks("docs/python.md")
    exec(compile(first, "docs/python.md", "exec"), {})  # noqa: S102
    with grism.connect("shop") as db:
        names = {"db": db, "frame": pd.DataFrame({"id": [7], "rate": [1.5]})}
        exec(compile(second, "docs/python.md", "exec"), names)  # noqa: S102
        assert db.sql("FROM kept").to_pylist() == [{"id": 7, "rate": 1.5}]


def test_each_page_is_told_of() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"](docs/{page.name})" in text for page in (ROOT / "docs").glob("*.md"))


def test_search_page(tmp_path: Path) -> None:
    text = (ROOT / "docs/search.md").read_text(encoding="utf-8")
    (beginning,) = [block for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL) if "CREATE TABLE" in block]
    (bound,) = python_blocks("docs/search.md")
    with grism.connect(tmp_path) as db:
        results = [db.sql(statement) for statement in beginning.split(";") if statement.strip()]
        assert [result.to_pylist()[0]["id"] for result in results[-2:]] == [1, 2]
        found: list[grism.Result] = []
        cursor = SimpleNamespace(execute=lambda *asked: found.append(db.sql(*asked)))
        exec(compile(bound, "docs/search.md", "exec"), {"cursor": cursor})  # noqa: S102
        assert [row["id"] for row in found[0].to_pylist()] == [1, 2]


def test_adbc(server_uri: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("README.md", "docs/clients.md"):
        (code,) = [block for block in python_blocks(name) if "adbc_driver_flightsql" in block]
        after: dict[str, pa.Table] = {}
        exec(compile(code.replace("grpc://127.0.0.1:31337", server_uri("parquet")), name, "exec"), after)  # noqa: S102
    assert re.search(r"\[\[\d{5}\]\]", capsys.readouterr().out)
    assert after["table"]["n_name"].to_pylist() == ["ARGENTINA", "BRAZIL", "CANADA", "UNITED STATES"]
