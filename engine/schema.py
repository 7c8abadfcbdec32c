"""Row types in the kernel's terms.

The kernel has types that Arrow has not (HUGEINT travels as decimal128(38, 0), UUID as utf8). A plan therefore carries
the kernel's own type names, and an Arrow schema is derived where data leaves the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Column", "RowType"]


@dataclass(frozen=True)
class Column:
    """One named column; `type` is the kernel's type text, as in ``DECIMAL(15,2)``."""

    name: str
    type: str


RowType = tuple[Column, ...]
