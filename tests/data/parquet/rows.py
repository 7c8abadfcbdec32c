"""The rows that every writer wrote, as Arrow data."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

__all__ = ["COLUMNS", "rows"]

COLUMNS = ("id", "price", "ratio", "half", "name", "label", "raw", "amount", "small", "day", "at", "point", "tags")


def rows() -> pa.Table:
    """`rows.json`, whose floats may be written as text, bytes are hexadecimal and times count days or microseconds."""
    given = json.loads(Path(__file__).with_name("rows.json").read_text())

    def of(name: str) -> list:
        return [row[name] for row in given]

    def floats(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([None if v is None else float(v) for v in of(name)], pa.float64()).cast(kind)

    ratio = pa.array([None if v is None else np.float16(v) for v in of("ratio")], pa.float16())
    price = floats("price", pa.float64())
    arrays = {
        "id": pa.array(of("id"), pa.int32()),
        "price": price,
        "ratio": floats("ratio", pa.float32()),
        "half": ratio,
        "name": pa.array(of("name"), pa.string()),
        "label": pa.array(of("label"), pa.string()),
        "raw": pa.array([None if v is None else bytes.fromhex(v) for v in of("raw")], pa.binary()),
        "amount": pa.array([None if v is None else Decimal(v) for v in of("amount")], pa.decimal128(20, 2)),
        "small": pa.array(of("small"), pa.uint32()),
        "day": pa.array(of("day"), pa.int32()).cast(pa.date32()),
        "at": pa.array(of("at"), pa.timestamp("us")),
        "point": pa.StructArray.from_arrays([price, pa.array(of("tag"), pa.string())], ["x", "tag"]),
        "tags": pa.array(of("tags"), pa.list_(pa.string())),
    }
    return pa.table(arrays)
