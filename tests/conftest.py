"""Options and fixtures that the suites share."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.harness.collector import Collector, run_collector
from tests.harness.incidents import INCIDENTS
from tests.harness.launcher import LAUNCHER
from tests.harness.runtimes import RUNTIMES, STORAGES, SqlRuntime, Tables, make_tables
from tests.harness.server import serve
from tests.harness.sharing import SharedByFile, in_turn, stays_with
from tests.tpch import dataset

RAY_OPTIONS = ("--runtime", "ray", "--workers", "2", "--partitions", "3", "--split-size", "1MB")
RAY_OPTIONS += ("--broadcast-threshold", "10KB", "--write-threshold", "1KB")

# Ray's workers would give way to whatever else runs on the machine, and what tests wait for would take its time.
os.environ.setdefault("RAY_worker_niceness", "0")

# Shrinking a failure takes minutes: `--hypothesis-profile=explore` does it, and draws other examples in each run.
settings.register_profile("explore", deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
settings.register_profile("ci", settings.get_profile("explore"), derandomize=True, phases=[Phase.generate])
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("grism")
    group.addoption("--runtime", action="append", choices=list(RUNTIMES), help="run the suites on this runtime only")
    group.addoption("--golden-update", action="store_true", help="write the golden files anew; read the difference")
    group.addoption("--storage", action="append", choices=list(STORAGES), help="run all SQL suites on this storage")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives every runtime to the tests that take one."""
    if "runtime_name" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--runtime") or list(RUNTIMES)
        metafunc.parametrize("runtime_name", chosen, scope="session")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharedByFile:
    """Which process of several runs which tests."""
    return SharedByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes run the tests: the order in which they take them."""
    if hasattr(config, "workerinput"):
        items[:] = [items[place] for place in in_turn([item.nodeid for item in items])]


def pytest_collection() -> None:
    """The thousands of tests live to the end: the garbage collector does not look at them while they are collected."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Nor later, again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def launcher() -> Iterator[None]:
    """Ends at last, after the servers that it has launched."""
    yield
    LAUNCHER.close()


@pytest.fixture(scope="session", autouse=True)
def no_internal_error_at_the_end(launcher: None) -> Iterator[None]:
    """Nor does one come while the servers stop that the whole run shares."""
    INCIDENTS.listen()
    yield
    assert INCIDENTS.take() == []


@pytest.fixture(autouse=True)
def no_internal_error(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that causes an internal error fails, here or in a server, but where `provokes_incident` marks it."""
    yield
    found = INCIDENTS.take()
    if request.node.get_closest_marker("provokes_incident") is not None:
        assert found, "the test is marked with provokes_incident, and causes no internal error"
    elif found:
        pytest.fail("internal errors were logged:\n" + "\n".join(found), pytrace=False)


@pytest.fixture(scope="session")
def tpch_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TPC-H at scale 0.01, one Parquet file for each table. Not to be changed."""
    return Path(shutil.copytree(dataset.DATA, tmp_path_factory.mktemp("tpch") / "data"))


@pytest.fixture(scope="session")
def make_runtime(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str, str], tuple[SqlRuntime, Tables]]]:
    """Gives a runtime over a kind of storage with the storage's tables; one of each for the whole run."""
    made: dict[tuple[str, str], tuple[SqlRuntime, Tables]] = {}
    with ExitStack() as stack:

        def make(runtime_name: str, storage_kind: str) -> tuple[SqlRuntime, Tables]:
            key = (runtime_name, storage_kind)
            if runtime_name == "ray":
                stays_with("ray")
            if key not in made:
                tables = make_tables(storage_kind, tmp_path_factory.mktemp(f"{runtime_name}-{storage_kind}"))
                runtime = RUNTIMES[runtime_name](tables.storage)
                stack.callback(runtime.close)
                made[key] = runtime, tables
            return made[key]

        yield make


@pytest.fixture
def runtime(runtime_name: str, make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> SqlRuntime:
    """Each runtime, over the in-memory storage that it shares with the suites."""
    return make_runtime(runtime_name, "memory")[0]


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """A collector of traces, which has those of the server on Ray."""
    with run_collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def server_uri(
    tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[Callable[[str], str]]:
    """Gives the URI of a server process over the TPC-H tables; one of each kind for the whole run.

    The kinds are those of storage, and `ray`: over Parquet on Ray, cut so fine that scale 0.01 distributes. The folder
    of that one is its own: a test may make tables there, and drops them. It is traced.
    """
    started: dict[str, str] = {}
    with ExitStack() as stack:

        def start(kind: str) -> str:
            if kind == "ray":
                stays_with("server on ray")
            if kind not in started:
                folder = tmp_path_factory.mktemp(f"server-{kind}")
                data = tpch_dir
                if kind == "lance":
                    data = dataset.as_lance(tpch_dir, folder / "data")
                elif kind == "ray":
                    data = Path(shutil.copytree(tpch_dir, folder / "data"))
                module = "tests.harness.memory_server" if kind == "memory" else "flight_server.cli"
                options = (*RAY_OPTIONS, "--traces", "otlp") if kind == "ray" else ()
                server = serve(data, folder / "server.log", *options, module=module, variables=collector.variables())
                started[kind] = stack.enter_context(server)[0]
            return started[kind]

        yield start
