"""The HTTP port, from the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.rights import Rights
from engine.runtime import Runtime
from flight_server.auth.login_counts import CountedLogins
from flight_server.config import ServerConfig
from flight_server.monitoring.query_log import QueryLog
from flight_server.readiness import Readiness
from flight_server.service import FlightSqlService

if TYPE_CHECKING:  # what serves HTTP, or traces, is loaded only where it is asked for
    from engine.tracing.otlp import OtlpExporter
    from flight_server.web.page import Page
    from flight_server.web.server import HttpServer

__all__ = ["open_http"]


def open_http(
    config: ServerConfig,
    service: FlightSqlService,
    logins: CountedLogins,
    readiness: Readiness,
    runtimes: Iterable[Runtime],
    rights: Rights,
    query_log: QueryLog | None,
    traces: OtlpExporter | None,
) -> HttpServer | None:
    """The HTTP server that the configuration asks for, if it does; with TLS where Flight has it. Close it after use."""
    port = config.operations.http_port
    if port is None:
        return None
    from flight_server.monitoring.metrics import Metrics, Numbers
    from flight_server.web.app import make_app
    from flight_server.web.server import HttpServer, HttpTls

    metrics = Metrics(
        Numbers(
            gate=service.gate,
            open=service.open_handles,
            refused_logins=lambda: logins.refused,
            runtimes=list(runtimes),
            query_log=query_log,
            traces=traces,
        )
    )
    service.registry.observe(metrics.ended)
    auth = config.auth
    tls = HttpTls(auth.tls_cert, auth.tls_key, auth.tls_client_ca) if auth.tls_cert and auth.tls_key else None
    page = _page(config, service, logins, rights)
    return HttpServer(make_app(metrics, lambda: readiness.ready, page.routes), config.listen.host, port, tls)


def _page(config: ServerConfig, service: FlightSqlService, logins: CountedLogins, rights: Rights) -> Page:
    from flight_server.web.logins import PageLogins, Ways
    from flight_server.web.page import Page
    from flight_server.web.server_view import ServerView

    auth = config.auth
    ways = Ways(auth.users is not None, auth.jwt_key is not None, auth.tls_client_ca is not None)
    view = ServerView(service.system, service.registry, rights)
    return Page(view, PageLogins(logins, ways), (config.listen.host,))
