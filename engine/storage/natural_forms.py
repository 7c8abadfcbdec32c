"""Columns that lie in the Arrow type in which other tools have UUIDs, JSON, durations and geometries.

Rows for such a column come in the stored form of the kernel's type (`engine.storage.stored_types`), and are put into
the column's own Arrow type here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from engine.arrow_input import extension_name

__all__ = ["into_natural_form"]

_HOURS = re.compile(r"(-?)([0-9]+):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?")
_NO_UUID = "0" * 32


def into_natural_form(kind: str | None, want: pa.Field) -> Callable[[pa.Array], pa.Array] | None:
    """What makes of values in the stored form of the kernel's type `kind` those of `want`; None where nothing does.

    It raises ArrowInvalid for values that `want` cannot hold.
    """
    match kind, extension_name(want):
        case "UUID", "arrow.uuid":
            return _uuids
        case "JSON", "arrow.json":
            return lambda texts: pa.ExtensionArray.from_storage(want.type, texts.cast(want.type.storage_type))
        case "INTERVAL", "" if pa.types.is_duration(want.type):
            return lambda texts: _durations(texts).cast(want.type)
        case str(geometry), "geoarrow.wkb" if geometry.startswith("GEOMETRY"):
            return lambda values: values.cast(want.type)
    return None


def _uuids(texts: pa.Array) -> pa.Array:
    digits = pc.replace_substring(texts, "-", "").fill_null(_NO_UUID)
    data = pa.py_buffer(bytes.fromhex("".join(digits.to_pylist())))
    values = pa.Array.from_buffers(pa.binary(16), len(texts), [None, data])
    return pa.ExtensionArray.from_storage(pa.uuid(), pc.if_else(texts.is_valid(), values, None))


def _durations(texts: pa.Array) -> pa.Array:
    """The durations that the kernel's texts of intervals mean, where those are of hours: a day is not always 24."""
    micros = [None if text is None else _micros(text) for text in texts.to_pylist()]
    return pa.array(micros, pa.int64()).cast(pa.duration("us"))


def _micros(text: str) -> int:
    found = _HOURS.fullmatch(text)
    if found is None:
        raise pa.ArrowInvalid(f"{text} has days or months, which a duration has not")
    sign, hours, minutes, seconds, fraction = found.groups()
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    micros = whole * 1_000_000 + int((fraction or "").ljust(6, "0"))
    return -micros if sign else micros
