"""Columns, and fields within columns of structs, by texts as Lance has them: ``a``, ``a.b``, ``a.`b c```."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.types as pt

from engine.errors import UnknownColumnError, nearest
from engine.storage.protocol import TableName

__all__ = ["find_field", "path_parts", "path_text"]

_PART = re.compile("`((?:[^`]|``)+)`|([^.`]+)")
_PLAIN = re.compile(r"\w+")


def path_parts(text: str) -> list[str]:
    """The name of a column, and those of the fields within it."""
    return [(quoted or plain).replace("``", "`") for quoted, plain in _PART.findall(text)]


def path_text(parts: Sequence[str]) -> str:
    """What `path_parts` makes these parts of; a column's own name as it is."""
    if len(parts) == 1:
        return parts[0]
    return ".".join(part if _PLAIN.fullmatch(part) else "`" + part.replace("`", "``") + "`" for part in parts)


def find_field(name: TableName, schema: pa.Schema, column: str) -> pa.Field:
    """The field of a column, or within one, in any case, called by its path. Raises UnknownColumnError."""
    top, *within = path_parts(column) or [column]
    field = _of_name(list(schema), top, f'Table "{name}" has no column "{top[:100]}"')
    found = [field.name]
    for part in within:
        inside = [field.type.field(i) for i in range(field.type.num_fields)] if pt.is_struct(field.type) else []
        field = _of_name(inside, part, f'Column "{path_text(found)}" of table "{name}" has no field "{part[:100]}"')
        found.append(field.name)
    return field.with_name(path_text(found))


def _of_name(fields: Sequence[pa.Field], name: str, refusal: str) -> pa.Field:
    found = [field for field in fields if field.name.lower() == name.lower()]
    if len(found) == 1:
        return found[0]
    names = [field.name for field in fields]
    near = nearest(name, names)
    hint = f'; did you mean "{near}"?' if near else f"; it has {', '.join(names)[:1000]}." if names else "."
    raise UnknownColumnError(refusal + hint)
