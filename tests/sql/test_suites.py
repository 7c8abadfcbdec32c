"""Every record of every ``.slt`` file beside this module, on every runtime."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine import errors
from tests.harness.compare import schema_difference
from tests.harness.oracle import Oracle
from tests.harness.regenerate import tables_of
from tests.harness.runtimes import RUNTIMES, STORAGES, SqlRuntime, Tables, query
from tests.harness.slt import Record, SltFile, check, parse

FILES = [parse(path) for path in sorted(Path(__file__).parent.glob("*.slt"))]
EVERY_STORAGE = ("scans",)  # the files that run on all kinds of storage unless `--storage` names one


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives each record to `test_record`, with the runtimes and the kinds of storage that it runs on."""
    asked = metafunc.config.getoption("--storage")
    cases = [
        pytest.param(file, record, kind, name, id=f"{file.path.stem}:{record.line}:{kind}-{name}")
        for name in metafunc.config.getoption("--runtime") or RUNTIMES
        for file in FILES
        for kind in asked or (STORAGES if file.path.stem in EVERY_STORAGE and name == "local" else ["memory"])
        for record in file.records
    ]
    metafunc.parametrize(("file", "record", "storage", "on"), cases)


class Stage:
    """The tables of one file at a time, in a runtime's storage and in the oracle."""

    def __init__(self, runtime: SqlRuntime, tables: Tables) -> None:
        self.runtime = runtime
        self.oracle = Oracle()
        self._tables = tables
        self._file: SltFile | None = None
        self._names: set[str] = set()

    def enter(self, file: SltFile) -> None:
        """Put the file's tables in place of those of the file before."""
        if file is self._file:
            return
        self.leave()
        for name, table in tables_of(file, self.oracle).items():
            self.oracle.put(name, self._tables.put(name, table))
            self._names.add(name)
        self._file = file

    def leave(self) -> None:
        """Remove the tables."""
        for name in self._names:
            self._tables.remove(name)
            self.oracle.remove(name)
        self._names.clear()
        self._file = None


@pytest.fixture(scope="session")
def stages(make_runtime: Callable[[str, str], tuple[SqlRuntime, Tables]]) -> Iterator[Callable[[str, str], Stage]]:
    """Gives the stage of a runtime over a kind of storage."""
    made: dict[tuple[str, str], Stage] = {}

    def get(runtime_name: str, storage: str) -> Stage:
        key = (runtime_name, storage)
        if key not in made:
            made[key] = Stage(*make_runtime(runtime_name, storage))
        return made[key]

    yield get
    for stage in made.values():
        stage.leave()
        stage.oracle.close()


def test_record(file: SltFile, record: Record, storage: str, on: str, stages: Callable[[str, str], Stage]) -> None:
    if not record.runs_on(on):
        pytest.skip(f"not meant for {on}")
    if file.storages and storage not in file.storages:
        pytest.skip(f"its types cannot be stored as {storage}")
    stage = stages(on, storage)
    stage.enter(file)
    if record.error is not None:
        _expect_error(stage.runtime, record)
        return
    got = query(stage.runtime, record.sql)
    drift = schema_difference(got.schema, stage.oracle.run(record.sql).schema)
    assert drift is None, _report(record, drift, got)
    if record.types is not None:
        wrong = check(record, got)
        assert wrong is None, _report(record, wrong, got)


def _expect_error(runtime: SqlRuntime, record: Record) -> None:
    assert record.error is not None
    with pytest.raises(getattr(errors, record.error)) as caught:
        query(runtime, record.sql)
    assert re.search(record.message, str(caught.value)), str(caught.value)
    assert not re.search(r"(?i)internal error|INTERNAL|duckdb|traceback|sqlglot", str(caught.value)), str(caught.value)


def _report(record: Record, message: str, got: pa.Table) -> str:
    return f"{message}\n\n{record.sql}\n\n{got.schema}"
