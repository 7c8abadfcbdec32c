"""The functions of JDBC's and ODBC's ``{fn ...}``, as the dialect calls them.

What stands here is called otherwise there, or means something else: LOG is the natural logarithm, Sunday is the day 1.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ARGUMENT", "call_template"]

ARGUMENT = "{}"
"""The place of an argument in a template."""

_TEMPLATES: dict[tuple[str, int], str] = {
    ("LOG", 1): "ln({})",
    ("RAND", 0): "random()",
    ("TRUNCATE", 2): "trunc({}, {})",
    ("CHAR", 1): "chr({})",
    ("LENGTH", 1): "length(rtrim({}))",
    ("OCTET_LENGTH", 1): "strlen({})",
    ("SPACE", 1): "repeat(' ', {})",
    ("LOCATE", 2): "position(({}) IN ({}))",
    ("LOCATE", 3): (
        "list_transform([{'n': {}, 'h': {}, 's': {}}], lambda _l: "
        "CASE strpos(substr(_l.h, _l.s), _l.n) WHEN 0 THEN 0 ELSE strpos(substr(_l.h, _l.s), _l.n) + _l.s - 1 END)[1]"
    ),
    ("INSERT", 4): (
        "list_transform([{'s': {}, 'p': {}, 'n': {}, 'r': {}}], lambda _i: "
        "left(_i.s, _i.p - 1) || _i.r || substr(_i.s, _i.p + _i.n))[1]"
    ),
    ("CURDATE", 0): "current_date",
    ("CURRENT_DATE", 0): "current_date",
    ("CURTIME", 0): "localtime",
    ("CURRENT_TIME", 0): "localtime",
    ("CURRENT_TIMESTAMP", 0): "current_timestamp",
    ("DAYOFWEEK", 1): "(dayofweek({}) + 1)",
    ("DATABASE", 0): "current_database()",
    ("IFNULL", 2): "coalesce({}, {})",
    ("USER", 0): "current_user",
}
_UNITS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
_WITH_UNITS: dict[tuple[str, str], str] = {
    **{
        ("TIMESTAMPADD", unit): f"(INTERVAL 1 {unit} * CAST({{}} AS BIGINT) + CAST({{}} AS TIMESTAMP))"
        for unit in _UNITS
    },
    **{
        ("TIMESTAMPDIFF", unit): f"date_sub('{unit}', CAST({{}} AS TIMESTAMP), CAST({{}} AS TIMESTAMP))"
        for unit in _UNITS
    },
    # Of a second's billionth parts.
    ("TIMESTAMPADD", "FRAC_SECOND"): "(INTERVAL 1 MICROSECOND * (CAST({} AS BIGINT) // 1000) + CAST({} AS TIMESTAMP))",
    ("TIMESTAMPDIFF", "FRAC_SECOND"): "(date_sub('MICROSECOND', CAST({} AS TIMESTAMP), CAST({} AS TIMESTAMP)) * 1000)",
}
_TYPES = {
    **dict.fromkeys(("CHAR", "VARCHAR", "LONGVARCHAR", "WCHAR", "WVARCHAR", "WLONGVARCHAR"), "VARCHAR"),
    **dict.fromkeys(("BINARY", "VARBINARY", "LONGVARBINARY"), "BLOB"),
    **dict.fromkeys(("DATE", "TYPE_DATE"), "DATE"),
    **dict.fromkeys(("TIME", "TYPE_TIME"), "TIME"),
    **dict.fromkeys(("TIMESTAMP", "TYPE_TIMESTAMP"), "TIMESTAMP"),
    **{name: name for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL", "NUMERIC", "REAL", "DOUBLE")},
    "FLOAT": "DOUBLE",
    "BIT": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "GUID": "UUID",
}


def call_template(name: str, words: Sequence[str]) -> tuple[str, slice]:
    """The dialect's text of a call, with `ARGUMENT` for each argument that goes into it, and which these are.

    Of each argument that is one word `words` has that in upper case. A function that is not known is called as it is.

    >>> call_template("TIMESTAMPDIFF", ["SQL_TSI_DAY", "", ""])
    ("date_sub('DAY', CAST({} AS TIMESTAMP), CAST({} AS TIMESTAMP))", slice(1, None, None))
    """
    unit = words[0].removeprefix("SQL_TSI_") if len(words) == 3 else ""
    if (name, unit) in _WITH_UNITS:
        return _WITH_UNITS[name, unit], slice(1, None)
    kind = _TYPES.get(words[1].removeprefix("SQL_"), "") if len(words) == 2 else ""
    if name == "CONVERT" and kind:
        return f"CAST({ARGUMENT} AS {kind})", slice(0, 1)
    same = f"{name.lower()}({', '.join([ARGUMENT] * len(words))})"
    return _TEMPLATES.get((name, len(words)), same), slice(None)
