"""A shuffle under mutual TLS, and who is refused by the workers."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyarrow import flight

from engine.storage import InMemoryStorage
from flight_server.endpoint import PeerTls
from ray_runtime.cluster import ClusterOptions
from ray_runtime.executor import ExecutorOptions
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.runtime import RayOptions, RayRuntime
from ray_runtime.scheduler import SchedulerOptions
from tests.flight_server.endpoint.certificates import Authority
from tests.ray_runtime.conftest import ROWS, TABLE


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def secured(ray_session: None, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayRuntime]:
    """Two workers that talk to each other, and to this process, under TLS only."""
    folder = tmp_path_factory.mktemp("tls")
    pair = authority.issue("localhost")
    for name, content in (("cert", pair.certificate), ("key", pair.private_key), ("ca", authority.pem)):
        (folder / name).write_bytes(content)
    options = RayOptions(
        ExecutorOptions(ClusterOptions(), SchedulerOptions(task_bytes=0)),
        DistributedOptions(partitions=4, split_rows=ROWS // 8, broadcast_bytes=0, sort_gather_bytes=0),
        tls=PeerTls(folder / "cert", folder / "key", folder / "ca"),
    )
    with RayRuntime(InMemoryStorage({"t": TABLE}), options, threads=1, spill_directory=str(folder)) as runtime:
        yield runtime


def test_rows_are_shuffled_under_tls(secured: RayRuntime) -> None:
    locations = [found.location for found in secured.executor.workers().values()]
    assert len(locations) == 2
    assert all(location.startswith("grpc+tls://") for location in locations)
    # The rows come from this process, go through a shuffle between the workers, and come back.
    result = secured.sql("SELECT a.k, count(*) AS n FROM t a JOIN t b ON a.v = b.v GROUP BY a.k ORDER BY a.k")
    try:
        rows = pa.Table.from_batches(list(result)).to_pylist()
    finally:
        result.close()
    assert rows == [{"k": k, "n": len(range(k, ROWS, 11))} for k in range(11)]
    assert (
        "shuffle" in secured.explain(secured.plan(secured.frontend.plan("SELECT k, sum(v) FROM t GROUP BY k"))).lower()
    )


@pytest.mark.parametrize("who", ["in the clear", "no certificate", "a stranger's certificate"])
def test_a_client_without_the_authoritys_certificate_is_refused(
    secured: RayRuntime, authority: Authority, who: str
) -> None:
    stranger = Authority("stranger").issue("localhost")
    location = next(iter(secured.executor.workers().values())).location
    options = {
        "in the clear": {},
        "no certificate": {"tls_root_certs": authority.pem},
        "a stranger's certificate": {
            "tls_root_certs": authority.pem,
            "cert_chain": stranger.certificate,
            "private_key": stranger.private_key,
        },
    }[who]
    if not options:
        location = location.replace("grpc+tls", "grpc")
    with flight.connect(location, **options) as client, pytest.raises(flight.FlightUnavailableError):
        client.do_get(flight.Ticket(b"x"), flight.FlightCallOptions(timeout=10)).read_all()


def test_who_has_one_still_needs_a_ticket(secured: RayRuntime, authority: Authority) -> None:
    pair = authority.issue("localhost")
    location = next(iter(secured.executor.workers().values())).location
    with (
        flight.connect(
            location, tls_root_certs=authority.pem, cert_chain=pair.certificate, private_key=pair.private_key
        ) as client,
        pytest.raises(flight.FlightUnauthenticatedError),
    ):
        client.do_get(flight.Ticket(b"x"), flight.FlightCallOptions(timeout=10)).read_all()
