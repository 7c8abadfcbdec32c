"""What planning asks about the kernel's functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["KernelFunctions", "read_functions"]

_Rows = list[tuple[str, list[str], str]]
"""Functions: name, parameters, and definition, which macros have."""


@dataclass(frozen=True)
class KernelFunctions:
    """`aggregates` and `macros` are names; `repeats` tells how often a macro's definition names an argument, where that
    is more than once: it is bound as often."""

    aggregates: frozenset[str]
    macros: frozenset[str]
    repeats: Mapping[str, int]


def read_functions(cursor: Any) -> KernelFunctions:
    """The functions of an instance, by a cursor of it. All instances of one process have the same."""
    kinds: dict[str, _Rows] = {"aggregate": [], "macro": []}
    for kind, *function in cursor.execute(
        "SELECT function_type, function_name, parameters, coalesce(macro_definition, '') FROM duckdb_functions() "
        "WHERE function_type IN ('aggregate', 'macro')"
    ).fetchall():
        kinds[kind].append(tuple(function))
    macros = kinds["macro"]
    names = frozenset(name for name, _, _ in macros)
    return KernelFunctions(_aggregates(kinds["aggregate"], macros), names, _repeats(macros))


def _aggregates(functions: _Rows, macros: _Rows) -> frozenset[str]:
    """The names of the aggregates, and of the macros that stand for some."""
    known = {name for name, _, _ in functions}
    called = {name: set(re.findall(r"\b(\w++)\(", text)) for name, _, text in macros}
    while found := {name for name, names in called.items() if names & known} - known:
        known |= found
    return frozenset(known)


def _repeats(macros: Iterable[tuple[str, list[str], str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, parameters, text in macros:
        words = Counter(re.findall(r"\w++", text))
        times = max((words[parameter] for parameter in parameters), default=0)
        if times > 1:
            found[name] = max(times, found.get(name, 0))
    return found
