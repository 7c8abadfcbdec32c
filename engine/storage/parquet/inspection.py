"""The kernel's view of a file: its columns with their types, and what beside their values may be used."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from engine.cancellation import current_cancellation
from engine.kernel import Kernel, KernelConfig, quote
from engine.kernel_types import KernelType, parse_type
from engine.schema import RowType
from engine.storage.parquet.trust import Guard, Leaf, Trust, leaf_guard, writer_trust

__all__ = ["FileColumn", "FileSchema", "Inspector", "path_literal"]

_MEMORY = 256 << 20
_UNREADABLE_BYTES = "BYTE_STREAM_SPLIT"
_NULL = '"NULL"'
_EXACT = 2**53  # whole numbers up to here are DOUBLEs


@dataclass(frozen=True)
class FileColumn:
    """A column of a file: its own name, the `name` and `type` under which the kernel reads it, what has to guard it,
    why the kernel cannot read it (None where it can), and whether the file says that it is `required`: has no NULL."""

    own_name: str
    name: str
    type: KernelType
    guard: Guard
    problem: str | None
    required: bool = False


@dataclass(frozen=True)
class FileSchema:
    """The columns of files of one kind; `can_have_nan` says that their floats may be NaN outside of the bounds, and
    `by_arrow` that the kernel refuses the files, and pyarrow reads them."""

    columns: tuple[FileColumn, ...]
    can_have_nan: bool
    by_arrow: bool = False


@dataclass(frozen=True)
class _Subtree:
    """A column as the file's schema has it; `leaves` are in order."""

    name: str
    required: bool
    leaves: list[Leaf]


class Inspector:
    """Asks a kernel of its own about files below `root`: storage is there before a runtime's kernel. Thread-safe."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._made: Kernel | None = None

    def schema(self, path: str) -> FileSchema:
        """The schema of a file. Raises the kernel's errors where it cannot read the footer."""
        file = path_literal(path)
        nodes = self._rows(
            "SELECT name, coalesce(num_children, 0) AS children, coalesce(type, '') AS physical, "
            "concat_ws(' ', logical_type, converted_type) AS annotation, coalesce(\"precision\", 0) AS digits, "
            f"coalesce(repetition_type = 'REQUIRED', false) AS required FROM parquet_schema({file})"
        )
        subtrees = list(_subtrees(nodes))
        told = self._kernel().describe(f"SELECT * FROM read_parquet([{file}], hive_partitioning = false)")
        [about] = self._rows(
            f"SELECT coalesce(created_by, '') AS writer, column_orders FROM parquet_file_metadata({file})"
        )
        leaves = [subtree.leaves for subtree in subtrees]
        orders = about["column_orders"] or []
        ordered = bool(orders) and all("ORDER" in str(order) for order in orders)
        # Of a column of that type the kernel ends for good where bounds are shown.
        shown = not any(kind.name == _NULL for column in told for kind in parse_type(column.type).walk())
        trust = writer_trust(str(about["writer"]), ordered, lambda: shown and self._counts_nan(file))
        problems = _problems(str(about["writer"]), leaves, self._split_bytes(file) if shown else set())
        dictionaries = _dictionaries(path, len(subtrees)) if not trust.dictionaries else [False] * len(subtrees)
        columns = tuple(
            FileColumn(
                subtree.name,
                column.name,
                parse_type(column.type),
                _guard(subtree.leaves, trust, dictionary),
                problem,
                subtree.required,
            )
            for subtree, column, dictionary, problem in zip(subtrees, told, dictionaries, problems, strict=True)
        )
        return FileSchema(columns, any(c.guard is Guard.FLOATS for c in columns))

    def types(self, table: pa.Table) -> RowType:
        """The kernel's types of a table's columns."""
        return self._kernel().column_types(table)

    def footer(self, path: str) -> tuple[list[tuple[int, int]], object]:
        """Rows and bytes of the file, as of one row group, and what makes up its kind. Raises as `schema`."""
        file = path_literal(path)
        groups = self._rows(f"SELECT num_rows AS rows, file_size_bytes AS bytes FROM parquet_file_metadata({file})")
        kind = self._rows(f"SELECT * EXCLUDE (file_name) FROM parquet_schema({file})")
        kind += self._rows(f"SELECT created_by FROM parquet_file_metadata({file})")
        return [(group["rows"], group["bytes"]) for group in groups], json.dumps(kind, default=str)

    def are_doubles(self, paths: Sequence[str], column: FileColumn) -> bool:
        """Whether all whole numbers in a column of these files are DOUBLEs."""
        files = ", ".join(map(path_literal, paths))
        name = f"TRY({quote(column.name)})" if column.guard is Guard.OPAQUE else quote(column.name)
        source = f"(SELECT {name} AS c FROM read_parquet([{files}], hive_partitioning = false))"
        within = f"min(c) >= -{_EXACT} AND max(c) <= {_EXACT}"
        exact = "bool_and(CAST(CAST(c AS DOUBLE) AS HUGEINT) = CAST(c AS HUGEINT))"
        return any(
            self._rows(f"SELECT coalesce({told}, true) AS told FROM {source}")[0]["told"] for told in (within, exact)
        )

    def _split_bytes(self, file: str) -> set[int]:
        """The leaves of bytes in an encoding that the kernel does not read for them, told by the first row group.

        pyarrow tells it sooner, but its `RowGroupMetaData.column` ends the process where size statistics are damaged.
        """
        rows = self._rows(
            f"SELECT column_id FROM parquet_metadata({file}) WHERE row_group_id = 0 "
            f"AND suffix(type, 'BYTE_ARRAY') AND contains(encodings, '{_UNREADABLE_BYTES}')"
        )
        return {int(row["column_id"]) for row in rows}

    def _counts_nan(self, file: str) -> bool:
        [row] = self._rows(
            "SELECT count(stats_nan_count) > 0 AND count(*) FILTER (WHERE stats_nan_count IS NULL AND "
            "coalesce(stats_min, stats_max, stats_min_value, stats_max_value) IS NOT NULL) = 0 AS told "
            f"FROM parquet_metadata({file}) WHERE type IN ('FLOAT', 'DOUBLE')"
        )
        return bool(row["told"])

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        stream = self._kernel().stream(sql, cancellation=current_cancellation())
        rows: list[dict[str, Any]] = stream.reader.read_all().to_pylist()
        return rows

    def _kernel(self) -> Kernel:
        with self._lock:
            if self._made is None:
                self._made = Kernel(KernelConfig((self._root,), _MEMORY, 1, spills=False))
            return self._made


