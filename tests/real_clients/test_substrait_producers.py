"""Substrait's producers in their versions of today, run live: `make test-clients`.

They write plans and their own answers, as `tests/engine/substrait/produced.arrow` has them; the plans go to a server
through ADBC, which has to give the same answers.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

from tests.conftest import RAY_OPTIONS
from tests.engine.substrait.produced import Produced, assert_same, produced
from tests.harness.server import serve
from tests.real_clients.environments import install
from tests.tpch import dataset

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

PRODUCERS = ("datafusion", "substrait", "ibis")
ON_RAY = 5  # one of so many, and all of TPC-H
_ROOT = Path(__file__).parents[2]
_PROGRAMS = (  # each adds to what the one before wrote
    ("substrait", "produce"),
    ("substrait", "produce_builders"),
    ("ibis-substrait", "produce_ibis"),
)

Cases = dict[tuple[str, str], Produced]


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    """What the producers write now."""
    file = tmp_path_factory.mktemp("producers") / "produced.arrow"
    for requirements, program in _PROGRAMS:
        command = [str(install(requirements) / "python"), "-m", f"tests.engine.substrait.{program}", str(file)]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
    return _by_name(produced(file))


def _by_name(cases: tuple[Produced, ...]) -> Cases:
    return {(case.producer, case.name): case for case in cases}


def test_what_is_stored_is_what_they_write_today(live: Cases) -> None:
    """Two numbers the functions anew in each run, in any order: their plans are of the same size."""
    stored = _by_name(produced())
    assert live.keys() == stored.keys()
    for key, case in live.items():
        assert len(case.plan) == len(stored[key].plan), case
        assert case.answer.equals(stored[key].answer), case
        if case.producer == "substrait":
            assert case.plan == stored[key].plan, case


def test_a_server_gives_their_answers(live: Cases, runtime_name: str, tmp_path: Path) -> None:
    """All of them on the local runtime; on Ray those of TPC-H, and some of the others."""
    data = tmp_path / "data"
    shutil.copytree(dataset.DATA, data)
    options = RAY_OPTIONS if runtime_name == "ray" else ("--threads", "2")
    asked = list(live.values())
    if runtime_name == "ray":
        asked = [case for place, case in enumerate(asked) if place < len(dataset.QUERIES) or place % ON_RAY == 0]
    wrong = []
    with (
        serve(data, tmp_path / "log", *options) as (uri, _),
        flight_sql.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        for case in asked:
            try:
                cursor.execute(case.plan)
                assert_same(cursor.fetch_arrow_table(), case.answer)
            except (AssertionError, flight_sql.Error) as found:
                wrong.append(f"{case}: {found}")
    assert {case.producer for case in asked} == set(PRODUCERS)
    assert not wrong, "\n".join(wrong)
