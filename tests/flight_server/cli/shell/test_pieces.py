"""How what was typed is cut into statements and commands."""

from __future__ import annotations

import pytest

from flight_server.cli.shell.pieces import cut
from flight_server.cli.shell.script import pieces


@pytest.mark.parametrize(
    ("text", "found", "rest"),
    [
        ("", [], ""),
        ("  -- a remark\n/* another */ ", [], ""),
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1; SELECT\n2 ; ", ["SELECT 1", "SELECT\n2"], ""),
        ("SELECT 1; SELECT 2", ["SELECT 1"], " SELECT 2"),
        (";;", [], ""),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT ';'; -- ;\n", ["SELECT ';'"], ""),
        ("SELECT ';", [], "SELECT ';"),
        ("SELECT E'\\';';", ["SELECT E'\\';'"], ""),
        ('SELECT ";" FROM t;', ['SELECT ";" FROM t'], ""),
        ("SELECT $$;$$, $a$ $$;$a$;", ["SELECT $$;$$, $a$ $$;$a$"], ""),
        ("SELECT $$;", [], "SELECT $$;"),
        ("SELECT /* ; /* ; */ ; */ 1;", ["SELECT /* ; /* ; */ ; */ 1"], ""),
        ("/* begun ; ", [], "/* begun ; "),
        ("-- it's\nSELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1 -- the last\n;", ["SELECT 1 -- the last"], ""),
        ("\\d", ["\\d"], ""),
        ("\\d nation;", ["\\d nation"], ""),
        ("\\o it's.csv\nSELECT 1;", ["\\o it's.csv", "SELECT 1"], ""),
        ("SELECT 1; \\timing on\nSELECT 2;", ["SELECT 1", "\\timing on", "SELECT 2"], ""),
        ("SELECT '\n\\d\n';", ["SELECT '\n\\d\n'"], ""),
        ("exit", ["\\q"], ""),
        (" Quit ;\n", ["\\q"], ""),
        ("help", ["\\?"], ""),
        ("exit FROM t;", ["exit FROM t"], ""),
        ("SELECT 1 AS\nexit\n", [], "SELECT 1 AS\nexit\n"),
    ],
)
def test_statements_end_at_their_semicolon(text: str, found: list[str], rest: str) -> None:
    cut_pieces, left = cut(text)
    assert [piece.text for piece in cut_pieces] == found
    assert left == rest


def test_pieces_of_a_script_know_their_line() -> None:
    script = "-- first\n\nSELECT 1; SELECT\n 2;\n\\d\n/* a\n remark */\n\\timing\n\nSELECT ';\n';\nSELECT 3\n"
    assert [(piece.text, piece.line) for piece in pieces(script.splitlines(keepends=True))] == [
        ("SELECT 1", 2),
        ("SELECT\n 2", 2),
        ("\\d", 4),
        ("\\timing", 7),
        ("SELECT ';\n'", 9),
        ("SELECT 3", 11),
    ]


def test_pieces_of_a_script_come_when_they_are_there() -> None:
    read: list[str] = []

    def lines() -> list[str]:
        for line in ("SELECT 1;\n", "SELECT\n", "2;\n"):
            read.append(line)
            yield line

    found = pieces(lines())
    assert next(found).text == "SELECT 1"
    assert len(read) == 1
    assert next(found).text == "SELECT\n2"
