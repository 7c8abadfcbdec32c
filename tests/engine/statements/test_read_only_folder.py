"""A folder that the server may only read: queries go on, and what writes says why it does not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import grism
from engine.errors import StorageError


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE SCHEMA u", 'Schema "u" was left as it was: Read-only file system; ask'),
        ("DROP SCHEMA s", 'Schema "s" was left as it was: Read-only file system; ask'),
        ("CREATE TEMP TABLE u AS SELECT 1 AS x", "no place for temporary tables: Read-only file system; ask"),
        ("CREATE TABLE u AS SELECT 1 AS x", 'Table "main.u" was left as it was: the server may only read its folder'),
        ("ALTER TABLE t RENAME TO u", 'Table "main.t" was left as it was: the server may only read its folder'),
        ("ALTER VIEW v RENAME TO u", "The view cannot be stored or removed: Read-only file system; ask"),
    ],
)
def test_what_writes_says_why_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, message: str
) -> None:
    with grism.connect(tmp_path) as db:
        for made in ("TABLE t AS SELECT 1 AS x", "SCHEMA s", "VIEW v AS SELECT 1 AS x"):
            db.sql(f"CREATE {made}")
        monkeypatch.setattr(os, "mkdir", refuse)
        monkeypatch.setattr(os, "rename", refuse)
        monkeypatch.setattr(Path, "touch", refuse)
        with pytest.raises(StorageError, match=message):
            db.sql(statement)
        monkeypatch.undo()
        assert db.sql("SELECT x FROM t UNION ALL SELECT x FROM v").to_arrow()["x"].to_pylist() == [1, 1]
        db.sql(statement)
