"""The kinds of index that Lance has: which columns each is for, and the options that it takes.

Lance passes over options that it does not know and values that make no sense, so they are checked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.types as pt

from engine.arrow_input import extension_name
from engine.errors import SchemaMismatchError, UnsupportedError, nearest
from engine.storage.indexes import OptionValue
from engine.storage.lance_blobs import has_blobs
from engine.storage.stored_types import declared_type

__all__ = ["ALIASES", "KINDS", "IndexKind", "checked_options", "fits", "kind_of", "require_fit", "shown_type"]

ALIASES = {"INVERTED": "FTS"}
_INTEGER = re.compile(r"[0-9]{1,12}")
_NUMBER = re.compile(r"[0-9]{0,12}(\.[0-9]{1,18})?")
_BOOLEANS = {"true": True, "on": True, "false": False, "off": False}
_LANGUAGES = [
    "Arabic",
    "Danish",
    "Dutch",
    "English",
    "Finnish",
    "French",
    "German",
    "Greek",
    "Hungarian",
    "Italian",
    "Norwegian",
    "Portuguese",
    "Romanian",
    "Russian",
    "Spanish",
    "Swedish",
    "Tamil",
    "Turkish",
]


@dataclass(frozen=True)
class _Integer:
    low: int
    high: int

    def read(self, text: str) -> int | None:
        found = int(text) if _INTEGER.fullmatch(text) else None
        return found if found is not None and self.low <= found <= self.high else None

    def __str__(self) -> str:
        return f"a number from {self.low} to {self.high}"


@dataclass(frozen=True)
class _Fraction:
    def read(self, text: str) -> float | None:
        found = float(text) if text and _NUMBER.fullmatch(text) else None
        return found if found is not None and 0 < found < 1 else None

    def __str__(self) -> str:
        return "a number between 0 and 1"


@dataclass(frozen=True)
class _Boolean:
    def read(self, text: str) -> bool | None:
        return _BOOLEANS.get(text.lower())

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class _Choice:
    choices: tuple[str, ...]
    is_number: bool = False

    def read(self, text: str) -> str | int | None:
        found = next((choice for choice in self.choices if choice.lower() == text.lower()), None)
        return int(found) if found is not None and self.is_number else found

    def __str__(self) -> str:
        return f"one of {', '.join(self.choices)}"


@dataclass(frozen=True)
class _Words:
    def read(self, text: str) -> list[str] | None:
        return re.findall(r"[^\s,]+", text) or None

    def __str__(self) -> str:
        return "words, as in 'the a an'"


Option = _Integer | _Fraction | _Boolean | _Choice | _Words


@dataclass(frozen=True)
class IndexKind:
    """A kind of index: the name that SQL has for it, and the columns that it is for, in words and as a test."""

    name: str
    columns: str
    fits: Callable[[pa.Field], bool]
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def is_vector(self) -> bool:
        """Whether it finds vectors by their distance."""
        return self.name.startswith("IVF_")


# ---- columns


def _is_plain(kind: pa.DataType) -> bool:
    """A scalar that has an order, in which Lance and the kernel have constants of it."""
    return bool(
        pt.is_integer(kind)
        or pt.is_float32(kind)
        or pt.is_float64(kind)
        or pt.is_boolean(kind)
        or pt.is_string(kind)
        or pt.is_large_string(kind)
        or pt.is_binary(kind)
        or pt.is_large_binary(kind)
        or pt.is_date32(kind)
        or pt.is_time(kind)
        or pt.is_timestamp(kind)
        or pt.is_decimal128(kind)
        or pt.is_fixed_size_binary(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def _is_plain_field(field: pa.Field) -> bool:
    return _is_plain(field.type) and not has_blobs(field)


def _is_exact_field(field: pa.Field) -> bool:
    return _is_plain_field(field) and not pt.is_floating(field.type)


def _is_hashed_field(field: pa.Field) -> bool:
    kind = field.type
    refused = pt.is_decimal(kind) or pt.is_boolean(kind) or pt.is_fixed_size_binary(kind)
    return _is_plain_field(field) and not refused


def _is_text_field(field: pa.Field) -> bool:
    return _is_text(field.type)


def _is_searched_field(field: pa.Field) -> bool:
    kind = field.type
    if pt.is_list(kind) or pt.is_large_list(kind):
        kind = kind.value_type
    return _is_text(kind) or extension_name(field) == "lance.json"


def _is_label_field(field: pa.Field) -> bool:
    if not (pt.is_list(field.type) or pt.is_large_list(field.type)):
        return False
    item = field.type.value_type
    is_instant = pt.is_date32(item) or (pt.is_timestamp(item) and item.unit == "us")
    return bool(pt.is_integer(item) or _is_text(item) or is_instant)


def vector_item(kind: pa.DataType) -> pa.DataType | None:
    """The type of the numbers in vectors, or in lists of vectors; None of what is no vector."""
    if pt.is_list(kind):
        kind = kind.value_type
    return kind.value_type if pt.is_fixed_size_list(kind) else None


def _is_vector_field(field: pa.Field) -> bool:
    item = vector_item(field.type)
    return item is not None and bool(pt.is_floating(item))


def _is_any_vector_field(field: pa.Field) -> bool:
    item = vector_item(field.type)
    return item is not None and bool(pt.is_floating(item) or pt.is_uint8(item))


# ---- kinds

_POSITIVE = _Integer(1, 1_000_000_000)
_IVF: dict[str, Option] = {
    "metric": _Choice(("l2", "cosine", "dot", "hamming")),
    "num_partitions": _Integer(1, 1_000_000),
    "target_partition_size": _POSITIVE,
    "sample_rate": _Integer(2, 1_000_000),
    "max_iters": _Integer(1, 10_000),
}
_PQ: dict[str, Option] = {"num_sub_vectors": _Integer(1, 65_536), "num_bits": _Choice(("4", "8"), is_number=True)}
_HNSW: dict[str, Option] = {
    "m": _Integer(4, 1_000),
    "ef_construction": _Integer(4, 100_000),
    "max_level": _Integer(1, 64),
}
_TOKENS: dict[str, Option] = {
    "base_tokenizer": _Choice(("simple", "whitespace", "raw", "ngram", "icu", "icu/split")),
    "language": _Choice(tuple(_LANGUAGES)),
    "max_token_length": _Integer(1, 1_000_000),
    "lower_case": _Boolean(),
    "stem": _Boolean(),
    "remove_stop_words": _Boolean(),
    "custom_stop_words": _Words(),
    "ascii_folding": _Boolean(),
    "min_ngram_length": _Integer(1, 100),
    "max_ngram_length": _Integer(1, 100),
    "prefix_only": _Boolean(),
}
_FTS: dict[str, Option] = {
    "with_position": _Boolean(),
    **_TOKENS,
    "block_size": _Choice(("128", "256"), is_number=True),
    "memory_limit": _Integer(1, 1_000_000),
    "num_workers": _Integer(1, 1_024),
}
_HASHED = "integers, floats, texts, UUIDs, bytes, dates, times and timestamps"
_VECTORS = "vectors of floats (FLOAT[128] and the like)"
_ANY_VECTORS = f"{_VECTORS} or of bytes (UTINYINT[128])"


def _vectors(name: str, options: dict[str, Option], any_vector: bool = False) -> IndexKind:
    if any_vector:
        return IndexKind(name, _ANY_VECTORS, _is_any_vector_field, _IVF | options)
    return IndexKind(name, _VECTORS, _is_vector_field, _IVF | options)


_EXACT = "integers, decimals, texts, UUIDs, bytes, booleans, dates, times and timestamps"
_PLAIN = "numbers, texts, UUIDs, bytes, booleans, dates, times and timestamps"

KINDS = {
    kind.name: kind
    for kind in (
        IndexKind("BTREE", _PLAIN, _is_plain_field, {"zone_size": _Integer(16, 1_000_000)}),
        IndexKind("BITMAP", _PLAIN, _is_plain_field),
        IndexKind("LABEL_LIST", "lists of integers, texts, dates and timestamps", _is_label_field),
        IndexKind("ZONEMAP", _EXACT, _is_exact_field, {"rows_per_zone": _Integer(1, 1_000_000)}),
        IndexKind(
            "BLOOMFILTER",
            _HASHED,
            _is_hashed_field,
            {"number_of_items": _Integer(1, 1_000_000), "probability": _Fraction()},
        ),
        IndexKind("NGRAM", "texts", _is_text_field),
        IndexKind("FTS", "texts and lists of texts", _is_searched_field, _FTS),
        _vectors("IVF_FLAT", {}, any_vector=True),
        _vectors("IVF_PQ", _PQ),
        _vectors("IVF_SQ", {"num_bits": _Choice(("8",), is_number=True)}),
        _vectors("IVF_RQ", {"num_bits": _Integer(1, 9)}),
        _vectors("IVF_HNSW_FLAT", _HNSW, any_vector=True),
        _vectors("IVF_HNSW_PQ", _HNSW | _PQ),
        _vectors("IVF_HNSW_SQ", _HNSW | {"num_bits": _Choice(("8",), is_number=True)}),
    )
}


_UNASKED = {"RTREE": "spatial filters", "MINHASHLSH": "searches for near duplicates"}
"""Kinds of Lance's that nothing here asks, and what they are for."""


