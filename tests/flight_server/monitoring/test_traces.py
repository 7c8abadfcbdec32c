"""The spans of a server process, as a collector gets them."""

from __future__ import annotations

import json
import re
import secrets
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import pytest

from flight_server.auth.users import add_user
from flight_server.cli.traces import trace_variables
from flight_server.config import ServerConfig
from flight_server.options import ConfigError, OperationsOptions
from flight_server.proto import sql
from tests.clients.raw import RawClient
from tests.harness.collector import Collected, Collector, run_collector
from tests.harness.server import serve
from tests.harness.waiting import until

SERVICE = "arrow.flight.protocol.FlightService"
GROUPS = "SELECT l_returnflag, count(*) AS n FROM lineitem GROUP BY ALL ORDER BY n"
INTERNAL, SERVER = 1, 2
_FIELD = re.compile(r"(\w+)=(\w+)")


class Caller:
    """A client whose calls are for one span of a trace of its own."""

    def __init__(self, uri: str, collector: Collector, flags: str = "01", state: str | None = None) -> None:
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)
        self._uri, self._collector = uri, collector
        self.header = f"00-{self.trace}-{self.span}-{flags}"
        self._headers = [("traceparent", self.header)] + ([] if state is None else [("tracestate", state)])

    def ask(self, text: str) -> Any:
        """The rows of a statement."""
        with RawClient(self._uri, self._headers) as client:
            return client.ask(sql.CommandStatementQuery(query=text))

    def spans(self, last: str) -> list[Collected]:
        """Its spans once one with the name `last` is there, and with it all."""

        def found() -> list[Collected]:
            spans = self._collector.spans(self.trace)
            here = {span.id for span in spans} | {self.span}
            tasks = sum(span.attributes["grism.stage.attempts"] for span in named(spans, "stage"))
            is_whole = bool(named(spans, last)) and len(named(spans, "task")) == tasks
            return spans if is_whole and all(span.parent in here for span in spans) else []

        return until(found)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces") / "server.log"


@pytest.fixture(scope="module")
def traced(tpch_dir: Path, log: Path, collector: Collector) -> Iterator[str]:
    """A server with one turn, in this process's runtime."""
    options = ("--traces", "otlp", "--threads", "1", "--max-queries", "1", "--http-port", "0")
    with serve(tpch_dir, log, *options, variables=collector.variables()) as (uri, _):
        yield uri


@pytest.fixture
def caller(traced: str, collector: Collector) -> Caller:
    return Caller(traced, collector)


