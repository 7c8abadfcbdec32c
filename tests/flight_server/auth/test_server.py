"""Logins and rights against a server process, with the ADBC driver and with bare Flight."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pytest
from adbc_driver_flightsql import DatabaseOptions
from pyarrow import flight

from flight_server.auth.users import add_user, remove_user
from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.flight_server.endpoint.certificates import Authority
from tests.harness.server import serve

PASSWORD = "correct: horse battery"
RIGHTS = """
[roles.analyst]
read = ["main.nation", "main.reg*"]

[roles.clerk]
write = ["main.clerk_*"]

[roles.maker]
read = ["main.nation"]
admin = ["main.maker_*"]
"""


@dataclass(frozen=True)
class Guarded:
    """A server with logins: where it listens, the folder that it serves, its users file and its log."""

    uri: str
    data: Path
    users: Path
    log: Path


@pytest.fixture(scope="module")
def guarded(tpch_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    data, users, rights, log = folder / "data", folder / "users", folder / "rights.toml", folder / "server.log"
    data.mkdir()
    for name in ("nation", "region", "orders"):
        shutil.copy(tpch_dir / f"{name}.parquet", data)
    rights.write_text(RIGHTS)
    command = [
        sys.executable,
        "-m",
        "flight_server.cli",
        "user",
        "add",
        "root",
        "--role",
        "admin",
        "--users",
        str(users),
    ]
    subprocess.run(command, input=PASSWORD, text=True, check=True, timeout=60)
    for name, role in (("ana", "analyst"), ("rita", "reader"), ("carl", "clerk"), ("mia", "maker"), ("gone", "admin")):
        add_user(users, name, PASSWORD, frozenset({role}))
    with serve(data, log, "--threads", "2", "--users", str(users), "--rights", str(rights)) as (uri, _):
        yield Guarded(uri, data, users, log)


def connect(server: Guarded, name: str, password: str = PASSWORD) -> flight_sql.Connection:
    options = {"username": name, "password": password}
    return flight_sql.connect(server.uri, db_kwargs=options, autocommit=True)


def rows(server: Guarded, name: str, text: str) -> list[tuple[object, ...]]:
    with connect(server, name) as connection, connection.cursor() as cursor:
        cursor.execute(text)
        found: list[tuple[object, ...]] = cursor.fetchall()
        return found


def test_who_logs_in_and_who_does_not(guarded: Guarded) -> None:
    assert rows(guarded, "rita", "SELECT count(*) FROM orders") == [(15000,)]
    for name, password in (("rita", "wrong password"), ("nobody", PASSWORD), ("", ""), ("rita", "")):
        with pytest.raises(flight_sql.Error, match=r"(?i)unauthenticated"), connect(guarded, name, password) as c:
            c.cursor().execute("SELECT 1")
    log = guarded.log.read_text()
    assert "login failed" in log
    assert "wrong password" not in log
    assert PASSWORD not in log


def test_a_drop_if_exists_of_what_one_may_not_know_of_does_nothing(guarded: Guarded) -> None:
    for table in ("orders", "no_such_schema.t"):
        with connect(guarded, "carl") as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            with pytest.raises(flight_sql.Error, match="There is no table"):
                cursor.execute(f"DROP TABLE {table}")
    assert rows(guarded, "rita", "SELECT count(*) FROM orders") == [(15000,)]


def test_bare_flight_with_basic_header_and_token(guarded: Guarded) -> None:
    with flight.connect(guarded.uri) as client:
        with pytest.raises(flight.FlightUnauthenticatedError):
            list(client.list_flights())
        pair = client.authenticate_basic_token("ana", PASSWORD)
        with_token = flight.FlightCallOptions(headers=[pair])
        basic = b"Basic " + base64.b64encode(f"ana:{PASSWORD}".encode()).rstrip(b"=")
        for options in (with_token, flight.FlightCallOptions(headers=[(b"authorization", basic)])):
            listed = {f.descriptor.path[1].decode() for f in client.list_flights(options=options)}
            assert listed == {"nation", "region"}
        info = client.get_flight_info(flight.FlightDescriptor.for_path("nation"), with_token)
        assert client.do_get(info.endpoints[0].ticket, with_token).read_all().num_rows == 25
        for call in (client.get_flight_info, client.get_schema):
            with pytest.raises((pa.ArrowKeyError, pa.ArrowException, flight.FlightError), match="no table"):
                call(flight.FlightDescriptor.for_path("orders"), with_token)
        other = flight.FlightCallOptions(headers=[client.authenticate_basic_token("rita", PASSWORD)])
        with pytest.raises(pa.ArrowInvalid, match="ticket is not valid"):  # somebody else's
            client.do_get(info.endpoints[0].ticket, other).read_all()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM orders",
        'SELECT * FROM "ORDERS"',
        "SELECT * FROM MAIN.Orders",
        "SELECT * FROM grism.main.orders",
        "WITH nation AS (SELECT * FROM orders) SELECT * FROM nation",
        "SELECT (SELECT count(*) FROM orders)",
        "SELECT * FROM nation WHERE EXISTS (SELECT 1 FROM orders WHERE o_orderkey = n_nationkey)",
        "SELECT * FROM nation UNION ALL SELECT o_orderkey, o_comment, 1, o_comment FROM orders",
        "WITH RECURSIVE r AS (SELECT 1 x UNION ALL SELECT x + 1 FROM r, orders WHERE x < 3) SELECT * FROM r",
        "PIVOT orders ON o_orderstatus USING count(*)",
        "SELECT nosuch FROM orders",
        "EXPLAIN SELECT * FROM orders",
        "SELECT * FROM nation, LATERAL (SELECT * FROM orders)",
        "DESCRIBE orders",
        "FROM orders",
    ],
)
def test_ways_around_the_rights(guarded: Guarded, statement: str) -> None:
    rows(guarded, "rita", "SELECT * FROM orders")  # whose plan is remembered
    with pytest.raises(flight_sql.Error) as denied:
        rows(guarded, "ana", statement)
    assert "orderpriority" not in str(denied.value)
    assert 'mean "main.orders"' not in str(denied.value)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT o_orderpriorit FROM orders",
        "SELECT hidden_colum FROM secret",
        "SELECT hidden_column + 1 FROM secret",
        "SELECT * FROM nation, secret WHERE hidden_column = n_nationkey",
        "SELECT * FROM secre",
        "SELECT 1 FROM (SELECT * FROM main.secret)",
    ],
)
def test_a_view_is_made_of_what_its_maker_may_read(guarded: Guarded, query: str) -> None:
    rows(guarded, "root", "CREATE OR REPLACE VIEW secret AS SELECT o_orderpriority AS hidden_column FROM orders")
    try:
        for statement in (f"CREATE VIEW maker_view AS {query}", f"CREATE TABLE maker_table AS {query}"):
            with pytest.raises(flight_sql.Error, match="There is no table") as denied:
                rows(guarded, "mia", statement)
            assert "orderpriority" not in str(denied.value)
            assert "hidden_column" not in str(denied.value).replace(query, "")
            assert 'mean "main.secret"' not in str(denied.value)
        rows(guarded, "mia", "CREATE OR REPLACE VIEW maker_view AS SELECT count(*) AS n FROM nation")
        assert rows(guarded, "mia", "SELECT n FROM maker_view") == [(25,)]
        rows(guarded, "mia", "DROP VIEW maker_view")
    finally:
        rows(guarded, "root", "DROP VIEW secret")


def test_a_broken_users_file_stops_logins_with_a_typed_error(guarded: Guarded) -> None:
    good = guarded.users.read_text()
    line = next(line for line in good.splitlines() if line.startswith("rita:"))
    broken = [good + "not a user\n", "\0" + good, good.replace(line, line.replace("scrypt$", "scrypt$1"))]
    broken.append(good.replace(line, line[:-10] + "="))
    try:
        for text in broken:
            guarded.users.write_text(text)
            with pytest.raises(flight_sql.Error, match="users file") as failed:
                rows(guarded, "rita", "SELECT 1")
            assert "Unavailable" in str(failed.value)
            assert str(guarded.users) not in str(failed.value)
        guarded.users.chmod(0o644)
        with pytest.raises(flight_sql.Error, match="users file"):
            rows(guarded, "rita", "SELECT 1")
        guarded.users.unlink()
        with pytest.raises(flight_sql.Error, match="users file"):
            rows(guarded, "rita", "SELECT 1")
    finally:
        guarded.users.touch(0o600)
        guarded.users.chmod(0o600)
        guarded.users.write_text(good)
    assert rows(guarded, "rita", "SELECT 1") == [(1,)]


def test_a_statement_knows_who_asks(guarded: Guarded) -> None:
    rows(guarded, "root", "CREATE VIEW region_user AS SELECT current_user AS who")
    rows(guarded, "root", "CREATE TABLE clerk_users (who VARCHAR DEFAULT current_user, x INTEGER)")
    try:
        for name in ("root", "ana", "rita", "ana"):
            assert rows(guarded, name, "SELECT current_user, user, session_user") == [(name,) * 3]
        assert rows(guarded, "ana", "SELECT who FROM region_user") == [("ana",)]
        assert rows(guarded, "root", "SELECT who FROM region_user") == [("root",)]
        rows(guarded, "carl", "INSERT INTO clerk_users (x) VALUES (1)")
        assert rows(guarded, "carl", "SELECT who FROM clerk_users WHERE who = user") == [("carl",)]
    finally:
        rows(guarded, "root", "DROP VIEW region_user")
        rows(guarded, "root", "DROP TABLE clerk_users")


def test_metadata_shows_what_may_be_read(guarded: Guarded) -> None:
    with connect(guarded, "ana") as connection:
        objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        tables = [t["table_name"] for s in objects[0]["catalog_db_schemas"] for t in s["db_schema_tables"]]
        assert tables == ["nation", "region"]
        with pytest.raises(flight_sql.Error):
            connection.adbc_get_table_schema("orders")


def test_writing_takes_a_right(guarded: Guarded) -> None:
    table = pa.table({"x": [1, 2]})
    for name, right in (("rita", False), ("ana", False), ("root", True)):
        with connect(guarded, name) as connection, connection.cursor() as cursor:
            if right:
                assert cursor.adbc_ingest("made", table, mode="create") == 2
            else:
                with pytest.raises(flight_sql.Error):
                    cursor.adbc_ingest("made", table, mode="create")
    for mode in ("append", "replace", "create_append"):
        with (
            connect(guarded, "rita") as connection,
            connection.cursor() as cursor,
            pytest.raises(flight_sql.Error, match=r"may not"),
        ):
            cursor.adbc_ingest("made", table, mode=mode)
    assert rows(guarded, "root", "SELECT count(*) FROM made") == [(2,)]


def put(client: flight.FlightClient, options: flight.FlightCallOptions, name: str, meanwhile: str = "") -> None:
    """Upload two rows to a path; after the first, root runs the statement `meanwhile`."""
    table = pa.table({"x": [1]})
    writer, reader = client.do_put(flight.FlightDescriptor.for_path(name), table.schema, options)
    with writer:
        writer.write_table(table)
        if meanwhile:
            root = flight.FlightCallOptions(headers=[client.authenticate_basic_token("root", PASSWORD)])
            command = flight.FlightDescriptor.for_command(wrap(sql.CommandStatementQuery(query=meanwhile)))
            client.get_flight_info(command, root)
        writer.write_table(table)
        writer.done_writing()
        reader.read()


def test_the_right_to_write_neither_makes_nor_replaces_tables(guarded: Guarded) -> None:
    table = pa.table({"x": [1, 2]})
    rows(guarded, "root", "CREATE TABLE clerk_there AS SELECT 0 AS x")
    rows(guarded, "root", "ALTER TABLE clerk_there ALTER x TYPE BIGINT")
    with connect(guarded, "carl") as connection, connection.cursor() as cursor, flight.connect(guarded.uri) as client:
        for mode in ("create", "replace", "create_append"):
            with pytest.raises(flight_sql.Error, match="may not create"):
                cursor.adbc_ingest("clerk_new", table, mode=mode)
        with pytest.raises(flight_sql.Error, match="may not create"):
            cursor.adbc_ingest("clerk_there", table, mode="replace")
        for mode in ("append", "create_append"):
            assert cursor.adbc_ingest("clerk_there", table, mode=mode) == 2
        assert cursor.adbc_ingest("clerk_own", table, mode="create", temporary=True) == 2
        for mode in ("replace", "create_append"):
            assert cursor.adbc_ingest("clerk_own", table, mode=mode) == 2

        options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("carl", PASSWORD)])
        with pytest.raises(flight.FlightUnauthorizedError, match="may not create"):
            put(client, options, "clerk_new")
        put(client, options, "clerk_there")
        with pytest.raises((pa.ArrowKeyError, flight.FlightError), match=r"no table|was dropped|may not create"):
            put(client, options, "clerk_there", meanwhile="DROP TABLE clerk_there")
    assert rows(guarded, "root", "SELECT * FROM information_schema.tables WHERE table_name LIKE 'clerk%'") == []


def test_a_removed_user_is_out_at_once(guarded: Guarded) -> None:
    with flight.connect(guarded.uri) as client:
        options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("gone", PASSWORD)])
        assert len(list(client.list_flights(options=options))) >= 3
        remove_user(guarded.users, "gone")
        with pytest.raises(flight.FlightUnauthenticatedError):
            list(client.list_flights(options=options))
    add_user(guarded.users, "gone", PASSWORD, frozenset({"admin"}))


@pytest.mark.parametrize("closing", [False, True])
def test_a_session_ends_when_its_roles_change(guarded: Guarded, closing: bool) -> None:
    basic = b"Basic " + base64.b64encode(f"turn:{PASSWORD}".encode())
    options = flight.FlightCallOptions(headers=[(b"authorization", basic)])
    command = wrap(sql.CommandStatementQuery(query="CREATE TEMP TABLE mine AS SELECT * FROM orders LIMIT 1"))
    sessions = guarded.data / ".sessions"
    others = set(sessions.iterdir()) if sessions.exists() else set()
    add_user(guarded.users, "turn", PASSWORD, frozenset({"admin"}))
    with flight.connect(guarded.uri) as client:
        client.get_flight_info(flight.FlightDescriptor.for_command(command), options)
        assert len(set(sessions.iterdir()) - others) == 1
        add_user(guarded.users, "turn", PASSWORD, frozenset({"analyst"}))
        if closing:
            list(client.do_action(flight.Action("CloseSession", b""), options))
        else:
            with pytest.raises(flight.FlightUnauthenticatedError, match="other roles"):
                list(client.list_flights(options=options))
        assert not set(sessions.iterdir()) - others
        listed = {f.descriptor.path[1].decode() for f in client.list_flights(options=options)}
        assert listed == {"nation", "region"}


def test_mutual_tls_names_the_caller(tpch_dir: Path, tmp_path: Path) -> None:
    authority, stranger = Authority(), Authority("stranger")
    server, alice, mallory = authority.issue("localhost"), authority.issue("alice"), stranger.issue("alice")
    (tmp_path / "cert").write_bytes(server.certificate)
    (tmp_path / "key").write_bytes(server.private_key)
    (tmp_path / "ca").write_bytes(authority.pem)
    options = [
        f"--tls-{part}={tmp_path / file}" for part, file in (("cert", "cert"), ("key", "key"), ("client-ca", "ca"))
    ]
    with serve(tpch_dir, tmp_path / "log", *options, "--threads", "1") as (uri, _):
        uri = uri.replace("127.0.0.1", "localhost")
        tls = {DatabaseOptions.TLS_ROOT_CERTS.value: authority.pem.decode()}

        def cursor(pair: object) -> flight_sql.Connection:
            shown = {
                DatabaseOptions.MTLS_CERT_CHAIN.value: pair.certificate.decode(),  # type: ignore[attr-defined]
                DatabaseOptions.MTLS_PRIVATE_KEY.value: pair.private_key.decode(),  # type: ignore[attr-defined]
            }
            return flight_sql.connect(uri, db_kwargs=tls | shown, autocommit=True)

        with cursor(alice) as connection, connection.cursor() as reading:
            reading.execute("SELECT count(*) FROM nation")
            assert reading.fetchall() == [(25,)]
            with pytest.raises(flight_sql.Error):
                reading.adbc_ingest("made", pa.table({"x": [1]}))
        with pytest.raises(flight_sql.Error), cursor(mallory) as connection:
            connection.cursor().execute("SELECT 1")
        with pytest.raises(flight_sql.Error), flight_sql.connect(uri, db_kwargs=tls, autocommit=True) as connection:
            connection.cursor().execute("SELECT 1")
