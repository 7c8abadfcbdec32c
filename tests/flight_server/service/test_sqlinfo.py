"""What GetSqlInfo says is true, and of the types that the protocol asks for."""

from __future__ import annotations

import adbc_driver_flightsql.dbapi as flight_sql
import duckdb
import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.options import ServiceOptions
from flight_server.proto import sql
from flight_server.service.sqlinfo import CONVERSIONS, KEYWORDS, info_table, sql_info
from flight_server.service.wire import unwrap, wrap
from tests.flight_server.service.test_queries import Prepared

INFO = sql_info("1.0", 1000)

STRINGS = {0, 1, 2, 6, 7, 504, 513, 514, 529, 530, 531}
BOOLS = {3, 4, 5, 9, 10, 11, 500, 501, 502, 506, 515, 516, 518, 519, 520, 521, 523, 524, 527, 532, 536, 537, 539, 556}
BOOLS |= {563, 565, 566, 572, 573, 574, 575, 576}
INTS = {8, 100, 101, 503, 505, 507, 522, 525, 526, 528, 533, 534, 535, 538, 540, 564, 567, 568, 569, 570, 571}
BIGINTS = {*range(541, 556), *range(557, 563)}
LISTS = {508, 509, 510, 511, 512}


def test_every_code_is_there_with_the_type_of_the_protocol() -> None:
    table = info_table(INFO, [])
    table.validate(full=True)
    values = table["value"].combine_chunks()
    by_kind: dict[int, set[int]] = {}
    for code, kind in zip(table["info_name"].to_pylist(), values.type_codes.to_pylist(), strict=True):
        by_kind.setdefault(kind, set()).add(code)
    assert by_kind == {0: STRINGS, 1: BOOLS, 2: BIGINTS, 3: INTS, 4: LISTS, 5: {517}}


def test_codes_are_chosen_and_unknown_ones_give_no_row() -> None:
    assert info_table(INFO, [8, 0, 99_999])["info_name"].to_pylist() == [0, 8]
    assert info_table(INFO, [99_999]).num_rows == 0


def test_adbc_reads_the_server_s_name(connection: flight_sql.Connection) -> None:
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "grism"
    assert info["vendor_arrow_version"] == pa.__version__


def test_keywords_are_the_kernel_s_reserved_words() -> None:
    rows = duckdb.connect().execute(
        "SELECT upper(keyword_name) FROM duckdb_keywords() WHERE keyword_category = 'reserved' ORDER BY 1"
    )
    assert [row[0] for row in rows.fetchall()] == KEYWORDS


@pytest.mark.parametrize("name", [*INFO[509], *INFO[510], *INFO[511], *INFO[512]])
def test_every_function_is_known(cursor: flight_sql.Cursor, name: str) -> None:
    if name == "position":
        cursor.execute("SELECT position('b' IN 'abc')")
    elif name == "current_date":
        cursor.execute("SELECT current_date")
    else:
        arguments = next(a for a, names in ARGUMENTS.items() if name in names.split())
        cursor.execute(f"SELECT {{fn {name}({arguments})}}")
    assert len(cursor.fetchall()) == 1


ARGUMENTS = {
    "": "curdate current_time current_timestamp curtime database now pi rand random user",
    "0.5": "abs acos asin atan cbrt ceil ceiling cos cot degrees exp floor ln log log10 radians round sign sin sqrt "
    "tan trunc",
    "5, 3": "atan2 mod power truncate",
    "'abc'": "ascii bit_length char_length character_length concat lcase length lower ltrim octet_length reverse rtrim "
    "trim ucase upper",
    "65": "char chr space",
    "'abc', 'b'": "coalesce ifnull instr locate nullif",
    "'abc', 1, 2, 'x'": "insert",
    "YEAR FROM DATE '2024-02-29'": "extract",
    "SQL_TSI_DAY, 1, DATE '2024-02-29'": "timestampadd",
    "SQL_TSI_DAY, DATE '2024-01-01', DATE '2024-02-29'": "timestampdiff",
    "'abc', 2": "left repeat right substr substring",
    "'abc', 5, 'x'": "lpad rpad",
    "'abc', 'b', 'x'": "replace translate",
    "DATE '2024-02-29'": "age dayname dayofmonth dayofweek dayofyear hour last_day minute month monthname quarter "
    "second week year",
    "DATE '2024-02-29', INTERVAL 1 DAY": "date_add",
    "'day', DATE '2024-01-01', DATE '2024-02-29'": "date_diff",
    "'month', DATE '2024-02-29'": "date_part date_trunc",
    "2024, 2, 29": "make_date",
    "DATE '2024-02-29', '%Y'": "strftime",
    "'2024', '%Y'": "strptime",
}

