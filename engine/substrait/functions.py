"""What the names of scalar functions mean in the kernel's dialect.

The names are those of Substrait's own extensions and those that producers of today write in their place. A call has the
type that the plan says that it has; where the plan does not say, that of the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from engine.errors import InvalidPlanError, UnsupportedError
from engine.substrait.decimals import quotient
from engine.substrait.refusals import require_size, show_name, unsupported
from engine.substrait.typed_expressions import TypedExpression, cast
from engine.substrait.types import BIGINT, BOOLEAN, DOUBLE, FLOATS, INTEGERS, VARCHAR, Type

__all__ = ["Call", "check_options", "scalar_call"]


@dataclass(frozen=True)
class Call:
    """A call of a function: its name, arguments, options with what is preferred for them, and the type of its result.

    An argument that is a word, such as the part of a date, is a constant without text.
    """

    name: str
    arguments: tuple[TypedExpression, ...]
    options: Mapping[str, tuple[str, ...]]
    output: Type | None
    producer: str = ""

    @property
    def words(self) -> list[str]:
        """The arguments that are words."""
        return [str(argument.value) for argument in self.arguments if not argument.sql]

    @property
    def texts(self) -> list[str]:
        """The arguments' texts; InvalidPlanError where one is a word."""
        if self.words:
            raise InvalidPlanError(
                f"The function {show_name(self.name)} takes values, not the word {show_name(self.words[0])}."
            )
        return [argument.sql for argument in self.arguments]

    def arity(self, *counts: int) -> None:
        """Raise InvalidPlanError unless it has one of these numbers of arguments, all of them values."""
        _ = self.texts
        if len(self.arguments) not in counts:
            wanted = " or ".join(map(str, counts))
            raise InvalidPlanError(
                f"The function {show_name(self.name)} takes {wanted} arguments; the plan gives it "
                f"{len(self.arguments)}."
            )

    def prefers(self, option: str, *known: str, default: str) -> str:
        """The first of an option's preferences that is `known`; UnsupportedError where none is."""
        preferences = self.options.get(option)
        if not preferences:
            return default
        for preference in preferences:
            if preference in known:
                return preference
        wish = show_name(f"{option}={'|'.join(preferences)}")
        raise UnsupportedError(
            f"The option {wish} of the Substrait function {show_name(self.name)} is not handled here."
        )


Result: TypeAlias = "str | TypedExpression"
_SAME = Type("the first argument's")

