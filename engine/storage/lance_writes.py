"""Writing Lance datasets: each write is there whole, or not at all.

A new table is written into a hidden folder and renamed when it is complete. Appending and replacing add files that no
version names yet, and then one version that names them, so queries that run go on with theirs. Dropping leaves a mark:
the files stay for a while, for those queries too, and a table made meanwhile under the name continues the dataset's
version numbers. What a crash leaves (hidden folders, files that no version names) is found by its writer's lock, which
the crash freed, and removed by `sweep`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pyarrow.types as pt
from lance.fragment import write_fragments

from engine.errors import (
    ConflictError,
    SchemaMismatchError,
    TableExistsError,
)
from engine.hidden_columns import OWN
from engine.storage import lance_apart
from engine.storage.conform import Incoming, check_fits, stored_schema
from engine.storage.drop_marks import DROPPED, mark_rename, settle
from engine.storage.lance_blobs import has_blobs, is_blob, scan_options, written_fields
from engine.storage.lance_casts import ColumnCast, ColumnFiles, NewColumn
from engine.storage.lance_changes import RowChange
from engine.storage.lance_columns import alter_field
from engine.storage.lance_commits import (
    WRITERS,
    added_files,
    as_writer,
    commit_next,
    commit_over_newest,
    newest_of,
    open_newest,
    remove_unnamed,
    require_not_dropped,
    require_schema,
    run_write,
    storage_errors,
    visible_or_removed,
)
from engine.storage.lance_fields import may_append
from engine.storage.lance_folders import HIDDEN, bury, dropped_for, dropped_to_go_on, publish, staging_folder
from engine.storage.lance_formats import PRESENT, is_older, new_format, require_nulls
from engine.storage.lance_fragments import FolderOutOfReachError, schema_as_written, written_elsewhere
from engine.storage.lance_links import is_as_written, link_files
from engine.storage.lance_opened import FIRST_VERSION
from engine.storage.lance_rebuilds import Rebuild, rebuilds, with_indexes
from engine.storage.lance_unread import require_changeable
from engine.storage.locks import exclusive_lock, take_if_free
from engine.storage.protocol import (
    ROW_ADDRESS,
    ROW_STAYS,
    AddField,
    FieldChange,
    FragmentWriters,
    NoteField,
    RenameField,
    ReplaceField,
    TableHandle,
    TableName,
)
from engine.storage.reservations import commit_lock

__all__ = ["LanceWrites", "lance_schema"]

_BATCH_BYTES = 16 << 20
RESERVED = ("_rowid", "_rowaddr", "_rowoffset", "_row_created_at_version", "_row_last_updated_at_version")

log = logging.getLogger(__name__)


def lance_schema(name: TableName, schema: pa.Schema, known: Collection[str] = ()) -> pa.Schema:
    """The schema of a Lance table that is written; raises SchemaMismatchError for what Lance cannot hold.

    Names that are `known` columns of the table are taken, whatever tool gave them.
    """
    stored = stored_schema(name, schema)
    for field in stored:
        if field.name not in known and _is_reserved(field.name):
            raise SchemaMismatchError(
                f'A table cannot have a column named "{field.name}" (no dots, no backquotes, none of Lance\'s own '
                f"{', '.join(RESERVED)}, nothing that begins with {OWN}); rename it with AS."
            )
        if has_blobs(field) and not is_blob(field):
            raise SchemaMismatchError(
                f'Column "{field.name}" is to be stored as Lance blobs, and has the type {field.type}; only a BLOB can.'
            )
        if not _storable(field.type):
            raise SchemaMismatchError(
                f'Column "{field.name}" has the type {field.type}, which cannot be stored; cast it to another.'
            )
    return written_fields(stored)


def _is_reserved(column: str) -> bool:
    """Whether no new column may have that name, in any case: to the kernel the cases of letters are all one."""
    return column.lower() in RESERVED or column.lower().startswith(OWN) or "." in column or "`" in column


class LanceWrites:
    """Writes datasets and marks them as dropped. Thread-safe, also against other processes that use this class.

    Data is written without a lock; what makes it visible holds one on the schema's folder, for as long as a rename or
    a Lance commit takes. A dropped table's files are kept for `keep_dropped` seconds.
    """

    def __init__(self, keep_dropped: float) -> None:
        self._keep_dropped = keep_dropped

    def create(
        self,
        name: TableName,
        path: Path,
        data: pa.RecordBatchReader,
        is_valid: bool,
        is_taken: Callable[[], bool],
        instead: Callable[[pa.RecordBatchReader], int],
        writers: FragmentWriters | None = None,
    ) -> int:
        """Make the table `path`. Where `is_taken` says that somebody was faster, `instead` gets the data.

        Raises SchemaMismatchError for columns that cannot be stored.
        """
        schema = lance_schema(name, data.schema)
        incoming = Incoming(name, data, schema, is_valid)
        with staging_folder(name, path) as staged:
            _write_new(incoming, writers, path, staged)
            with storage_errors(name), exclusive_lock(path.parent):
                settle(path.parent)
                require_schema(name, path)
                free = not is_taken()
                if free:
                    publish(name, staged, path)
            return incoming.rows if free else instead(_rows(lance.dataset(str(staged))))

    def append(
        self,
        name: TableName,
        path: Path,
        data: pa.RecordBatchReader,
        is_valid: bool,
        dataset: Any,
        identity: str,
        made_version: Callable[[Any], None],
        writers: FragmentWriters | None = None,
    ) -> int:
        """Add rows to the version that `dataset` is, by its `identity`, in a new one, which `made_version` is given.

        Several may do so at once; a table that was replaced meanwhile is a ConflictError. Raises SchemaMismatchError
        where the data does not fit the table.
        """
        schema = written_fields(dataset.schema.remove_metadata())
        require_nulls(name, dataset)
        require_changeable(name, schema)
        check_fits(name, data.schema, schema)
        incoming = Incoming(name, data, schema, is_valid)
        with as_writer(name, path):
            made = _elsewhere(incoming, writers, path, path, dataset)
            if made is None:
                change = run_write(name, incoming, lambda: _write_files(incoming, dataset, "append", None))
            else:
                change = lance.Transaction(dataset.version, lance.LanceOperation.Append(made))
            if incoming.rows:
                with commit_lock(path), visible_or_removed(path, added_files(change.operation)):
                    require_not_dropped(name, path)
                    newest = newest_of(name, path, dataset, identity)
                    if newest is not dataset and not may_append(dataset.lance_schema, newest.lance_schema):
                        raise ConflictError(f'The columns of table "{name}" were changed meanwhile; try again.')
                    made_version(run_write(name, incoming, lambda: lance.LanceDataset.commit(newest, change)))
        return incoming.rows

    def replace(
        self,
        name: TableName,
        path: Path,
        data: pa.RecordBatchReader,
        is_valid: bool,
        expected: TableHandle | None = None,
        writers: FragmentWriters | None = None,
    ) -> int:
        """Give the table other rows, and maybe other columns, in a new version.

        Where it is to be at the `expected` version it stays the same table, with what is noted in its schema. Raises
        ConflictError where it is not at that version any more.
        """
        dataset = open_newest(name, path)
        before = dataset.schema
        if expected is None and is_older(dataset):
            return self._replace_older(name, path, data, is_valid, dataset, writers)
        if expected is not None:
            require_changeable(name, before)
        schema = lance_schema(name, data.schema, () if expected is None else before.names)
        noted = before.metadata or {}
        kept = {key: value for key, value in noted.items() if expected is not None or key == FIRST_VERSION}
        schema = schema.with_metadata(kept or None)
        incoming = Incoming(name, data, schema, is_valid)
        indexes = [] if expected is None else rebuilds(name, dataset, schema)
        with as_writer(name, path):
            made = _elsewhere(incoming, writers, path, path, dataset, anew=True)
            if made is None:
                form = new_format(dataset)
                operation = run_write(
                    name, incoming, lambda: _write_files(incoming, str(path), "overwrite", form)
                ).operation
            else:
                with staging_folder(name, path) as empty:
                    written = run_write(name, None, lambda: schema_as_written(schema, empty, dataset))
                operation = lance.LanceOperation.Overwrite(written, made)
            with visible_or_removed(path, added_files(operation)):
                self._commit_whole(name, path, dataset, operation, expected, indexes)
        return incoming.rows

    @staticmethod
    def _replace_older(
        name: TableName,
        path: Path,
        data: pa.RecordBatchReader,
        is_valid: bool,
        dataset: Any,
        writers: FragmentWriters | None,
    ) -> int:
        """Put other rows in the place of a dataset in an older format, into the present one.

        Lance takes that up only where it writes the files itself. So the rows are copied once they are there, which
        only the disk can end. Who drops the table meanwhile drops it after this.
        """
        incoming = Incoming(name, data, lance_schema(name, data.schema), is_valid)
        first = (dataset.schema.metadata or {}).get(FIRST_VERSION)
        with staging_folder(name, path) as staged, as_writer(name, path):
            _write_new(incoming, writers, path, staged)
            rows = _rows(lance.dataset(str(staged)), None if first is None else {FIRST_VERSION: first})
            options = {"mode": "overwrite", "data_storage_version": PRESENT}
            run_write(name, None, lambda: lance.write_dataset(rows, str(path), **options))
        return incoming.rows

    @staticmethod
    def _commit_whole(
        name: TableName,
        path: Path,
        dataset: Any,
        operation: Any,
        expected: TableHandle | None,
        indexes: Sequence[Rebuild],
    ) -> None:
        with with_indexes(name, path, dataset, operation, indexes) as change, commit_lock(path):
            require_not_dropped(name, path)
            if expected is None:
                run_write(name, None, lambda: commit_over_newest(path, operation))
            else:
                _still_newest(name, path, dataset, expected)
                commit_next(name, path, change)

    def rename(self, name: TableName, path: Path, to: Path, is_taken: Callable[[], bool]) -> None:
        """Put the newest version of the table under the path `to`, and drop the old one.

        No row is copied, both have the same files, of which running queries keep theirs. But where the dataset of a
        dropped table goes on under the name, indexes are built anew, and so are the rows if they were changed in place.
        Raises TableExistsError where the other name is taken.
        """
        with staging_folder(name, to) as staged, commit_lock(path), storage_errors(name):
            settle(path.parent)
            require_not_dropped(name, path)
            if is_taken():
                raise TableExistsError(f'"{to.stem}" is there already; drop it or take another name.')
            dataset = open_newest(name, path)
            goes_on = dropped_to_go_on(to, dataset) is not None
            indexes = rebuilds(name, dataset, dataset.schema) if goes_on else ()
            if not goes_on or is_as_written(dataset):
                link_files(path, staged)
            else:
                require_changeable(name, dataset.schema)
                staged.rmdir()
                form = dataset.data_storage_version
                lance.write_dataset(_rows(dataset), str(staged), mode="create", data_storage_version=form)
            with mark_rename(path, staged, to):
                publish(name, staged, to, indexes)

    def change(
        self,
        name: TableName,
        path: Path,
        dataset: Any,
        identity: str,
        changed: pa.RecordBatchReader,
        added: pa.RecordBatchReader | None,
        is_valid: bool,
        made_version: Callable[[Any], None],
    ) -> None:
        """Change rows of the version that `dataset` is, by its `identity`, and add others; see `Storage.change`.

        `made_version` is given the new version.
        """
        schema = written_fields(dataset.schema.remove_metadata())
        named = [schema.field(column) for column in changed.schema.names if column in schema.names]
        marks = [pa.field(ROW_ADDRESS, pa.uint64(), False), pa.field(ROW_STAYS, pa.bool_(), False)]
        require_changeable(name, named)
        check_fits(name, changed.schema, pa.schema([*marks, *named]))
        incoming = Incoming(name, changed, pa.schema([*marks, *named]), is_valid)
        new = None
        if added is not None:
            require_changeable(name, schema)
            check_fits(name, added.schema, schema)
            new = Incoming(name, added, schema, is_valid)
        change = RowChange(name, path, dataset, incoming, new)
        with as_writer(name, path), visible_or_removed(path, change.files):
            operation = run_write(name, change, lambda: change.operation())
            if operation is not None:
                with commit_lock(path):
                    require_not_dropped(name, path)
                    newest = newest_of(name, path, dataset, identity)
                    change.require_current(newest)
                    commit = lance.LanceDataset.commit
                    made_version(
                        run_write(name, change, lambda: commit(newest, operation, read_version=dataset.version))
                    )

    def alter(self, name: TableName, path: Path, table: TableHandle, change: FieldChange) -> bool:
        """Change one column of a version; see `Storage.alter`."""
        if isinstance(change, AddField):
            return self._add_field(name, path, table, change)
        if isinstance(change, ReplaceField):
            return self._replace_field(name, path, table, change)
        with as_writer(name, path), commit_lock(path):
            dataset = _open_version(name, path, table)
            _still_newest(name, path, dataset, table)
            if isinstance(change, NoteField) and is_blob(dataset.schema.field(change.name)):
                return False  # what marks it as blobs is noted there, too
            if isinstance(change, RenameField):
                lance_schema(name, pa.schema([dataset.schema.field(change.name).with_name(change.to)]))
            return run_write(name, None, lambda: alter_field(name, dataset, change))

    def _add_field(self, name: TableName, path: Path, table: TableHandle, change: AddField) -> bool:
        (field,) = lance_schema(name, pa.schema([change.field]))
        if is_blob(field):
            return False
        dataset = _open_version(name, path, table)
        require_nulls(name, dataset)
        values = change.values if dataset.count_rows() else None
        if values is not None:
            column = NewColumn(dataset, field, Incoming(name, values, pa.schema([field]), change.is_valid))
            self._commit_column(name, path, table, column)
            return True
        if field.nullable:
            with as_writer(name, path), commit_lock(path):
                _still_newest(name, path, dataset, table)
                run_write(name, None, lambda: dataset.add_columns(field))
        return bool(field.nullable)

    def _replace_field(self, name: TableName, path: Path, table: TableHandle, change: ReplaceField) -> bool:
        dataset = _open_version(name, path, table)
        require_changeable(name, [dataset.schema.field(change.field.name)])
        (field,) = lance_schema(name, pa.schema([change.field]), (change.field.name,))
        if not dataset.count_rows():
            return False
        kept = rebuilds(name, dataset, [field])
        schema = pa.schema([pa.field(ROW_ADDRESS, pa.uint64(), False), field])
        column = ColumnCast(dataset, field, Incoming(name, change.values, schema, change.is_valid))
        self._commit_column(name, path, table, column, kept)
        return True

    @staticmethod
    def _commit_column(
        name: TableName, path: Path, table: TableHandle, column: ColumnFiles, kept: Sequence[Rebuild] = ()
    ) -> None:
        with as_writer(name, path), visible_or_removed(path, column.files):
            operation = run_write(name, column.rows, column.operation)
            with with_indexes(name, path, column.dataset, operation, kept) as change, commit_lock(path):
                _still_newest(name, path, column.dataset, table)
                commit_next(name, path, change)

    def drop(self, name: TableName, path: Path) -> bool:
        """Mark the table as dropped; False where somebody was faster. Its files go later, with a `sweep`."""
        with storage_errors(name), exclusive_lock(path.parent):
            settle(path.parent)
            try:
                (path / DROPPED).touch(exist_ok=False)
            except (FileExistsError, FileNotFoundError):
                return False
        return True

    def sweep(self, folder: Path) -> None:
        """Remove from a schema's folder what dead writers left, and tables dropped longer ago than they are kept."""
        with exclusive_lock(folder):
            settle(folder)
        for item in sorted(folder.iterdir()):
            if item.name.startswith(".") and item.name.endswith(HIDDEN):
                with ExitStack() as stack:
                    with exclusive_lock(folder):
                        free = stack.enter_context(take_if_free(item))
                    if free:
                        shutil.rmtree(item, ignore_errors=True)
            elif item.name.lower().endswith(".lance") and item.is_dir() and not item.is_symlink():
                self._sweep_table(item)

    def _sweep_table(self, path: Path) -> None:
        mark = path / WRITERS
        if mark.exists():
            with take_if_free(mark) as free:
                if free and remove_unnamed(path) is not None:
                    mark.unlink(missing_ok=True)
        elif dropped_for(path) > self._keep_dropped:
            with exclusive_lock(path.parent):
                if not mark.exists() and (path / DROPPED).exists():
                    bury(path)


