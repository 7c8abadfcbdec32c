"""Columns of JSON, which take the texts only that are read from them again.

A table's own columns hold JSON as the kernel takes it: with NaN, Infinity and a comma before a closing bracket besides
what RFC 8259 has. Those in Arrow's type of JSON, which other tools made, hold what the RFC has: Lance turns the rest
into NULLs.
"""

from __future__ import annotations

import pyarrow as pa

from engine.arrow_input import Look, all_good, extension_name, look_of
from engine.errors import InvalidValueError
from engine.storage.protocol import TableName
from engine.storage.stored_types import declared_type, with_declared_json

__all__ = ["JsonColumns"]


class JsonColumns:
    """Looks at the JSON in all that is written to a table with this stored schema."""

    def __init__(self, name: TableName, schema: pa.Schema) -> None:
        self._name = name
        self._looks: dict[str, tuple[Look, str]] = {}
        for field in schema:
            if extension_name(field) == "arrow.json":
                self._looks[field.name] = look_of(field), "JSON by RFC 8259 of at most 512 levels"
            elif "JSON" in (declared_type(field) or ""):
                self._looks[field.name] = look_of(with_declared_json(field)), "JSON of at most 512 levels"

    def check(self, batch: pa.RecordBatch) -> None:
        """Raise InvalidValueError, which names the column, where a text could not be read again."""
        for column, (look, words) in self._looks.items():
            if not all_good(batch.column(column), look):
                raise InvalidValueError(
                    f'Column "{column}" of table "{self._name}" takes {words}; the data has another value.'
                )
