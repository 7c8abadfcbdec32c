"""The dashboard for Grafana: it is one by Grafana's schema, and Prometheus answers what its panels ask."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import lance
import pyarrow as pa
import pytest

from flight_server.auth.users import add_user
from flight_server.proto import sql
from tests.clients.raw import RawClient
from tests.conftest import RAY_OPTIONS
from tests.harness.collector import Collector
from tests.harness.server import serve
from tests.harness.waiting import until
from tests.real_clients.programs import CACHE, SOURCES, run

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1900)]

_DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_DASHBOARD.read_text(encoding="utf-8"))
    return found


def _judge(program: str, value: object) -> list[str]:
    """What a program of `clients/` in Go finds wrong with a value."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go here")
    CACHE.mkdir(parents=True, exist_ok=True)
    built = CACHE / program
    run("go", "build", "-o", str(built), ".", folder=SOURCES / program)
    done = subprocess.run(built, input=json.dumps(value), capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def _fill(dashboard: dict[str, Any], interval: str) -> dict[tuple[str, str], str]:
    """The expressions, with values for the variables, by the panel's title and the legend."""
    found = {}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", interval)
            found[panel["title"], target["legendFormat"]] = expression.replace("$job", ".*").replace("$instance", ".*")
    return found


def test_grafana_s_schema_finds_nothing_wrong(dashboard: dict[str, Any]) -> None:
    assert _judge("dashboard", dashboard) == []
    wrong = {**dashboard, "panels": [{**dashboard["panels"][1], "titel": "Queries"}]}
    assert _judge("dashboard", wrong) == ["panels[0].Panel: unexpected field 'titel'"]


def test_prometheus_reads_every_expression(dashboard: dict[str, Any]) -> None:
    filled = list(_fill(dashboard, "1m").values())
    assert len(filled) > 30
    assert not [expression for expression in filled if "$" in expression]
    (refused,) = _judge("promql", [*filled, "rate(x[)"])
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


PASSWORD = "correct horse battery"
_WITHOUT_VALUES = {
    ("Kernel", "spilled, {{runtime}}"),
    ("Kernels of the workers", "spilled"),
    ("Table of queries and spans, per second", "dropped"),
    ("Table of queries and spans, per second", "spans dropped"),
}
"""What there is only where something lacks: memory, a folder to write to, a collector. They are told as 0."""
Watch = tuple[str, str, Callable[[str], list[dict[str, Any]]]]


@pytest.fixture
def prometheus(tmp_path: Path, collector: Collector) -> Iterator[Watch]:
    """Prometheus beside a server on Ray with logins: the URI and the HTTP address of that, and what asks Prometheus."""
    if shutil.which("prometheus") is None:
        pytest.skip("there is no Prometheus here")
    for name, role in (("root", "admin"), ("bob", "reader")):
        add_user(tmp_path / "users", name, PASSWORD, frozenset({role}))
    (tmp_path / "data").mkdir()
    lance.write_dataset(pa.table({"i": range(600_000)}), tmp_path / "data" / "t.lance")
    log = tmp_path / "server.log"
    options = ("--users", str(tmp_path / "users"), "--http-port", "0", "--query-log-table", "audit.asked")
    options += ("--max-queries", "2", "--exchange-memory", "1MB", "--traces", "otlp", *RAY_OPTIONS)
    with ExitStack() as stack:
        uri, _ = stack.enter_context(serve(tmp_path / "data", log, *options, variables=collector.variables()))
        found = until(lambda: re.search(r"http=http://(\S+)", log.read_text()))
        assert found is not None
        scrapes = [{"job_name": "grism", "static_configs": [{"targets": [found[1]]}]}]
        config = tmp_path / "prometheus.yml"
        config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": scrapes}))  # YAML, too
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        told = stack.enter_context((tmp_path / "prometheus.log").open("wb"))
        place = ("--storage.tsdb.path", str(tmp_path / "prometheus"), "--web.listen-address", address)
        run = stack.enter_context(
            subprocess.Popen(["prometheus", f"--config.file={config}", *place], stdout=told, stderr=told)
        )
        stack.callback(run.terminate)

        def ask(expression: str) -> list[dict[str, Any]]:
            query = urlencode({"query": expression})
            with urlopen(f"http://{address}/api/v1/query?{query}", timeout=20) as answer:
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result

        def scraped() -> bool:
            assert run.poll() is None, (tmp_path / "prometheus.log").read_text()
            try:
                return bool(ask("grism_queries_running"))
            except OSError:  # it is not ready
                return False

        until(scraped)
        yield uri, found[1], ask


def _rows(client: RawClient, text: str) -> list[dict[str, Any]]:
    return client.ask(sql.CommandStatementQuery(query=text)).to_pylist()


def _is_refused(client: RawClient, text: str) -> bool:
    try:
        _rows(client, text)
    except grpc.RpcError:
        return True
    return False


def _load(uri: str, stack: ExitStack) -> None:
    """A bit of everything, on both runtimes; one statement that fails, a wrong password, and a worker that dies."""

    def connect(name: str, password: str = PASSWORD) -> RawClient:
        proof = base64.b64encode(f"{name}:{password}".encode()).decode()
        return stack.enter_context(RawClient(uri, [("authorization", f"Basic {proof}")]))

    root, bob, others = connect("root"), connect("bob"), [connect("root") for _ in range(3)]
    _rows(others[0], "SET runtime = 'local'")
    assert _is_refused(connect("root", "wrong"), "SELECT 1")
    assert _is_refused(bob, "CREATE TABLE own AS SELECT 1 AS x")  # the only one of its kind
    with flight_sql.connect(uri, db_kwargs={"username": "root", "password": PASSWORD}, autocommit=True) as connection:
        for runtime in ("local", "ray"):
            with connection.cursor() as cursor:
                cursor.execute(f"SET runtime = '{runtime}'")
                cursor.adbc_ingest(f"sent_{runtime}", pa.table({"x": range(100_000)}), mode="create")
                cursor.execute("SELECT i % 1000 AS k, count(*) FROM t GROUP BY k")
                cursor.fetch_arrow_table()
        with connection.cursor() as prepared:
            prepared.adbc_prepare("SELECT ?::INTEGER")
            text = """
                SELECT count(*) FROM (SELECT i, count(*) AS n FROM t GROUP BY i) a, t b
                WHERE a.i * a.n + b.i % 7 = 3"""  # of which the first stages end, and the last takes minutes
            running = "SELECT id FROM system.queries WHERE text LIKE '%a.i * a.n%' AND text NOT LIKE '%system.%'"
            running += " AND state = 'running'"
            with ThreadPoolExecutor(3) as threads:
                ended = [threads.submit(_is_refused, others[0], text)]
                until(lambda: len(_rows(root, running)) == 1)
                ended += [threads.submit(_is_refused, each, text) for each in others[1:]]
                until(lambda: len(_rows(root, running)) == 2)
                until(lambda: _rows(root, "FROM system.stages WHERE done = tasks AND rows >= 100000"))
                until(lambda: _rows(root, "FROM system.tasks WHERE state = 'running'"))
                (worker, *_) = _rows(root, "SELECT w.pid FROM system.tasks t JOIN system.workers w ON t.worker = w.id")
                os.kill(worker["pid"], signal.SIGKILL)
                until(lambda: _rows(root, "SELECT 1 FROM system.tasks WHERE attempts > 1"))
                until(lambda: len(_rows(root, "SELECT 1 FROM system.workers")) == 2)
                while not all(answer.done() for answer in ended):
                    for row in _rows(root, running):
                        _is_refused(root, f"KILL QUERY '{row['id']}'")
                assert all(answer.result() for answer in ended)


def test_each_panel_shows_what_a_load_gives(prometheus: Watch, dashboard: dict[str, Any]) -> None:
    uri, address, ask = prometheus
    with ExitStack() as stack:
        _load(uri, stack)
        missing = _fill(dashboard, "5m")

        def is_told(place: tuple[str, str], expression: str) -> bool:
            highest = f"max_over_time(({expression})[5m:1s])"
            values = [float(series["value"][1]) for series in ask(highest)]
            return any(value > 0 or place in _WITHOUT_VALUES for value in values)

        def all_told() -> bool:
            for place in [place for place, expression in missing.items() if is_told(place, expression)]:
                del missing[place]
            return not missing

        try:
            until(all_told)
        except AssertionError:
            pytest.fail(f"nothing is shown of {list(missing)}")
    statuses = _fill(dashboard, "5m")["Failed and cancelled per second, by status", "{{status}}"]

    def told() -> set[str]:
        return {series["metric"]["status"] for series in ask(f"max_over_time(({statuses})[5m:1s]) > 0")}

    until(lambda: told() >= {"ForbiddenError", "cancelled"})  # which was the last to end
    assert told() <= {"ForbiddenError", "cancelled", "UnknownQueryError"}  # a KILL may come too late
    with urlopen(f"http://{address}/metrics", timeout=20) as answer:
        checked = subprocess.run(["promtool", "check", "metrics"], input=answer.read(), capture_output=True, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
