"""Types as trees: what the kernel writes is read and written back, and nothing else is a type."""

from __future__ import annotations

import pytest

from engine.kernel import Kernel
from engine.kernel_types import ARRAY, LIST, KernelType, parse_type, unquote
from engine.schema import Column

TEXTS = [
    "INTEGER",
    "DECIMAL(38,10)",
    "TIME WITH TIME ZONE[]",
    "INTEGER[2][][3]",
    "ENUM('a', 'it''s', 'x)', '(', ',')[]",
    'STRUCT("a ""(b" STRUCT(x INTEGER)[], "ü" UNION(a MAP(VARCHAR, BIT[]), tag TUPLE(INTEGER, UUID)))',
    "GEOMETRY('OGC:CRS84')",
    '"NULL"[]',
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_kernel_writes_is_read(text: str, kernel: Kernel) -> None:
    assert kernel.describe(f"SELECT NULL::{text} AS x") == (Column("x", text),)
    assert str(parse_type(text)) == text


def test_the_parts_of_a_type() -> None:
    found = parse_type("STRUCT(\"a b\" INTEGER[2], c ENUM('x')[])")
    enum = KernelType("ENUM", arguments="('x')")
    assert found.names == ('"a b"', "c")
    assert [unquote(name) for name in found.names] == ["a b", "c"]
    assert found.members == (KernelType(ARRAY, (KernelType("INTEGER"),), size=2), KernelType(LIST, (enum,)))
    assert [inner.name for inner in found.walk()] == ["STRUCT", ARRAY, "INTEGER", LIST, "ENUM"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INTEGER)",
        "STRUCT(",
        "STRUCT(a",
        "MAP(INTEGER",
        "INTEGER[",
        "DECIMAL(",
        "INTEGER[x]",
        "A, B",
        "  INTEGER",
        '"',
    ],
)
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a type"):
        parse_type(text)
