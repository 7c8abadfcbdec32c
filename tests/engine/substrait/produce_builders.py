"""Adds plans of the `substrait` package to `produced.arrow`, with DataFusion's answers to the same questions in SQL.

Run it after `produce.py`, in the same environment with `substrait[extensions]`::

    PYTHONPATH=. producers/bin/python -m tests.engine.substrait.produce_builders
"""

from __future__ import annotations

import sys
from typing import Any

import substrait.dataframe as sub
from datafusion import SessionContext
from pyarrow import ipc

from tests.engine.substrait.produce import TPCH, serialised, target, write


def cases() -> dict[str, tuple[Any, str]]:
    """Each case as a frame, and in SQL."""
    nation = sub.read_named_table(
        "nation", {"n_nationkey": sub.i32, "n_name": sub.string, "n_regionkey": sub.i32, "n_comment": sub.string}
    )
    region = sub.read_named_table("region", {"r_regionkey": sub.i32, "r_name": sub.string, "r_comment": sub.string})
    col, lit, f = sub.col, sub.lit, sub.f
    named = nation.select("n_name", "n_regionkey")
    return {
        "select": (named.sort("n_name"), "SELECT n_name, n_regionkey FROM nation ORDER BY 1"),
        "filter": (
            nation.filter(col("n_regionkey") > 2).select("n_name").sort("n_name"),
            "SELECT n_name FROM nation WHERE n_regionkey > 2 ORDER BY 1",
        ),
        "limit": (
            nation.sort("n_name").limit(3, offset=2).select("n_name"),
            "SELECT n_name FROM nation ORDER BY 1 LIMIT 3 OFFSET 2",
        ),
        "top n": (
            nation.top_n(3, "n_name").select("n_name"),
            "SELECT n_name FROM nation ORDER BY 1 LIMIT 3",
        ),
        "with columns": (
            nation.with_columns(x=col("n_nationkey") + col("n_regionkey")).select("n_name", "x").sort("n_name"),
            "SELECT n_name, n_nationkey + n_regionkey AS x FROM nation ORDER BY 1",
        ),
        "group by": (
            nation.group_by("n_regionkey").agg(f.count(col("n_name")).alias("n")).sort("n_regionkey"),
            "SELECT n_regionkey, count(n_name) AS n FROM nation GROUP BY 1 ORDER BY 1",
        ),
        "rollup": (
            nation.rollup("n_regionkey")
            .agg(f.count(col("n_name")).alias("n"))
            .select("n_regionkey", "n")
            .sort("n_regionkey"),
            "SELECT n_regionkey, count(n_name) AS n FROM nation GROUP BY ROLLUP (n_regionkey) ORDER BY 1",
        ),
        **{
            f"{how} join": (
                nation.join(region, col("n_nationkey") == col("r_regionkey"), how=how).select(*names).sort(names[0]),
                f"SELECT {', '.join(names)} FROM {tables} ORDER BY 1",
            )
            for how, names, tables in (
                ("inner", ["n_name", "r_name"], "nation JOIN region ON n_nationkey = r_regionkey"),
                ("left", ["n_name", "r_name"], "nation LEFT JOIN region ON n_nationkey = r_regionkey"),
                ("left_semi", ["n_name"], "nation WHERE n_nationkey < 5"),
                ("left_anti", ["n_name"], "nation WHERE n_nationkey >= 5"),
                ("right_semi", ["r_name"], "region"),
            )
        },
        "exists, correlated": (
            region.filter(
                sub.exists(nation.filter((col("n_regionkey") == sub.outer("r_regionkey")) & (col("n_nationkey") > 21)))
            )
            .select("r_name")
            .sort("r_name"),
            """SELECT r_name FROM region WHERE r_regionkey IN (SELECT n_regionkey FROM nation WHERE n_nationkey > 21)
                ORDER BY 1""",
        ),
        "in a subquery": (
            nation.filter(col("n_nationkey").in_subquery(region.select("r_regionkey"))).select("n_name").sort("n_name"),
            "SELECT n_name FROM nation WHERE n_nationkey IN (SELECT r_regionkey FROM region) ORDER BY 1",
        ),
        "less than any": (
            nation.filter(col("n_nationkey") < sub.any_(region.select("r_regionkey"))).select("n_name").sort("n_name"),
            "SELECT n_name FROM nation WHERE n_nationkey < 4 ORDER BY 1",
        ),
        "when and is in": (
            nation.select(
                "n_name",
                sub.when(col("n_regionkey") == 1).then("one").otherwise("other").alias("w"),
                col("n_regionkey").is_in([1, 2]).alias("i"),
            ).sort("n_name"),
            """SELECT n_name, CASE WHEN n_regionkey = 1 THEN 'one' ELSE 'other' END AS w, n_regionkey IN (1, 2) AS i
                FROM nation ORDER BY 1""",
        ),
        "casts": (
            nation.select("n_name", col("n_nationkey").cast(sub.string).alias("s")).sort("n_name"),
            "SELECT n_name, n_nationkey::varchar AS s FROM nation ORDER BY 1",
        ),
        "hash join": (
            nation.hash_join(region, "n_regionkey", "r_regionkey").select("n_name", "r_name").sort("n_name"),
            "SELECT n_name, r_name FROM nation JOIN region ON n_regionkey = r_regionkey ORDER BY 1",
        ),
        "merge join": (
            nation.merge_join(region, "n_regionkey", "r_regionkey").select("n_name", "r_name").sort("n_name"),
            "SELECT n_name, r_name FROM nation JOIN region ON n_regionkey = r_regionkey ORDER BY 1",
        ),
        "cross join": (
            nation.cross_join(region).select("n_name", "r_name").sort("n_name", "r_name"),
            "SELECT n_name, r_name FROM nation, region ORDER BY 1, 2",
        ),
        "union": (
            nation.select("n_regionkey").union(region.select("r_regionkey"), distinct=True).sort("n_regionkey"),
            "SELECT n_regionkey FROM nation UNION SELECT r_regionkey FROM region ORDER BY 1",
        ),
        "except": (
            nation.select("n_nationkey").except_(region.select("r_regionkey")).sort("n_nationkey"),
            "SELECT n_nationkey FROM nation EXCEPT SELECT r_regionkey FROM region ORDER BY 1",
        ),
        "intersect": (
            nation.select("n_nationkey").intersect(region.select("r_regionkey")).sort("n_nationkey"),
            "SELECT n_nationkey FROM nation INTERSECT SELECT r_regionkey FROM region ORDER BY 1",
        ),
        "repartition": (
            nation.repartition(4).select("n_name").sort("n_name"),
            "SELECT n_name FROM nation ORDER BY 1",
        ),
        "strings": (
            nation.select("n_name", f.upper(col("n_name")).alias("u"), f.char_length(col("n_name")).alias("l")).sort(
                "n_name"
            ),
            "SELECT n_name, upper(n_name) AS u, length(n_name)::bigint AS l FROM nation ORDER BY 1",
        ),
        "literals": (
            nation.select("n_name", lit(1).alias("a"), lit("x").alias("b"), lit(1.5).alias("c")).sort("n_name"),
            "SELECT n_name, 1 AS a, 'x' AS b, 1.5 AS c FROM nation ORDER BY 1",
        ),
    }


def main() -> None:
    """Write the file anew."""
    context = SessionContext()
    for name in ("nation", "region"):
        context.register_parquet(name, str(TPCH / "data" / f"{name}.parquet"))
    with ipc.open_file(target()) as file:
        rows = [row for row in file.read_all().to_pylist() if row["producer"] != "substrait"]
    for name, (frame, sql) in cases().items():
        try:
            plan = frame.to_plan().SerializeToString()
        except Exception as error:
            print(f"{name}: {type(error).__name__} {str(error)[:100]}", file=sys.stderr)
            continue
        answer = serialised(context.sql(sql).to_arrow_table())
        rows.append({"producer": "substrait", "name": name, "plan": plan, "answer": answer})
    write(rows)


if __name__ == "__main__":
    main()
