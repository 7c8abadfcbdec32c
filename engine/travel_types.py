"""Types that Arrow or a storage has not, and what stands for them where rows leave the kernel.

::

    kernel type           to another kernel    to a client               to a storage
    HUGEINT               itself               DECIMAL(38,0), or error   VARCHAR
    UHUGEINT              VARCHAR              DECIMAL(38,0), or error   VARCHAR
    BIT, TIMETZ           VARCHAR              VARCHAR                   VARCHAR
    ENUM                  VARCHAR              VARCHAR                   VARCHAR
    BIGNUM                itself               VARCHAR                   VARCHAR
    INTERVAL              VARCHAR              itself, or error          VARCHAR
    TIME, TIME_NS         itself               itself, or error          itself
    UUID, JSON            itself               itself                    VARCHAR
    GEOMETRY              itself               itself                    BLOB
    VARIANT               not at all           itself                    BLOB, or error
    UNION                 not at all           itself                    STRUCT(tag VARCHAR, ...)
    MAP                   not at all           itself                    itself
    TUPLE                 itself               itself                    STRUCT(element1, ...)
    arrays of no numbers  itself               itself                    lists
    TYPE                  not at all           VARCHAR                   not at all

The same holds inside of lists, structs, maps, arrays, tuples and unions. Another kernel, and a storage's reader, makes
of a column what it was, so only exactness counts there; and what no column can carry does not leave for a kernel:
Arrow's unions have no NULL beside those of their members, its variants lose the types of what is in them, and maps of
files may have a key twice, which the kernel does not take back. Clients get types that each of them can read, and never
a value that is not the one that was computed: Arrow's decimal has 38 digits, its times have no offset and end before
24:00:00, its intervals count nanoseconds in 64 bits. An ENUM is a dictionary in Arrow, which some drivers do not
decode: those clients get one that ask for it, where it is not so large that its message would be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache

from engine.kernel_types import ARRAY, LIST, KernelType, parse_type, unquote

__all__ = [
    "CAST_FROM",
    "Boundary",
    "arriving_item",
    "is_retyped",
    "is_stored_as_it_is",
    "leaving_items",
    "leaving_type",
    "travels",
]


class Boundary(Enum):
    """Who reads the rows that leave the kernel."""

    KERNEL = "kernel"
    CLIENT = "client"
    DICTIONARY_CLIENT = "client that takes dictionaries"
    STORAGE = "storage"


CAST_FROM = " when casting from source column "
"""What the kernel says behind the reason why a value of a column, whose name follows, has no cast."""

_REFUSED = "__grism_refused"
_TEXT = KernelType("VARCHAR")
_BYTES = KernelType("BLOB")
_VARIANT = KernelType("VARIANT")
_NUMBER = KernelType("DECIMAL", arguments="(38,0)")
_FOR_CLIENTS = {
    "HUGEINT": _NUMBER,
    "UHUGEINT": _NUMBER,
    "BIT": _TEXT,
    "TIME WITH TIME ZONE": _TEXT,
    "BIGNUM": _TEXT,
    "TYPE": _TEXT,
}
_CLIENTS = (Boundary.CLIENT, Boundary.DICTIONARY_CLIENT)
_MAX_DICTIONARY = 500_000  # characters of the values of an ENUM; clients take messages of 4 MB
_INSTEAD: Mapping[Boundary, Mapping[str, KernelType]] = {
    Boundary.KERNEL: {
        "UHUGEINT": _TEXT,
        "BIT": _TEXT,
        "TIME WITH TIME ZONE": _TEXT,
        "INTERVAL": _TEXT,
        "ENUM": _TEXT,
    },
    Boundary.CLIENT: {**_FOR_CLIENTS, "ENUM": _TEXT},
    Boundary.DICTIONARY_CLIENT: _FOR_CLIENTS,
    Boundary.STORAGE: {
        "HUGEINT": _TEXT,
        "UHUGEINT": _TEXT,
        "BIT": _TEXT,
        "TIME WITH TIME ZONE": _TEXT,
        "INTERVAL": _TEXT,
        "ENUM": _TEXT,
        "BIGNUM": _TEXT,
        "UUID": _TEXT,
        "JSON": _TEXT,
        "GEOMETRY": _BYTES,
        "VARIANT": _BYTES,
    },
}
_STAYING = frozenset({"MAP", "TYPE", "UNION", "VARIANT"})
# An empty tuple has no type that a cast could name.
_RETYPED = re.compile(r"HUGEINT|UUID|BIT|TIME WITH TIME ZONE|INTERVAL|JSON|BIGNUM|UNION|ENUM|TUPLE\(")

_FIXED_SIZE = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE")

_KEPT_COLUMNS = 256  # of a result for which it is kept what leaves

_TIMES = ("TIME", "TIME_NS")
_CAST_WITHOUT_NAME = ("BIT", "VARIANT")  # the kernel's cast to these does not tell of which column
_TAKEN_APART = ("STRUCT", "TUPLE", "UNION", "MAP", LIST, ARRAY)

# Arrow's nanoseconds end within the hour after these.
_HOURS = 2**63 // (3600 * 10**9) - 1


@lru_cache(maxsize=4096)
def leaving_type(kind: str, boundary: Boundary) -> str:
    """The kernel type as which columns of type `kind` leave; `kind` itself where Arrow carries it."""
    return str(_leaving_form(_parse_type(kind), boundary))


def leaving_items(columns: Sequence[tuple[str, str]], boundary: Boundary) -> list[str] | None:
    """Select items that make of (name, type) columns, told by their places, what leaves; None where all do as they are.

    Evaluating them raises InvalidValueError for a value that the type of its column cannot hold.
    """
    leaving = _leaving_values if len(columns) <= _KEPT_COLUMNS else _leaving_values.__wrapped__
    items = leaving(tuple([kind for _, kind in columns]), boundary)
    if items is None:
        return None
    names = ('"' + name.replace('"', '""') + '"' for name, _ in columns)
    return [f"{item} AS {name}" for item, name in zip(items, names, strict=True)]


@lru_cache(maxsize=1024)
def _leaving_values(kinds: tuple[str, ...], boundary: Boundary) -> list[str] | None:
    """What leaves, without its names; None where all do as they are."""
    places = [f"#{i}" for i in range(1, len(kinds) + 1)]
    items = [_leaving_value(place, kind, boundary) for place, kind in zip(places, kinds, strict=True)]
    return None if items == places else items


def arriving_item(column: str, kind: str) -> str:
    """The expression that makes a column of type `kind` of what is stored as `column`, a name.

    What it fails with where a value is none of that type ends with `CAST_FROM` and the name.
    """
    value, parsed = '"' + column.replace('"', '""') + '"', _parse_type(kind)
    if not parsed.members and kind not in _CAST_WITHOUT_NAME:
        return f"CAST({value} AS {kind})"
    message = _literal(f"{kind}{CAST_FROM}{column}")
    return _arriving_value(value, parsed, 0).replace(_REFUSED, f"error({message})")


def is_stored_as_it_is(kind: str) -> bool:
    """Whether a storage gives back a column of type `kind` without being told the type."""
    return leaving_type(kind, Boundary.STORAGE) == kind


def travels(kind: str) -> bool:
    """Whether a column of type `kind` may leave for another kernel, which then has the same values."""
    return all(found.name not in _STAYING for found in _parse_type(kind).walk())


def is_retyped(kind: str) -> bool:
    """Whether Arrow data of a column of type `kind` may be read back as another type."""
    return _RETYPED.search(kind) is not None


def _parse_type(kind: str) -> KernelType:
    """The type as a tree. What cannot be read, as states of aggregates, has nothing in it."""
    try:
        return parse_type(kind)
    except ValueError:
        return KernelType(kind)


def _leaving_form(kind: KernelType, boundary: Boundary) -> KernelType:
    instead = _INSTEAD[boundary].get(kind.name)
    if instead is not None:
        return instead
    if kind.name == "ENUM" and len(kind.arguments) > _MAX_DICTIONARY:
        return _TEXT
    left = kind.with_members(lambda member: _leaving_form(member, boundary))
    if boundary is not Boundary.STORAGE:
        return left
    if left.name == ARRAY and not _FIXED_SIZE.fullmatch(left.members[0].name):
        return KernelType(LIST, left.members)
    if left.name == "TUPLE":
        return KernelType("STRUCT", left.members, tuple(f"element{i + 1}" for i in range(len(left.members))))
    if left.name == "UNION":
        names = ("tag", *(_member(i) for i in range(len(left.members))))
        return KernelType("STRUCT", (_TEXT, *left.members), names)
    return left


def _leaving_value(column: str, kind: str, boundary: Boundary) -> str:
    to = leaving_type(kind, boundary)
    if boundary in _CLIENTS and kind == "INTERVAL":
        fits = f"date_part('hour', {column}) BETWEEN {-_HOURS} AND {_HOURS}"
        refused = f"error({column} || ' has more hours than an interval in a result; cast it to VARCHAR')"
        return f"CASE WHEN {column} IS NULL OR {fits} THEN {column} ELSE {refused} END"
    if boundary is Boundary.STORAGE:
        return _stored_value(column, _parse_type(kind), 0)
    if boundary in _CLIENTS and _has_times(_parse_type(kind)):
        sent = _sent_time(column, _parse_type(kind), 0)
        return sent if kind in _TIMES else f"CAST({sent} AS {to})"
    return column if to == kind else f"CAST({column} AS {to})"


def _has_times(kind: KernelType) -> bool:
    """Whether times of day can be found in values of this type."""
    if kind.name in _TIMES:
        return True
    return kind.name in _TAKEN_APART and any(map(_has_times, kind.members))


def _sent_time(value: str, kind: KernelType, depth: int) -> str:
    """`value`, which must not hold the end of a day: that is no time to Arrow."""
    if not _has_times(kind):
        return value
    if kind.name in _TIMES:
        refused = "error('24:00:00 is no time of day in a result; cast it to VARCHAR')"
        return f"CASE WHEN {value} = {kind.name} '24:00:00' THEN {refused} ELSE {value} END"
    return _inside(value, kind, depth, _sent_time)


# ---- What no cast makes: unions and variants have expressions, and so has what holds some.


def _member(position: int) -> str:
    """The name of a union's member in the stored struct; its own may be `tag`."""
    return f"m{position}"