def _write_new(incoming: Incoming, writers: FragmentWriters | None, path: Path, staged: Path) -> None:
    """Make a hidden folder beside the path of a table a dataset of these rows."""
    name = incoming.table
    made = _elsewhere(incoming, writers, path, staged, None)
    if made is None:
        run_write(name, incoming, lambda: lance.write_dataset(incoming.reader(), str(staged), mode="create"))
        return
    written = run_write(name, None, lambda: schema_as_written(incoming.schema, staged, None))
    run_write(name, None, lambda: lance.LanceDataset.commit(str(staged), lance.LanceOperation.Overwrite(written, made)))


def _rows(dataset: Any, noted: dict[bytes, bytes] | None = None) -> pa.RecordBatchReader:
    """All rows of a dataset, in the form in which they are written; `noted` is in the schema."""
    schema = written_fields(dataset.schema.with_metadata(noted))
    found = lance_apart.scan(dataset, schema.names, batch_size_bytes=_BATCH_BYTES, **scan_options(schema))
    return pa.RecordBatchReader.from_batches(
        schema, (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in found)
    )


def _open_version(name: TableName, path: Path, table: TableHandle) -> Any:
    return run_write(name, None, lambda: lance.dataset(str(path), version=int(table.version)))


def _still_newest(name: TableName, path: Path, dataset: Any, expected: TableHandle) -> None:
    """Raise ConflictError where a dataset is not the `expected` version, or not the newest; for who holds the lock."""
    require_not_dropped(name, path)
    is_expected = expected.version == str(dataset.version)
    if not is_expected or newest_of(name, path, dataset, expected.location[1]) is not dataset:
        raise ConflictError(f'Table "{name}" was changed by somebody else meanwhile; try again.')


