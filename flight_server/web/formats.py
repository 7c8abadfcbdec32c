"""Numbers, times and texts as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["count", "cut", "instant", "moment", "seconds", "size"]

_UNITS = ("B", "kB", "MB", "GB", "TB")
_ELLIPSIS = " …"


def count(number: int | None) -> str:
    """A whole number, in groups of three.

    >>> count(1234567)
    '1,234,567'
    """
    return "" if number is None else f"{number:,}"


def size(size: float | None) -> str:
    """Bytes.

    >>> size(1_234_567)
    '1.2 MB'
    """
    if size is None:
        return ""
    for unit in _UNITS[:-1]:
        if size < 999.95:  # so that it is not rounded to 1000.0
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"


def seconds(time: float | None) -> str:
    """A span of time.

    >>> seconds(0.0), seconds(0.0123), seconds(3.21), seconds(125), seconds(7322)
    ('0 ms', '12 ms', '3.2 s', '2 min 05 s', '2 h 02 min')
    """
    if time is None:
        return ""
    if time < 0.001:
        return f"{time * 1000:.1f} ms" if time >= 0.00005 else "0 ms"
    if time < 0.9995:  # so that it is not rounded to 1000 ms
        return f"{time * 1000:.0f} ms"
    if time < 59.95:
        return f"{time:.1f} s"
    whole = round(time)
    if time < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def instant(time: datetime | None) -> str:
    """A moment in UTC, to the second.

    >>> instant(datetime(2026, 3, 1, 8, 15, 30, tzinfo=UTC))
    '2026-03-01 08:15:30'
    """
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def moment(time: datetime | None) -> str:
    """The time of day in UTC, with the date where that is another than today's."""
    if time is None:
        return ""
    then = time.astimezone(UTC)
    return f"{then:%H:%M:%S}" if then.date() == datetime.now(UTC).date() else f"{then:%Y-%m-%d %H:%M}"


def cut(text: str, length: int) -> str:
    """A text, or the beginning of a long one.

    >>> cut("SELECT 1", 4)
    'SELE …'
    """
    return text if len(text) <= length else text[:length] + _ELLIPSIS
