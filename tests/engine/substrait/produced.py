"""Plans of producers of today with their answers, as `produce.py` wrote them; and how answers are compared."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

__all__ = ["Produced", "assert_same", "produced"]

_FILE = Path(__file__).parent / "produced.arrow"
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Produced:
    """A plan, and what its producer answers."""

    producer: str
    name: str
    plan: bytes
    answer: pa.Table

    def __str__(self) -> str:
        return f"{self.producer} {' '.join(self.name.split())}"


@cache
def produced(path: Path = _FILE) -> tuple[Produced, ...]:
    """All of a file, the stored one where there is no other."""
    with ipc.open_file(path) as file:
        rows = file.read_all().to_pylist()
    return tuple(Produced(**{**row, "answer": ipc.open_stream(row["answer"]).read_all()}) for row in rows)


def assert_same(got: pa.Table, want: pa.Table) -> None:
    """Names, types but for those with another unit or layout, and rows in their order; doubles to 1e-9."""
    assert got.column_names == want.column_names
    assert [_kind(field.type) for field in got.schema] == [_kind(field.type) for field in want.schema]
    assert got.num_rows == want.num_rows
    for row, (g, w) in enumerate(zip(_rows(got), _rows(want), strict=True)):
        assert all(map(_agrees, g, w)), f"row {row}: {g}, the producer's is {w}"


def _rows(table: pa.Table) -> Iterable[tuple[object, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_list(kind):
        return f"list<{_kind(kind.value_type)}>"
    return "string" if pa.types.is_large_string(kind) else str(kind).replace(" not null", "")


def _agrees(got: object, want: object) -> bool:
    if isinstance(got, float) and isinstance(want, float):
        return got == want or (math.isnan(got) and math.isnan(want)) or math.isclose(got, want, rel_tol=_TOLERANCE)
    return got == want and isinstance(got, Decimal) == isinstance(want, Decimal)
