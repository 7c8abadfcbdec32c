"""An npm client, `@gizmodata/gizmosql-client`; skipped where there is no Node, or no registry to install it from."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.clients

PACKAGE = "@gizmodata/gizmosql-client@^1.4"
SCRIPT = Path(__file__).with_name("node_client.cjs")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package and the script in it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("node")
    install = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    try:
        done = subprocess.run(install, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not reach its registry")
    if done.returncode != 0:
        pytest.skip(f"npm does not install {PACKAGE}")
    shutil.copy(SCRIPT, folder)
    return folder


@pytest.mark.parametrize("login", [(), ("ann", "secret")], ids=["without a login", "with a login"])
def test_queries_metadata_and_errors(installed: Path, uri: str, login: tuple[str, ...]) -> None:
    host, port = uri.removeprefix("grpc://").split(":")
    command = ["node", str(installed / SCRIPT.name), host, port, *login]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=installed)
    assert run.returncode == 0, run.stderr
    answers: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    assert answers["rows"] == [{"n_nationkey": 0, "n_name": "ALGERIA"}, {"n_nationkey": 1, "n_name": "ARGENTINA"}]
    assert answers["count"] == 15000
    assert answers["update"][0].keys() == {"Count"}
    assert answers["catalogs"] == ["grism"]
    assert {"catalog": "grism", "schema": "main"} in answers["schemas"]
    assert [table["tableName"] for table in answers["tables"]] == ["nation"]
    assert "TABLE" in answers["types"]
    assert answers["info"] == {"0": "grism", "8": 0, "504": '"'}
    assert 'no column "nosuch"' in answers["error"]["error"]
