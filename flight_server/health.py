"""grpc.health.v1, on a port of its own: pyarrow's server cannot carry a second service.

Whether the server is up is no secret and probes have no certificate: so nobody logs in here, and there is no TLS.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

__all__ = ["SERVICES", "HealthServer", "check_health"]

SERVICES = ("", "arrow.flight.protocol.FlightService")
"""The names that may be asked for; the empty one is the server as a whole."""

_THREADS = 2
_MAX_CALLS = 1000  # of Watch, which take no thread


class _Servicer(health.HealthServicer):
    """grpcio's own, with List, which it leaves out."""

    def List(
        self, request: health_pb2.HealthListRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthListResponse:
        """What Check says of each service."""
        del request
        asked = {service: health_pb2.HealthCheckRequest(service=service) for service in SERVICES}
        return health_pb2.HealthListResponse(statuses={name: self.Check(one, context) for name, one in asked.items()})


class HealthServer:
    """Answers Check, List and Watch on `host`:`port` (0 takes a free one), NOT_SERVING until `well` is called.

    Raises OSError where the port cannot be opened. Close it, or use it in a ``with`` block.
    """

    def __init__(self, host: str, port: int) -> None:
        self._servicer = _Servicer(experimental_non_blocking=True)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="health")
        options = [("grpc.so_reuseport", 0)]
        self._server = grpc.server(self._pool, options=options, maximum_concurrent_rpcs=_MAX_CALLS)
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, self._server)
        self._set(health_pb2.HealthCheckResponse.NOT_SERVING)
        address = f"[{host}]" if ":" in host else host
        try:
            self.port: int = self._server.add_insecure_port(f"{address}:{port}")
        except RuntimeError as error:  # which is all that grpcio tells
            self._pool.shutdown()
            raise OSError(f"the health port {address}:{port} cannot be opened") from error
        self.address = f"{address}:{self.port}"
        self._lock = threading.Lock()
        self._draining = False
        self._server.start()

    def well(self) -> None:
        """Say SERVING from here on, but where it is draining."""
        with self._lock:
            if not self._draining:
                self._set(health_pb2.HealthCheckResponse.SERVING)

    def unwell(self) -> None:
        """Say NOT_SERVING until it is `well` again."""
        self._set(health_pb2.HealthCheckResponse.NOT_SERVING)

    def drain(self) -> None:
        """Say NOT_SERVING from here on to the end."""
        with self._lock:
            self._draining = True
            self._set(health_pb2.HealthCheckResponse.NOT_SERVING)

    def close(self) -> None:
        """Close the port; those who watch see their stream end."""
        self._server.stop(grace=None).wait()
        self._pool.shutdown()

    def __enter__(self) -> HealthServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for service in SERVICES:
            self._servicer.set(service, status)


def check_health(address: str, service: str = "", timeout: float = 5.0) -> str:
    """What the health service at ``HOST:PORT`` says: SERVING, NOT_SERVING, ...; UNREACHABLE where nobody answers within
    `timeout` seconds, SERVICE_UNKNOWN for another `service`.
    """
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout)
        except grpc.RpcError as error:
            unknown = error.code() is grpc.StatusCode.NOT_FOUND
            return "SERVICE_UNKNOWN" if unknown else "UNREACHABLE"
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
