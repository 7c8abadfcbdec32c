"""What the names of aggregate functions mean in the kernel's dialect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import InvalidPlanError
from engine.substrait.decimals import quotient
from engine.substrait.functions import Call, check_options
from engine.substrait.refusals import require_size, show_name, unsupported
from engine.substrait.typed_expressions import OrderItem, TypedExpression, cast
from engine.substrait.types import BIGINT, BOOLEAN, DOUBLE, FLOATS, INTEGERS, VARCHAR, Type, decimal

__all__ = ["Frame", "aggregate_call"]


@dataclass(frozen=True)
class Frame:
    """What stands around an aggregate's arguments: DISTINCT, ORDER BY and what comes behind the brackets."""

    distinct: bool = False
    order: Sequence[OrderItem] = ()
    condition: TypedExpression | None = None
    over: str = ""

    def around(self, function: str, arguments: str) -> str:
        """The call of `function`."""
        order = f" ORDER BY {', '.join(item.sql for item in self.order)}" if self.order else ""
        condition = "" if self.condition is None else f" FILTER (WHERE {self.condition.sql})"
        return f"{function}({'DISTINCT ' * self.distinct}{arguments}{order}){condition}{self.over}"


_SAME = {
    "min": "min",
    "max": "max",
    "any_value": "any_value",
    "first_value": "first",
    "last_value": "last",
    "bit_and": "bit_and",
    "bit_or": "bit_or",
    "bit_xor": "bit_xor",
    "mode": "mode",
}
"""Functions that give a value of their argument's type."""

_DOUBLES = {
    "corr": (2, "corr"),
    "covar_samp": (2, "covar_samp"),
    "covar_pop": (2, "covar_pop"),
    "stddev": (1, "stddev_samp"),
    "stddev_samp": (1, "stddev_samp"),
    "stddev_pop": (1, "stddev_pop"),
    "var": (1, "var_samp"),
    "var_samp": (1, "var_samp"),
    "var_pop": (1, "var_pop"),
}


def aggregate_call(call: Call, frame: Frame) -> TypedExpression:
    """A call of an aggregate function. Raises UnsupportedError, with its name, for one that is not known."""
    name = call.name
    if name in _SAME:
        call.arity(1)
        found = TypedExpression(frame.around(_SAME[name], call.texts[0]), call.arguments[0].type)
    elif name in _DOUBLES:
        count, function = _DOUBLES[name]
        call.arity(count)
        found = TypedExpression(frame.around(function, ", ".join(call.texts)), DOUBLE)
    elif name in _SPECIAL:
        found = _SPECIAL[name](call, frame)
    else:
        raise unsupported("aggregate function", name)
    check_options(call)
    require_size(found.sql)
    to = call.output or found.type  # which the kernel's own may differ from
    return found if to is None else cast(TypedExpression(found.sql, None), to)


def _count(call: Call, frame: Frame) -> TypedExpression:
    """How many; of a constant, which is no NULL, as many as there are rows."""
    call.arity(0, 1)
    counted = call.arguments[0] if call.arguments else None
    every = counted is None or (counted.is_constant and counted.value is not None and not frame.distinct)
    return TypedExpression(frame.around("count", "*" if counted is None or every else counted.sql), BIGINT)


def _sum(call: Call, frame: Frame) -> TypedExpression:
    call.arity(1)
    kind = call.arguments[0].type
    natural: Type | None = None
    if kind is not None and kind.name in INTEGERS:
        natural = Type("UBIGINT") if kind.name.startswith("U") else BIGINT
    elif kind is not None and kind.name in FLOATS:
        natural = DOUBLE
    elif kind is not None and kind.name == "DECIMAL":
        natural = decimal(kind.numbers[0] + 10, kind.scale)
    return TypedExpression(frame.around("sum", call.texts[0]), natural)


def _sum0(call: Call, frame: Frame) -> TypedExpression:
    found = _sum(call, frame)
    return TypedExpression(f"coalesce({found.sql}, 0)", found.type)


