"""Plain Flight: tables by path, to list, read and upload."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight

from flight_server.proto import sql
from flight_server.service.wire import wrap
from tests.flight_server.conftest import Served

# Sends half of an upload and dies without a word.
DYING_CLIENT = """
import os, signal, sys
import pyarrow as pa
from pyarrow import flight
client = flight.connect(sys.argv[1])
table = pa.table({"x": range(100_000)})
writer, _ = client.do_put(flight.FlightDescriptor.for_path(sys.argv[2]), table.schema)
for _ in range(20):
    writer.write_table(table)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def fresh() -> str:
    """The name of a table that is not there."""
    return f"t_{uuid.uuid4().hex[:12]}"


def path(*names: str) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_path(*names)


def get(client: flight.FlightClient, *names: str) -> pa.Table:
    return client.do_get(client.get_flight_info(path(*names)).endpoints[0].ticket).read_all()


def put(client: flight.FlightClient, table: pa.Table, *names: str) -> int:
    writer, reader = client.do_put(path(*names), table.schema)
    with writer:
        writer.write_table(table)
        writer.done_writing()
        answer = reader.read()
    return sql.DoPutUpdateResult.FromString(answer.to_pybytes()).record_count


def test_every_table_is_listed_and_can_be_read(client: flight.FlightClient) -> None:
    listed = {tuple(part.decode() for part in f.descriptor.path): f for f in client.list_flights()}
    assert {("main", name) for name in ("nation", "region", "orders", "lineitem", "broken")} <= set(listed)
    nation = listed["main", "nation"]
    table = client.do_get(nation.endpoints[0].ticket).read_all()
    assert table.schema.equals(nation.schema, check_metadata=True)
    assert table.num_rows == 25


def test_info_schema_and_rows_of_a_path(served: Served, client: flight.FlightClient) -> None:
    stored = pq.read_table(served.data / "region.parquet")
    for names in (("region",), ("main", "region"), ("MAIN", "Region")):
        info = client.get_flight_info(path(*names))
        table = client.do_get(info.endpoints[0].ticket).read_all()
        assert client.get_schema(path(*names)).schema.equals(info.schema, check_metadata=True)
        assert table.schema.equals(info.schema, check_metadata=True)
        assert table.equals(stored.cast(table.schema))


@pytest.mark.parametrize("names", [(), ("",), ("a", "b", "c"), ("main", "")])
def test_paths_that_name_no_table(client: flight.FlightClient, names: tuple[str, ...]) -> None:
    with pytest.raises(pa.ArrowInvalid, match=r"names a table: \[table\] or \[schema, table\]"):
        client.get_flight_info(path(*names))


def test_unknown_and_broken_tables(client: flight.FlightClient) -> None:
    with pytest.raises(pa.ArrowKeyError, match='did you mean "nation"'):
        client.get_flight_info(path("natoin"))
    with pytest.raises(flight.FlightInternalError, match="broken"):
        client.get_flight_info(path("broken"))


def test_a_path_is_no_file_name(client: flight.FlightClient) -> None:
    for name in ("/etc/passwd", "../nation", "nation.parquet"):
        with pytest.raises(pa.ArrowKeyError):
            client.get_flight_info(path(name))


def test_an_upload_creates_then_appends(client: flight.FlightClient, fresh: str) -> None:
    table = pa.table({"id": pa.array([1, 2, None], pa.int64()), "name": ["a", None, "ü"]})
    assert put(client, table, fresh) == 3
    assert get(client, fresh).equals(table)
    assert put(client, table.slice(0, 1), "main", fresh) == 1
    assert get(client, fresh).sort_by("name").num_rows == 4


def test_an_upload_with_other_columns_is_refused(client: flight.FlightClient, fresh: str) -> None:
    put(client, pa.table({"id": pa.array([1], pa.int64())}), fresh)
    for other in (pa.table({"id": ["x"]}), pa.table({"other": pa.array([1], pa.int64())})):
        with pytest.raises(pa.ArrowInvalid):
            put(client, other, fresh)
    assert get(client, fresh)["id"].to_pylist() == [1]


def test_parquet_tables_are_not_written_to(client: flight.FlightClient) -> None:
    region = get(client, "region")
    with pytest.raises((pa.ArrowNotImplementedError, flight.FlightError), match=r"[Pp]arquet"):
        put(client, region, "region")
    assert get(client, "region").equals(region)


def test_an_upload_that_is_not_valid_leaves_nothing(client: flight.FlightClient, fresh: str) -> None:
    good = pa.array(["abc", "def"])
    not_utf8 = pa.Array.from_buffers(pa.string(), 2, [None, good.buffers()[1], pa.py_buffer(b"abc\xff\xff\xff")])
    with pytest.raises(pa.ArrowInvalid, match="not valid Arrow data"):
        put(client, pa.table({"s": pa.chunked_array([good, not_utf8])}), fresh)
    with pytest.raises(pa.ArrowKeyError):
        client.get_flight_info(path(fresh))


def test_a_client_that_dies_in_the_middle_leaves_nothing(
    served: Served, client: flight.FlightClient, fresh: str
) -> None:
    for _ in range(3):
        died = subprocess.run([sys.executable, "-c", DYING_CLIENT, served.uri, fresh], timeout=60)
        assert died.returncode == -9
    table = pa.table({"x": [1]})
    assert put(client, table, fresh) == 1
    assert get(client, fresh).equals(table)


def test_files_that_appear_later_are_seen(served: Served, client: flight.FlightClient, fresh: str) -> None:
    table = pa.table({"x": [1, 2, 3]})
    pq.write_table(table, served.data / f"{fresh}.parquet")
    assert get(client, fresh).equals(table)
    (served.data / f"{fresh}_folder").mkdir()
    pq.write_table(table, served.data / f"{fresh}_folder" / "a.parquet")
    pq.write_table(table, served.data / f"{fresh}_folder" / "b.parquet")
    assert get(client, f"{fresh}_folder").num_rows == 6


def test_a_reader_that_stops_early_stops_the_work(served: Served, client: flight.FlightClient) -> None:
    query = "SELECT count(*) FROM lineitem a, lineitem b, lineitem c WHERE a.l_tax < b.l_tax"
    command = wrap(sql.CommandStatementQuery(query=query))
    info = client.get_flight_info(flight.FlightDescriptor.for_command(command))
    options = flight.FlightCallOptions(timeout=0.5)
    with pytest.raises(flight.FlightTimedOutError):
        client.do_get(info.endpoints[0].ticket, options).read_all()
    assert_idle(served.pid)


def assert_idle(pid: int) -> None:
    """Wait until the process uses no processor time, at most 10 seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        before = cpu_ticks(pid)
        time.sleep(0.5)  # the time over which use is measured
        if cpu_ticks(pid) - before <= 10:
            return
    raise AssertionError("the server is still at work")


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