_TEMPLATES: dict[str, tuple[int, str, Type | None]] = {
    # comparison
    "equal": (2, "({0} = {1})", BOOLEAN),
    "not_equal": (2, "({0} <> {1})", BOOLEAN),
    "lt": (2, "({0} < {1})", BOOLEAN),
    "gt": (2, "({0} > {1})", BOOLEAN),
    "lte": (2, "({0} <= {1})", BOOLEAN),
    "gte": (2, "({0} >= {1})", BOOLEAN),
    "between": (3, "({0} BETWEEN {1} AND {2})", BOOLEAN),
    "is_null": (1, "({0} IS NULL)", BOOLEAN),
    "is_not_null": (1, "({0} IS NOT NULL)", BOOLEAN),
    "is_true": (1, "({0} IS TRUE)", BOOLEAN),
    "is_not_true": (1, "({0} IS NOT TRUE)", BOOLEAN),
    "is_false": (1, "({0} IS FALSE)", BOOLEAN),
    "is_not_false": (1, "({0} IS NOT FALSE)", BOOLEAN),
    "is_unknown": (1, "({0} IS NULL)", BOOLEAN),
    "is_not_unknown": (1, "({0} IS NOT NULL)", BOOLEAN),
    "is_distinct_from": (2, "({0} IS DISTINCT FROM {1})", BOOLEAN),
    "is_not_distinct_from": (2, "({0} IS NOT DISTINCT FROM {1})", BOOLEAN),
    "is_nan": (1, "isnan({0})", BOOLEAN),
    "is_finite": (1, "isfinite({0})", BOOLEAN),
    "is_infinite": (1, "isinf({0})", BOOLEAN),
    "nullif": (2, "nullif({0}, {1})", _SAME),
    # boolean
    "not": (1, "(NOT {0})", BOOLEAN),
    "xor": (2, "({0} <> {1})", BOOLEAN),
    "and_not": (2, "({0} AND NOT {1})", BOOLEAN),
    # arithmetic
    "add": (2, "({0} + {1})", None),
    "subtract": (2, "({0} - {1})", None),
    "multiply": (2, "({0} * {1})", None),
    "negate": (1, "(- {0})", _SAME),
    "abs": (1, "abs({0})", _SAME),
    "sign": (1, "sign({0})", None),
    "power": (2, "pow({0}, {1})", DOUBLE),
    "sqrt": (1, "sqrt({0})", DOUBLE),
    "cbrt": (1, "cbrt({0})", DOUBLE),
    "exp": (1, "exp({0})", DOUBLE),
    "ln": (1, "ln({0})", DOUBLE),
    "log10": (1, "log10({0})", DOUBLE),
    "log2": (1, "log2({0})", DOUBLE),
    "logb": (2, "(ln({0}) / ln({1}))", DOUBLE),
    "sin": (1, "sin({0})", DOUBLE),
    "cos": (1, "cos({0})", DOUBLE),
    "tan": (1, "tan({0})", DOUBLE),
    "asin": (1, "asin({0})", DOUBLE),
    "acos": (1, "acos({0})", DOUBLE),
    "atan": (1, "atan({0})", DOUBLE),
    "atan2": (2, "atan2({0}, {1})", DOUBLE),
    "sinh": (1, "sinh({0})", DOUBLE),
    "cosh": (1, "cosh({0})", DOUBLE),
    "tanh": (1, "tanh({0})", DOUBLE),
    "radians": (1, "radians({0})", DOUBLE),
    "degrees": (1, "degrees({0})", DOUBLE),
    "ceil": (1, "ceil({0})", None),
    "floor": (1, "floor({0})", None),
    "trunc": (1, "trunc({0})", None),
    "bitwise_not": (1, "(~ {0})", _SAME),
    "bitwise_and": (2, "({0} & {1})", _SAME),
    "bitwise_or": (2, "({0} | {1})", _SAME),
    "bitwise_xor": (2, "xor({0}, {1})", _SAME),
    "add_intervals": (2, "({0} + {1})", Type("INTERVAL")),
    # text
    "upper": (1, "upper({0})", VARCHAR),
    "lower": (1, "lower({0})", VARCHAR),
    "reverse": (1, "reverse({0})", VARCHAR),
    "char_length": (1, "length({0})", BIGINT),
    "octet_length": (1, "octet_length(encode({0}))", BIGINT),
    "bit_length": (1, "bit_length({0})", BIGINT),
    "starts_with": (2, "starts_with({0}, {1})", BOOLEAN),
    "ends_with": (2, "suffix({0}, {1})", BOOLEAN),
    "contains": (2, "contains({0}, {1})", BOOLEAN),
    "strpos": (2, "strpos({0}, {1})", BIGINT),
    "replace": (3, "replace({0}, {1}, {2})", VARCHAR),
    "repeat": (2, "repeat({0}, {1})", VARCHAR),
    "str_concat": (2, "({0} || {1})", VARCHAR),
    "split_part": (3, "split_part({0}, {1}, {2})", VARCHAR),
    "translate": (3, "translate({0}, {1}, {2})", VARCHAR),
    "md5": (1, "md5({0})", VARCHAR),
    "ascii": (1, "ascii({0})", None),
}
_SYNONYMS = {
    "character_length": "char_length",
    "length": "char_length",
    "len": "char_length",
    "mod": "modulus",
    "modulo": "modulus",
    "pow": "power",
    "substr": "substring",
    "btrim": "trim",
    "least_skip_null": "least",
    "greatest_skip_null": "greatest",
    "isnan": "is_nan",
    "bitwise_shift_left": "shift_left",
    "bitwise_shift_right": "shift_right",
    "ne": "not_equal",
}


def scalar_call(call: Call) -> TypedExpression:
    """A call of a scalar function. Raises UnsupportedError, with its name, for one that is not known."""
    name = _SYNONYMS.get(call.name, call.name)
    special = _SPECIAL.get(name)
    natural: Type | None
    if special is not None:
        found = special(call)
        text, natural = (found, None) if isinstance(found, str) else (found.sql, found.type)
    elif name in _TEMPLATES:
        count, template, natural = _TEMPLATES[name]
        call.arity(count)
        if natural is _SAME:
            natural = call.arguments[0].type
        text = template.format(*call.texts)
    else:
        raise unsupported("function", call.name)
    check_options(call)
    if natural == BOOLEAN or call.output is None:
        return TypedExpression(require_size(text), natural)
    return cast(TypedExpression(require_size(text), None), call.output)


def check_options(call: Call) -> None:
    """Raise UnsupportedError where the plan wants of a function what the kernel's does not do.

    What is not asked for may be as it is: without an option, overflow is an error.
    """
    for option in call.options:
        call.prefers(option, *_OPTIONS.get(option, ()), default="")


