"""Names that stand in statements of ours and that nobody else may use."""

from __future__ import annotations

__all__ = ["MARK", "OWN", "QUERY", "ROW_ADDRESS", "STORED", "is_hidden", "without_mark"]

ROW_ADDRESS = "_rowaddr"
"""The column in which a table that is read with addresses tells where each row lies; uint64. No table of Lance has one
of this name."""

QUERY = "_query"
"""The column in which a search for many queries tells for which one a row was found; DOUBLE[]."""

OWN = "__grism_"
"""What the other names begin with."""

MARK = "\u2063"
"""What stands in names of relations and parameters of ours. Nobody sees it, so nobody's own name has it by chance."""

STORED = f"{OWN}stored "
"""What the name begins with under which the kernel gets the stored form of a column, whose name follows."""


def is_hidden(column: str) -> bool:
    """Whether a column has such a name."""
    return column.lower() in (ROW_ADDRESS, QUERY) or column.lower().startswith(OWN)


def without_mark(relation: str) -> str:
    """What a relation of ours stands for: its name up to the mark."""
    return relation.partition(MARK)[0]
