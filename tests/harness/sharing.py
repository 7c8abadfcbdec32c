"""How the processes of `make test` share the tests: all that needs Ray in one, so that it starts once; the attacks
in one, for they are made on one server; other files whole, since the tests of a file share what it starts.

pytest-xdist's own groups (3.8) have no effect under pytest 9.2, which keeps a test's id elsewhere.
"""

from __future__ import annotations

import os
import re

from xdist.scheduler import LoadScopeScheduling

__all__ = ["SharedByFile", "group_of", "needs_ray"]

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


class SharedByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process whole groups, the largest first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
