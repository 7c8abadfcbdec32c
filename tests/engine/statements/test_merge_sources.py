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


@pytest.mark.parametrize(
    ("source", "is_kept"),
    [
        ("SELECT DISTINCT ON (i) i, i / 8 FROM r ORDER BY i, i % 2", True),
        ("SELECT i, arg_min(i / 8, i % 2) FROM r GROUP BY i", True),
        ("SELECT i, any_value(i / 8) FROM r GROUP BY i", True),
        ("SELECT i, list(i / 8 ORDER BY i)[1] FROM r GROUP BY i", True),
        ("SELECT i, i / 8 FROM r QUALIFY row_number() OVER (ORDER BY i % 2) > 1", True),
        ("SELECT i, i / 8 FROM r QUALIFY row_number() OVER (PARTITION BY i ORDER BY i) = 1", False),
        ("SELECT i, max(i / 8) FROM r GROUP BY i", False),
        ("SELECT DISTINCT i, i / 8 FROM r", False),
    ],
)
def test_a_source_that_takes_rows_by_their_order_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, is_kept: bool
) -> None:
    """Of rows that are equal in it another may be taken the next time, and then the source is read once, too."""
    monkeypatch.setattr(merge_sources, "MOST_BYTES", 40_000)
    with grism.connect(str(tmp_path)) as connection:
        connection.sql("CREATE TABLE r AS SELECT i FROM range(5000) r(i)").to_arrow()
        connection.sql("CREATE TABLE t AS SELECT i AS a, 0.5::DOUBLE AS u FROM range(3) r(i)").to_arrow()
        merge = MERGE.format(f"(SELECT * FROM ({source}) q(a, u))")
        if is_kept:
            with pytest.raises(ResourceExhaustedError, match="may give other rows each time"):
                connection.sql(merge).to_arrow()
        else:
            connection.sql(merge).to_arrow()
        rows = connection.sql("SELECT count(*) AS n FROM t").to_pylist()
        assert rows == [{"n": 3 if is_kept else 5000}]
