"""The indexes that a version of a Lance dataset has, in the words of SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.storage.indexes import OptionValue, StoredIndex

__all__ = [
    "INDICES",
    "OWN",
    "are_behind",
    "count_indexes",
    "is_borrowed",
    "kinds_by_column",
    "stored_indexes",
    "with_partitions",
]

INDICES = "_indices"  # the folder in a table's in which they lie
OWN = "__lance"  # what Lance itself keeps among the indexes
_MOVES = "__lance_frag_reuse"  # which rows moved in compactions since when indexes do not follow
_KINDS = {
    "BTree": "BTREE",
    "Bitmap": "BITMAP",
    "LabelList": "LABEL_LIST",
    "ZoneMap": "ZONEMAP",
    "BloomFilter": "BLOOMFILTER",
    "NGram": "NGRAM",
    "Inverted": "FTS",
    "RTree": "RTREE",
    "MinHashLsh": "MINHASHLSH",
}
_PARTITIONS = "grism.ivf.num_partitions"
"""Where the table tells how many parts an index of vectors has: Lance keeps that in the files of the index alone."""
_HINTS = {
    _PARTITIONS: ("num_partitions", ""),
    "lance.ivf.sample_rate": ("sample_rate", "256"),
    "lance.ivf.max_iters": ("max_iters", "50"),
}
"""The options of WITH that an index of vectors was made with, among what Lance calls hints, and their defaults."""


def stored_indexes(dataset: Any) -> tuple[StoredIndex, ...]:
    """The indexes of a version of a dataset, by name."""
    rows = {fragment.fragment_id: fragment.metadata.num_rows for fragment in dataset.get_fragments()}
    found = []
    for index in dataset.describe_indices():
        if index.name.startswith(OWN):
            continue
        covered = {number for segment in index.segments for number in segment.fragment_ids}
        inside = sum(count for number, count in rows.items() if number in covered)
        found.append(
            StoredIndex(
                index.name,
                _KINDS.get(index.index_type, index.index_type.upper()),
                tuple(index.field_names),
                inside,
                sum(rows.values()) - inside,
                max((segment.dataset_version_at_last_update for segment in index.segments), default=0),
                index.total_size_bytes,
                _shown_options(index.details),
            )
        )
    return tuple(sorted(found, key=lambda index: index.name))


def are_behind(dataset: Any) -> bool:
    """Whether another tool compacted a table in a way that its indexes do not follow: none of them is to be asked.

    It left it to the reading of the indexes to follow its moves (`defer_index_remap`): then the next compaction that
    does not makes indexes that lack rows, and tell nothing of it. Or the table is a shallow clone, of which Lance looks
    for the indexes that a compaction wrote with the table beneath.
    """
    described = dataset.describe_indices()
    if any(index.name == _MOVES for index in described):
        return True
    borrowed = [part for index in described for part in index.segments if part.base_id is not None]
    bases = dataset.base_paths() if borrowed else {}
    return any(_is_missing(bases.get(part.base_id), part.uuid) for part in borrowed)


def is_borrowed(index: Any) -> bool:
    """Whether files of an index lie with another table, of which this one is a shallow clone."""
    return any(part.base_id is not None for part in index.segments)


def _is_missing(base: Any, part: str) -> bool:
    """Whether the files of an index are not in the folder of another table, where that is on this machine."""
    folder = None if base is None else Path(base.path.removeprefix("file://"))
    return folder is not None and folder.is_dir() and not (folder / INDICES / part).exists()


def count_indexes(dataset: Any) -> int | None:
    """How many there are; None where what tells of them cannot be read."""
    try:
        return sum(not index.name.startswith(OWN) for index in dataset.describe_indices())
    except (ValueError, OSError, RuntimeError):
        return None


def _shown_options(details: dict[str, Any]) -> dict[str, OptionValue]:
    """What an index tells of how it was made, in the words of WITH."""
    shown: dict[str, OptionValue | None] = {}
    for name, value in details.items():
        match name, value:
            case "metric_type", str():
                shown["metric"] = value.lower()
            case "hnsw", dict():
                shown |= {
                    "m": value.get("max_connections"),
                    "ef_construction": value.get("construction_ef"),
                    "max_level": value.get("max_level"),
                }
            case "compression", dict():
                shown |= {key: value[key] for key in ("num_bits", "num_sub_vectors") if key in value}
            case "runtime_hints", dict():
                shown |= {
                    option: int(value[hint])
                    for hint, (option, default) in _HINTS.items()
                    if value.get(hint, default) != default and str(value[hint]).isdecimal()
                }
            case _, bool() | int() | float() | str() | list():
                shown[name] = value
    return {name: value for name, value in shown.items() if value is not None}


def with_partitions(segment: Any, partitions: OptionValue | None) -> Any:
    """What Lance describes an index of vectors by, with the number of its parts where it was given."""
    if partitions is None or segment.index_details is None:
        return segment
    kind, details = segment.index_details
    key, value = _PARTITIONS.encode(), str(partitions).encode()
    entry = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value
    # An entry more of the map in field 9 of `VectorIndexDetails`, whose messages are merged by standing in a row.
    return replace(segment, index_details=(kind, details + b"\x4a" + bytes([len(entry)]) + entry))


def kinds_by_column(indexes: Iterable[StoredIndex]) -> dict[str, frozenset[str]]:
    """The kinds of index that columns have, by name."""
    found: dict[str, set[str]] = {}
    for index in indexes:
        for column in index.columns:
            found.setdefault(column, set()).add(index.kind)
    return {column: frozenset(kinds) for column, kinds in found.items()}
