"""Files of a Lance dataset that are those of another one, too, so that no row is copied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from engine.storage.drop_marks import DROPPED, RENAMED
from engine.storage.lance_commits import WRITERS
from engine.storage.reservations import RESERVED

__all__ = ["is_as_written", "link_files"]


def is_as_written(dataset: Any) -> bool:
    """Whether another dataset can take the files as they are: it numbers columns anew, and knows no deleted rows."""
    pending, found = list(dataset.lance_schema.fields()), []
    while pending:
        field = pending.pop()
        found.append(field.id())
        pending.extend(field.children())
    ids = list(range(len(found)))
    fragments = [fragment.metadata for fragment in dataset.get_fragments()]
    return sorted(found) == ids and all(
        each.deletion_file is None and len(each.files) == 1 and sorted(each.files[0].fields) == ids
        for each in fragments
    )


def link_files(path: Path, staged: Path) -> None:
    """Make the files of a dataset those of another one, too."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # a file system that has no links
            shutil.copy2(source, target)

    marks = shutil.ignore_patterns(WRITERS, f"{DROPPED}*", RENAMED, RESERVED)
    shutil.copytree(path, staged, copy_function=link, dirs_exist_ok=True, ignore=marks)
