"""Plans of statements with parameters, which are right for whatever values: they are put in, nothing is bound again.

The binder plans a text whose parameters are open; what it makes of it holds for all values of their types. The values
then stand as constants in its plan, and as literals in its text. Such a plan is used only if, with the values of one
statement, it is the one that this statement has when it is planned by itself: from a value the kernel may have computed
more, as it does of ``LIMIT ?`` or ``date >= ? + INTERVAL 1 DAY``, and these are planned by themselves each time.

While the tables stay what they are, one logical plan with values that stand for any is enough: a runtime may put those
of a statement into what it has made of that (`OtherValues`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from engine.binder import Binder, BoundStatement
from engine.cache import LruCache
from engine.cancellation import require_answer
from engine.errors import GrismError
from engine.literals import INTEGER_RANGES, constant_as, type_text
from engine.logical.nodes import LogicalPlan
from engine.made_of_plans import MadeOfPlans
from engine.other_values import Constants, OtherValues
from engine.schema import RowType
from engine.sql.operator_reading import read_operators
from engine.sql.plan_reader import AnyValue, NotRead
from engine.sql.search_values import ParameterValue
from engine.sql.text_memory import KnownText, SnapshotOfPins
from engine.sql.texts import ReadText, ResolvedText
from engine.sql.tokens import Kind, tokens
from engine.sql.views import Names, View
from engine.storage.protocol import Snapshot, TableHandle, TableName

__all__ = ["GenericPlans"]

_CACHED = 256
_MAX_TEXT = 10_000  # characters of a statement, and of a value
_MAX_PARAMETERS = 32
_EXACT = 1 << 53  # up to which each integer is a DOUBLE
_DAYS = range(-719_162, 2_932_897)  # of the years 1 to 9999, from 1970 on
_DAY = 86_400_000_000  # microseconds
_PYTHON = {"VARCHAR", "BOOLEAN", "DOUBLE", *INTEGER_RANGES}  # whose values Python holds all
_UNTRIED: tuple[object, ...] = ()

Key = tuple[str, Names, tuple[pa.DataType, ...]]
Tables = Mapping[str, tuple[TableHandle, RowType]]
Columns = Callable[[TableHandle], RowType]
Build = Callable[[ResolvedText], LogicalPlan]


@dataclass(frozen=True)
class _GenericPlan:
    """A plan with open parameters of the types `kinds`, and the statement that it was made of.

    It is right for tables of the same columns, whatever their versions, and for the same views. `pieces` are the text
    around the parameters, and `places` which of them stand there; `marks` say where they stand in the kernel's plan.
    """

    resolved: ResolvedText
    views: Mapping[TableName, View]
    kinds: tuple[str, ...]
    bound: BoundStatement
    marks: Any
    pieces: tuple[str, ...]
    places: tuple[int, ...]

    def tables(self, snapshot: Snapshot, names: Names, columns_of: Columns) -> Tables | None:
        """The tables as they are in the snapshot; None where they, or views, are not what they were."""
        found = {}
        try:
            if any(names.views is None or names.views.find(name) != view for name, view in self.views.items()):
                return None
            for pin, (name, (_, columns)) in zip(self.resolved.pins, self.resolved.tables.items(), strict=True):
                handle = snapshot.table(pin.name, pin.version, pin.at)
                if handle != pin.handle and columns_of(handle) != columns:
                    return None
                found[name] = (handle, columns)
        except GrismError:
            return None
        return found

    def constants(self, given: Sequence[ParameterValue]) -> Constants:
        """The values as the kernel's plan has them. Raises NotRead where one is not of its parameter's type."""
        kinds = enumerate(zip(given, self.kinds, strict=True), 1)
        return {str(number): _constant_value(kind, _kernel_value(one.value, kind)) for number, (one, kind) in kinds}

    def text(self, given: Sequence[ParameterValue]) -> str:
        """The statement's text with these values."""
        literals = [constant_as(one.value, kind) for one, kind in zip(given, self.kinds, strict=True)]
        first, *others = self.pieces
        return first + "".join([literals[place] + piece for place, piece in zip(self.places, others, strict=True)])

    def with_values(self, given: Sequence[ParameterValue], tables: Tables) -> ResolvedText:
        """The statement with these values. Raises NotRead where one is not of its parameter's type."""
        return self._with_constants(self.constants(given), self.text(given), tables)

    @cached_property
    def stand_ins(self) -> Constants:
        """Values that are marked to stand for any. Raises NotRead where a type has too few."""
        return {
            str(n): AnyValue(str(n), _constant_value(kind, _stand_in(n, kind))) for n, kind in enumerate(self.kinds, 1)
        }

    def with_any_values(self, tables: Tables) -> ResolvedText:
        """The statement with values that stand for any. Raises NotRead where there are none."""
        return self._with_constants(self.stand_ins, "?".join(self.pieces), tables)

    def _with_constants(self, constants: Constants, text: str, tables: Tables) -> ResolvedText:
        written = {number: _constant(held) for number, held in constants.items()}
        operators = read_operators(replace(self.bound, plan=_put(self.bound.plan, self.marks, written)), tables)
        return replace(self.resolved, text=text, operators=operators, tables=dict(tables))


