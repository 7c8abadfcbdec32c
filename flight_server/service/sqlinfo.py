"""GetSqlInfo: what the server is and can do, by code. Whatever is claimed here has a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from engine.substrait import VERSIONS as SUBSTRAIT_VERSIONS
from flight_server.service.schemas import SQL_INFO

__all__ = ["CONVERSIONS", "KEYWORDS", "SqlInfo", "info_table", "sql_info"]

SqlInfo = Mapping[int, Any]
"""Values by code; the code says which member of the union a value is for."""

_STRING, _BOOL, _BIGINT, _INT32, _LIST, _MAP = range(6)


def _words(text: str) -> list[str]:
    return text.split()


NUMERIC_FUNCTIONS = _words("""
    abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees exp floor ln log log10 mod pi power radians rand random
    round sign sin sqrt tan trunc truncate
""")
STRING_FUNCTIONS = _words("""
    ascii bit_length char char_length character_length chr concat insert instr lcase left length locate lower lpad
    ltrim octet_length position repeat replace reverse right rpad rtrim space substr substring translate trim ucase
    upper
""")
SYSTEM_FUNCTIONS = _words("coalesce database ifnull nullif user")
DATETIME_FUNCTIONS = _words("""
    age curdate current_date current_time current_timestamp curtime date_add date_diff date_part date_trunc dayname
    dayofmonth dayofweek dayofyear extract hour last_day make_date minute month monthname now quarter second strftime
    strptime timestampadd timestampdiff week year
""")
KEYWORDS = _words("""
    ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC BOTH CASE CAST CHECK COLLATE COLUMN CONSTRAINT CREATE DEFAULT
    DEFERRABLE DESC DESCRIBE DISTINCT DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FROM GROUP HAVING IN INITIALLY
    INTERSECT INTO LAMBDA LATERAL LEADING LIMIT NOT NULL OFFSET ON ONLY OR ORDER PIVOT PIVOT_LONGER PIVOT_WIDER PLACING
    PRIMARY QUALIFY REFERENCES RETURNING SELECT SHOW SOME SUMMARIZE SYMMETRIC TABLE THEN TO TRAILING TRUE UNION UNIQUE
    UNPIVOT USING VARIADIC WHEN WHERE WINDOW WITH
