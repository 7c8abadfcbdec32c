"""Which questions an index of a kind answers as the kernel does, for the type of its column.

Only what a differential test has shown to lose no row stands here (`tests/engine/storage/test_index_answers.py`). What
an index gives too much the kernel takes away again, for it applies the whole filter; but not of look-ups, of which the
same test shows that nothing is too much.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import pyarrow as pa
import pyarrow.types as pt

from engine.storage.index_kinds import KINDS

__all__ = ["Form", "finds_few", "is_answered", "may_be_asked"]


class Form(Enum):
    """The form of a predicate on one column."""

    EQUAL = "equal"  # x = 1, x IN (1, 2), and x IS NULL
    OTHER = "other"  # x <> 1, and x that is a boolean
    RANGE = "range"  # x > 1
    CONTAINS = "contains"  # contains(x, 'abc')
    ITEM = "item"  # list_contains(x, 1), list_has_any, list_has_all


_ANSWERS = {
    "BTREE": {Form.EQUAL, Form.OTHER, Form.RANGE},
    "BITMAP": {Form.EQUAL, Form.OTHER, Form.RANGE},
    "ZONEMAP": {Form.EQUAL, Form.RANGE},
    "BLOOMFILTER": {Form.EQUAL},
    "NGRAM": {Form.CONTAINS},
    "LABEL_LIST": {Form.ITEM},
}


def is_answered(kind: str, column: pa.DataType, form: Form) -> bool:
    """Whether an index of the kind answers such predicates, and loses no row."""
    return form in _ANSWERS.get(kind, ()) and not _loses(kind, column)


def finds_few(kind: str, form: Form) -> bool:
    """Whether what such predicates find is expected to be few rows, which the index tells one by one."""
    return (kind, form) in (("BTREE", Form.EQUAL), ("NGRAM", Form.CONTAINS), ("LABEL_LIST", Form.ITEM))


def may_be_asked(kinds: Iterable[str], column: pa.DataType) -> bool:
    """Whether a scan may ask the indexes of a column, which Lance chooses among: none of them loses rows."""
    return not any(_loses(kind, column) for kind in kinds)


def _loses(kind: str, column: pa.DataType) -> bool:
    """Whether the kind loses rows, or may: to ZONEMAP a zone of NaN is an empty one; it looks into no dictionary."""
    if kind == "ZONEMAP":
        return bool(pt.is_floating(column) or pt.is_dictionary(column) or pt.is_null(column))
    return kind not in KINDS
