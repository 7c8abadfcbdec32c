"""A column that is added while others change the table."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from engine.statements import rewriting
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime


@pytest.mark.parametrize("change", ["DELETE FROM t WHERE k = 1", "INSERT INTO t VALUES (3)"])
def test_rows_that_go_or_come_between_its_steps(tmp_path: Path, change: str) -> None:
    """The values of a default are as many as the rows of the version that the column is added to."""
    done = []

    def changed_meanwhile(*arguments: object) -> str:
        if not done:
            done.append(ask(other, change))
        return values(*arguments)

    def ask(runtime: LocalRuntime, text: str) -> list[dict[str, object]]:
        with runtime.sql(text) as result:
            return result.read_all().to_pylist()

    values = rewriting.new_values
    with (
        LocalRuntime(DirectoryStorage(str(tmp_path)), threads=1) as runtime,
        LocalRuntime(DirectoryStorage(str(tmp_path)), threads=1) as other,
    ):
        ask(runtime, "CREATE TABLE t AS SELECT i::INTEGER AS k FROM range(3) r(i)")
        with patch.object(rewriting, "new_values", changed_meanwhile):
            ask(runtime, "ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 2")
        assert done
        kept = [0, 2] if "DELETE" in change else [0, 1, 2, 3]
        assert ask(runtime, "SELECT * FROM t ORDER BY k") == [{"k": k, "d": 2} for k in kept]
