"""Look-ups by indexes, searches, changes of rows and the care of a table, with parameters, by every client."""

from __future__ import annotations

from tests.real_clients.scripts import Check, count, rows, script
from tests.real_clients.wants import ByRuntime, Contains, Failure

__all__ = ["LOOK_UPS"]

_LOOKED_UP = """CREATE OR REPLACE TABLE looked_up AS SELECT i AS k, 'k' || i AS s, (i / 4)::DECIMAL(9, 2) AS d,
    TIMESTAMP '2024-01-01' + to_hours(i::INTEGER) AS ts, DATE '2024-01-01' + i::INTEGER AS day, i::DOUBLE AS f,
    [i, i + 1] AS tags, [i, 1]::FLOAT[2] AS v, 'word' || (i % 5) || ' fox' AS words FROM range(200) r(i)"""
_MORE = "INSERT INTO looked_up (k, ts) VALUES (200, '2024-01-09 08:00:00'), (201, '2024-01-09 09:00:00')"
_UPSERT = """MERGE INTO looked_up USING (SELECT ?::BIGINT AS k, ?::VARCHAR AS s) n ON looked_up.k = n.k
    WHEN MATCHED THEN UPDATE SET s = n.s WHEN NOT MATCHED THEN INSERT (k, s) VALUES (n.k, n.s)"""
_INDEXES = [
    "(k)",
    "(s)",
    "USING BITMAP (d)",
    "(ts)",
    "USING ZONEMAP (day)",
    "(f)",
    "USING LABEL_LIST (tags)",
    "USING FTS (words)",
]
_NEAREST = "query: SELECT k FROM vector_search(looked_up, v, {}) ORDER BY k"
_MATCHES = "query: SELECT k FROM text_search(looked_up, {}) ORDER BY k"
_FOUND = [  # by indexes, or by rows that are in none
    *(
        (f"query: SELECT k FROM looked_up WHERE {condition} ORDER BY k", *given, rows(*([str(key)] for key in keys)))
        for condition, given, keys in (
            ("k = ?", [("int64", "7")], [7]),
            ("k = ?", [("int64", "200")], [200]),
            ("k = ?", [("int64", "-7")], []),
            ("k IN (?, ?, ?)", [("int64", "9"), ("int64", "201"), ("int64", "9")], [9, 201]),
            ("k BETWEEN ? AND ? AND s LIKE ?", [("int64", "7"), ("int64", "12"), ("utf8", "k1%")], [10, 11, 12]),
            ("s = ?", [("utf8", "k8")], [8]),
            ("d = ?", [("decimal(9,2)", "2.25")], [9]),
            ("ts = ?", [("timestamp[us]", "2024-01-01T10:00:00")], [10]),
            ("ts > ?", [("timestamp[us]", "2024-01-09T06:30:00")], [199, 200, 201]),
            ("day = ?", [("date32", "2024-01-13")], [12]),
            ("f = ?", [("float64", "14")], [14]),
            ("list_contains(tags, ?)", [("int64", "7")], [6, 7]),
        )
    ),
    (
        "query: SELECT k FROM text_search(looked_up, ?, k := 3) ORDER BY k",
        ("utf8", "word3"),
        rows(["3"], ["8"], ["13"]),
    ),
    (
        "query: SELECT k FROM text_search(looked_up, ?, words, k := ?) WHERE k > ? ORDER BY k",
        *[("utf8", "word3"), ("int64", "2"), ("int64", "100")],
        rows(["103"], ["108"]),
    ),
    (_NEAREST.format("?::VARCHAR::FLOAT[2], k := ?"), ("utf8", "[5, 1]"), ("int64", "2"), rows(["4"], ["5"])),
    (
        "query: SELECT k FROM hybrid_search(looked_up, v, ?::VARCHAR::FLOAT[2], ?, k := 2) ORDER BY k",
        *[("utf8", "[8, 1]"), ("utf8", "word3")],
        rows(["3"], ["8"]),
    ),
]


def _plan(scan: str, above: int = 0) -> ByRuntime:
    """A plan whose last line has these words."""
    lines = [[Contains(())]] * above + [[Contains((scan,))]]
    return ByRuntime({"rows": lines}, {"rows": [[Contains(())], *lines]})


