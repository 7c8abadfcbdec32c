"""What Tab offers, with the names of a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from flight_server.cli.connect import Target
from flight_server.cli.server_source import ServerSource
from flight_server.cli.shell.completion import SqlCompleter
from flight_server.cli.shell.names import Names
from tests.flight_server.conftest import Served

NATION = ["n_comment", "n_name", "n_nationkey", "n_regionkey"]


@pytest.fixture(scope="module")
def source(changing: Served) -> Iterator[ServerSource]:
    source = ServerSource(Target(changing.uri, {}))
    for statement in ('CREATE TEMP TABLE "my items" (id INT, "unit price" DOUBLE)', "CREATE SCHEMA IF NOT EXISTS more"):
        with source.run(statement):
            pass
    yield source
    source.close()


@pytest.fixture(scope="module")
def completer(source: ServerSource) -> SqlCompleter:
    return SqlCompleter(Names(source))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sel|", ["select"]),
        ("SEL|", ["SELECT"]),
        ("SELECT * FROM |", ["nation", "region", 'temp."my items"', "main.", "temp."]),
        ("SELECT * FROM re|", ["region"]),
        ("SELECT * FROM nation JOIN R|", ["region"]),
        ("SELECT * FROM main.na|", ["nation"]),
        ("SELECT * FROM temp.|", ['"my items"']),
        ('SELECT * FROM temp."my|', ['"my items"']),
        ("SELECT n_na| FROM nation", ["n_name", "n_nationkey"]),
        ("SELECT n.| FROM nation n", NATION),
        ("SELECT N.n_n| FROM main.nation AS n", ["n_name", "n_nationkey"]),
        ("SELECT nation.n_r|", ["n_regionkey"]),
        ("SELECT main.nation.n_r|", ["n_regionkey"]),
        ("SELECT r_| FROM nation", []),
        ("SELECT r_| FROM nation, region", ["r_comment", "r_name", "r_regionkey"]),
        ("SELECT r_| FROM nation; SELECT * FROM region;", []),
        ("SELECT * FROM region; SELECT r_|", []),
        ('SELECT u| FROM temp."my items"', ['"unit price"', "union", "unpivot", "update", "using"]),
        ("SELECT n_name FROM nation WHERE n_name = 'n_|", []),
        ("SELECT /* n_| FROM nation", []),
        ("SELECT n_name|", []),
        ("\\d na|", ["nation"]),
        ("\\t|", ["\\timing"]),
        ("\\|", ["\\d", "\\timing", "\\o", "\\format", "\\?", "\\q"]),
        ("SELECT 1;\n\\ti|", ["\\timing"]),
    ],
)
def test_tab_offers(completer: SqlCompleter, typed: str, offered: list[str]) -> None:
    document = Document(typed.replace("|", ""), typed.index("|"))
    found = [completion.text for completion in completer.get_completions(document, CompleteEvent())]
    assert sorted(found) == sorted(offered)


def test_names_are_asked_for_once_until_they_are_forgotten(
    source: ServerSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    tables, columns = source.tables, source.columns
    monkeypatch.setattr(source, "tables", lambda: [asked.append("tables"), tables()][1])
    monkeypatch.setattr(source, "columns", lambda relation: [asked.append(relation.table), columns(relation)][1])
    names = Names(source)
    completer = SqlCompleter(names)
    assert asked == []
    for _ in range(2):
        assert list(completer.get_completions(Document("SELECT n_n FROM nation", 10), CompleteEvent()))
    assert asked == ["tables", "nation"]
    names.forget()
    assert names.find(["nation"])
    assert asked == ["tables", "nation", "tables"]


def test_a_server_that_is_gone_has_no_names() -> None:
    completer = SqlCompleter(Names(ServerSource(Target("grpc://127.0.0.1:1", {}))))
    offered = [found.text for found in completer.get_completions(Document("SELECT * FROM n"), CompleteEvent())]
    assert offered == []
