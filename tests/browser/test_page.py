"""The page in a real browser: it keeps itself current, stops queries, shows texts as texts, and asks nobody else.

``PAGE_PICTURES=docs/pictures`` has the last test write the pictures that the documentation shows.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import adbc_driver_manager
import pytest

from flight_server.auth.users import add_user
from tests.conftest import RAY_OPTIONS
from tests.harness.browser import Browser, browser
from tests.harness.server import serve
from tests.harness.waiting import until

pytestmark = pytest.mark.clients

PASSWORD = "correct horse battery"
LONG = """
SELECT n_name, count(*) AS pairs, sum(a.l_extendedprice - c.l_extendedprice) AS difference
FROM lineitem a JOIN lineitem b ON a.l_partkey % 3 = b.l_partkey % 3
JOIN lineitem c ON b.l_linenumber = c.l_linenumber
JOIN supplier ON a.l_suppkey = s_suppkey JOIN nation ON s_nationkey = n_nationkey
GROUP BY n_name ORDER BY pairs DESC
"""
"""Takes days."""
ATTACK = (
    """</code></pre><script>document.title = "taken"</script><img src="//elsewhere.example/x" onerror="alert(1)">"""
)
HOSTILE = f"SELECT '{ATTACK}'"


@dataclass(frozen=True)
class Served:
    """A server with logins over TPC-H, on Ray."""

    uri: str
    http: str

    def ask(self, user: str, text: str) -> str:
        """Run a statement to its end; what it failed with, if it did."""
        login = {"username": user, "password": PASSWORD}
        with flight_sql.connect(self.uri, db_kwargs=login, autocommit=True) as client, client.cursor() as cursor:
            try:
                cursor.execute(text)
                cursor.fetchall()
            except adbc_driver_manager.Error as error:
                return str(error)
        return ""


@pytest.fixture(scope="module")
def served(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    for name, role in (("ana", "admin"), ("bob", "reader")):
        add_user(folder / "users", name, PASSWORD, frozenset({role}))
    data = Path(shutil.copytree(tpch_dir, folder / "data"))
    options = ("--users", str(folder / "users"), "--http-port", "0", *RAY_OPTIONS)
    with serve(data, folder / "log", *options) as (uri, _):
        found = until(lambda: re.search(r"http=(\S+)", (folder / "log").read_text()))
        assert found is not None
        yield Served(uri, found[1])


@pytest.fixture
def window(served: Served) -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def long_query(served: Served, threads: ThreadPoolExecutor) -> Iterator[Callable[[], Future[str]]]:
    """Begins a query of days, which is over at the end."""
    with ExitStack() as ending:

        def begin() -> Future[str]:
            answer = threads.submit(served.ask, "bob", LONG)
            ending.callback(lambda: answer.done() or stop_all(served))
            return answer

        yield begin


def stop_all(served: Served) -> None:
    login = {"username": "ana", "password": PASSWORD}
    with flight_sql.connect(served.uri, db_kwargs=login, autocommit=True) as client, client.cursor() as cursor:
        cursor.execute("SELECT id FROM system.queries WHERE state IN ('running', 'queued') AND user = 'bob'")
        for (id,) in cursor.fetchall():
            cursor.execute(f"KILL QUERY '{id}'")


def log_in(window: Browser, served: Served, user: str = "ana") -> None:
    window.open(f"{served.http}/")
    assert "/login?next=" in window.url
    window.write("input[name=user]", user)
    window.write("input[name=password]", PASSWORD)
    window.click("form.login button")
    until(lambda: window.url == f"{served.http}/queries")


def test_the_page_shows_what_happens_without_being_loaded_again(window: Browser, served: Served) -> None:
    log_in(window, served)
    window.run("window.mark = 'the same page'")
    assert served.ask("bob", "SELECT 'seen at once'") == ""
    until(lambda: "seen at once" in window.text())
    assert window.run("return window.mark") == "the same page"
    assert window.complaints() == []


def test_a_query_is_watched_and_stopped(window: Browser, served: Served, long_query: Callable[[], Future[str]]) -> None:
    log_in(window, served)
    answer = long_query()
    until(lambda: window.text("tr .state.running") == "running")
    window.run("window.mark = 'the same page'")
    window.click("tr td.statement a")
    until(lambda: "/queries/" in window.url)
    until(lambda: window.find(".plan .frame .track") or window.find(".plan rect.track"))
    assert window.run(
        "return [...document.querySelectorAll('.plan .operator')].map(o => o.textContent).includes('Join')"
    )
    window.click(".head .stop summary")
    until(lambda: window.find(".head .stop[open] button"))
    window.run("window.opened = document.querySelector('.head .stop[open]')")
    before = window.text(".legend .run b")
    until(lambda: window.text(".legend .run b") != before)
    assert window.run("return window.opened === document.querySelector('.head .stop[open]')"), (
        "an update leaves it open"
    )
    window.click(".head .stop button")
    until(lambda: window.text(".state.cancelled"))
    assert 'The query was stopped by "ana" with KILL QUERY.' in answer.result(60)
    assert 'The query was stopped by "ana"' in window.text(".failure")
    assert window.find(".plan svg"), "its plan is kept"
    assert window.complaints() == []


def test_texts_full_of_html_are_shown_as_texts(window: Browser, served: Served) -> None:
    assert served.ask("bob", HOSTILE) == ""
    log_in(window, served, "bob")
    assert HOSTILE in window.run("return document.querySelector('td.statement code').textContent")
    window.click("td.statement a")
    until(lambda: "/queries/" in window.url)
    assert window.run("return document.querySelector('pre.text').textContent") == HOSTILE
    assert ATTACK in window.text("pre.text")
    assert window.run("return document.querySelectorAll('main img, main script').length") == 0
    assert window.run("return document.title").startswith("Query ")
    assert window.complaints() == []


def test_an_inline_script_does_not_run(window: Browser, served: Served) -> None:
    log_in(window, served)
    window.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = true';"
        "document.body.append(script)"
    )
    assert window.run("return window.ran") is None
    assert any("Content Security Policy" in line for line in window.complaints())


def test_a_login_that_has_ended_and_a_server_that_is_away_are_noticed(window: Browser, served: Served) -> None:
    log_in(window, served)
    away = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    window.devtools("Network.enable")
    window.devtools("Network.emulateNetworkConditions", offline=True, **away)
    until(lambda: window.text("#stale") == "The server does not answer.")
    assert "Queries" in window.text("h1"), "what was known is still there"
    window.devtools("Network.emulateNetworkConditions", offline=False, **away)
    until(lambda: window.run("return document.getElementById('stale').hidden"))
    window.devtools("Network.clearBrowserCookies")
    until(lambda: "/login?next=" in window.url)


def test_without_javascript_it_is_the_same(
    window: Browser, served: Served, long_query: Callable[[], Future[str]]
) -> None:
    window.open(f"{served.http}/login")
    window.devtools("Emulation.setScriptExecutionDisabled", value=True)
    log_in(window, served)
    answer = long_query()
    until(lambda: window.find("tr .state.running"))  # a page that reloads by itself
    window.click("tr td.statement a")
    until(lambda: "/queries/" in window.url)
    window.click(".head .stop summary")
    window.click(".head .stop button")
    assert "stopped by" in answer.result(60)
    until(lambda: window.find(".state.cancelled"))
    assert not [url for url in window.requests() if url.endswith("page.js")]


def test_nothing_is_asked_of_others(window: Browser, served: Served) -> None:
    served.ask("bob", HOSTILE)
    log_in(window, served)
    for path in ("/queries", "/sessions", "/workers", "/tables"):
        window.open(f"{served.http}{path}")
        assert window.text("h1").lower() == path.removeprefix("/")
    window.click("nav a")
    window.click("td.statement a")
    until(lambda: window.find(".plan, .empty"))
    asked = window.requests()
    assert f"{served.http}/assets/page.js" in asked
    assert [url for url in asked if not url.startswith(f"{served.http}/") and not url.startswith("data:")] == []


def test_pictures_of_it(served: Served, long_query: Callable[[], Future[str]], tmp_path: Path) -> None:
    folder = Path(os.environ.get("PAGE_PICTURES") or tmp_path)
    for text in (
        "SELECT n_name, count(*) FROM customer JOIN nation ON c_nationkey = n_nationkey GROUP BY ALL ORDER BY 2 DESC",
        "SELECT l_shipmode, sum(l_extendedprice * (1 - l_discount)) AS revenue FROM lineitem GROUP BY 1 ORDER BY 2",
        "SELECT l_shipmod FROM lineitem",
        "SELECT * FROM orders WHERE o_orderdate >= DATE '1997-01-01' ORDER BY o_totalprice DESC LIMIT 100",
    ):
        served.ask("bob", text)
    answer = long_query()
    with browser() as window:
        log_in(window, served)
        until(lambda: window.run("return document.querySelector('tr:has(.state.running) progress')?.value > 0.2"))
        in_both_schemes(window, folder, "page-queries", height=560)
        window.click("tr:has(.state.running) td.statement a")
        until(lambda: window.find(".plan rect.track"))
        in_both_schemes(window, folder, "page-query", height=1300)
    found = sorted(folder.glob("page-*.png"))
    assert len({path.read_bytes() for path in found}) == 4
    assert all(path.stat().st_size < 200_000 for path in found)
    stop_all(served)
    answer.result(60)


def in_both_schemes(window: Browser, folder: Path, name: str, height: int) -> None:
    window.devtools("Emulation.setDeviceMetricsOverride", width=1200, height=height, deviceScaleFactor=1, mobile=False)
    for scheme in ("light", "dark"):
        window.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        window.picture(folder / f"{name}-{scheme}.png")
