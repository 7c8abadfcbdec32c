"""The source of a MERGE that is kept while it is merged: no more of it than is said."""

from __future__ import annotations

from pathlib import Path

import pytest

import grism
from engine.errors import ResourceExhaustedError
from engine.statements import merge_sources

MERGE = """
    MERGE INTO t USING {} s ON t.a = s.a
    WHEN MATCHED THEN UPDATE SET u = s.u WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.u)
"""
RANDOM = "SELECT i AS a, random() AS u FROM range(5000) r(i)"


@pytest.mark.parametrize("kind", ["TABLE", "TEMP TABLE"])
def test_a_source_that_is_too_large_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with grism.connect(str(tmp_path)) as connection:
        connection.sql(f"CREATE {kind} t AS SELECT i AS a, 0.5::DOUBLE AS u FROM range(3) r(i)").to_arrow()
        with monkeypatch.context() as patched:
            patched.setattr(merge_sources, "MOST_BYTES", 40_000)
            with pytest.raises(ResourceExhaustedError, match=r"more than 40,000 bytes.*CREATE TEMP TABLE AS"):
                connection.sql(MERGE.format(f"({RANDOM})")).to_arrow()
            assert connection.sql("FROM t ORDER BY a").to_pylist() == [{"a": i, "u": 0.5} for i in range(3)]
            connection.sql(f"CREATE TEMP TABLE held AS {RANDOM}").to_arrow()
            connection.sql(MERGE.format("held")).to_arrow()
        assert connection.sql("SELECT count(*) AS n FROM t JOIN held USING (a, u)").to_pylist() == [{"n": 5000}]