@dataclass(frozen=True)
class _ForAny:
    """The plan for any values over some tables, once it `is_made`; None where there is none."""

    tables: Tables
    is_made: bool
    plan: LogicalPlan | None = None


class GenericPlans:
    """Remembers plans by texts and the types of values, once a text is asked for a second time. Thread-safe.

    `columns_of` tells a table's columns, `build` makes a plan of a resolved statement.
    """

    def __init__(self, binder: Binder, columns_of: Columns, build: Build) -> None:
        self._binder, self._columns_of, self._build = binder, columns_of, build
        self._plans: LruCache[Key, _GenericPlan] = LruCache(_CACHED)
        self._for_any_values: MadeOfPlans[_ForAny] = MadeOfPlans()
        self._tried: LruCache[Key, tuple[object, ...]] = LruCache(_CACHED)  # the tables and views of the last trial

    def get(
        self,
        text: str,
        names: Names,
        given: Sequence[ParameterValue],
        snapshot: Snapshot,
        plan_alone: Callable[[Snapshot], LogicalPlan],
    ) -> KnownText[LogicalPlan] | None:
        """The plan for these values; None where the statement has to be planned by itself, as `plan_alone` does.

        What is given back holds no snapshot: it may be remembered.
        """
        known = self._plans.get(_key(text, names, given)) if given else None
        tables = known.tables(snapshot, names, self._columns_of) if known is not None else None
        if known is None or tables is None:
            return None
        handles = [handle for handle, _ in tables.values()]
        pins = tuple([replace(pin, handle=handle) for pin, handle in zip(known.resolved.pins, handles, strict=True)])

        def write_out() -> LogicalPlan:
            try:
                return self._build(known.with_values(given, tables))
            except (NotRead, RecursionError):
                return plan_alone(SnapshotOfPins(pins))

        try:
            constants, filled = known.constants(given), known.text(given)
        except (NotRead, RecursionError):
            return None
        for_any = self._for_any(known, tables)
        # Of a value that its stand-in happens to be, it would not be seen whether it stands where it should.
        if for_any is None or any(held == known.stand_ins[number] for number, held in constants.items()):
            plan = write_out()
        else:
            plan = OtherValues(for_any, filled, constants, write_out)
        return KnownText(pins, known.views, plan)

    def _for_any(self, known: _GenericPlan, tables: Tables) -> LogicalPlan | None:
        """The plan for any values, over these tables; None where there is none, or none yet.

        It is made when the tables are the same for a second time: where they change each time it would be in vain.
        """
        made = self._for_any_values.get(known)
        if made is None or made.tables != tables:
            made = _ForAny(tables, is_made=False)
        elif not made.is_made:
            with suppress(NotRead, RecursionError):
                made = replace(made, plan=self._build(known.with_any_values(tables)))
            made = replace(made, is_made=True)
        else:
            return made.plan
        self._for_any_values.put(known, made)
        return made.plan

    def learn(
        self,
        text: str,
        names: Names,
        given: Sequence[ParameterValue],
        read: ReadText,
        told: Callable[[], Sequence[str | None]],
        opened: Callable[[Sequence[ParameterValue]], tuple[str, Tables]],
    ) -> None:
        """Look for a plan of `text` for other values than those that it was `read` with.

        `told` gives the kernel's types of the parameters, `opened` the canonical text, and its tables, with other SQL
        in the places of the parameters.
        """
        if not 0 < len(given) <= _MAX_PARAMETERS or len(text) > _MAX_TEXT:
            return
        key, shape = _key(text, names, given), read.shape
        tried = self._tried.get(key)
        if tried is not None and tried != shape:
            try:
                self._plans.put(key, self._make(given, read, told, opened))
            except (GrismError, NotRead, RecursionError) as error:
                require_answer(error)
        self._tried.put(key, _UNTRIED if tried is None else shape)

    def _make(
        self,
        given: Sequence[ParameterValue],
        read: ReadText,
        told: Callable[[], Sequence[str | None]],
        opened: Callable[[Sequence[ParameterValue]], tuple[str, Tables]],
    ) -> _GenericPlan:
        """The plan for any values. Raises NotRead where the statement is to be planned by itself."""
        resolved = read.resolved
        tables = resolved.tables
        if resolved.operators is None or any(handle.search is not None for handle, _ in tables.values()):
            raise NotRead("a statement that runs whole, or that searches")
        if [pin.handle for pin in resolved.pins] != [handle for handle, _ in tables.values()]:
            raise NotRead("a statement that tells of tables, or repeats them")
        kinds = tuple(_kind(one.value, kind) for one, kind in zip(given, told(), strict=True))
        text, found = opened(
            [replace(one, text=partial(_open, one.place + 1, kind)) for one, kind in zip(given, kinds, strict=True)]
        )
        bound = self._binder.open_plan(text, {name: columns for name, (_, columns) in found.items()})
        if bound.plan is None:  # as of PIVOT, whose columns are called by values
            raise NotRead(bound.reason)
        places = [token for token in tokens(text) if token.kind is Kind.PARAMETER]
        ends = [0, *(token.end for token in places)]
        starts = [*(token.start for token in places), len(text)]
        pieces = tuple(text[end:start] for end, start in zip(ends, starts, strict=True))
        numbers = tuple(int(token.value[1:]) - 1 for token in places)
        made = _GenericPlan(resolved, read.views, kinds, bound, _marks(bound.plan), pieces, numbers)
        if found != tables or made.with_values(given, tables).operators != resolved.operators:
            raise NotRead("a statement that has a plan of its own for each value")
        return made


