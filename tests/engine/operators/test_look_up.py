"""Which statements give what an index finds as it lies, and that it is what the kernel would give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine.operators.look_up import LookUpExec
from engine.storage import DirectoryStorage
from local_runtime import LocalRuntime

ROWS = """
    SELECT i AS k, 'w' || (i % 50) AS s, i / 4.0 AS f, [i, NULL] AS l, {'a': i} AS st, i % 7 AS "odd ""name",
        (i * 3)::DECIMAL(9, 2) AS d, make_timestamp(i)::TIMESTAMPTZ AS tz
    FROM range(300) r(i)
"""


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRuntime]:
    folder: Path = tmp_path_factory.mktemp("look_up")
    with LocalRuntime(DirectoryStorage(str(folder)), threads=1) as runtime:
        for text in (f"CREATE TABLE t AS {ROWS}", "CREATE INDEX k ON t (k)", "CREATE INDEX s ON t USING NGRAM (s)"):
            with runtime.sql(text) as result:
                result.read_all()
        yield runtime


def _ask(runtime: LocalRuntime, text: str) -> pa.Table:
    with runtime.sql(text) as result:
        return result.read_all()


@pytest.mark.parametrize(
    ("text", "straight"),
    [
        ("SELECT * FROM t WHERE k = 7", True),
        ("SELECT s AS x, s AS x, l, st, d FROM t a WHERE a.k = 7", True),
        ("SELECT d FROM (SELECT * FROM t) WHERE k IN (7, 290, -1) AND s <> 'w40'", True),
        ("SELECT s FROM t WHERE k = 7 LIMIT 3", True),
        ("SELECT s FROM t WHERE k = 7 LIMIT 0", False),
        ('SELECT "odd ""name" FROM t WHERE k = -7', True),
        ("SELECT s FROM t WHERE k = 7 LIMIT 3 OFFSET 1", False),
        ("SELECT s FROM t WHERE k > 7", False),
        ("SELECT s FROM t WHERE d = 21", False),
        ("SELECT s FROM t WHERE k = 7 OR d = 30", False),
        ("SELECT s FROM t WHERE k = 7 AND length(s) = 2", False),
        ("SELECT s FROM t WHERE contains(s, 'w12')", False),
        ("SELECT s || 'x' FROM t WHERE k = 7", False),
        ("SELECT count(*) FROM t WHERE k = 7", False),
        ("SELECT 1 FROM t WHERE k = 7", False),
        ("SELECT s FROM t WHERE k = 7 ORDER BY s", False),
        ("SELECT DISTINCT s FROM t WHERE k IN (7, 57)", False),
    ],
)
def test_what_an_index_finds_may_go_out_as_it_lies(local: LocalRuntime, text: str, straight: bool) -> None:
    root = local.plan(local.frontend.plan(text)).root
    found = None
    if isinstance(root, LookUpExec):
        found = local.storage.indexes(root.table).look_up(root.read, root.filter)
    assert (found is not None) == straight
    same = text.replace("WHERE ", "WHERE random() >= 0 AND (").replace(" ORDER", ") ORDER").replace(" LIMIT", ") LIMIT")
    same += "" if ") ORDER" in same or ") LIMIT" in same else ")"
    assert _ask(local, text).equals(_ask(local, same))


def test_a_column_in_another_form_is_computed(local: LocalRuntime) -> None:
    """The zone of an instant is the session's, wherever it was stored."""
    answer = _ask(local, "SELECT k, tz FROM t WHERE k = 7")
    assert answer.equals(_ask(local, "SELECT k, tz FROM t WHERE k = 7 AND random() >= 0"))
