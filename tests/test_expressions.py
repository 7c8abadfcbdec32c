"""Every regular expression of the packages takes time linear in the text, whatever the text is.

They are found in the source, so that a new one is among them. One that backtracks holds the interpreter, and with it
all clients.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine
import flight_server
import local_runtime
import ray_runtime
from tests.harness.growth import assert_linear
from tests.harness.pumps import hard_texts

PACKAGES = (engine, local_runtime, flight_server, ray_runtime)
USES = {"match", "fullmatch", "search", "sub", "split", "findall", "finditer"}

LOCAL_NAMES = {"mark": "mark", "name": "name", "remote": "remote", "text": "a.b"}
"""What stands in expressions that are made as the program runs: it is escaped there, or of our own making, and brings
no repetition with it."""

_NEAR = re.compile(rf"\.(?:compile|{'|'.join(sorted(USES))})\b")
"""What stands in every source that compiles or uses an expression; the others are not parsed."""

Found = tuple[str, str, int, str]
"""The module, the expression with its flags, and what is done with it."""


def modules() -> Iterator[str]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not found.name.endswith(("_pb2", "__main__")) and ".native." not in found.name:
                yield found.name


def sources() -> Iterator[tuple[str, str]]:
    for name in modules():
        yield name, Path(str(importlib.import_module(name).__file__)).read_text()


def expressions() -> Iterator[Found]:
    """Every expression that the source compiles or uses in place, once for each use."""
    nodes = {name: list(ast.walk(ast.parse(text))) for name, text in sources() if _NEAR.search(text)}
    used: dict[tuple[str, str], set[str]] = {}  # by the module of a compiled expression and its name
    for name, found in nodes.items():
        for node in found:
            if isinstance(node, ast.Attribute) and node.attr in USES and isinstance(node.value, ast.Name):
                constant = node.value.id
                used.setdefault((name if constant.startswith("_") else "", constant), set()).add(node.attr)
    for name, found in nodes.items():
        known = vars(importlib.import_module(name))
        assigned = {
            id(node.value): node.targets[0].id
            for node in found
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in found:
            use = _use_of_re(node)
            if use is None:
                continue
            assert isinstance(node, ast.Call)
            pattern, flags = _evaluated(node, known)
            constant = assigned.get(id(node), "")
            uses = used.get((name if constant.startswith("_") else "", constant), USES)
            for each in uses if use == "compile" else {use}:
                yield name, pattern, flags, each


def _use_of_re(node: ast.AST) -> str | None:
    """The function of the module `re` that a node calls, but for those that take no expression."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    of = node.func.value
    known = isinstance(of, ast.Name) and of.id == "re" and node.func.attr in USES | {"compile"}
    return node.func.attr if known else None


def _evaluated(node: ast.Call, known: dict[str, object]) -> tuple[str, int]:
    names = {**LOCAL_NAMES, **known}
    try:
        pattern = eval(compile(ast.Expression(node.args[0]), "", "eval"), names)  # noqa: S307
    except NameError as error:
        raise ValueError(f"{ast.unparse(node)}: only {', '.join(names)} may stand in it") from error
    given = [keyword.value for keyword in node.keywords if keyword.arg == "flags"]
    position = {"compile": 1, "sub": 4, "split": 3}.get(str(getattr(node.func, "attr", "")), 2)
    given += node.args[position : position + 1]
    flags = eval(compile(ast.Expression(given[0]), "", "eval"), names) if given else 0  # noqa: S307
    return str(pattern), int(flags)


FOUND = sorted(set(expressions()))


def test_the_expressions_are_found() -> None:
    assert {module for module, *_ in FOUND} >= {"engine.sql.tokens", "flight_server.options", "engine.kernel_errors"}


@pytest.mark.parametrize(("module", "pattern", "flags", "use"), FOUND, ids=lambda part: str(part)[:40])
def test_time_grows_with_the_length_only(module: str, pattern: str, flags: int, use: str) -> None:
    expression = re.compile(pattern, flags)

    def run(text: str) -> None:
        if use == "sub":
            expression.sub("", text)
        elif use == "finditer":
            list(expression.finditer(text))
        else:
            getattr(expression, use)(text)

    for make in hard_texts(expression):
        assert_linear(run, make, longest=10_000)


@pytest.mark.parametrize(
    ("pattern", "use"),
    [
        (r"(?:\s+|--[^\n]*\n)*x", "match"),
        (r"a.*b.*c.*d", "fullmatch"),
        (r"(\w+\s?)+;", "match"),
        (r"\s+$", "search"),
        (r"(a|aa)*c", "match"),
        (r"[a-z]*[a-y]*1", "match"),
    ],
)
def test_what_backtracks_is_told(pattern: str, use: str) -> None:
    expression = re.compile(pattern)

    def run_all() -> None:
        for make in hard_texts(expression):
            assert_linear(getattr(expression, use), make, longest=10_000)

    with pytest.raises(AssertionError, match="time grows"):
        run_all()