def _is_taken_apart(kind: KernelType) -> bool:
    return any(inner.name in ("UNION", "VARIANT") for inner in kind.walk())


def _stored_value(value: str, kind: KernelType, depth: int) -> str:
    """The stored form of `value`, an expression of type `kind`."""
    left = _leaving_form(kind, Boundary.STORAGE)
    if left == kind:
        return value
    if not _is_taken_apart(kind):
        return f"CAST({value} AS {left})"
    match kind.name:
        case "VARIANT":
            return _stored_variant(value)
        case "UNION":
            items = [f"tag := CAST(union_tag({value}) AS VARCHAR)"]
            for i, (name, member) in enumerate(zip(kind.names, kind.members, strict=True)):
                own = f"union_extract({value}, {_literal(unquote(name))})"
                items.append(f"{_member(i)} := {_stored_value(own, member, depth)}")
            return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(items)}) END"
    return _inside(value, kind, depth, _stored_value)


def _stored_variant(value: str) -> str:
    parts = f"CAST(CAST(variant_to_parquet_variant({value}) AS VARIANT) AS STRUCT(metadata BLOB, value BLOB))"
    stored = f"struct_extract({parts}, 'metadata') || struct_extract({parts}, 'value')"
    same = f"variant_comparator(variant_bytes_to_variant({stored})) = variant_comparator({value})"
    refused = "error('A VARIANT holds a value that cannot be stored unchanged; cast it to JSON or another type')"
    return f"CASE WHEN {value} IS NULL THEN NULL WHEN {same} THEN {stored} ELSE {refused} END"


