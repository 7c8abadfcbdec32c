"""Versions of a Lance dataset outside of its history, which nobody sees until a commit restores one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lance

from engine.storage.lance_commits import DETACHED, detached_manifest, run_write, storage_errors
from engine.storage.lance_manifests import manifest_names
from engine.storage.lance_segments import INDICES
from engine.storage.protocol import TableName

__all__ = ["able_to_detach", "detached_version"]

_VERSIONS = "_versions"
_SEEN = ("data", "_deletions", "_transactions", INDICES)


@contextmanager
def able_to_detach(name: TableName, path: Path, dataset: Any) -> Iterator[Any]:
    """The version that `dataset` is, so that Lance makes versions outside of the history of it.

    It makes none where manifests have the names that older releases give them. There a folder that sees the dataset's
    files stands for it, and has the manifest under a later name.
    """
    later, older = manifest_names(dataset.version)
    if (path / _VERSIONS / later).exists():
        yield dataset
        return
    with TemporaryDirectory() as place, storage_errors(name):
        folder = Path(place)
        (folder / _VERSIONS).mkdir()
        shutil.copyfile(path / _VERSIONS / older, folder / _VERSIONS / later)
        for seen in _SEEN:
            (path / seen).mkdir(exist_ok=True)
            (folder / seen).symlink_to((path / seen).absolute(), target_is_directory=True)
        yield run_write(name, None, lambda: lance.dataset(place, version=dataset.version))


@contextmanager
def detached_version(name: TableName, path: Path, dataset: Any, operation: Any) -> Iterator[Any]:
    """What an operation makes of a version, outside of the history, for as long as the block runs."""
    transaction = lance.Transaction(dataset.version, operation, transaction_properties={DETACHED: str(dataset.version)})
    commit = lance.LanceDataset.commit
    made = run_write(name, None, lambda: commit(dataset, transaction, detached=True))
    manifest = detached_manifest(path, made.version)
    try:
        if not manifest.exists():  # but in a folder that stands for the dataset
            shutil.copyfile(detached_manifest(Path(made.uri), made.version), manifest)
        yield made
    finally:
        manifest.unlink(missing_ok=True)
        (path / "_transactions" / f"{dataset.version}-{transaction.uuid}.txn").unlink(missing_ok=True)
