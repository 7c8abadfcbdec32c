"""The dashboard for Grafana: Prometheus's own parser reads its expressions, and its panels lie beside each other."""

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
_VARIABLES = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_DASHBOARD.read_text(encoding="utf-8"))
    return found


def _refused(expressions: list[str]) -> list[str]:
    """Those that Prometheus's parser refuses, with the reasons."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go here")
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / "promql"
    run("go", "build", "-o", str(program), ".", folder=SOURCES / "promql")
    done = subprocess.run(
        program, input=json.dumps(expressions), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


def test_prometheus_reads_every_expression(dashboard: dict[str, Any]) -> None:
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    filled = []
    for expression in expressions:
        for name, value in _VARIABLES.items():
            expression = expression.replace(name, value)
        filled.append(expression)
    assert len(filled) > 30
    assert not [expression for expression in filled if "$" in expression]
    (refused,) = _refused([*filled, "rate(x[)"])
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
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