def _arriving_value(value: str, kind: KernelType, depth: int) -> str:
    """What was stored as `value`, in type `kind`."""
    left = _leaving_form(kind, Boundary.STORAGE)
    if not _is_taken_apart(kind):
        return _cast(value, kind) if left != kind or is_retyped(str(kind)) else value
    match kind.name:
        case "VARIANT":
            is_one = f"hex(array_slice({value}, 1, 1))[2] = '1'"  # the version; TRY lets the kernel's error pass
            made = f"variant_bytes_to_variant({value})"
            return f"CASE WHEN {value} IS NULL THEN NULL WHEN {is_one} THEN {made} ELSE {_REFUSED} END"
        case "UNION":
            members = [
                _arriving_value(f"struct_extract({value}, '{_member(i)}')", member, depth)
                for i, member in enumerate(kind.members)
            ]
            tag = f"struct_extract({value}, 'tag')"
            return _union(tag, members, kind, f" ELSE CASE WHEN {tag} IS NOT NULL THEN {_REFUSED} END")
    return f"CAST({_inside(value, kind, depth, _arriving_value)} AS {kind})"


def _cast(value: str, kind: KernelType) -> str:
    """`value` in type `kind`. The kernel's own cast would not tell of which column a value is none."""
    return f"coalesce(TRY(CAST({value} AS {kind})), CASE WHEN {value} IS NOT NULL THEN {_REFUSED} END)"


