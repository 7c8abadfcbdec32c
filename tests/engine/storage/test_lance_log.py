"""LANCE_LOG in all the words that Lance's native code takes: each opens the database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.lance_log import for_python_too

_PROGRAM = """
import sys
import grism
import lance
import pyarrow as pa

with grism.connect(sys.argv[1]) as db:
    db.sql("CREATE TABLE t AS SELECT 42 AS x")
    print(db.sql("FROM t").to_arrow()["x"].to_pylist())
lance.write_dataset(pa.table({"x": [1]}), sys.argv[1] + "/u.lance", mode="overwrite")  # Lance warns that there is none
"""


def run(filters: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LANCE_LOG": filters}
    program = [sys.executable, "-c", _PROGRAM, str(folder)]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("filters", ["off", "lance=off", "error"])
def test_silence_opens_the_database(filters: str, tmp_path: Path) -> None:
    ended = run(filters, tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[42]\n", "")


@pytest.mark.parametrize(
    ("filters", "told"),
    [("warn", "WARN"), ("off,lance=warn", "WARN"), ("warn/existing", "WARN"), ("lance_io", "TRACE lance_io")],
)
def test_what_is_asked_for_is_told(filters: str, told: str, tmp_path: Path) -> None:
    ended = run(filters, tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "[42]\n"), ended.stderr
    assert told in ended.stderr


@pytest.mark.parametrize("filters", ["", "trace", "Warn", "lance_io=debug,info", "lance=off", "error,off,off"])
def test_what_python_knows_stays(filters: str) -> None:
    assert for_python_too(filters) == filters
