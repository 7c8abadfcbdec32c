"""The kernel: syntax trees, types, streams and their end. What it refuses is in test_kernel_lock.py."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import (
    CancelledError,
    DeadlineExceededError,
    ExecutionError,
    ForbiddenError,
    InvalidValueError,
    MemoryExceededError,
    SqlSyntaxError,
    StorageError,
    TypeMismatchError,
    UnsupportedError,
)
from engine.kernel import Kernel, KernelConfig, quote
from engine.kernel_instance import Execution
from engine.schema import Column
from engine.streams import StreamCounters
from engine.travel_types import Boundary

ENDLESS = "SELECT * FROM range(1000000000000)"
HEAVY = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
SOON = 20.0  # seconds; to its end each of these statements takes far longer


def read(kernel: Kernel, sql: str) -> list[dict[str, object]]:
    return kernel.stream(sql).reader.read_all().to_pylist()


def connections(kernel: Kernel) -> int:
    """How many connections the kernel holds, the one that asks left out."""
    (row,) = read(kernel, "SELECT count FROM duckdb_connection_count()")
    return int(str(row["count"])) - 1


def running(kernel: Kernel) -> int:
    """How many statements have a cursor."""
    return len(kernel._instance._running)


def test_batches_hold_few_rows_where_rows_are_large(kernel: Kernel) -> None:
    wide = kernel.stream("SELECT " + ", ".join(f"i + {c} AS c{c}" for c in range(5_000)) + " FROM range(3000) t(i)")
    batches = list(wide.reader)
    assert sum(batch.num_rows for batch in batches) == 3_000
    assert max(batch.nbytes for batch in batches) < 4_000_000


@pytest.mark.soak
def test_values_that_do_not_fit_into_a_batch_come_in_smaller_ones(kernel: Kernel) -> None:
    long = kernel.stream("SELECT i, repeat('x', 300_000) AS s FROM range(20000) t(i) WHERE i <> 7")  # 6 GB
    rows = 0
    for batch in long.reader:
        rows += batch.num_rows
        if rows > 100:
            break
    long.reader.close()
    assert rows > 100


# Text and types


@pytest.mark.parametrize(("name", "quoted"), [("a", '"a"'), ('a"b', '"a""b"'), ("", '""'), ("Ünï x", '"Ünï x"')])
def test_quote(name: str, quoted: str) -> None:
    assert quote(name) == quoted


def test_a_tree_becomes_the_text_again(kernel: Kernel) -> None:
    tree = kernel.parse("select  A, 'é' from T where x in (1,2) order by 1")
    assert kernel.unparse(tree) == "SELECT A, 'é' FROM T WHERE (x IN (1, 2)) ORDER BY 1"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("SELEC 1", 1, 1),
        ("SELECT 1 +\n  FROM t", 2, 3),
        ("SELECT 'é' +\n 'ü' ]", 2, 6),
        ("SELECT '日本👩‍👩‍👧', ]", 1, 19),
        ("\n\n\nSELECT )", 4, 8),
        ("SELECT 'a", 1, 8),
        ("", 1, 1),
        ("  -- nothing\n", 1, 1),
        (";", 1, 1),
    ],
)
def test_syntax_errors_have_line_and_column(kernel: Kernel, text: str, line: int, column: int) -> None:
    with pytest.raises(SqlSyntaxError, match=f"at line {line}, column {column}") as caught:
        kernel.parse(text)
    assert caught.value.place is not None
    assert (caught.value.place.line, caught.value.place.column) == (line, column)
    assert f"\n\nLINE {line}: " in caught.value.message


@pytest.mark.parametrize("text", ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "DROP TABLE t; SELECT 1"])
def test_one_statement_at_a_time(kernel: Kernel, text: str) -> None:
    with pytest.raises(ForbiddenError):
        kernel.parse(text)


def test_empty_statements_around_one_do_not_count(kernel: Kernel) -> None:
    assert kernel.unparse(kernel.parse(";; SELECT 1 ; -- end\n;")) == "SELECT 1"


def test_describe_runs_nothing(kernel: Kernel) -> None:
    assert kernel.describe("SELECT CAST(v AS INTEGER) AS i FROM (VALUES ('x')) t(v)") == (Column("i", "INTEGER"),)


def test_arrow_schema_keeps_repeated_names(kernel: Kernel) -> None:
    schema = kernel.arrow_schema((Column("a", "INTEGER"), Column("a", "HUGEINT"), Column("", "UUID")))
    assert schema == pa.schema([("a", pa.int32()), ("a", pa.decimal128(38, 0)), ("", pa.string())])
    assert kernel.arrow_schema(()) == pa.schema([])


def test_column_types_of_arrow_data(kernel: Kernel) -> None:
    data = pa.table({"a": pa.array([], pa.uint16()), "b c": pa.array([], pa.list_(pa.date32()))})
    assert kernel.column_types(data) == (Column("a", "USMALLINT"), Column("b c", "DATE[]"))


@pytest.mark.parametrize(
    "kind",
    [
        pa.float16(),
        pa.decimal256(50, 2),
        pa.list_(pa.float16(), 8),
        pa.decimal128(5, -2),
        pa.list_(pa.struct([("x", pa.decimal32(5, -1))])),
        pa.dictionary(pa.int8(), pa.decimal64(5, -1)),
        pa.opaque(pa.decimal128(5, -2), "number", "somebody"),
    ],
    ids=str,
)
def test_columns_that_the_kernel_cannot_read_are_said_to_be_so(kernel: Kernel, kind: pa.DataType) -> None:
    with pytest.raises(UnsupportedError, match=f'column "a" of type {re.escape(str(kind))};'):
        kernel.column_types(pa.Table.from_batches([], pa.schema([("b", pa.int8()), ("a", kind)])))
    assert kernel.column_types(pa.table({"b": pa.array([], pa.int8())})) == (Column("b", "TINYINT"),)


def test_the_types_of_fields_depend_on_the_metadata_of_what_is_in_them(kernel: Kernel) -> None:
    plain = pa.field("item", pa.binary(16))
    uuid = plain.with_metadata({"ARROW:extension:name": "arrow.uuid", "ARROW:extension:metadata": ""})
    for item, kind in ((plain, "BLOB"), (uuid, "UUID"), (plain, "BLOB")):
        for outer, name in ((pa.list_(item), f"{kind}[]"), (pa.struct([item]), f"STRUCT(item {kind})")):
            schema = pa.schema([pa.field("a", outer), pa.field("b", pa.int8())])
            assert kernel.column_types(pa.Table.from_batches([], schema))[0] == Column("a", name)


def test_each_type_is_bound_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[str] = []
    with Kernel() as kernel:
        describe, bind = kernel._describe_fields, kernel._bind_types
        monkeypatch.setattr(kernel, "_describe_fields", lambda f: bound.extend(str(x.type) for x in f) or describe(f))
        kernel._arrow_types._ask = lambda kinds: bound.extend(kinds) or bind(kinds)
        schema = pa.schema([(f"c{i}", (pa.int64(), pa.list_(pa.int8()), pa.string())[i % 3]) for i in range(30)])
        for _ in range(3):
            columns = kernel.column_types(pa.Table.from_batches([], schema))
            assert kernel.arrow_schema(columns) == schema
    assert bound == ["int64", "list<item: int8>", "string", "BIGINT", "TINYINT[]", "VARCHAR"]


def test_options_are_taken(tmp_path: Path) -> None:
    with Kernel(KernelConfig(memory_limit=123 << 20, threads=3, spill_directory=str(tmp_path))) as kernel:
        (row,) = read(kernel, "SELECT current_setting('threads') AS t, current_setting('memory_limit') AS m")
        assert row == {"t": 3, "m": "123.0 MiB"}


def test_time_is_utc_whatever_the_machine_says(kernel: Kernel) -> None:
    assert read(kernel, "SELECT TIMESTAMPTZ '2020-07-01 12:00:00+02'::VARCHAR AS t") == [
        {"t": "2020-07-01 10:00:00+00"}
    ]


# Streams


def test_sources_are_there_for_one_statement(kernel: Kernel) -> None:
    data = pa.table({"x": [1, 2]})
    got = kernel.stream("SELECT sum(x)::INT AS s FROM src", {"src": data}).reader.read_all()
    assert got.to_pylist() == [{"s": 3}]
    with pytest.raises(TypeMismatchError, match="src"):
        kernel.stream("SELECT * FROM src")


def test_two_statements_at_once_have_sources_of_their_own(kernel: Kernel) -> None:
    one = kernel.stream("SELECT x FROM src", {"src": pa.table({"x": [1]})})
    two = kernel.stream("SELECT x FROM src", {"src": pa.table({"x": ["b"]})})
    assert two.reader.read_all().to_pylist() == [{"x": "b"}]
    assert one.reader.read_all().to_pylist() == [{"x": 1}]


def _read_to_the_end(stream: object) -> None:
    stream.reader.read_all()  # type: ignore[attr-defined]


def _read_a_little(stream: object) -> None:
    stream.reader.read_next_batch()  # type: ignore[attr-defined]


def _leave(stream: object) -> None:
    """Nothing: the stream is let go unread."""


def _close(stream: object) -> None:
    stream.reader.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("use", [_read_to_the_end, _read_a_little, _leave, _close])
def test_a_stream_frees_its_cursor(kernel: Kernel, use: Callable[[object], None]) -> None:
    closed: list[int] = []

    def on_close(counters: StreamCounters) -> None:
        closed.append(counters.rows)

    stream = kernel.stream("SELECT * FROM range(500000)", on_close=on_close)
    assert running(kernel) == 1
    use(stream)
    del stream
    gc.collect()
    assert len(closed) == 1
    assert running(kernel) == 0


def test_on_close_tells_what_was_read(kernel: Kernel) -> None:
    seen: list[tuple[int, bool]] = []
    stream = kernel.stream("SELECT * FROM range(500000)", on_close=lambda c: seen.append((c.rows, c.is_finished)))
    assert stream.reader.read_all().num_rows == 500_000
    assert seen == [(500_000, True)]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT CAST(v AS INTEGER) FROM (VALUES ('x')) t(v)", InvalidValueError),
        ("SELECT 9223372036854775807 + range FROM range(2)", InvalidValueError),
        ("SELECT nosuch FROM range(2)", TypeMismatchError),
        ("SELECT (SELECT range FROM range(3))", InvalidValueError),
        ("SELECT error('said so')", InvalidValueError),
        ("SELECT " + " + ".join(["range"] * 1_500) + " FROM range(2)", UnsupportedError),
    ],
)
def test_a_failed_statement_frees_its_cursor(kernel: Kernel, sql: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        kernel.stream(sql)
    assert "Traceback" not in str(caught.value)
    del caught
    gc.collect()
    assert running(kernel) == 0


# Cancelling


@pytest.mark.parametrize(
    "sql",
    [
        HEAVY,
        "SELECT * FROM range(1000000000) ORDER BY hash(range)",
        "WITH RECURSIVE x AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM x) SELECT count(*) FROM x",
        "SELECT pg_sleep(60)",
    ],
)
def test_cancelling_from_another_thread_ends_a_statement(kernel: Kernel, sql: str) -> None:
    cancellation = Cancellation()
    at: list[float] = []

    def cancel() -> None:
        at.append(time.monotonic())
        cancellation.cancel()

    timer = threading.Timer(0.1, cancel)
    timer.start()
    with pytest.raises(CancelledError):
        kernel.stream(sql, cancellation=cancellation).reader.read_all()
    assert time.monotonic() - at[0] < SOON
    timer.join()
    assert read(kernel, "SELECT 1 AS x") == [{"x": 1}]


def test_cancelling_between_two_batches_ends_the_stream(kernel: Kernel) -> None:
    cancellation = Cancellation()
    stream = kernel.stream(ENDLESS, cancellation=cancellation)
    stream.reader.read_next_batch()
    cancellation.cancel()
    with pytest.raises(OSError):
        for _ in stream.reader:
            pass


class Early(Cancellation):
    """Thrown as soon as somebody listens: the kernel has the cursor, and no statement on it yet."""

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        forget = super().on_cancel(callback)
        self.cancel()
        return forget


def test_close_waits_for_who_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is in the kernel when the interpreter ends would abort the process."""
    steps = []
    stop = Execution._insist

    def insist(execution: Execution) -> None:
        stop(execution)
        threading.Event().wait(0.2)
        steps.append("interrupted")

    monkeypatch.setattr(Execution, "_insist", insist)
    kernel = Kernel()
    with pytest.raises(CancelledError):
        kernel.stream(HEAVY, cancellation=Early())
    kernel.close()
    steps.append("closed")
    assert steps == ["interrupted", "closed"]


