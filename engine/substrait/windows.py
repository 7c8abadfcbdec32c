"""Window functions in the kernel's dialect."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import InvalidPlanError
from engine.substrait.aggregates import Frame, aggregate_call
from engine.substrait.functions import Call, check_options
from engine.substrait.proto import algebra_pb2
from engine.substrait.refusals import require_size, unsupported
from engine.substrait.typed_expressions import OrderItem, TypedExpression, cast
from engine.substrait.types import BIGINT, DOUBLE, Type

__all__ = ["WindowFunction", "require_whole", "window_call"]

WindowFunction = algebra_pb2.Expression.WindowFunction | algebra_pb2.ConsistentPartitionWindowRel.WindowRelFunction
Bound = algebra_pb2.Expression.WindowFunction.Bound

_RANKS: dict[str, Type] = {
    "row_number": BIGINT,
    "rank": BIGINT,
    "dense_rank": BIGINT,
    "percent_rank": DOUBLE,
    "cume_dist": DOUBLE,
}
_VALUES: dict[str, tuple[int, ...]] = {
    "lag": (1, 2, 3),
    "lead": (1, 2, 3),
    "first_value": (1,),
    "last_value": (1,),
    "nth_value": (2,),
}
"""Functions that give one of the values, with their numbers of arguments."""

_WHOLE = (algebra_pb2.AGGREGATION_PHASE_UNSPECIFIED, algebra_pb2.AGGREGATION_PHASE_INITIAL_TO_RESULT)


def window_call(
    call: Call, given: WindowFunction, partitions: Sequence[TypedExpression], order: Sequence[OrderItem]
) -> TypedExpression:
    """A call of a window function. Raises UnsupportedError, with its name, for one that is not known."""
    require_whole(call.name, given.phase)
    parts = []
    if partitions:
        parts.append(f"PARTITION BY {', '.join(partition.sql for partition in partitions)}")
    if order:
        parts.append(f"ORDER BY {', '.join(item.sql for item in order)}")
    distinct = given.invocation == algebra_pb2.AggregateFunction.AGGREGATION_INVOCATION_DISTINCT
    frame = _frame(given)
    if call.name in _RANKS or call.name in ("ntile", "lag", "lead"):  # which have no frame
        found = TypedExpression(f"{_rank_call(call)} OVER ({' '.join(parts)})", _type(call))
    elif call.name in _VALUES:
        call.arity(*_VALUES[call.name])
        found = TypedExpression(f"{call.name}({', '.join(call.texts)}) OVER ({' '.join([*parts, frame])})", _type(call))
    else:
        return aggregate_call(call, Frame(distinct, over=f" OVER ({' '.join([*parts, frame])})"))
    check_options(call)
    require_size(found.sql)
    to = call.output or found.type
    return found if to is None else cast(TypedExpression(found.sql, None), to)


def require_whole(name: str, phase: int) -> None:
    """Raise UnsupportedError where an aggregate gives, or takes, what is half done."""
    if phase not in _WHOLE:
        raise unsupported("aggregation phase", f"{algebra_pb2.AggregationPhase.Name(phase)} of {name}")


def _type(call: Call) -> Type | None:
    """The type of the result, which DataFusion does not write: its whole numbers have no sign."""
    kind = _RANKS.get(call.name) or (BIGINT if call.name == "ntile" else None)
    if kind is None:
        return call.arguments[0].type
    return Type("UBIGINT") if kind == BIGINT and call.producer == "datafusion" else kind


def _rank_call(call: Call) -> str:
    if call.name in _RANKS:
        call.arity(0)
        return f"{call.name}()"
    call.arity(*_VALUES.get(call.name, (1,)))
    texts = call.texts
    if call.name != "ntile" and len(texts) == 3 and call.arguments[0].type is not None:
        texts[2] = cast(call.arguments[2], call.arguments[0].type).sql
    return f"{call.name}({', '.join(texts)})"


def _frame(given: WindowFunction) -> str:
    lower, upper = _frame_bound(given.lower_bound, "PRECEDING"), _frame_bound(given.upper_bound, "FOLLOWING")
    rows = given.bounds_type == algebra_pb2.Expression.WindowFunction.BOUNDS_TYPE_ROWS
    return f"{'ROWS' if rows else 'RANGE'} BETWEEN {lower} AND {upper}"


def _frame_bound(given: Bound, unbounded: str) -> str:
    match given.WhichOneof("kind"):
        case "unbounded" | None:
            return f"UNBOUNDED {unbounded}"
        case "current_row":
            return "CURRENT ROW"
        case "preceding":
            return f"{_offset(given.preceding.offset)} PRECEDING"
        case _:
            return f"{_offset(given.following.offset)} FOLLOWING"


def _offset(offset: int) -> int:
    if offset < 0:
        raise InvalidPlanError(f"A window of the plan has an offset of {offset}.")
    return offset
