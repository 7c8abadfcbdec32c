"""How rows are printed: what each format is, and values in the words of the dialect."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flight_server.cli.failures import CommandError
from flight_server.cli.main import main
from flight_server.cli.output import write
from tests.harness.terminal import Terminal

TEXTS = ["table", "csv", "json"]


def printed(table: pa.Table, format: str) -> str:
    out = io.BytesIO()
    write(table.to_reader(), format, out)
    return out.getvalue().decode()


VALUES = pa.table(
    {
        "d": pa.array([None, "12345678901234567890.10"]).cast(pa.decimal128(38, 2)),
        "t": pa.array([0, 1], pa.timestamp("us")),
        "n": pa.array([0, 1], pa.timestamp("ns")),
        "f": pa.array([float("nan"), 0.5]),
        "b": pa.array([b"\x00\xff", None]),
        "l": pa.array([[1, None], None]),
        "s": pa.array(['line\nbreak, "quoted"', "ü"]),
    }
)


def test_values_in_json_keep_every_digit() -> None:
    first, second = json.loads(printed(VALUES, "json"))
    assert first == {
        "d": None,
        "t": "1970-01-01 00:00:00",
        "n": "1970-01-01 00:00:00",
        "f": "nan",
        "b": "00ff",
        "l": [1, None],
        "s": 'line\nbreak, "quoted"',
    }
    assert second["d"] == "12345678901234567890.10"
    assert second["s"] == "ü"


def test_values_in_csv() -> None:
    names, first, second = csv.reader(io.StringIO(printed(VALUES, "csv")))
    assert names == VALUES.column_names
    assert (first[0], first[4], first[5], first[6]) == ("", "00ff", "[1, null]", 'line\nbreak, "quoted"')
    assert (second[0], second[6]) == ("12345678901234567890.10", "ü")


def test_a_table_of_no_rows_and_of_many() -> None:
    assert printed(pa.table({"x": pa.array([], pa.int64())}), "table").splitlines() == ["x", "-", "(0 rows)"]
    lines = printed(pa.table({"x": range(1500)}), "table").splitlines()
    assert len(lines) == 2 + 1000 + 2
    assert lines[-2:] == ["... 500 more rows; --format csv, json or arrow prints all of them", "(1500 rows)"]


def test_a_long_text_is_cut_but_where_it_stands_alone() -> None:
    alone = pa.table({"plan": ["x" * 100]})
    assert "x" * 100 in printed(alone, "table").splitlines()
    assert printed(alone.append_column("n", [[1]]), "table").splitlines()[2] == "x" * 59 + "…  1"


def test_empty_results_are_valid_in_every_format() -> None:
    empty = pa.table({"x": pa.array([], pa.int64())})
    assert json.loads(printed(empty, "json")) == []
    assert printed(empty, "csv") == '"x"\n'


def test_columns_of_one_name_are_all_printed() -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])
    assert json.loads(printed(table, "json")) == [{"x": 1, "x_1": 2}]
    assert printed(table, "table").splitlines()[0] == "x  x"


# Values that Python or Arrow has no text for, or another one than the dialect.
UNUSUAL = [
    "'infinity'::DATE",
    "'-infinity'::DATE",
    "DATE '20000-01-01'",
    "DATE '0044-03-15 (BC)'",
    "DATE '0001-12-31 (BC)'",
    "DATE '5877642-06-25 (BC)'",
    "DATE '5881580-07-10'",
    "'infinity'::TIMESTAMP",
    "'-infinity'::TIMESTAMP",
    "TIMESTAMP '20000-01-01 00:00:00'",
    "TIMESTAMP '20000-01-01 12:30:00.5'",
    "TIMESTAMP '0044-03-15 (BC) 12:30:00'",
    "'infinity'::TIMESTAMPTZ",
    "'-infinity'::TIMESTAMPTZ",
    "TIMESTAMPTZ '20000-01-01 00:00:00+00'",
    "TIMESTAMPTZ '0044-03-15 (BC) 00:00:00+00'",
    "'infinity'::TIMESTAMP_S",
    "'infinity'::TIMESTAMP_MS",
    "'-infinity'::TIMESTAMP_NS",
    "'20000-01-01'::TIMESTAMP_S",
    "'20000-01-01'::TIMESTAMP_MS",
    "'10:00:00.500000001'::TIME_NS",
    "INTERVAL '1 year 2 days 3 seconds'",
    "INTERVAL '-14 months'",
    "INTERVAL '2 years 1 month -1 day 1.5 seconds'",
    "INTERVAL '-100 hours -0.25 seconds'",
    "INTERVAL '0 days'",
    "99999999999999999999999999999999999999999::BIGNUM",
    "(-256)::BIGNUM",
    "0::BIGNUM",
]
USUAL = [
    "DATE '2000-02-29'",
    "DATE '0001-01-01'",
    "DATE '9999-12-31'",
    "TIMESTAMP '1969-12-31 23:59:59.999999'",
    "TIMESTAMPTZ '2000-01-01 00:00:00.12+02'",
    "'2000-01-01 00:00:00.1234'::TIMESTAMP_NS",
    "'2000-01-01 00:00:00.5'::TIMESTAMP_MS",
    "'2000-01-01'::TIMESTAMP_S",
    "TIME '10:00:00.5'",
]


def first_row(text: str, format: str) -> list[object]:
    match format:
        case "json":
            return list(json.loads(text)[0].values())
        case "csv":
            return [*list(csv.reader(io.StringIO(text)))[1]]
    return [*re.split(" {2,}", text.splitlines()[2].strip())]


@pytest.mark.parametrize("format", TEXTS)
def test_values_are_what_the_dialect_writes(format: str, tpch_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = UNUSUAL if format == "csv" else UNUSUAL + USUAL
    values = ", ".join(f"{value} AS v{i}" for i, value in enumerate(asked))
    texts = ", ".join(f"CAST({value} AS VARCHAR) AS t{i}" for i, value in enumerate(asked))
    assert main(["query", f"SELECT {values}, {texts}", "--data", str(tpch_dir), "--format", format]) == 0
    row = first_row(capfd.readouterr().out, format)
    said, expected = row[: len(asked)], row[len(asked) :]
    assert dict(zip(asked, said, strict=True)) == dict(zip(asked, expected, strict=True))


@pytest.mark.parametrize("format", TEXTS)
def test_values_inside_of_others_are_what_the_dialect_writes(
    format: str, tpch_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    query = """SELECT ['infinity'::DATE, NULL] AS a, {'x': TIME_NS '23:00:00.000000001', 'y': 7::BIGNUM} AS b,
        MAP {DATE '20000-01-01': INTERVAL 1 DAY} AS c, union_value(k := '-infinity'::TIMESTAMP) AS d"""
    assert main(["query", query, "--data", str(tpch_dir), "--format", format]) == 0
    *nested, single = first_row(capfd.readouterr().out, format)
    assert [value if format == "json" else json.loads(str(value)) for value in nested] == [
        ["infinity", None],
        {"x": "23:00:00.000000001", "y": "7"},
        [["20000-01-01", "1 day"]],
    ]
    assert single == "-infinity"


def test_dates_in_csv_that_arrow_writes_are_left_to_it() -> None:
    times = pa.array([0, 2**63 - 1, None], pa.timestamp("us"))
    zoned = pa.array([0, 2**63 - 1, None], pa.timestamp("us", "+05:30"))
    table = pa.table({"t": times, "z": zoned, "d": pa.array([0, 2**31 - 1, None], pa.int32()).cast(pa.date32())})
    rows = list(csv.reader(io.StringIO(printed(table.slice(0, 2), "csv") + printed(table.slice(2), "csv"))))
    assert rows[1] == ["1970-01-01 00:00:00.000000", "1970-01-01 05:30:00.000000+0530", "1970-01-01"]
    assert rows[2] == ["infinity", "infinity", "infinity"]
    assert rows[4] == ["", "", ""]


@pytest.mark.parametrize(
    ("zone", "seconds", "text"),
    [
        ("UTC", 0, "1970-01-01 00:00:00+00"),
        ("+05:30", 0, "1970-01-01 05:30:00+05:30"),
        ("America/New_York", 0, "1969-12-31 19:00:00-05"),
        ("Europe/Berlin", 1_720_000_000, "2024-07-03 11:46:40+02"),
        ("Europe/Berlin", -2_500_000_000, "1890-10-11 20:26:48+00:53:28"),
        ("Europe/Berlin", 400_000_000_000, "14645-06-30 15:06:40+00"),
        ("Nowhere/City", 0, "1970-01-01 00:00:00+00"),
    ],
)
def test_timestamps_in_a_zone(zone: str, seconds: int, text: str) -> None:
    table = pa.table({"t": pa.array([seconds], pa.timestamp("s", zone))})
    assert json.loads(printed(table, "json")) == [{"t": text}]


UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def extended(kind: pa.BaseExtensionType, *stored: object) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array(stored, kind.storage_type))


@pytest.mark.parametrize("format", TEXTS)
@pytest.mark.parametrize(
    ("column", "text"),
    [
        (extended(pa.uuid(), UUID.bytes), str(UUID)),
        (extended(pa.json_(), '{"a": 1}'), '{"a": 1}'),
        (extended(pa.opaque(pa.binary(), "bit", "DuckDB"), b"\x03\xea\x0f"), "0101000001111"),
        (extended(pa.opaque(pa.binary(), "bignum", "DuckDB"), b"\x7f\xff\xfe\xfe"), "-1"),
        (extended(pa.opaque(pa.binary(), "bit", "another"), b"\x03\xea"), "03ea"),
        (pa.array([b"\x03\xea"], pa.large_binary()), "03ea"),
        (pa.array([b"\x03\xea"], pa.binary(2)), "03ea"),
        (pa.array([b"\x03\xea"], pa.binary_view()), "03ea"),
        (pa.array(["a"], pa.string_view()), "a"),
        (pa.array(["a"]).dictionary_encode(), "a"),
        (pa.array([b"\x03\xea"]).dictionary_encode(), "03ea"),
        (pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a"])), "a"),
        (pa.array([90_500_000_000], pa.duration("ns")), "00:01:30.5"),
        (pa.array([86_400_000], pa.date64()), "1970-01-02"),
        (pa.array([61], pa.time32("s")), "00:01:01"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_types_of_other_servers(column: pa.Array, text: str, format: str) -> None:
    assert first_row(printed(pa.table({"x": column}), format), format) == [text]


def test_a_whole_number_may_have_any_number_of_digits() -> None:
    digits = (10**6000).to_bytes(2500)
    column = extended(pa.opaque(pa.binary(), "bignum", "DuckDB"), b"\x80\x09\xc4" + digits)
    assert json.loads(printed(pa.table({"x": column}), "json")) == [{"x": "1" + "0" * 6000}]


def test_fields_of_one_name_are_all_printed() -> None:
    column = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    assert json.loads(printed(pa.table({"x": column}), "json")) == [{"x": {"a": 1, "a_1": 2}}]


def test_tables_are_aligned_by_what_a_terminal_shows() -> None:
    """Of some characters two columns, and none of those that belong to the one before."""
    table = pa.table({"表": ["ab", "日本", "e\u0301", "ह\u0941"], "n": [1, 2, 3, 4]})
    lines = ["表    n", "----  -", "ab    1", "日本  2", "e\u0301     3", "ह\u0941     4"]
    assert printed(table, "table").splitlines()[:-1] == lines


OBEYED = "\x1b[2J\x9b\u202e\u2066\u200f\u061c"
"""To move the cursor, and to turn the order."""


class Shown(io.BytesIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_what_a_terminal_obeys_is_not_shown_to_it() -> None:
    nasty = pa.array([f"a\n{OBEYED}", None])
    table = pa.table({f"n{OBEYED}": nasty, "d": nasty.dictionary_encode(), "l": pa.array([[OBEYED], None])})
    expected = r"a\n\x1b[2J\x9b\u202e\u2066\u200f\u061c"
    shown = Shown()
    assert write(table.to_reader(), "csv", shown) == 2
    names, first, second = csv.reader(io.StringIO(shown.getvalue().decode()))
    assert names == [f"n{expected[3:]}", "d", "l"]
    assert first[:2] == [expected, expected]
    assert second == ["", "", ""]
    as_json = printed(table, "json")
    assert json.loads(as_json)[0] == {f"n{OBEYED}": f"a\n{OBEYED}", "d": f"a\n{OBEYED}", "l": [OBEYED]}
    for text in (shown.getvalue().decode(), as_json, printed(table, "table")):
        assert text.replace("\n", "").isprintable()
    assert list(csv.reader(io.StringIO(printed(table, "csv"))))[1][0] == f"a\n{OBEYED}"  # to programs it is data


@pytest.mark.parametrize("command", ["query", "explain"])
def test_errors_and_plans_hold_nothing_that_a_terminal_obeys(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, status in (
        (f"SELECT CAST('{OBEYED}' AS INT)", 1 if command == "query" else 0),
        (f'SELECT \n\t"{OBEYED}"', 1),
        (f"SELECT error('{OBEYED}')", 1 if command == "query" else 0),
        (f"SELECT {OBEYED}", 1),
    ):
        assert main([command, text, "--data", str(tmp_path)]) == status
        told = "".join(capsys.readouterr())
        assert re.sub(r"[\n\t]", "", told).isprintable(), told
        assert "x1b" in told or "\N{REPLACEMENT CHARACTER}" in told


def test_a_table_has_no_control_characters() -> None:
    table = pa.table({"a\nb\x1b": ["\x1b[2J\x00\x9b", "x\r\n\ty\u202e"], "l": [["\x1b\x7f"], ["é"]]})
    names, _, *rows, _ = (line.split() for line in printed(table, "table").splitlines())
    assert names == [r"a\nb\x1b", "l"]
    assert rows == [[r"\x1b[2J\x00\x9b", r'["\u001b\x7f"]'], [r"x\r\n\ty\u202e", '["é"]']]
    assert json.loads(printed(table, "json"))[0]["l"] == ["\x1b\x7f"]


@pytest.mark.parametrize("format", ["table", "json"])
def test_what_cannot_be_printed_is_one_line(format: str) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    with pytest.raises(CommandError, match=f"cannot be printed as {format}: .*can't decode"):
        printed(pa.table({"x": broken}), format)


def test_what_the_rows_themselves_raise_is_passed_on() -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        raise pa.ArrowInvalid("the server's own words")
        yield

    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64())]), failing())
    with pytest.raises(pa.ArrowInvalid, match="the server's own words"):
        write(reader, "json", io.BytesIO())


def test_rows_as_bytes_are_not_for_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(["query", "CREATE TABLE t AS SELECT 1 AS a", "--data", str(tmp_path), "--format", "arrow"], {})
    try:
        terminal.read_until("Rows as arrow are not for a terminal")
        assert terminal.end() == 1
        assert not list(tmp_path.glob("t*"))
    finally:
        terminal.close()
