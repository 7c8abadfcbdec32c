"""What costs time is done once: a text is parsed once, a batch that comes in is validated once."""

from __future__ import annotations

from collections.abc import Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa
import pytest

from engine.arrow_input import Entrance
from engine.statements import parsed_statement
from engine.storage import conform


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts whose frame is read."""
    read: list[str] = []
    parse = parsed_statement.parse_statement
    monkeypatch.setattr(parsed_statement, "parse_statement", lambda text: read.append(text) or parse(text))
    return read


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each batch that is validated, at the entrance or by the storage."""
    rows: list[int] = []
    enter, validate = Entrance.admit, conform.validate

    def admit(self: Entrance, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        rows.append(batch.num_rows)
        return enter(self, batch)

    monkeypatch.setattr(Entrance, "admit", admit)
    monkeypatch.setattr(conform, "validate", lambda batch: rows.append(batch.num_rows) or validate(batch))
    return rows


def test_a_text_is_parsed_once(writer: flight_sql.Connection, t: str, texts: list[str]) -> None:
    for text, parameters in (
        (f"SELECT 1 AS {t}", None),  # which nobody asked before
        (f"SELECT ? + 1 AS {t}", [1]),
        (f"CREATE TABLE {t} (a BIGINT)", None),
        (f"INSERT INTO {t} VALUES (?)", [1]),
        (f"SELECT * FROM {t}", None),
        (f"DESCRIBE {t}", None),
    ):
        with writer.cursor() as cursor:
            cursor.execute(text, parameters)
            cursor.fetchall()
        assert texts == [text]
        texts.clear()


def test_a_batch_is_validated_once(writer: flight_sql.Connection, t: str, validated: list[int]) -> None:
    with writer.cursor() as cursor:
        batches = [pa.record_batch({"a": range(n)}) for n in (3, 5)]
        for mode in ("create", "append"):
            cursor.adbc_ingest(t, pa.Table.from_batches(batches).to_reader(), mode=mode)
            assert validated == [3, 5]
            validated.clear()
        for text in (f"INSERT INTO {t} SELECT * FROM {t}", f"UPDATE {t} SET a = 1", f"DELETE FROM {t} WHERE a > 1"):
            cursor.execute(text)
        assert validated == []