def test_a_cancelled_statement_does_not_start(kernel: Kernel) -> None:
    cancellation = Cancellation()
    cancellation.cancel("enough")
    with pytest.raises(CancelledError, match="enough"):
        kernel.stream(HEAVY, cancellation=cancellation)


def test_a_cancel_that_comes_before_the_statement_runs_is_not_lost(kernel: Kernel) -> None:
    started = time.monotonic()
    with pytest.raises(CancelledError):
        kernel.stream(HEAVY, cancellation=Early())
    assert time.monotonic() - started < SOON


def test_a_cancel_after_the_end_does_nothing(kernel: Kernel) -> None:
    cancellation = Cancellation()
    held: list[Callable[[], None]] = []
    listen = cancellation.on_cancel

    def keep(callback: Callable[[], None]) -> Callable[[], None]:
        held.append(callback)
        return listen(callback)

    cancellation.on_cancel = keep  # type: ignore[method-assign]
    kernel.stream("SELECT 1", cancellation=cancellation).reader.read_all()
    (interrupt,) = held
    interrupt()
    assert read(kernel, "SELECT 1 AS x") == [{"x": 1}]


def test_a_deadline_ends_a_statement(kernel: Kernel) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        kernel.stream(HEAVY, cancellation=Cancellation(deadline=started + 0.2))
    assert 0.2 <= time.monotonic() - started < SOON


