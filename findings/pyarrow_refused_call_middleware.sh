#!/usr/bin/env bash
# pyarrow 26.0.1: where one Flight server middleware refuses a call, those that took it on are never told of its end.
#
# Middleware is told of the headers in the order of its registration, and of the end of the call, whether it failed or not.
# Where a later factory raises in `start_call`, as one that checks who calls does, the call ends with that error, and
# `call_completed` of the ones before is not called. What they opened for the call (a span, a slot, a count of running
# calls) is left open by each wrong password. Refused by the method itself, the same call is told. Seen:
#   refused by the method     : started 1, completed 1
#   refused by the middleware : started 1, completed 0          (to expect: completed 1)
# What must end with its call comes last, or starts the others itself.
#
# Fails where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
from pyarrow import flight


class Counting(flight.ServerMiddlewareFactory):
    def __init__(self):
        self.started = self.completed = 0

    def start_call(self, info, headers):
        self.started += 1
        factory = self

        class Middleware(flight.ServerMiddleware):
            def call_completed(self, exception):
                factory.completed += 1

        return Middleware()


class Refusing(flight.ServerMiddlewareFactory):
    def start_call(self, info, headers):
        raise flight.FlightUnauthenticatedError("who are you")


class Server(flight.FlightServerBase):
    def do_action(self, context, action):
        raise flight.FlightUnauthenticatedError("who are you")


def told(*others):
    """How often middleware was told of the beginning and the end of a call, once the server has shut down."""
    counting = Counting()
    middleware = {"counts": counting, **{f"other {number}": other for number, other in enumerate(others)}}
    server = Server("grpc://127.0.0.1:0", middleware=middleware)
    with flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
        try:
            list(client.do_action("any"))
        except flight.FlightUnauthenticatedError:
            pass
        else:
            raise AssertionError("the call was not refused")
    server.shutdown()
    return counting.started, counting.completed


print("pyarrow", pa.__version__)
by_method, by_middleware = told(), told(Refusing())
print("refused by the method     : started {}, completed {}".format(*by_method))
print("refused by the middleware : started {}, completed {}".format(*by_middleware))
assert by_method == (1, 1)
assert by_middleware == (1, 0), "middleware is told of refused calls now"
PYTHON
