"""What ``system.tables`` tells: of each table its size, and how it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from engine.cancellation import require_answer
from engine.rights import Grants
from engine.storage.care import StoredFacts
from engine.storage.protocol import Storage

__all__ = ["table_rows"]


def table_rows(storage: Storage, grants: Grants) -> Iterator[Mapping[str, Any]]:
    """A row for each table that may be read; of one that cannot be read no more than its name. Reads no rows."""
    snapshot = storage.snapshot()
    for name in grants.readable(storage.tables()):
        row: dict[str, Any] = {"schema": name.schema, "table": name.table}
        try:
            handle = snapshot.table(name)
            row |= {"kind": handle.kind, "rows": handle.rows, "bytes": handle.bytes}
            facts: StoredFacts = storage.stored_facts(handle)
            row |= {"version": handle.version if facts.versions is not None else None, **asdict(facts)}
        except Exception as error:  # whatever the libraries make of files of others, and of what is dropped meanwhile
            require_answer(error)
        yield row