def _elsewhere(
    incoming: Incoming, writers: FragmentWriters | None, path: Path, target: Path, dataset: Any, *, anew: bool = False
) -> list[Any] | None:
    """What `written_elsewhere` gives for the dataset in the folder `target`; None where the rows have to come here."""
    if writers is None:
        return None
    with (
        suppress(FolderOutOfReachError),
        staging_folder(incoming.table, path) as folder,
        storage_errors(incoming.table),
    ):
        return written_elsewhere(incoming, writers, folder, target, dataset, anew=anew)
    return None


def _write_files(incoming: Incoming, dataset: Any, mode: str, form: str | None) -> Any:
    """Data files that no version of a dataset, or of that at a path, names yet, as a Lance transaction."""
    options = {"mode": mode, "data_storage_version": form, "return_transaction": True}
    written = write_fragments(incoming.reader(), dataset, **options)
    incoming.keys.require_readable(Path(getattr(dataset, "uri", dataset)), written.operation.fragments)
    return written


def _storable(kind: pa.DataType) -> bool:
    """Whether Lance holds the type."""
    if isinstance(kind, pa.BaseExtensionType):
        return _storable(kind.storage_type)
    if pt.is_interval(kind):
        return False
    if pt.is_fixed_size_list(kind):
        return bool(pt.is_floating(kind.value_type) or pt.is_integer(kind.value_type))
    if pt.is_struct(kind):
        return all(_storable(field.type) for field in kind)
    if pt.is_map(kind):
        return _storable(kind.key_type) and _storable(kind.item_type)
    if pt.is_list(kind) or pt.is_large_list(kind):
        return _storable(kind.value_type)
    return True
