"""Types of plans are written as the kernel writes them."""

from __future__ import annotations

import pytest

from engine.sql.plan_reader.keywords import KEYWORDS
from engine.sql.plan_reader.not_read import NotRead
from engine.sql.plan_reader.types import data_type, type_text
from tests.engine.sql.plan_reader.binding import Binder

TYPES = """
BOOLEAN; TINYINT; SMALLINT; INTEGER; BIGINT; HUGEINT; UTINYINT; USMALLINT; UINTEGER; UBIGINT; UHUGEINT; FLOAT; DOUBLE
VARCHAR; BLOB; BIT; BIGNUM; UUID; DATE; TIME; TIME_NS; TIMETZ; TIMESTAMP; TIMESTAMP_S; TIMESTAMP_MS; TIMESTAMP_NS
TIMESTAMPTZ; TIMESTAMPTZ_NS; INTERVAL; JSON; VARIANT; GEOMETRY; "NULL"; DECIMAL(4, 0); DECIMAL(18, 3); DECIMAL(38, 38)
INTEGER[]; VARCHAR[][3]; INTEGER[2][]; JSON[]; DECIMAL(5, 2)[]; MAP(VARCHAR, INTEGER); MAP(DATE, STRUCT(a INTEGER)[])
STRUCT(a INTEGER, "B" VARCHAR, "select" DATE, "a b" JSON, "q""q" INTEGER[], "1a" INTEGER, "É" INTEGER, _x INTEGER)
STRUCT("CamelCase" STRUCT(x UNION(i INTEGER, s VARCHAR))); UNION(num INTEGER, "Str" VARCHAR, "order" DATE)
TUPLE(INTEGER, VARCHAR[]); ENUM('a', 'b''c', ''); ENUM('lo', 'hi')[]
"""


@pytest.fixture(scope="module")
def binder() -> Binder:
    return Binder()


@pytest.mark.parametrize("kind", [kind.strip() for line in TYPES.strip().splitlines() for kind in line.split("; ")])
def test_as_the_kernel_writes_it(binder: Binder, kind: str) -> None:
    (constant,) = binder.plan(f"SELECT CAST(NULL AS {kind})")["expressions"]
    node = constant["value"]["type"]
    ((_, described, *_),) = binder.connection.execute(f"DESCRIBE SELECT CAST(NULL AS {kind})").fetchall()
    assert type_text(node) == described
    again = data_type(node).sql("duckdb")
    ((_, printed, *_),) = binder.connection.execute(f"DESCRIBE SELECT CAST(NULL AS {again})").fetchall()
    assert printed == described


def test_a_collation_is_no_part_of_a_type(binder: Binder) -> None:
    (constant,) = binder.plan("SELECT 'x' COLLATE nocase")["expressions"]
    assert type_text(constant["value"]["type"]) == "VARCHAR"


def test_the_words_that_the_kernel_quotes(binder: Binder) -> None:
    words = binder.connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()
    assert {word for (word,) in words} == KEYWORDS


@pytest.mark.parametrize(
    "node",
    [
        {"id": "SURPRISE"},
        {"id": "ANY"},
        {"id": "INTEGER", "surprise": 1},
        {"id": "VARCHAR", "type_info": {"type": "GENERIC_TYPE_INFO", "alias": "OTHER"}},
        {"id": "DECIMAL", "type_info": {"type": "DECIMAL_TYPE_INFO", "width": 4, "surprise": 1}},
        {"id": "LIST", "type_info": {"type": "LIST_TYPE_INFO", "child_type": {"id": "SURPRISE"}}},
        {"id": "STRUCT", "type_info": {"type": "STRUCT_TYPE_INFO"}},
    ],
)
def test_a_type_that_is_not_known_is_not_read(node: dict[str, object]) -> None:
    with pytest.raises(NotRead):
        type_text(node)


def test_a_type_that_is_nested_too_deeply_is_not_read() -> None:
    node: dict[str, object] = {"id": "INTEGER"}
    for _ in range(80):
        node = {"id": "LIST", "type_info": {"type": "LIST_TYPE_INFO", "child_type": node}}
    with pytest.raises(NotRead, match="too deeply"):
        type_text(node)
