"""The formats of Lance's data files: a dataset keeps the one that it was made with, and older ones hold less.

The first has no NULLs for most types: they are written as any value, without a word. What later ones lack is refused.
"""

from __future__ import annotations

import re
from typing import Any

from engine.errors import UnsupportedError
from engine.storage.protocol import TableName

__all__ = ["is_lack", "new_format", "require_nulls"]

_FIRST = "0.1"
_LACK = re.compile("does not encode struct validity|has no field encoding|not enabled by the selected file format")


def require_nulls(name: TableName, dataset: Any) -> None:
    """Raise UnsupportedError where a dataset is in the format that loses NULLs, so that nothing is added to it."""
    if dataset.data_storage_version == _FIRST:
        raise UnsupportedError(
            f'Table "{name}" is stored in the first format of Lance\'s files, which has no NULLs, and is not changed; '
            f"CREATE OR REPLACE TABLE {name} AS FROM {name} writes it in the present one."
        )


def new_format(dataset: Any) -> str:
    """The format in which a dataset is written anew: its own, or the present one where that loses NULLs."""
    version: str = dataset.data_storage_version
    return "stable" if version == _FIRST else version


def is_lack(message: str) -> bool:
    """Whether what Lance says of a failure is that the format of a dataset cannot hold the values."""
    return _LACK.search(message) is not None