SAMPLES = {
    0: ("BIGINT", "1"),
    1: ("BLOB", "'a'"),
    2: ("BOOLEAN", "'1'"),
    3: ("VARCHAR", "1"),
    4: ("DATE", "'2024-02-29'"),
    5: ("DECIMAL(9, 2)", "1"),
    6: ("DOUBLE", "1"),
    7: ("INTEGER", "1"),
    12: ("DECIMAL(9, 2)", "1"),
    13: ("FLOAT", "1"),
    14: ("SMALLINT", "1"),
    15: ("TIME", "'12:00:00'"),
    16: ("TIMESTAMP", "'2024-02-29 12:00:00'"),
    17: ("TINYINT", "1"),
} | dict.fromkeys((11, 19), ("VARCHAR", "1")) | dict.fromkeys((10, 18), ("BLOB", "'a'"))  # fmt: skip


@pytest.mark.parametrize("source", CONVERSIONS)
def test_every_conversion_is_one(cursor: flight_sql.Cursor, source: int) -> None:
    name, value = SAMPLES[source]
    for target in CONVERSIONS[source]:
        other, fitting = SAMPLES[target]
        literal = fitting if name == "VARCHAR" else value
        cursor.execute(f"SELECT CAST(CAST({literal} AS {name}) AS {other})")
        assert len(cursor.fetchall()) == 1


@pytest.mark.parametrize(
    ("code", "query", "rows"),
    [
        (503, "SELECT N_NAME FROM Nation WHERE n_nationkey = 0", [("ALGERIA",)]),
        (504, 'SELECT "n_name" FROM "nation" WHERE n_nationkey = 0', [("ALGERIA",)]),
        (505, 'SELECT "N_Name" FROM "NATION" WHERE n_nationkey = 0', [("ALGERIA",)]),
        (507, "SELECT x FROM (VALUES (NULL), (1), (2)) t(x) ORDER BY x", [(1,), (2,), (None,)]),
        (507, "SELECT x FROM (VALUES (NULL), (1), (2)) t(x) ORDER BY x DESC", [(2,), (1,), (None,)]),
        (515, "SELECT 1 AS one", [(1,)]),
        (516, "SELECT NULL + NULL", [(None,)]),
        (518, "SELECT a.n_name FROM nation a WHERE a.n_nationkey = 0", [("ALGERIA",)]),
        (519, "SELECT nation.n_name FROM nation AS nation WHERE n_nationkey = 0", [("ALGERIA",)]),
        (520, "SELECT n_nationkey FROM nation ORDER BY -n_nationkey LIMIT 1", [(24,)]),
        (521, "SELECT n_name FROM nation ORDER BY n_nationkey LIMIT 1", [("ALGERIA",)]),
        (522, "SELECT count(*) FROM nation GROUP BY n_regionkey, n_regionkey + 1 LIMIT 1", [(5,)]),
        (523, "SELECT 'a%b' LIKE 'a!%b' ESCAPE '!'", [(True,)]),
        (528, "SELECT a.x, b.x FROM (VALUES (1)) a(x) FULL JOIN (VALUES (1)) b(x) ON a.x = b.x", [(1, 1)]),
        (528, "SELECT a.x, b.x FROM (VALUES (1)) a(x) LEFT JOIN (VALUES (2)) b(x) ON a.x = b.x", [(1, None)]),
        (531, "SELECT n_name FROM grism.main.nation WHERE n_nationkey = 0", [("ALGERIA",)]),
        (538, "SELECT count(*) FROM nation WHERE n_regionkey = (SELECT min(r_regionkey) FROM region)", [(5,)]),
        (538, "SELECT count(*) FROM nation WHERE n_regionkey IN (SELECT r_regionkey FROM region)", [(25,)]),
        (538, "SELECT count(*) FROM nation WHERE n_nationkey >= ALL (SELECT n_nationkey FROM nation)", [(1,)]),
        (
            539,
            "SELECT count(*) FROM region WHERE EXISTS (SELECT 1 FROM nation WHERE n_regionkey = r_regionkey)",
            [(5,)],
        ),
        (540, "SELECT 1 UNION SELECT 1", [(1,)]),
        (540, "SELECT 1 UNION ALL SELECT 1", [(1,), (1,)]),
    ],
)
def test_claims_about_the_dialect(cursor: flight_sql.Cursor, code: int, query: str, rows: list[object]) -> None:
    assert INFO[code] is not None
    cursor.execute(query)
    assert cursor.fetchall() == rows


