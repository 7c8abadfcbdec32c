"""Trees of any depth become the text again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from engine.errors import UnsupportedError
from engine.kernel import Kernel
from engine.sql.unparsing import unparse
from tests.engine.test_bad_input import DEEP


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


def placeless(tree: dict[str, Any]) -> str:
    """A tree as text, without the places of its parts in the statement."""
    return re.sub(r'"query_location\w*": \d+', "", json.dumps(tree))


@pytest.mark.parametrize(
    "text",
    [
        *(shape(depth) for shape in DEEP.values() for depth in (3, 60, 130)),
        "SELECT " + "coalesce(id, " * 90 + "1" + ")" * 90 + " AS deep, id AS __cut FROM people",
        "SELECT " + "{'a': " * 40 + "(SELECT max(x) FROM t WHERE x IN (1, id))" + "}" * 40 + " FROM people",
        "WITH a AS (SELECT " + " + ".join(["id"] * 90) + " AS s FROM people) SELECT * FROM a ORDER BY s + 1",
        "SELECT list_transform([1], lambda x: " + "abs(" * 90 + "x" + ")" * 90 + ")",
        "SELECT x, sum(" + "abs(" * 90 + "x" + ")" * 90 + ") FILTER (x > 1) OVER (ORDER BY x) FROM t GROUP BY ALL",
        "FROM range(" + "abs(" * 90 + "3" + ")" * 90 + ") r(x) SELECT 'SELECT __cuts0 __cute1', x",
    ],
    ids=lambda text: f"{text[:40]}-{len(text)}",
)
def test_a_deep_tree_becomes_the_text_again(kernel: Kernel, text: str) -> None:
    tree = kernel.parse(text)
    again = unparse(kernel, tree)
    assert placeless(kernel.parse(again)) == placeless(tree)
    assert again == unparse(kernel, kernel.parse(again))


def test_a_tree_that_cannot_be_cut(kernel: Kernel) -> None:
    joins = "SELECT 1 FROM t0" + "".join(f" JOIN t{i} ON true" for i in range(1, 300))
    with pytest.raises(UnsupportedError, match="nested too deeply"):
        unparse(kernel, kernel.parse(joins))
