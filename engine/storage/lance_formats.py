"""The formats of Lance's data files: a table keeps the one that it was made with, and older ones hold less.

The first has no NULLs for most types: they are written as any value, without a word. What later ones lack is refused.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import lance
import pyarrow as pa

from engine.errors import UnsupportedError
from engine.storage.protocol import TableName

__all__ = ["PRESENT", "is_lack", "is_older", "new_format", "require_nulls"]

_FIRST = "0.1"
PRESENT = "stable"
_LACK = re.compile("does not encode struct validity|has no field encoding|not enabled by the selected file format")


def require_nulls(name: TableName, dataset: Any) -> None:
    """Raise UnsupportedError where a dataset is in the format that loses NULLs, so that nothing is added to it."""
    if dataset.data_storage_version == _FIRST:
        raise UnsupportedError(
            f'Table "{name}" is stored in the first format of Lance\'s files, which has no NULLs, and is not changed; '
            f"CREATE OR REPLACE TABLE {name} AS FROM {name} writes it in the present one."
        )


def new_format(dataset: Any) -> str:
    """The format in which a dataset that stays is written anew: its own, or the present one where that loses NULLs."""
    version: str = dataset.data_storage_version
    return PRESENT if version == _FIRST else version


def is_older(dataset: Any) -> bool:
    """Whether a dataset is in an older format than the present one, and in one that keeps NULLs."""
    version = dataset.data_storage_version
    return bool(version != _FIRST and _number(version) < _present())


def _number(version: str) -> list[int]:
    return list(map(int, version.split(".")))


@cache
def _present() -> list[int]:
    nothing = lance.write_dataset(pa.table({"x": pa.nulls(0, pa.int8())}), "memory://", data_storage_version=PRESENT)
    return _number(nothing.data_storage_version)


def is_lack(message: str) -> bool:
    """Whether what Lance says of a failure is that the format of a dataset cannot hold the values."""
    return _LACK.search(message) is not None