""")

_NUMBERS = [0, 2, 5, 6, 7, 12, 13, 14, 17]  # BIGINT BIT DECIMAL FLOAT INTEGER NUMERIC REAL SMALLINT TINYINT
_TEXTS = [3, 11, 19]  # CHAR LONGVARCHAR VARCHAR
_BINARIES = [1, 10, 18]  # BINARY LONGVARBINARY VARBINARY
_DATE, _TIME, _TIMESTAMP = 4, 15, 16
CONVERSIONS: dict[int, list[int]] = {
    **{number: sorted(_NUMBERS + _TEXTS) for number in _NUMBERS},
    **{text: sorted([*_NUMBERS, *_TEXTS, *_BINARIES, _DATE, _TIME, _TIMESTAMP]) for text in _TEXTS},
    **{binary: sorted(_BINARIES + _TEXTS) for binary in _BINARIES},
    _DATE: sorted([_DATE, _TIMESTAMP, *_TEXTS]),
    _TIME: sorted([_TIME, *_TEXTS]),
    _TIMESTAMP: sorted([_DATE, _TIME, _TIMESTAMP, *_TEXTS]),
}

_UNLIMITED = 0
_NO_TRANSACTIONS = 0
_CASE_INSENSITIVE = 1
_NULLS_AT_END = 3


def _bits(*positions: int) -> int:
    return sum(1 << position for position in positions)


def sql_info(version: str, max_statement_size: int) -> SqlInfo:
    """Every code with its value, for a server of `version` whose statements have at most so many bytes."""
    return {
        0: "grism",
        1: version,
        2: pa.__version__,
        3: False,  # FLIGHT_SQL_SERVER_READ_ONLY
        4: True,  # FLIGHT_SQL_SERVER_SQL
        5: True,  # FLIGHT_SQL_SERVER_SUBSTRAIT
        6: SUBSTRAIT_VERSIONS[0],
        7: SUBSTRAIT_VERSIONS[1],
        8: 0,  # FLIGHT_SQL_SERVER_TRANSACTION: none
        9: True,  # FLIGHT_SQL_SERVER_CANCEL
        10: True,  # FLIGHT_SQL_SERVER_BULK_INGESTION
        11: False,  # FLIGHT_SQL_SERVER_INGEST_TRANSACTIONS_SUPPORTED
        100: _UNLIMITED,  # statement timeout
        101: _UNLIMITED,  # transaction timeout
        500: False,  # SQL_DDL_CATALOG
        501: True,  # SQL_DDL_SCHEMA
        502: True,  # SQL_DDL_TABLE
        503: _CASE_INSENSITIVE,  # SQL_IDENTIFIER_CASE
        504: '"',
        505: _CASE_INSENSITIVE,  # SQL_QUOTED_IDENTIFIER_CASE
        506: True,  # SQL_ALL_TABLES_ARE_SELECTABLE
        507: _NULLS_AT_END,  # SQL_NULL_ORDERING
        508: KEYWORDS,
        509: NUMERIC_FUNCTIONS,
        510: STRING_FUNCTIONS,
        511: SYSTEM_FUNCTIONS,
        512: DATETIME_FUNCTIONS,
        513: "\\",  # SQL_SEARCH_STRING_ESCAPE, in metadata patterns
        514: "",  # SQL_EXTRA_NAME_CHARACTERS
        515: True,  # SQL_SUPPORTS_COLUMN_ALIASING
        516: True,  # SQL_NULL_PLUS_NULL_IS_NULL
        517: CONVERSIONS,
        518: True,  # SQL_SUPPORTS_TABLE_CORRELATION_NAMES
        519: False,  # SQL_SUPPORTS_DIFFERENT_TABLE_CORRELATION_NAMES: they may equal a table's name
        520: True,  # SQL_SUPPORTS_EXPRESSIONS_IN_ORDER_BY
        521: True,  # SQL_SUPPORTS_ORDER_BY_UNRELATED
        522: _bits(0, 1),  # SQL_SUPPORTED_GROUP_BY: unrelated, beyond select
        523: True,  # SQL_SUPPORTS_LIKE_ESCAPE_CLAUSE
        524: True,  # SQL_SUPPORTS_NON_NULLABLE_COLUMNS
        525: _bits(0, 1),  # SQL_SUPPORTED_GRAMMAR: minimum, core
        526: _bits(0),  # SQL_ANSI92_SUPPORTED_LEVEL: entry
        527: False,  # SQL_SUPPORTS_INTEGRITY_ENHANCEMENT_FACILITY
        528: _bits(1, 2),  # SQL_OUTER_JOINS_SUPPORT_LEVEL: limited, full
        529: "schema",
        530: "",  # SQL_PROCEDURE_TERM
        531: "catalog",
        532: True,  # SQL_CATALOG_AT_START
        533: _bits(1),  # SQL_SCHEMAS_SUPPORTED_ACTIONS: in definitions of indexes
        534: _bits(1),  # SQL_CATALOGS_SUPPORTED_ACTIONS: the same
        535: 0,  # SQL_SUPPORTED_POSITIONED_COMMANDS
        536: False,  # SQL_SELECT_FOR_UPDATE_SUPPORTED
        537: False,  # SQL_STORED_PROCEDURES_SUPPORTED
        538: _bits(0, 1, 2, 3),  # SQL_SUPPORTED_SUBQUERIES: comparisons, EXISTS, IN, quantified
        539: True,  # SQL_CORRELATED_SUBQUERIES_SUPPORTED
        540: _bits(0, 1),  # SQL_SUPPORTED_UNIONS: UNION, UNION ALL
        **dict.fromkeys([*range(541, 556), *range(558, 562)], _UNLIMITED),
        556: True,  # SQL_MAX_ROW_SIZE_INCLUDES_BLOBS
        557: max_statement_size,
        562: _NO_TRANSACTIONS,  # SQL_DEFAULT_TRANSACTION_ISOLATION
        563: False,  # SQL_TRANSACTIONS_SUPPORTED
        564: _bits(0),  # SQL_SUPPORTED_TRANSACTIONS_ISOLATION_LEVELS: none
        565: False,  # SQL_DATA_DEFINITION_CAUSES_TRANSACTION_COMMIT
        566: False,  # SQL_DATA_DEFINITIONS_IN_TRANSACTIONS_IGNORED
        567: _bits(1),  # SQL_SUPPORTED_RESULT_SET_TYPES: forward only
        568: _bits(1),  # concurrency for an unspecified result set: read only
        569: _bits(1),  # concurrency for a forward-only result set: read only
        570: 0,  # concurrency for a scroll-sensitive result set
        571: 0,  # concurrency for a scroll-insensitive result set
        572: True,  # SQL_BATCH_UPDATES_SUPPORTED
        573: False,  # SQL_SAVEPOINTS_SUPPORTED
        574: True,  # SQL_NAMED_PARAMETERS_SUPPORTED
        575: False,  # SQL_LOCATORS_UPDATE_COPY
        576: False,  # SQL_STORED_FUNCTIONS_USING_CALL_SYNTAX_SUPPORTED
    }


def _kind(code: int, value: object) -> int:
    if isinstance(value, str):
        return _STRING
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, list):
        return _LIST
    if isinstance(value, dict):
        return _MAP
    return _BIGINT if 541 <= code <= 562 else _INT32


def info_table(info: SqlInfo, codes: Sequence[int]) -> pa.Table:
    """One row for each of `codes`, or for every code where there are none; codes that are not known give no row."""
    wanted = sorted(set(codes) & info.keys()) or ([] if codes else sorted(info))
    kinds = [_kind(code, info[code]) for code in wanted]
    union: pa.UnionType = SQL_INFO.field("value").type
    members: list[list[Any]] = [[] for _ in range(union.num_fields)]
    offsets = []
    for code, kind in zip(wanted, kinds, strict=True):
        offsets.append(len(members[kind]))
        members[kind].append(list(info[code].items()) if kind == _MAP else info[code])
    children = [pa.array(values, union.field(i).type) for i, values in enumerate(members)]
    places = [pa.array(kinds, pa.int8()).buffers()[1], pa.array(offsets, pa.int32()).buffers()[1]]
    # `from_dense` makes members that may be NULL.
    values = pa.UnionArray.from_buffers(union, len(wanted), [None, *places], children=children)
    return pa.Table.from_arrays([pa.array(wanted, pa.uint32()), values], schema=SQL_INFO)
