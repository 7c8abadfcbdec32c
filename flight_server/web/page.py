"""The page for people: its routes, who may ask, and what each answers.

Whatever it shows is rendered here, so it works without JavaScript; a script of ours fetches the same page again and
puts what has changed in its place. Nothing is made while nobody asks.
"""

from __future__ import annotations

import base64
import math
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

import anyio.to_thread
import pyarrow as pa
from anyio import CapacityLimiter
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from engine.errors import ForbiddenError, GrismError, ResourceExhaustedError, UnknownQueryError
from engine.rights import Grants
from engine.statements.system_tables import LAYOUTS
from flight_server.endpoint.status import LoginUnavailableError, UnauthenticatedError
from flight_server.web import formats
from flight_server.web.logins import Login, PageLogins
from flight_server.web.origins import is_own_host, is_same_origin
from flight_server.web.plan_picture import picture
from flight_server.web.server import CERTIFICATE_NAME
from flight_server.web.server_view import LIVE, ServerView

__all__ = ["Page"]

_FOLDER = Path(__file__).parent
_MOST_ROWS = 200  # of a table
_INTERVAL = 2  # seconds after which a page is made anew
_TABLES_INTERVAL = 30  # which are looked up where they are stored
_TEXT_IN_ROW, _TEXT = 160, 3_000  # characters of a statement in a table, and by itself
_SEARCHED = ("id", "user", "session", "text", "kind", "error_type")
_LONGEST_SEARCH, _LONGEST_SEARCHED = 200, 10_000  # characters of what is searched for, and in
_SIZES = ("bytes", "exchange_memory", "exchange_disk")
_LARGEST_FORM = 32 << 10  # bytes; the longest JWT that is taken has 16 KiB
_SHOWN = {"all": None, "live": LIVE, "failed": ("failed", "cancelled")}
_ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_OWN_PATH = re.compile(r"/(?![/\\])[\w/.?=&%-]{0,200}")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",  # with "no-referrer" browsers would not tell the origin of forms
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class _FormTooLargeError(GrismError):
    """More came than a form of this page has."""


_STATUS: Mapping[type[GrismError], int] = {
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    UnknownQueryError: 404,
    _FormTooLargeError: 413,
    ResourceExhaustedError: 429,
    LoginUnavailableError: 503,
}


@dataclass(frozen=True)
class _Visit:
    """One request of somebody who is logged in."""

    request: Request
    login: Login
    grants: Grants


_Handler = Callable[[_Visit], Response]