def _key(text: str, names: Names, given: Sequence[ParameterValue]) -> Key:
    return text, names, tuple([one.value.type for one in given])


def _open(number: int, kind: str) -> str:
    return f"CAST(${number} AS {kind})"


def _kind(value: pa.Scalar, told: str | None) -> str:
    """The kernel's type that a parameter has in a plan for any values. Raises NotRead where there is none.

    An integer has the type of its place, as a client's own number would, and a text stands only where a text is meant:
    anywhere else the kernel reads it as what is meant there.
    """
    kind = type_text(value.type)
    if pa.types.is_integer(value.type) and (told in INTEGER_RANGES or told == "DOUBLE"):
        kind = told
    if kind == "VARCHAR" and told != kind:
        raise NotRead("a text that stands for something else")
    return kind


def _constant(held: dict[str, Any]) -> dict[str, Any]:
    """A constant as in the kernel's plans."""
    told = {"return_type": held["type"], "value": held}
    return {"expression_class": "BOUND_CONSTANT", "type": "VALUE_CONSTANT", **told}


def _constant_value(kind: str, written: int | float | str) -> dict[str, Any]:
    """What a constant holds."""
    return {"type": {"id": kind}, "is_null": False, "value": written}


def _stand_in(number: int, kind: str) -> int | float | str:
    """A value that no other stand-in has, and hardly a statement. Raises NotRead for a type with too few."""
    odd = 1234 + 57 * number
    match kind:
        case "VARCHAR":
            return f"any text for parameter {number}"
        case "DOUBLE":
            return 1.2345e300 * (1 + number / 64)
        case "DATE":
            return _DAYS[-odd]
        case "TIMESTAMP":
            return _DAYS[-odd] * _DAY + odd
    if kind in INTEGER_RANGES:
        return INTEGER_RANGES[kind].stop - (number if kind.endswith("TINYINT") else odd)
    raise NotRead(f"any value of type {kind}")


def _kernel_value(value: pa.Scalar, kind: str) -> int | float | str:
    """The value as the kernel writes one of that type. Raises NotRead where it may be none."""
    if not value.is_valid:
        raise NotRead("NULL")
    python: Any = value.as_py() if kind in _PYTHON else None
    match kind:
        case "VARCHAR" if len(python) <= _MAX_TEXT and "\0" not in python:
            return str(python)
        case "BOOLEAN":
            return bool(python)
        case "DOUBLE" if isinstance(python, int) and abs(python) <= _EXACT:
            return float(python)
        case "DOUBLE" if isinstance(python, float) and python and math.isfinite(python):
            return python
        case "DATE" if pa.types.is_date32(value.type) and value.value in _DAYS:
            return int(value.value)
        case "TIMESTAMP" if value.value // _DAY in _DAYS:
            return int(value.value)
    if isinstance(python, int) and python in INTEGER_RANGES.get(kind, ()):
        return python
    raise NotRead(f"a value of type {value.type} as {kind}")


def _marks(node: Any) -> Any:
    """Where parameters stand in the kernel's plan: below each key or place their marks, or the name of one.

    >>> _marks([{"left": {"column": "k"}, "right": {"expression_class": "BOUND_PARAMETER", "identifier": "1"}}])
    {0: {'right': '1'}}
    """
    if isinstance(node, dict) and node.get("expression_class") == "BOUND_PARAMETER":
        return node["identifier"]
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return {key: marks for key, item in items if (marks := _marks(item))}


def _put(node: Any, marks: Any, constants: Mapping[str, dict[str, Any]]) -> Any:
    """The kernel's plan with constants in the places of its parameters; what holds none of them is shared."""
    if isinstance(marks, str):
        return {**constants[marks], "alias": node.get("alias", "")}
    made = node.copy()
    for key, below in marks.items():
        made[key] = _put(node[key], below, constants)
    return made
