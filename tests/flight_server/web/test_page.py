"""The page for people, asked by a browser without JavaScript: what it shows to whom, and what it lets them do."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import adbc_driver_flightsql.dbapi as flight_sql
import grpc
import jwt
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flight_server.proto import sql
from tests.clients.raw import RawClient
from tests.flight_server.web.conftest import PASSWORD, SECRET, Watched
from tests.flight_server.web.visitor import Answer, Visitor
from tests.harness.waiting import until

LONG = "SELECT count(*) FROM range(1000000000) a(i), range(1000000000) b(j) WHERE i % 7 = j % 5"
"""Takes days."""
HOSTILE = (
    """SELECT '</pre></title></textarea><script>alert(1)</script><img src=x onerror="alert(2)">' AS "{{ 7 * 7 }}" """
)

Connect = Callable[[str], RawClient]
Begin = Callable[[str], tuple[Future[str], str]]


def ask(client: RawClient, text: str) -> None:
    client.ask(sql.CommandStatementQuery(query=text))


@pytest.fixture
def visit(watched: Watched) -> Callable[[str], Visitor]:
    """Gives somebody who is logged in."""

    def logged_in(name: str) -> Visitor:
        visitor = Visitor(watched.http)
        answer = visitor.log_in(name, PASSWORD)
        assert (answer.status, answer.location) == (303, "/queries")
        return visitor

    return logged_in


@pytest.fixture
def begin(connect: Connect, visit: Callable[[str], Visitor]) -> Iterator[Begin]:
    """Begins a query of days; gives the error that it ends with, and its id."""
    with ThreadPoolExecutor(4) as threads:
        watcher = visit("ann")
        ids: list[str] = []

        def refusal(client: RawClient) -> str:
            with pytest.raises(grpc.RpcError) as raised:
                ask(client, LONG)
            return str(raised.value.details())

        def begun(name: str) -> tuple[Future[str], str]:
            answer = threads.submit(refusal, connect(name))

            def fresh() -> list[str]:
                page = watcher.get("/queries?show=live")
                return [] if "planning" in page.text else [id for id in shown(page) if id not in ids]

            ids.extend(until(fresh))
            return answer, ids[-1]

        yield begun
        for id in ids:
            watcher.press(f"/queries/{id}/kill", at="/queries")


def shown(answer: Answer) -> list[str]:
    """The ids of the queries on a page."""
    return [value.removeprefix("q-") for value in answer.values("tr", "id")]


def test_who_has_not_logged_in_sees_nothing(watched: Watched) -> None:
    visitor = Visitor(watched.http)
    assert visitor.get("/").location == "/queries"
    for path in ("/queries", "/queries/x", "/queries/x/text", "/sessions", "/workers", "/tables"):
        answer = visitor.get(path)
        assert answer.status == 303
        assert answer.location.startswith("/login?next=")
    assert visitor.post("/queries/x/kill", {"token": "0"}).location == "/login"
    form = visitor.get(visitor.get("/queries?show=live").location)
    assert form.status == 200
    assert {"user", "password", "bearer", "next"} == set(form.values("input", "name"))
    assert "/queries?show=live" in form.values("input", "value")


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "javascript:alert(1)"]
)
def test_a_login_leads_nowhere_else(watched: Watched, target: str) -> None:
    visitor = Visitor(watched.http)
    answer = visitor.post("/login", {"user": "eve", "password": PASSWORD, "next": target})
    assert answer.location == "/queries"


def refused_logins(watched: Watched) -> float:
    families = text_string_to_metric_families(Visitor(watched.http).get("/metrics").body)
    return next(family.samples[0].value for family in families if family.name == "grism_logins_refused")


def test_half_a_form_is_no_login(watched: Watched) -> None:
    """Nobody tried a password who left, or lost the connection, in the middle of the form."""
    before, lines = refused_logins(watched), watched.log.read_text().count("event=login")
    visitor = Visitor(watched.http)
    head = "POST /login HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(20):
        with socket.create_connection((visitor.parts.hostname, visitor.parts.port), 20) as connection:
            connection.sendall(head.encode() + b"5\r\nuser=\r\nno chunk\r\n")
            while connection.recv(1000):
                pass
    assert visitor.log_in("eve", "wrong").status == 401  # takes its turn behind whatever else is a login
    assert refused_logins(watched) == before + 1
    assert watched.log.read_text().count("event=login") == lines + 1


def test_a_wrong_password_is_refused_counted_and_audited(watched: Watched) -> None:
    before, lines = refused_logins(watched), watched.log.read_text().count("event=login user=eve status=failed")
    visitor = Visitor(watched.http)
    answer = visitor.log_in("eve", "wrong")
    assert answer.status == 401
    assert "User or password is wrong." in answer.text
    assert not visitor.cookies
    assert refused_logins(watched) == before + 1
    assert watched.log.read_text().count("event=login user=eve status=failed") == lines + 1


def test_the_cookie_is_kept_from_scripts_and_other_sites(watched: Watched) -> None:
    visitor = Visitor(watched.http)
    visitor.log_in("eve", PASSWORD)
    port = visitor.parts.port
    assert re.fullmatch(rf"grism-page-{port}=[\w-]{{43}}; HttpOnly; Path=/; SameSite=strict", visitor.set_cookie), (
        visitor.set_cookie
    )
    assert visitor.get("/queries").status == 200
    kept = dict(visitor.cookies)
    assert visitor.press("/logout", at="/queries").location == "/login"
    visitor.cookies = kept
    assert visitor.get("/queries").status == 303


def test_a_token_logs_in_for_as_long_as_it_is_good(watched: Watched) -> None:
    def token(seconds: float) -> str:
        claims = {"sub": "zoe", "roles": ["reader"], "iss": "us", "aud": "grism", "exp": time.time() + seconds}
        return jwt.encode(claims, SECRET, algorithm="HS256")

    visitor = Visitor(watched.http)
    assert visitor.post("/login", {"bearer": token(-3600), "user": "", "password": ""}).status == 401
    assert visitor.post("/login", {"bearer": token(3600), "user": "", "password": ""}).status == 303
    page = visitor.get("/queries")
    assert "zoe" in page.text
    assert "zoe administrator" not in page.text


def test_everybody_sees_their_own_and_administrators_all(connect: Connect, visit: Callable[[str], Visitor]) -> None:
    ask(connect("bob"), "SELECT 'of bob'")
    ask(connect("eve"), "SELECT 'of eve'")
    assert "of bob" in visit("bob").get("/queries").text
    assert "of eve" not in visit("bob").get("/queries").text
    everything = visit("ann").get("/queries")
    assert "of bob" in everything.text
    assert "of eve" in everything.text
    of_eve = next(id for id in shown(everything) if "of eve" in visit("ann").get(f"/queries/{id}/text").body)
    for path in (f"/queries/{of_eve}", f"/queries/{of_eve}/text"):
        assert visit("eve").get(path).status == 200
        assert visit("bob").get(path).status == 404


def test_a_query_is_told_while_it_runs_and_stopped(
    watched: Watched, visit: Callable[[str], Visitor], begin: Begin
) -> None:
    answer, id = begin("bob")
    bob, eve = visit("bob"), visit("eve")
    page = bob.get(f"/queries/{id}")
    assert "running" in page.text
    assert "range(1000000000)" in page.text
    assert "svg" in [name for name, _ in page.tags]
    assert "Join" in page.text
    assert eve.press(f"/queries/{id}/kill", at="/queries").status == 404
    until(lambda: re.search(r"running (\d\d\d ms|\S+ s) ", bob.get(f"/queries/{id}").text))
    assert bob.press(f"/queries/{id}/kill", at="/queries").location == f"/queries/{id}"
    assert 'stopped by "bob"' in answer.result(30)
    until(lambda: "cancelled" in bob.get(f"/queries/{id}").text)
    page = bob.get(f"/queries/{id}")
    assert 'CancelledError The query was stopped by "bob"' in page.text
    assert "Join" in page.text, "the plan of a query that took a while is kept"
    assert bob.press(f"/queries/{id}/kill", at="/queries").status == 404
    lines = [line for line in watched.log.read_text().splitlines() if "event=kill" in line and id in line]
    assert ["status=ok" in line for line in lines] == [False, True, False]
    assert "user=eve" in lines[0]


def test_an_administrator_looks_and_stops_while_nobody_has_a_turn(
    visit: Callable[[str], Visitor], begin: Begin
) -> None:
    begun = [begin("bob") for _ in range(3)]
    ann = visit("ann")
    page = ann.get("/queries?show=live")
    assert shown(page) == [id for _, id in reversed(begun)]
    assert page.text.count("queued") == 1
    for answer, id in begun:
        assert ann.press(f"/queries/{id}/kill", at="/queries").status == 303
        assert 'stopped by "ann"' in answer.result(30)
    until(lambda: not shown(ann.get("/queries?show=live")))


def test_sessions_are_shown_and_ended(connect: Connect, visit: Callable[[str], Visitor]) -> None:
    client = connect("bob")
    ask(client, "SET timeout = '1h'")
    bob = visit("bob")
    (row,) = bob.get("/sessions").values("tr", "id")
    id = row.removeprefix("sessions-")
    assert visit("eve").press(f"/sessions/{id}/kill", at="/queries").status == 404
    assert row not in visit("eve").get("/sessions").values("tr", "id")
    assert bob.press(f"/sessions/{id}/kill", at="/sessions").location == "/sessions"
    assert row not in bob.get("/sessions").values("tr", "id")


def test_tables_are_shown_to_who_may_read_them(connect: Connect, visit: Callable[[str], Visitor]) -> None:
    ask(connect("ann"), 'CREATE TABLE "<i>kept" AS SELECT range AS k FROM range(1234)')
    page = visit("eve").get("/tables")
    assert "<i>kept lance 1,234" in page.text
    assert "i" not in [name for name, _ in page.tags]
    ask(connect("ann"), 'DROP TABLE "<i>kept"')
    assert "kept" not in visit("eve").get("/tables").text


def test_a_table_that_is_damaged_is_shown_beside_the_others(
    watched: Watched, connect: Connect, visit: Callable[[str], Visitor]
) -> None:
    ask(connect("ann"), "CREATE TABLE whole AS SELECT range AS k FROM range(1234)")
    (watched.data / "damaged.parquet").write_bytes(b"PAR1, but no Parquet")
    page = visit("eve").get("/tables")
    (watched.data / "damaged.parquet").unlink()
    ask(connect("ann"), "DROP TABLE whole")
    assert page.status == 200
    assert "main damaged – – – – – – –" in page.text
    assert "main whole lance 1,234" in page.text


def test_an_upload_is_shown_while_it_comes_in(
    watched: Watched, connect: Connect, visit: Callable[[str], Visitor]
) -> None:
    goes_on, visitor = threading.Event(), visit("ann")
    batch = pa.RecordBatch.from_pydict({"x": range(100_000)})  # 0.8 MB

    def batches() -> Iterator[pa.RecordBatch]:
        yield from [batch] * 2
        assert goes_on.wait(60)

    def upload() -> int:
        options = {"username": "ann", "password": PASSWORD}
        with (
            flight_sql.connect(watched.uri, db_kwargs=options, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            sent = pa.RecordBatchReader.from_batches(batch.schema, batches())
            return int(cursor.adbc_ingest("coming", sent, mode="create"))

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(upload)
        try:
            until(lambda: "200,000 1.6 MB" in visitor.get("/queries?show=live&search=coming").text)
            (id,) = shown(visitor.get("/queries?show=live&search=coming"))
            page = visitor.get(f"/queries/{id}")
        finally:
            goes_on.set()
        assert sent.result(60) == 200_000
    assert "KindUPLOAD Runtimelocal Rows200,000 Received1.6 MB" in page.text
    assert "Plan" not in page.text  # an upload has none
    (ended,) = [line for line in visitor.get("/queries?search=coming").body.split("</tr>") if f"q-{id}" in line]
    assert "1.6 MB" in ended
    assert "done" in ended
    assert "coming lance 200,000" in visitor.get("/tables").text
    ask(connect("ann"), "DROP TABLE coming")


def test_settings_are_shown_without_what_is_secret(visit: Callable[[str], Visitor]) -> None:
    page = visit("ann").get("/settings")
    assert "max_queries service 2 64" in page.text
    assert SECRET not in page.body


def test_who_logs_in_again_has_one_login(visit: Callable[[str], Visitor]) -> None:
    visitor = visit("eve")
    former = dict(visitor.cookies)
    assert visitor.log_in("eve", PASSWORD).status == 303
    assert visitor.get("/queries").status == 200
    visitor.cookies = former
    assert visitor.get("/queries").status == 303


@pytest.mark.parametrize("path", ["/queries/x/kill", "/sessions/x/kill", "/logout"])
@pytest.mark.parametrize("origin", [None, "null", "https://elsewhere.example", "http://127.0.0.1:1"])
def test_a_form_of_another_site_does_nothing(visit: Callable[[str], Visitor], path: str, origin: str | None) -> None:
    visitor = visit("eve")
    token = visitor.get("/queries").form_token
    assert visitor.post(path, {"token": token}, {"Origin": origin}).status == 403
    assert visitor.get("/queries").status == 200


def test_a_form_comes_with_the_word_of_its_own_login(visit: Callable[[str], Visitor]) -> None:
    one, other = visit("bob"), visit("bob")
    token = other.get("/queries").form_token
    for wrong in ({}, {"token": ""}, {"token": "0" * 64}, {"token": token}):
        assert one.post("/sessions/x/kill", wrong).status == 403
    assert one.press("/sessions/x/kill", at="/queries").status == 404
    assert one.get("/queries/x/kill").status == 405
    assert one.post("/logout", {"token": "x" * 100_000}).status == 413
    assert one.post("/login", {"user": "x" * 100_000}).status == 413


def test_texts_are_shown_as_texts(connect: Connect, visit: Callable[[str], Visitor]) -> None:
    ask(connect("bob"), HOSTILE)
    with pytest.raises(grpc.RpcError):
        ask(connect("bob"), 'SELECT "<b id=hostile>missing</b>"')
    bob = visit("bob")
    page = bob.get("/queries")
    failed, done = shown(page)[:2]
    for answer in (page, bob.get(f"/queries/{done}"), bob.get(f"/queries/{failed}")):
        names = [name for name, _ in answer.tags]
        assert names.count("script") == 1
        assert "img" not in names
        assert "hostile" not in answer.values("b", "id")
    assert "<script>alert(1)</script>" in bob.get(f"/queries/{done}").text
    assert "{{ 7 * 7 }}" in bob.get(f"/queries/{done}").text
    whole = bob.get(f"/queries/{done}/text")
    assert whole.body == HOSTILE
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"


def test_nothing_of_the_page_comes_from_elsewhere(visit: Callable[[str], Visitor]) -> None:
    visitor = visit("ann")
    for path in ("/queries", "/sessions", "/workers", "/tables", "/settings", "/login"):
        answer = visitor.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        links = [*answer.values("a", "href"), *answer.values("link", "href"), *answer.values("script", "src")]
        links += answer.values("form", "action")
        assert links
        assert all(re.match(r"/(?!/)", link) for link in links)
        assert not [name for name, attributes in answer.tags if "style" in attributes or name == "style"]
        assert not [name for name, attributes in answer.tags if any(key.startswith("on") for key in attributes)]
        for link in answer.values("link", "href") + answer.values("script", "src"):
            assert visitor.get(link).status == 200
    assert visitor.get("/assets/page.py").status == 404
    assert visitor.get("/assets/..%2fpage.py").status == 404


def test_queries_are_found_by_their_text_and_user(connect: Connect, visit: Callable[[str], Visitor]) -> None:
    ask(connect("eve"), "SELECT 'a Needle & more'")
    ask(connect("eve"), "SELECT 'hay'")
    eve, ann = visit("eve"), visit("ann")
    page = eve.get("/queries?search=needle+%26+MORE&show=all")
    assert len(shown(page)) == 1
    assert "needle & MORE" in page.values("input", "value")
    assert "/queries?show=failed&search=needle+%26+MORE" in page.values("a", "href")
    assert not shown(eve.get("/queries?search=needle&show=failed"))
    assert not shown(eve.get("/queries?search=bob"))
    found = shown(ann.get("/queries?search=eve"))
    assert set(shown(eve.get("/queries"))) <= set(found)
    assert shown(ann.get(f"/queries?search={found[0]}")) == found[:1]


def test_long_texts_and_many_rows_are_cut(connect: Connect, visit: Callable[[str], Visitor]) -> None:
    client = connect("eve")
    ask(client, ";".join(["SELECT 1"] * 200))
    ask(client, f"SELECT '{'x' * 3_500}' AS long")
    eve = visit("eve")
    page = eve.get("/queries")
    assert len(shown(page)) == 200
    assert "older ones are not shown" in page.text
    assert "x" * 200 not in page.body
    found = shown(page)[0]
    detail = eve.get(f"/queries/{found}")
    assert "x" * 3_100 not in detail.body
    assert f"/queries/{found}/text" in detail.values("a", "href")
    assert "x" * 3_500 in eve.get(f"/queries/{found}/text").body
