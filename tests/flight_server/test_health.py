"""The health service, by itself; tests/flight_server/cli/test_drain.py has it in a server."""

from __future__ import annotations

import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flight_server.health import SERVICES, HealthServer, check_health


def test_what_it_says_and_who_watches() -> None:
    with HealthServer("127.0.0.1", 0) as server, grpc.insecure_channel(server.address) as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        seen = [next(watched).status]
        assert {check_health(server.address, service) for service in SERVICES} == {"NOT_SERVING"}
        server.well()
        seen.append(next(watched).status)
        assert {check_health(server.address, service) for service in SERVICES} == {"SERVING"}
        server.drain()
        seen.append(next(watched).status)
        assert check_health(server.address) == "NOT_SERVING"
        assert check_health(server.address, "another") == "SERVICE_UNKNOWN"
        states = health_pb2.HealthCheckResponse
        assert seen == [states.NOT_SERVING, states.SERVING, states.NOT_SERVING]
    assert check_health(server.address) == "UNREACHABLE"


def test_all_services_are_listed() -> None:
    with HealthServer("127.0.0.1", 0) as server, grpc.insecure_channel(server.address) as channel:
        server.well()
        listed = health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=20).statuses
        assert {name: answer.status for name, answer in listed.items()} == dict.fromkeys(SERVICES, 1)


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="cannot be opened"):
        HealthServer("127.0.0.1", taken.getsockname()[1])
