"""Bounds on the values that functions make: a short call can ask for a text or a list of any size.

The kernel has no such bound, does not count these values in its memory limit, and cannot be interrupted while it makes
one, nor while it makes a vector of them. So each function that can make a large value of small ones has a macro of the
same name in front of it. The macro tells from the arguments how large the result will be; where constants tell, the
kernel folds it away. Sizes that are worth a look are looked at together, for all rows of a vector, before any is made.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "BOUNDED_FUNCTIONS",
    "BOUNDED_REPLACEMENTS",
    "CHECKED_FORMAT",
    "DYNAMIC_WIDTHS",
    "FORMATS",
    "MAX_TOGETHER",
    "MAX_VALUE",
    "TOO_LARGE",
    "install",
]

MAX_VALUE = 256 << 20  # bytes of one value
MAX_TOGETHER = 1 << 30  # bytes of the values of one vector, which are 2,048 at most
_NOTICED = 64 << 10  # bytes from which on a value is worth a look
TOO_LARGE = (
    f"A function would make a value of more than {MAX_VALUE >> 20} MB, or values of more than {MAX_TOGETHER >> 20} MB "
    "for rows that are computed together; make it smaller, or aggregate instead."
)
CHECKED_FORMAT = "__grism_format"
DYNAMIC_WIDTHS = r"[0-9]{7}|%[^a-zA-Z%*]*\*|\{[^{}]+\{"  # for RE2 and for Python
BOUNDED_REPLACEMENTS = {"replace": "__grism_replace", "regexp_replace": "__grism_regexp_replace"}
_FITS = "__grism_fits"
_TIMES = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")

_RANGES = [
    ("stop BIGINT", "stop", "8.0 * stop"),
    ("start BIGINT, stop BIGINT", "stop", "8.0 * (stop::DOUBLE - start)"),
    ("start BIGINT, stop BIGINT, step BIGINT", "stop", "8.0 * (stop::DOUBLE - start) / nullif(step, 0)"),
    *(
        (
            f"start {kind}, stop {kind}, step INTERVAL",
            "stop",
            "8.0 * (epoch(stop) - epoch(start)) / nullif(epoch(step), 0)",
        )
        for kind in _TIMES
    ),
]
_PADS = [("s VARCHAR, n INTEGER, c VARCHAR", "n", "4.0 * n")]
_RESIZES = [("l, n", "n", "16.0 * n::UBIGINT"), ("l, n, v", "n", "n::UBIGINT * (16.0 + strlen(v::VARCHAR))")]
_MACROS: dict[str, list[tuple[str, str, str]]] = {
    "repeat": [
        ("s VARCHAR, n BIGINT", "n", "strlen(s)::DOUBLE * n"),
        ("s BLOB, n BIGINT", "n", "octet_length(s)::DOUBLE * n"),
        ("s, n", "n", "16.0 * len(s) * n::BIGINT"),
    ],
    "lpad": _PADS,
    "rpad": _PADS,
    "list_resize": _RESIZES,
    "array_resize": _RESIZES,
    "range": _RANGES,
    "generate_series": _RANGES,
    "equi_width_bins": [("low, high, n BIGINT, nice", "n", "16.0 * n")],
    "bitstring": [("b, n INTEGER", "n", "n::DOUBLE")],
}
"""By function: of each macro the parameters, that which decides about the size, and the bytes of the result."""

FORMATS = frozenset({"printf", "format"})
BOUNDED_FUNCTIONS = frozenset(_MACROS) | frozenset(BOUNDED_REPLACEMENTS) | FORMATS


def install(database: Any) -> None:
    """Put the macros in front of the functions, for all connections of a kernel's instance."""
    database.create_function(_FITS, _fit, ["DOUBLE"], "BOOLEAN", type="arrow", side_effects=True)
    for name, overloads in _MACROS.items():
        database.execute(f"CREATE MACRO {name}{', '.join(_overload(name, *overload) for overload in overloads)}")
    # Texts are replaced in results of replacing: each argument stands here once, for the binder reads it that often.
    given = "list_transform([{'s': s, 'a': a, 'b': b}], lambda v: "
    size = "strlen(v.s) + strlen(v.s)::DOUBLE / greatest(strlen(v.a), 1) * strlen(v.b)"
    replaced = f"system.main.replace(v.s, v.a, {_bound_size(size, 'v.b')})"
    database.execute(f"CREATE MACRO {BOUNDED_REPLACEMENTS['replace']}(s, a, b) AS {given}{replaced})[1]")
    by = _bound_size("strlen(v.s) * (1.0 + strlen(v.b))", "v.b")
    database.execute(
        f"CREATE MACRO {BOUNDED_REPLACEMENTS['regexp_replace']}"
        f"(s, a, b) AS {given}system.main.regexp_replace(v.s, v.a, {by}))[1], "
        f"(s, a, b, o) AS {given}system.main.regexp_replace(v.s, v.a, {by}, o))[1]"
    )
    widths = f"regexp_matches(f, '{DYNAMIC_WIDTHS}')"
    database.execute(f"CREATE MACRO {CHECKED_FORMAT}(f) AS CASE WHEN {widths} THEN error('{TOO_LARGE}') ELSE f END")


def _overload(name: str, parameters: str, decisive: str, size: str) -> str:
    names = [parameter.split()[0] for parameter in parameters.split(", ")]
    arguments = ", ".join(_bound_size(size, each) if each == decisive else each for each in names)
    return f"({parameters}) AS system.main.{name}({arguments})"


def _bound_size(size: str, argument: str) -> str:
    """`argument`, which gives a result of `size` bytes; an error where that is too large.

    The argument is what is guarded, not the call: the kernel folds a call of constants wherever it stands.
    """
    fits = f"CASE WHEN {size} > {_NOTICED} THEN {_FITS}({size}) ELSE true END"
    return f"CASE WHEN {fits} THEN {argument} ELSE error('{TOO_LARGE}') END"


def _fit(sizes: pa.Array) -> pa.Array:
    """For each of the values of a vector that are large, whether all of them may be made."""
    fits = pc.max(sizes).as_py() <= MAX_VALUE and pc.sum(sizes).as_py() <= MAX_TOGETHER
    return pa.repeat(pa.scalar(fits), len(sizes))