LOOK_UPS: list[Check] = [
    script(
        "look-up.found",
        (f"update: {_LOOKED_UP}", count(200)),
        *((f"update: CREATE INDEX i{i} ON looked_up {what}", count(0)) for i, what in enumerate(_INDEXES)),
        (
            "update: INSERT INTO looked_up (k, ts) VALUES (200, '2024-01-09 08:00:00'), (201, '2024-01-09 09:00:00')",
            count(2),
        ),
        *_FOUND,
    ),
    script(
        "look-up.explained",
        ("query: EXPLAIN SELECT k FROM looked_up WHERE k = ?", ("int64", "7"), _plan("index=i0 (BTREE of k)")),
        (
            "query: EXPLAIN SELECT k FROM looked_up WHERE ts = ?",
            ("timestamp[us]", "2024-01-01T10:00:00"),
            _plan("index=i3 (BTREE of ts)", above=1),
        ),
    ),
    script("look-up.vector", (_NEAREST.format("?, k := 2"), ("fixed_list<float32,2>", ["5", "1"]), rows(["4"], ["5"]))),
    script(
        "look-up.changes",
        ("update: UPDATE looked_up SET s = ? WHERE k < ?", ("utf8", "new"), ("int64", "3"), count(3)),
        ("update: UPDATE looked_up SET s = 'old' WHERE f = 7", count(1)),
        ("update: DELETE FROM looked_up WHERE k = ?", ("int64", "9"), count(1)),
        ("update: DELETE FROM looked_up WHERE k = ?", ("int64", "9"), count(0)),
        ("update: DELETE FROM looked_up WHERE ts >= ?", ("timestamp[us]", "2024-01-08T00:00:00"), count(34)),
        (f"update: {_UPSERT}", ("int64", "10"), ("utf8", "new"), count(1)),
        (f"update: {_UPSERT}", ("int64", "-1"), ("utf8", "new"), count(1)),
        (
            "query: SELECT k, s FROM looked_up WHERE s = ? OR k IN (?, ?) ORDER BY k",
            *[("utf8", "new"), ("int64", "7"), ("int64", "9")],
            rows(["-1", "new"], ["0", "new"], ["1", "new"], ["2", "new"], ["7", "old"], ["10", "new"]),
        ),
        ("query: SELECT count(*) FROM looked_up WHERE k > ?", ("int64", "100"), rows(["67"])),
    ),
    script(
        "look-up.care",
        ("update: ALTER TABLE looked_up CREATE TAG 'before'", count(0)),
        ("query: OPTIMIZE looked_up", {"rows": [[Contains(())] * 8]}),
        ("query: VACUUM looked_up", {"rows": [["0", "0", "0", Contains(())]]}),
        ("query: SELECT count(*) FROM looked_up WHERE k > ?", ("int64", "100"), rows(["67"])),
        ("update: TRUNCATE looked_up", count(168)),
        ("query: SELECT k FROM looked_up AT (TAG => 'before') WHERE k = ?", ("int64", "150"), rows(["150"])),
        ("update: RESTORE TABLE looked_up TO TAG 'before'", count(0)),
        ("query: SELECT k FROM looked_up WHERE k = ?", ("int64", "150"), rows(["150"])),
        ("update: ALTER TABLE looked_up DROP TAG 'before'", count(0)),
        ("update: ALTER TABLE looked_up DROP TAG 'before'", Failure("NOT_FOUND", ('"before"',))),
        ("update: CREATE INDEX i0 ON looked_up (k)", Failure("INVALID_ARGUMENT", ('"i0"', "already"))),
        ("update: CREATE INDEX IF NOT EXISTS i0 ON looked_up (k)", count(0)),
        ("update: DROP INDEX i0 ON looked_up", count(0)),
        ("update: DROP INDEX i0 ON looked_up", Failure("NOT_FOUND", ('"i0"',))),
        ("query: SELECT k FROM looked_up WHERE k = ?", ("int64", "150"), rows(["150"])),
        ("update: DROP TABLE looked_up", count(0)),
    ),
]