def counted(log: Path, what: str) -> float:
    """How many spans a server has ``sent`` or ``dropped``, as it tells at its HTTP port."""
    http = until(lambda: re.search(r"http=(\S+)", log.read_text()))
    with urllib.request.urlopen(f"{http[1]}/metrics", timeout=20) as answer:
        (value,) = re.findall(rf"^grism_spans_{what}_total (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(value)


def named(spans: list[Collected], name: str) -> list[Collected]:
    return [span for span in spans if span.name == name]


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_a_query_is_told_from_its_call_to_its_tasks(
    kind: str, traced: str, server_uri: Callable[[str], str], collector: Collector
) -> None:
    state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    caller = Caller(traced if kind == "local" else server_uri("ray"), collector, state=state)
    unknown = GROUPS.replace(" n", f" n{secrets.token_hex(4)}")  # whose plan nobody remembers
    assert caller.ask(unknown).num_rows == 3
    spans = caller.spans(f"{SERVICE}/DoGet")
    by_id = {span.id: span for span in spans}
    (info,), (get,) = named(spans, f"{SERVICE}/GetFlightInfo"), named(spans, f"{SERVICE}/DoGet")
    (planning,), (run,) = named(spans, "planning"), named(spans, "run")
    for call in (info, get):
        assert (call.parent, call.kind, call.failed) == (caller.span, SERVER, False)
        assert call.attributes == {
            "rpc.system.name": "grpc",
            "rpc.method": call.name,
            "rpc.response.status_code": "OK",
        }
    assert (planning.parent, run.parent) == (info.id, get.id)
    assert {key: run.attributes[key] for key in ("db.system.name", "db.operation.name", "grism.runtime")} == {
        "db.system.name": "grism",
        "db.operation.name": "SELECT",
        "grism.runtime": kind,
    }
    assert run.attributes["db.response.returned_rows"] == 3
    assert all(span.began <= span.ended and span.state == state for span in spans)
    assert {span.resource["service.name"] for span in spans} == {"grism"}
    assert not any("l_returnflag" in str(value) for span in spans for value in span.attributes.values())
    stages, tasks = named(spans, "stage"), named(spans, "task")
    if kind == "local":
        assert not stages
        return
    assert {stage.parent for stage in stages} == {run.id}
    assert sum(stage.attributes["grism.stage.tasks"] for stage in stages) == len(tasks) > len(stages) > 1
    for task in tasks:
        stage = by_id[task.parent]
        assert stage.attributes["grism.stage"] == task.attributes["grism.stage"]
        assert task.resource["service.instance.id"] != run.resource["service.instance.id"]
        assert task.resource["service.instance.id"].startswith(task.attributes["grism.worker"])
    assert sum(stage.attributes["grism.stage.rows"] for stage in stages) == sum(
        task.attributes["grism.task.rows"] for task in tasks
    )


def test_what_leaves_is_counted(caller: Caller, log: Path) -> None:
    before = counted(log, "sent")
    caller.ask("SELECT 1")
    here = caller.spans(f"{SERVICE}/DoGet")
    until(lambda: counted(log, "sent") - before >= len(here))
    assert counted(log, "dropped") == 0


def test_the_log_has_the_trace_of_a_query(caller: Caller, log: Path) -> None:
    caller.ask("SELECT 1 AS told")
    (run,) = named(caller.spans(f"{SERVICE}/DoGet"), "run")
    (line,) = [line for line in log.read_text().splitlines() if caller.trace in line]
    assert f"query={run.attributes['grism.query.id']} trace={caller.trace} " in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_of_the_log_has_the_trace_however_a_query_ends(tmp_path: Path, form: str, collector: Collector) -> None:
    log, long = (
        tmp_path / "log",
        "SELECT count(*) AS ends FROM range(1000000000) a(i), range(1000000000) b(j) WHERE i = j",
    )
    with serve(tmp_path, log, "--threads", "1", "--log-format", form) as (uri, _), RawClient(uri) as other:
        caller = Caller(uri, collector)
        header = {"adbc.flight.sql.rpc.call_header.traceparent": caller.header}
        with flight_sql.connect(uri, db_kwargs=header, autocommit=True) as connection, connection.cursor() as cursor:

            def ends(text: str) -> bool:
                try:
                    cursor.execute(text)
                    return bool(cursor.fetchall())
                except flight_sql.Error:
                    return False

            assert ends("SELECT 1 AS ends")
            assert not ends("SELECT missing AS ends")
            assert not ends("SELECT 'x'::INTEGER AS ends FROM range(2)")
            with ThreadPoolExecutor(1) as threads:
                answer = threads.submit(ends, long)
                runs = "SELECT 1 FROM system.queries WHERE state = 'running' AND text LIKE '%1000000000%'"
                until(
                    lambda: other.ask(sql.CommandStatementQuery(query=f"{runs} AND text NOT LIKE '%system.%'")).num_rows
                )
                cursor.adbc_cancel()
                assert not answer.result(60)
        other.ask(sql.CommandStatementQuery(query="SELECT 2 AS ends"))

        def told() -> list[tuple[str, str, str]]:
            lines = [line for line in log.read_text().splitlines() if "grism.query" in line and "AS ends" in line]
            found = [json.loads(line) if form == "json" else dict(_FIELD.findall(line)) for line in lines]
            return [(each["query"], each.get("trace", ""), each["status"]) for each in found]

        until(lambda: len(told()) == 5)
        ended = told()
    by_status = {(status, trace) for _, trace, status in ended}
    failed = ("ok", "UnknownColumnError", "InvalidValueError", "cancelled")
    assert by_status == {("ok", ""), *((status, caller.trace) for status in failed)}
    assert len({query for query, _, _ in ended}) == 5


def test_failures_are_told_by_their_types(caller: Caller) -> None:
    with pytest.raises(grpc.RpcError):
        caller.ask("SELECT missing")
    spans = caller.spans(f"{SERVICE}/GetFlightInfo")
    assert {span.name: (span.failed, span.attributes["error.type"]) for span in spans} == {
        f"{SERVICE}/GetFlightInfo": (True, "UnknownColumnError"),
        "planning": (True, "UnknownColumnError"),
    }
    assert named(spans, f"{SERVICE}/GetFlightInfo")[0].attributes["rpc.response.status_code"] == "NOT_FOUND"
    other = Caller(caller._uri, caller._collector)
    with pytest.raises(grpc.RpcError):
        other.ask("SELECT CAST('x' || range AS INTEGER) FROM range(3)")
    failed = {span.name: span.attributes.get("error.type") for span in other.spans(f"{SERVICE}/DoGet")}
    assert failed.pop("planning", None) is None
    assert failed == {
        f"{SERVICE}/GetFlightInfo": None,
        f"{SERVICE}/DoGet": "InvalidValueError",
        "run": "InvalidValueError",
    }


@pytest.mark.parametrize("leave", [lambda client, call: call.cancel(), lambda client, call: client.channel.close()])
def test_who_leaves_before_the_last_row_is_told(caller: Caller, leave: Callable[[RawClient, Any], object]) -> None:
    command = sql.CommandStatementQuery(query="SELECT range AS n, md5(n::VARCHAR) AS s FROM range(20000000)")
    with RawClient(caller._uri, [("traceparent", caller.header)]) as client:
        call: Any = client.stream("DoGet", client.info(command).endpoint[0].ticket.SerializeToString())
        assert [next(call), next(call)]
        leave(client, call)
        spans = caller.spans(f"{SERVICE}/DoGet")
    ((get,), (run,)) = named(spans, f"{SERVICE}/DoGet"), named(spans, "run")
    assert {(span.failed, span.attributes["error.type"]) for span in (get, run)} == {(True, "CancelledError")}
    assert get.attributes["rpc.response.status_code"] == "CANCELLED"


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("INSERT INTO missing VALUES ((", True),
        (f"INSERT INTO missing VALUES {', '.join(['(1)'] * 3000)}", False),
        ("SELECT 3", None),
    ],
    ids=["wrong", "long", "short"],
)
def test_reading_a_text_is_told_where_it_takes_long_or_fails(caller: Caller, text: str, failed: bool | None) -> None:
    if failed is None:
        caller.ask(text)
    else:
        with pytest.raises(grpc.RpcError):
            caller.ask(text)
    spans = caller.spans(f"{SERVICE}/GetFlightInfo")
    assert [span.failed for span in named(spans, "parsing")] == ([] if failed is None else [failed])
    for span in named(spans, "parsing"):
        (call,) = [each for each in spans if each.id == span.parent]
        assert call.began <= span.began < span.ended <= call.ended


