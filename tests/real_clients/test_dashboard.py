"""The dashboard for Grafana: it is one by Grafana's schema, and Prometheus answers what its panels ask."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.real_clients.programs import CACHE, SOURCES, run

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1900)]

_DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_DASHBOARD.read_text(encoding="utf-8"))
    return found


def _judged(program: str, value: object) -> list[str]:
    """What a program of `clients/` in Go finds wrong with a value."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go here")
    CACHE.mkdir(parents=True, exist_ok=True)
    built = CACHE / program
    run("go", "build", "-o", str(built), ".", folder=SOURCES / program)
    done = subprocess.run(built, input=json.dumps(value), capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def _filled(dashboard: dict[str, Any], interval: str) -> dict[tuple[str, str], str]:
    """The expressions, with values for the variables, by the panel's title and the legend."""
    found = {}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", interval)
            found[panel["title"], target["legendFormat"]] = expression.replace("$job", ".*").replace("$instance", ".*")
    return found


def test_grafana_s_schema_finds_nothing_wrong(dashboard: dict[str, Any]) -> None:
    assert _judged("dashboard", dashboard) == []
    wrong = {**dashboard, "panels": [{**dashboard["panels"][1], "titel": "Queries"}]}
    assert _judged("dashboard", wrong) == ["panels[0].Panel: unexpected field 'titel'"]


def test_prometheus_reads_every_expression(dashboard: dict[str, Any]) -> None:
    filled = list(_filled(dashboard, "1m").values())
    assert len(filled) > 30
    assert not [expression for expression in filled if "$" in expression]
    (refused,) = _judged("promql", [*filled, "rate(x[)"])
    assert refused.startswith("rate(x[): ")


def test_panels_have_a_place_of_their_own_and_the_chosen_source(dashboard: dict[str, Any]) -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert set(re.findall(r"\$(?!__)\{?(\w+)", json.dumps(dashboard))) == variables
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == source
            assert all(target["datasource"] == source for target in panel["targets"])
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
            for target in panel["targets"]:  # of several servers there is one line, or one that says of which it is
                assert "sum" in target["expr"] or "{{instance}}" in target["legendFormat"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
