"""How the processes of `make test` share the tests: all that asks queries on Ray in one, so that it starts once; all
that takes workers of its own on Ray in one, and all that takes a server on it in one, which are other Rays; the attacks
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

__all__ = ["SharedByFile", "group_of", "in_turn", "stays_with"]

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

_AT_A_SERVER = re.compile(
    r"""
    ^tests/ (?: clients/ | tpch/ | flight_server/cli/
    | flight_server/monitoring/test_(?:progress|stages|system_tables|traces)\.py
    | flight_server/service/test_(?:listings|parameter_rows|running)\.py
    | ray_runtime/test_(?:parts|updates)\.py
    | sql/test_(?:indexes|random_changes)\.py )
    """,
    re.VERBOSE,
)

_WITH_WORKERS = re.compile(r"^tests/ray_runtime/(?:test_\w+|planner/test_options)\.py::")


def group_of(test: str) -> str:
    """With whom a test stays, by its id: those on Ray, with workers of their own or at a server on it, the attacks, or
    those of its file.

    >>> group_of("tests/sql/test_suites.py::test_suite[ray-joins]"), group_of("tests/sql/test_indexes.py::test_it[ray]")
    ('ray', 'server on ray')
    >>> group_of("tests/ray_runtime/test_faults.py::test_a_worker_that_hangs")
    'workers on ray'
    >>> group_of("tests/engine/test_cache.py::test_size")
    'tests/engine/test_cache.py'
    """
    if _ON_RAY.search(test):
        if _AT_A_SERVER.match(test):
            return "server on ray"
        return "workers on ray" if _WITH_WORKERS.match(test) else "ray"
    return "attacks" if test.startswith("tests/attacks/") else test.partition("::")[0]


def stays_with(group: str) -> None:
    """Refuse what a group has to itself, a Ray or a server on it, to a test of another: it would start once more."""
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
    assert group_of(test) == group, f"{test} takes what the group {group!r} has; its name says so: test_..._on_ray"


def in_turn(tests: Sequence[str]) -> list[int]:
    """The places of the tests in the order in which processes are to take them.

    Those on Ray take longest by far, and begin first, each group of them in a process. Behind them come files that
    start servers and wait for them, by no means the longer the more tests they have; last what has many short tests,
    the largest files first: so all processes end at about the same time.

    >>> tests = [f"tests/{test}" for test in ("engine/a::x", "sql/b::x[ray]", "engine/c::x", "engine/c::y", "sql/b::x")]
    >>> [tests[place] for place in in_turn(tests)]
    ['tests/sql/b::x[ray]', 'tests/sql/b::x', 'tests/engine/c::x', 'tests/engine/c::y', 'tests/engine/a::x']
    """
    groups = [group_of(test) for test in tests]
    sizes = Counter(groups)

    def turn(place: int) -> tuple[bool, bool, int, str]:
        group = groups[place]
        return not group.endswith("ray"), group.startswith("tests/engine/"), -sizes[group], group

    return sorted(range(len(tests)), key=turn)


class SharedByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process whole groups, in the order of the tests."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
