"""What the variables of OpenTelemetry say of where spans go."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from engine.tracing import begin, send_to
from engine.tracing.otlp import OtlpExporter
from engine.tracing.sending import OtlpSender
from tests.flight_server.endpoint.certificates import Authority


@dataclass
class Heard:
    """A server that answers with `codes`, and then 200; what it was sent."""

    url: str
    codes: list[int] = field(default_factory=list)
    answer: bytes = b""
    promised: int = 0  # bytes of answers that do not come
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    without_end: bool = False


@pytest.fixture
def heard() -> Iterator[Heard]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            code = heard.codes.pop(0) if heard.codes else 200
            self.send_response(code)
            if 300 <= code < 400:
                self.send_header("location", f"{heard.url}/elsewhere")
            if not heard.without_end:
                self.send_header("content-length", str(len(heard.answer) + heard.promised))
            self.end_headers()
            self.wfile.write(heard.answer)
            while heard.without_end:
                try:
                    self.wfile.write(bytes(100_000))
                except OSError:
                    return

        def do_GET(self) -> None:
            heard.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tell nobody."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        heard = Heard(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield heard
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, "/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "/"}, "/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "/base/"}, "/base/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "/as/it/is"}, "/as/it/is"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "/base", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "/own"},
            "/own",
        ),
    ],
    ids=["root", "slash", "base", "traces", "both"],
)
def test_the_endpoint(heard: Heard, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], path: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, heard.url + value)
    OtlpSender().send(b"spans")
    ((told, headers, body),) = heard.requests
    assert (told, body, headers["content-type"]) == (path, b"spans", "application/x-protobuf")


def test_headers_and_compression(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", heard.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "not=this")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=a%20key,x-team=data, Authorization=Basic YWI=")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    OtlpSender().send(b"spans" * 100)
    ((_, headers, body),) = heard.requests
    assert gzip.decompress(body) == b"spans" * 100
    assert (headers["api-key"], headers["x-team"], headers["content-encoding"]) == ("a key", "data", "gzip")
    assert headers["authorization"] == "Basic YWI="
    assert "not" not in headers


def test_what_is_refused_is_not_sent_again(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", heard.url)
    heard.codes = [401]
    with pytest.raises(OSError, match="401"):
        OtlpSender().send(b"spans")
    assert len(heard.requests) == 1
    heard.codes = [503]
    OtlpSender().send(b"spans")
    assert len(heard.requests) == 3
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
    heard.codes = [503]
    with pytest.raises(OSError, match="503"):  # there is no time for another try
        OtlpSender().send(b"spans")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_nobody_is_sent_what_another_points_to(heard: Heard, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Nor the login among the headers. What is sent after a redirection is a question, without the spans."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", heard.url)
    heard.codes = [code]
    with pytest.raises(OSError, match=str(code)):
        OtlpSender().send(b"spans")
    assert len(heard.requests) == 1


def test_an_answer_without_end_is_not_read(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", heard.url)
    heard.without_end = True
    sent = threading.Thread(target=OtlpSender().send, args=(b"spans",), daemon=True)
    sent.start()
    sent.join(20)
    was_read, heard.without_end = sent.is_alive(), False
    assert not was_read


def test_what_comes_with_the_answer_is_given_on(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", heard.url)
    assert OtlpSender().send(b"spans") == b""
    heard.answer = b"taken"
    assert OtlpSender().send(b"spans") == b"taken"
    heard.answer, heard.promised = b"", 5  # it was taken all the same
    assert OtlpSender().send(b"spans") == b""


def test_what_a_collector_refuses_is_lost(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", heard.url)
    refusal = ExportTraceServiceResponse()
    refusal.partial_success.rejected_spans, refusal.partial_success.error_message = 2, "too old"
    heard.answer = refusal.SerializeToString()
    exporter = OtlpExporter("here")
    send_to(exporter)
    calls = [begin("call", is_server=True) for _ in range(3)]
    send_to(None)
    for call in calls:
        assert call is not None
        call.end()
    exporter.close(20)
    assert (exporter.sent_count, exporter.dropped_count) == (1, 2)


def test_what_is_no_http_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"\x1b[2J\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(OSError, match="no answer in HTTP"):
            OtlpSender().send(b"spans")
        thread.join()


def test_a_certificate_of_somebody_else_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pair = Authority("another").issue("127.0.0.1")
    (tmp_path / "pair.pem").write_bytes(pair.certificate + pair.private_key)
    (tmp_path / "trusted.pem").write_bytes(Authority().pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True):
                pass

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"https://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "trusted.pem"))
        with pytest.raises(OSError, match="certificate is not trusted"):
            OtlpSender().send(b"spans")
        thread.join()
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come again
            listening.accept()


def test_nobody_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
    with pytest.raises(OSError, match="cannot be reached"):
        OtlpSender().send(b"spans")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENDPOINT", "collector:4318"),
        ("ENDPOINT", "http://"),
        ("ENDPOINT", "http://collector:port"),
        ("ENDPOINT", "http://collector:99999"),
        ("TRACES_ENDPOINT", "http://a collector:4318"),
        ("TRACES_TIMEOUT", "soon"),
        ("TIMEOUT", "0"),
        ("TIMEOUT", "99999999999999999999"),
        ("COMPRESSION", "zip"),
        ("TRACES_COMPRESSION", "zip"),
    ],
)
def test_variables_that_cannot_be_followed_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    with pytest.raises(ValueError, match=f"OTEL_EXPORTER_OTLP_{name} is '{value}'"):
        OtlpSender()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADERS", "a=b,s3cret"),
        ("TRACES_HEADERS", "a b=s3cret"),
        ("HEADERS", "a=s3cret%0d%0ab: c"),
        ("HEADERS", "a=s3crét"),
        ("TRACES_ENDPOINT", "http://me:s3cret@collector:4318"),
    ],
)
def test_what_may_be_secret_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    with pytest.raises(ValueError, match=f"OTEL_EXPORTER_OTLP_{name} has") as caught:
        OtlpSender()
    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["CERTIFICATE", "TRACES_CERTIFICATE", "CLIENT_CERTIFICATE", "TRACES_CLIENT_CERTIFICATE"]
)
def test_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1")
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", "missing.pem")
    with pytest.raises(ValueError, match=f"{name} is 'missing.pem'"):
        OtlpSender()