def kind_of(name: str) -> IndexKind:
    """The kind that SQL calls so, in any case; UnsupportedError where there is none."""
    upper = ALIASES.get(name.upper(), name.upper())
    found = KINDS.get(upper)
    if found is not None:
        return found
    if upper in _UNASKED:
        raise UnsupportedError(
            f"An index of the kind {upper} is not made, for no query here would ask it: it is for {_UNASKED[upper]} by "
            "Lance's own interface, which can make one."
        )
    near = nearest(upper, KINDS)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(KINDS)}."
    raise UnsupportedError(f'There is no kind of index "{name[:100]}"; {hint}')


def shown_type(field: pa.Field) -> str:
    """The type of a stored column as messages tell it."""
    return (declared_type(field) or str(field.type))[:200]


def require_fit(kind: IndexKind, field: pa.Field) -> None:
    """Raise SchemaMismatchError where the kind is not for the column."""
    if fits(kind, field):
        return
    fitting = [k.name for k in KINDS.values() if fits(k, field)]
    advice = f"take one of {', '.join(fitting)}" if fitting else "no kind of index is for it"
    raise SchemaMismatchError(
        f'Column "{field.name}" of type {shown_type(field)} cannot have an index of the kind {kind.name}, which is for '
        f"{kind.columns}; {advice}."
    )


