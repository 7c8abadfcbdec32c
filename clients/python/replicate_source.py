"""What adbc-replicate copies, in a DuckDB file. The argument is the price of everything."""

from __future__ import annotations

import sys

import duckdb

with duckdb.connect("source.db") as source:
    source.execute("CREATE SCHEMA IF NOT EXISTS sales")
    source.execute(
        f"""CREATE OR REPLACE TABLE sales.orders AS
        SELECT i AS id, 'c' || (i % 5) AS customer, {sys.argv[1]}::DECIMAL(9, 2) AS price
        FROM range(1000) r(i)"""
    )
    source.execute("CREATE TABLE IF NOT EXISTS sales.customers AS SELECT 'c1' AS name, NULL::VARCHAR AS city")
    source.execute("CREATE OR REPLACE VIEW sales.early AS SELECT * FROM sales.orders WHERE id < 10")
