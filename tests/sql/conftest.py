"""Runtimes with the tables of a module, which its function `put_tables` puts into the storage of each, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.runtimes import SqlRuntime, Tables


@pytest.fixture(scope="module")
def with_tables(
    request: pytest.FixtureRequest, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]
) -> Callable[[str], SqlRuntime]:
    """Gives the runtime of a name, over Lance and with the module's tables; where it has none, over memory."""
    put_tables: Callable[[Tables, SqlRuntime], None] | None = getattr(request.module, "put_tables", None)
    stocked: set[str] = set()

    def give(runtime_name: str) -> SqlRuntime:
        runtime, tables = make_runtime(runtime_name, "memory" if put_tables is None else "lance")
        if put_tables is not None and runtime_name not in stocked:
            put_tables(tables, runtime)
            stocked.add(runtime_name)
        return runtime

    return give


@pytest.fixture
def runtime(runtime_name: str, with_tables: Callable[[str], SqlRuntime]) -> SqlRuntime:
    """Each runtime, with the module's tables."""
    return with_tables(runtime_name)


@pytest.fixture
def local(with_tables: Callable[[str], SqlRuntime]) -> SqlRuntime:
    """The local runtime, for what is decided before one runs anything."""
    return with_tables("local")