# Memory and spilling


def bytes_below(directory: Path) -> int:
    """The size of all files; the kernel may remove one at any time."""
    sizes = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):
            sizes += path.stat().st_size if path.is_file() else 0
    return sizes


def test_more_than_the_memory_limit_goes_to_the_spill_directory(tmp_path: Path) -> None:
    with Kernel(KernelConfig(memory_limit=60 << 20, threads=2, spill_directory=str(tmp_path))) as kernel:
        stream = kernel.stream("SELECT hash(range) AS h FROM range(8000000) ORDER BY h")
        last, spilled, count = -1, 0, 0
        for batch in stream.reader:
            first, after = batch.column(0)[0].as_py(), batch.column(0)[-1].as_py()
            assert last <= first <= after
            last, count = after, count + batch.num_rows
            spilled = max(spilled, bytes_below(tmp_path))
        assert count == 8_000_000
        assert spilled > 20 << 20
        del stream, batch

        with pytest.raises(MemoryExceededError, match="raise the memory limit"):
            kernel.stream("SELECT list(range) FROM range(60000000)")
        assert read(kernel, "SELECT count(*) AS n FROM range(1000)") == [{"n": 1000}]
        assert bytes_below(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_spilled_goes_at_the_next_start(tmp_path: Path) -> None:
    opens = "import sys; from engine.kernel import Kernel, KernelConfig; "
    opens += "kernel = Kernel(KernelConfig(spill_directory=sys.argv[1])); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", opens, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        (left,) = (path for path in tmp_path.iterdir() if path.is_dir())
        (left / "block").write_bytes(bytes(1 << 20))
        with Kernel(KernelConfig(spill_directory=str(tmp_path))):
            assert bytes_below(tmp_path) == 1 << 20  # it is in use
        process.kill()
        process.wait(10)
    with Kernel(KernelConfig(spill_directory=str(tmp_path))):
        assert bytes_below(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_spill_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"no place for spill files in .*/file/below: Not a directory; name another"):
        Kernel(KernelConfig(spill_directory=str(tmp_path / "file" / "below")))


def test_a_kernel_that_never_spills_has_no_directory(tmp_path: Path) -> None:
    with Kernel(KernelConfig(memory_limit=60 << 20, threads=1, spill_directory=str(tmp_path), spills=False)) as kernel:
        assert read(kernel, "SELECT count(*) AS n FROM range(1000)") == [{"n": 1000}]
        with pytest.raises(MemoryExceededError):
            kernel.stream("SELECT list(hash(range)) FROM range(60000000)")
        assert list(tmp_path.iterdir()) == []


# The end


def test_close_removes_the_spill_directory_and_may_come_twice(tmp_path: Path) -> None:
    below = tmp_path / "not" / "there" / "yet"
    kernel = Kernel(KernelConfig(spill_directory=str(below)))
    assert read(kernel, "SELECT 1 AS x") == [{"x": 1}]
    kernel.close()
    kernel.close()
    assert list(below.iterdir()) == []
    for use in (
        lambda: kernel.stream("SELECT 1"),
        lambda: kernel.parse("SELECT 1"),
        lambda: kernel.describe("SELECT 1"),
    ):
        with pytest.raises(ExecutionError, match="closed"):
            use()


def test_close_ends_what_runs() -> None:
    kernel = Kernel(KernelConfig(threads=2))
    outcome: list[BaseException] = []
    running = threading.Event()

    def work() -> None:
        stream = kernel.stream(ENDLESS)
        try:
            for _ in stream.reader:
                running.set()
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert running.wait(20)
    kernel.close()
    thread.join(5)
    assert not thread.is_alive()
    assert len(outcome) == 1


def test_types_nested_too_deeply_for_arrow_are_refused(kernel: Kernel) -> None:
    with pytest.raises(UnsupportedError, match="nested"):
        kernel.arrow_schema((Column("a", "INTEGER" + "[]" * 80),))


@pytest.mark.parametrize("boundary", Boundary)
def test_who_knows_the_columns_gets_the_same_rows(kernel: Kernel, boundary: Boundary) -> None:
    sql = "SELECT 2::HUGEINT AS a, '101'::BIT AS a, 'x'::ENUM('x', 'y') AS \"b c\", 1 AS d ORDER BY d"
    asked = kernel.stream(sql, boundary=boundary).reader.read_all()
    known = kernel.stream(sql, boundary=boundary, columns=kernel.describe(sql)).reader.read_all()
    assert known.equals(asked)
    assert known.schema.equals(asked.schema, check_metadata=True)
