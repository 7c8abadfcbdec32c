"""What a full disk is told by, in the forms in which the operating system, Lance and the kernel tell it."""

from __future__ import annotations

import errno
import os

import pytest

from engine.errors import DataCorruptError, StorageError, StorageFullError
from engine.full_disk import full_error
from engine.kernel_errors import execution_error
from engine.storage.lance_commits import failure
from engine.storage.protocol import TableName

PLACE = ", /build/rust/lance-file/src/writer/structural.rs:254:9"


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "disk quota is used up"), (errno.EFBIG, "would be larger")],
)
def test_each_form_of_a_full_disk(number: int, told: str) -> None:
    text = os.strerror(number)
    forms: list[BaseException | str] = [
        OSError(number, "Error writing bytes to file. Detail: ..."),
        OSError(f"LanceError(IO): {text} (os error {number}){PLACE}"),
        OSError(f"LanceError(IO): Unable to copy data to file: {text} (os error {number}){PLACE}{PLACE}"),
        OSError(f"LanceError(Arrow): Io error: {text} (os error {number}){PLACE}"),
        OSError(f"LanceError(External): Execution error: IO error: {text} (os error {number})"),
        f'Could not write file "/spill/duckdb_temp_0.tmp": {text}',
    ]
    for form in forms:
        found = full_error("It failed", form)
        assert isinstance(found, StorageFullError)
        assert told in str(found)
    kernel = OSError(f'IO Error: Failed to create directory "/spill": {text}')
    assert isinstance(execution_error(kernel), StorageFullError)


@pytest.mark.parametrize(
    "words", ["No space left on device", "Disk quota exceeded", "File too large", "x (os error 28)", "y (os error 122)"]
)
def test_a_name_that_is_called_so_is_no_full_disk(words: str) -> None:
    name = TableName("main", words)
    for text in (
        f"LanceError(IO): Not found: /data/{words}.lance/_versions{PLACE}",
        f"LanceError(IO): /data/{words}.lance: Permission denied (os error 13){PLACE}",
        f"LanceError(Schema): Column {words} does not exist{PLACE}",
        f"LanceError(Arrow): Schema error: Column {words}{PLACE}",
        f"Column {words}",
    ):
        assert not isinstance(failure(name, OSError(text)), StorageFullError)
    assert full_error("It failed", OSError(errno.EACCES, "Permission denied", f"/data/{words}")) is None
    denied = execution_error(OSError(f'IO Error: Could not write file "/spill/{words}": Permission denied'))
    assert type(denied) is StorageError
    missing = execution_error(OSError(f'IO Error: Cannot open file "/data/{words}.parquet": No such file or directory'))
    assert type(missing) is DataCorruptError
