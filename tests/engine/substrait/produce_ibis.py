"""Adds ibis-substrait's plans to `produced.arrow`, with the answers of ibis itself (over DuckDB) to the same questions.

Run it after `produce.py`, where ibis is installed with the protobuf messages that ibis-substrait was made for::

    python -m venv ibis
    ibis/bin/pip install "ibis-substrait==4.*" "ibis-framework[duckdb]" "substrait==0.21.*" pyarrow
    PYTHONPATH=. ibis/bin/python -m tests.engine.substrait.produce_ibis
"""

from __future__ import annotations

import sys
from typing import Any

import ibis
import pyarrow as pa
from pyarrow import ipc

from tests.engine.substrait.produce import TPCH, serialised, target, write

OF_NATION = {
    "a filter and a projection": lambda n: n.filter(n.n_regionkey == 1).select("n_name", k=n.n_nationkey * 2),
    "columns in another order": lambda n: n.select("n_regionkey", "n_name"),
    "+ and -": lambda n: n.select("n_name", x=n.n_nationkey + 1 - n.n_regionkey),
    "%": lambda n: n.select("n_name", x=n.n_nationkey % 3),
    "a quotient": lambda n: n.select("n_name", x=n.n_nationkey.cast("float64") / 3),
    "abs": lambda n: n.select("n_name", x=(n.n_nationkey - 5).abs()),
    "sqrt": lambda n: n.select("n_name", x=n.n_nationkey.cast("float64").sqrt()),
    "exp": lambda n: n.select("n_name", x=(n.n_nationkey / 7).exp()),
    "ln": lambda n: n.select("n_name", x=(n.n_nationkey + 1).cast("float64").ln()),
    "power": lambda n: n.select("n_name", x=n.n_nationkey.cast("float64") ** 2.0),
    "upper": lambda n: n.select("n_name", x=n.n_name.upper()),
    "lower": lambda n: n.select("n_name", x=n.n_name.lower()),
    "length": lambda n: n.select("n_name", x=n.n_name.length()),
    "like": lambda n: n.filter(n.n_name.like("A%")).select("n_name"),
    "contains": lambda n: n.select("n_name", x=n.n_name.contains("AN")),
    "startswith": lambda n: n.select("n_name", x=n.n_name.startswith("A")),
    "endswith": lambda n: n.select("n_name", x=n.n_name.endswith("A")),
    "replace": lambda n: n.select("n_name", x=n.n_name.replace("A", "_")),
    "lpad": lambda n: n.select("n_name", x=n.n_name.lpad(20, ".")),
    "reverse": lambda n: n.select("n_name", x=n.n_name.reverse()),
    "isin": lambda n: n.filter(n.n_regionkey.isin([1, 2])).select("n_name"),
    "between": lambda n: n.filter(n.n_nationkey.between(3, 6) & ~(n.n_regionkey == 1)).select("n_name"),
    "or": lambda n: n.filter((n.n_nationkey < 2) | (n.n_nationkey > 22)).select("n_name"),
    "nullif and isnull": lambda n: n.select("n_name", x=n.n_regionkey.nullif(1)).filter(ibis._.x.isnull()),
    "case": lambda n: n.select("n_name", x=n.n_regionkey.case().when(1, "one").when(2, "two").else_("other").end()),
    "ifelse": lambda n: n.select("n_name", x=(n.n_regionkey > 2).ifelse("high", "low")),
    "casts": lambda n: n.select("n_name", x=n.n_regionkey.cast("string"), y=n.n_nationkey.cast("int64")),
    "count": lambda n: n.aggregate(x=n.count()),
    "sum, min and max": lambda n: n.group_by("n_regionkey").aggregate(
        s=n.n_nationkey.sum(), a=n.n_nationkey.min(), b=n.n_nationkey.max()
    ),
    "mean": lambda n: n.group_by("n_regionkey").aggregate(x=n.n_nationkey.cast("float64").mean()),
    "std": lambda n: n.aggregate(x=n.n_nationkey.cast("float64").std()),
    "var of the population": lambda n: n.aggregate(x=n.n_nationkey.cast("float64").var(how="pop")),
    "count of some": lambda n: n.aggregate(x=n.n_regionkey.nullif(1).count()),
    "nunique": lambda n: n.aggregate(x=n.n_regionkey.nunique()),
    "the greatest": lambda n: n.filter(n.n_nationkey == n.n_nationkey.max()).select("n_name"),
    "literals": lambda n: n.select("n_name", a=ibis.literal(True), b=ibis.literal(1.5), c=ibis.literal("x'y")),
    "a date": lambda n: n.select("n_name", x=ibis.date("2020-01-02")),
    "an instant": lambda n: n.select("n_name", x=ibis.timestamp("2020-01-02 03:04:05")),
    "limit": lambda n: n.order_by(ibis.desc("n_name")).limit(3, offset=2),
    "two keys of an order": lambda n: n.order_by(["n_regionkey", ibis.desc("n_name")]),
    "sum over a partition": lambda n: n.select("n_name", x=n.n_nationkey.sum().over(group_by=n.n_regionkey)),
}
CONSTANTS = ("literals", "a date", "an instant")
OF_BOTH = {
    "join": lambda n, r: n.join(r, n.n_regionkey == r.r_regionkey),
    "left join": lambda n, r: n.left_join(r, n.n_nationkey == r.r_regionkey),
    "semi join": lambda n, r: r.semi_join(n.filter(n.n_name.like("A%")), r.r_regionkey == n.n_regionkey),
    "union": lambda n, r: n.select(k=n.n_regionkey).union(r.select(k=r.r_regionkey)),
    "intersect": lambda n, r: n.select(k=n.n_nationkey).intersect(r.select(k=r.r_regionkey)),
    "difference": lambda n, r: n.select(k=n.n_nationkey).difference(r.select(k=r.r_regionkey)),
}
OF_LINEITEM = {
    "decimals": lambda t: t.select("l_orderkey", "l_linenumber", x=t.l_quantity + t.l_tax),
    "parts of a date": lambda t: t.select("l_orderkey", y=t.l_shipdate.year(), m=t.l_shipdate.month()),
    "compared dates": lambda t: t.filter(t.l_shipdate < ibis.date("1995-01-01")).select("l_orderkey", "l_shipdate"),
}


