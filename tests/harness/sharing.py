"""How the processes of `make test` share the tests: all that needs Ray in one, so that it starts once; the attacks
in one, for they are made on one server; other files whole, since the tests of a file share what it starts.

pytest-xdist's own groups (3.8) have no effect under pytest 9.2, which keeps a test's id elsewhere.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

__all__ = ["SharedByFile", "group_of", "in_turn", "needs_ray"]

_ON_RAY = re.compile(
    r"""
    [\[-]ray[\]-]                           # by a parameter
    | ^tests/ray_runtime/test_\w+\.py::     # what needs no cluster there is in folders
    | ^tests/sql/test_types_behind_exchanges\.py::
    | ^tests/flight_server/cli/test_doors\.py::
    | ::test_\w*_on_ray
    """,
    re.VERBOSE,
)


def group_of(test: str) -> str:
    """With whom a test stays, by its id: those on Ray, the attacks, or those of its file.

    >>> group_of("tests/sql/test_suites.py::test_suite[ray-joins]"), group_of("tests/engine/test_cache.py::test_size")
    ('ray', 'tests/engine/test_cache.py')
    """
    if _ON_RAY.search(test):
        return "ray"
    return "attacks" if test.startswith("tests/attacks/") else test.partition("::")[0]


def needs_ray() -> None:
    """Refuse Ray to a test whose name does not say that it needs it: in its process Ray would start once more."""
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
    assert group_of(test) == "ray", f"{test} needs Ray; say so in its name: test_..._on_ray"


def in_turn(tests: Sequence[str]) -> list[int]:
    """The places of the tests in the order in which processes are to take them.

    Those on Ray take longest by far, and begin first. Behind them come files that start servers and wait for them, by
    no means the longer the more tests they have; last what has many short tests, the largest files first: so all
    processes end at about the same time.

    >>> tests = [f"tests/{test}" for test in ("engine/a::x", "sql/b::x[ray]", "engine/c::x", "engine/c::y", "sql/b::x")]
    >>> [tests[place] for place in in_turn(tests)]
    ['tests/sql/b::x[ray]', 'tests/sql/b::x', 'tests/engine/c::x', 'tests/engine/c::y', 'tests/engine/a::x']
    """
    groups = [group_of(test) for test in tests]
    sizes = Counter(groups)

    def turn(place: int) -> tuple[bool, bool, int, str]:
        group = groups[place]
        return group != "ray", group.startswith("tests/engine/"), -sizes[group], group

    return sorted(range(len(tests)), key=turn)


class SharedByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process whole groups, in the order of the tests."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