def test_schemas_and_the_catalog_are_named_where_indexes_are_made(cursor: flight_sql.Cursor) -> None:
    assert INFO[533] == INFO[534] == 1 << 1
    cursor.execute("CREATE TABLE looked_up AS SELECT 1 AS a")
    try:
        for path in ("main.looked_up", "grism.main.looked_up"):
            cursor.execute(f"CREATE INDEX of_a ON {path} (a)")
            cursor.execute(f"DROP INDEX of_a ON {path}")
    finally:
        cursor.execute("DROP TABLE looked_up")


def test_who_has_all_outer_joins_has_the_limited_ones() -> None:
    limited, full = 1 << 1, 1 << 2
    assert INFO[528] == limited | full


def test_a_statement_over_the_limit_is_refused(client: flight.FlightClient) -> None:
    """Code 557."""
    limit = ServiceOptions().max_statement_size
    assert sql_info("1", limit)[557] == limit
    command = sql.CommandStatementQuery(query="SELECT 1 --" + "x" * limit)
    with pytest.raises(flight.FlightUnavailableError, match=f"the server takes {limit}"):
        client.get_flight_info(flight.FlightDescriptor.for_command(wrap(command)))


def test_queries_are_cancelled_by_a_message(client: flight.FlightClient) -> None:
    """Code 9."""
    assert INFO[9]
    command = sql.CommandStatementQuery(query="SELECT 1")
    info = client.get_flight_info(flight.FlightDescriptor.for_command(wrap(command)))
    message = sql.ActionCancelQueryRequest(info=info.serialize())
    (answer,) = client.do_action(flight.Action("CancelQuery", wrap(message)))
    result = unwrap(answer.body.to_pybytes())
    assert isinstance(result, sql.ActionCancelQueryResult)
    assert result.result == sql.ActionCancelQueryResult.CANCEL_RESULT_CANCELLED
    with pytest.raises(flight.FlightCancelledError):
        client.do_get(info.endpoints[0].ticket).read_all()


def test_an_update_takes_many_rows_of_parameters(cursor: flight_sql.Cursor) -> None:
    """Code 572."""
    assert INFO[572]
    cursor.execute("CREATE TABLE in_a_batch (x INTEGER)")
    try:
        cursor.executemany("INSERT INTO in_a_batch VALUES (?)", [(1,), (2,), (3,)])
        assert cursor.rowcount == 3
        cursor.executemany("DELETE FROM in_a_batch WHERE x = ?", [(1,), (3,)])
        cursor.execute("SELECT x FROM in_a_batch")
        assert cursor.fetchall() == [(2,)]
    finally:
        cursor.execute("DROP TABLE in_a_batch")


def test_parameters_have_names(client: flight.FlightClient) -> None:
    """Code 574."""
    assert INFO[574]
    statement = Prepared(client, "SELECT n_name FROM nation WHERE n_nationkey = $key AND n_regionkey = $region")
    schema = pa.ipc.read_schema(pa.py_buffer(statement.result.parameter_schema))
    assert schema.names == ["key", "region"]
    assert statement.rows(statement.bind(pa.table({"key": [3], "region": [1]})))["n_name"].to_pylist() == ["CANADA"]
    statement.close()
