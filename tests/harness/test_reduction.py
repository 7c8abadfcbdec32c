"""A failing query becomes small, and what is printed of it makes the same tables and rows."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from tests.harness.oracle import Oracle, OracleError
from tests.harness.random_sql.reduction import reduce_case, script
from tests.harness.random_sql.selects import Query

TABLES = {
    "t": pa.table({"k": [1, 2, None], "Odd s": ["a", "O'Hara", None], "l": [[1, None], [], None]}),
    "u": pa.table({"x": pa.array([], pa.int64())}),
}
TEXT = """
    WITH c AS (SELECT x FROM u) SELECT k + 1 AS v, upper("Odd s") AS s, (SELECT count(*) FROM c) AS n
    FROM t LEFT JOIN u ON k = x WHERE k IS NULL OR k < 7 ORDER BY 1, 2, 3
"""


def _rows(tables: Mapping[str, pa.Table], text: str) -> list[dict[str, object]]:
    with Oracle.over(dict(tables)) as oracle:
        return list(oracle.run(text).to_pylist())


def test_only_what_fails_is_left() -> None:
    def fails(tables: Mapping[str, pa.Table], query: Query) -> bool:
        try:
            rows = _rows(tables, query)
        except OracleError:
            return False
        return "upper" in query and any("O'HARA" in row.values() for row in rows)

    query = Query(TEXT)
    query.ordered = True
    tables, small = reduce_case(TABLES, query, fails)
    assert small == 'SELECT upper("Odd s") FROM t'
    assert {name: table.to_pylist() for name, table in tables.items()} == {"t": [{"Odd s": "O'Hara"}]}


def test_the_script_makes_the_same() -> None:
    text = "SELECT * FROM t FULL JOIN u ON k = x ORDER BY k"
    *made, asked = script(TABLES, Query(text)).split(";\n")
    with duckdb.connect() as kernel:
        for statement in made:
            kernel.execute(statement)
        assert kernel.sql(asked.rstrip(";")).to_arrow_table().to_pylist() == _rows(TABLES, text)
