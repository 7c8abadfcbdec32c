"""Each program of `clients/` against a server on each runtime: `make test-clients`.

A program whose tools are not here is skipped, and is an error where CI=true is in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.real_clients import go, java, javascript, rust
from tests.real_clients.checks import CHECKS
from tests.real_clients.programs import CANNOT, Line, Program, lines
from tests.real_clients.wants import differences

PROGRAMS: tuple[Program, ...] = (go.PROGRAM, java.PROGRAM, javascript.PROGRAM, rust.PROGRAM)

pytestmark = pytest.mark.clients


@pytest.fixture(scope="session")
def commands() -> Callable[[Program], list[str]]:
    """Gives the command of a program, which is built once."""
    built: dict[str, list[str]] = {}

    def build(program: Program) -> list[str]:
        if program.language not in built:
            built[program.language] = program.command()
        return built[program.language]

    return build


@pytest.mark.timeout(900)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.language)
def test_a_program_sees_what_it_has_to(
    program: Program,
    runtime_name: str,
    commands: Callable[[Program], list[str]],
    endpoints: Callable[[str], dict[str, Any]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    missing = program.missing_tools()
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"left out: {program.language}, for there is no {', '.join(missing)}")
    assert not missing, f"{program.language} needs {', '.join(missing)}"
    command = commands(program)
    checks = [check.request() for check in (*CHECKS, *program.own)]
    seen = lines(command, {**endpoints(runtime_name), "checks": checks}, tmp_path)
    wrong: list[str] = []
    for client in program.clients:
        answers = {line["check"]: line for line in seen if line["client"] == client}
        for check in CHECKS:
            if reason := answers.get(check.name, {}).get("cannot"):
                request.config.stash.setdefault(CANNOT, {})[client, check.name] = reason
        wrong += _wrong(program, client, answers, runtime_name)
    assert {line["client"] for line in seen} == program.clients.keys()
    assert not wrong, "\n" + "\n".join(wrong)


def _wrong(program: Program, client: str, answers: dict[str, Line], runtime: str) -> list[str]:
    """A line for each thing that is not as it has to be."""
    found: list[str] = []
    for check in (*CHECKS, *program.own):
        where = f"{client}, {check.name}"
        line = answers.pop(check.name, None)
        want, _ = program.differs.get((client, check.name), (check.want, ""))
        match line:
            case None:
                found.append(f"{where}: no answer")
            case {"cannot": str(reason)} if reason:
                continue
            case {"seen": seen}:
                if check.kind == "metadata" and check.arguments["of"] != "columns" and isinstance(seen, list):
                    seen = sorted(seen, key=str)
                found += [f"{where}: {each}" for each in differences(want, seen, program.clients[client], runtime)]
            case _:
                found.append(f"{where}: {line}")
    return found + [f"{client}, {name}: nobody asked this" for name in answers]
