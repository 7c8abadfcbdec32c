"""Whole transfers: written, served over Flight, read."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
from pyarrow import flight

from engine.cancellation import Cancellation
from engine.errors import CancelledError
from flight_server.endpoint import ConnectionPool
from ray_runtime.exchange import (
    ExchangeReader,
    OutputFailedError,
    ReadOptions,
    SourceLostError,
    WorkerId,
)
from tests.ray_runtime.exchange.worker import (
    KEY,
    PARTITIONS,
    QUERY,
    SCHEMA,
    PlacedOutput,
    Worker,
    expected,
    process,
    serve,
    sources,
)

SMALL = ReadOptions(parallel=2, budget=100_000, retries=1, backoff=0.01)


@pytest.fixture
def pool() -> Iterator[ConnectionPool]:
    with ConnectionPool() as pool:
        yield pool


@pytest.fixture(params=[1 << 30, 0, 3_000_000], ids=["memory", "disk", "both"])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Worker]]:
    with serve("a", tmp_path, request.param) as a, serve("b", tmp_path, request.param) as b:
        yield [a, b]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with serve("a", tmp_path) as worker:
        yield worker


def reader(
    outputs: list[PlacedOutput], pool: ConnectionPool, partitions: range = range(1), **options: object
) -> ExchangeReader:
    ordered = bool(options.pop("ordered", False))
    return ExchangeReader(SCHEMA, sources(outputs, partitions, ordered), KEY, pool, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("partition", range(PARTITIONS))
def test_a_partition_is_read_from_every_worker(workers: list[Worker], pool: ConnectionPool, partition: int) -> None:
    outputs = [workers[task % 2].write(task) for task in range(4)]
    wanted = range(partition, partition + 1)
    table = reader(outputs, pool, wanted).table()
    assert table.schema.equals(SCHEMA)
    assert sorted(table["n"].to_pylist()) == expected([0, 1, 2, 3], partition)
    assert table["s"][0].as_py() == f"row {table['n'][0]}" if partition < 3 else table.num_rows == 0
    streamed = reader(outputs, pool, wanted, options=SMALL).stream().read_all()
    assert sorted(streamed["n"].to_pylist()) == sorted(table["n"].to_pylist())


def test_an_ordered_read_has_the_order_of_the_tasks(workers: list[Worker], pool: ConnectionPool) -> None:
    tasks = list(range(4))
    outputs = [workers[holder].write(task) for task, holder in zip(tasks, (1, 0, 0, 1), strict=True)]
    random.shuffle(outputs)
    ordered = reader(outputs, pool, ordered=True, options=SMALL).stream(ordered=True).read_all()
    assert ordered["n"].to_pylist() == expected(tasks, 0)
    assert reader(outputs, pool, ordered=True).table()["n"].to_pylist() == expected(tasks, 0)


def test_several_partitions_are_one_read(workers: list[Worker], pool: ConnectionPool) -> None:
    outputs = [workers[task % 2].write(task) for task in range(2)]
    table = reader(outputs, pool, range(PARTITIONS)).table()
    assert sorted(table["n"].to_pylist()) == sorted(n for p in range(3) for n in expected([0, 1], p))


def test_own_rows_do_not_touch_the_network(workers: list[Worker], pool: ConnectionPool) -> None:
    outputs = [workers[0].write(0), workers[1].write(1)]
    own = reader(outputs, pool, store=workers[0].store)
    assert sorted(own.table()["n"].to_pylist()) == expected([0, 1], 0)
    assert own.local_bytes > 100_000
    assert own.remote_bytes > 100_000
    assert list(pool._connections) == [workers[1].endpoint.location]


def test_outputs_without_rows_are_not_asked_for(worker: Worker, pool: ConnectionPool) -> None:
    assert sources([worker.write(0)], range(3, 4)) == []
    assert reader([worker.write(1)], pool, range(3, 4)).stream().read_all() == SCHEMA.empty_table()
    assert len(pool) == 0


def test_an_absent_output_is_an_error_that_names_it(worker: Worker, pool: ConnectionPool) -> None:
    output = worker.write(0)
    worker.store.remove(output.summary.key)
    with pytest.raises(OutputFailedError, match=r"absent: worker a \(incarnation 1\), stage 1, task 0, attempt 0") as e:
        reader([output], pool).table()
    assert e.value.worker == WorkerId("a", 1)
    assert e.value.outputs == (output.summary.key,)
    again = pickle.loads(pickle.dumps(e.value))
    assert (str(again), again.worker, again.outputs) == (str(e.value), e.value.worker, e.value.outputs)


def test_a_truncated_file_is_an_error(tmp_path: Path, pool: ConnectionPool) -> None:
    with serve("a", tmp_path, memory=0) as worker:
        output = worker.write(0)
        [file] = tmp_path.rglob("*.arrows")
        file.write_bytes(file.read_bytes()[:-100])
        with pytest.raises(OutputFailedError, match="damaged"):
            reader([output], pool).table()


def test_fewer_rows_than_planned_are_an_error(worker: Worker, pool: ConnectionPool) -> None:
    output = worker.write(0)
    output.summary.rows[0] += 1
    with pytest.raises(OutputFailedError, match="instead of"):
        reader([output], pool).table()
    [source] = sources([output])
    with pytest.raises(OutputFailedError, match="instead of"):
        ExchangeReader(SCHEMA, [source], KEY, pool, store=worker.store).table()


def test_a_server_that_ends_the_stream_early_is_found_out(worker: Worker, pool: ConnectionPool) -> None:
    output = worker.write(0)
    [source] = sources([output])
    handler = worker.endpoint._server._handler
    whole = handler.do_get

    def short(call: object, ticket: bytes) -> object:
        stream = whole(call, ticket)
        return dataclasses.replace(stream, reader=stream.reader.read_all().slice(0, 10).to_reader())

    handler.do_get = short
    with pytest.raises(OutputFailedError, match=f"10 rows came instead of {source.request.rows}"):
        ExchangeReader(SCHEMA, [source], KEY, pool).table()


def test_another_schema_is_an_error(worker: Worker, pool: ConnectionPool) -> None:
    asked = sources([worker.write(0)])
    with pytest.raises(OutputFailedError, match="another schema"):
        ExchangeReader(pa.schema({"n": pa.int32()}), asked, KEY, pool).table()


def test_a_wrong_key_gets_nothing(worker: Worker, pool: ConnectionPool) -> None:
    asked = sources([worker.write(0)])
    with pytest.raises(OutputFailedError, match="ticket was refused"):
        ExchangeReader(SCHEMA, asked, b"x" * 32, pool).table()
    worker.keys.remove(QUERY)
    with pytest.raises(OutputFailedError, match="ticket was refused"):
        ExchangeReader(SCHEMA, asked, KEY, pool).table()


def test_random_bytes_get_unauthenticated_and_nothing_else(worker: Worker, pool: ConnectionPool) -> None:
    output = worker.write(0)
    [source] = sources([output])
    sealed = source.request.seal(KEY)
    rng = random.Random(7)
    with grpc.insecure_channel(f"127.0.0.1:{worker.endpoint.port}") as channel:
        call = channel.unary_stream("/arrow.flight.protocol.FlightService/DoGet")
        answers = set()
        for number in range(300):
            altered = bytearray(sealed)
            altered[rng.randrange(len(altered))] ^= rng.randrange(1, 256)
            ticket = bytes(altered) if number % 2 else rng.randbytes(rng.randrange(100))
            with pytest.raises(grpc.RpcError) as caught:
                list(call(b"\x0a" + bytes([len(ticket)]) + ticket, timeout=10))
            answers.add((caught.value.code(), caught.value.details()))
        assert {code for code, _ in answers} == {grpc.StatusCode.UNAUTHENTICATED}
        assert len(answers) == 1
    assert reader([output], pool).table().num_rows == source.request.rows


def test_only_do_get_is_offered(worker: Worker, pool: ConnectionPool) -> None:
    with pool.client(worker.endpoint.location) as client:
        with pytest.raises(pa.ArrowNotImplementedError):
            list(client.list_flights())
        with pytest.raises(pa.ArrowNotImplementedError):
            client.get_flight_info(flight.FlightDescriptor.for_path("x"))
        with pytest.raises(pa.ArrowNotImplementedError):
            list(client.do_action(flight.Action("x", b"")))


def test_between_processes(tmp_path: Path, pool: ConnectionPool) -> None:
    with process("p", tmp_path, [0, 1]) as p, process("q", tmp_path, [2], memory=0) as q:
        outputs = p.outputs + q.outputs
        table = reader(outputs, pool).table()
        assert sorted(table["n"].to_pylist()) == expected([0, 1, 2], 0)


def test_a_worker_killed_before_the_read_is_lost(tmp_path: Path, pool: ConnectionPool) -> None:
    with process("p", tmp_path, [0]) as p:
        p.kill()
        with pytest.raises(SourceLostError, match=r"Cannot be reached: worker p \(incarnation 1\)") as caught:
            reader(p.outputs, pool, options=SMALL).table()
        assert caught.value.outputs == (p.outputs[0].summary.key,)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.worker) == (str(caught.value), WorkerId("p", 1))


def test_a_worker_killed_in_the_middle_is_lost_and_never_the_end(tmp_path: Path, pool: ConnectionPool) -> None:
    tasks = list(range(24))
    with process("p", tmp_path, tasks) as p:
        read = reader(p.outputs, pool, range(3), options=dataclasses.replace(SMALL, budget=1))
        stream = read.stream()
        assert stream.read_next_batch().num_rows
        p.kill()
        with pytest.raises(SourceLostError):
            stream.read_all()
        assert 0 < read.remote_bytes < sum(output.summary.total_bytes for output in p.outputs) / 2
        assert isinstance(read.failure, SourceLostError)


def test_a_worker_that_hangs_counts_as_lost(tmp_path: Path, pool: ConnectionPool) -> None:
    with process("p", tmp_path, [0]) as p:
        p.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(SourceLostError, match="No answer for 0"):
                reader(p.outputs, pool, options=dataclasses.replace(SMALL, stall=0.5)).table()
        finally:
            p.process.send_signal(signal.SIGCONT)


class CuttingProxy:
    """Passes connections on to `port`; the first is cut after `allowed` bytes of answers."""

    def __init__(self, port: int, allowed: int) -> None:
        self._port = port
        self._allowed: int | None = allowed
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self._threads: list[threading.Thread] = []
        self.location = f"grpc://127.0.0.1:{self._sockets[0].getsockname()[1]}"
        self.connections = 0
        self._start(self._accept)

    def close(self) -> None:
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in self._sockets:
            end.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._sockets[0].accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += [client, server]
            allowed, self._allowed = self._allowed, None
            self._start(self._pump, client, server, None)
            self._start(self._pump, server, client, allowed)

    def _pump(self, source: socket.socket, sink: socket.socket, allowed: int | None) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and (allowed is None or allowed > 0):
                sink.sendall(data)
                allowed = None if allowed is None else allowed - len(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("retries", [0, 2])
def test_a_connection_that_breaks_is_tried_again_and_read_on(
    worker: Worker, pool: ConnectionPool, retries: int
) -> None:
    outputs = [worker.write(task) for task in range(6)]
    proxy = CuttingProxy(worker.endpoint.port, 1_000_000)
    outputs = [dataclasses.replace(output, location=proxy.location) for output in outputs]
    read = reader(outputs, pool, range(3), options=ReadOptions(retries=retries, backoff=0.01))
    try:
        if retries:
            table = read.table()
            assert table["n"].to_pylist() == [n for t in range(6) for p in range(3) for n in expected([t], p)]
            assert proxy.connections > 1
        else:
            with pytest.raises(SourceLostError):
                read.table()
    finally:
        proxy.close()


@pytest.mark.parametrize("streamed", [True, False])
def test_cancelling_ends_a_read(worker: Worker, pool: ConnectionPool, streamed: bool) -> None:
    outputs = [worker.write(task) for task in range(6)]
    cancellation = Cancellation()
    read = reader(outputs, pool, range(3), options=SMALL, cancellation=cancellation)
    if streamed:
        stream = read.stream()
        stream.read_next_batch()
        cancellation.cancel()
        with pytest.raises(CancelledError):
            stream.read_all()
        assert isinstance(read.failure, CancelledError)
    else:
        cancellation.cancel()
        with pytest.raises(CancelledError):
            read.table()
    assert worker.endpoint._calls.wait_idle(5)


def test_a_stream_that_is_dropped_stops_its_threads_and_its_servers(worker: Worker, pool: ConnectionPool) -> None:
    outputs = [worker.write(task) for task in range(6)]
    stream = reader(outputs, pool, range(3), options=SMALL).stream()
    stream.read_next_batch()
    del stream
    assert worker.endpoint._calls.wait_idle(5)
    deadline = time.monotonic() + 5
    for thread in threading.enumerate():
        if thread.name.startswith("exchange-read"):
            thread.join(max(0, deadline - time.monotonic()))
            assert not thread.is_alive()


def test_a_slow_consumer_holds_no_more_than_the_budget(worker: Worker, pool: ConnectionPool) -> None:
    outputs = [worker.write(task) for task in range(6)]
    options = ReadOptions(parallel=2, budget=1_000_000)
    read = reader(outputs, pool, range(3), options=options)
    stream = read.stream()
    first = stream.read_next_batch()
    total = sum(output.summary.total_bytes for output in outputs)
    assert reader(outputs, pool, range(3)).table().num_rows  # in the time that one without a bound needs for everything
    assert read.remote_bytes < total / 2
    rows = first.num_rows + sum(batch.num_rows for batch in stream)
    assert rows == sum(output.summary.total_rows for output in outputs)
    assert read.remote_bytes >= total * 0.9
