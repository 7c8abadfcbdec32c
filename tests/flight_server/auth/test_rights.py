"""Rights: patterns, actions, and what a snapshot shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ForbiddenError, UnknownTableError
from engine.rights import Action, Identity, Rights
from engine.storage.protocol import TableName
from flight_server.auth.rights import RightsFileError, load_rights

FILE = """
[roles.analyst]
read = ["main.*", "Sales.Orders"]
write = ["scratch.t_*"]
"""


@pytest.fixture
def rights(tmp_path: Path) -> Rights:
    path = tmp_path / "rights.toml"
    path.write_text(FILE)
    return load_rights(path)


def who(*roles: str) -> Identity:
    return Identity("x", frozenset(roles))


@pytest.mark.parametrize(
    ("schema", "table", "granted"),
    [
        ("main", "nation", Action.READ),
        ("MAIN", "Nation", Action.READ),
        ("sales", "ORDERS", Action.READ),
        ("scratch", "t_1", Action.WRITE),
        ("scratch", "u", None),
        ("sales", "orders2", None),
        ("main.x", "y", None),
        ("mainx", "y", None),
        ("scratch", "\nt_1", None),
    ],
)
def test_patterns(rights: Rights, schema: str, table: str, granted: Action | None) -> None:
    for action in Action:
        expected = granted is not None and action <= granted
        assert rights.may(who("analyst"), action, TableName(schema, table)) == expected


def test_what_is_refused_and_what_is_unknown(rights: Rights) -> None:
    tables = [TableName("main", "nation"), TableName("secret", "salaries")]
    with pytest.raises(ForbiddenError, match="change the rows of"):
        rights.check(who("analyst"), Action.WRITE, tables[0], lambda: tables)
    with pytest.raises(UnknownTableError) as denied:
        rights.check(who("analyst"), Action.READ, tables[1], lambda: tables)
    assert "did you mean" not in str(denied.value)
    for roles in ((), ("nosuch",)):
        assert rights.readable(who(*roles), tables) == []
    assert rights.readable(who("reader"), tables) == tables


@pytest.mark.parametrize(
    "text", ["x = 1", "[other]", "[roles]\na = 1", '[roles.a]\ndrop = ["a.b"]', '[roles.a]\nread = "a.b"', "[roles.a"]
)
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rights.toml"
    path.write_text(text)
    with pytest.raises(RightsFileError):
        load_rights(path)
