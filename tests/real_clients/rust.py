"""Rust: the Flight SQL client of arrow-flight, and ADBC's driver manager over the driver of the Python wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import adbc_driver_flightsql

from tests.real_clients.checks import CHECKS, Check
from tests.real_clients.programs import SOURCES, Program, run
from tests.real_clients.wants import AtMost, Client, Failure

__all__ = ["PROGRAM"]

ARROW_FLIGHT = "rust arrow-flight"
ADBC = "rust adbc"


def _build(folder: Path) -> list[str]:
    target = folder / "target"
    run("cargo", "build", "--locked", "--quiet", folder=SOURCES / "rust", CARGO_TARGET_DIR=str(target), seconds=1500)
    driver = Path(adbc_driver_flightsql.__file__).with_name("libadbc_driver_flightsql.so")
    return [str(target / "debug" / "program"), str(driver)]


def _without_code(want: Any) -> Any:
    """What is wanted of a check, but for the codes of errors."""
    match want:
        case Failure(parts=parts):
            return Failure(None, parts)
        case dict():
            return {key: _without_code(value) for key, value in want.items()}
        case list():
            return [_without_code(value) for value in want]
    return want


_IN_STREAM = "of an error in a stream arrow-rs has only the text, with the code in it"
_STREAMED = frozenset(
    (
        "connect.token end",
        "cancel.reading",
        "cancel.computing",
        "deadline",
        "timeout",
        "error.value",
        "error.far behind",
    )
)
_LARGE = "SELECT 1::BIGINT AS id, repeat('x', 5000000) AS text"
_OWN = (
    Check("own.handshake", "handshake", {"answers": "1", "empty": False}, {"basic": True}),
    Check("own.handshake of nobody", "handshake", Failure("UNAUTHENTICATED"), {"basic": False}),
    Check("own.large value", "stream", {"rows": "1", "sum": "1", "mb": AtMost(100)}, {"sql": _LARGE}),
    Check(
        "own.large value within a limit of its own",
        "stream",
        {"rows": "1", "sum": "1", "mb": AtMost(100)},
        {"sql": _LARGE, "limit": 16 << 20},
    ),
    Check("own.failed source", "failed source", {"told": Failure(None, ("the source is broken",)), "rows": [["3"]]}),
    Check("own.parameter names", "parameter names", ["1", "2"], {"sql": "SELECT ?::INTEGER, ?::VARCHAR"}),
    Check(
        "own.unread streams of a wide window",
        "unread streams",
        {"came": True},
        {"sql": "SELECT id, text FROM million WHERE id < 100000", "unread": 3, "window": 1 << 30, "seconds": 90},
    ),
)

PROGRAM = Program(
    language="rust",
    tools=("cargo",),
    build=_build,
    clients={ARROW_FLIGHT: Client(), ADBC: Client()},
    differs={
        (ARROW_FLIGHT, "connect.wrong password"): (
            Failure(None, ("User or password is wrong",)),
            "the client makes a text of what a Handshake fails with",
        ),
        (ARROW_FLIGHT, "own.large value"): (
            Failure("OUT_OF_RANGE", ("4194304",)),
            "tonic takes messages of 4 MB, where max_decoding_message_size does not say otherwise",
        ),
        (ARROW_FLIGHT, "deadline"): (
            Failure(None),
            "tonic ends the call at the same time as the server does, and calls that CANCELLED",
        ),
        **{(ADBC, check.name): (_without_code(check.want), _IN_STREAM) for check in CHECKS if check.name in _STREAMED},
    },
    own=_OWN,
)