class Page:
    """The page of a server, at its `routes`. `host_names` are names of this machine besides its own."""

    def __init__(self, view: ServerView, logins: PageLogins, host_names: tuple[str, ...] = ()) -> None:
        self._view, self._logins, self._host_names = view, logins, host_names
        self._rooms = CapacityLimiter(4)  # pages made at once
        self._doors = CapacityLimiter(32)  # logins looked at once; the authenticator lets fewer through, and says so
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {name: getattr(formats, name) for name in formats.__all__}
        self._templates.globals |= {"live_states": LIVE}
        view.registry.keeps_plans = True

    @property
    def routes(self) -> list[Route]:
        """Where it answers."""
        return [
            Route("/", self._guard(self._home)),
            Route("/queries", self._require_login(self._queries)),
            Route("/queries/{id}", self._require_login(self._query)),
            Route("/queries/{id}/text", self._require_login(self._text)),
            Route("/queries/{id}/kill", self._require_form(partial(self._kill, "QUERY")), methods=["POST"]),
            Route("/sessions", self._require_login(partial(self._table, "sessions", "Sessions"))),
            Route("/sessions/{id}/kill", self._require_form(partial(self._kill, "SESSION")), methods=["POST"]),
            Route("/workers", self._require_login(partial(self._table, "workers", "Workers"))),
            Route(
                "/settings", self._require_login(partial(self._table, "settings", "Settings", seconds=_TABLES_INTERVAL))
            ),
            Route("/tables", self._require_login(partial(self._table, "tables", "Tables", seconds=_TABLES_INTERVAL))),
            Route("/login", self._guard(self._login_form), methods=["GET"]),
            Route("/login", self._guard(self._log_in, from_form=True), methods=["POST"]),
            Route("/logout", self._require_form(self._log_out), methods=["POST"]),
            Route("/assets/{name}", self._guard(self._asset)),
        ]

    # ---- who may ask

    def _guard(
        self, answer: Callable[[Request], Awaitable[Response]], *, from_form: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint for requests that come from here; what fails in it is told on a page of its own."""

        async def endpoint(request: Request) -> Response:
            host, origin = request.headers.get("host"), request.headers.get("origin")
            if not self._logins.ways.is_required and not is_own_host(host, self._host_names):
                response: Response = PlainTextResponse(
                    "Nobody logs in here, so ask by the server's address or its own name.\n", 421
                )
            elif from_form and not is_same_origin(origin, host):
                response = PlainTextResponse("The form is none of this page.\n", 403)
            else:
                try:
                    response = await answer(request)
                except GrismError as error:
                    response = self._failure(error)
                except ClientDisconnect:  # nobody is there to read the answer, and half a form is none
                    response = PlainTextResponse("The form has not come whole.\n", 400)
            response.headers.update(_HEADERS)
            return response

        return endpoint

    def _require_login(self, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint for who is logged in, which others get to see after they have."""

        def answer(request: Request) -> Response:
            login = self._logins.of(_cookie(request), _certificate(request))
            if login is None:
                return _to_login(request)
            return handler(_Visit(request, login, self._view.grants(login.identity)))

        async def endpoint(request: Request) -> Response:
            return await anyio.to_thread.run_sync(answer, request, limiter=self._rooms)

        return self._guard(endpoint)

    def _require_form(self, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint for a form of who is logged in: it comes with the token of the login."""

        def answer(request: Request, form: Mapping[str, str]) -> Response:
            login = self._logins.of(_cookie(request), _certificate(request))
            if login is None:
                return _redirect("/login")
            if not secrets.compare_digest(form.get("token", "").encode(), login.form_token.encode()):
                return PlainTextResponse("The form is old; go back, reload the page and try again.\n", 403)
            return handler(_Visit(request, login, self._view.grants(login.identity)))

        async def endpoint(request: Request) -> Response:
            form = await _form(request)
            return await anyio.to_thread.run_sync(answer, request, form, limiter=self._rooms)

        return self._guard(endpoint, from_form=True)

    # ---- logins

    async def _login_form(self, request: Request) -> Response:
        if not self._logins.ways.form:
            return _redirect("/queries")
        return self._login_page(request, "")

    def _login_page(self, request: Request, error: str, status: int = 200) -> Response:
        return self._render(
            "login.html",
            status=status,
            ways=self._logins.ways,
            error=error,
            next=_own_path(request.query_params.get("next")),
            login=None,
        )

    async def _log_in(self, request: Request) -> Response:
        if not self._logins.ways.form:
            return _redirect("/queries")
        form = await _form(request)
        try:
            authorization = _authorization(form)
            log_in = partial(self._logins.log_in, authorization, _certificate(request))
            cookie = await anyio.to_thread.run_sync(log_in, limiter=self._doors)
        except (UnauthenticatedError, LoginUnavailableError, ResourceExhaustedError) as error:
            return self._login_page(request, error.summary, _STATUS[type(error)])
        self._logins.log_out(_cookie(request))  # the browser forgets the one that it had
        response = _redirect(_own_path(form.get("next")))
        secure = request.url.scheme == "https"
        response.set_cookie(_cookie_name(request), cookie, httponly=True, samesite="strict", secure=secure)
        return response

    def _log_out(self, visit: _Visit) -> Response:
        self._logins.log_out(_cookie(visit.request))
        response = _redirect("/login")
        response.delete_cookie(
            _cookie_name(visit.request), httponly=True, samesite="strict", secure=visit.request.url.scheme == "https"
        )
        return response

    # ---- pages

    async def _home(self, request: Request) -> Response:
        del request
        return _redirect("/queries")

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            return PlainTextResponse("Not Found", 404)
        return FileResponse(_FOLDER / "assets" / name, media_type=_ASSETS[name])

    def _queries(self, visit: _Visit) -> Response:
        rows = self._view.queries(visit.grants)
        chosen = visit.request.query_params.get("show", "all")
        searched = visit.request.query_params.get("search", "")[:_LONGEST_SEARCH].strip()
        if searched:
            rows = [row for row in rows if _mentions(row, searched)]
        states = _SHOWN.get(chosen)
        counts = {name: len([row for row in rows if _is_in(row, of)]) for name, of in _SHOWN.items()}
        shown = [row for row in rows if _is_in(row, states)]
        return self._page(
            visit,
            "queries.html",
            title="Queries",
            rows=shown[:_MOST_ROWS],
            left_out=max(0, len(shown) - _MOST_ROWS),
            counts=counts,
            chosen=chosen if chosen in _SHOWN else "all",
            searched=searched,
            text_length=_TEXT_IN_ROW,
        )

    def _query(self, visit: _Visit) -> Response:
        row, plan = self._view.query(visit.request.path_params["id"], visit.grants)
        return self._page(
            visit,
            "query.html",
            title=f"Query {row['id']}",
            row=row,
            times=_shares({name: row[name] for name in ("planning", "queue", "run")}),
            picture=picture(plan.lines, plan.stages),
            text_length=_TEXT,
            is_live=row["state"] in LIVE,
        )

    def _text(self, visit: _Visit) -> Response:
        row, _ = self._view.query(visit.request.path_params["id"], visit.grants)
        return PlainTextResponse(row["text"])

    def _table(self, table: str, title: str, visit: _Visit, seconds: int = _INTERVAL) -> Response:
        rows = self._view.rows(table, visit.grants)
        return self._page(
            visit,
            "table.html",
            seconds,
            title=title,
            table=table,
            columns=_columns(table),
            rows=rows[:_MOST_ROWS],
            left_out=max(0, len(rows) - _MOST_ROWS),
        )

    def _kill(self, kind: Literal["QUERY", "SESSION"], visit: _Visit) -> Response:
        client = visit.request.client
        peer = "" if client is None else f"{client.host}:{client.port}"
        identifier = visit.request.path_params["id"]
        self._view.kill(kind, identifier, visit.grants, peer)
        return _redirect(f"/queries/{quote(identifier, safe='')}" if kind == "QUERY" else "/sessions")

    # ----

    def _page(self, visit: _Visit, template: str, seconds: int = _INTERVAL, **values: Any) -> Response:
        """A page that is made anew after so many seconds."""
        about: dict[str, Any] = {
            "login": visit.login,
            "grants": visit.grants,
            "ways": self._logins.ways,
        }
        return self._render(template, seconds=seconds, **about, **values)

    def _failure(self, error: GrismError) -> Response:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
        return self._render("error.html", status=status, error=error.summary, login=None)

    def _render(self, template: str, status: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(template).render(values)
        return Response(text, status, media_type="text/html")


def _mentions(row: Mapping[str, Any], searched: str) -> bool:
    return any(searched.lower() in str(row[name] or "")[:_LONGEST_SEARCHED].lower() for name in _SEARCHED)


def _is_in(row: Mapping[str, Any], states: tuple[str, ...] | None) -> bool:
    return states is None or row["state"] in states


def _columns(table: str) -> list[tuple[str, str]]:
    """The columns of a table of the schema `system`, each with how its values are shown."""

    def value_form(field: pa.Field) -> str:
        if pa.types.is_timestamp(field.type):
            return "instant"
        if field.name in _SIZES:
            return "size"
        if pa.types.is_floating(field.type):
            return "seconds"
        return "count" if pa.types.is_integer(field.type) and field.name != "pid" else "text"

    return [(field.name, value_form(field)) for field in LAYOUTS[table]]


def _shares(times: Mapping[str, float]) -> list[tuple[str, float, float, float]]:
    """Of each time its name, itself, and where it begins and how long it is in hundredths of all."""
    total = math.fsum(times.values()) or 1.0
    shares, begin = [], 0.0
    for name, time in times.items():
        share = 100 * time / total
        shares.append((name, time, begin, share))
        begin += share
    return shares


# ---- requests


def _redirect(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303)


def _to_login(request: Request) -> Response:
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return _redirect(f"/login?{urlencode({'next': asked})}")


def _own_path(path: str | None) -> str:
    """A path of this page that a request names, and the first page where it names something else."""
    return path if path is not None and _OWN_PATH.fullmatch(path) else "/queries"


def _cookie_name(request: Request) -> str:
    """Cookies are those of a host, whatever the port: the name says which server of this host it belongs to."""
    server = request.scope.get("server")
    name = f"grism-page-{server[1] if server else 0}"
    return f"__Host-{name}" if request.url.scheme == "https" else name


def _cookie(request: Request) -> str | None:
    return request.cookies.get(_cookie_name(request))


def _certificate(request: Request) -> str | None:
    return getattr(request.state, CERTIFICATE_NAME, None)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises _FormTooLargeError, and ClientDisconnect where its sender leaves in the middle."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_FORM:
            raise _FormTooLargeError(f"A form of this page has {_LARGEST_FORM} bytes at most.")
    return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))


def _authorization(form: Mapping[str, str]) -> str:
    """What a Flight client would send for who filled in the form."""
    user, password, token = (form.get(name, "") for name in ("user", "password", "bearer"))
    if token:
        return f"Bearer {token.strip()}"
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
