"""GetXdbcTypeInfo: the column types, as JDBC's `getTypeInfo` and ODBC's `SQLGetTypeInfo` tell them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pyarrow as pa

from flight_server.service.schemas import XDBC_TYPE_INFO

__all__ = ["TYPES", "XdbcType", "type_info_table"]

_NULLABLE = 1
_SEARCHABLE_BASIC, _SEARCHABLE_FULL = 2, 3
_SQL_DATETIME, _SQL_INTERVAL = 9, 10


@dataclass(frozen=True)
class XdbcType:
    """One type: the fields are the columns of the result, NULL where they say nothing about it."""

    type_name: str
    data_type: int
    column_size: int | None = None
    literal_prefix: str | None = None
    literal_suffix: str | None = None
    create_params: tuple[str, ...] | None = None
    nullable: int = _NULLABLE
    case_sensitive: bool = False
    searchable: int = _SEARCHABLE_BASIC
    unsigned_attribute: bool | None = None
    fixed_prec_scale: bool = False
    auto_increment: bool | None = None
    local_type_name: str | None = None
    minimum_scale: int | None = None
    maximum_scale: int | None = None
    sql_data_type: int = 0
    datetime_subcode: int | None = None
    num_prec_radix: int | None = None
    interval_precision: int | None = None


def _integer(name: str, code: int, digits: int, *, unsigned: bool = False) -> XdbcType:
    return XdbcType(
        name,
        code,
        digits,
        unsigned_attribute=unsigned,
        auto_increment=False,
        minimum_scale=0,
        maximum_scale=0,
        sql_data_type=code,
        num_prec_radix=10,
    )


def _float(name: str, code: int, bits: int) -> XdbcType:
    return XdbcType(
        name, code, bits, unsigned_attribute=False, auto_increment=False, sql_data_type=code, num_prec_radix=2
    )


def _quoted_type(name: str, code: int, **more: object) -> XdbcType:
    return XdbcType(name, code, literal_prefix="'", literal_suffix="'", **({"sql_data_type": code} | more))  # type: ignore[arg-type]


def _datetime(name: str, code: int, size: int, subcode: int, scale: int | None) -> XdbcType:
    return XdbcType(
        name,
        code,
        size,
        f"{name} '",
        "'",
        minimum_scale=None if scale is None else 0,
        maximum_scale=scale,
        sql_data_type=_SQL_DATETIME,
        datetime_subcode=subcode,
    )


TYPES: tuple[XdbcType, ...] = (
    XdbcType("BOOLEAN", -7, 1, sql_data_type=-7),
    _integer("TINYINT", -6, 3),
    _integer("UTINYINT", -6, 3, unsigned=True),
    _integer("BIGINT", -5, 19),
    _integer("UBIGINT", -5, 20, unsigned=True),
    _quoted_type("BLOB", -3),
    _quoted_type("UUID", 1, column_size=36),
    _integer("HUGEINT", 2, 38),
    XdbcType(
        "DECIMAL",
        3,
        38,
        create_params=("precision", "scale"),
        unsigned_attribute=False,
        auto_increment=False,
        minimum_scale=0,
        maximum_scale=38,
        sql_data_type=3,
        num_prec_radix=10,
    ),
    _integer("INTEGER", 4, 10),
    _integer("UINTEGER", 4, 10, unsigned=True),
    _integer("SMALLINT", 5, 5),
    _integer("USMALLINT", 5, 5, unsigned=True),
    _float("FLOAT", 7, 24),
    _float("DOUBLE", 8, 53),
    XdbcType("INTERVAL", 10, None, "INTERVAL '", "'", sql_data_type=_SQL_INTERVAL),
    _quoted_type("VARCHAR", 12, case_sensitive=True, searchable=_SEARCHABLE_FULL),
    _datetime("DATE", 91, 10, 1, None),
    _datetime("TIME", 92, 15, 2, 6),
    _datetime("TIMESTAMP", 93, 26, 3, 6),
    _datetime("TIMESTAMPTZ", 93, 32, 5, 6),
)
"""Ordered by `data_type`, then by name."""


def type_info_table(data_type: int | None) -> pa.Table:
    """One row for each type, or for the types with that code."""
    rows = [asdict(t) for t in TYPES if data_type is None or t.data_type == data_type]
    rows.sort(key=lambda row: (row["data_type"], row["type_name"]))
    return pa.Table.from_pylist(rows, schema=XDBC_TYPE_INFO)
