"""Ibis: tables that are made, overwritten and temporary, views, and what is asked of them. The argument is the port."""

from __future__ import annotations

import sys

import ibis
import pandas as pd

con = ibis.gizmosql.connect(host="127.0.0.1", port=int(sys.argv[1]), use_encryption=False)
con.create_database("ibis_made")
con.create_table("t", pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]}), database="ibis_made")
made = con.table("t", database="ibis_made")
made = con.create_table("t", made.mutate(c=ibis._.a * 2), database="ibis_made", overwrite=True)
assert made.order_by("a").execute()["c"].tolist() == [2, 4, 6]
con.insert("t", pd.DataFrame({"a": [9], "b": ["z"], "c": [18]}), database="ibis_made")
assert made.count().execute() == 4
assert made.group_by(ibis._.b.isnull()).agg(n=ibis._.count()).n.sum().execute() == 4

passing = con.create_table("passing", made.filter(ibis._.a > 1), temp=True)
assert passing.count().execute() == 3
passing = con.create_table("passing", made, temp=True, overwrite=True)
assert passing.count().execute() == 4
assert passing.join(ibis.memtable({"a": [1, 9, 10]}), "a").count().execute() == 2

shown = con.create_view("v", made.filter(ibis._.a > 1), database="ibis_made", overwrite=True)
assert shown.count().execute() == 3
assert con.sql("SELECT max(a) AS m FROM ibis_made.t").execute()["m"].tolist() == [9]
empty = con.create_table("e", schema={"a": "int64", "d": "decimal(9, 2)", "l": "array<int64>"}, database="ibis_made")
assert str(empty.schema()["d"]) == "decimal(9, 2)"
assert sorted(con.list_tables(database="ibis_made")) == ["e", "t", "v"]
assert (con.current_catalog, con.current_database) == ("grism", "main")

con.truncate_table("t", database="ibis_made")
assert made.count().execute() == 0
con.drop_view("v", database="ibis_made")
con.drop_table("t", database="ibis_made")
con.drop_table("e", database="ibis_made")
con.drop_database("ibis_made")
assert "ibis_made" not in con.list_databases()
