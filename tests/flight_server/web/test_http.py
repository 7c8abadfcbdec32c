"""The HTTP port of a server: metrics as Prometheus reads them, and health."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import grpc
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pyarrow import flight

from flight_server.gate import Gate
from flight_server.monitoring.metrics import Metrics, Numbers
from flight_server.monitoring.registry import OpenHandles
from flight_server.proto import sql
from flight_server.readiness import Readiness
from flight_server.web.app import make_app
from flight_server.web.server import HttpServer
from tests.clients.raw import RawClient
from tests.flight_server.web.conftest import PASSWORD, Watched
from tests.harness.runtimes import SqlRuntime
from tests.harness.waiting import until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def get(url: str, context: ssl.SSLContext | None = None) -> tuple[int, str]:
    """The status and the text of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=20, context=context) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def samples(text: str) -> Samples:
    """The values by name and labels, as Prometheus's own parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told(watched: Watched) -> Samples:
    """What a server tells now."""
    return samples(get(f"{watched.http}/metrics")[1])


@pytest.fixture
def ann(connect: Callable[[str], RawClient]) -> RawClient:
    return connect("ann")


def test_queries_are_counted_by_kind_and_status(watched: Watched, ann: RawClient) -> None:
    def count(name: str, **labels: str) -> float:
        after = told(watched).get((name, tuple(sorted(labels.items()))), 0.0)
        return after - before.get((name, tuple(sorted(labels.items()))), 0.0)

    before = told(watched)
    for text in ("CREATE TABLE counted AS SELECT range AS secret FROM range(1000)", "FROM counted", "FROM counted"):
        ann.ask(sql.CommandStatementQuery(query=text))
    with pytest.raises(grpc.RpcError):
        ann.ask(sql.CommandStatementQuery(query="FROM missing"))
    selects = {"kind": "SELECT", "runtime": "local"}
    assert count("grism_queries_total", **selects, status="ok") == 2
    assert count("grism_queries_total", **selects, status="UnknownTableError") == 1
    assert count("grism_queries_total", kind="CREATE TABLE AS", runtime="local", status="ok") == 1
    assert count("grism_query_rows_total", kind="SELECT") == 2000
    assert count("grism_query_sent_bytes_total", runtime="local") > 16_000
    assert count("grism_query_duration_seconds_count", runtime="local") == 4
    assert count("grism_query_duration_seconds_bucket", runtime="local", le="+Inf") == 4
    assert count("grism_query_queue_seconds_count") == 4
    assert count("grism_query_planning_seconds_count") == 4


def test_what_comes_in_is_counted(watched: Watched, ann: RawClient) -> None:
    received = "grism_query_received_bytes_total", (("runtime", "local"),)
    before = told(watched)
    with flight.connect(watched.uri) as client:
        proof = base64.b64encode(f"ann:{PASSWORD}".encode())
        options = flight.FlightCallOptions(headers=[(b"authorization", b"Basic " + proof)])
        data = pa.table({"n": pa.array(range(10_000), pa.int64())})
        writer, _ = client.do_put(flight.FlightDescriptor.for_path("sent"), data.schema, options)
        with writer:
            writer.write_table(data)
    ann.ask(sql.CommandStatementQuery(query="SELECT 1"))
    after = told(watched)
    assert after[received] - before.get(received, 0.0) == 80_000
    rows = "grism_query_rows_total", (("kind", "UPLOAD"),)
    assert after[rows] - before.get(rows, 0.0) == 10_000
    until(lambda: told(watched)["grism_query_log_rows_total", ()] > before["grism_query_log_rows_total", ()])
    assert told(watched)["grism_query_log_dropped_total", ()] == 0


def test_what_is_open_and_what_is_refused_is_told(watched: Watched, ann: RawClient) -> None:
    before = told(watched)
    ann.prepare("SELECT 1")
    ann.info(sql.CommandStatementQuery(query="SELECT 1"))
    wrong = base64.b64encode(b"ann:wrong").decode()
    with RawClient(watched.uri, [("authorization", f"Basic {wrong}")]) as stranger, pytest.raises(grpc.RpcError):
        stranger.ask(sql.CommandStatementQuery(query="SELECT 1"))
    after = told(watched)
    for name in ("prepared_statements_open", "planned_statements_open", "logins_refused_total"):
        assert after[f"grism_{name}", ()] - before[f"grism_{name}", ()] == 1
    assert after["grism_queries_running", ()] == after["grism_queries_waiting", ()] == 0
    assert after["process_resident_memory_bytes", ()] > 1 << 20


def test_no_label_tells_of_users_or_texts(watched: Watched, ann: RawClient) -> None:
    ann.ask(sql.CommandStatementQuery(query="SELECT 'hidden' AS concealed"))
    found = told(watched)
    labels = {label for _, pairs in found for label, _ in pairs}
    assert labels <= {"kind", "runtime", "status", "le"}
    values = {value for _, pairs in found for _, value in pairs}
    assert not [value for value in values if value == "ann" or "hidden" in value or "concealed" in value]
    assert all(name.startswith(("grism_", "process_")) for name, _ in found)


def test_a_server_that_serves_is_alive_and_ready(watched: Watched) -> None:
    assert get(f"{watched.http}/healthz") == (200, "alive\n")
    assert get(f"{watched.http}/readyz") == (200, "ready\n")
    assert get(f"{watched.http}/nothing")[0] == 404


UPGRADE = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
CHUNKED = b"Host: x\r\nOrigin: http://x\r\nTransfer-Encoding: chunked\r\n\r\n"


OK, REFUSED = b"200 OK", b"400 Bad Request"


@pytest.mark.parametrize(
    "steps",
    [
        [(UPGRADE, OK)],
        [(b"GARBAGE\r\n\r\n", REFUSED)],
        [(UPGRADE, OK), (b"GARBAGE\r\n\r\n", REFUSED)],
        [(b"POST /login HTTP/1.1\r\n" + CHUNKED + b"no chunk\r\n", REFUSED)],
        [(b"POST /login HTTP/1.1\r\n" + CHUNKED, None), (b"no chunk\r\n", REFUSED)],
        [(b"GET /healthz HTTP/1.1\r\n" + CHUNKED, OK), (b"no chunk\r\n", None)],
    ],
    ids=["upgrade", "garbage", "garbage later", "no body", "no body later", "no body after the answer"],
)
def test_what_is_sent_is_answered_once_and_not_logged(
    watched: Watched, steps: list[tuple[bytes, bytes | None]]
) -> None:
    before = watched.log.read_text()
    address = urlsplit(watched.http)
    told = b""
    with socket.create_connection((address.hostname, address.port), 20) as connection:
        for sent, answer in steps:
            connection.sendall(sent)
            while answer is not None and answer not in told:
                piece = connection.recv(1000)
                assert piece, told
                told += piece
        if steps[-1][0] == UPGRADE:  # whatever is no HTTP ends the connection by itself
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(1000):
            told += piece
    assert re.findall(rb"HTTP/1\.1 (\d+ [\w ]+)\r\n", told) == [answer for _, answer in steps if answer is not None]
    assert get(f"{watched.http}/healthz") == (200, "alive\n")
    assert watched.log.read_text() == before


def of(runtime: SqlRuntime) -> Metrics:
    """The metrics of a runtime without a service."""
    gate = Gate(1, 1, 1.0, 1.0)
    return Metrics(Numbers(gate, lambda: OpenHandles(0, 0, 0), lambda: 0, [runtime]))


def test_answers_tell_the_time_and_the_port_closes_when_it_is_told_to(runtime: SqlRuntime) -> None:
    http = HttpServer(make_app(of(runtime), lambda: True), "127.0.0.1", 0)
    with urllib.request.urlopen(f"{http.address}/healthz", timeout=20) as answer:
        told = parsedate_to_datetime(answer.headers["date"])
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=5)
    http.close()
    http.close()
    with pytest.raises(URLError):
        get(f"{http.address}/healthz")


def test_readiness_follows_the_server(runtime: SqlRuntime) -> None:
    readiness = Readiness()
    with HttpServer(make_app(of(runtime), lambda: readiness.ready), "127.0.0.1", 0) as http:
        told = []
        for change, *trouble in (
            (lambda: None,),
            (readiness.start,),
            (readiness.unwell, "lost"),
            (readiness.unwell, "hung"),
            (readiness.well, "lost"),
            (readiness.well, "hung"),
            (readiness.drain,),
            (readiness.well, "lost"),
        ):
            change(*trouble)
            told.append(get(f"{http.address}/readyz")[0])
        assert told == [503, 200, 503, 503, 503, 200, 503, 503]
        assert get(f"{http.address}/healthz")[0] == 200


def test_both_runtimes_tell_of_their_kernel_and_their_workers(runtime: SqlRuntime) -> None:
    metrics = of(runtime)
    before = samples(metrics.text().decode())
    runtime.sql("SELECT count(*) FROM range(10)").read_all()
    after = samples(metrics.text().decode())
    assert after["grism_kernel_memory_bytes", (("runtime", runtime.name),)] >= 0
    assert after["grism_kernel_spilled_bytes", (("runtime", runtime.name),)] == 0
    if runtime.name == "local":
        assert "grism_workers_ready" not in {name for name, _ in after}
        return
    assert after["grism_workers_ready", ()] >= 1
    assert after["grism_tasks_started_total", ()] > before["grism_tasks_started_total", ()]
    assert after["grism_exchange_disk_bytes", ()] == 0
    assert after["grism_workers_kernel_memory_bytes", ()] >= after["grism_workers_kernel_spilled_bytes", ()] == 0


@pytest.mark.parametrize("file", ["grafana.json", "operations.md"])
def test_documented_metrics_are_there_and_no_others_of_ours(runtime: SqlRuntime, file: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / file).read_text(encoding="utf-8")
    if file == "grafana.json":
        panels = json.loads(text)["panels"]
        text = " ".join(target["expr"] for panel in panels for target in panel.get("targets", ()))
    asked = set(re.findall(r"\b(?:grism|process)_[a-z_]+", text)) - {"process_"}
    there, unasked = set(), set()
    for family in text_string_to_metric_families(of(runtime).text().decode()):
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count", ""]}.get(family.type, [""])
        names = {family.name + ending for ending in endings}
        there |= names
        if family.name.startswith("grism_") and not names & asked:
            unasked.add(family.name)
    assert unasked == set()
    only_where_asked_for = ("grism_query_log_", "grism_spans_")
    missing = {name for name in asked - there if not name.startswith(only_where_asked_for)}
    if runtime.name == "local":
        missing = {
            name for name in missing if not name.startswith(("grism_workers_", "grism_tasks_", "grism_exchange_"))
        }
    assert missing == set()
    assert len(asked) > 20
