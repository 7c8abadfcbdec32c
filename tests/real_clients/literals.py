"""Texts that differ in literals alone, asked again and again while the table changes, by every client."""

from __future__ import annotations

from collections.abc import Callable

from tests.real_clients.scripts import Check, count, rows, script

__all__ = ["LITERALS"]

_WRITTEN = """CREATE OR REPLACE TABLE written AS SELECT i AS k, 'it''s ' || i AS s, (i / 4)::DECIMAL(9, 2) AS d,
    DATE '2024-01-01' + i::INTEGER AS day, 'word' || (i % 5) || ' fox' AS words FROM range(100) r(i)"""
_INDEXES = ["(k)", "(s)", "USING BITMAP (d)", "(day)", "USING FTS (words)"]
_ASKED = 6
"""So often each text is asked with other literals: the third time it may be planned by what it has in common."""


def _asked(sql: Callable[[int], str], found: Callable[[int], list[list[str]]]) -> list[tuple[str, dict[str, object]]]:
    return [(f"query: {sql(i)}", rows(*found(i))) for i in range(_ASKED)]


LITERALS: list[Check] = [
    script(
        "literals.found",
        (f"update: {_WRITTEN}", count(100)),
        *((f"update: CREATE INDEX w{i} ON written {what}", count(0)) for i, what in enumerate(_INDEXES)),
        *_asked(lambda i: f"SELECT s FROM written WHERE k = {i}", lambda i: [[f"it's {i}"]]),
        *_asked(lambda i: f"SELECT k FROM written WHERE s = 'it''s {i}'", lambda i: [[f"{i}"]]),
        *_asked(lambda i: f"SELECT k FROM written WHERE d = '{i}.25'", lambda i: [[f"{4 * i + 1}"]]),
        *_asked(lambda i: f"SELECT k FROM written WHERE day IN ('2024-01-0{i + 1}')", lambda i: [[f"{i}"]]),
        *_asked(
            lambda i: f"SELECT k FROM written WHERE k IN ({i}, {i + 200}, {i + 1}) ORDER BY 1 LIMIT {1 + i % 2}",
            lambda i: [[f"{i}"], [f"{i + 1}"]][: 1 + i % 2],
        ),
        *_asked(
            lambda i: f"SELECT {i}, k = {i}, 'x{i}' FROM written WHERE k BETWEEN {i} AND {i}",
            lambda i: [[f"{i}", True, f"x{i}"]],
        ),
        *_asked(
            lambda i: f"SELECT CASE WHEN k > {i} THEN 'm{i}' END AS c, count(*) FROM written GROUP BY 1 ORDER BY 1",
            lambda i: [[f"m{i}", f"{99 - i}"], [None, f"{i + 1}"]],
        ),
        *_asked(
            lambda i: f"SELECT k FROM text_search(written, 'word{i}', k := 50) WHERE k < 5",
            lambda i: [[f"{i}"]][: 5 - i],
        ),
    ),
    script(
        "literals.changes",
        *(
            step
            for i in range(_ASKED)
            for step in (
                (f"query: SELECT k, s FROM written WHERE k = {i}", rows([f"{i}", f"it's {i}"])),
                (f"update: UPDATE written SET s = 'new {i}' WHERE k = {i}", count(1)),
                (f"query: SELECT k, s FROM written WHERE k = {i}", rows([f"{i}", f"new {i}"])),
                (f"update: DELETE FROM written WHERE k = {i}", count(1)),
                (f"query: SELECT k, s FROM written WHERE k = {i}", rows()),
            )
        ),
        ("update: ALTER TABLE written ADD COLUMN more INTEGER DEFAULT 7", count(0)),
        *_asked(lambda i: f"SELECT more FROM written WHERE k = {i + 10}", lambda i: [["7"]]),
        ("update: ALTER TABLE written ALTER COLUMN k TYPE VARCHAR USING 'n' || k", count(0)),
        *_asked(lambda i: f"SELECT k FROM written WHERE k = 'n{i + 10}'", lambda i: [[f"n{i + 10}"]]),
        ("update: DROP TABLE written", count(0)),
    ),
]
