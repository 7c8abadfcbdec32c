"""Numbers, times and texts as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from flight_server.web import formats


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (1_234_567, "1.2 MB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_sizes(given: float | None, shown: str) -> None:
    assert formats.size(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, ""),
        (0.0, "0 ms"),
        (0.00042, "0.4 ms"),
        (0.0123, "12 ms"),
        (0.9999, "1.0 s"),
        (3.21, "3.2 s"),
        (59.99, "1 min 00 s"),
        (125.0, "2 min 05 s"),
        (7_322.0, "2 h 02 min"),
    ],
)
def test_spans_of_time(given: float | None, shown: str) -> None:
    assert formats.seconds(given) == shown


def test_moments_are_in_utc_with_their_date_where_it_is_not_today() -> None:
    then = datetime(2026, 3, 1, 23, 15, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert formats.instant(then) == "2026-03-02 04:15:30"
    assert formats.moment(then) == "2026-03-02 04:15"
    now = datetime.now(UTC)
    assert formats.moment(now) in (f"{now:%H:%M:%S}", f"{now:%Y-%m-%d %H:%M}")  # it may be midnight
    assert formats.instant(None) == formats.moment(None) == ""


def test_counts_and_cuts() -> None:
    assert (formats.count(1_234_567), formats.count(None)) == ("1,234,567", "")
    assert (formats.cut("SELECT 1", 8), formats.cut("SELECT 1", 4)) == ("SELECT 1", "SELE …")
