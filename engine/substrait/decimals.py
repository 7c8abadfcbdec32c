"""Quotients of decimals, which the kernel has as doubles only."""

from __future__ import annotations

from engine.substrait.typed_expressions import TypedExpression
from engine.substrait.types import Type, decimal

__all__ = ["quotient"]

_MORE = 4  # digits behind the point that a quotient has more than what is divided, where the plan does not say


def quotient(a: TypedExpression, b: TypedExpression, output: Type | None) -> TypedExpression:
    """`a` divided by `b`, decimals or integers, cut after the digits of `output`."""
    assert a.type is not None
    assert b.type is not None
    if output is None or output.name != "DECIMAL":
        scale = min(38, a.type.scale + _MORE)
        digits = a.type.numbers[0] if a.type.numbers else 19
        output = decimal(digits - a.type.scale + b.type.scale + scale, scale)
    shift = output.scale - a.type.scale + b.type.scale
    above, below = _unscaled_digits(a), _unscaled_digits(b)
    if shift > 0:
        above = f"({above} * {_power(shift)})"
    elif shift < 0:
        below = f"({below} * {_power(-shift)})"
    whole = f"CAST(({above} // {below}) AS DECIMAL(38,0))"
    if output.scale:
        whole = f"({whole} * CAST('0.{'1'.rjust(output.scale, '0')}' AS DECIMAL({output.scale},{output.scale})))"
    return TypedExpression(f"CAST({whole} AS {output.sql})", output)


def _unscaled_digits(value: TypedExpression) -> str:
    """The digits of a decimal as an integer."""
    assert value.type is not None
    scale = value.type.scale
    if not scale:
        return f"CAST({value.sql} AS HUGEINT)"
    return f"CAST(({value.sql} * CAST('{10**scale}' AS DECIMAL({scale + 1},0))) AS HUGEINT)"


def _power(digits: int) -> str:
    return f"CAST('{10**digits}' AS HUGEINT)"
