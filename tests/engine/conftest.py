"""One kernel, one storage and one runtime for the whole package: tests read them and leave them as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.kernel import Kernel, KernelConfig
from engine.storage import InMemoryStorage
from local_runtime import LocalRuntime

PEOPLE = pa.table(
    {
        "id": pa.array([1, 2, 3, 4, 5], pa.int64()),
        "name": ["ann", "bob", "cid", "dan", None],
        "age": pa.array([30, 20, None, 40, 20], pa.int32()),
        "team": ["x", "y", "x", None, "y"],
    }
)
TEAMS = pa.table({"code": ["x", "y", "z"], "title": ["Xylo", "Yak", "Zen"], "size": pa.array([2, 2, 0], pa.int32())})
OTHER_TEAMS = pa.table({"code": ["q"], "colour": ["red"]})


@pytest.fixture(scope="package")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that may read below no directory."""
    with Kernel(KernelConfig(threads=2, spill_directory=str(tmp_path_factory.mktemp("spill")))) as kernel:
        yield kernel


@pytest.fixture(scope="package")
def storage() -> InMemoryStorage:
    """Tables `people` and `teams` in schema main, and another `teams` in schema other."""
    return InMemoryStorage({"people": PEOPLE, "teams": TEAMS, "other.teams": OTHER_TEAMS})


@pytest.fixture(scope="package")
def local(storage: InMemoryStorage) -> Iterator[LocalRuntime]:
    """The local runtime over `storage`."""
    with LocalRuntime(storage, threads=2) as runtime:
        yield runtime
