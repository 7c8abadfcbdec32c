"""What a statement may be: bounds on its text, before a parser sees it, and on its tree, before the binder does.

Parser and binder cannot be interrupted, and brackets in brackets cost them far more time and memory than the length of
the text suggests. Within these bounds the worst text takes the kernel some seconds of one processor and some 100 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.cancellation import current_cancellation
from engine.errors import UnsupportedError
from engine.sql.syntax import CHECKED, Node, Tree, function_name
from engine.sql.tokens import Kind, scan

__all__ = [
    "MAX_DEPTH",
    "MAX_NESTING",
    "MAX_REPEATED",
    "MAX_TOKENS",
    "require_bounds",
    "require_few_repeats",
]

MAX_DEPTH = 200  # brackets in brackets: the parser's time grows with their square
MAX_NESTING = 500_000  # the depths of all brackets together
MAX_TOKENS = 250_000  # each takes up to 2 KB
MAX_REPEATED = 10_000  # nodes that the binder reads again: a lambda in a lambda is read twice for each time of that
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


def require_bounds(text: str) -> None:
    """Raise UnsupportedError for a text of too many tokens, or with brackets that are nested too deeply.

    Raises the cause where planning was stopped.
    """
    if len(text) <= MAX_TOKENS and sum(map(text.count, _OPENING)) <= MAX_DEPTH:
        return
    depth = nesting = 0
    for count, token in enumerate(scan(text), 1):
        if token.kind is Kind.SYMBOL and token.value in _OPENING:
            depth += 1
            nesting += depth
            if depth > MAX_DEPTH:
                raise UnsupportedError(
                    f"The statement is nested too deeply: at most {MAX_DEPTH} brackets may stand in each other; "
                    "break it into CTEs."
                )
        elif token.kind is Kind.SYMBOL and token.value in _CLOSING:
            depth = max(0, depth - 1)
        if count > MAX_TOKENS or nesting > MAX_NESTING:
            raise UnsupportedError(
                f"The statement is too large: it may have {MAX_TOKENS} tokens, and its brackets a depth of "
                f"{MAX_NESTING} all together; bind or upload values, or use several statements."
            )


def require_few_repeats(tree: Tree, macros: Mapping[str, int]) -> None:
    """Raise UnsupportedError where lambdas, LIMITs, PIVOTs and calls of `macros` stand in each other too deeply.

    The binder reads what is in them twice, and what is in a macro as often as that names its argument: its time grows
    with the product.
    """
    readers = [
        *tree.expressions("FUNCTION", "LAMBDA"),
        *(node for node, _ in tree.relations("LIMIT_MODIFIER", "PIVOT")),
    ]
    if all(_readings(node, macros) == 1 for node in readers):
        return
    repeated = 0
    for node, times in _nested_nodes(tree.root, 1, lambda times, node: times * _readings(node, macros)):
        repeated += times - 1 if "class" in node or "type" in node else 0
        if repeated > MAX_REPEATED:
            break
    else:
        return
    raise UnsupportedError(
        "The statement is nested too deeply: its lambdas, LIMITs with subqueries, PIVOTs and functions like nullif() "
        "stand in each other, and what is in them is read several times; break it into CTEs."
    )


def _nested_nodes(root: Node, start: int, below: Callable[[int, Node], int]) -> Iterator[tuple[Node, int]]:
    """The nodes but constants, each with what `below` makes of its own and of those around it.

    Raises the cause where planning was stopped.
    """
    steps = 0
    stack: list[tuple[Any, int]] = [(root, start)]
    while stack:
        steps += 1
        if steps % CHECKED == 0:
            current_cancellation().check()
        value, found = stack.pop()
        if isinstance(value, dict):
            if value.get("class") == "CONSTANT":
                continue
            found = below(found, value)
            yield value, found
            value = value.values()
        stack.extend((item, found) for item in value if isinstance(item, dict | list))


def _readings(node: Node, macros: Mapping[str, int]) -> int:
    """How often the binder reads what is in a node."""
    if node.get("class") == "FUNCTION":
        return macros.get(function_name(node), 1)
    return 2 if node.get("class") == "LAMBDA" or node.get("type") in ("LIMIT_MODIFIER", "PIVOT") else 1