_OPTIONS: dict[str, tuple[str, ...]] = {
    "overflow": ("ERROR",),
    "on_domain_error": ("NAN", "ERROR", "NULL"),
    "on_division_by_zero": ("ERROR", "NULL", "LIMIT"),
    "on_log_zero": ("ERROR", "NAN"),
    "rounding": ("TIE_TO_EVEN", "TIE_AWAY_FROM_ZERO"),
    "division_type": ("TRUNCATE",),
    "case_sensitivity": ("CASE_SENSITIVE", "CASE_INSENSITIVE"),
    "negative_start": ("LEFT_OF_BEGINNING", "WRAP_FROM_END"),
    "null_handling": ("IGNORE_NULLS", "ACCEPT_NULLS"),
    "char_set": ("UTF8", "ASCII_ONLY"),
    "padding": ("RIGHT",),
    "distribution": ("SAMPLE", "POPULATION"),
    "precision": ("SINGLE", "DOUBLE"),
}


def _variadic(word: str) -> Callable[[Call], Result]:
    def make(call: Call) -> Result:
        if not call.arguments:
            return TypedExpression(f"CAST('{'true' if word == 'AND' else 'false'}' AS BOOLEAN)", BOOLEAN)
        return TypedExpression(f"({f' {word} '.join(call.texts)})", BOOLEAN)

    return make


def _comma_call(function: str) -> Callable[[Call], Result]:
    def make(call: Call) -> Result:
        if not call.arguments:
            raise InvalidPlanError(f"The function {show_name(call.name)} has no arguments.")
        return TypedExpression(f"{function}({', '.join(call.texts)})", call.arguments[0].type)

    return make


def _divide(call: Call) -> Result:
    """Of integers and decimals the quotient in the type of the result, cut; by zero it fails."""
    a, b = _division_operands(call)
    if a.type is None or b.type is None:
        raise UnsupportedError('The Substrait function "divide" is handled for arguments whose types the plan tells.')
    if not {a.type.name, b.type.name} <= {*INTEGERS, "DECIMAL"}:
        return f"({a.sql} / {b.sql})"
    if call.output is not None and call.output.name in FLOATS:  # as ibis writes it
        return f"({a.sql} / {b.sql})"
    if "DECIMAL" in (a.type.name, b.type.name, call.output and call.output.name):
        return quotient(a, b, call.output)
    return TypedExpression(f"({a.sql} // {b.sql})", a.type)


def _modulus(call: Call) -> Result:
    a, b = _division_operands(call)
    return f"({a.sql} % {b.sql})"


def _division_operands(call: Call) -> tuple[TypedExpression, TypedExpression]:
    """What is divided, and by what: by NULL in the place of zero, where the plan prefers NULL to an error."""
    call.arity(2)
    a, b = call.arguments
    wish = call.prefers("on_division_by_zero", "ERROR", "NULL", "LIMIT", default="ERROR")
    wish = call.prefers("on_domain_error", "ERROR", "NULL", "NAN", default=wish)
    return a, replace(b, sql=f"nullif({b.sql}, 0)", is_constant=False) if wish == "NULL" else b


def _shift(word: str) -> Callable[[Call], Result]:
    def make(call: Call) -> Result:
        call.arity(2)
        return TypedExpression(f"({call.texts[0]} {word} CAST({call.texts[1]} AS INTEGER))", call.arguments[0].type)

    return make


def _round(call: Call) -> Result:
    call.arity(1, 2)
    digits = f", CAST({call.texts[1]} AS INTEGER)" if len(call.arguments) == 2 else ""
    first = call.arguments[0].type
    decimal = first is not None and first.name == "DECIMAL"
    default = "TIE_AWAY_FROM_ZERO"
    even = call.prefers("rounding", "TIE_AWAY_FROM_ZERO", "TIE_TO_EVEN", default=default) == "TIE_TO_EVEN"
    return f"{'round_even' if even and not decimal and digits else 'round'}({call.texts[0]}{digits})"


def _like(call: Call) -> Result:
    """LIKE: of two arguments without an escape; the third is one, and a backslash where it is NULL."""
    call.arity(2, 3)
    wish = call.prefers("case_sensitivity", "CASE_SENSITIVE", "CASE_INSENSITIVE", default="CASE_SENSITIVE")
    word = "ILIKE" if call.name == "ilike" or wish == "CASE_INSENSITIVE" else "LIKE"
    escape = ""
    if len(call.arguments) == 3:
        third = call.arguments[2]
        if not third.is_constant:
            raise unsupported("function argument", f"{call.name} with an escape that is no constant")
        escape = " ESCAPE '\\'" if third.value is None else f" ESCAPE {third.sql}"
    return TypedExpression(f"({call.texts[0]} {word} {call.texts[1]}{escape})", BOOLEAN)


