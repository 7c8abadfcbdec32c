"""pandas and polars writing and reading, and a pool of connections. The argument is the port."""

from __future__ import annotations

import sys
import warnings

import adbc_driver_flightsql.dbapi as flight_sql
import pandas as pd
import polars as pl
from adbc_poolhouse import FlightSQLConfig, close_pool, create_pool

uri = f"grpc://127.0.0.1:{sys.argv[1]}"
with flight_sql.connect(uri, autocommit=True) as connection:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.to_datetime(["2024-01-01", None])})
    for mode, rows in (("replace", 2), ("append", 4)):
        assert frame.to_sql("pandas_made", connection, if_exists=mode, index=False) == 2
        assert len(pd.read_sql("SELECT * FROM pandas_made", connection)) == rows
    refused = False
    try:
        frame.to_sql("pandas_made", connection, if_exists="fail", index=False)
    except ValueError:
        refused = True
    assert refused, "a table was made over another one"
    texts = pd.read_sql("SELECT union_value(n := 1)::VARCHAR AS u", connection)
    assert texts["u"].tolist() == ["1"]

    columns = pl.DataFrame({"a": [1, None], "b": ["x", "z"], "l": [[1], None]})
    for mode, rows in (("replace", 2), ("append", 4)):
        assert columns.write_database("polars_made", connection, if_table_exists=mode, engine="adbc") == 2
        assert pl.read_database("SELECT * FROM polars_made", connection).height == rows
    texts = pl.read_database("SELECT (INTERVAL 1 DAY)::VARCHAR AS i, union_value(n := 1)::VARCHAR AS u", connection)
    assert texts.rows() == [("1 day", "1")]
    with connection.cursor() as cursor:
        cursor.executescript("DROP TABLE pandas_made; DROP TABLE polars_made;")

warnings.filterwarnings("ignore", "Cannot disable autocommit")  # the pool leaves it off
pool = create_pool(FlightSQLConfig(uri=uri))
for _ in range(2):
    with pool.connect() as pooled, pooled.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
close_pool(pool)
