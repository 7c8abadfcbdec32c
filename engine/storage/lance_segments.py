"""Indexes of Lance tables that are built in parts, each over some fragments, by whichever process that may be.

The parts lie in a hidden folder beside the table, which sees the table's files but has its own for indexes. What they
are merged to is moved into the table's own folder just before a version names it. What lost attempts left goes with the
hidden folder::

    .t.lance.5f0c.tmp/  data -> t.lance/data   _versions -> t.lance/_versions   _indices/  parts and what is merged
    t.lance/            data   _versions   _indices/  what was merged, named by the new version
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lance
import pyarrow as pa
from lance.dataset import Index, IndexFile
from lance.indices import IndexConfig

from engine.cancellation import Cancellation
from engine.storage.index_kinds import kind_of
from engine.storage.indexes import IndexDefinition, OptionValue
from engine.storage.lance_commits import run_write
from engine.storage.lance_fragments import FolderOutOfReachError, gather_in, remove_if_late
from engine.storage.protocol import TableName
from engine.storage.stored_indexes import INDICES, with_partitions

__all__ = ["INDICES", "LanceSegments", "build_segment", "build_whole", "see_files"]

_CONFIGURED = ("BTREE", "ZONEMAP", "BLOOMFILTER")
"""The kinds whose options Lance takes as a configuration."""
_NUMBERED_BY_LANCE = ("BTREE", "LABEL_LIST", "NGRAM")
"""The kinds whose parts Lance numbers itself; of those that fail it leaves nothing."""
_SEEN = ("_versions", "_deletions", "_transactions", "data")


def build_segment(
    dataset: Any,
    definition: IndexDefinition,
    options: Mapping[str, OptionValue],
    fragments: Sequence[int],
    progress: Callable[[Any], None],
    number: str | None = None,
) -> Any:
    """Write an index over some fragments, which no version names yet; Lance's description of it.

    It lies in the folder that is called by its `number`, where one is given.
    """
    kind = kind_of(definition.kind)
    arguments: dict[str, Any] = dict(options)
    if kind.name in _CONFIGURED and arguments:
        form: Any = IndexConfig(kind.name.lower(), arguments)
        arguments = {}
    else:
        form = kind.name
    segment = dataset.create_index_uncommitted(
        definition.column,
        form,
        name=definition.name,
        fragment_ids=list(fragments),
        index_uuid=number,
        progress_callback=progress,
        **arguments,
    )
    return with_partitions(segment, options.get("num_partitions"))


def build_whole(
    dataset: Any,
    definition: IndexDefinition,
    options: Mapping[str, OptionValue],
    progress: Callable[[Any], None],
    folders: set[str],
) -> Any:
    """Write an index over all fragments, as `build_segment`; `folders` gets the names of what is written for it."""
    numbers = [fragment.fragment_id for fragment in dataset.get_fragments()]
    if not numbers and definition.kind == "BITMAP":
        segment = _of_no_rows(dataset, definition)
        folders.add(segment.uuid)
        return segment
    number = None
    if definition.kind not in _NUMBERED_BY_LANCE:
        number = str(uuid.uuid4())
        folders.add(number)  # which is there where the disk is full in the middle of it
    segment = build_segment(dataset, definition, options, numbers, progress, number)
    folders.add(segment.uuid)
    if definition.kind == "FTS":  # whose parts are put together by merging them, also where there is one
        segment = dataset.merge_existing_index_segments([segment])
        folders.add(segment.uuid)
    return segment


def _of_no_rows(dataset: Any, definition: IndexDefinition) -> Index:
    """A BITMAP of a table without fragments, of which Lance makes one when it commits it itself: elsewhere, then."""
    with TemporaryDirectory() as folder:
        alone = lance.write_dataset(pa.schema([dataset.schema.field(definition.column)]).empty_table(), folder)
        alone.create_scalar_index(definition.column, definition.kind, name=definition.name)
        (made,) = alone.read_transaction(alone.version).operation.new_indices
        place = Path(INDICES, made.uuid)
        shutil.copytree(Path(folder, place), Path(dataset.uri, place))
    return replace(
        made, fields=[dataset.lance_schema.field(definition.column).id()], dataset_version=int(dataset.version)
    )


@dataclass(frozen=True)
class LanceSegments:
    """Builds parts of an index of one version of a table, below the hidden `folder`; picklable. See `IndexBuilder`.

    `fragments` has the rows of each. `bytes` is the size of the table where it is known.
    """

    table: TableName
    folder: str
    version: int
    definition: IndexDefinition
    options: Mapping[str, OptionValue]
    fragments: Mapping[int, int]
    bytes: int | None

    def __str__(self) -> str:
        return f"{self.definition.name} ({self.definition.kind} of {self.definition.column}) on {self.table}"

    def parts(self, target: int) -> tuple[tuple[int, ...], ...]:
        """At most `target` runs of fragments, of about equal numbers of rows."""
        total = max(1, sum(self.fragments.values()))
        found: dict[int, list[int]] = {}
        before = 0
        for fragment, rows in self.fragments.items():
            found.setdefault(min(target - 1, (2 * before + rows) * target // (2 * total)), []).append(fragment)
            before += rows
        return tuple(map(tuple, found.values()))

    def build(self, part: Sequence[int], cancellation: Cancellation) -> str:
        """Build the part over some fragments; see `IndexBuilder.build`."""
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise FolderOutOfReachError(f'Table "{self.table}" is not to be reached from where its index is built.')

        def note(progress: Any) -> None:
            if cancellation.is_cancelled and progress.event != "complete":
                raise InterruptedError("given up")

        try:
            return _to_json(run_write(self.table, None, lambda: self._build(part, note)))
        finally:
            remove_if_late(self.folder)
            cancellation.check()

    def _build(self, part: Sequence[int], note: Callable[[Any], None]) -> Index:
        return build_segment(self._open(), self.definition, self.options, part, note)

    def merge(self, told: Sequence[str], path: Path) -> Index:
        """The index of all parts, by what was told of them; it lies in the folder `path` of the table from then on."""
        parts = [_from_dict(json.loads(text)) for text in told]
        index = run_write(self.table, None, lambda: self._open().merge_existing_index_segments(parts))
        (path / INDICES).mkdir(exist_ok=True)
        (Path(self.folder) / INDICES / index.uuid).rename(path / INDICES / index.uuid)
        return index

    def _open(self) -> Any:
        return lance.dataset(self.folder, version=self.version)


def see_files(path: Path, folder: Path) -> None:
    """Make a hidden folder a dataset that has the files of the table in `path`, and indexes of its own.

    Raises FolderOutOfReachError where the file system has no links.
    """
    try:
        for name in _SEEN:
            if (path / name).is_dir():
                (folder / name).symlink_to((path / name).absolute(), target_is_directory=True)
    except OSError as error:
        raise FolderOutOfReachError(f"The files of a table cannot be seen from another folder: {error}") from None
    gather_in(folder)


def _to_json(segment: Index) -> str:
    kind, details = segment.index_details or ("", b"")
    return json.dumps(
        {
            "uuid": segment.uuid,
            "name": segment.name,
            "fields": list(segment.fields),
            "dataset_version": segment.dataset_version,
            "fragment_ids": sorted(segment.fragment_ids),
            "index_version": segment.index_version,
            "created_at": segment.created_at.isoformat() if segment.created_at else None,
            "files": [asdict(file) for file in segment.files or ()],
            "details": [kind, base64.b64encode(details).decode()] if segment.index_details else None,
        }
    )


def _from_dict(told: dict[str, Any]) -> Index:
    details, created = told.pop("details"), told.pop("created_at")
    return Index(
        **{**told, "fragment_ids": set(told["fragment_ids"]), "files": [IndexFile(**file) for file in told["files"]]},
        created_at=datetime.fromisoformat(created) if created else None,
        index_details=(details[0], base64.b64decode(details[1])) if details else None,
    )