def expressions(tables: dict[str, Any]) -> dict[str, Any]:
    """The cases by name, ordered by all of their columns."""
    nation, region, lineitem = tables["nation"], tables["region"], tables["lineitem"]
    few = lineitem.filter(lineitem.l_orderkey < 20)
    made = {
        **{name: lambda f=f: f(nation) for name, f in OF_NATION.items()},
        **{name: lambda f=f: f(nation, region) for name, f in OF_BOTH.items()},
        **{name: lambda f=f: f(few) for name, f in OF_LINEITEM.items()},
    }
    found = {}
    for name, build in made.items():
        expression = build()
        if name not in ("limit", "two keys of an order"):
            keys = expression.columns[:1] if name in CONSTANTS else expression.columns
            expression = expression.order_by(list(keys))
        found[name] = expression
    return found


def main() -> None:
    """Write the file anew."""
    from ibis_substrait.compiler.core import SubstraitCompiler

    connection = ibis.duckdb.connect()
    names = ("nation", "region", "lineitem")
    stored = {name: connection.read_parquet(str(TPCH / "data" / f"{name}.parquet"), table_name=name) for name in names}
    unbound = {name: ibis.table(table.schema(), name=name) for name, table in stored.items()}
    with ipc.open_file(target()) as file:
        rows = [row for row in file.read_all().to_pylist() if row["producer"] != "ibis"]
    asked = expressions(stored)
    for name, expression in expressions(unbound).items():
        try:
            plan = SubstraitCompiler().compile(expression).SerializeToString()
        except Exception as error:
            print(f"{name}: {type(error).__name__} {str(error)[:100]}", file=sys.stderr)
            continue
        answer: pa.Table = asked[name].to_pyarrow()
        rows.append({"producer": "ibis", "name": name, "plan": plan, "answer": serialised(answer)})
    write(rows)


if __name__ == "__main__":
    main()
