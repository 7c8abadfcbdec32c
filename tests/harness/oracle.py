"""The oracle: the kernel's own database, driven directly and alone, with the same tables.

grism's dialect is the kernel's, so whatever the kernel answers to the same text over the same tables is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

__all__ = ["Oracle", "OracleError", "quote"]

OracleError = duckdb.Error

_TYPES = re.compile(
    r'"(?:[^"]|"")*"' + "|" + r"\b(ENUM\((?:[^')]|'(?:[^']|'')*')*\)|(?:BIT|TIME WITH TIME ZONE|BIGNUM|TYPE)\b)"
)
"""Types that Arrow has not; names of fields, which may say the same, match without a group."""
SETTINGS = {
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def quote(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Oracle:
    """An in-memory database of its own with Arrow tables registered by name."""

    def __init__(self, threads: int = 2, optimized: bool = True) -> None:
        self._connection = duckdb.connect(config=SETTINGS | {"threads": str(threads)})
        self._connection.execute("SET TimeZone = 'UTC'")
        if not optimized:
            self._connection.execute("PRAGMA disable_optimizer")

    def put(self, name: str, table: pa.Table) -> None:
        """Make `table` readable under `name`, in place of what had the name before."""
        self._connection.register(name, table)

    def remove(self, name: str) -> None:
        """Forget the table."""
        self._connection.unregister(name)

    def run(self, sql: str, values: Sequence[object] = ()) -> pa.Table:
        """The result of one SELECT, or of the statement in `sql`; what is of a type that Arrow has not is text.

        `values` are bound to the parameters of a SELECT.

        Raises OracleError.
        """
        result = self._connection.sql(sql, params=list(values) or None)
        items = [
            f"#{place} AS {quote(name)}" if text == kind else f"CAST(#{place} AS {text}) AS {quote(name)}"
            for place, (name, kind) in enumerate(zip(result.columns, map(str, result.types), strict=True), 1)
            for text in [_TYPES.sub(lambda found: "VARCHAR" if found[1] else found[0], kind)]
        ]
        return result.project(", ".join(items)).to_arrow_table()

    def columns(self, sql: str) -> list[tuple[str, str]]:
        """The name and the type of each column of a SELECT, which is not run. Raises OracleError."""
        result = self._connection.sql(sql)
        return list(zip(result.columns, map(str, result.types), strict=True))

    def complaint(self, sql: str) -> str:
        """What the kernel says of a statement that fails, with the line and a mark below; empty where it does not."""
        try:
            self._connection.execute(sql)
        except OracleError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Give the database back."""
        self._connection.close()

    @classmethod
    @contextmanager
    def over(cls, tables: dict[str, pa.Table], threads: int = 2, optimized: bool = True) -> Iterator[Oracle]:
        """An oracle that holds `tables`, closed at the end."""
        oracle = cls(threads, optimized)
        try:
            for name, table in tables.items():
                oracle.put(name, table)
            yield oracle
        finally:
            oracle.close()