def fits(kind: IndexKind, field: pa.Field) -> bool:
    """Whether an index of the kind can be made of a stored column."""
    declared = declared_type(field)
    if declared == "UUID":  # whose stored texts have the order of the values
        return kind.name in ("BTREE", "BITMAP", "ZONEMAP", "BLOOMFILTER")
    return declared is None and kind.fits(field)


def checked_options(kind: IndexKind, options: Mapping[str, str], field: pa.Field) -> dict[str, OptionValue]:
    """The options in their types; SchemaMismatchError for one that the kind has not, or a value that it takes not."""
    found: dict[str, OptionValue] = {}
    for name, text in options.items():
        option = kind.options.get(name.lower())
        if option is None:
            has = f"it has {', '.join(kind.options)}" if kind.options else "it has none"
            raise SchemaMismatchError(f'An index of the kind {kind.name} has no option "{name[:100]}"; {has}.')
        value = option.read(text)
        if value is None:
            raise SchemaMismatchError(
                f'The option "{name.lower()}" of an index of the kind {kind.name} cannot be "{text[:100]}"; '
                f"it is {option}."
            )
        found[name.lower()] = value
    if kind.is_vector:
        _check_vector_options(kind, found, field)
    if int(_number(found, "min_ngram_length", 3)) > int(_number(found, "max_ngram_length", 3)):
        raise SchemaMismatchError('The option "min_ngram_length" cannot be more than "max_ngram_length" (3).')
    return found


def _number(options: Mapping[str, OptionValue], name: str, default: int) -> int:
    value = options.get(name, default)
    return value if isinstance(value, int) else default


def _check_vector_options(kind: IndexKind, options: dict[str, OptionValue], field: pa.Field) -> None:
    """Set the metric, which is hamming of bytes, and how vectors are cut; raise where these do not fit the vectors."""
    is_bytes = bool(pt.is_uint8(vector_item(field.type)))
    is_many = bool(pt.is_list(field.type))
    metric = options.setdefault("metric", "hamming" if is_bytes else "cosine" if is_many else "l2")
    allowed = ("hamming",) if is_bytes else ("cosine",) if is_many else ("l2", "cosine", "dot")
    if metric not in allowed:
        raise SchemaMismatchError(
            f'The option "metric" of an index of the column "{field.name}" cannot be "{metric}"; '
            f"it is one of {', '.join(allowed)}."
        )
    size = (field.type.value_type if is_many else field.type).list_size
    if kind.name == "IVF_RQ" and size % 8:
        raise SchemaMismatchError(
            f'An index of the kind IVF_RQ is for vectors whose length is a multiple of 8; those of "{field.name}" have '
            f"{size}."
        )
    if "num_sub_vectors" in kind.options:
        _check_parts(options, size, field.name)
    m, candidates = _number(options, "m", 20), _number(options, "ef_construction", 150)
    if candidates < m:
        raise SchemaMismatchError(f'The option "ef_construction" ({candidates}) cannot be less than "m" ({m}).')


def _check_parts(options: dict[str, OptionValue], size: int, column: str) -> None:
    """Set into how many parts a vector is cut; each is a number of `num_bits`, two of four bits to a byte."""
    step = 2 if options.get("num_bits") == 4 else 1
    parts = options.setdefault("num_sub_vectors", _sub_vectors(size, step))
    if not isinstance(parts, int) or size % parts or parts % step:
        even = " and be even, for num_bits is 4" if step == 2 else ""
        raise SchemaMismatchError(
            f'The option "num_sub_vectors" cannot be {parts}: it has to divide {size}, the length of the vectors '
            f'of "{column}"{even}.'
        )


def _sub_vectors(size: int, step: int) -> int:
    """Parts of sixteen numbers where vectors can be cut so, else of eight and fewer, else as few as there can be."""
    widths = (width for width in (16, 8, 4, 2, 1) if size % width == 0)
    return next((size // width for width in widths if size // width % step == 0), size)
