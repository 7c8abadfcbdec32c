"""Makes `produced.arrow`: plans of Substrait's producers of today, and their own answers where they compute.

Run it where the producers are installed, which need other versions of protobuf and sqlglot than grism::

    python -m venv producers && producers/bin/pip install "datafusion==55.*" "ibis-substrait==4.*" "substrait==0.37.*"
    PYTHONPATH=. producers/bin/python -m tests.engine.substrait.produce

An argument is the file to write instead, here and with the other producers. `make test-clients` does so: what they
write has to be what is stored.

A row has the producer, the name of a case, the plan and the answer, a table as an Arrow IPC stream; the answer of ibis,
which does not compute, is DataFusion's to the same question in SQL. The tables are those of TPC-H beside its tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

HERE = Path(__file__).parent
TPCH = HERE.parents[1] / "tpch"
STORED = HERE / "produced.arrow"

SCALAR = """
l_comment || 'a'
concat(l_comment, 'a', null)
l_orderkey % 3
l_orderkey / 2
-l_orderkey / 2
-l_orderkey
abs(-l_orderkey)
l_orderkey + 1 - l_partkey * 2
l_extendedprice * (1 - l_discount) + l_tax
l_extendedprice / l_quantity
l_discount / 7
l_extendedprice % 7
round(l_extendedprice)
round(l_tax::double, 1)
floor(l_extendedprice)
ceil(l_extendedprice::double)
sqrt(l_quantity)
power(l_tax::double, 2)
ln(l_quantity::double)
log(2, l_quantity::double)
substr(l_comment, 2)
substring(l_comment from 2 for 3)
substring(l_comment from 0 for 3)
substring(l_comment from -1 for 4)
substring(l_comment from l_linenumber - 3 for 4)
upper(l_comment)
trim('  a ' || l_shipmode)
btrim(l_shipmode, 'A')
ltrim(l_shipmode, 'A')
rtrim(l_shipmode, 'L')
replace(l_comment, 'a', 'bb')
length(l_comment)
strpos(l_comment, 'a')
starts_with(l_comment, 'a')
ends_with(l_comment, 'a')
contains(l_comment, 'a')
left(l_comment, 2)
left(l_comment, -2)
right(l_comment, 2)
lpad(l_shipmode, 5, 'x')
rpad(l_shipmode, 5)
reverse(l_shipmode)
repeat(l_shipmode, 2)
split_part(l_comment, ' ', 2)
coalesce(nullif(l_linenumber, 1), 0)
nullif(l_tax, 0.02)
greatest(l_tax, l_discount)
least(l_tax, l_discount)
l_tax between 0.02 and 0.04
l_tax is null
nullif(l_linenumber, 1) is distinct from nullif(l_linenumber, 2)
nullif(l_linenumber, 1) is not null and not (l_tax > 0.02)
(nullif(l_linenumber, 1) > 2) is true
(nullif(l_linenumber, 1) > 2) is not false
l_comment like '%a%e%'
l_shipmode like '_IR'
l_shipmode ilike 'a%'
l_comment not like 'a%'
l_shipmode || '%' like '%\\%'
l_shipmode || '%' like '%!%' escape '!'
extract(year from l_shipdate)
extract(quarter from l_shipdate)
extract(week from l_shipdate)
date_part('dow', l_shipdate)
date_part('doy', l_shipdate)
date_trunc('month', l_shipdate)
l_shipdate + interval '1 month'
l_shipdate - interval '1 day'
l_shipdate - l_commitdate
l_shipdate > date '1995-01-01'
cast(l_tax as double)
cast(l_extendedprice as bigint)
cast(l_extendedprice::double as int)
cast(-l_extendedprice as bigint)
cast(l_extendedprice as decimal(10, 1))
cast(l_linenumber as varchar)
cast(l_shipdate as varchar)
cast(l_shipdate as timestamp)
try_cast(l_shipmode as int)
case l_linenumber when 1 then 'one' when 2 then 'two' else 'more' end
case when l_linenumber > 2 then l_tax end
l_linenumber in (1, 2, 5, 6, 7)
l_linenumber not in (1, 2, 5, 6, 7)
l_shipmode in ('AIR', 'RAIL', 'x', 'y')
l_orderkey & 3
l_orderkey | 3
l_orderkey << 1
l_orderkey >> 1
isnan(l_tax::double)
make_array(1, 2)
named_struct('a', 1, 'b', 'x')
l_orderkey in (select o_orderkey from orders where o_custkey < 500)
l_orderkey not in (select o_orderkey from orders where o_custkey < 500)
(select max(o_orderkey) from orders)
l_orderkey::int::smallint
1.0::double / 0
arrow_cast(l_linenumber, 'UInt32')
arrow_cast(l_linenumber, 'UInt64') + arrow_cast(200, 'UInt64')
""".strip().splitlines()

AGGREGATES = """
count(*)
count(nullif(l_linenumber, 1))
count(distinct l_shipmode)
count(distinct l_shipmode) filter (where l_linenumber > 2)
sum(l_orderkey)
sum(l_tax)
sum(l_tax::double)
sum(distinct l_linenumber)
sum(l_quantity) filter (where l_linenumber > 100)
avg(l_tax)
avg(l_orderkey)
avg(l_extendedprice) filter (where l_linenumber > 100)
min(l_comment)
max(l_shipdate)
stddev(l_tax)
stddev_pop(l_tax)
var_samp(l_tax)
var_pop(l_tax)
corr(l_tax, l_discount)
covar_samp(l_tax, l_discount)
covar_pop(l_tax, l_discount)
median(l_tax::double)
percentile_cont(0.25) within group (order by l_tax)
bool_and(l_tax > 0.01)
bool_or(l_tax > 0.01)
bit_and(l_orderkey)
bit_or(l_orderkey)
string_agg(l_shipmode, ',' order by l_shipmode)
first_value(l_comment order by l_orderkey, l_linenumber)
last_value(l_comment order by l_orderkey, l_linenumber)
array_agg(l_tax order by l_tax desc)
""".strip().splitlines()

WINDOWS = """
row_number() over (order by l_orderkey, l_linenumber)
rank() over (order by l_orderkey)
dense_rank() over (partition by l_shipmode order by l_orderkey desc)
percent_rank() over (order by l_orderkey)
cume_dist() over (order by l_orderkey)
ntile(4) over (order by l_orderkey, l_linenumber)
lead(l_tax) over (order by l_orderkey, l_linenumber)
lag(l_linenumber, 2, 0) over (order by l_orderkey, l_linenumber)
first_value(l_tax) over (partition by l_orderkey order by l_linenumber)
last_value(l_tax) over (partition by l_linenumber order by l_orderkey rows between 1 preceding and unbounded following)
nth_value(l_tax, 2) over (partition by l_orderkey order by l_linenumber)
sum(l_tax) over (partition by l_orderkey)
avg(l_tax) over (partition by l_orderkey)
sum(l_tax) over (order by l_orderkey, l_linenumber rows between 1 preceding and 1 following)
sum(l_linenumber) over (order by l_orderkey range between 1 preceding and 1 following)
count(*) over ()
max(l_shipdate) over (partition by l_orderkey order by l_linenumber)
""".strip().splitlines()


def questions() -> Iterator[tuple[str, str]]:
    """The cases of DataFusion by name: SQL."""
    for number in range(1, 23):
        yield f"q{number:02}", (TPCH / "queries" / f"q{number:02}.sql").read_text(encoding="utf-8")
    few = "FROM lineitem WHERE l_orderkey < 20"
    for text in SCALAR:
        yield text, f"SELECT l_orderkey AS k, l_linenumber AS n, {text} AS x {few} ORDER BY 1, 2"
    for text in AGGREGATES:
        yield text, f"SELECT l_linestatus AS k, {text} AS x {few} GROUP BY 1 ORDER BY 1"
        yield f"{text}, of all", f"SELECT {text} AS x {few}"
    for text in WINDOWS:
        yield text, f"SELECT l_orderkey AS k, l_linenumber AS n, {text} AS x {few} ORDER BY 1, 2"
    for block in (HERE / "queries.sql").read_text(encoding="utf-8").split("\n\n"):
        name, _, text = block.partition("\n")
        yield name.removeprefix("-- "), text


def main() -> None:
    """Write the file."""
    from datafusion import SessionContext
    from datafusion.substrait import Serde

    context = SessionContext()
    for path in sorted((TPCH / "data").glob("*.parquet")):
        context.register_parquet(path.stem, str(path))
    rows = []
    for name, sql in questions():
        try:
            plan = Serde.serialize_bytes(sql, context)
            answer = context.sql(sql).to_arrow_table()
        except Exception as error:
            print(f"{name}: {str(error)[:150]}", file=sys.stderr)
            continue
        rows.append({"producer": "datafusion", "name": name, "plan": plan, "answer": serialised(answer)})
    write(rows)


def target() -> Path:
    """The file to write: the command's argument, or else the stored one."""
    return Path(sys.argv[1]) if sys.argv[1:] else STORED


def serialised(table: pa.Table) -> bytes:
    """A table as an IPC stream, with plain text in it."""
    plain = pa.schema([pa.field(f.name, pa.string() if f.type == pa.string_view() else f.type) for f in table.schema])
    table = table.cast(plain)
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, plain) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def write(rows: list[dict[str, object]]) -> None:
    """Write the file of all the rows."""
    kinds = pa.schema(
        [("producer", pa.string()), ("name", pa.string()), ("plan", pa.binary()), ("answer", pa.binary())]
    )
    options = ipc.IpcWriteOptions(compression="zstd")
    with ipc.new_file(target(), kinds, options=options) as writer:
        writer.write_table(pa.Table.from_pylist(rows, kinds))


if __name__ == "__main__":
    main()
