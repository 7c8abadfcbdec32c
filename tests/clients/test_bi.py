"""The calls of BI tools that do not run here, as their sources and public reports tell of them.

Power BI and Tableau come over ODBC and JDBC, whose drivers' own calls are in `test_odbc.py` and `test_jdbc.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyarrow import ipc

from flight_server.proto import sql
from tests.clients.raw import RawClient
from tests.tpch.dataset import TABLES

STANDARD_INFO = {*range(12), *range(100, 102), *range(500, 577)}
WRITTEN = {
    "Tableau, a relation's columns": (0, 'SELECT * FROM "grism"."main"."nation" "nation" LIMIT 0'),
    "Tableau, a worksheet": (
        5,
        """SELECT "nation"."n_regionkey" AS "n_regionkey", SUM("nation"."n_nationkey") AS "sum_n_nationkey_ok"
            FROM "main"."nation" "nation"
            GROUP BY 1""",
    ),
    "Tableau, custom SQL": (
        25,
        """SELECT "Custom SQL Query"."n_name" AS "n_name" FROM (
              SELECT * FROM nation
            ) "Custom SQL Query" """,
    ),
    "Tableau, a filter": (
        1,
        """SELECT SUM(1) AS "COL" FROM "main"."orders" "orders"
            WHERE (("orders"."o_orderdate" >= {d '1995-01-01'}) AND ("orders"."o_orderstatus" IN ('F', 'O')))
            HAVING (COUNT(1) > 0)""",
    ),
    "Power BI, a preview": (
        25,
        'select "_"."n_nationkey", "_"."n_name" from "grism"."main"."nation" "_" limit 1000 offset 0',
    ),
    "Power BI, DirectQuery": (
        5,
        """select "rows"."n_regionkey" as "n_regionkey", count(*) as "a0" from (
                select "_"."n_regionkey" from "grism"."main"."nation" "_" where "_"."n_name" like '%A'
            ) "rows" group by "n_regionkey" order by "rows"."n_regionkey" limit 1001""",
    ),
    "DBeaver, a table's rows": (25, "SELECT x.* FROM grism.main.nation x ORDER BY x.n_name DESC"),
    "DBeaver, their number": (1, "SELECT COUNT(*) FROM (SELECT * FROM nation) dbvrcnt"),
}


@pytest.fixture(params=["password", "token"])
def grafana(request: pytest.FixtureRequest, runtime_uri: str) -> Iterator[RawClient]:
    """Grafana's Flight SQL plugin, which sends what its page is told as further headers of each call."""
    with RawClient(runtime_uri, [("bucket-name", "metrics")]) as client:
        if request.param == "password":
            client.handshake("Basic YW5uOnNlY3JldA==")
        else:
            client.headers.append(("authorization", "Bearer anything"))
        yield client


def test_grafana(grafana: RawClient) -> None:
    """The test of a data source, then what the query builder and a panel ask for."""
    health = grafana.info(sql.CommandStatementQuery(query="select 1"))
    assert len(health.endpoint) == 1  # it takes one and no other number
    assert grafana.get(health).num_rows == 1
    info = grafana.ask(sql.CommandGetSqlInfo())
    assert pa.types.is_union(info["value"].type)
    assert set(info["info_name"].to_pylist()) >= STANDARD_INFO
    for kind in ("BASE TABLE", "table"):
        tables = grafana.ask(sql.CommandGetTables(table_types=[kind]))
        assert {"nation", "orders"} <= set(tables["table_name"].to_pylist())
    (found,) = grafana.ask(sql.CommandGetTables(table_name_filter_pattern="orders", include_schema=True)).to_pylist()
    assert "o_orderdate" in ipc.read_schema(pa.py_buffer(found["table_schema"])).names


def test_the_macros_of_grafana(runtime_uri: str) -> None:
    """`$__dateBin`, `$__timeFilter`; the plugin reads the numbers of every timestamp as nanoseconds."""
    text = """
        SELECT date_bin(interval '2592000 second', o_orderdate, timestamp '1970-01-01T00:00:00Z')::TIMESTAMP_NS AS time,
            count(*) AS orders
        FROM orders
        WHERE o_orderdate >= '1995-01-01T00:00:00Z' AND o_orderdate <= '1995-12-31T23:59:59Z'
        GROUP BY 1 ORDER BY 1
    """
    with RawClient(runtime_uri) as client:
        rows = client.ask(sql.CommandStatementQuery(query=text))
    assert rows.schema.types == [pa.timestamp("ns"), pa.int64()]
    days = [moment.toordinal() - 719_163 for moment in rows["time"].to_pylist()]
    assert {day % 30 for day in days} == {0}
    assert len(days) == 13


@pytest.mark.parametrize("name", WRITTEN)
def test_statements_that_tools_write(name: str, runtime_uri: str) -> None:
    rows, text = WRITTEN[name]
    with RawClient(runtime_uri) as client:
        assert client.ask(sql.CommandStatementQuery(query=text)).num_rows == rows


def test_power_bi_by_adbc_reads_the_types_before_a_table(raw: RawClient) -> None:
    """Every type of a column of TPC-H in GetTables is one of those that GetXdbcTypeInfo lists."""
    listed = set(raw.ask(sql.CommandGetXdbcTypeInfo())["type_name"].to_pylist())
    tables = raw.ask(sql.CommandGetTables(catalog="grism", include_schema=True, table_types=["TABLE", "VIEW"]))
    found = zip(tables["table_name"].to_pylist(), tables["table_schema"].to_pylist(), strict=True)
    for data in (data for name, data in found if name in TABLES):
        for field in ipc.read_schema(pa.py_buffer(data)):
            assert field.metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"].decode() in listed
