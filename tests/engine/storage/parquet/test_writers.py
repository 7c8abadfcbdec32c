"""Files of other writers against the same rows in memory: `tests/data/parquet/writers` has the programs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from engine.kernel import Kernel, KernelConfig
from engine.storage import DirectoryStorage, ScanRequest, TableName
from tests.data.parquet.rows import rows
from tests.harness.runtimes import query

DATA = Path(__file__).parents[3] / "data" / "parquet"
WRITERS = (
    "pyarrow",
    "polars",
    "arro3",
    "datafusion",
    "arrow_go",
    "parquet_go",
    "parquet_java_1.9.0",
    "parquet_java_1.17.0",
    "hyparquet",
    "parquetjs",
)
# Expressions by the column of which a file must have them, each with literals to compare it with.
FLOATS = ("5", "'nan'::FLOAT", "0", "100")
TEXTS = ("''", "'a'", "'ab'", "'b'", "'é'")
EXPRESSIONS = {
    "id": ("id", ("0", "5", "11", "100")),
    "price": ("price", FLOATS),
    "ratio": ("ratio", FLOATS),
    "half": ("half", FLOATS),
    "name": ("name", TEXTS),
    "label": ("label", TEXTS),
    "raw": ("raw", (r"'\x80'::BLOB", r"'\xFF'::BLOB", "''::BLOB", "'a'::BLOB")),
    "amount": ("amount", ("-1.5", "0", "2.25", "-200")),
    "small": ("small", ("0", "7", "3000000000", "4100000000")),
    "day": ("day", ("DATE '1970-01-01'", "DATE '1969-12-31'", "DATE '2024-01-01'", "DATE '2100-01-01'")),
    "at": ('"at"', ("TIMESTAMP '1970-01-01'", "TIMESTAMP '2024-01-01'", "TIMESTAMP '1969-12-31 23:59:59.999999'")),
    "point": ("point.x", FLOATS),
    "tag": ("point.tag", TEXTS),
    "tags": ("tags[1]", TEXTS),
}
COMPARISONS = ("=", "<", ">", "IS DISTINCT FROM")


def probes(expression: str, literals: tuple[str, ...]) -> Iterator[str]:
    """SELECTs of one text over the table `{t}`."""
    conditions = [f"{expression} {sign} {literal}" for literal in literals for sign in COMPARISONS]
    conditions += [f"{expression} IS NULL", f"{expression} IS NOT NULL", f"{expression} = {literals[0]} OR id = 3"]
    conditions += [f"{expression} IN ({literals[0]}, {literals[-1]})", f"NOT ({expression} <= {literals[1]})"]
    conditions += [f"{expression} BETWEEN {literals[0]} AND {literals[1]}"]
    conditions += [f"{expression} = (SELECT {literals[0]} FROM range(1))"]
    conditions += [f"{expression} >= (SELECT {literals[1]} FROM range(1))"]
    if literals is FLOATS:
        conditions += [f"isnan({expression})", f"NOT isnan({expression})", f"isinf({expression})"]
    for condition in conditions:
        yield f"SELECT coalesce(string_agg(id, ',' ORDER BY id), '') FROM {{t}} WHERE {condition}"
    shown = "({} + 0)::DOUBLE::VARCHAR" if literals is FLOATS else "{}::VARCHAR"
    for aggregate in ("min", "max"):
        yield f"SELECT {shown.format(f'{aggregate}({expression})')} FROM {{t}}"
        yield f"SELECT {shown.format(f'{aggregate}({expression})')} FROM {{t}} WHERE id >= 4"
    yield f"SELECT count({expression})::VARCHAR FROM {{t}}"
    yield f"SELECT count(DISTINCT {expression})::VARCHAR FROM {{t}}"
    for order in ("ASC NULLS FIRST", "DESC NULLS LAST", "ASC NULLS LAST", "DESC NULLS FIRST"):
        top = f"SELECT {expression} AS c FROM {{t}} ORDER BY 1 {order} LIMIT 2"
        yield f"SELECT coalesce(string_agg({shown.format('c')}, ',' ORDER BY c), '') FROM ({top})"
    values = f"(SELECT {literals[0]} AS k UNION ALL SELECT {literals[1]})"
    yield f"SELECT coalesce(string_agg(id, ',' ORDER BY id), '') FROM {{t}} JOIN {values} ON {expression} = k"
    yield f"SELECT count(*)::VARCHAR FROM {{t}} WHERE {expression} IN (SELECT k FROM {values})"


def one_statement(selects: list[str], table: str) -> str:
    """All selects as one statement, whose branches read the table each by itself."""
    branches = (f"SELECT {i} AS i, ({select.format(t=table)}) AS answer" for i, select in enumerate(selects))
    return f"SELECT * FROM ({' UNION ALL '.join(branches)}) ORDER BY i"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel(KernelConfig((str(DATA),), threads=1)) as kernel:
        yield kernel


def in_memory() -> pa.Table:
    """The rows in types that the kernel reads."""
    table = rows()
    return table.set_column(table.schema.get_field_index("half"), "half", table["half"].cast(pa.float32()))


def answers(kernel: Kernel, selects: list[str], table: str) -> list[str]:
    sources = {"memory": in_memory()} if table == "memory" else {}
    return kernel.stream(one_statement(selects, table), sources).reader.read_all()["answer"].to_pylist()


@pytest.fixture(scope="module")
def truth(kernel: Kernel) -> Callable[[str], list[str]]:
    """The answers to the probes of a column over the rows in memory."""
    return cache(lambda name: answers(kernel, list(probes(*EXPRESSIONS[name])), "memory"))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_answers_like_its_rows(kernel, truth, writer):
    storage = DirectoryStorage(DATA)
    handle = storage.snapshot().table(TableName("main", writer))
    columns = [column.name for column in kernel.describe(storage.probe(handle).query.sql("duckdb"))]
    assert {"id", "price", "ratio", "name", "label", "raw"} <= {*columns}
    for column in columns:
        request = ScanRequest(("id", column)[column == "id" :])
        splits = storage.splits(handle, 2) if column in ("price", "name") else [handle]
        sources = [storage.open(data, request).query.sql("duckdb") for data in splits]
        for name in (column, "tag") if column == "point" else (column,):
            selects = list(probes(*EXPRESSIONS[name]))
            found = answers(kernel, selects, f"({' UNION ALL '.join(sources)})")
            assert [(s, f, e) for s, f, e in zip(selects, found, truth(name), strict=True) if f != e] == []


@pytest.mark.parametrize(
    ("writer", "condition"),
    [
        ("pyarrow", "isnan(price)"),
        ("pyarrow", "half = 1"),
        ("parquet_java_1.9.0", "name > 'é'"),
        ("arrow_go", "label = ''"),
    ],
)
def test_the_kernel_alone_finds_less(kernel, writer, condition):
    """What the guards are for: where this fails, the kernel has learnt, and a guard may go."""
    select = f"SELECT count(*)::VARCHAR FROM {{t}} WHERE {condition}"
    file = f"read_parquet('{DATA / writer}.parquet')"
    assert answers(kernel, [select], file) != answers(kernel, [select], "memory")


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_has_the_rows(kernel, writer):
    storage = DirectoryStorage(DATA)
    handle = storage.snapshot().table(TableName("main", writer))
    columns = tuple(c.name for c in kernel.describe(storage.probe(handle).query.sql("duckdb")))
    found = kernel.stream(storage.open(handle, ScanRequest(columns)).query.sql("duckdb")).reader.read_all()
    for name in columns:
        assert str(found[name].to_pylist()) == str(rows()[name].cast(found[name].type).to_pylist())


ASKED = {
    "price = 5": [0, 2, 3, 6],
    "isnan(price)": [1, 5],
    "price > 5": [1, 5, 11],
    "isnan(ratio) AND name = 'zz'": [5],
    "name = 'ab'": [2],
    "name > 'b'": [3, 5, 7],
    "label = ''": [0, 3, 5],
    "raw >= '\\x80'::BLOB": [2, 3, 7],
}


@pytest.mark.parametrize("writer", WRITERS)
def test_queries_of_a_file_on_both_runtimes(runtime_name, make_runtime, writer):
    runtime, tables = make_runtime(runtime_name, "parquet")
    name = f"by_{writer}".replace(".", "_")
    shutil.copy(DATA / f"{writer}.parquet", Path(tables.storage.directories()[0]) / f"{name}.parquet")
    branches = (f"SELECT {i} AS i, id FROM {name} WHERE {condition}" for i, condition in enumerate(ASKED))
    found: dict[int, list[int]] = {i: [] for i in range(len(ASKED))}
    for row in query(runtime, f"{' UNION ALL '.join(branches)} ORDER BY ALL").to_pylist():
        found[row["i"]].append(row["id"])
    assert dict(zip(ASKED, found.values(), strict=True)) == ASKED
    assert str(query(runtime, f"SELECT max(price), max(ratio) FROM {name}").to_pylist()[0].values()) == (
        "dict_values([nan, nan])"
    )
    tables.remove(name)
