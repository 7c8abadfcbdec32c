"""The command line says the same of a folder, whoever runs its statements: a server, or the command itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_server.cli.main import main
from tests.harness.server import serve

SCRIPT = """
CREATE TABLE item (id INT NOT NULL, name VARCHAR DEFAULT 'none', price DECIMAL(10, 2));
INSERT INTO item VALUES (1, 'a', 1.5), (2, 'b', 2.25), (3, 'c', NULL);
INSERT INTO item (id) SELECT n_nationkey FROM nation WHERE n_nationkey BETWEEN 4 AND 6;
UPDATE item SET price = price * 2 WHERE id < 3;
DELETE FROM item WHERE id = 6;
MERGE INTO item USING (SELECT 1 AS id UNION ALL SELECT 9) AS new ON item.id = new.id
  WHEN MATCHED THEN UPDATE SET name = 'merged' WHEN NOT MATCHED THEN INSERT (id) VALUES (new.id);
ALTER TABLE item ADD COLUMN amount INT;
CREATE VIEW dear AS SELECT id, name, price FROM item WHERE price > 3;
CREATE SCHEMA IF NOT EXISTS more;
CREATE TABLE more.regions AS FROM region;
CREATE TEMP TABLE mine AS SELECT max(id) AS last FROM item;
SELECT * FROM item ORDER BY id;
FROM dear;
SELECT n_name, last FROM nation, mine WHERE n_nationkey = last;
SELECT r_name FROM more.regions ORDER BY ALL;
DESCRIBE item;
DESCRIBE SELECT id + 1 AS next FROM dear;
SHOW ALL TABLES;
SHOW VIEWS;
SELECT table_schema, table_name, table_type FROM information_schema.tables ORDER BY ALL;
SELECT column_name, is_nullable, column_default FROM information_schema.columns WHERE table_name = 'item' ORDER BY ALL;
\\d
\\d item
TRUNCATE item;
DROP VIEW dear;
DROP TABLE more.regions;
SELECT count(*) FROM item;
"""


@pytest.fixture(scope="module")
def folders(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = [tmp_path_factory.mktemp(door) for door in ("server", "local", "ray")]
    for folder in made:
        for name in ("nation", "region"):
            shutil.copy(tpch_dir / f"{name}.parquet", folder)
    return made


@pytest.fixture(scope="module")
def uri(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(folders[0], tmp_path_factory.mktemp("doors") / "log", "--threads", "1") as (uri, _):
        yield uri


@pytest.fixture(scope="module")
def expected(uri: str) -> str:
    """What the script prints through a server."""
    return printed("--uri", uri)


def printed(*where: str) -> str:
    command = [sys.executable, "-m", "flight_server.cli", "shell", *where]
    ended = subprocess.run(command, input=SCRIPT, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("runtime", ["local", "ray"])
def test_a_script_prints_the_same_with_and_without_a_server(folders: list[Path], expected: str, runtime: str) -> None:
    assert "(3 rows changed)" in expected
    folder = folders[1 if runtime == "local" else 2]
    assert printed("--data", str(folder), "--runtime", runtime).splitlines() == expected.splitlines()


@pytest.mark.parametrize(
    "text",
    ["FROM natoin", "SELEC 1", "INSERT INTO nation VALUES (1)", "DROP TABLE nothing", "BEGIN", "SELECT 1; SELEC 2"],
)
def test_errors_are_the_same_with_and_without_a_server(
    folders: list[Path], uri: str, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", text, "--uri", uri]) == 1
    at_server = capfd.readouterr().err
    assert main(["query", text, "--data", str(folders[1])]) == 1
    assert capfd.readouterr().err.rstrip(".\n") == at_server.rstrip(".\n")  # the wire loses the full stop


def test_a_view_has_a_plan_and_stages_without_a_server(
    folders: list[Path], uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    view = "CREATE OR REPLACE VIEW counted AS SELECT n_regionkey, count(*) AS n FROM nation GROUP BY ALL"
    plans = []
    for where in (["--uri", uri], ["--data", str(folders[1])]):
        assert main(["query", view, *where]) == 0
        capfd.readouterr()
        assert main(["explain", "FROM counted", *where]) == 0
        plans.append(capfd.readouterr().out)
    assert plans[0] == plans[1]
    assert "HashAggregateExec" in plans[0]
    assert main(["explain", "FROM counted", "--data", str(folders[1]), "--runtime", "ray"]) == 0
    assert capfd.readouterr().out.startswith("Stage 0: ")


def test_a_runtime_goes_with_a_folder(uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT 1", "--uri", uri, "--runtime", "ray"]) == 2
    assert capfd.readouterr().err == "grism: --runtime goes with --data; a server has its own.\n"
