"""What the kernel says of files that are damaged, however it says it, is told as such and without their paths."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from engine.errors import (
    CancelledError,
    DataCorruptError,
    GrismError,
    InvalidValueError,
    MemoryExceededError,
    StorageError,
    UnsupportedError,
)
from engine.kernel_errors import execution_error, planning_error


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "Invalid Input",
            'Invalid string encoding found in Parquet file "/data/t.parquet": value "5"',
        ),
        ("Invalid Input", "Parquet file has invalid block sizes for DELTA_BINARY_PACKED"),
        ("Invalid Input", "Parquet metadata is corrupt. Column has 496 values but row group has 500 rows"),
        ("Invalid Input", "Incorrect stats size for type BIGINT"),
        ("", "TProtocolException: Invalid data"),
        ("", "don't know what type: "),
        ("IO", 'Failed to read file "/data/t.parquet"'),
    ],
)
def test_damaged_files(kind: str, message: str) -> None:
    text = f"{kind} Error: " + json.dumps({"exception_type": kind, "exception_message": message}) if kind else message
    for told in (execution_error(duckdb.Error(text)), planning_error(duckdb.Error(text))):
        assert type(told) is DataCorruptError
        assert "/data" not in str(told)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Not found: /data/t/1.lance", StorageError),
        ("magic", DataCorruptError),
        ("Invalid user input: cannot read columns of differing lengths together (i=3, x=6)", UnsupportedError),
        ('task 1 panicked with message "not yet implemented: FSL"', UnsupportedError),
    ],
)
def test_a_stream_of_a_lance_table_that_is_damaged_or_of_which_a_version_was_removed(
    reason: str, kind: type[GrismError]
) -> None:
    message = f"reading the stream registered as '__s0' failed: {reason}, /lance-io/src/local.rs:2"
    for text in (message, f"Invalid Input Error: {message}"):
        told = execution_error(duckdb.Error(text))
        assert type(told) is kind
        assert "/data" not in str(told)


def test_a_message_that_ends_within_a_character_is_read_as_far_as_it_goes() -> None:
    with pytest.raises(UnicodeDecodeError) as cut:
        b'Invalid Input Error: {"exception_type":"Invalid Input","exception_message":"no digit: \xc3"}'.decode()
    told = execution_error(cut.value)
    assert type(told) is InvalidValueError
    assert str(told) == "no digit: \ufffd"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "Could not convert string 'a' to INT32 when casting from source column _col_0",
            "Could not convert string 'a' to INT32",
        ),
        (
            "Deprecated lambda arrow (->) detected.\nUse SET lambda_syntax='ENABLE_SINGLE_ARROW' to go on.\nSee there.",
            "Deprecated lambda arrow (->) detected.\nSee there.",
        ),
        ("Overflow. You can use SET ieee=true to go on.", "Overflow."),
        ('More than one row.\n \nUse "SET scalar_subquery_error=false" for a random row.', "More than one row."),
    ],
)
def test_names_of_ours_and_settings_are_not_told(message: str, told: str) -> None:
    assert str(execution_error(duckdb.Error(f"Conversion Error: {message}"))) == told


@pytest.mark.parametrize("read", [execution_error, planning_error])
def test_an_interrupt_is_a_cancellation_whatever_it_stops(read: Callable[[BaseException], GrismError]) -> None:
    assert type(read(duckdb.InterruptException("INTERRUPT Error: Interrupted!"))) is CancelledError


def test_the_disk_of_spill_files_that_is_full_is_told(tmp_path: Path) -> None:
    """The kernel tells of it as of memory: of the disk it uses what was free at first, as by this limit."""
    limits = {"memory_limit": "20MB", "threads": "1", "temp_directory": str(tmp_path)}
    with (
        duckdb.connect(":memory:", config={**limits, "max_temp_directory_size": "1MB"}) as kernel,
        pytest.raises(duckdb.OutOfMemoryException) as caught,
    ):
        kernel.execute("SELECT md5(i::VARCHAR) AS s FROM range(2000000) r(i) ORDER BY s").fetchone()
    told = execution_error(caught.value)
    assert type(told) is MemoryExceededError
    assert re.search(r"the disk on which they lie had [0-9.]+ KiB to spare .*--spill-dir", str(told))
