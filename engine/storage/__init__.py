"""Where tables are: the Storage contract and its implementations.

`DirectoryStorage` reads Lance datasets and Parquet files below a directory and writes Lance; `InMemoryStorage` holds
Arrow tables; `CompositeStorage` puts several side by side, each under its schema.
"""

import engine.lance_log  # noqa: F401  for Lance, which some of these import
from engine.storage.composite import CompositeStorage
from engine.storage.directory import DirectoryStorage
from engine.storage.memory import InMemoryStorage
from engine.storage.protocol import (
    CATALOG,
    DEFAULT_SCHEMA,
    ArrowSource,
    KernelSource,
    ScanCaps,
    ScanRequest,
    Snapshot,
    Source,
    Split,
    Storage,
    TableHandle,
    TableName,
    WriteMode,
)

__all__ = [
    "CATALOG",
    "DEFAULT_SCHEMA",
    "ArrowSource",
    "CompositeStorage",
    "DirectoryStorage",
    "InMemoryStorage",
    "KernelSource",
    "ScanCaps",
    "ScanRequest",
    "Snapshot",
    "Source",
    "Split",
    "Storage",
    "TableHandle",
    "TableName",
    "WriteMode",
]