def test_planning_is_told_where_it_takes_a_millisecond(traced: str, collector: Collector) -> None:
    def told() -> list[Collected]:
        caller = Caller(traced, collector)
        caller.ask("SELECT 4")
        planning = named(caller.spans(f"{SERVICE}/DoGet"), "planning")
        assert all(span.ended - span.began >= 1_000_000 for span in planning)
        return planning

    until(lambda: not told())  # once the plan is remembered


def test_a_call_that_is_refused_is_a_span_too(tmp_path: Path, collector: Collector) -> None:
    add_user(tmp_path / "users", "ann", "right password", frozenset({"reader"}))
    options = ("--traces", "otlp", "--threads", "1", "--users", str(tmp_path / "users"))
    with serve(tmp_path, tmp_path / "log", *options, variables=collector.variables()) as (uri, _):
        caller = Caller(uri, collector)
        with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
            caller.ask("SELECT 1")
        (call,) = caller.spans(f"{SERVICE}/GetFlightInfo")
    assert (call.failed, call.parent) == (True, caller.span)
    assert call.attributes["error.type"] == "UnauthenticatedError"
    assert call.attributes["rpc.response.status_code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("header", ["", "00-0-0-01", f"ff-{'1' * 32}-{'1' * 16}-01", f"00-{'0' * 32}-{'1' * 16}-01"])
def test_a_malformed_traceparent_is_ignored(traced: str, collector: Collector, header: str) -> None:
    marked = secrets.token_hex(4)
    before = {span.id for span in collector.spans()}
    with RawClient(traced, [("traceparent", header)]) as client:
        assert client.ask(sql.CommandStatementQuery(query=f"SELECT 1 AS _{marked}")).num_rows == 1

    def roots() -> list[Collected]:
        new = [span for span in collector.spans() if span.id not in before]
        return [span for span in new if span.name.endswith("/DoGet") and not span.parent]

    (root,) = until(roots)
    assert root.trace not in ("0" * 32, "1" * 32)


def test_what_its_client_does_not_keep_is_not_kept(traced: str, collector: Collector) -> None:
    unkept, kept = Caller(traced, collector, "00"), Caller(traced, collector)
    unkept.ask("SELECT 1")
    kept.ask("SELECT 1")
    kept.spans(f"{SERVICE}/DoGet")
    assert collector.spans(unkept.trace) == []


def test_adbc_hands_on_a_header(traced: str, collector: Collector) -> None:
    caller = Caller(traced, collector)
    header = {"adbc.flight.sql.rpc.call_header.traceparent": caller.header}
    with flight_sql.connect(traced, db_kwargs=header, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 42")
        assert cursor.fetchall() == [(42,)]
    spans = caller.spans("run")
    assert len(named(spans, "run")) == 1
    assert {span.parent for span in spans if span.kind == SERVER} == {caller.span}


def test_texts_are_told_where_that_is_allowed_and_the_last_spans_leave_at_the_end(tmp_path: Path) -> None:
    text = "SELECT 7 AS written"
    with run_collector() as collector:
        variables = collector.variables(OTEL_BSP_SCHEDULE_DELAY="600000", OTEL_SERVICE_NAME="analytics")
        options = ("--traces", "otlp", "--trace-statements", "--threads", "1")
        with serve(tmp_path, tmp_path / "log", *options, variables=variables) as (uri, _):
            caller = Caller(uri, collector)
            caller.ask(text)
            assert collector.requests == 0
        (run,) = named(collector.spans(caller.trace), "run")
    assert run.attributes["db.query.text"] == text
    assert run.resource["service.name"] == "analytics"


def test_a_collector_that_does_not_answer_is_in_nobodys_way(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600000",
            "OTEL_BSP_SCHEDULE_DELAY": "1",
            "OTEL_BSP_MAX_QUEUE_SIZE": "2",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
        }
        options = ("--traces", "otlp", "--threads", "1", "--http-port", "0")
        with serve(tmp_path, tmp_path / "log", *options, variables=variables) as (uri, _), RawClient(uri) as client:
            for number in range(20):
                with pytest.raises(grpc.RpcError, match=f"missing{number}"):  # a call, and its planning
                    client.ask(sql.CommandStatementQuery(query=f"SELECT missing{number}"))
            assert counted(tmp_path / "log", "sent") == 0
            until(lambda: counted(tmp_path / "log", "dropped") == 2 * 20 - 1 - 2)  # one is being sent, two wait
            assert client.ask(sql.CommandStatementQuery(query="SELECT 1")).num_rows == 1
    assert (tmp_path / "log").read_text().count("spans were lost") == 1


def test_what_no_option_asks_for_is_not_loaded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        serve(tmp_path, log, "--threads", "1", variables={"PYTHONPROFILEIMPORTTIME": "1"}) as (uri, _),
        RawClient(uri, [("traceparent", f"00-{'1' * 32}-{'1' * 16}-01")]) as client,
    ):
        client.ask(sql.CommandStatementQuery(query="SELECT 1"))
    text = log.read_text()
    assert "engine.tracing.spans" in text
    assert not re.findall(r"\| +((?:opentelemetry|cryptography|jwt|grpc|ray))\n", text)
    assert f"trace={'1' * 32}" in text  # the log has it all the same


@pytest.mark.parametrize(
    ("variables", "hidden", "told"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, (), "'grpc' is not spoken here"),
        ({}, ("opentelemetry", "opentelemetry.sdk"), "pip install 'grism[otel]'"),
    ],
    ids=["protocol", "missing"],
)
def test_traces_that_cannot_be_sent_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], hidden: tuple[str, ...], told: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for module in hidden:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as refused:
        trace_variables(ServerConfig(operations=OperationsOptions(traces="otlp")))
    assert told in str(refused.value)
    assert trace_variables(ServerConfig()) is None