def _avg(call: Call, frame: Frame) -> TypedExpression:
    """The mean; of decimals, where it is one, cut after its digits."""
    call.arity(1)
    value = call.arguments[0]
    kind = value.type
    if kind is None or kind.name != "DECIMAL" or (call.output is not None and call.output.name != "DECIMAL"):
        return TypedExpression(frame.around("avg", value.sql), DOUBLE)
    output = call.output or decimal(kind.numbers[0] + 4, kind.scale + 4)
    total = TypedExpression(frame.around("sum", value.sql), decimal(38, kind.scale))
    return quotient(total, TypedExpression(frame.around("count", value.sql), BIGINT), output)


def _deviation(function: str) -> Callable[[Call, Frame], TypedExpression]:
    """Of a sample unless an option, or a first argument, says that it is of the population."""

    def make(call: Call, frame: Frame) -> TypedExpression:
        values = [argument for argument in call.arguments if argument.sql]
        wish = call.prefers("distribution", "SAMPLE", "POPULATION", default=(*call.words, "SAMPLE")[0])
        if len(values) != 1 or wish not in ("SAMPLE", "POPULATION"):
            raise InvalidPlanError(f"The function {show_name(call.name)} takes one value, SAMPLE or POPULATION.")
        return TypedExpression(
            frame.around(f"{function}_{'samp' if wish == 'SAMPLE' else 'pop'}", values[0].sql), DOUBLE
        )

    return make


def _list_result(function: str) -> Callable[[Call, Frame], TypedExpression]:
    def make(call: Call, frame: Frame) -> TypedExpression:
        call.arity(1)
        kind = call.arguments[0].type
        found = None if kind is None else Type("LIST", members=(kind,))
        return TypedExpression(frame.around(function, call.texts[0]), found)

    return make


def _string_agg(call: Call, frame: Frame) -> TypedExpression:
    call.arity(1, 2)
    separator = call.texts[1] if len(call.arguments) == 2 else "''"
    return TypedExpression(frame.around("string_agg", f"{call.texts[0]}, {separator}"), VARCHAR)


def _median(call: Call, frame: Frame) -> TypedExpression:
    """The middle one, or the mean of the two in the middle, in the type of the values."""
    values = [argument for argument in call.arguments if argument.sql]
    if len(values) != 1:
        raise InvalidPlanError(f"The function {show_name(call.name)} takes one value.")
    return TypedExpression(frame.around("median", values[0].sql), values[0].type)


def _percentile(call: Call, frame: Frame) -> TypedExpression:
    """The value at a share of the values in order."""
    call.arity(2)
    value, share = call.arguments
    descending = any(item.direction.startswith("DESC") for item in frame.order)
    if not share.is_constant or descending:
        raise unsupported("function argument", f"{call.name} with a share that is no constant, or of falling order")
    plain = Frame(frame.distinct, (), frame.condition, frame.over)
    return TypedExpression(plain.around("quantile_cont", f"{value.sql}, {share.sql}"), value.type)


def _boolean(function: str) -> Callable[[Call, Frame], TypedExpression]:
    def make(call: Call, frame: Frame) -> TypedExpression:
        call.arity(1)
        return TypedExpression(frame.around(function, call.texts[0]), BOOLEAN)

    return make


def _approximate_count(call: Call, frame: Frame) -> TypedExpression:
    call.arity(1)
    kind = Type("UBIGINT") if call.name == "approx_distinct" else BIGINT
    return TypedExpression(frame.around("approx_count_distinct", call.texts[0]), kind)


_SPECIAL: dict[str, Callable[[Call, Frame], TypedExpression]] = {
    "count": _count,
    "sum": _sum,
    "sum0": _sum0,
    "avg": _avg,
    "mean": _avg,
    "std_dev": _deviation("stddev"),
    "variance": _deviation("var"),
    "array_agg": _list_result("array_agg"),
    "string_agg": _string_agg,
    "median": _median,
    "percentile_cont": _percentile,
    "bool_and": _boolean("bool_and"),
    "bool_or": _boolean("bool_or"),
    "approx_count_distinct": _approximate_count,
    "approx_distinct": _approximate_count,
}