def _substring(call: Call) -> Result:
    """From 1; what begins before the text is cut there, where the kernel would count from its end."""
    call.arity(2, 3)
    wish = call.prefers("negative_start", "LEFT_OF_BEGINNING", "WRAP_FROM_END", default="LEFT_OF_BEGINNING")
    text, start, *length = call.texts
    first = call.arguments[1].value
    if wish == "LEFT_OF_BEGINNING" and not (isinstance(first, int) and first > 0):
        if length:
            length = [f"greatest({length[0]} + least({start}, 1) - 1, 0)"]
        start = f"greatest({start}, 1)"
    return TypedExpression(f"substring({', '.join([text, start, *length])})", VARCHAR)


def _trim(function: str) -> Callable[[Call], Result]:
    def make(call: Call) -> Result:
        call.arity(1, 2)
        characters = call.texts[1] if len(call.arguments) == 2 else "' '"
        return TypedExpression(f"{function}({call.texts[0]}, {characters})", VARCHAR)

    return make


def _pad(function: str) -> Callable[[Call], Result]:
    def make(call: Call) -> Result:
        call.arity(2, 3)
        characters = call.texts[2] if len(call.arguments) == 3 else "' '"
        return TypedExpression(f"{function}({call.texts[0]}, CAST({call.texts[1]} AS INTEGER), {characters})", VARCHAR)

    return make


def _side(function: str) -> Callable[[Call], Result]:
    def make(call: Call) -> Result:
        call.arity(2)
        return TypedExpression(f"{function}({call.texts[0]}, {call.texts[1]})", VARCHAR)

    return make


def _concat(call: Call) -> Result:
    """NULL where one of the texts is; DataFusion's leaves NULLs out, and has `str_concat` beside it."""
    default = "IGNORE_NULLS" if call.producer == "datafusion" else "ACCEPT_NULLS"
    if call.prefers("null_handling", "IGNORE_NULLS", "ACCEPT_NULLS", default=default) == "IGNORE_NULLS":
        return _comma_call("concat")(call)
    if not call.arguments:
        raise InvalidPlanError(f"The function {show_name(call.name)} has no arguments.")
    return TypedExpression(f"({' || '.join(call.texts)})", VARCHAR)


_PARTS = {
    **{part: part for part in ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "epoch")},
    "dow": "dow",
    "doy": "doy",
    "isoyear": "isoyear",
    "isodow": "isodow",
    "iso_year": "isoyear",
    "iso_week": "week",
    "unix_time": "epoch",
    "day_of_year": "doy",
    "us_week": "",
    "day_of_week": "dow",
    "millisecond": "millisecond",
    "milliseconds": "millisecond",
    "microsecond": "microsecond",
}


def _part(name: TypedExpression, function: str) -> str:
    word = str(name.value).lower() if name.is_constant else ""
    part = _PARTS.get(word)
    if not part:
        raise unsupported(f"part of {function}", word)
    return part


def _extract(call: Call) -> Result:
    """The part of a date or time; the parts that Substrait counts from zero or one have the number before it."""
    if len(call.arguments) == 3 and not call.arguments[1].sql:  # the base that is counted from
        if call.arguments[1].value != "ONE":
            raise unsupported("function argument", f"{call.name} counted from {call.arguments[1].value}")
        part, value = call.arguments[0], call.arguments[2]
    elif len(call.arguments) == 2:
        part, value = call.arguments
    else:
        raise InvalidPlanError(f"The function {show_name(call.name)} takes a part and a value.")
    if not value.sql:
        raise InvalidPlanError(f"The function {show_name(call.name)} takes a part and a value.")
    return f"date_part('{_part(part, call.name)}', {value.sql})"


_UNITS = frozenset(
    {"year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond"}
)


def _date_trunc(call: Call) -> Result:
    call.arity(2)
    unit, value = call.arguments
    word = str(unit.value).lower() if unit.is_constant else ""
    if word not in _UNITS:
        raise unsupported(f"unit of {call.name}", word)
    return f"date_trunc('{word}', {value.sql})"


_SPECIAL: dict[str, Callable[[Call], Result]] = {
    "and": _variadic("AND"),
    "or": _variadic("OR"),
    "coalesce": _comma_call("coalesce"),
    "least": _comma_call("least"),
    "greatest": _comma_call("greatest"),
    "concat": _concat,
    "divide": _divide,
    "modulus": _modulus,
    "shift_left": _shift("<<"),
    "shift_right": _shift(">>"),
    "round": _round,
    "like": _like,
    "ilike": _like,
    "substring": _substring,
    "trim": _trim("trim"),
    "ltrim": _trim("ltrim"),
    "rtrim": _trim("rtrim"),
    "lpad": _pad("lpad"),
    "rpad": _pad("rpad"),
    "left": _side("left"),
    "right": _side("right"),
    "extract": _extract,
    "date_part": _extract,
    "date_trunc": _date_trunc,
}
