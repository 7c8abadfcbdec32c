"""The routes: `/metrics` for Prometheus, `/healthz` and `/readyz` for supervisors.

They take no login, as the health port takes none, and tell nothing of users and texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from flight_server.monitoring.metrics import CONTENT_TYPE, Metrics

__all__ = ["make_app"]


def make_app(metrics: Metrics, is_ready: Callable[[], bool], pages: Sequence[Route] = ()) -> Starlette:
    """The application; `is_ready` says, without waiting, whether the server takes queries."""

    def tell_metrics(request: Request) -> Response:
        del request
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def tell_alive(request: Request) -> Response:  # in the loop's thread: others may all be taken
        del request
        return PlainTextResponse("alive\n")

    async def tell_ready(request: Request) -> Response:
        del request
        return PlainTextResponse("ready\n") if is_ready() else PlainTextResponse("not ready\n", 503)

    routes = [Route("/metrics", tell_metrics), Route("/healthz", tell_alive), Route("/readyz", tell_ready)]
    app = Starlette(routes=[*routes, *pages])
    app.router.redirect_slashes = False  # it would send whoever asks to the host that they name, asked or not
    return app