def path_literal(path: str) -> str:
    """A file's path for the kernel, which would take some characters for patterns."""
    return "'" + re.sub(r"([*?\[])", r"[\1]", os.fspath(path)).replace("'", "''") + "'"


def _subtrees(nodes: Sequence[dict[str, Any]]) -> Iterator[_Subtree]:
    """The columns of the file, out of the nodes of the schema in their order."""
    at = 1  # behind the root
    for _ in range(nodes[0]["children"] if nodes else 0):
        top, leaves, open_nodes = nodes[at], [], 1
        while open_nodes:
            node = nodes[at]
            open_nodes += node["children"] - 1
            if not node["children"]:
                leaves.append(Leaf(node["physical"], node["annotation"], int(node["digits"])))
            at += 1
        yield _Subtree(str(top["name"]), top["required"], leaves)


def _problems(writer: str, leaves: Sequence[Sequence[Leaf]], split: set[int]) -> list[str | None]:
    """For each column why the kernel reads it not at all, or wrongly; `split` has the leaves of split bytes."""
    found: list[str | None] = []
    first = 0
    for inner in leaves:
        problem = None
        if any(first + i in split for i in range(len(inner))):
            problem = f"its bytes are stored in the encoding {_UNREADABLE_BYTES}"
        elif writer.startswith("parquet-mr") and any("INTERVAL" in leaf.annotation for leaf in inner):
            problem = "its writer marks intervals as NULL whatever they are"
        found.append(problem)
        first += len(inner)
    return found


def _guard(leaves: Sequence[Leaf], trust: Trust, dictionary: bool) -> Guard:
    guards = {leaf_guard(leaf, trust, dictionary) for leaf in leaves}
    return next((guard for guard in (Guard.OPAQUE, Guard.FLOATS) if guard in guards), Guard.NONE)


def _dictionaries(path: str, columns: int) -> list[bool]:
    """For each column whether it may have been a dictionary, or have had one inside, when it was written."""
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return [True] * columns
    if len(schema) != columns or b"ARROW:schema" not in (pq.read_metadata(path).metadata or {}):
        return [True] * columns
    return [_has_dictionary(field.type) for field in schema]


def _has_dictionary(kind: pa.DataType) -> bool:
    return types.is_dictionary(kind) or any(_has_dictionary(kind.field(i).type) for i in range(kind.num_fields))