def _union(tag: str, members: Sequence[str], kind: KernelType, otherwise: str = "") -> str:
    """The union of type `kind` whose member `tag` names, of `members`, one expression for each; `otherwise` is ELSE."""
    arms = []
    for name, own, member in zip(kind.names, members, kind.members, strict=True):
        made = f"CAST(union_value({name} := CAST({own} AS {member})) AS {kind})"
        arms.append(f"WHEN {_literal(unquote(name))} THEN {made}")
    return f"CASE {tag} {' '.join(arms)}{otherwise} END"


def _inside(value: str, kind: KernelType, depth: int, change: Callable[[str, KernelType, int], str]) -> str:
    """`value` with `change` made of all that is in it."""
    name, entry = f"__e{depth}", f"struct_extract(__e{depth}, "
    match kind.name:
        case "STRUCT":
            items = [
                f"{own} := {change(f'struct_extract({value}, {_literal(unquote(own))})', member, depth)}"
                for own, member in zip(kind.names, kind.members, strict=True)
            ]
            return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(items)}) END"
        case "TUPLE":
            listed = ", ".join(
                change(f"struct_extract({value}, {i})", member, depth) for i, member in enumerate(kind.members, 1)
            )
            return f"CASE WHEN {value} IS NOT NULL THEN row({listed}) END"
        case "UNION":
            members = [
                change(f"union_extract({value}, {_literal(unquote(name))})", member, depth)
                for name, member in zip(kind.names, kind.members, strict=True)
            ]
            return _union(f"union_tag({value})", members, kind)
        case "MAP":
            key, item = (
                change(f"{entry}'{part}')", member, depth + 1)
                for part, member in zip(("key", "value"), kind.members, strict=True)
            )
            packed = f"struct_pack(key := {key}, value := {item})"
            return f"map_from_entries(list_transform(map_entries({value}), lambda {name}: {packed}))"
        case "LIST" | "ARRAY":
            return f"list_transform({value}, lambda {name}: {change(name, kind.members[0], depth + 1)})"
    raise ValueError(f"{kind} has a stored form, but no expression")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
